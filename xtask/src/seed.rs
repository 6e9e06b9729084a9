//! The promise to a newcomer, and a vendor's own program as a customer: both against a running demo.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::demo::Demo;
use crate::python;
use crate::shell::{in_ci, root, run};
use crate::stages::Tally;

/// Runs of the sample program one right after the other: limits and leftovers of one run would stop the next.
const RUNS: &str = "3";

/// The line that the demo offers to paste is pasted.
#[expect(clippy::print_stdout, reason = "shows what was pasted")]
pub(crate) fn pasted_line(binary: &Path) -> Result<Tally> {
    let demo = Demo::start(binary, "pasted", &[])?;
    let printed = demo.stdout();
    let line = printed
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("curl "))
        .context("no line begins with curl")?;
    let answer = crate::shell::read(
        Command::new("bash")
            .arg("-c")
            .arg(format!("{line} -sS -w '\\n%{{http_code}}'")),
    )?;
    let (body, status) = answer.trim_end().rsplit_once('\n').unwrap_or(("", &answer));
    println!("{body}");
    if status != "200" {
        bail!("the line that begins with curl was answered with {status}");
    }
    demo.stop()?;
    Ok(Tally::HOLDS)
}

/// The Key Admin sample program runs to its end, unmodified.
#[expect(clippy::print_stdout, reason = "a missing document is to be noticed")]
pub(crate) fn secure_access(binary: &Path) -> Result<Tally> {
    let Some(seed) = document()? else {
        if in_ci() {
            bail!("the document 003_*.txt is not in ../shared/seeds");
        }
        println!(
            "NOT CHECKED: the vendor's sample program is not kept here; put its page at ../shared/seeds/003_….txt"
        );
        return Ok(Tally::SKIPPED);
    };
    let client = root().join("contracts/secure_access/client");
    let python = python::environment("secure_access", &client.join("requirements.txt"))?;
    let demo = Demo::start(binary, "seed-003", &[])?;
    let checked = run(Command::new(python)
        .arg(client.join("run_seed.py"))
        .arg("--seed")
        .arg(seed)
        .arg("--demo")
        .arg(demo.out())
        .args(["--times", RUNS])
        .env("PYTHONDONTWRITEBYTECODE", "1"));
    checked.with_context(|| format!("the demo logged:\n{}", demo.stderr()))?;
    demo.stop()?;
    Ok(Tally::HOLDS)
}

/// The page with the sample program, which lies beside the checkout.
fn document() -> Result<Option<PathBuf>> {
    let folder = root().join("../shared/seeds");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        return Ok(None);
    };
    for entry in entries {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.starts_with("003_") && name.ends_with(".txt") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
