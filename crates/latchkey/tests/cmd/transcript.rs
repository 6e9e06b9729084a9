//! Transcripts: what is called, and what is answered.
//!
//! ```text
//! # A remark.
//! == name              a file in the folder of the run, up to the next line of `==`
//! $ NAME=value latchkey config check --config bad.toml
//! < a line for standard input
//! > a line of standard output; `...` alone stands for any number of lines, at the end of a line for any rest of it
//! ! a line of standard error
//! ? the exit code, 0 where it is not told
//! ```
//!
//! `{dir}` stands for the folder of the run, which is made for each transcript and is the working directory.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::process::program;

/// One call and what it shall answer.
#[derive(Default)]
struct Call {
    line: String,
    input: Vec<String>,
    output: Vec<String>,
    errors: Vec<String>,
    code: i32,
}

pub(crate) fn run(text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let text = text.replace("{dir}", folder.path().to_str().unwrap());
    let mut calls: Vec<Call> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (mark, calls.last_mut()) {
            ("==", _) => {
                let content: Vec<&str> = lines.by_ref().take_while(|line| *line != "==").collect();
                std::fs::write(folder.path().join(rest), content.join("\n")).unwrap();
            }
            ("$", _) => calls.push(Call {
                line: rest.to_owned(),
                ..Call::default()
            }),
            ("<", Some(call)) => call.input.push(rest.to_owned()),
            (">", Some(call)) => call.output.push(rest.to_owned()),
            ("!", Some(call)) => call.errors.push(rest.to_owned()),
            ("?", Some(call)) => call.code = rest.parse().unwrap(),
            ("" | "#", _) => {}
            _ => panic!("what does this line of a transcript mean? {line}"),
        }
    }
    for call in calls {
        call.check(folder.path());
    }
}

impl Call {
    fn check(&self, folder: &Path) {
        let words = words(&self.line);
        let assignments = words.iter().take_while(|word| word.as_str() != "latchkey");
        let mut command: Command = program(folder);
        for assignment in assignments.clone() {
            let (name, value) = assignment
                .split_once('=')
                .expect("NAME=value before the program");
            command.env(name, value);
        }
        command.args(&words[assignments.count() + 1..]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(self.input.join("\n").as_bytes())
            .unwrap();
        let said = child.wait_with_output().unwrap();
        let (output, errors) = (
            String::from_utf8(said.stdout).unwrap(),
            String::from_utf8(said.stderr).unwrap(),
        );
        let all = format!(
            "$ {}\n{output}{errors}? {:?}",
            self.line,
            said.status.code()
        );
        assert_eq!(said.status.code(), Some(self.code), "{all}");
        assert!(
            fits(&output.lines().collect::<Vec<_>>(), &self.output),
            "standard output\n{all}"
        );
        assert!(
            fits(&errors.lines().collect::<Vec<_>>(), &self.errors),
            "standard error\n{all}"
        );
    }
}

/// Whether the lines are those expected.
fn fits(lines: &[&str], expected: &[String]) -> bool {
    match (lines, expected) {
        ([], []) => true,
        (_, [wild, rest @ ..]) if wild == "..." => {
            (0..=lines.len()).any(|skipped| fits(&lines[skipped..], rest))
        }
        ([line, lines @ ..], [wanted, rest @ ..]) => {
            let same = match wanted.strip_suffix("...") {
                Some(begin) => line.starts_with(begin),
                None => line.trim_end() == wanted.trim_end(),
            };
            same && fits(lines, rest)
        }
        _ => false,
    }
}

/// The words of a line as a shell would find them, with double quotes only.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            letter => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}
