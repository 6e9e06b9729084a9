//! `latchkey openapi`: the description of the native API, as the server serves it.

use clap::Args;

use crate::output::say;

const EXAMPLES: &str = "\
Examples:
  latchkey openapi > openapi.json";

/// Print the OpenAPI description of the native API.
#[derive(Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct Openapi {}

impl Openapi {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let document = server::api::document(env!("CARGO_PKG_VERSION"));
        say(serde_json::to_string_pretty(&document)?.trim_end());
        Ok(())
    }
}
