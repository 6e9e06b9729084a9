//! Clients of Cortex as customers: the documented recipe, two published clients, and the programs that the server shows.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::demo::Demo;
use crate::python;
use crate::shell::{root, run};
use crate::stages::Tally;

/// All of them run to their end against one demo.
pub(crate) fn clients(binary: &Path) -> Result<Tally> {
    let client = root().join("contracts/cortex/client");
    let python = python::environment("cortex", &client.join("requirements.txt"))?;
    let demo = Demo::start(binary, "cortex", &[])?;
    let checked = run(Command::new(python)
        .arg(client.join("run.py"))
        .arg("--demo")
        .arg(demo.out())
        .env("PYTHONDONTWRITEBYTECODE", "1"));
    checked.with_context(|| format!("the demo logged:\n{}", demo.stderr()))?;
    demo.stop()?;
    Ok(Tally::HOLDS)
}
