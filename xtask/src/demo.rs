//! A running demo: built, started, awaited, and ended with the value that stands for it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell::{cargo, read, run, target, wait_for};

/// A demo takes well under a second to be ready; a debug build on a busy machine several.
const READY_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Builds the binary in the profile wanted and returns its path.
pub(crate) fn binary(release: bool) -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--package", "latchkey", "--bin", "latchkey"]);
    if release {
        build.arg("--release");
    }
    run(&mut build)?;
    Ok(target(if release { "release" } else { "debug" })?.join("latchkey"))
}

/// A demo on free loopback ports.
pub(crate) struct Demo {
    child: Child,
    folder: PathBuf,
    /// What it wrote to `--out`.
    pub(crate) facts: Value,
}

impl Demo {
    /// Starts it and waits until it is ready. `name` tells its folder from those of other demos.
    pub(crate) fn start(binary: &Path, name: &str, more: &[&str]) -> Result<Self> {
        Self::launch(Command::new(binary), name, more)
    }

    /// The same, on one core.
    pub(crate) fn start_on(binary: &Path, name: &str, core: &str) -> Result<Self> {
        let mut command = Command::new("taskset");
        command.args(["-c", core]).arg(binary);
        Self::launch(command, name, &[])
    }

    fn launch(mut command: Command, name: &str, more: &[&str]) -> Result<Self> {
        let folder = target("xtask")?.join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let out = folder.join("demo.json");
        let mut child = command
            .args([
                "demo",
                "--listen",
                "127.0.0.1:0",
                "--tls-listen",
                "127.0.0.1:0",
                "--out",
            ])
            .arg(&out)
            .args(more)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(File::create(folder.join("stdout"))?)
            .stderr(File::create(folder.join("stderr"))?)
            .spawn()
            .context("cannot start the demo")?;
        let ready = wait_for(READY_LIMIT, || {
            if let Some(status) = child.try_wait()? {
                bail!("the demo ended with {status}");
            }
            Ok(std::fs::read_to_string(&out).ok())
        });
        let mut demo = Self {
            child,
            folder,
            facts: Value::Null,
        };
        let text = ready.with_context(|| demo.said())?;
        demo.facts = serde_json::from_str(&text).context("the demo's JSON")?;
        Ok(demo)
    }

    /// The file with its facts.
    pub(crate) fn out(&self) -> PathBuf {
        self.folder.join("demo.json")
    }

    /// A text among its facts, by path: `native/admin_key`.
    pub(crate) fn fact(&self, path: &str) -> Result<&str> {
        self.facts
            .pointer(&format!("/{path}"))
            .and_then(Value::as_str)
            .with_context(|| format!("the demo's JSON has no {path}"))
    }

    /// What it has printed.
    pub(crate) fn stdout(&self) -> String {
        std::fs::read_to_string(self.folder.join("stdout")).unwrap_or_default()
    }

    /// What it has logged.
    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(self.folder.join("stderr")).unwrap_or_default()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, as an operator would, and checks that it ends well.
    pub(crate) fn stop(mut self) -> Result<()> {
        read(Command::new("kill").args(["-TERM", &self.pid().to_string()]))?;
        let status = wait_for(STOP_LIMIT, || Ok(self.child.try_wait()?))
            .context("the demo did not end on SIGTERM")?;
        if !status.success() {
            bail!("on SIGTERM the demo ended with {status}\n{}", self.said());
        }
        Ok(())
    }

    fn said(&self) -> String {
        let (out, log) = (self.stdout(), self.stderr());
        let tail: Vec<&str> = log.lines().rev().take(40).collect();
        format!(
            "it printed:\n{out}\nand logged at last:\n{}",
            tail.into_iter().rev().collect::<Vec<_>>().join("\n")
        )
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}
