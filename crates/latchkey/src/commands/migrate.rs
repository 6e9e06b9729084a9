//! `latchkey migrate`: the schema of the database, brought to what this program knows.

use anyhow::Context;
use clap::Args;
use serde_json::json;
use store::Store;

use crate::house;
use crate::output::{Output, say};
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  latchkey migrate
  LATCHKEY_DATA__DATABASE_URL_FILE=/run/secrets/database latchkey migrate

`latchkey serve` does this by itself; alone it is for roll-outs that migrate before they replace the first server.
A new schema leaves servers of the version before working.";

/// Bring the database's schema up to date.
#[derive(Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct Migrate {
    #[command(flatten)]
    settings: Settings,
}

impl Migrate {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<()> {
        let config = self.settings.load(&[])?.config;
        house::existing(&config)?;
        let store = Store::connect(&house::database_url(&config))
            .await
            .context("cannot open the database")?;
        let migrated = store.migrate().await.context("cannot migrate")?;
        store.close().await?;
        if output.json {
            output.value(&json!({"from": migrated.from, "to": migrated.to}));
        } else if migrated.from == migrated.to {
            say(&format!(
                "the schema is up to date, at step {}",
                migrated.to
            ));
        } else {
            say(&format!(
                "the schema went from step {} to step {}",
                migrated.from, migrated.to
            ));
        }
        Ok(())
    }
}
