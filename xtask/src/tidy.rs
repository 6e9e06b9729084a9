//! The house rules that no compiler checks.

mod shown;

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shell::{cargo, read, root};
use crate::stages::Tally;

/// Rooms and what each may look at: only towards `credential`.
const MAY_USE: [(&str, &[&str]); 7] = [
    ("credential", &[]),
    ("store", &["credential"]),
    ("authority", &["store", "credential"]),
    ("server", &["authority", "store", "credential"]),
    ("latchkey", &["server", "authority", "store", "credential"]),
    ("testkit", &["authority", "store", "credential"]),
    ("xtask", &[]),
];

/// One provider of cryptography, and none that is slower to be repaired or reads its secrets in variable time.
const BANNED_CRATES: [&str; 5] = ["ring", "openssl", "openssl-sys", "native-tls", "rsa"];

/// What would let the outside world into the pure room.
const IMPURE_CRATES: [&str; 6] = [
    "tokio",
    "hyper",
    "axum",
    "rusqlite",
    "tokio-postgres",
    "getrandom",
];

/// Folders of one machine, which mean nothing on another. Written in two parts so that this file passes its own rule.
const MACHINE_PATHS: [&str; 3] = [
    concat!("/", "work/"),
    concat!("/", "root/"),
    concat!("/", "Users/"),
];

/// A source file above this is two files.
const LINES_LIMIT: usize = 700;

/// The rules as a task of its own.
pub(crate) fn run() -> Result<bool> {
    Ok(check()?.failed == 0)
}

/// Every rule, each counted.
#[expect(clippy::print_stdout, reason = "shows what to mend")]
pub(crate) fn check() -> Result<Tally> {
    let files = Files::tracked()?;
    let rules = [
        ("rooms look only towards credential", direction()?),
        (
            "crates take every dependency from the workspace",
            versions_in_one_place(&files),
        ),
        (
            "every dependency says what it is for",
            dependencies_explained(&files),
        ),
        (
            "no banned crate in the tree",
            absent("--workspace", &BANNED_CRATES)?,
        ),
        (
            "credential is pure",
            absent("--package=credential", &IMPURE_CRATES)?,
        ),
        ("no path of one machine", no_machine_paths(&files)),
        ("no file too long to read", short_files(&files)),
        (
            "what is said to be shown by a test is",
            shown::breaches(&files),
        ),
    ];
    let mut tally = Tally {
        passed: 0,
        failed: 0,
        skipped: 0,
    };
    for (rule, breaches) in rules {
        if breaches.is_empty() {
            tally.passed += 1;
            continue;
        }
        tally.failed += 1;
        println!("broken: {rule}");
        for breach in breaches {
            println!("  {breach}");
        }
    }
    Ok(tally)
}

/// The texts that the repository holds.
struct Files(Vec<(String, String)>);

impl Files {
    /// All that git keeps or would keep; what is not text is left out.
    fn tracked() -> Result<Self> {
        let names = read(Command::new("git").current_dir(root()).args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))?;
        let names = names.split('\0').filter(|name| !name.is_empty());
        Ok(Self(
            names
                .filter_map(|name| {
                    Some((
                        name.to_string(),
                        std::fs::read_to_string(root().join(name)).ok()?,
                    ))
                })
                .collect(),
        ))
    }

    fn named(&self, end: &'static str) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter(move |(name, _)| name.ends_with(end))
            .map(|(name, text)| (name.as_str(), text.as_str()))
    }
}

fn direction() -> Result<Vec<String>> {
    let metadata = read(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let rooms: BTreeSet<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    let mut breaches = Vec::new();
    for package in metadata["packages"].as_array().context("packages")? {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = MAY_USE.iter().find(|(room, _)| *room == name) else {
            breaches.push(format!("{name} has no place in the list of rooms"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = dependency["name"].as_str().unwrap_or_default();
            let for_tests = dependency["kind"] == "dev";
            if rooms.contains(used) && !allowed.contains(&used) && !(for_tests && used == "testkit")
            {
                breaches.push(format!("{name} must not use {used}"));
            }
        }
    }
    Ok(breaches)
}

fn versions_in_one_place(files: &Files) -> Vec<String> {
    let mut breaches = Vec::new();
    for (name, text) in files.named("/Cargo.toml") {
        for line in dependency_lines(text) {
            if !line.contains("workspace = true") {
                breaches.push(format!("{name}: {line}"));
            }
        }
    }
    breaches
}

fn dependencies_explained(files: &Files) -> Vec<String> {
    let text = files
        .0
        .iter()
        .find(|(name, _)| name == "Cargo.toml")
        .map(|(_, text)| text.as_str())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let explained = |at: usize| {
        lines[at].contains(" # ")
            || lines[at].contains("{ path = ")
            || (at > 0 && lines[at - 1].starts_with('#'))
    };
    let wanted: BTreeSet<&str> = dependency_lines(text).collect();
    (0..lines.len())
        .filter(|at| wanted.contains(lines[*at]) && !explained(*at))
        .map(|at| format!("Cargo.toml: {}", lines[at]))
        .collect()
}

/// The lines of all dependency tables.
fn dependency_lines(manifest: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    manifest.lines().filter(move |line| {
        if line.starts_with('[') {
            inside = line.trim_end().ends_with("dependencies]");
            return false;
        }
        inside && line.contains('=') && !line.starts_with('#')
    })
}

fn absent(scope: &str, banned: &[&str]) -> Result<Vec<String>> {
    let tree = read(cargo().args([
        "tree",
        scope,
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
        "--target",
        "x86_64-unknown-linux-gnu",
    ]))?;
    let found: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| banned.contains(name))
        .collect();
    Ok(found
        .into_iter()
        .map(|name| format!("{name} (see `cargo tree --invert {name}`)"))
        .collect())
}

fn no_machine_paths(files: &Files) -> Vec<String> {
    let mut breaches = Vec::new();
    for (name, text) in &files.0 {
        for (number, line) in text.lines().enumerate() {
            if MACHINE_PATHS.iter().any(|path| line.contains(path)) {
                breaches.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    breaches
}

fn short_files(files: &Files) -> Vec<String> {
    let long = |text: &str| text.lines().count() > LINES_LIMIT;
    files
        .named(".rs")
        .filter(|(_, text)| long(text))
        .map(|(name, text)| format!("{name}: {} lines", text.lines().count()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_without_a_word_is_found() {
        let manifest = "[workspace.dependencies]\n# Values.\none = \"1\"\ntwo = \"1\"  # why\nthree = \"1\"\n[profile.dev]\ndebug = 1\n";
        let files = Files(vec![("Cargo.toml".into(), manifest.into())]);
        assert_eq!(
            dependencies_explained(&files),
            ["Cargo.toml: three = \"1\""]
        );
    }

    #[test]
    fn a_path_of_one_machine_is_found_with_its_place() {
        let text = format!("first\nsee {}x\n", MACHINE_PATHS[0]);
        let files = Files(vec![("a.md".into(), text)]);
        assert_eq!(no_machine_paths(&files).len(), 1);
        assert!(no_machine_paths(&files)[0].starts_with("a.md:2:"));
    }
}
