//! `latchkey config`: the settings as they are read.

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;
use server::assembly::tls;
use server::gateway::Gateway;

use crate::exit::Reason;
use crate::output::{Output, say};
use crate::settings::Settings;
use crate::{house, logging};

const EXAMPLES: &str = "\
Examples:
  latchkey config check --config /etc/latchkey.toml
  latchkey config show
  latchkey config show --defaults > latchkey.toml     the manual, as a file to begin with";

/// Read the settings and say what they are.
#[derive(Subcommand)]
#[command(before_help = EXAMPLES)]
pub(crate) enum Config {
    /// Report everything that is wrong with the settings.
    Check(Check),
    /// Print every setting and where it comes from; secrets are masked.
    Show(Show),
}

/// Where they come from.
#[derive(Args)]
pub(crate) struct Check {
    #[command(flatten)]
    settings: Settings,
}

/// What to print.
#[derive(Args)]
pub(crate) struct Show {
    #[command(flatten)]
    settings: Settings,
    /// Print the defaults with their reasons instead.
    #[arg(long)]
    defaults: bool,
}

/// Looks at what settings that were read well may still not be: files that are not there, products that do not exist.
pub(super) fn usable(config: &server::config::Config) -> anyhow::Result<()> {
    let products: Vec<_> = house::products()?.into_iter().map(Arc::new).collect();
    let gateway = Gateway::new(&config.gateway, &products, |path| std::fs::read(path));
    let limits = server::settings::exceptions(&config.product_limits).fit(&products);
    let wrong = [
        logging::filter(&config.log)
            .err()
            .map(|error| error.to_string()),
        tls(&config.server)
            .err()
            .map(|error| format!("server.tls_listen: {error}")),
        gateway.err().map(|error| error.to_string()),
        limits.err().map(|error| error.to_string()),
    ];
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Reason::Usage.because(format!("the settings are wrong:\n{}", wrong.join("\n"))))
}

impl Config {
    pub(crate) fn run(self, output: Output) -> anyhow::Result<()> {
        match self {
            Self::Check(check) => {
                usable(&check.settings.load(&[])?.config)?;
                if output.json {
                    output.value(&json!({"ok": true}));
                } else {
                    say("the settings can be used");
                }
            }
            Self::Show(show) if show.defaults => say(server::config::DEFAULTS.trim_end()),
            Self::Show(show) => {
                let loaded = show.settings.load(&[])?;
                let items: Vec<_> = loaded
                    .show()
                    .iter()
                    .map(|shown| json!({"setting": shown.setting, "value": shown.value, "origin": shown.origin.to_string()}))
                    .collect();
                output.list(
                    &items,
                    &[
                        ("SETTING", "setting"),
                        ("VALUE", "value"),
                        ("FROM", "origin"),
                    ],
                );
            }
        }
        Ok(())
    }
}
