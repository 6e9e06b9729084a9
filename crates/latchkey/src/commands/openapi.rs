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
        say(server::api::openapi(env!("CARGO_PKG_VERSION")).trim_end());
        Ok(())
    }
}
