//! Who lives in the demo: one organization for the native part, one for each dialect, and their keys.

use anyhow::{Context, bail};
use authority::Authority;
use authority::Caller;
use authority::keys::{CreateKey, Expiry, Issued, Outcome, Shown, Wish};
use authority::organizations::CreateOrganization;
use authority::setup::SetUp;
use credential::grant::Resources;
use credential::id::OrganizationId;
use credential::key::{Addresses, Kind};
use credential::name::{Comment, Name, ProductName};
use credential::organization::{Email, OrganizationKind};
use serde_json::{Value, json};

/// The scope that the sample key has, and whose route the gateway's policy opens to it.
pub(super) const SAMPLE_SCOPE: &str = "sample.orders:read";

/// The scopes of a key that administers keys in the Secure Access dialect.
const KEY_ADMIN: [&str; 5] = [
    "admin.apikeys:create",
    "admin.apikeys:read",
    "admin.apikeys:update",
    "admin.apikeys:refresh",
    "admin.apikeys:delete",
];

/// What newcomers need to know of them.
pub(super) struct Inhabitants {
    pub(super) organization: OrganizationId,
    pub(super) admin_key: String,
    pub(super) verify_key: String,
    pub(super) sample_key: String,
    pub(super) client: Client,
    pub(super) introspect_client: Client,
    pub(super) secure_access: (OrganizationId, Client),
}

/// Client credentials.
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secret: String,
}

/// Makes them all, by the use cases that everybody uses.
pub(super) async fn settle(authority: &Authority) -> anyhow::Result<Inhabitants> {
    let token = authority
        .begin_setup()
        .await?
        .context("the database has an administrator already")?;
    let set_up = SetUp {
        organization: Name::new("Harbour Books")?,
        email: Email::new("ada@harbour-books.example")?,
        name: Name::new("Ada Harbour")?,
    };
    let first = authority
        .complete_setup(token.expose(), set_up, None, "demo")
        .await?;
    let organization = first.organization.id;
    let shell = Caller::shell(organization);

    let secure_access = authority
        .create_organization(
            &shell,
            CreateOrganization {
                name: Name::new("Secure Access tenant")?,
                kind: OrganizationKind::Standalone,
                parent: None,
            },
        )
        .await?
        .value
        .id;
    let there = Caller::shell(secure_access);

    let verify_key = key(
        authority,
        &shell,
        "latchkey",
        Kind::Static,
        "Resource server",
        &["latchkey.verify"],
    )
    .await?;
    let sample_key = key(
        authority,
        &shell,
        "sample",
        Kind::Static,
        "Sample key",
        &[SAMPLE_SCOPE],
    )
    .await?;
    let client = key(
        authority,
        &shell,
        "sample",
        Kind::Client,
        "Sample client",
        &[SAMPLE_SCOPE],
    )
    .await?;
    let introspect_client = key(
        authority,
        &shell,
        "latchkey",
        Kind::Client,
        "Introspecting server",
        &["latchkey.introspect"],
    )
    .await?;
    let key_admin = key(
        authority,
        &there,
        "secure_access",
        Kind::Client,
        "Key admin",
        &KEY_ADMIN,
    )
    .await?;

    Ok(Inhabitants {
        organization,
        admin_key: text(&first.shown)?,
        verify_key: text(&verify_key.shown)?,
        sample_key: text(&sample_key.shown)?,
        client: credentials(&client.shown)?,
        introspect_client: credentials(&introspect_client.shown)?,
        secure_access: (secure_access, credentials(&key_admin.shown)?),
    })
}

async fn key(
    authority: &Authority,
    caller: &Caller,
    product: &str,
    kind: Kind,
    name: &str,
    scopes: &[&str],
) -> anyhow::Result<Box<Issued>> {
    let command = CreateKey {
        organization: None,
        product: ProductName::new(product)?,
        kind,
        name: Name::new(name)?,
        comment: Comment::default(),
        grants: Wish {
            roles: Vec::new(),
            scopes: scopes
                .iter()
                .map(|scope| ((*scope).to_owned(), Resources::All))
                .collect(),
        },
        addresses: Addresses::default(),
        limits: Vec::new(),
        expiry: Expiry::Default,
        owner: None,
    };
    match authority
        .create_key(caller, command, None, |_| Vec::new())
        .await?
    {
        Outcome::New(issued) => Ok(issued),
        Outcome::Repeat(_) => bail!("nothing was to be repeated"),
    }
}

fn text(shown: &Shown) -> anyhow::Result<String> {
    match shown {
        Shown::Static { secret } => Ok(secret.expose().to_owned()),
        _ => bail!("a static key shows one text"),
    }
}

fn credentials(shown: &Shown) -> anyhow::Result<Client> {
    match shown {
        Shown::Client {
            client_id,
            client_secret,
        } => Ok(Client {
            id: client_id.clone(),
            secret: client_secret.expose().to_owned(),
        }),
        _ => bail!("a client shows its id and its secret"),
    }
}

impl Inhabitants {
    /// The parts of the demo's JSON that are about them.
    pub(super) fn native(&self) -> Value {
        json!({
            "organization_id": self.organization.to_string(),
            "admin_key": self.admin_key,
            "verify_key": self.verify_key,
            "sample_key": self.sample_key,
            "sample_scope": SAMPLE_SCOPE,
        })
    }
}
