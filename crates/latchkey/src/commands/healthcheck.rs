//! `latchkey healthcheck`: is the server ready? For containers and supervisors that have no HTTP client.

use std::time::Duration;

use clap::Args;
use http::{Method, Uri};
use serde_json::json;

use crate::client::Reach;
use crate::exit::Reason;
use crate::output::{Output, say};
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  latchkey healthcheck
  latchkey healthcheck --url https://keys.example.com";

/// A server that is ready says so at once; orchestrators often ask every few seconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// Ask the server whether it is ready; exit code 0 if so, 4 if not.
#[derive(Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct Healthcheck {
    #[command(flatten)]
    settings: Settings,
    /// The server; left out, the one that the settings describe.
    #[arg(long, env = "LATCHKEY_URL", value_name = "URL")]
    url: Option<Uri>,
    /// A PEM file with the authorities that the server's certificate may come from.
    #[arg(long, env = "LATCHKEY_CA_FILE", value_name = "FILE")]
    ca_file: Option<std::path::PathBuf>,
}

impl Healthcheck {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<()> {
        let url = match self.url {
            Some(url) => url,
            None => own_url(&self.settings)?,
        };
        let reach = Reach {
            url: url.clone(),
            ca_file: self.ca_file,
            key_file: None,
            key_stdin: false,
        };
        ready(&reach)
            .await
            .map_err(|why| Reason::Unhealthy.because(format!("{url} is not ready: {why:#}")))?;
        if output.json {
            output.value(&json!({"ready": true, "url": url.to_string()}));
        } else {
            say(&format!("{url} is ready"));
        }
        Ok(())
    }
}

/// The address at which a server with these settings would be reached from this machine.
pub(super) fn own_url(settings: &Settings) -> anyhow::Result<Uri> {
    let server = settings.load(&[])?.config.server;
    let text = match (server.listen, server.public_url) {
        (Some(address), _) if address.ip().is_unspecified() => {
            format!("http://127.0.0.1:{}", address.port())
        }
        (Some(address), _) => format!("http://{address}"),
        (None, Some(url)) => url,
        (None, None) => {
            return Err(
                Reason::Usage.because("the settings serve HTTPS only; name the server with --url")
            );
        }
    };
    Ok(text.parse()?)
}

/// Asks; an error says why not.
pub(super) async fn ready(reach: &Reach) -> anyhow::Result<()> {
    let server = reach.server(None)?;
    let asked =
        tokio::time::timeout(PATIENCE, server.send(Method::GET, "/readyz", None, &[])).await;
    let answer =
        asked.map_err(|_| anyhow::anyhow!("no answer within {} s", PATIENCE.as_secs()))??;
    answer.good().map(drop)
}
