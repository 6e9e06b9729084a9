//! Many keys at once: `/api/v1/keys/bulk-…`. One call is one transaction and one number of the feed.

use authority::keys::{BulkAction, KeyFilter, MAX_BULK};
use axum::extract::State;
use axum::response::Response;
use credential::id::{OrganizationId, UserId};
use credential::key::Kind;
use credential::role::ProductName;
use http::StatusCode;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::wire::{KindShape, write_issued};
use super::wish::NewKey;
use crate::api::answer::{json, raw};
use crate::api::refusal::problem;
use crate::api::request::{By, Command};
use crate::api::wire::Time;
use crate::api::{Api, Served};
use crate::problem::{Kind as ProblemKind, Problem};

pub(super) fn serve(served: Served) -> Served {
    served
        .at(__path_create, create)
        .at(__path_revoke, revoke)
        .at(__path_disable, disable)
        .at(__path_enable, enable)
}

/// Keys to be made together.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKeys {
    /// The keys, all of one organization and one product.
    #[schema(min_items = 1, max_items = 1000)]
    items: Vec<NewKey>,
}

/// Keys that were made together, in the order asked.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes")]
struct IssuedKeys {
    /// Each key with its secret, which is shown this once.
    #[schema(value_type = Vec<IssuedInBulk>)]
    items: (),
    /// The number of the change.
    revision: i64,
}

/// One of them.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes")]
struct IssuedInBulk {
    /// The key.
    #[schema(value_type = super::wire::KeyView)]
    key: (),
    /// What is shown once.
    #[schema(value_type = super::wire::SecretShape)]
    secret: (),
}

/// Makes many keys, all or none.
#[utoipa::path(post, path = "/api/v1/keys/bulk-create", tag = "keys", operation_id = "createKeys", request_body = NewKeys,
    responses((status = 201, description = "All were made.", body = IssuedKeys)))]
async fn create(
    State(api): State<Api>,
    By(caller): By,
    command: Command<NewKeys>,
) -> Result<Response, Problem> {
    if command.idempotency.is_some() {
        return Err(Problem::new(ProblemKind::InvalidHeader)
            .because("The header Idempotency-Key goes with one key at a time; a bulk creation that is in doubt is looked up by name."));
    }
    let world = api.authority.world();
    let wishes = command
        .body
        .items
        .into_iter()
        .map(|key| key.command(&world))
        .collect::<Result<_, _>>()?;
    let made = api
        .authority
        .create_keys(&caller, wishes)
        .await
        .map_err(problem)?;
    let world = api.authority.world();
    let mut body = b"{\"items\":[".to_vec();
    for (place, issued) in made.issued.iter().enumerate() {
        body.extend_from_slice(if place == 0 { b"{" } else { b",{" });
        body.extend_from_slice(&write_issued(issued, &world));
        body.push(b'}');
    }
    body.extend_from_slice(format!("],\"revision\":{}}}", made.revision).as_bytes());
    Ok(raw(StatusCode::CREATED, body))
}

/// Which keys a bulk change is about. An empty filter would be all of them, so at least one member is needed beside
/// the organization.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// Whose keys; absent, those of the caller's organization.
    #[schema(value_type = Option<String>, format = "uuid")]
    organization_id: Option<OrganizationId>,
    /// Keys of this product.
    #[schema(value_type = Option<String>, pattern = "^[a-z0-9_]{1,40}$")]
    product: Option<ProductName>,
    /// Keys in this stored state: `active`, `disabled` or `revoked`.
    #[schema(value_type = Option<String>, pattern = "^(active|disabled|revoked)$")]
    state: Option<StoredState>,
    /// Keys of this kind.
    #[schema(value_type = Option<KindShape>)]
    kind: Option<Kind>,
    /// Keys with this text in their name, letter case apart.
    #[schema(min_length = 1, max_length = 256)]
    name: Option<String>,
    /// Keys that depend on this person.
    #[schema(value_type = Option<String>, format = "uuid")]
    owner_id: Option<UserId>,
    /// Keys that expire before this moment.
    expires_before: Option<Time>,
    /// Keys that were not used at this moment or later.
    unused_since: Option<Time>,
}

/// The word of a stored state.
#[derive(Debug)]
struct StoredState(&'static str);

impl<'de> Deserialize<'de> for StoredState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        super::state(&word)
            .map(Self)
            .ok_or_else(|| D::Error::custom("expected active, disabled or revoked"))
    }
}

impl Filter {
    fn read(self) -> Result<KeyFilter, Problem> {
        if self.name.as_ref().is_some_and(|name| name.contains('\0')) {
            return Err(Problem::new(ProblemKind::InvalidMember)
                .because("The member /filter/name: it has a NUL.")
                .at("/filter/name", "it has a NUL"));
        }
        let filter = KeyFilter {
            organization: self.organization_id,
            product: self.product,
            state: self.state.map(|StoredState(word)| word),
            kind: self.kind,
            name_has: self.name.filter(|name| !name.trim().is_empty()),
            owner: self.owner_id,
            expires_before: self.expires_before.map(|Time(at)| at),
            unused_since: self.unused_since.map(|Time(at)| at),
            ..Default::default()
        };
        let says_something = filter.product.is_some()
            || filter.state.is_some()
            || filter.kind.is_some()
            || filter.name_has.is_some()
            || filter.owner.is_some()
            || filter.expires_before.is_some()
            || filter.unused_since.is_some();
        if says_something {
            return Ok(filter);
        }
        Err(Problem::new(ProblemKind::InvalidMember)
            .because("The member /filter: it must say more than the organization.")
            .at("/filter", "it must say more than the organization"))
    }
}

/// A change of many keys.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BulkChange {
    /// Which keys.
    filter: Filter,
    /// Whether only to tell which keys it would be.
    #[serde(default)]
    dry_run: bool,
}

/// Keys that were changed, or would be.
#[derive(Serialize, ToSchema)]
struct BulkChanged {
    /// How many.
    count: usize,
    /// Which.
    #[schema(value_type = Vec<String>, max_items = 1000)]
    key_ids: Vec<String>,
    /// Whether more keys match than one change may hold; ask again.
    more: bool,
    /// The number of the change; `null` where nothing was changed.
    #[schema(required)]
    revision: Option<i64>,
}

/// Revokes every key that the filter finds, up to 1000 in one call.
#[utoipa::path(post, path = "/api/v1/keys/bulk-revoke", tag = "keys", operation_id = "revokeKeys", request_body = BulkChange,
    responses((status = 200, description = "What was changed, or would be.", body = BulkChanged)))]
async fn revoke(
    State(api): State<Api>,
    By(caller): By,
    command: Command<BulkChange>,
) -> Result<Response, Problem> {
    api.change_many(&caller, command.body, BulkAction::Revoke)
        .await
}

/// Disables every key that the filter finds, up to 1000 in one call.
#[utoipa::path(post, path = "/api/v1/keys/bulk-disable", tag = "keys", operation_id = "disableKeys", request_body = BulkChange,
    responses((status = 200, description = "What was changed, or would be.", body = BulkChanged)))]
async fn disable(
    State(api): State<Api>,
    By(caller): By,
    command: Command<BulkChange>,
) -> Result<Response, Problem> {
    api.change_many(&caller, command.body, BulkAction::Disable)
        .await
}

/// Enables every key that the filter finds, up to 1000 in one call.
#[utoipa::path(post, path = "/api/v1/keys/bulk-enable", tag = "keys", operation_id = "enableKeys", request_body = BulkChange,
    responses((status = 200, description = "What was changed, or would be.", body = BulkChanged)))]
async fn enable(
    State(api): State<Api>,
    By(caller): By,
    command: Command<BulkChange>,
) -> Result<Response, Problem> {
    api.change_many(&caller, command.body, BulkAction::Enable)
        .await
}

impl Api {
    async fn change_many(
        &self,
        caller: &authority::Caller,
        change: BulkChange,
        action: BulkAction,
    ) -> Result<Response, Problem> {
        let filter = change.filter.read()?;
        let bulk = self
            .authority
            .change_keys(caller, filter, action, change.dry_run)
            .await
            .map_err(problem)?;
        let key_ids: Vec<String> = bulk.keys.iter().map(ToString::to_string).collect();
        let body = BulkChanged {
            count: key_ids.len(),
            key_ids,
            more: bulk.more,
            revision: bulk.revision,
        };
        json(StatusCode::OK, &body)
    }
}

const _: () = assert!(MAX_BULK == 1000, "the description names the number");
