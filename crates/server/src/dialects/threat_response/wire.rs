//! Their JSON.

use serde::{Deserialize, Serialize};

/// A token request as JSON. Parameters that are not known are passed over (RFC 6749, section 3.2).
#[derive(Deserialize)]
pub(super) struct TokenWish {
    pub(super) client_id: Option<String>,
    pub(super) client_password: Option<String>,
    pub(super) client_secret: Option<String>,
    pub(super) grant_type: Option<String>,
    pub(super) scope: Option<String>,
}

/// An access token. Scripts cut the text at the first members: their order counts.
#[derive(Serialize)]
pub(super) struct Token<'a> {
    pub(super) access_token: &'a str,
    pub(super) token_type: &'static str,
    pub(super) expires_in: i64,
    pub(super) scope: String,
}

/// An API client.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) scopes: Vec<String>,
    pub(super) grants: [&'static str; 1],
    pub(super) redirects: [String; 0],
    pub(super) availability: &'static str,
    pub(super) client_type: &'static str,
    pub(super) org_id: String,
    pub(super) owner_id: String,
    pub(super) created_at: String,
    #[serde(rename = "approved?")]
    pub(super) approved: bool,
    pub(super) approval_status: &'static str,
    #[serde(rename = "enabled?")]
    pub(super) enabled: bool,
    /// Only where it was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) password: Option<String>,
}

/// Who asks.
#[derive(Serialize)]
pub(super) struct Whoami {
    pub(super) user: User,
    pub(super) org: Organization,
}

/// A person.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct User {
    pub(super) role: &'static str,
    pub(super) scopes: Vec<String>,
    pub(super) user_id: String,
    pub(super) user_email: String,
    pub(super) user_name: String,
    pub(super) user_nick: String,
    pub(super) org_id: String,
    #[serde(rename = "enabled?")]
    pub(super) enabled: bool,
    pub(super) created_at: String,
    pub(super) updated_at: String,
    pub(super) idp_mappings: [String; 0],
}

/// An organization.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Organization {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(rename = "enabled?")]
    pub(super) enabled: bool,
    pub(super) created_at: String,
    pub(super) updated_at: String,
    pub(super) activation_status: &'static str,
    pub(super) additional_scopes: [String; 0],
    pub(super) settings: Nothing,
}

/// An object without members.
#[derive(Serialize)]
pub(super) struct Nothing {}

/// Whether a token is good, and for what.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Session {
    pub(super) valid: bool,
    pub(super) user_id: String,
    pub(super) org_id: String,
    pub(super) scopes: Vec<String>,
    pub(super) needs_renewal: bool,
}
