//! Processes of the program under test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A debug build on a busy machine takes its time; a program that takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often something is looked at that gives no sign of itself.
const LOOK: Duration = Duration::from_millis(20);

/// The program in a folder, without what the environment of the test says to it.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("LATCHKEY_"))
        {
            command.env_remove(name);
        }
    }
    command
        .env_remove("STATE_DIRECTORY")
        .env("XDG_STATE_HOME", folder)
        .current_dir(folder);
    command
}

/// A call that ended well, and what it printed.
pub(crate) fn call(folder: &Path, environment: &[(&str, &str)], words: &[&str]) -> String {
    let said = program(folder)
        .envs(environment.iter().copied())
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (output, errors) = (
        String::from_utf8(said.stdout).unwrap(),
        String::from_utf8(said.stderr).unwrap(),
    );
    assert!(
        said.status.success(),
        "{words:?}: {}\n{output}\n{errors}",
        said.status
    );
    output
}

/// The same, with its JSON.
pub(crate) fn call_json(folder: &Path, environment: &[(&str, &str)], words: &[&str]) -> Value {
    let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
    serde_json::from_str(&call(folder, environment, &words)).unwrap()
}

/// A process that runs until it is told to stop; dropping it kills it.
pub(crate) struct Running {
    child: Child,
    output: Receiver<String>,
    errors: Receiver<String>,
    said: Vec<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = lines(child.stdout.take().unwrap());
        let errors = lines(child.stderr.take().unwrap());
        Self {
            child,
            output,
            errors,
            said: Vec::new(),
        }
    }

    /// Waits for a line of standard output that holds this text.
    pub(crate) fn says(&mut self, text: &str) -> String {
        wait(&self.output, &mut self.said, text)
    }

    /// Waits for a line of standard error that holds this text.
    pub(crate) fn logs(&mut self, text: &str) -> String {
        wait(&self.errors, &mut self.said, text)
    }

    /// Waits for a file.
    pub(crate) fn writes(&mut self, path: &Path) -> String {
        let (_tell, told) = channel::<()>();
        let mut waited = Duration::ZERO;
        loop {
            if let Ok(text) = std::fs::read_to_string(path) {
                return text;
            }
            assert!(
                waited < PATIENCE && self.child.try_wait().unwrap().is_none(),
                "no {}",
                path.display()
            );
            let _ = told.recv_timeout(LOOK);
            waited += LOOK;
        }
    }

    /// Asks it to end as a supervisor would, and gives how it ended.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn lines(source: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    told
}

fn wait(source: &Receiver<String>, said: &mut Vec<String>, text: &str) -> String {
    loop {
        match source.recv_timeout(PATIENCE) {
            Ok(line) if line.contains(text) => return line,
            Ok(line) => said.push(line),
            Err(end) => panic!(
                "no line with {text:?} ({end}); so far:\n{}",
                said.join("\n")
            ),
        }
    }
}

/// Does what a line of `curl -H '…' -d '…' http://…` does; gives status and body.
pub(crate) fn pasted(line: &str) -> (u16, String) {
    let mut words = shell_words(line).into_iter().skip(1);
    let (mut headers, mut body, mut url) = (String::new(), String::new(), String::new());
    while let Some(word) = words.next() {
        match word.as_str() {
            "-H" => headers.push_str(&format!("{}\r\n", words.next().unwrap())),
            "-d" => body = words.next().unwrap(),
            _ => url = word,
        }
    }
    let (host, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let method = if body.is_empty() { "GET" } else { "POST" };
    let mut stream = TcpStream::connect(host).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    )
}

/// Words in single quotes and without.
fn shell_words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for letter in line.trim().chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            letter => word.push(letter),
        }
    }
    words.push(word);
    words
}
