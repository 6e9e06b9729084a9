//! Security Cloud Control: a manager with an organization that it manages, an administrator's key of the manager, and one
//! of the offers claimed.

use anyhow::{Context, bail};
use authority::keys::{CreateKey, Expiry, Outcome, Shown, Wish};
use authority::{Authority, Caller};
use credential::grant::Resources;
use credential::id::RoleId;
use credential::key::{Addresses, Kind};
use credential::name::{Comment, Name, ProductName};
use credential::organization::OrganizationKind;
use serde_json::json;
use server::dialects::security_cloud_control;

use super::{Told, organization};

const PRODUCT: &str = "security_cloud_control";

/// What lists call the role `Organization Administrator`.
const ROLE: &str = "Administrator";

pub(super) async fn settle(authority: &Authority) -> anyhow::Result<Told> {
    let manager = organization(
        authority,
        "Security cloud manager",
        OrganizationKind::Manager,
        None,
    )
    .await?;
    let managed = organization(
        authority,
        "Security cloud branch",
        OrganizationKind::Managed,
        Some(manager),
    )
    .await?;
    let there = Caller::shell(manager);
    let command = CreateKey {
        organization: None,
        product: ProductName::new(PRODUCT)?,
        kind: Kind::TokenPair,
        name: Name::new("Organization Administrator")?,
        comment: Comment::default(),
        grants: Wish {
            roles: vec![(role(authority)?, Resources::All)],
            scopes: Vec::new(),
        },
        addresses: Addresses::default(),
        limits: Vec::new(),
        expiry: Expiry::Never,
        owner: None,
    };
    let made = authority
        .create_key(&there, command, None, |_| Vec::new())
        .await?;
    let Outcome::New(issued) = made else {
        bail!("nothing was to be repeated")
    };
    let Shown::TokenPair {
        access_token,
        refresh_token,
        ..
    } = &issued.shown
    else {
        bail!("a key of this kind shows two tokens")
    };
    let product = ProductName::new(PRODUCT)?;
    let offers = security_cloud_control::offers()?;
    let (claimed, unclaimed) = match offers {
        [claimed, unclaimed, ..] => (claimed, &unclaimed.code),
        _ => bail!("there are too few offers"),
    };
    let subscription = authority
        .claim(&there, manager, &product, claimed, &[])
        .await?;
    let (key, access, refresh) = (issued.key.id, access_token.expose(), refresh_token.expose());
    Ok(Told {
        to_try: format!(
            "See what an organization of Security Cloud Control has claimed, with the access token of an API \
             key:\n\n    curl --location 'BASE_URL/v1/organizations/{manager}/subscriptions' --header 'Authorization: \
             Bearer {access}'\n\nGet the key's next pair of tokens with the refresh token:\n\n    curl --location \
             'BASE_URL/v1/organizations/{manager}/apiKeys/{key}/token' --header 'Authorization: Bearer {refresh}' \
             --header 'Content-Type: application/x-www-form-urlencoded' --data-urlencode 'grant_type=refresh_token'"
        ),
        facts: json!({
            "organization_id": manager.to_string(),
            "managed_organization_id": managed.to_string(),
            "api_key_id": key.to_string(),
            "access_token": access,
            "refresh_token": refresh,
            "subscription_id": subscription.value.id.to_string(),
            "claim_code": unclaimed,
        }),
    })
}

fn role(authority: &Authority) -> anyhow::Result<RoleId> {
    let world = authority.world();
    let product = world
        .product(&ProductName::new(PRODUCT)?)
        .context("there is no catalog of the product")?;
    let role = product.roles.iter().find(|role| role.name.as_str() == ROLE);
    Ok(role.context("the product has no administrators")?.id)
}
