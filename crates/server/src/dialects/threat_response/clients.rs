//! API clients, made and ended by clients: `/iroh/oauth2-clients/clients`.

use authority::Failure;
use authority::Refusal;
use authority::keys::{CreateKey, Expiry, Issued, Outcome, Shown};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use credential::id::KeyId;
use credential::key::{Addresses, Key, Kind};
use credential::name::ProductName;
use http::StatusCode;
use serde_json::{Map, Value};

use super::errors::No;
use super::translate::{self, CHANGEABLE, CREATABLE, Meant};
use super::visit::{Visit, answer};
use super::wire::Client;
use super::{Here, PRODUCT};
use crate::dialects::json;

/// The most clients of one answer.
const MOST_CLIENTS: usize = 1000;

/// What looking asks for, and what changing does.
const LOOK: &[&str] = &["oauth:read"];
const CHANGE: &[&str] = &["oauth"];
/// Whether a client is enabled is decided by administrators.
const SWITCH: &[&str] = &["oauth", "admin"];

pub(super) async fn list(State(here): State<Here>, request: Request) -> Response {
    answer(
        &here,
        request,
        |_| LOOK,
        async |visit| {
            let product = product()?;
            let page = visit
                .authority
                .managed_keys(
                    &visit.caller,
                    visit.caller.organization,
                    &product,
                    0,
                    MOST_CLIENTS,
                )
                .await?;
            let world = visit.authority.world();
            let keys = page.keys.iter();
            let clients: Vec<Client> = keys
                .map(|key| translate::client(&world, key, None))
                .collect();
            Ok(json(StatusCode::OK, &clients))
        },
    )
    .await
}

pub(super) async fn create(State(here): State<Here>, request: Request) -> Response {
    answer(
        &here,
        request,
        |_| CHANGE,
        async |visit| {
            let meant = Meant::read(&visit.members(&CREATABLE)?)?;
            let missing = |member: &str| No::member(member, "missing-required-key");
            let command = CreateKey {
                organization: None,
                product: product()?,
                kind: Kind::Client,
                name: meant.name.ok_or_else(|| missing("name"))?,
                comment: meant.comment.unwrap_or_default(),
                grants: meant.grants.ok_or_else(|| missing("scopes"))?,
                addresses: Addresses::default(),
                limits: Vec::new(),
                expiry: Expiry::Default,
                // A client that a client makes acts as the same person.
                owner: visit.valid.live.key.owner,
            };
            let made = visit
                .authority
                .create_key(&visit.caller, command, None, |_| Vec::new())
                .await
                .map_err(|failure| visit.told(failure))?;
            let Outcome::New(issued) = made else {
                return Err(No::of(StatusCode::INTERNAL_SERVER_ERROR));
            };
            let Issued { key, shown, .. } = *issued;
            let Shown::Client { client_secret, .. } = shown else {
                return Err(No::of(StatusCode::INTERNAL_SERVER_ERROR));
            };
            let password = client_secret.expose().to_owned();
            Ok(visit.client(StatusCode::CREATED, &key, Some(password)))
        },
    )
    .await
}

pub(super) async fn read(State(here): State<Here>, request: Request) -> Response {
    answer(
        &here,
        request,
        |_| LOOK,
        async |visit| {
            let key = visit.key().await?;
            Ok(visit.client(StatusCode::OK, &key, None))
        },
    )
    .await
}

pub(super) async fn patch(State(here): State<Here>, request: Request) -> Response {
    answer(&here, request, needed, async |visit| {
        let meant = Meant::read(&visit.members(&CHANGEABLE)?)?;
        let (authority, caller) = (&visit.authority, &visit.caller);
        let mut key = visit.key().await?;
        let enabled = meant.enabled;
        if meant.edits() {
            let edited = authority.edit_key(caller, key.id, meant.edit(), None).await;
            key = edited.map_err(|failure| visit.told(failure))?.key;
        }
        match enabled {
            Some(true) => {
                let enabled = authority.enable_key(caller, key.id, None).await;
                key = same(enabled.map(|changed| changed.key), key)?;
            }
            Some(false) => {
                let disabled = authority.disable_key(caller, key.id, None).await;
                key = same(disabled.map(|changed| changed.key), key)?;
            }
            None => {}
        }
        Ok(visit.client(StatusCode::OK, &key, None))
    })
    .await
}

pub(super) async fn delete(State(here): State<Here>, request: Request) -> Response {
    answer(
        &here,
        request,
        |_| CHANGE,
        async |visit| {
            let key = visit.key().await?;
            visit
                .authority
                .revoke_key(&visit.caller, key.id, None)
                .await?;
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        },
    )
    .await
}

/// What a change needs, by what it names.
fn needed(body: &[u8]) -> &'static [&'static str] {
    let sent = serde_json::from_slice::<Map<String, Value>>(body);
    if sent.is_ok_and(|sent| sent.contains_key("enabled?")) {
        SWITCH
    } else {
        CHANGE
    }
}

/// What is so already need not be changed.
fn same(changed: Result<Key, Failure>, key: Key) -> Result<Key, No> {
    use credential::key::Refusal::Already;
    match changed {
        Err(Failure::Refused(Refusal::Key(Already(_)))) => Ok(key),
        changed => Ok(changed?),
    }
}

impl Visit {
    /// The client that the path names.
    async fn key(&self) -> Result<Key, No> {
        let nobody = || No::of(StatusCode::NOT_FOUND);
        let id = self.head.uri.path().split('/').nth(4).unwrap_or_default();
        let id: KeyId = self.authority.key_of(id).await?.ok_or_else(nobody)?;
        let key = self.authority.key(&self.caller, id).await?;
        if key.is_revoked() || key.product.as_str() != PRODUCT {
            Err(nobody())
        } else {
            Ok(key)
        }
    }

    /// What the caller cannot give is told as a scope that it lacks.
    fn told(&self, failure: Failure) -> No {
        match failure {
            Failure::Refused(Refusal::Ceiling(scope)) => No::beyond(
                &scope,
                self.valid.scopes(),
                translate::user_id(&self.valid),
                self.caller.organization.to_string(),
            ),
            failure => failure.into(),
        }
    }

    fn client(&self, status: StatusCode, key: &Key, password: Option<String>) -> Response {
        let world = self.authority.world();
        json(status, &translate::client(&world, key, password))
    }
}

fn product() -> Result<ProductName, No> {
    ProductName::new(PRODUCT).map_err(|_| No::of(StatusCode::INTERNAL_SERVER_ERROR))
}
