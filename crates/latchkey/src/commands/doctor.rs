//! `latchkey doctor`: looks at everything that a server here depends on, and says what is wrong.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::Context;
use authority::ports::Clock;
use clap::Args;
use http::Uri;
use serde_json::{Value, json};
use server::config::{Config, MasterKeySource};
use store::Store;

use super::config::usable;
use super::healthcheck::{own_url, ready};
use crate::client::Reach;
use crate::exit::Reason;
use crate::house::{self, House};
use crate::output::{Output, say};
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  latchkey doctor
  latchkey doctor --config /etc/latchkey.toml
  latchkey doctor --quick           without reading the whole audit trail";

/// A machine's clock may be this far from the database's before signatures and tokens begin to suffer.
const CLOCKS: i64 = 5000;

/// Look at the settings, the data directory, the database, the trail and the server; exit code 4 if anything is wrong.
#[derive(Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct Doctor {
    #[command(flatten)]
    settings: Settings,
    /// The server; left out, the one that the settings describe.
    #[arg(long, env = "LATCHKEY_URL", value_name = "URL")]
    url: Option<Uri>,
    /// A PEM file with the authorities that the server's certificate may come from.
    #[arg(long, env = "LATCHKEY_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Leave out what takes longer the more data there are.
    #[arg(long)]
    quick: bool,
}

/// What a look at one thing found: what is good about it, or what is wrong.
struct Finding {
    about: &'static str,
    found: Result<String, String>,
}

impl Doctor {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<()> {
        let mut findings = Vec::new();
        let mut note = |about, found: anyhow::Result<String>| {
            findings.push(Finding {
                about,
                found: found.map_err(|error| format!("{error:#}")),
            });
        };
        match self.settings.load(&[]) {
            Err(error) => note("settings", Err(error)),
            Ok(loaded) => {
                let config = loaded.config;
                note(
                    "settings",
                    usable(&config).map(|()| "they can be used".to_owned()),
                );
                note("data directory", data_directory(&config));
                note("master key", master_key(&config));
                match look_at_store(&config, self.quick).await {
                    Err(error) => note("database", Err(error)),
                    Ok(looks) => looks
                        .into_iter()
                        .for_each(|(about, found)| note(about, found)),
                }
                note("server", self.server().await);
            }
        }
        let bad = findings
            .iter()
            .filter(|finding| finding.found.is_err())
            .count();
        print(&findings, output);
        match bad {
            0 => Ok(()),
            1 => Err(Reason::Unhealthy.because("one thing is wrong")),
            more => Err(Reason::Unhealthy.because(format!("{more} things are wrong"))),
        }
    }

    async fn server(&self) -> anyhow::Result<String> {
        let url = match &self.url {
            Some(url) => url.clone(),
            None => own_url(&self.settings)?,
        };
        let reach = Reach {
            url: url.clone(),
            ca_file: self.ca_file.clone(),
            key_file: None,
            key_stdin: false,
        };
        ready(&reach).await?;
        Ok(format!("{url} is ready"))
    }
}

fn print(findings: &[Finding], output: Output) {
    let values = findings.iter().map(|finding| {
        let words = finding.found.as_ref().unwrap_or_else(|wrong| wrong);
        json!({"about": finding.about, "ok": finding.found.is_ok(), "found": words})
    });
    let values: Vec<Value> = values.collect();
    if output.json {
        return output.list(&values, &[]);
    }
    for finding in findings {
        match &finding.found {
            Ok(good) => say(&format!("good   {}: {good}", finding.about)),
            Err(wrong) => say(&format!("WRONG  {}: {wrong}", finding.about)),
        }
    }
}

fn data_directory(config: &Config) -> anyhow::Result<String> {
    let path = &config.data.directory;
    let shown = path.display();
    let about = std::fs::metadata(path)
        .with_context(|| format!("there is no {shown}; `latchkey serve` makes it"))?;
    let mode = about.permissions().mode() & 0o777;
    anyhow::ensure!(
        mode & 0o077 == 0,
        "others can look into {shown} (mode {mode:03o}); run: chmod 700 {shown}"
    );
    Ok(format!("{shown} is its owner's only"))
}

fn master_key(config: &Config) -> anyhow::Result<String> {
    if config.master_key.source != MasterKeySource::File {
        return Ok("it does not come from a file".to_owned());
    }
    let path = &config.master_key.file;
    let shown = path.display();
    let about = std::fs::metadata(path).with_context(|| format!("there is no {shown}"))?;
    let mode = about.permissions().mode() & 0o777;
    anyhow::ensure!(
        mode & 0o077 == 0,
        "others can read {shown} (mode {mode:03o}); run: chmod 600 {shown}"
    );
    Ok(format!(
        "{shown} is its owner's only; keep a copy of it apart from the database"
    ))
}

type Looks = Vec<(&'static str, anyhow::Result<String>)>;

async fn look_at_store(config: &Config, quick: bool) -> anyhow::Result<Looks> {
    house::existing(config)?;
    // Looked at without a migration: a doctor changes nothing that he was not asked to.
    let store = Store::connect(&house::database_url(config))
        .await
        .context("cannot open it")?;
    let mut looks: Looks = vec![("database", database(&store).await)];
    looks.push(("clock", clock(&store).await));
    store.close().await?;
    if quick || looks.iter().any(|(_, found)| found.is_err()) {
        return Ok(looks);
    }
    let house = House::enter(config).await?;
    let report = house.authority.verify_audit(&house::shell()).await;
    house.leave().await?;
    looks.push(("audit trail", report.map_err(anyhow::Error::from).and_then(|report| {
        if let Some(flaw) = &report.flaw {
            anyhow::bail!("{flaw}");
        }
        if let Some(row) = report.mismatches.first() {
            anyhow::bail!(
                "{} rows disagree with it, the first is {} {}; `latchkey audit verify --local` lists them",
                report.mismatches.len(),
                row.subject.kind,
                row.subject.id
            );
        }
        Ok(format!("{} events and {} checkpoints hold", report.events, report.checkpoints))
    })));
    Ok(looks)
}

async fn database(store: &Store) -> anyhow::Result<String> {
    store.health().await?;
    Ok(format!(
        "{:?} {} answers and keeps what it is given",
        store.db().engine(),
        store.db().version()
    ))
}

async fn clock(store: &Store) -> anyhow::Result<String> {
    let told = store.db().read(|tx| tx.now()).await?;
    let apart = (Clock::system().wall().millis() - told.millis()).abs();
    anyhow::ensure!(
        apart <= CLOCKS,
        "this machine and the database are {} s apart; let both follow a time server",
        apart / 1000
    );
    Ok("this machine and the database agree".to_owned())
}
