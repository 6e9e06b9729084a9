//! `latchkey channel`: the ways out for notices.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::MOST;
use super::keys::fill;
use crate::client::{Reach, encoded};
use crate::output::{Output, confirmed};

const EXAMPLES: &str = "\
Examples:
  latchkey channel create --name Ops --email ops@example.com --email oncall@example.com
  latchkey channel create --name Tickets --webhook https://tickets.example.com/latchkey --kind expires_soon
  latchkey channel test 0197…
  latchkey channel deliveries 0197…";

/// See where notices go; open, change, try and close these ways.
#[derive(Subcommand)]
#[command(before_help = EXAMPLES)]
pub(crate) enum Channel {
    /// List the channels.
    List(List),
    /// Show one channel.
    Show(One),
    /// Open a channel; the secret of a webhook is shown once.
    Create(Create),
    /// Change a channel.
    Edit(Edit),
    /// Give a webhook a new secret, shown once; the old one also signs for 24 hours.
    Rotate(One),
    /// Send a message now, and say what came of it.
    Test(One),
    /// List what went and goes out over a channel.
    Deliveries(Deliveries),
    /// Close a channel.
    Delete(Delete),
}

/// Whose channels.
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

/// One channel.
#[derive(Args)]
pub(crate) struct One {
    #[command(flatten)]
    reach: Reach,
    /// The channel's id.
    id: String,
}

/// A new channel.
#[derive(Args)]
pub(crate) struct Create {
    #[command(flatten)]
    reach: Reach,
    /// What people call it.
    #[arg(long)]
    name: String,
    /// Somebody who receives by e-mail; may be repeated.
    #[arg(
        long = "email",
        value_name = "ADDRESS",
        required_unless_present = "webhook",
        conflicts_with = "webhook"
    )]
    recipients: Vec<String>,
    /// Where a webhook is sent.
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// A kind of notice that it gets; may be repeated. Left out, every one.
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// Whose it is; left out, your own organization's.
    #[arg(long, value_name = "ID")]
    organization: Option<String>,
}

/// What shall change; what is not named stays.
#[derive(Args)]
pub(crate) struct Edit {
    #[command(flatten)]
    reach: Reach,
    /// The channel's id.
    id: String,
    /// A new name.
    #[arg(long)]
    name: Option<String>,
    /// People in place of all earlier ones.
    #[arg(long = "email", value_name = "ADDRESS")]
    recipients: Vec<String>,
    /// Another address of a webhook.
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// Kinds of notices in place of all earlier ones.
    #[arg(long = "kind", value_name = "KIND", conflicts_with = "every_kind")]
    kinds: Vec<String>,
    /// Every kind of notice.
    #[arg(long)]
    every_kind: bool,
    /// Turn it on (true) or off (false).
    #[arg(long)]
    active: Option<bool>,
    /// Refuse when the channel is no longer at this version.
    #[arg(long)]
    version: Option<i64>,
}

/// The deliveries of one channel.
#[derive(Args)]
pub(crate) struct Deliveries {
    #[command(flatten)]
    reach: Reach,
    /// The channel's id.
    id: String,
    /// At most so many.
    #[arg(long, default_value_t = MOST)]
    most: usize,
}

/// The end of a channel.
#[derive(Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    reach: Reach,
    /// The channel's id.
    id: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

const PLACE: &str = "/api/v1/notices/channels";

const COLUMNS: [(&str, &str); 5] = [
    ("ID", "id"),
    ("NAME", "name"),
    ("KIND", "kind"),
    ("ACTIVE", "active"),
    ("FAILING", "failing"),
];
const DELIVERY_COLUMNS: [(&str, &str); 5] = [
    ("NOTICE", "notice_id"),
    ("STATE", "state"),
    ("TRIES", "tries"),
    ("OUTCOME", "outcome"),
    ("NEXT", "due_at"),
];

impl Channel {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<()> {
        match self {
            Self::List(list) => {
                let query = [("organization_id", list.organization.as_deref())];
                let server = list.reach.with_key()?;
                output.list(&server.items(PLACE, &query, list.most).await?, &COLUMNS);
            }
            Self::Show(one) => output.thing(&one.reach.with_key()?.get(&path(&one.id)).await?),
            Self::Create(create) => {
                let kind = if create.webhook.is_some() {
                    "webhook"
                } else {
                    "email"
                };
                let mut body = json!({"name": create.name, "kind": kind});
                let members = [
                    ("recipients", listed(create.recipients)),
                    ("url", create.webhook.map(Value::from)),
                    ("notice_kinds", listed(create.kinds)),
                    ("organization_id", create.organization.map(Value::from)),
                ];
                fill(&mut body, members);
                output.thing(&create.reach.with_key()?.post(PLACE, &body).await?);
            }
            Self::Edit(edit) => {
                let mut body = json!({});
                let kinds = if edit.every_kind {
                    Some(Value::Null)
                } else {
                    listed(edit.kinds)
                };
                let members = [
                    ("name", edit.name.map(Value::from)),
                    ("recipients", listed(edit.recipients)),
                    ("url", edit.webhook.map(Value::from)),
                    ("notice_kinds", kinds),
                    ("active", edit.active.map(Value::from)),
                ];
                fill(&mut body, members);
                let server = edit.reach.with_key()?;
                output.thing(&server.patch(&path(&edit.id), &body, edit.version).await?);
            }
            Self::Rotate(one) => output.thing(&doing(one, "rotate").await?),
            Self::Test(one) => output.thing(&doing(one, "test").await?),
            Self::Deliveries(asked) => {
                let place = format!("{}/deliveries", path(&asked.id));
                let server = asked.reach.with_key()?;
                let found = server.items(&place, &[], asked.most).await?;
                output.list(&found, &DELIVERY_COLUMNS);
            }
            Self::Delete(delete) => {
                let server = delete.reach.with_key()?;
                confirmed(&format!("delete the channel {}", delete.id), delete.yes)?;
                output.thing(&server.delete(&path(&delete.id)).await?);
            }
        }
        Ok(())
    }
}

/// Does something with one channel.
async fn doing(one: One, what: &str) -> anyhow::Result<Value> {
    let place = format!("{}/{what}", path(&one.id));
    one.reach.with_key()?.post(&place, &json!({})).await
}

fn listed(texts: Vec<String>) -> Option<Value> {
    (!texts.is_empty()).then(|| json!(texts))
}

fn path(id: &str) -> String {
    format!("{PLACE}/{}", encoded(id))
}
