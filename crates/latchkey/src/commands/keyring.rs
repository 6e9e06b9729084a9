//! `latchkey keyring`: the keys under which the store is sealed.

use anyhow::bail;
use authority::ports::Entropy;
use clap::{Args, Subcommand};
use serde_json::json;
use server::config::MasterKeySource;

use crate::house::{self, House};
use crate::master;
use crate::output::{Output, say};
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  latchkey keyring new                 print a master key, for master_key.value or a vault
  latchkey keyring rotate              seal under a new data key from now on
  latchkey keyring rotate --master     make a new master key too; restart every server afterwards

Issued credentials are not touched. After --master every server that runs refuses everything (503) until it is restarted
with the new file: copy it to the other machines and restart all at once. Then the lines below the first may be removed
from it; keep them with the backups made before, which open with nothing else.";

/// Make and rotate the keys that seal the store.
#[derive(Subcommand)]
#[command(before_help = EXAMPLES)]
pub(crate) enum Keyring {
    /// Print a new master key.
    New,
    /// Seal under a new key from now on; servers that run take it over.
    Rotate(Rotate),
}

/// What to rotate.
#[derive(Args)]
pub(crate) struct Rotate {
    #[command(flatten)]
    settings: Settings,
    /// Make a new master key too, in front of the earlier ones in its file.
    #[arg(long)]
    master: bool,
}

impl Keyring {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<()> {
        match self {
            Self::New => {
                say(&master::fresh(&Entropy::system())?);
                Ok(())
            }
            Self::Rotate(rotate) => rotate.run(output).await,
        }
    }
}

impl Rotate {
    async fn run(self, output: Output) -> anyhow::Result<()> {
        let config = self.settings.load(&[])?.config;
        house::existing(&config)?;
        if self.master {
            if config.master_key.source != MasterKeySource::File {
                bail!(
                    "the master key is not in a file; put a new one in front of it where it is kept, then rotate without --master"
                );
            }
            master::prepend(&config.master_key.file, &Entropy::system())?;
        }
        let house = House::enter(&config).await?;
        let rotated = house.authority.rotate_keyring().await;
        house.leave().await?;
        let version = rotated?;
        if output.json {
            output.value(&json!({"version": version, "master": self.master}));
        } else {
            say(&format!(
                "rows are sealed under version {version} from now on; earlier ones are sealed anew in the background"
            ));
        }
        Ok(())
    }
}
