//! The vendor's JSON.

use serde::{Deserialize, Serialize};

/// A role that a key has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Permission {
    pub(super) role_id: String,
    pub(super) role_name: String,
    pub(super) product: String,
    pub(super) product_key: &'static str,
    pub(super) role_display_name: String,
    pub(super) product_instance_id: &'static str,
    pub(super) role_type: &'static str,
    pub(super) application_scope_ids: Vec<String>,
}

/// The answer to a refresh token. Its members are spelled as OAuth spells them.
#[derive(Serialize)]
pub(super) struct Token<'a> {
    pub(super) permissions: Vec<Permission>,
    pub(super) access_token: &'a str,
    pub(super) expires_in: i64,
    pub(super) refresh_token: &'a str,
    pub(super) refresh_token_expires_in: i64,
    pub(super) token_type: &'static str,
}

/// The same where the console asks.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Renewed<'a> {
    pub(super) access_token: &'a str,
    pub(super) refresh_token: &'a str,
}

/// A key to be generated. Of the permissions only the role counts: the rest of what is sent with it says the same.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewKey {
    pub(super) api_key_name: String,
    #[serde(default)]
    pub(super) description: String,
    pub(super) permissions: Vec<WantedRole>,
    pub(super) expires_at: Option<String>,
}

/// A role that a key shall have; the vendor's clients send the whole permission back.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WantedRole {
    pub(super) role_id: String,
    pub(super) product_key: Option<String>,
}

/// A key that was generated: what is shown once, and the key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Generated<'a> {
    #[serde(flatten)]
    pub(super) key: Key,
    pub(super) access_token: &'a str,
    pub(super) refresh_token: &'a str,
}

/// A key. What never was is an empty text: every member is a text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Key {
    pub(super) cui_machine_account_id: String,
    pub(super) cui_machine_account_name: String,
    pub(super) description: String,
    pub(super) creator_user_email: String,
    pub(super) created_date: String,
    pub(super) last_modified_date: String,
    pub(super) last_refreshed: String,
    pub(super) last_used: String,
    pub(super) key_expires_at: String,
    pub(super) refresh_expires_at: String,
    pub(super) token_expires_at: String,
    pub(super) piam_org_id: String,
    pub(super) status: &'static str,
    pub(super) permissions: Vec<Permission>,
}
