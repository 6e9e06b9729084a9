//! Keys: `/api/v1/keys`.

mod bulk;
pub(super) mod wire;
pub(super) mod wish;

use authority::keys::{ChangedKey, Issued, KeyFilter, KeyOrder, KeyPlace, Outcome};
use authority::{Idempotency, UsageRow};
use axum::extract::State;
use axum::response::Response;
use credential::id::{KeyId, OrganizationId};
use credential::key::{Key, Kind};
use credential::role::ProductName;
use credential::time::Span;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{Says, json, raw};
use super::page::Page;
use super::refusal::problem;
use super::request::{Brief, By, Command, Id, IfMatch, Nothing, Query};
use super::wire::Time;
use super::{Api, Served};
use crate::examples;
use crate::problem::{Kind as ProblemKind, Problem};
use wire::{ChangedKeyView, IssuedKey, KeyView, KindShape, write_issued};
use wish::{KeyEdit, NewKey};

pub(super) fn serve(served: Served) -> Served {
    served
        .at(__path_list, list)
        .at(__path_create, create)
        .at(__path_read, read)
        .at(__path_examples, examples)
        .at(__path_edit, edit)
        .at(__path_disable, disable)
        .at(__path_enable, enable)
        .at(__path_rotate, rotate)
        .at(__path_revoke, revoke)
        .group(bulk::serve)
}

/// A page of keys.
#[derive(Serialize, ToSchema)]
struct Keys {
    /// The keys, in the order they were made.
    items: Vec<KeyView>,
    /// Where the next page begins; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Lists the keys of one organization.
#[utoipa::path(get, path = "/api/v1/keys", tag = "keys", operation_id = "listKeys",
    params(
        ("organization_id" = Option<String>, Query, format = "uuid", description = "Whose keys; absent, those of the caller's organization."),
        ("product" = Option<String>, Query, pattern = "^[a-z0-9_]{1,40}$", description = "Keys of this product."),
        ("state" = Option<String>, Query, pattern = "^(active|disabled|revoked)$", description = "Keys in this stored state: active, disabled or revoked."),
        ("kind" = Option<KindShape>, Query, description = "Keys of this kind."),
        ("name" = Option<String>, Query, description = "Keys with this text in their name, letter case apart."),
        ("owner_id" = Option<String>, Query, format = "uuid", description = "Keys that depend on this person."),
        ("expires_before" = Option<Time>, Query, description = "Keys that expire before this moment."),
        ("order" = Option<String>, Query, pattern = "^(oldest|newest|name)$", description = "oldest (when absent), newest or name."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "The most keys in the page; 100 when absent."),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before, with the same filter."),
    ),
    responses((status = 200, description = "A page of keys.", body = Keys)))]
async fn list(
    State(api): State<Api>,
    By(caller): By,
    mut query: Query,
) -> Result<Response, Problem> {
    let page = Page::take(&mut query, &format!("keys of {}", caller.organization))?;
    let organization = query
        .take::<OrganizationId>("organization_id", "an id")?
        .unwrap_or(caller.organization);
    let order = query
        .word("order", order, "oldest, newest or name")?
        .unwrap_or_default();
    let filter = KeyFilter {
        organization: Some(organization),
        product: query.word(
            "product",
            |text| ProductName::new(text).ok(),
            "the name of a product",
        )?,
        state: query.word("state", state, "active, disabled or revoked")?,
        kind: query.word(
            "kind",
            Kind::from_word,
            "static, signed, client, token_pair or jwt",
        )?,
        name_has: query.text("name")?,
        owner: query.take("owner_id", "an id")?,
        expires_before: query
            .take::<Time>("expires_before", "a moment such as 2026-01-31T23:59:59Z")?
            .map(|t| t.0),
        ..Default::default()
    };
    query.finish()?;
    let after = page.after(place)?;
    let mut keys = api
        .authority
        .keys(&caller, filter, order, after, page.limit + 1)
        .await
        .map_err(problem)?;
    let next_cursor = page.cut(&mut keys, |key| {
        [key.id.as_bytes(), key.name.fold().as_bytes()].concat()
    });
    let (world, now) = (api.authority.world(), api.authority.now());
    let uses = api.authority.last_uses(&keys).await.map_err(problem)?;
    let view = |(key, uses): (&Key, &Vec<UsageRow>)| KeyView::of(key, &world, uses, now);
    let items = keys.iter().zip(&uses).map(view).collect();
    json(StatusCode::OK, &Keys { items, next_cursor })
}

/// The place that a cursor names: the key's id and its name.
fn place(bytes: &[u8]) -> Option<KeyPlace> {
    let (id, name) = bytes.split_first_chunk::<16>()?;
    Some(KeyPlace {
        id: KeyId::from_bytes(*id),
        name: String::from_utf8(name.to_vec()).ok()?,
    })
}

fn order(word: &str) -> Option<KeyOrder> {
    match word {
        "oldest" => Some(KeyOrder::Oldest),
        "newest" => Some(KeyOrder::Newest),
        "name" => Some(KeyOrder::Name),
        _ => None,
    }
}

/// The stored state of that word.
pub(super) fn state(word: &str) -> Option<&'static str> {
    ["active", "disabled", "revoked"]
        .into_iter()
        .find(|known| *known == word)
}

/// Makes a key. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/keys", tag = "keys", operation_id = "createKey", request_body = NewKey,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$",
        description = "A repeat with the same key and body within ten minutes gets the same answer.")),
    responses((status = 201, description = "The key was made.", body = IssuedKey,
        headers(("Location" = String, description = "The key."), ("ETag" = String, description = "Its version.")))))]
async fn create(
    State(api): State<Api>,
    By(caller): By,
    command: Command<NewKey>,
) -> Result<Response, Problem> {
    let (render, wish) = (
        renderer(&api),
        command.body.command(&api.authority.world())?,
    );
    let outcome = api
        .authority
        .create_key(&caller, wish, command.idempotency, render)
        .await
        .map_err(problem)?;
    issued(&api, StatusCode::CREATED, outcome).await
}

/// One key.
#[utoipa::path(get, path = "/api/v1/keys/{id}", tag = "keys", operation_id = "readKey",
    params(("id" = String, Path, format = "uuid", description = "The key.")),
    responses((status = 200, description = "The key.", body = KeyView, headers(("ETag" = String, description = "Its version.")))))]
async fn read(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<KeyId>,
) -> Result<Response, Problem> {
    let key = api.authority.key(&caller, id).await.map_err(problem)?;
    Ok(json(StatusCode::OK, &api.view(&key).await?)?.version(key.version))
}

/// Programs that use a key.
#[derive(Serialize, ToSchema)]
struct Examples {
    /// The programs, the most useful first.
    items: Vec<ExampleView>,
}

/// A program that uses a key. Its secret stands in no program: it is read from the variable `LATCHKEY_SECRET`, or asked for.
#[derive(Serialize, ToSchema)]
#[schema(as = Example)]
struct ExampleView {
    /// What it is written in.
    #[schema(example = "python")]
    language: &'static str,
    /// What it does.
    title: String,
    /// The text.
    code: String,
}

/// Programs that use the very key, ready to run.
#[utoipa::path(get, path = "/api/v1/keys/{id}/examples", tag = "keys", operation_id = "keyExamples",
    params(("id" = String, Path, format = "uuid", description = "The key.")),
    responses((status = 200, description = "The programs.", body = Examples)))]
async fn examples(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<KeyId>,
) -> Result<Response, Problem> {
    let key = api.authority.key(&caller, id).await.map_err(problem)?;
    let base = &api.authority.settings().issuer;
    let world = api.authority.world();
    let written = match (api.examples)(key.product.as_str()) {
        Some(write) => write(&key, base),
        None => world
            .product(&key.product)
            .map_or_else(Vec::new, |product| examples::own(product, &key, base)),
    };
    let items = written.into_iter().map(|example| ExampleView {
        language: example.language,
        title: example.title,
        code: example.code,
    });
    json(
        StatusCode::OK,
        &Examples {
            items: items.collect(),
        },
    )
}

/// Changes name, comment, grants, addresses, limits or expiry of a key.
#[utoipa::path(patch, path = "/api/v1/keys/{id}", tag = "keys", operation_id = "editKey", request_body = KeyEdit,
    params(("id" = String, Path, format = "uuid", description = "The key."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that the edit was made from.")),
    responses((status = 200, description = "The key as it is now.", body = ChangedKeyView, headers(("ETag" = String, description = "Its version.")))))]
async fn edit(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<KeyId>,
    IfMatch(version): IfMatch,
    command: Command<KeyEdit>,
) -> Result<Response, Problem> {
    let edit = command.body.command()?;
    changed(
        &api,
        api.authority
            .edit_key(&caller, id, edit, version)
            .await
            .map_err(problem)?,
    )
    .await
}

/// Takes a key out of use until somebody enables it.
#[utoipa::path(post, path = "/api/v1/keys/{id}/disable", tag = "keys", operation_id = "disableKey",
    request_body(content = Option<Nothing>),
    params(("id" = String, Path, format = "uuid", description = "The key."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that is meant.")),
    responses((status = 200, description = "The key as it is now.", body = ChangedKeyView, headers(("ETag" = String, description = "Its version.")))))]
async fn disable(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<KeyId>,
    IfMatch(version): IfMatch,
    _: Brief<Nothing>,
) -> Result<Response, Problem> {
    changed(
        &api,
        api.authority
            .disable_key(&caller, id, version)
            .await
            .map_err(problem)?,
    )
    .await
}

/// Brings a disabled key back into use.
#[utoipa::path(post, path = "/api/v1/keys/{id}/enable", tag = "keys", operation_id = "enableKey",
    request_body(content = Option<Nothing>),
    params(("id" = String, Path, format = "uuid", description = "The key."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that is meant.")),
    responses((status = 200, description = "The key as it is now.", body = ChangedKeyView, headers(("ETag" = String, description = "Its version.")))))]
async fn enable(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<KeyId>,
    IfMatch(version): IfMatch,
    _: Brief<Nothing>,
) -> Result<Response, Problem> {
    changed(
        &api,
        api.authority
            .enable_key(&caller, id, version)
            .await
            .map_err(problem)?,
    )
    .await
}

/// Ends a key for good.
#[utoipa::path(post, path = "/api/v1/keys/{id}/revoke", tag = "keys", operation_id = "revokeKey",
    request_body(content = Option<Nothing>),
    params(("id" = String, Path, format = "uuid", description = "The key."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that is meant.")),
    responses((status = 200, description = "The key is revoked, everywhere.", body = ChangedKeyView, headers(("ETag" = String, description = "Its version.")))))]
async fn revoke(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<KeyId>,
    IfMatch(version): IfMatch,
    _: Brief<Nothing>,
) -> Result<Response, Problem> {
    changed(
        &api,
        api.authority
            .revoke_key(&caller, id, version)
            .await
            .map_err(problem)?,
    )
    .await
}

/// How a secret is replaced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// How long the secret before stays good; absent, as the product says.
    #[schema(minimum = 0, maximum = 2_592_000)]
    overlap_seconds: Option<u32>,
}

/// Gives a key a new secret. A key may always rotate itself.
#[utoipa::path(post, path = "/api/v1/keys/{id}/rotate", tag = "keys", operation_id = "rotateKey",
    request_body(content = Option<Rotation>),
    params(("id" = String, Path, format = "uuid", description = "The key."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that is meant."),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "A repeat with the same key and body within ten minutes gets the same answer.")),
    responses((status = 200, description = "The key and its new secret.", body = IssuedKey, headers(("ETag" = String, description = "Its version.")))))]
async fn rotate(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<KeyId>,
    IfMatch(version): IfMatch,
    Brief(command): Brief<Rotation>,
) -> Result<Response, Problem> {
    api.rotate(&caller, id, version, command).await
}

impl Api {
    /// A key as it stands.
    pub(super) async fn view(&self, key: &Key) -> Result<KeyView, Problem> {
        let uses = self
            .authority
            .last_uses(std::slice::from_ref(key))
            .await
            .map_err(problem)?;
        let uses = uses.first().map(Vec::as_slice).unwrap_or_default();
        Ok(KeyView::of(
            key,
            &self.authority.world(),
            uses,
            self.authority.now(),
        ))
    }

    /// Rotates a key: by its id, or the caller's own.
    pub(super) async fn rotate(
        &self,
        caller: &authority::Caller,
        id: KeyId,
        version: Option<i64>,
        command: Command<Rotation>,
    ) -> Result<Response, Problem> {
        let overlap = command
            .body
            .overlap_seconds
            .map(|seconds| Span::from_secs(i64::from(seconds)));
        let idempotency: Option<Idempotency> = command.idempotency;
        let rotated =
            self.authority
                .rotate_key(caller, id, overlap, version, idempotency, renderer(self));
        issued(self, StatusCode::OK, rotated.await.map_err(problem)?).await
    }
}

/// Writes what was issued; the authority keeps the same bytes, sealed, for a repeat.
fn renderer(api: &Api) -> impl Fn(&Issued) -> Vec<u8> + Send + Sync + 'static {
    let api = api.clone();
    move |issued| write_issued(issued, &api.authority.world())
}

/// The answer of a creation or a rotation. A repeat tells the number of the latest change, which covers its own too.
async fn issued(api: &Api, status: StatusCode, outcome: Outcome) -> Result<Response, Problem> {
    let (members, revision) = match outcome {
        Outcome::New(issued) => {
            let revision = issued.revision;
            (write_issued(&issued, &api.authority.world()), revision)
        }
        Outcome::Repeat(members) => {
            api.authority.poll().await.map_err(problem)?;
            (members, api.authority.revision())
        }
    };
    let mut body = Vec::with_capacity(members.len() + 32);
    body.push(b'{');
    body.extend_from_slice(&members);
    body.extend_from_slice(format!(",\"revision\":{revision}}}").as_bytes());
    let facts: Facts = serde_json::from_slice(&body).map_err(|_| ProblemKind::Internal)?;
    let response = raw(status, body).version(facts.key.version);
    match status {
        StatusCode::CREATED => Ok(response.location(format!("/api/v1/keys/{}", facts.key.id))),
        _ => Ok(response),
    }
}

/// What the headers of an answer need of its body.
#[derive(Deserialize)]
struct Facts {
    key: KeyFacts,
}

#[derive(Deserialize)]
struct KeyFacts {
    id: String,
    version: i64,
}

async fn changed(api: &Api, changed: ChangedKey) -> Result<Response, Problem> {
    let body = ChangedKeyView {
        key: api.view(&changed.key).await?,
        revision: changed.revision,
    };
    Ok(json(StatusCode::OK, &body)?.version(changed.key.version))
}
