//! The load: what is sent, by wrk, and what came of it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::cpu::Used;
use super::{Measured, Plan};
use crate::http::Client;
use crate::shell::{read, target};

/// Connections that stay open; more only queue on one core.
pub(crate) const CONNECTIONS: usize = 32;

/// Answers may differ from the recorded one by this part of their length: times and counters vary in digits.
const LENGTH_TOLERANCE: f64 = 0.05;

/// What is sent over and over.
pub(crate) struct Load {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) bodies: Bodies,
}

/// Where the bodies come from.
pub(crate) enum Bodies {
    /// One of these, drawn anew for each request.
    AnyOf(Vec<String>),
    /// Each answer holds what the next request needs: `before`, the text of the JSON member of the answer, `after`. Every
    /// turn takes the next of `starts`, since those under way at its end are lost; the last is for the recorded answer.
    Chain {
        member: &'static str,
        before: String,
        after: String,
        starts: Vec<Vec<String>>,
    },
}

/// One turn.
pub(crate) struct Slice {
    pub(crate) requests: f64,
    /// Server CPU time, in microseconds.
    pub(crate) cpu_us: f64,
    pub(crate) seconds: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) bytes: f64,
}

impl Load {
    /// Sends the load's first request and records the answer, for the control to repeat.
    pub(crate) fn answer_of(&self, client: &mut Client) -> Result<String> {
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let answer = client.send(
            self.method,
            &self.path,
            &headers,
            self.first_body()?.as_bytes(),
        )?;
        if answer.status != 200 {
            bail!(
                "{} {} was answered with {}: {}",
                self.method,
                self.path,
                answer.status,
                answer.text()
            );
        }
        let mut recorded = String::new();
        for (name, value) in &answer.headers {
            writeln!(recorded, "{name}: {value}")?;
        }
        Ok(format!("{recorded}\n{}", answer.text()))
    }

    /// One turn against a server whose process is `pid`.
    pub(crate) fn slice(
        &self,
        round: usize,
        base_url: &str,
        pid: u32,
        plan: &Plan,
    ) -> Result<Slice> {
        let (script, inputs) = self.script(round)?;
        let before = Used::by(pid)?;
        let output = read(
            Command::new("taskset")
                .args([
                    "-c",
                    &plan.load_core,
                    "wrk",
                    "-t1",
                    &format!("-c{CONNECTIONS}"),
                    &format!("-d{}s", plan.seconds),
                    "-s",
                ])
                .arg(&script)
                .arg(format!("{base_url}{}", self.path))
                .arg("--")
                .arg(&inputs),
        )?;
        let cpu_us = Used::by(pid)?.since(&before);
        let result = output
            .lines()
            .find_map(|line| line.strip_prefix("RESULT "))
            .with_context(|| format!("wrk said:\n{output}"))?;
        let result: Value = serde_json::from_str(result)?;
        let number = |name: &str| result[name].as_f64().unwrap_or(0.0);
        if number("errors") > 0.0 || number("requests") == 0.0 {
            bail!("answers other than success: {result}");
        }
        Ok(Slice {
            requests: number("requests"),
            cpu_us,
            seconds: number("us") / 1e6,
            p50_us: number("p50"),
            p99_us: number("p99"),
            bytes: number("bytes"),
        })
    }

    /// Fails when the server's answers were of another length than the control's: they then were other answers.
    pub(crate) fn check_lengths(&self, measured: &Measured) -> Result<()> {
        let mean = |slices: &[Slice]| {
            slices.iter().map(|slice| slice.bytes).sum::<f64>()
                / slices.iter().map(|slice| slice.requests).sum::<f64>()
        };
        let (control, server) = (mean(&measured.control), mean(&measured.server));
        if (control - server).abs() > control * LENGTH_TOLERANCE {
            bail!(
                "{}: answers of {server:.0} bytes where {control:.0} were expected",
                measured.name
            );
        }
        Ok(())
    }

    fn first_body(&self) -> Result<String> {
        let body = match &self.bodies {
            Bodies::AnyOf(bodies) => bodies.first().cloned(),
            Bodies::Chain {
                before,
                after,
                starts,
                ..
            } => starts
                .first()
                .and_then(|turn| turn.last())
                .map(|start| format!("{before}{start}{after}")),
        };
        body.context("a load without bodies")
    }

    /// Writes the script for wrk and the file of bodies, or of starts, that it reads.
    fn script(&self, round: usize) -> Result<(PathBuf, PathBuf)> {
        let folder = target("xtask")?.join("bench");
        std::fs::create_dir_all(&folder)?;
        let (script, inputs) = (folder.join("load.lua"), folder.join("inputs.txt"));
        let mut lua = format!("wrk.method = {}\n", quoted(self.method));
        for (name, value) in &self.headers {
            writeln!(lua, "wrk.headers[{}] = {}", quoted(name), quoted(value))?;
        }
        match &self.bodies {
            Bodies::AnyOf(bodies) if bodies.len() == 1 => {
                writeln!(lua, "wrk.body = {}", quoted(&bodies[0]))?;
                std::fs::write(&inputs, "")?;
            }
            Bodies::AnyOf(bodies) => {
                lua.push_str(ANY_OF);
                std::fs::write(&inputs, bodies.join("\n"))?;
            }
            Bodies::Chain {
                member,
                before,
                after,
                starts,
            } => {
                writeln!(
                    lua,
                    "local pattern, before, after = {}, {}, {}",
                    quoted(&format!("\"{member}\":\"([^\"]+)\"")),
                    quoted(before),
                    quoted(after)
                )?;
                lua.push_str(CHAIN);
                std::fs::write(
                    &inputs,
                    starts.get(round).context("too few starts")?.join("\n"),
                )?;
            }
        }
        lua.push_str(RESULT);
        std::fs::write(&script, lua)?;
        Ok((script, inputs))
    }
}

/// A text as Lua writes it; JSON's escapes of printable text are also Lua's.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

const ANY_OF: &str = r#"
local ready = {}
function init(args)
  for line in io.lines(args[1]) do ready[#ready + 1] = wrk.format(nil, nil, nil, line) end
  math.randomseed(1)
end
function request() return ready[math.random(#ready)] end
"#;

const CHAIN: &str = r#"
local waiting, first, last = {}, 1, 0
local function push(text) last = last + 1; waiting[last] = text end
function init(args)
  for line in io.lines(args[1]) do push(line) end
end
function request()
  local text = waiting[first] or "none left"
  waiting[first] = nil
  first = first + 1
  return wrk.format(nil, nil, nil, before .. text .. after)
end
function response(status, headers, body)
  local text = body:match(pattern)
  if text then push(text) end
end
"#;

const RESULT: &str = r#"
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('RESULT {"requests":%d,"us":%d,"bytes":%d,"p50":%d,"p99":%d,"errors":%d}\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"#;
