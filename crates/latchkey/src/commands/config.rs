//! `latchkey config`: the settings as they are read.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::output::{Output, say};
use crate::settings::Settings;

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

impl Config {
    pub(crate) fn run(self, output: Output) -> anyhow::Result<()> {
        match self {
            Self::Check(check) => {
                check.settings.load(&[])?;
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
