//! `latchkey client`: OAuth clients, which are keys of the kind `client`.

use clap::{Args, Subcommand};

use super::keys::{COLUMNS, Filter, Revoke, Rotate, Wish, end, listed, make, renew};
use crate::client::Reach;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  latchkey client create --product sample --name billing --scope sample.orders:read
  latchkey client list
  latchkey client rotate 0197… --overlap-seconds 86400";

/// Make, see, rotate and end OAuth clients.
#[derive(Subcommand)]
#[command(before_help = EXAMPLES)]
pub(crate) enum Client {
    /// Make a client; its secret is shown now and never again.
    Create(Box<Create>),
    /// List clients.
    List(List),
    /// Give a client a new secret.
    Rotate(Rotate),
    /// End a client for good.
    Revoke(Revoke),
}

/// What a new client shall be.
#[derive(Args)]
pub(crate) struct Create {
    #[command(flatten)]
    reach: Reach,
    /// What its tokens open.
    #[arg(long)]
    product: String,
    #[command(flatten)]
    wish: Wish,
}

/// Which clients.
#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    filter: Filter,
}

/// The word of the kind.
const KIND: &str = "client";

impl Client {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => {
                let Create {
                    reach,
                    product,
                    wish,
                } = *create;
                make(&reach.with_key()?, output, &product, KIND, wish).await
            }
            Self::List(list) => {
                let items = listed(&list.reach.with_key()?, &list.filter, Some(KIND)).await?;
                output.list(&items, &COLUMNS);
                Ok(())
            }
            Self::Rotate(rotate) => renew(rotate, output).await,
            Self::Revoke(revoke) => end(revoke, output).await,
        }
    }
}
