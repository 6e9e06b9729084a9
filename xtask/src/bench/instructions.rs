//! `cargo xtask bench --icount`: how many instructions an answer takes, counted by callgrind and held against figures that
//! are checked in. Unlike time they are the same on every run, so that a commit that makes an answer dearer shows, and has
//! to say so by changing the figures.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, find_or_install, read, root, target};

/// The figures.
const FILE: &str = "crates/authority/benches/instructions.toml";
/// A figure holds within this part of it: compilers and C libraries differ in less, one more allocation or look-up in more.
const TOLERANCE: f64 = 0.02;
/// And within this many: one branch more is a large part of a very short answer.
const SLACK: f64 = 100.0;
/// The benchmark marks the beginning of each warm-up, of the count, and its end.
const MARKS_PER_CASE: usize = 4;
/// Answers in one count, as the benchmark asks for them.
const ANSWERS: u64 = 64;

/// Counts and compares; with `--accept`, counts and writes the figures.
#[expect(clippy::print_stdout, reason = "the result of the measurement")]
pub(super) fn run(words: &[String]) -> Result<bool> {
    let accept = match words {
        [] => false,
        [word] if word == "--accept" => true,
        _ => bail!("after --icount there is --accept, and nothing else"),
    };
    if !find_or_install("valgrind", "valgrind", true)? {
        bail!("valgrind is needed (Debian: valgrind)");
    }
    let counted = count(&binary()?)?;
    let file = root().join(FILE);
    let expected = figures(&std::fs::read_to_string(&file).unwrap_or_default())?;
    println!("| instructions of one | counted | checked in | change |\n|---|---|---|---|");
    let mut holds = counted.len() == expected.len();
    for (name, instructions) in &counted {
        let before = expected.iter().find(|(known, _)| known == name);
        let change = before.map(|(_, before)| *instructions as f64 / *before as f64 - 1.0);
        holds &= before.is_some_and(|(_, before)| {
            let (now, before) = (*instructions as f64, *before as f64);
            (now - before).abs() <= SLACK.max(before * TOLERANCE)
        });
        let before = before.map_or("none".to_string(), |(_, before)| before.to_string());
        let change = change.map_or(String::new(), |change| format!("{:+.1} %", change * 100.0));
        println!("| {name} | {instructions} | {before} | {change} |");
    }
    if accept {
        let mut text = String::from(
            "# Instructions of one warm answer, as `cargo xtask bench --icount` counts them under callgrind; it fails when one is more\n\
             # than 2 % away, in either direction. `--accept` writes this file: the commit that does says why.\n",
        );
        for (name, instructions) in &counted {
            writeln!(text, "\"{name}\" = {instructions}")?;
        }
        std::fs::write(&file, text)?;
        println!("\nwritten to {FILE}");
        return Ok(true);
    }
    if !holds {
        println!(
            "\nnot within {} % of {FILE}: find out why; where it is meant, `cargo xtask bench --icount --accept`",
            TOLERANCE * 100.0
        );
    }
    Ok(holds)
}

/// Builds the benchmark, and returns where it lies.
fn binary() -> Result<PathBuf> {
    let built = read(cargo().args([
        "bench",
        "--no-run",
        "--package",
        "authority",
        "--bench",
        "verify",
        "--message-format",
        "json",
    ]))?;
    let artifact = built
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find(|message| message["target"]["kind"][0] == "bench");
    artifact
        .as_ref()
        .and_then(|artifact| artifact["executable"].as_str())
        .map(PathBuf::from)
        .context("cargo named no benchmark")
}

/// Runs it under callgrind, which writes a file at each mark, and reads what the last part of each case took.
fn count(binary: &Path) -> Result<Vec<(String, u64)>> {
    let folder = target("xtask")?.join(format!("callgrind-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let out = folder.join("out");
    let names = read(
        Command::new("valgrind")
            .args(["--tool=callgrind", "--dump-before=getppid"])
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(binary)
            .arg("--instructions"),
    )?;
    let counted = names.lines().enumerate().map(|(case, name)| {
        // Numbered from 1; the first mark of all ends the making of the house.
        let dump = out.with_extension(((case + 1) * MARKS_PER_CASE).to_string());
        let text = std::fs::read_to_string(&dump)
            .with_context(|| format!("no count in {}", dump.display()))?;
        Ok((name.to_string(), total(&text)? / ANSWERS))
    });
    let counted = counted.collect::<Result<Vec<_>>>();
    std::fs::remove_dir_all(&folder).ok();
    counted
}

fn total(dump: &str) -> Result<u64> {
    let total = dump.lines().find_map(|line| line.strip_prefix("totals: "));
    Ok(total.context("no totals")?.trim().parse()?)
}

/// Reads the lines `"name" = figure`.
fn figures(text: &str) -> Result<Vec<(String, u64)>> {
    let lines = text.lines().filter(|line| line.starts_with('"'));
    let figure = |line: &str| {
        let (name, figure) = line.rsplit_once(" = ")?;
        Some((name.trim_matches('"').to_string(), figure.parse().ok()?))
    };
    lines
        .map(|line| figure(line).with_context(|| format!("{FILE}: {line}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_as_they_are_written() {
        let text = "# why\n\"refused: junk\" = 618\n";
        assert_eq!(
            figures(text).ok(),
            Some(vec![("refused: junk".to_string(), 618)])
        );
        assert!(figures("\"junk\" = many\n").is_err());
    }

    #[test]
    fn a_count_stands_in_its_dump() {
        assert_eq!(total("desc: x\ntotals: 1013701\n").ok(), Some(1_013_701));
        assert!(total("desc: x\n").is_err());
    }
}
