//! The JSON of the management of keys, which is not published: ours.

use serde::{Deserialize, Serialize};

/// The body of a creation and of an edit. A member that is not known is refused: a typing error in `accounts` must not
/// make a key that sees everything.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    pub(super) name: Option<String>,
    pub(super) expiration_days: Option<u32>,
    pub(super) expires_at: Option<String>,
    pub(super) period: Option<String>,
    pub(super) roles: Option<Vec<RoleWanted>>,
}

/// A role to be given.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleWanted {
    pub(super) role: String,
    pub(super) accounts: Option<Vec<String>>,
}

/// A key.
#[derive(Serialize)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) roles: Vec<RoleHeld>,
    pub(super) created_at: String,
    pub(super) expires_at: Option<String>,
    /// Only where it was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jwt: Option<String>,
}

/// A role that a key has.
#[derive(Serialize)]
pub(super) struct RoleHeld {
    pub(super) role: String,
    pub(super) name: String,
    pub(super) accounts: Vec<String>,
}

/// A page of keys.
#[derive(Serialize)]
pub(super) struct List {
    pub(super) total: usize,
    pub(super) keys: Vec<Key>,
}

/// The roles that there are.
#[derive(Serialize)]
pub(super) struct Roles {
    pub(super) roles: Vec<Role>,
}

/// A role.
#[derive(Serialize)]
pub(super) struct Role {
    pub(super) role: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) needs_accounts: bool,
}

/// The lives of keys that are offered for choice.
#[derive(Serialize)]
pub(super) struct Periods {
    pub(super) periods: Vec<Period>,
}

/// A life of a key.
#[derive(Serialize)]
pub(super) struct Period {
    pub(super) period: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) months: Option<u32>,
    pub(super) default: bool,
}

/// A short token.
#[derive(Serialize)]
pub(super) struct Token<'a> {
    pub(super) access_token: &'a str,
    pub(super) expires_in: i64,
    pub(super) token_type: &'static str,
}

/// The word for every account.
pub(super) const EVERY_ACCOUNT: &str = "*";
