//! `latchkey org`: the tenants.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::MOST;
use super::keys::fill;
use crate::client::{Reach, encoded};
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  latchkey org list
  latchkey org create --name Acme
  latchkey org disable 0197…";

/// See, make, rename, disable and enable organizations.
#[derive(Subcommand)]
#[command(before_help = EXAMPLES)]
pub(crate) enum Org {
    /// List the organizations that you may see.
    List(List),
    /// Show one organization.
    Show(One),
    /// Make an organization.
    Create(Create),
    /// Give an organization another name.
    Rename(Rename),
    /// Take an organization out of use, with all its keys.
    Disable(One),
    /// Bring an organization back into use.
    Enable(One),
}

/// How many.
#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    reach: Reach,
    /// At most so many.
    #[arg(long, default_value_t = MOST)]
    most: usize,
}

/// One organization.
#[derive(Args)]
pub(crate) struct One {
    #[command(flatten)]
    reach: Reach,
    /// The organization's id.
    id: String,
}

/// A new organization.
#[derive(Args)]
pub(crate) struct Create {
    #[command(flatten)]
    reach: Reach,
    /// What people call it; unique on the server.
    #[arg(long)]
    name: String,
    /// How it stands to others: standalone, manager or managed.
    #[arg(long)]
    kind: Option<String>,
    /// The id of its manager, for a managed one.
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
}

/// Another name.
#[derive(Args)]
pub(crate) struct Rename {
    #[command(flatten)]
    reach: Reach,
    /// The organization's id.
    id: String,
    /// The new name.
    name: String,
    /// Refuse when the organization is no longer at this version.
    #[arg(long)]
    version: Option<i64>,
}

const COLUMNS: [(&str, &str); 4] = [
    ("ID", "id"),
    ("NAME", "name"),
    ("KIND", "kind"),
    ("ACTIVE", "active"),
];

impl Org {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<()> {
        match self {
            Self::List(list) => {
                output.list(
                    &list
                        .reach
                        .with_key()?
                        .items("/api/v1/organizations", &[], list.most)
                        .await?,
                    &COLUMNS,
                );
            }
            Self::Show(one) => output.thing(&one.reach.with_key()?.get(&path(&one.id)).await?),
            Self::Create(create) => {
                let mut body = json!({"name": create.name});
                let members = [
                    ("kind", create.kind.map(Value::from)),
                    ("parent_id", create.parent.map(Value::from)),
                ];
                fill(&mut body, members);
                output.thing(
                    &create
                        .reach
                        .with_key()?
                        .post("/api/v1/organizations", &body)
                        .await?,
                );
            }
            Self::Rename(rename) => {
                let server = rename.reach.with_key()?;
                let body = json!({"name": rename.name});
                output.thing(
                    &server
                        .patch(&path(&rename.id), &body, rename.version)
                        .await?,
                );
            }
            Self::Disable(one) => transition(&one, "disable", output).await?,
            Self::Enable(one) => transition(&one, "enable", output).await?,
        }
        Ok(())
    }
}

async fn transition(one: &One, verb: &str, output: Output) -> anyhow::Result<()> {
    output.thing(
        &one.reach
            .with_key()?
            .post(&format!("{}/{verb}", path(&one.id)), &json!({}))
            .await?,
    );
    Ok(())
}

fn path(id: &str) -> String {
    format!("/api/v1/organizations/{}", encoded(id))
}
