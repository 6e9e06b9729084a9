//! SecureCloud: a key of each role, the last for one account only, and a person who buys tokens with a password.

use anyhow::{Context, bail};
use authority::keys::{CreateKey, Expiry, Outcome, Shown, Wish};
use authority::ports::Entropy;
use authority::users::CreateUser;
use authority::{Authority, Caller};
use credential::grant::Resources;
use credential::id::RoleId;
use credential::key::{Addresses, Kind};
use credential::name::{Comment, Name, ProductName};
use credential::organization::{Email, OrganizationKind};
use credential::password::Password;
use serde_json::json;

use super::{Told, organization};

const PRODUCT: &str = "securecloud";

/// The account of the sample upstream that the third key sees.
const ACCOUNT: &str = "111122223333";

const EMAIL: &str = "grace@securecloud.example";

pub(super) async fn settle(authority: &Authority) -> anyhow::Result<Told> {
    let kind = OrganizationKind::Standalone;
    let organization = organization(authority, "SecureCloud account", kind, None).await?;
    let there = Caller::shell(organization);
    let one = Resources::listed("account", [ACCOUNT.to_owned()])?;
    let admin = key(authority, &there, "Global Admin", Resources::All).await?;
    let viewer = key(authority, &there, "Global Viewer", Resources::All).await?;
    let of_one = key(authority, &there, "Cloud Account Viewer", one).await?;

    let person = CreateUser {
        organization: None,
        email: Email::new(EMAIL)?,
        name: Name::new("Grace Quay")?,
        roles: vec![(role(authority, "Global Viewer")?, Resources::All)],
    };
    let person = authority.create_user(&there, person).await?.value.id;
    let random = u128::from_be_bytes(Entropy::system().draw()?);
    let password = format!("{random:032x}");
    let chosen = Some(Password::from(password.clone()));
    authority.set_password(&there, person, chosen, None).await?;
    Ok(Told {
        to_try: format!(
            "See the one cloud account that an access key of SecureCloud is for:\n\n    curl -H 'Authorization: Bearer \
             {of_one}' BASE_URL/api/v1/orca/cloud-accounts\n\nBuy a token of five minutes with a password there:\n\n    \
             curl -d 'username={EMAIL}&password={password}&grant_type=password&client_id=express' BASE_URL/api/rome/token"
        ),
        facts: json!({
            "organization_id": organization.to_string(),
            "global_admin_jwt": admin,
            "global_viewer_jwt": viewer,
            "account_viewer_jwt": of_one,
            "account": ACCOUNT,
            "user_email": EMAIL,
            "user_password": password,
        }),
    })
}

fn role(authority: &Authority, name: &str) -> anyhow::Result<RoleId> {
    let world = authority.world();
    let product = world
        .product(&ProductName::new(PRODUCT)?)
        .context("there is no such product")?;
    let role = product.roles.iter().find(|role| role.name.as_str() == name);
    Ok(role.with_context(|| format!("there is no role {name}"))?.id)
}

/// The JWT of a new key that is called like its role.
async fn key(
    authority: &Authority,
    there: &Caller,
    name: &str,
    resources: Resources,
) -> anyhow::Result<String> {
    let command = CreateKey {
        organization: None,
        product: ProductName::new(PRODUCT)?,
        kind: Kind::Jwt,
        name: Name::new(name)?,
        comment: Comment::default(),
        grants: Wish {
            roles: vec![(role(authority, name)?, resources)],
            scopes: Vec::new(),
        },
        addresses: Addresses::default(),
        limits: Vec::new(),
        expiry: Expiry::Default,
        owner: None,
    };
    let made = authority
        .create_key(there, command, None, |_| Vec::new())
        .await?;
    match made {
        Outcome::New(issued) => match &issued.shown {
            Shown::Jwt { token } => Ok(token.expose().to_owned()),
            _ => bail!("a key of this kind shows a JWT"),
        },
        Outcome::Repeat(_) => bail!("nothing was to be repeated"),
    }
}
