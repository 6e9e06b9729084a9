//! A real server (`latchkey serve`) on a data directory that outlives it.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::http::Client;
use crate::services::free_port;
use crate::shell::{timed, wait_for};

/// A server that is not ready after this has failed (a promise to operators: ten seconds).
pub(crate) const READY_LIMIT: Duration = Duration::from_secs(10);

/// Where a server keeps what is its own, and how it is started.
pub(crate) struct Place {
    pub(crate) binary: PathBuf,
    pub(crate) folder: PathBuf,
    /// None is SQLite in the folder.
    pub(crate) database_url: Option<String>,
    pub(crate) log_level: &'static str,
}

/// A running server; dropping it is `kill -9`.
pub(crate) struct Served {
    child: Child,
    pub(crate) base_url: String,
    /// From its start until it was ready.
    pub(crate) ready_after: Duration,
}

impl Place {
    /// Starts a server here and waits until it is ready.
    pub(crate) fn serve(&self) -> Result<Served> {
        std::fs::create_dir_all(&self.folder)?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let base_url = format!("http://{address}");
        let log = |name: &str| {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.folder.join(name))
        };
        let mut command = Command::new(&self.binary);
        command
            .arg("serve")
            .env("LATCHKEY_SERVER__LISTEN", &address)
            .env("LATCHKEY_DATA__DIRECTORY", self.folder.join("data"))
            .env("LATCHKEY_LOG__LEVEL", self.log_level)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log("stdout")?)
            .stderr(log("stderr")?);
        if let Some(url) = &self.database_url {
            command.env("LATCHKEY_DATA__DATABASE_URL", url);
        }
        let mut child = command.spawn().context("cannot start the server")?;
        let (ready, ready_after) = timed(|| {
            wait_for(READY_LIMIT, || {
                if let Some(status) = child.try_wait()? {
                    bail!("the server ended with {status}");
                }
                let answer = Client::new(&base_url)?.send("GET", "/readyz", &[], b"");
                Ok(answer.ok().filter(|answer| answer.status == 200).map(drop))
            })
        });
        let served = Served {
            child,
            base_url,
            ready_after,
        };
        ready.with_context(|| format!("not ready; it said at last:\n{}", self.last_words()))?;
        Ok(served)
    }

    /// The key of the first administrator, made with the token that a first start prints.
    pub(crate) fn set_up(&self, served: &Served) -> Result<String> {
        let printed = std::fs::read_to_string(self.folder.join("stdout"))?
            + &std::fs::read_to_string(self.folder.join("stderr"))?;
        let token = word_that_begins(&printed, "lk_setup_")
            .context("the first start printed no set-up token")?;
        let wish =
            json!({"organization": "Harness", "email": "admin@example.org", "name": "Admin"});
        let answer =
            Client::new(&served.base_url)?.call("POST", "/api/v1/setup", token, Some(&wish))?;
        let made = answer.expect(201)?.to_string();
        word_that_begins(&made, "lk_key_")
            .map(str::to_string)
            .context("the set-up gave no key")
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("stderr")).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(20).collect();
        tail.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Served {
    /// Ends it without a warning.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.kill().ok();
    }
}

/// A fresh folder below the target directory.
pub(crate) fn fresh_folder(name: &str) -> Result<PathBuf> {
    let folder = crate::shell::target("xtask")?.join(format!("{name}-{}", std::process::id()));
    if Path::exists(&folder) {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn word_that_begins<'t>(text: &'t str, begin: &str) -> Option<&'t str> {
    let at = text.find(begin)?;
    let end = text[at..]
        .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .map_or(text.len(), |length| at + length);
    Some(&text[at..end])
}
