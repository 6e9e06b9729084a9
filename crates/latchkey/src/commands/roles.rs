//! `latchkey role`: named sets of scopes.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::MOST;
use super::keys::fill;
use crate::client::{Reach, encoded};
use crate::output::{Output, confirmed};

const EXAMPLES: &str = "\
Examples:
  latchkey role list --product sample
  latchkey role create --product sample --name \"Order Reader\" --scope sample.orders:read
  latchkey role delete 0197… --yes";

/// See roles; make, change and delete your own.
#[derive(Subcommand)]
#[command(before_help = EXAMPLES)]
pub(crate) enum Role {
    /// List the roles that may be given.
    List(List),
    /// Show one role.
    Show(One),
    /// Make a role of your own.
    Create(Create),
    /// Change a role of your own; keys that have it follow.
    Edit(Edit),
    /// Delete a role of your own.
    Delete(Delete),
}

/// Which roles.
#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    reach: Reach,
    /// Of this organization instead of your own.
    #[arg(long, value_name = "ID")]
    organization: Option<String>,
    /// Only those of this product.
    #[arg(long)]
    product: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = MOST)]
    most: usize,
}

/// One role.
#[derive(Args)]
pub(crate) struct One {
    #[command(flatten)]
    reach: Reach,
    /// The role's id.
    id: String,
}

/// A new role.
#[derive(Args)]
pub(crate) struct Create {
    #[command(flatten)]
    reach: Reach,
    /// The product whose scopes it holds.
    #[arg(long)]
    product: String,
    /// What people call it.
    #[arg(long)]
    name: String,
    /// What people say of it.
    #[arg(long)]
    description: Option<String>,
    /// A scope it holds; may be repeated.
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scopes: Vec<String>,
    /// Whose it is; left out, your own organization's.
    #[arg(long, value_name = "ID")]
    organization: Option<String>,
}

/// What shall change; what is not named stays.
#[derive(Args)]
pub(crate) struct Edit {
    #[command(flatten)]
    reach: Reach,
    /// The role's id.
    id: String,
    /// A new name.
    #[arg(long)]
    name: Option<String>,
    /// A new description.
    #[arg(long)]
    description: Option<String>,
    /// Scopes in place of all earlier ones.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Refuse when the role is no longer at this version.
    #[arg(long)]
    version: Option<i64>,
}

/// The end of a role.
#[derive(Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    reach: Reach,
    /// The role's id.
    id: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

const COLUMNS: [(&str, &str); 4] = [
    ("ID", "id"),
    ("NAME", "name"),
    ("PRODUCT", "product"),
    ("SCOPES", "scopes"),
];

impl Role {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<()> {
        match self {
            Self::List(list) => {
                let query = [
                    ("organization_id", list.organization.as_deref()),
                    ("product", list.product.as_deref()),
                ];
                output.list(
                    &list
                        .reach
                        .with_key()?
                        .items("/api/v1/roles", &query, list.most)
                        .await?,
                    &COLUMNS,
                );
            }
            Self::Show(one) => output.thing(&one.reach.with_key()?.get(&path(&one.id)).await?),
            Self::Create(create) => {
                let mut body = json!({"product": create.product, "name": create.name, "scopes": create.scopes});
                let members = [
                    ("description", create.description.map(Value::from)),
                    ("organization_id", create.organization.map(Value::from)),
                ];
                fill(&mut body, members);
                output.thing(
                    &create
                        .reach
                        .with_key()?
                        .post("/api/v1/roles", &body)
                        .await?,
                );
            }
            Self::Edit(edit) => {
                let mut body = json!({});
                let scopes = (!edit.scopes.is_empty()).then(|| json!(edit.scopes));
                let members = [
                    ("name", edit.name.map(Value::from)),
                    ("description", edit.description.map(Value::from)),
                    ("scopes", scopes),
                ];
                fill(&mut body, members);
                output.thing(
                    &edit
                        .reach
                        .with_key()?
                        .patch(&path(&edit.id), &body, edit.version)
                        .await?,
                );
            }
            Self::Delete(delete) => {
                let server = delete.reach.with_key()?;
                confirmed(&format!("delete the role {}", delete.id), delete.yes)?;
                output.thing(&server.delete(&path(&delete.id)).await?);
            }
        }
        Ok(())
    }
}

fn path(id: &str) -> String {
    format!("/api/v1/roles/{}", encoded(id))
}
