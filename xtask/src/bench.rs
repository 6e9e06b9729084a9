//! `cargo xtask bench`: what a request costs beside a control that does nothing.
//!
//! The server and the control run on one core, the load generator on another. They are measured in turns of a few seconds
//! in one run, since machines are noisy: only what is measured side by side compares. The steady figure is CPU time per
//! request, steadier still what is added to the control; rates and latencies are shown with it and mean less.

mod cpu;
mod instructions;
mod load;
mod scenarios;
mod table;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::demo::{self, Demo};
use crate::http::Client;
use crate::shell::{cargo, find_or_install, run as shell, target, timed};
use load::{Load, Slice};

/// Where things run, and for how long.
pub(crate) struct Plan {
    /// The core of the server and of the control.
    pub(crate) server_core: String,
    /// The core of the load generator.
    pub(crate) load_core: String,
    /// Turns of each, for each scenario.
    pub(crate) rounds: usize,
    /// Seconds of a turn.
    pub(crate) seconds: u32,
    /// Only scenarios whose name contains this.
    pub(crate) only: String,
    /// Keys in the scenario with many.
    pub(crate) keys: usize,
}

impl Plan {
    fn from(words: &[String]) -> Result<Self> {
        let mut plan = Self {
            server_core: "0".into(),
            load_core: "1".into(),
            rounds: 5,
            seconds: 2,
            only: String::new(),
            keys: 100_000,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let value = words
                .next()
                .with_context(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--server-core" => plan.server_core.clone_from(value),
                "--load-core" => plan.load_core.clone_from(value),
                "--rounds" => plan.rounds = value.parse().context("--rounds")?,
                "--seconds" => plan.seconds = value.parse().context("--seconds")?,
                "--only" => plan.only.clone_from(value),
                "--keys" => plan.keys = value.parse().context("--keys")?,
                _ => bail!(
                    "unknown: {word}; there are --server-core, --load-core, --rounds, --seconds, --only, --keys"
                ),
            }
        }
        Ok(plan)
    }
}

/// One scenario as measured: turns of the control and of the server, in pairs.
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) control: Vec<Slice>,
    pub(crate) server: Vec<Slice>,
}

#[expect(clippy::print_stdout, reason = "the result of the measurement")]
pub(crate) fn run(words: &[String]) -> Result<bool> {
    if let Some((first, rest)) = words.split_first()
        && first == "--icount"
    {
        return instructions::run(rest);
    }
    let plan = Plan::from(words)?;
    if !find_or_install("wrk", "wrk", true)? || !find_or_install("taskset", "util-linux", true)? {
        bail!("the load generator wrk and taskset are needed (Debian: wrk, util-linux)");
    }
    let server = demo::binary(true)?;
    let control = control_binary()?;

    let (demo, start) = timed(|| Demo::start_on(&server, "bench", &plan.server_core));
    let demo = demo?;
    let idle = cpu::resident_mib(demo.pid())?;
    let mut measured = Vec::new();
    for scenario in scenarios::ALL {
        let name = scenario.name(&plan);
        if name.contains(&plan.only) {
            println!("{name} …");
            let load = scenario.prepare(&demo, &plan)?;
            measured.push(compare(&name, &load, &demo, &control, &plan)?);
        }
    }
    println!("\n{}", table::host(&plan));
    println!("{}", table::markdown(&measured));
    let size = std::fs::metadata(&server)?.len() as f64 / 1_048_576.0;
    println!(
        "idle {idle:.0} MiB resident, after this load {:.0} MiB; ready after {} ms; binary {size:.1} MiB",
        cpu::resident_mib(demo.pid())?,
        start.as_millis()
    );
    demo.stop()?;
    Ok(true)
}

/// Measures the server and the control in turns.
fn compare(name: &str, load: &Load, demo: &Demo, control: &Path, plan: &Plan) -> Result<Measured> {
    let base_url = demo.fact("base_url")?;
    let control = Control::start(
        control,
        &load.answer_of(&mut Client::new(base_url)?)?,
        &plan.server_core,
    )?;
    let mut measured = Measured {
        name: name.to_string(),
        control: Vec::new(),
        server: Vec::new(),
    };
    for round in 0..plan.rounds {
        measured
            .control
            .push(load.slice(round, &control.url, control.child.id(), plan)?);
        measured
            .server
            .push(load.slice(round, base_url, demo.pid(), plan)?);
    }
    load.check_lengths(&measured)?;
    Ok(measured)
}

fn control_binary() -> Result<PathBuf> {
    shell(cargo().args([
        "build",
        "--release",
        "--package",
        "server",
        "--example",
        "control",
    ]))?;
    Ok(target("release")?.join("examples/control"))
}

/// The control, which ends with this value.
struct Control {
    child: Child,
    url: String,
}

impl Control {
    fn start(binary: &Path, answer: &str, core: &str) -> Result<Self> {
        let file = target("xtask")?.join(format!("control-{}.txt", std::process::id()));
        std::fs::write(&file, answer)?;
        let log = File::create(file.with_extension("log"))?;
        let mut child = Command::new("taskset")
            .args(["-c", core])
            .arg(binary)
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let mut url = String::new();
        BufReader::new(child.stdout.take().context("no output pipe")?).read_line(&mut url)?;
        Ok(Self {
            child,
            url: url.trim().to_string(),
        })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
