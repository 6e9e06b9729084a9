//! Cortex: a standard and an advanced key, both of an Instance Administrator.

use anyhow::{Context, bail};
use authority::keys::{CreateKey, Expiry, Outcome, Shown, Wish};
use authority::{Authority, Caller};
use credential::grant::Resources;
use credential::key::{Addresses, Kind};
use credential::name::{Comment, Name, ProductName};
use credential::organization::OrganizationKind;
use serde_json::{Value, json};

use super::{Told, organization};

const ROLE: &str = "Instance Administrator";

pub(super) async fn settle(authority: &Authority) -> anyhow::Result<Told> {
    let kind = OrganizationKind::Standalone;
    let organization = organization(authority, "Cortex tenant", kind, None).await?;
    let there = Caller::shell(organization);
    let standard = key(authority, &there, Kind::Static, "Standard key").await?;
    let advanced = key(authority, &there, Kind::Signed, "Advanced key").await?;
    let text = |member: &str| standard[member].to_string().replace('"', "");
    Ok(Told {
        to_try: format!(
            "List API keys in the dialect of Cortex (an advanced key signs instead; latchkey key examples shows how):\n\n    \
             curl -H 'x-xdr-auth-id: {}' -H 'Authorization: {}' -H 'Content-Type: application/json' -d '{{\"request_data\": {{}}}}' \
             BASE_URL/public_api/v1/api_keys/get_api_keys",
            text("id"),
            text("key"),
        ),
        facts: json!({"standard": standard, "advanced": advanced}),
    })
}

async fn key(
    authority: &Authority,
    caller: &Caller,
    kind: Kind,
    name: &str,
) -> anyhow::Result<Value> {
    let product = ProductName::new("cortex")?;
    let world = authority.world();
    let declared = world.product(&product).context("there is the product")?;
    let role = declared
        .roles
        .iter()
        .find(|role| role.name.as_str() == ROLE);
    let role = role.context("there is the role")?.id;
    let command = CreateKey {
        organization: None,
        product,
        kind,
        name: Name::new(name)?,
        comment: Comment::new(name)?,
        grants: Wish {
            roles: vec![(role, Resources::All)],
            scopes: Vec::new(),
        },
        addresses: Addresses::default(),
        limits: Vec::new(),
        expiry: Expiry::Never,
        owner: None,
    };
    let made = authority.create_key(caller, command, None, |_| Vec::new());
    let Outcome::New(issued) = made.await? else {
        bail!("nothing was to be repeated")
    };
    let (Shown::Static { secret } | Shown::Signed { secret }) = &issued.shown else {
        bail!("a key of this product shows one text")
    };
    let number = issued.key.current.handle.as_deref().unwrap_or_default();
    Ok(json!({"id": number.parse::<i64>()?, "key": secret.expose()}))
}
