//! The JSON of the Key Admin API.

use serde::{Deserialize, Serialize};

/// The body of a creation and of a change. A member that is not known is refused: a typing error in `allowedIPs` must
/// not make a key that is good everywhere.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) scopes: Vec<String>,
    pub(super) description: Option<String>,
    pub(super) expire_at: Option<String>,
    #[serde(rename = "allowedIPs")]
    pub(super) allowed_ips: Option<Vec<String>>,
}

/// A key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) scopes: Vec<String>,
    pub(super) client_id: String,
    /// Only where it was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_secret: Option<String>,
    pub(super) creator_key_id: String,
    pub(super) creator_name: String,
    pub(super) creator_email: String,
    pub(super) created_at: String,
    pub(super) modified_at: String,
    pub(super) last_used_at: String,
    pub(super) last_refreshed_at: String,
    pub(super) expire_at: String,
    #[serde(rename = "allowedIPs")]
    pub(super) allowed_ips: Vec<String>,
}

/// One key.
#[derive(Serialize)]
pub(super) struct One {
    pub(super) message: &'static str,
    pub(super) key: Key,
}

/// A page of keys.
#[derive(Serialize)]
pub(super) struct List {
    pub(super) message: &'static str,
    pub(super) offset: usize,
    pub(super) limit: usize,
    pub(super) total: usize,
    pub(super) keys: Vec<Key>,
}

/// An access token.
#[derive(Serialize)]
pub(super) struct Token<'a> {
    pub(super) token_type: &'static str,
    pub(super) access_token: &'a str,
    pub(super) expires_in: i64,
}

/// A report of calls.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) count: u64,
    pub(super) items: Vec<Calls>,
}

/// The calls of one group.
#[derive(Serialize)]
pub(super) struct Calls {
    pub(super) count: u64,
    #[serde(flatten)]
    item: Item,
}

impl Calls {
    /// Counts a group.
    pub(super) fn of(item: Item) -> Self {
        let (Item::Key { requests, .. }
        | Item::Program { requests, .. }
        | Item::Status { requests, .. }) = &item;
        let count = requests.iter().map(|requests| requests.count).sum();
        Self { count, item }
    }
}

/// What calls are grouped by.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(super) enum Item {
    /// A key.
    Key {
        key_id: String,
        key_name: String,
        requests: Vec<Requests>,
    },
    /// A program.
    Program {
        user_agent: String,
        requests: Vec<Requests>,
    },
    /// The status of the answers.
    Status {
        status_code: String,
        requests: Vec<Requests>,
    },
}

/// Calls of one path and method.
#[derive(Serialize)]
pub(super) struct Requests {
    pub(super) path: String,
    pub(super) verb: String,
    pub(super) count: u64,
}

/// How many calls there were.
#[derive(Serialize)]
pub(super) struct Summary {
    pub(super) data: Totals,
}

/// How many were answered with what was asked for, and how many with an error.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Totals {
    pub(super) total: u64,
    pub(super) successful_requests: u64,
    pub(super) failed_requests: u64,
}

/// What a success says of itself.
pub(super) const SUCCESS: &str = "success";
