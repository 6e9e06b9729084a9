//! `latchkey restore`: a backup brought back into a data directory where no server runs.
//!
//! The copy is opened with the master key, its audit trail is verified, and what a restored store owes is done to it (see
//! `authority::backup`) before it takes its place.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use authority::Authority;
use authority::backup::{Evidence, Restored};
use clap::Args;
use credential::time::Instant;
use serde_json::{Value, json};
use server::config::Config;

use super::backup::MANIFEST;
use crate::exit::Reason;
use crate::house::{self, House};
use crate::master;
use crate::output::{Output, say};
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  latchkey restore /var/backups/latchkey/2030-01-01 --journal trail.jsonl
  latchkey restore ./copy --accept-as-of 2030-01-01T00:00:00Z --data-directory /var/lib/latchkey --replace

What was revoked after the backup would be good again. So tokens from before are refused in any case, and keys come
back disabled, unless there is a journal (an export of the trail that was made later and goes on from the backup), or
you say with --accept-as-of that what was restricted after that time may be lost. Where the administrators' keys come
back disabled too, `latchkey key enable ID --local` brings one back to enable the others with.";

/// Bring a backup back into a data directory where no server runs.
#[derive(Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct Restore {
    #[command(flatten)]
    settings: Settings,
    /// The directory with the backup.
    #[arg(value_name = "DIR")]
    from: PathBuf,
    /// An export of the audit trail that was made after the backup (`latchkey audit export`).
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Accept that what was restricted after this time (RFC 3339) and is not in the backup is lost.
    #[arg(long, value_name = "TIME")]
    accept_as_of: Option<jiff::Timestamp>,
    /// Set a database that is there aside instead of refusing.
    #[arg(long)]
    replace: bool,
}

impl Restore {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<()> {
        let config = self.settings.load(&[])?.config;
        if !house::is_embedded(&config) {
            return Err(Reason::Usage
                .because("the database is not the embedded one; restore it with its own tools"));
        }
        self.check()?;
        let directory = &config.data.directory;
        master::data_directory(directory)?;
        let place = directory.join(house::DATABASE_FILE);
        refuse_open(&place)?;
        if place.exists() && !self.replace {
            return Err(Reason::Usage.because(format!(
                "there is a database {} already; say --replace to set it aside",
                place.display()
            )));
        }

        let fresh = directory.join("restoring.db");
        remove_with_companions(&fresh)?;
        copy(&self.from.join(house::DATABASE_FILE), &fresh)?;
        let prepared = self.prepare(&config, &fresh).await;
        if prepared.is_err() {
            remove_with_companions(&fresh)?;
        }
        let restored = prepared.context("the backup was not restored")?;

        let aside = place.exists().then(|| set_aside(&place)).transpose()?;
        std::fs::rename(&fresh, &place)?;
        remove_with_companions(&fresh)?;
        File::open(directory)?.sync_all()?;
        let journal = self.journal.is_some();
        tell(&restored, journal, &place, aside.as_deref(), output);
        Ok(())
    }

    /// Whether there is a backup at all.
    fn check(&self) -> anyhow::Result<()> {
        let path = self.from.join(MANIFEST);
        let read = std::fs::read_to_string(&path).map_err(anyhow::Error::from);
        read.and_then(|text| Ok(serde_json::from_str::<Value>(&text)?))
            .map(drop)
            .map_err(|error| {
                Reason::Usage.because(format!(
                    "{} is no backup: {}: {error}",
                    self.from.display(),
                    path.display()
                ))
            })
    }

    /// Opens the copy with the master key, verifies its trail, and makes it fit to answer.
    async fn prepare(&self, config: &Config, fresh: &Path) -> anyhow::Result<Restored> {
        let url = format!("sqlite:{}", fresh.display());
        let house = House::of(house::authority(config, &url, String::new()).await?);
        let outcome = self.finish(&house.authority).await;
        house.leave().await?;
        outcome
    }

    async fn finish(&self, authority: &Authority) -> anyhow::Result<Restored> {
        let report = authority.verify_audit(&house::shell()).await?;
        if let Some(flaw) = report.flaw {
            bail!("its audit trail does not hold: {flaw}");
        }
        if let Some(row) = report.mismatches.first() {
            bail!(
                "its {} {} was changed outside the server",
                row.subject.kind,
                row.subject.id
            );
        }
        let journal: Option<Box<dyn BufRead + Send>> = match &self.journal {
            None => None,
            Some(path) => {
                let file =
                    File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
                Some(Box::new(BufReader::new(file)))
            }
        };
        let accept_as_of = self
            .accept_as_of
            .map(|at| Instant::from_millis(at.as_millisecond()));
        Ok(authority
            .finish_restore(
                &house::shell(),
                Evidence {
                    accept_as_of,
                    journal,
                },
            )
            .await?)
    }
}

fn tell(restored: &Restored, journal: bool, place: &Path, aside: Option<&Path>, output: Output) {
    if output.json {
        return output.value(&json!({
            "database": place,
            "set_aside": aside,
            "keys_disabled": restored.suspended,
            "administering_disabled": restored.administering,
            "restrictions_repeated": restored.replayed,
            "families_ended": restored.families,
            "journal_complete": restored.journal_complete,
        }));
    }
    say(&format!(
        "restored {}; tokens from before are refused",
        place.display()
    ));
    if restored.suspended > 0 {
        say(&format!(
            "{} keys came back disabled; enable those that you know to be good",
            restored.suspended
        ));
        if journal && !restored.journal_complete {
            say(
                "the journal does not end with a signed checkpoint, so that more may be missing from it",
            );
        }
    }
    if !restored.administering.is_empty() {
        say(
            "none of these can be called with any more; enable an administrator's here, then the others through the server:",
        );
        for id in &restored.administering {
            say(&format!("    latchkey key enable {id} --local"));
        }
    }
    if restored.replayed > 0 {
        say(&format!(
            "{} restrictions of the journal were made again",
            restored.replayed
        ));
    }
    if let Some(aside) = aside {
        say(&format!("what was there before is {}", aside.display()));
    }
}

/// A database that a process has open cannot be replaced: its marker is locked.
fn refuse_open(database: &Path) -> anyhow::Result<()> {
    match File::open(companion(database, "-open")).map(|file| file.try_lock()) {
        Ok(Err(TryLockError::WouldBlock)) => Err(Reason::Usage.because(format!(
            "a server has {} open; stop it first",
            database.display()
        ))),
        _ => Ok(()),
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let copied = || -> std::io::Result<()> {
        let mut source = File::open(from)?;
        let mut target = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(to)?;
        std::io::copy(&mut source, &mut target)?;
        target.sync_all()
    };
    copied().with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// The files that belong to a database file.
const COMPANIONS: [&str; 4] = ["", "-wal", "-shm", "-open"];

fn remove_with_companions(database: &Path) -> anyhow::Result<()> {
    for suffix in COMPANIONS {
        match std::fs::remove_file(companion(database, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

fn set_aside(database: &Path) -> anyhow::Result<PathBuf> {
    let free = |number: &u32| !companion(database, &format!(".before-{number}")).exists();
    let number = (1..=u32::MAX).find(free).context("there is no free name")?;
    let aside = companion(database, &format!(".before-{number}"));
    for suffix in COMPANIONS {
        let from = companion(database, suffix);
        if from.exists() {
            std::fs::rename(&from, companion(&aside, suffix))?;
        }
    }
    Ok(aside)
}

fn companion(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
