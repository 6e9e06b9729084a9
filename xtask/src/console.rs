//! The console in a real browser, against a running demo.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::demo::Demo;
use crate::shell::{apt_install, in_ci, is_root, read, root, run, target};
use crate::stages::Tally;

/// Where Debian puts it.
const CHROMIUM: &str = "/usr/bin/chromium";

/// Every page that people use, as they use it.
#[expect(clippy::print_stdout, reason = "a missing browser is to be noticed")]
pub(crate) fn browser(binary: &Path) -> Result<Tally> {
    let Some(chromium) = chromium()? else {
        println!("NOT CHECKED: no browser; install Debian's chromium, or point CHROMIUM to one");
        return Ok(Tally::SKIPPED);
    };
    let folder = packages()?;
    let demo = Demo::start(binary, "console", &[])?;
    let mut tests: Vec<PathBuf> = std::fs::read_dir(&folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    tests.retain(|file| file.to_string_lossy().ends_with(".test.mjs"));
    tests.sort();
    let mut node = Command::new("node");
    // One file at a time: a browser is heavy, and two cores are what there is.
    node.args(["--test", "--test-concurrency=1"])
        .args(&tests)
        .current_dir(&folder)
        .env("LATCHKEY_DEMO", demo.out())
        .env("CHROMIUM", chromium);
    if let Some(pictures) = std::env::var_os("LATCHKEY_PICTURES") {
        node.env("LATCHKEY_PICTURES", pictures);
    }
    run(&mut node).with_context(|| format!("the demo logged:\n{}", demo.stderr()))?;
    demo.stop()?;
    Ok(Tally::HOLDS)
}

fn chromium() -> Result<Option<PathBuf>> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let usual = PathBuf::from(CHROMIUM);
    if let Some(there) = named
        .into_iter()
        .chain([usual.clone()])
        .find(|path| path.exists())
    {
        return Ok(Some(there));
    }
    if !in_ci() {
        return Ok(None);
    }
    if !is_root() {
        bail!("no browser at {CHROMIUM}");
    }
    apt_install("chromium")?;
    Ok(Some(usual))
}

/// A copy of the tests beside their packages, which are installed as the lock file has them.
fn packages() -> Result<PathBuf> {
    let from = root().join("tests/console");
    let folder = target("node")?.join("console");
    std::fs::create_dir_all(&folder)?;
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "mjs") {
            std::fs::remove_file(path)?;
        }
    }
    let lock = std::fs::read_to_string(from.join("package-lock.json"))?;
    let installed = folder.join("installed.json");
    let fresh = std::fs::read_to_string(&installed).is_ok_and(|text| text == lock);
    for entry in std::fs::read_dir(&from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), folder.join(entry.file_name()))?;
        }
    }
    if !fresh {
        read(
            Command::new("npm")
                .args(["ci", "--no-audit", "--no-fund", "--silent"])
                .current_dir(&folder),
        )
        .context("npm ci (Node.js 20 or newer is needed)")?;
        std::fs::write(installed, lock)?;
    }
    Ok(folder)
}
