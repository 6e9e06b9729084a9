//! `latchkey audit`: the trail of everything that was changed, verified and taken away.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use authority::audit::{BadExport, Trust, verify_export};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::client::{Reach, with_query};
use crate::exit::Reason;
use crate::house::{self, House};
use crate::output::{Output, say};
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  latchkey audit verify                                    ask the running server
  latchkey audit verify --local                            read the data directory; no server is needed
  latchkey audit export --out trail.jsonl
  latchkey audit verify --export trail.jsonl --public-key 5f1c…      no server and no database is needed

An export is signed to its end, and names the key that signed it; that proves something only if you have the public key
from elsewhere, such as an export of another day.";

/// Verify and export the audit trail.
#[derive(Subcommand)]
#[command(before_help = EXAMPLES)]
pub(crate) enum Audit {
    /// Check that the trail is whole; exit code 4 and the first bad place if not.
    Verify(Box<Verify>),
    /// Write the trail as JSON lines.
    Export(Export),
}

/// Which trail.
#[derive(Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    settings: Settings,
    /// Read the data directory instead of asking a server.
    #[arg(long, conflicts_with = "export")]
    local: bool,
    /// Read an export instead of asking a server.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// The public key that must have signed the export, 64 hexadecimal digits.
    #[arg(long, value_name = "HEX", requires = "export")]
    public_key: Option<String>,
}

/// Which trail, and where it goes.
#[derive(Args)]
pub(crate) struct Export {
    #[command(flatten)]
    reach: Reach,
    /// Write to this file, which must not be there yet; left out, to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The events of this organization only, which cannot be verified alone.
    #[arg(long, value_name = "ID")]
    organization: Option<String>,
}

impl Audit {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<()> {
        match self {
            Self::Verify(verify) => {
                let report = verify.report().await?;
                output.value(&report);
                match report["ok"].as_bool() {
                    Some(true) => Ok(()),
                    Some(false) => Err(Reason::Unhealthy.because("the audit trail does not hold")),
                    None => bail!("the server's answer is no report"),
                }
            }
            Self::Export(export) => export.run().await,
        }
    }
}

impl Verify {
    async fn report(&self) -> anyhow::Result<Value> {
        match &self.export {
            Some(path) => self.offline(path),
            None if self.local => self.local().await,
            None => self.reach.with_key()?.get("/api/v1/audit/verify").await,
        }
    }

    fn offline(&self, path: &PathBuf) -> anyhow::Result<Value> {
        let public_key = self.public_key.as_deref().map(bytes_of).transpose()?;
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let trust = Trust {
            public_key,
            checkpoint: None,
        };
        match verify_export(BufReader::new(file), &trust) {
            Ok(report) => Ok(json!({
                "ok": true,
                "events": report.events,
                "issued": report.issued,
                "checkpoints": report.checkpoints,
                "head": report.head,
                "sealed": report.sealed,
                "signer_known": report.trusted,
            })),
            Err(BadExport::Unreadable(error)) => {
                Err(error).with_context(|| format!("cannot read {}", path.display()))
            }
            Err(bad @ (BadExport::NoHeader | BadExport::Partial)) => {
                Err(Reason::Usage.because(format!("{}: {bad}", path.display())))
            }
            Err(bad) => Ok(json!({"ok": false, "first_bad": bad.to_string()})),
        }
    }

    async fn local(&self) -> anyhow::Result<Value> {
        let house = House::enter(&self.settings.load(&[])?.config).await?;
        let report = house.authority.verify_audit(&house::shell()).await;
        house.leave().await?;
        let report = report?;
        let mut value = json!({
            "ok": report.is_good(),
            "events": report.events,
            "issued": report.issued,
            "checkpoints": report.checkpoints,
            "head": report.head,
                "sealed": report.sealed,
        });
        if let Some(flaw) = &report.flaw {
            value["first_bad"] = json!(flaw.to_string());
        }
        if !report.mismatches.is_empty() {
            let rows = report
                .mismatches
                .iter()
                .map(|row| format!("{}:{}", row.subject.kind, row.subject.id));
            value["mismatches"] = rows.collect::<Vec<_>>().into();
        }
        Ok(value)
    }
}

impl Export {
    async fn run(self) -> anyhow::Result<()> {
        let server = self.reach.with_key()?;
        let everywhere = self.organization.is_none().then_some("true");
        let query = [
            ("organization_id", self.organization.as_deref()),
            ("everywhere", everywhere),
        ];
        let path = with_query("/api/v1/audit/export", &query);
        match &self.out {
            None => server.download(&path, &mut std::io::stdout().lock()).await,
            Some(out) => {
                let unwritable = || format!("cannot write {}", out.display());
                let mut file = File::create_new(out).with_context(unwritable)?;
                let written = server.download(&path, &mut file).await.and_then(|()| {
                    let kept = file.flush().and_then(|()| file.sync_all());
                    kept.with_context(unwritable)
                });
                if written.is_err() {
                    // Half an export is none, and would stand in the way of the next.
                    std::fs::remove_file(out).with_context(unwritable)?;
                }
                written?;
                say(&format!("the trail was written to {}", out.display()));
                Ok(())
            }
        }
    }
}

fn bytes_of(text: &str) -> anyhow::Result<Vec<u8>> {
    let expected = || {
        Reason::Usage.because(
            "--public-key is 64 hexadecimal digits, as the first line of an export has them",
        )
    };
    if text.len() != 64 || !text.is_ascii() {
        return Err(expected());
    }
    (0..32)
        .map(|place| {
            u8::from_str_radix(&text[place * 2..place * 2 + 2], 16).map_err(|_| expected())
        })
        .collect()
}
