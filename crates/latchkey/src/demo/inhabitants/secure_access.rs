//! Secure Access: a key administrator.

use authority::{Authority, Caller};
use credential::key::Kind;
use credential::organization::OrganizationKind;
use serde_json::json;

use super::{Told, credentials, key, organization};

/// The scopes of a key that administers keys.
const KEY_ADMIN: [&str; 5] = [
    "admin.apikeys:create",
    "admin.apikeys:read",
    "admin.apikeys:update",
    "admin.apikeys:refresh",
    "admin.apikeys:delete",
];

pub(super) async fn settle(authority: &Authority) -> anyhow::Result<Told> {
    let kind = OrganizationKind::Standalone;
    let organization = organization(authority, "Secure Access tenant", kind, None).await?;
    let there = Caller::shell(organization);
    let kind = Kind::Client;
    let admin = key(
        authority,
        &there,
        "secure_access",
        kind,
        "Key admin",
        &KEY_ADMIN,
    )
    .await?;
    let admin = credentials(&admin.shown)?;
    Ok(Told {
        to_try: format!(
            "Administer keys in the dialect of Secure Access:\n\n    curl -u '{}:{}' -d grant_type=client_credentials \
             BASE_URL/auth/v2/token",
            admin.id, admin.secret
        ),
        facts: json!({
            "organization_id": organization.to_string(),
            "client_id": admin.id,
            "client_secret": admin.secret,
        }),
    })
}
