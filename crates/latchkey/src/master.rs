//! The master key: found where the settings say, made at the first start.
//!
//! Its text is a line of 64 hexadecimal digits (256 bits). A file may hold several lines: the first key is the current
//! one, and those below are earlier ones, which still open what was sealed under them until everything is wrapped anew.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use authority::MasterKeys;
use authority::ports::Entropy;
use credential::seal::MasterKey;
use server::config::MasterKeySource;

use crate::exit::Reason;

/// How long a command may take to print the key: a vault answers in a second.
const COMMAND_TIME: Duration = Duration::from_secs(10);
/// More text than this is no file of keys.
const LONGEST: u64 = 64 * 1024;
/// Whoever may read the key besides its owner: the bits of a group and of everybody.
const OTHERS: u32 = 0o077;

/// Makes the data directory if it is not there, for its owner only.
pub(crate) fn data_directory(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("cannot make the data directory {}", path.display()))?;
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & 0o002 != 0 {
        return Err(Reason::Usage.because(format!(
            "everybody may write into the data directory {0}; run: chmod 700 {0}",
            path.display()
        )));
    }
    Ok(())
}

/// Reads the master keys where the settings say; nothing when they are to stand in a file that is not there.
pub(crate) async fn find(
    settings: &server::config::MasterKey,
) -> anyhow::Result<Option<MasterKeys>> {
    let (text, place) = match settings.source {
        MasterKeySource::Value => {
            let value = settings
                .value
                .as_ref()
                .map(|value| value.expose().to_owned());
            (value.unwrap_or_default(), "master_key.value".to_owned())
        }
        MasterKeySource::Command => (
            printed(&settings.command).await?,
            "what master_key.command prints".to_owned(),
        ),
        MasterKeySource::File => match read_file(&settings.file)? {
            Some(text) => (text, settings.file.display().to_string()),
            None => return Ok(None),
        },
    };
    parse(&text).context(place).map(Some)
}

/// Makes the first master key, in its file.
pub(crate) fn make(path: &Path, entropy: &Entropy) -> anyhow::Result<MasterKeys> {
    let text = fresh(entropy)?;
    write_new(path, &text)?;
    tracing::info!(file = %path.display(), "the master key was made; keep a copy apart from the database");
    parse(&text)
}

/// There are data, and no key to open them.
pub(crate) fn missing(path: &Path) -> anyhow::Error {
    Reason::Usage.because(format!(
        "the master key is missing: there is no {}, and the database holds what was sealed under it. Put the file \
         back, or set master_key.file to where it is; without it the stored credentials cannot be checked",
        path.display()
    ))
}

/// A new key's text.
pub(crate) fn fresh(entropy: &Entropy) -> anyhow::Result<String> {
    Ok(entropy
        .draw::<32>()?
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Puts a new key in front of those in the file; the file is never half written.
pub(crate) fn prepend(path: &Path, entropy: &Entropy) -> anyhow::Result<()> {
    let earlier = read_file(path)?.with_context(|| format!("there is no {}", path.display()))?;
    let next = path.with_extension("key-next");
    write_new(
        &next,
        &format!("{}\n{}", fresh(entropy)?, earlier.trim_end()),
    )?;
    std::fs::rename(&next, path).with_context(|| format!("cannot replace {}", path.display()))?;
    sync_directory_of(path)
}

fn parse(text: &str) -> anyhow::Result<MasterKeys> {
    let mut keys = Vec::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        keys.push(MasterKey::new(bytes_of(line).ok_or_else(|| {
            Reason::Usage
                .because("a master key is 64 hexadecimal digits; `latchkey keyring new` prints one")
        })?));
    }
    let mut keys = keys.into_iter();
    let current = keys
        .next()
        .ok_or_else(|| Reason::Usage.because("there is no master key in it"))?;
    Ok(MasterKeys {
        current,
        earlier: keys.collect(),
    })
}

fn bytes_of(line: &str) -> Option<[u8; 32]> {
    let digits = line.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
    }
    Some(bytes)
}

/// The text of the file, if there is one. A key that others can read is refused: they may have it already.
fn read_file(path: &Path) -> anyhow::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot read the master key {}", path.display()));
        }
    };
    let about = file.metadata()?;
    // A service manager hands credentials over as files that only it and the service can reach.
    let handed_over =
        std::env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|folder| path.starts_with(folder));
    if about.mode() & OTHERS != 0 && !handed_over {
        return Err(Reason::Usage.because(format!(
            "others can read the master key {0} (mode {1:03o}); run: chmod 600 {0}",
            path.display(),
            about.mode() & 0o777
        )));
    }
    let mut text = String::new();
    file.take(LONGEST)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(text))
}

fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let written = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        // The mask of the process takes bits away and never adds any; this states the result.
        file.set_permissions(Permissions::from_mode(0o600))?;
        writeln!(file, "{text}")?;
        file.sync_all()
    };
    written().with_context(|| format!("cannot write the master key {}", path.display()))?;
    sync_directory_of(path)
}

fn sync_directory_of(path: &Path) -> anyhow::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok(())
}

async fn printed(command: &[String]) -> anyhow::Result<String> {
    let Some((program, words)) = command.split_first() else {
        bail!("master_key.command is empty")
    };
    let running = tokio::process::Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(COMMAND_TIME, running)
        .await
        .with_context(|| {
            format!(
                "{program} printed no master key within {} s",
                COMMAND_TIME.as_secs()
            )
        })?
        .with_context(|| format!("cannot run {program} for the master key"))?;
    if !output.status.success() {
        bail!(
            "{program}, which should print the master key, ended with {}",
            output.status
        );
    }
    String::from_utf8(output.stdout).context("the master key is no text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_current_key_and_those_below_are_earlier_ones() {
        let (new, old) = ("ab".repeat(32), "00".repeat(32));
        let keys = parse(&format!("# the master key\n{new}\n\n{old}\n")).unwrap();
        assert_eq!(keys.earlier.len(), 1);
        let wrapped = MasterKey::new([0xab; 32]).wrap("rows/1", &[7; 32], [1; 12]);
        assert_eq!(*keys.current.unwrap("rows/1", &wrapped).unwrap(), [7; 32]);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "\n", "abc", &"g".repeat(64), &"a".repeat(65)] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        write_new(&path, &"ab".repeat(32)).unwrap();
        assert!(read_file(&path).unwrap().is_some());
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(
            read_file(&path)
                .unwrap_err()
                .to_string()
                .contains("chmod 600")
        );
    }

    #[test]
    fn a_new_key_comes_first_and_the_old_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        write_new(&path, &"ab".repeat(32)).unwrap();
        prepend(&path, &Entropy::seeded(1)).unwrap();
        let text = read_file(&path).unwrap().unwrap();
        assert_eq!(text.lines().count(), 2);
        assert_eq!(text.lines().nth(1), Some("ab".repeat(32).as_str()));
    }
}
