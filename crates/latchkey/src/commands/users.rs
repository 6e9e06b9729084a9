//! `latchkey user`: the people who administer an organization.

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::MOST;
use super::keys::fill;
use crate::client::{Reach, encoded, password_from};
use crate::exit::Reason;
use crate::output::{Output, confirmed};

const EXAMPLES: &str = "\
Examples:
  latchkey user list
  latchkey user create --email ada@example.com --name Ada --role 00000000-0000-7000-8000-000000010002
  latchkey user disable 0197…
  latchkey user password 0197… < password.txt";

/// See, add, change and remove people.
#[derive(Subcommand)]
#[command(before_help = EXAMPLES)]
pub(crate) enum User {
    /// List people.
    List(List),
    /// Show one person.
    Show(One),
    /// Add a person.
    Create(Create),
    /// Change a person's name or roles; what is not named stays.
    Edit(Edit),
    /// End what a person may; keys that depend on them are refused.
    Disable(One),
    /// Let a person act again.
    Enable(One),
    /// Give a person a password, read from standard input, or take it away.
    Password(Password),
    /// Remove a person for good.
    Delete(Delete),
}

/// Which people.
#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    reach: Reach,
    /// Of this organization instead of your own.
    #[arg(long, value_name = "ID")]
    organization: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = MOST)]
    most: usize,
}

/// One person.
#[derive(Args)]
pub(crate) struct One {
    #[command(flatten)]
    reach: Reach,
    /// The person's id.
    id: String,
}

/// A new person.
#[derive(Args)]
pub(crate) struct Create {
    #[command(flatten)]
    reach: Reach,
    /// Their address; unique in the organization.
    #[arg(long)]
    email: String,
    /// What people call them.
    #[arg(long)]
    name: String,
    /// The id of a role they shall have; may be repeated.
    #[arg(long = "role", value_name = "ID")]
    roles: Vec<String>,
    /// Where; left out, your own organization.
    #[arg(long, value_name = "ID")]
    organization: Option<String>,
}

/// What shall change.
#[derive(Args)]
pub(crate) struct Edit {
    #[command(flatten)]
    reach: Reach,
    /// The person's id.
    id: String,
    /// A new name.
    #[arg(long)]
    name: Option<String>,
    /// Roles in place of all earlier ones, by id.
    #[arg(long = "role", value_name = "ID")]
    roles: Vec<String>,
    /// Refuse when the person is no longer at this version.
    #[arg(long)]
    version: Option<i64>,
}

/// A person's password.
#[derive(Args)]
pub(crate) struct Password {
    #[command(flatten)]
    reach: Reach,
    /// The person's id.
    id: String,
    /// Take the password away; nothing is read.
    #[arg(long)]
    remove: bool,
}

/// The end of a person here.
#[derive(Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    reach: Reach,
    /// The person's id.
    id: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

const COLUMNS: [(&str, &str); 5] = [
    ("ID", "id"),
    ("EMAIL", "email"),
    ("NAME", "name"),
    ("ROLES", "roles"),
    ("ACTIVE", "active"),
];

impl User {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<()> {
        match self {
            Self::List(list) => {
                let query = [("organization_id", list.organization.as_deref())];
                output.list(
                    &list
                        .reach
                        .with_key()?
                        .items("/api/v1/users", &query, list.most)
                        .await?,
                    &COLUMNS,
                );
            }
            Self::Show(one) => output.thing(&one.reach.with_key()?.get(&path(&one.id)).await?),
            Self::Create(create) => {
                let mut body = json!({"email": create.email, "name": create.name});
                let roles = (!create.roles.is_empty()).then(|| json!(create.roles));
                fill(
                    &mut body,
                    [
                        ("roles", roles),
                        ("organization_id", create.organization.map(Value::from)),
                    ],
                );
                output.thing(
                    &create
                        .reach
                        .with_key()?
                        .post("/api/v1/users", &body)
                        .await?,
                );
            }
            Self::Edit(edit) => {
                let mut body = json!({});
                let roles = (!edit.roles.is_empty()).then(|| json!(edit.roles));
                fill(
                    &mut body,
                    [("name", edit.name.map(Value::from)), ("roles", roles)],
                );
                output.thing(
                    &edit
                        .reach
                        .with_key()?
                        .patch(&path(&edit.id), &body, edit.version)
                        .await?,
                );
            }
            Self::Disable(one) => transition(&one, "disable", output).await?,
            Self::Enable(one) => transition(&one, "enable", output).await?,
            Self::Password(password) => {
                let path = format!("{}/password", path(&password.id));
                if password.remove {
                    output.thing(&password.reach.with_key()?.delete(&path).await?);
                    return Ok(());
                }
                if password.reach.key_stdin {
                    return Err(Reason::Usage.because(
                        "standard input is where the password is read; give the key in another way",
                    ));
                }
                let server = password.reach.with_key()?;
                let text = password_from(std::io::stdin().lock()).context("standard input")?;
                output.thing(&server.put(&path, &json!({"password": text})).await?);
            }
            Self::Delete(delete) => {
                let server = delete.reach.with_key()?;
                confirmed(&format!("remove the user {}", delete.id), delete.yes)?;
                output.thing(&server.delete(&path(&delete.id)).await?);
            }
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
    format!("/api/v1/users/{}", encoded(id))
}
