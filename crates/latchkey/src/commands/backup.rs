//! `latchkey backup`: a copy of the embedded database as it is at one moment, while servers go on.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use credential::time::Instant;
use serde_json::json;

use crate::exit::Reason;
use crate::house::{self, House};
use crate::output::{Output, say};
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  latchkey backup /var/backups/latchkey/2030-01-01
  latchkey backup ./copy --data-directory /var/lib/latchkey

The copy holds no master key: keep that apart, since with both the copy is as good as the server. PostgreSQL has tools
of its own (pg_dump, base backups); use those.";

/// What a backup says about itself.
pub(super) const MANIFEST: &str = "backup.json";

/// Copy the embedded database into a new directory; servers go on meanwhile.
#[derive(Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct Backup {
    #[command(flatten)]
    settings: Settings,
    /// The directory for the copy; made if it is not there.
    #[arg(value_name = "DIR")]
    into: PathBuf,
}

impl Backup {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<()> {
        let config = self.settings.load(&[])?.config;
        if !house::is_embedded(&config) {
            return Err(Reason::Usage
                .because("the database is not the embedded one; back it up with its own tools"));
        }
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.into);
        made.with_context(|| format!("cannot make {}", self.into.display()))?;
        let copy = self.into.join(house::DATABASE_FILE);
        if copy.exists() {
            return Err(Reason::Usage.because(format!(
                "there is a backup in {} already; name another directory",
                self.into.display()
            )));
        }

        let house = House::enter(&config).await?;
        let begun = moment(house.authority.now());
        let copied = house.authority.backup(&house::shell(), &copy).await;
        house.leave().await?;
        copied.context("cannot copy the database")?;

        let manifest = json!({
            "database": house::DATABASE_FILE,
            "begun_at": begun,
            "bytes": std::fs::metadata(&copy)?.len(),
            "latchkey": env!("CARGO_PKG_VERSION"),
        });
        let path = self.into.join(MANIFEST);
        std::fs::write(&path, format!("{manifest:#}\n"))
            .with_context(|| format!("cannot write {}", path.display()))?;
        if output.json {
            output.value(&manifest);
        } else {
            say(&format!(
                "the database was copied to {}; keep the master key apart from it",
                copy.display()
            ));
        }
        Ok(())
    }
}

/// A moment as RFC 3339.
fn moment(at: Instant) -> String {
    jiff::Timestamp::from_millisecond(at.millis())
        .map_or_else(|_| String::new(), |at| at.to_string())
}
