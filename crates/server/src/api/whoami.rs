//! The caller about itself: `/api/v1/whoami`. It works with any key, of whatever product.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{Says, json};
use super::keys::Rotation;
use super::keys::wire::{IssuedKey, KindShape};
use super::request::{Asker, Brief, By, IfMatch};
use super::wire::Time;
use super::{Api, Served};
use crate::problem::{Kind as ProblemKind, Problem};

pub(super) fn serve(served: Served) -> Served {
    served.at(__path_read, read).at(__path_rotate, rotate)
}

/// Who calls, and what the presented credential is worth now.
#[derive(Serialize, ToSchema)]
struct Whoami<'a> {
    /// The key.
    #[schema(value_type = String, format = "uuid")]
    key_id: String,
    /// Whose it is.
    #[schema(value_type = String, format = "uuid")]
    organization_id: String,
    /// The name of that organization.
    #[schema(value_type = Option<String>, required)]
    organization_name: Option<&'a str>,
    /// What the key opens.
    #[schema(value_type = String)]
    product: &'a str,
    /// How it is proven.
    #[schema(value_type = KindShape)]
    kind: &'static str,
    /// What people call it.
    #[schema(value_type = String)]
    name: &'a str,
    /// The person it depends on.
    #[schema(value_type = Option<String>, required, format = "uuid")]
    owner_id: Option<String>,
    /// The names of its roles.
    roles: &'a [String],
    /// What the presented credential may: the scopes, each for at least some resources.
    #[schema(value_type = Vec<String>)]
    scopes: Vec<&'a str>,
    /// The presented credential is good before this moment.
    #[schema(required)]
    expires_at: Option<Time>,
    /// Counts the key's changes.
    version: i64,
}

/// Tells the caller who it is.
#[utoipa::path(get, path = "/api/v1/whoami", tag = "whoami", operation_id = "whoami",
    responses((status = 200, description = "The caller.", body = Whoami<'_>)))]
async fn read(State(api): State<Api>, Asker { valid, .. }: Asker) -> Result<Response, Problem> {
    let (key, world) = (&valid.live.key, api.authority.world());
    let body = Whoami {
        key_id: key.id.to_string(),
        organization_id: valid.organization().to_string(),
        organization_name: world
            .organization(valid.organization())
            .map(|organization| organization.name.as_str()),
        product: key.product.as_str(),
        kind: key.kind.as_str(),
        name: key.name.as_str(),
        owner_id: key.owner.map(|owner| owner.to_string()),
        roles: &valid.live.roles,
        scopes: valid
            .scopes()
            .into_iter()
            .map(|scope| scope.as_str())
            .collect(),
        expires_at: valid.expires_at.map(Time),
        version: key.version,
    };
    Ok(json(StatusCode::OK, &body)?.version(key.version))
}

/// Gives the caller's own key a new secret.
#[utoipa::path(post, path = "/api/v1/whoami/rotate", tag = "whoami", operation_id = "rotateOwnKey",
    request_body(content = Option<Rotation>),
    params(("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that is meant."),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "A repeat with the same key and body within ten minutes gets the same answer.")),
    responses((status = 200, description = "The key and its new secret.", body = IssuedKey, headers(("ETag" = String, description = "Its version.")))))]
async fn rotate(
    State(api): State<Api>,
    By(caller): By,
    IfMatch(version): IfMatch,
    Brief(command): Brief<Rotation>,
) -> Result<Response, Problem> {
    match caller.key() {
        Some(id) => api.rotate(&caller, id, version, command).await,
        None => Err(ProblemKind::Internal.into()),
    }
}
