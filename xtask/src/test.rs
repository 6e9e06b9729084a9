//! `cargo xtask test`: everything that must hold before a change lands.

use anyhow::{Result, bail};

use crate::console;
use crate::cortex;
use crate::crash;
use crate::demo;
use crate::fuzz;
use crate::leaks;
use crate::scc;
use crate::securecloud;
use crate::seed;
use crate::services::{self, POSTGRES};
use crate::shell::{cargo, in_ci, run as shell, watch};
use crate::stages::{Stages, Tally};
use crate::threat_response;
use crate::tidy;

/// The stages in their order: what fails soonest comes first.
pub(crate) const STAGES: [&str; 15] = [
    "format",
    "tidy",
    "clippy",
    "docs",
    "tests",
    "pasted-line",
    "secure-access",
    "security-cloud-control",
    "threat-response",
    "securecloud",
    "cortex",
    "console",
    "crash",
    "leaks",
    "fuzz",
];

/// Runs the stages named, or all; true if everything holds.
pub(crate) fn run(words: &[String]) -> Result<bool> {
    let release = words.iter().any(|word| word == "--release");
    let named: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| *word != "--release")
        .collect();
    if let Some(unknown) = named.iter().find(|name| !STAGES.contains(name)) {
        bail!(
            "no stage is called {unknown}; there are: {}",
            STAGES.join(", ")
        );
    }
    let wanted = |name: &str| named.is_empty() || named.contains(&name);

    let mut stages = Stages::new();
    for name in STAGES.into_iter().filter(|name| wanted(name)) {
        stages.run(name, || stage(name, release));
    }
    Ok(stages.close())
}

fn stage(name: &str, release: bool) -> Result<Tally> {
    match name {
        "format" => checked(&["fmt", "--all", "--check"]),
        "tidy" => tidy::check(),
        "clippy" => checked(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "--deny",
            "warnings",
        ]),
        "docs" => {
            let mut doc = cargo();
            doc.args([
                "doc",
                "--workspace",
                "--no-deps",
                "--document-private-items",
                "--quiet",
            ])
            .env("RUSTDOCFLAGS", "--deny warnings");
            shell(&mut doc).map(|()| Tally::HOLDS)
        }
        "tests" => tests(),
        "pasted-line" => seed::pasted_line(&demo::binary(release)?),
        "secure-access" => seed::secure_access(&demo::binary(release)?),
        "security-cloud-control" => scc::client(&demo::binary(release)?),
        "threat-response" => threat_response::client(&demo::binary(release)?),
        "securecloud" => securecloud::walk(&demo::binary(release)?),
        "cortex" => cortex::clients(&demo::binary(release)?),
        "console" => console::browser(&demo::binary(release)?),
        "crash" => crash::short(release),
        "leaks" => leaks::run(release),
        _ => fuzz::native_api(&demo::binary(release)?),
    }
}

fn checked(words: &[&str]) -> Result<Tally> {
    shell(cargo().args(words)).map(|()| Tally::HOLDS)
}

/// All tests of the workspace, those of the store on both engines.
#[expect(clippy::print_stdout, reason = "a missing engine is to be noticed")]
fn tests() -> Result<Tally> {
    let mut tally = Tally {
        passed: 0,
        failed: 0,
        skipped: 0,
    };
    let postgres = services::postgres()?;
    let mut test = cargo();
    test.args(["test", "--workspace", "--no-fail-fast"]);
    match &postgres {
        Some(postgres) => {
            println!(
                "PostgreSQL: {}{}",
                postgres.url,
                if postgres.is_throwaway() {
                    " (for this run)"
                } else {
                    ""
                }
            );
            test.env(POSTGRES, &postgres.url);
        }
        None if in_ci() => bail!("no PostgreSQL, and none could be installed"),
        None => {
            println!("NOT CHECKED: no PostgreSQL found; install it, or point {POSTGRES} to one");
            tally.skipped += 1;
        }
    }
    let good = watch(&mut test, |line| {
        if let Some(counts) = line.strip_prefix("test result: ") {
            tally.passed += count(counts, "passed");
            tally.failed += count(counts, "failed");
            tally.skipped += count(counts, "ignored");
        }
    })?;
    if !good && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
}

/// The number before a word, as in `ok. 12 passed; 0 failed; …`.
fn count(counts: &str, word: &str) -> u64 {
    let mut words = counts.split([' ', ';']).filter(|text| !text.is_empty());
    let mut before = 0;
    for text in &mut words {
        if text == word {
            return before;
        }
        before = text.parse().unwrap_or(0);
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_a_test_run_are_read_from_its_result_line() {
        let line =
            "ok. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s";
        assert_eq!(
            (
                count(line, "passed"),
                count(line, "failed"),
                count(line, "ignored")
            ),
            (12, 3, 1)
        );
    }
}
