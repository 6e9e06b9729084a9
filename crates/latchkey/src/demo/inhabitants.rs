//! Who lives in the demo: one organization for the native part, and for each dialect what a file of its own settles.

mod cortex;
mod secure_access;
mod securecloud;
mod security_cloud_control;
mod threat_response;

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
use credential::password::Password;
use serde_json::{Value, json};

/// The scope that the sample key has, and whose route the gateway's policy opens to it.
pub(super) const SAMPLE_SCOPE: &str = "sample.orders:read";

/// What newcomers need to know of them.
pub(super) struct Inhabitants {
    pub(super) organization: OrganizationId,
    pub(super) admin_key: String,
    /// Who signs in to the console.
    pub(super) admin: Client,
    pub(super) verify_key: String,
    pub(super) sample_key: String,
    pub(super) client: Client,
    pub(super) introspect_client: Client,
    /// What each dialect tells, by its member in the demo's JSON.
    pub(super) dialects: Vec<(&'static str, Told)>,
}

/// What is told of one dialect.
pub(super) struct Told {
    /// For programs: its member in the demo's JSON; `BASE_URL` in texts stands for where the server is.
    pub(super) facts: Value,
    /// For people: what to try, a sentence and a line to paste, in which `BASE_URL` stands for where the server is.
    pub(super) to_try: String,
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
    let password = authority.fresh_word()?;
    authority
        .set_password(
            &shell,
            first.user.id,
            Some(Password::from(password.clone())),
            None,
        )
        .await?;

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
    let dialects = vec![
        ("secure_access", secure_access::settle(authority).await?),
        (
            "security_cloud_control",
            security_cloud_control::settle(authority).await?,
        ),
        ("threat_response", threat_response::settle(authority).await?),
        ("cortex", cortex::settle(authority).await?),
        ("securecloud", securecloud::settle(authority).await?),
    ];
    Ok(Inhabitants {
        organization,
        admin_key: text(&first.shown)?,
        admin: Client {
            id: first.user.email.as_str().to_owned(),
            secret: password,
        },
        verify_key: text(&verify_key.shown)?,
        sample_key: text(&sample_key.shown)?,
        client: credentials(&client.shown)?,
        introspect_client: credentials(&introspect_client.shown)?,
        dialects,
    })
}

/// A new organization, by the operator.
async fn organization(
    authority: &Authority,
    name: &str,
    kind: OrganizationKind,
    parent: Option<OrganizationId>,
) -> anyhow::Result<OrganizationId> {
    let command = CreateOrganization {
        name: Name::new(name)?,
        kind,
        parent,
    };
    // Whoever holds the shell may everything, in whichever organization.
    let shell = Caller::shell(OrganizationId::from_bytes([0; 16]));
    let made = authority.create_organization(&shell, command).await?;
    Ok(made.value.id)
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
