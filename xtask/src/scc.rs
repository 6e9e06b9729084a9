//! The published client of Security Cloud Control as a customer, against a running demo.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::demo::Demo;
use crate::python;
use crate::shell::{root, run};
use crate::stages::Tally;

/// The client from PyPI runs unmodified; every call that it makes is compared.
pub(crate) fn client(binary: &Path) -> Result<Tally> {
    let client = root().join("contracts/security_cloud_control/client");
    let python = python::environment("security_cloud_control", &client.join("requirements.txt"))?;
    let demo = Demo::start(binary, "security-cloud-control", &[])?;
    let checked = run(Command::new(python)
        .arg(client.join("run.py"))
        .arg("--demo")
        .arg(demo.out())
        .env("NO_PROXY", "127.0.0.1")
        .env("PYTHONDONTWRITEBYTECODE", "1"));
    checked.with_context(|| format!("the demo logged:\n{}", demo.stderr()))?;
    demo.stop()?;
    Ok(Tally::HOLDS)
}
