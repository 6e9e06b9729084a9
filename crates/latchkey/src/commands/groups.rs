//! `latchkey group`: people who have roles together.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::MOST;
use super::keys::fill;
use crate::client::{Reach, encoded};
use crate::output::{Output, confirmed};

const EXAMPLES: &str = "\
Examples:
  latchkey group create --name Operators --role 00000000-0000-7000-8000-000000010002 --member 0197…
  latchkey group list
  latchkey group delete 0197… --yes";

/// See groups of people; make, change and delete them.
#[derive(Subcommand)]
#[command(before_help = EXAMPLES)]
pub(crate) enum Group {
    /// List groups.
    List(List),
    /// Show one group.
    Show(One),
    /// Make a group.
    Create(Create),
    /// Change a group; what is not named stays.
    Edit(Edit),
    /// Delete a group; its members have its roles no more.
    Delete(Delete),
}

/// Which groups.
#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    reach: Reach,
    /// Of this organization instead of your own.
    #[arg(long, value_name = "ID")]
    organization: Option<String>,
    /// Only those that have this person as a member.
    #[arg(long, value_name = "ID")]
    member: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = MOST)]
    most: usize,
}

/// One group.
#[derive(Args)]
pub(crate) struct One {
    #[command(flatten)]
    reach: Reach,
    /// The group's id.
    id: String,
}

/// A new group.
#[derive(Args)]
pub(crate) struct Create {
    #[command(flatten)]
    reach: Reach,
    /// What people call it.
    #[arg(long)]
    name: String,
    /// What it is for.
    #[arg(long)]
    description: Option<String>,
    /// The id of a role its members shall have; may be repeated.
    #[arg(long = "role", value_name = "ID")]
    roles: Vec<String>,
    /// The id of a member; may be repeated.
    #[arg(long = "member", value_name = "ID")]
    members: Vec<String>,
    /// The id of a group whose members belong too; may be repeated.
    #[arg(long = "nested", value_name = "ID")]
    nested: Vec<String>,
    /// Let all managed organizations see it.
    #[arg(long, conflicts_with = "shared")]
    shared_with_all: bool,
    /// The id of a managed organization that shall see it; may be repeated.
    #[arg(long = "shared", value_name = "ID")]
    shared: Vec<String>,
    /// Whose it is; left out, your own organization's.
    #[arg(long, value_name = "ID")]
    organization: Option<String>,
}

/// What shall change.
#[derive(Args)]
pub(crate) struct Edit {
    #[command(flatten)]
    reach: Reach,
    /// The group's id.
    id: String,
    /// A new name.
    #[arg(long)]
    name: Option<String>,
    /// A new description.
    #[arg(long)]
    description: Option<String>,
    /// Roles in place of all earlier ones, by id.
    #[arg(long = "role", value_name = "ID", conflicts_with = "no_roles")]
    roles: Vec<String>,
    /// Take all roles away.
    #[arg(long)]
    no_roles: bool,
    /// Members in place of all earlier ones, by id.
    #[arg(long = "member", value_name = "ID", conflicts_with = "no_members")]
    members: Vec<String>,
    /// Take all members out.
    #[arg(long)]
    no_members: bool,
    /// Nested groups in place of all earlier ones, by id.
    #[arg(long = "nested", value_name = "ID", conflicts_with = "no_nested")]
    nested: Vec<String>,
    /// Take all nested groups out.
    #[arg(long)]
    no_nested: bool,
    /// Let all managed organizations see it.
    #[arg(long, conflicts_with_all = ["shared", "not_shared"])]
    shared_with_all: bool,
    /// Managed organizations that shall see it in place of all earlier ones, by id.
    #[arg(long = "shared", value_name = "ID", conflicts_with = "not_shared")]
    shared: Vec<String>,
    /// Let no other organization see it.
    #[arg(long)]
    not_shared: bool,
    /// Refuse when the group is no longer at this version.
    #[arg(long)]
    version: Option<i64>,
}

/// The end of a group.
#[derive(Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    reach: Reach,
    /// The group's id.
    id: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

const COLUMNS: [(&str, &str); 4] = [
    ("ID", "id"),
    ("NAME", "name"),
    ("ROLES", "roles"),
    ("MEMBERS", "members"),
];

impl Group {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<()> {
        match self {
            Self::List(list) => {
                let query = [
                    ("organization_id", list.organization.as_deref()),
                    ("user_id", list.member.as_deref()),
                ];
                output.list(
                    &list
                        .reach
                        .with_key()?
                        .items("/api/v1/groups", &query, list.most)
                        .await?,
                    &COLUMNS,
                );
            }
            Self::Show(one) => output.thing(&one.reach.with_key()?.get(&path(&one.id)).await?),
            Self::Create(create) => {
                let mut body = json!({"name": create.name});
                let members = [
                    ("description", create.description.map(Value::from)),
                    ("roles", listed(&create.roles, false)),
                    ("members", listed(&create.members, false)),
                    ("nested", listed(&create.nested, false)),
                    (
                        "reach",
                        shared(create.shared_with_all, &create.shared, false),
                    ),
                    ("organization_id", create.organization.map(Value::from)),
                ];
                fill(&mut body, members);
                let server = create.reach.with_key()?;
                output.thing(&server.post("/api/v1/groups", &body).await?);
            }
            Self::Edit(edit) => {
                let mut body = json!({});
                let members = [
                    ("name", edit.name.map(Value::from)),
                    ("description", edit.description.map(Value::from)),
                    ("roles", listed(&edit.roles, edit.no_roles)),
                    ("members", listed(&edit.members, edit.no_members)),
                    ("nested", listed(&edit.nested, edit.no_nested)),
                    (
                        "reach",
                        shared(edit.shared_with_all, &edit.shared, edit.not_shared),
                    ),
                ];
                fill(&mut body, members);
                let server = edit.reach.with_key()?;
                output.thing(&server.patch(&path(&edit.id), &body, edit.version).await?);
            }
            Self::Delete(delete) => {
                let server = delete.reach.with_key()?;
                confirmed(&format!("delete the group {}", delete.id), delete.yes)?;
                output.thing(&server.delete(&path(&delete.id)).await?);
            }
        }
        Ok(())
    }
}

/// A list that was given, or that shall be empty.
fn listed(ids: &[String], none: bool) -> Option<Value> {
    (none || !ids.is_empty()).then(|| json!(ids))
}

fn shared(with_all: bool, with: &[String], with_none: bool) -> Option<Value> {
    if with_all {
        return Some(json!("managed"));
    }
    if with_none {
        return Some(json!("own"));
    }
    (!with.is_empty()).then(|| json!({"listed": with}))
}

fn path(id: &str) -> String {
    format!("/api/v1/groups/{}", encoded(id))
}
