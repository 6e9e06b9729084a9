//! The native API against its own description: schemathesis makes requests from openapi.json, good and bad ones, and no
//! answer may be a server error or one that the description does not declare.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::demo::Demo;
use crate::http::Client;
use crate::python;
use crate::shell::{root, run, target};
use crate::stages::Tally;

/// What must hold of each answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance";

/// Requests drawn at random for each operation, beside the ones made from the edges of each schema.
const EXAMPLES: &str = "25";

/// Operations that can take the caller's own key away; they are tried last, on a demo of their own.
const SELF_DESTRUCTIVE: &str = r"revoke|rotate|disable|restore|import";

/// Fuzzes every operation with the demo's administrator.
pub(crate) fn native_api(binary: &Path) -> Result<Tally> {
    let python = python::environment(
        "schemathesis",
        &root().join("xtask/python/schemathesis.txt"),
    )?;

    let demo = Demo::start(binary, "fuzz", &[])?;
    fuzz(&python, &demo, &["--exclude-path-regex", SELF_DESTRUCTIVE])?;
    let still = Client::new(demo.fact("base_url")?)?.call(
        "GET",
        "/api/v1/whoami",
        demo.fact("native/admin_key")?,
        None,
    )?;
    still
        .expect(200)
        .context("the run lost its own key on the way, and tested little after that")?;
    demo.stop()?;

    let demo = Demo::start(binary, "fuzz-last", &[])?;
    fuzz(&python, &demo, &["--include-path-regex", SELF_DESTRUCTIVE])?;
    demo.stop()?;
    Ok(Tally {
        passed: 2,
        failed: 0,
        skipped: 0,
    })
}

fn fuzz(python: &Path, demo: &Demo, paths: &[&str]) -> Result<()> {
    let base_url = demo.fact("base_url")?;
    let program = python.with_file_name("schemathesis");
    let done = run(Command::new(program)
        .current_dir(target("xtask")?)
        .args([
            "run",
            "--no-color",
            "--checks",
            CHECKS,
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            EXAMPLES,
        ])
        .args([
            "--generation-deterministic",
            "--suppress-health-check",
            "all",
            "--warnings",
            "off",
        ])
        .args(["--request-timeout", "30", "--url", base_url])
        .args([
            "--header",
            &format!("Authorization: Bearer {}", demo.fact("native/admin_key")?),
        ])
        .args(paths)
        .arg(format!("{base_url}/openapi.json")));
    done.with_context(|| {
        format!(
            "the demo logged at last:\n{}",
            demo.stderr()
                .lines()
                .rev()
                .take(20)
                .collect::<Vec<_>>()
                .join("\n")
        )
    })
}
