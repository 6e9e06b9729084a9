//! Threat Response: an administrator's client with everything, one that only reads, and a tenant whose limit is soon used up.

use std::collections::{HashMap, HashSet};

use anyhow::Context;
use authority::keys::{CreateKey, Expiry, Outcome, Wish};
use authority::settings::ProductLimits;
use authority::users::CreateUser;
use authority::{Authority, Caller};
use credential::grant::Resources;
use credential::id::{OrganizationId, UserId};
use credential::key::{Addresses, Kind};
use credential::name::{Comment, Name, ProductName};
use credential::organization::{Email, OrganizationKind};
use serde_json::json;

use super::{Client, Told, credentials, organization};

const PRODUCT: &str = "threat_response";
/// What the second tenant may do in any hour.
const FEW: u64 = 3;

pub(super) async fn settle(authority: &Authority) -> anyhow::Result<Told> {
    let kind = OrganizationKind::Standalone;
    let tenant = organization(authority, "Threat response tenant", kind, None).await?;
    let owner = administrator(authority, tenant, "ivy@threat-response.example").await?;
    let everything = offered(authority)?;
    let all = client(authority, tenant, owner, "Everything", &everything).await?;
    let read_only = ["inspect:read", "enrich:read"];
    let read_only = client(authority, tenant, owner, "Read only", &read_only).await?;

    let limited = organization(authority, "Threat response trial", kind, None).await?;
    let owner = administrator(authority, limited, "max@threat-response-trial.example").await?;
    let (one, other) = (
        client(authority, limited, owner, "One of two", &["inspect:read"]).await?,
        client(authority, limited, owner, "The other", &["inspect:read"]).await?,
    );
    let unlimited = client(authority, limited, owner, "Unlimited", &["inspect:read"]).await?;
    let few = HashMap::from([(PRODUCT.to_owned(), FEW)]);
    authority.except_limits(&ProductLimits {
        exempt: HashSet::from([unlimited.id.clone()]),
        organizations: HashMap::from([(limited, few)]),
    })?;

    Ok(Told {
        to_try: format!(
            "Buy a token in the dialect of Threat Response (it opens BASE_URL/iroh/iroh-inspect/inspect):\n\n    curl -u '{}:{}' \
             -d grant_type=client_credentials BASE_URL/iroh/oauth2/token",
            all.id, all.secret
        ),
        facts: json!({
            "organization_id": tenant.to_string(),
            "client_id": all.id,
            "client_password": all.secret,
            "read_only_client_id": read_only.id,
            "read_only_client_password": read_only.secret,
            "limited": {
                "limit": FEW,
                "clients": [
                    {"client_id": one.id, "client_password": one.secret},
                    {"client_id": other.id, "client_password": other.secret},
                ],
                "unlimited": {"client_id": unlimited.id, "client_password": unlimited.secret},
            },
        }),
    })
}

/// Every scope that is offered to people.
fn offered(authority: &Authority) -> anyhow::Result<Vec<String>> {
    let world = authority.world();
    let product = world
        .product(&ProductName::new(PRODUCT)?)
        .context("there is no catalog of the product")?;
    let scopes = product.scopes.iter().filter(|(_, entry)| !entry.hidden);
    Ok(scopes.map(|(scope, _)| scope.as_str().to_owned()).collect())
}

/// A person with the product's role of that name.
async fn administrator(
    authority: &Authority,
    organization: OrganizationId,
    email: &str,
) -> anyhow::Result<UserId> {
    let world = authority.world();
    let product = world.product(&ProductName::new(PRODUCT)?);
    let role = product
        .and_then(|product| {
            let mut roles = product.roles.iter();
            roles.find(|role| role.name.as_str() == "Administrator")
        })
        .context("the product has no administrators")?
        .id;
    let command = CreateUser {
        organization: None,
        email: Email::new(email)?,
        name: Name::new("An administrator")?,
        roles: vec![(role, Resources::All)],
    };
    let made = authority
        .create_user(&Caller::shell(organization), command)
        .await?;
    Ok(made.value.id)
}

async fn client(
    authority: &Authority,
    organization: OrganizationId,
    owner: UserId,
    name: &str,
    scopes: &[impl AsRef<str>],
) -> anyhow::Result<Client> {
    let everywhere = |scope: &_| (AsRef::<str>::as_ref(scope).to_owned(), Resources::All);
    let command = CreateKey {
        organization: None,
        product: ProductName::new(PRODUCT)?,
        kind: Kind::Client,
        name: Name::new(name)?,
        comment: Comment::default(),
        grants: Wish {
            roles: Vec::new(),
            scopes: scopes.iter().map(everywhere).collect(),
        },
        addresses: Addresses::default(),
        limits: Vec::new(),
        expiry: Expiry::Default,
        owner: Some(owner),
    };
    let caller = Caller::shell(organization);
    let made = authority.create_key(&caller, command, None, |_| Vec::new());
    match made.await? {
        Outcome::New(issued) => credentials(&issued.shown),
        Outcome::Repeat(_) => anyhow::bail!("nothing was to be repeated"),
    }
}
