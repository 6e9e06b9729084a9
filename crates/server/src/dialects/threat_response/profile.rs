//! Who am I: `/iroh/profile` and the validation of a session.

use axum::extract::{Request, State};
use axum::response::Response;
use credential::access::Allowed;
use credential::name::Name;
use credential::scope::Scope;
use credential::time::Span;
use http::StatusCode;
use serde_json::json as object;

use super::Here;
use super::errors::No;
use super::translate;
use super::visit::{Visit, answer};
use super::wire::{Session, Whoami};
use crate::dialects::json;

/// When a session should be renewed: less of its life is left than clients keep in hand.
const RENEWAL: Span = Span::from_secs(60);

pub(super) async fn whoami(State(here): State<Here>, request: Request) -> Response {
    answer(
        &here,
        request,
        |_| &["profile:read"],
        async |visit| {
            let world = visit.authority.world();
            let admin = Scope::new("admin")
                .is_ok_and(|admin| visit.valid.rights().allows(&admin, None) == Allowed::Yes);
            let body = Whoami {
                user: translate::user(&world, &visit.valid, admin),
                org: translate::organization(&world, &visit.valid)?,
            };
            Ok(json(StatusCode::OK, &body))
        },
    )
    .await
}

pub(super) async fn organization(State(here): State<Here>, request: Request) -> Response {
    answer(
        &here,
        request,
        |_| &["profile:read"],
        async |visit| shown(&visit),
    )
    .await
}

/// Gives the organization another name.
pub(super) async fn rename(State(here): State<Here>, request: Request) -> Response {
    answer(
        &here,
        request,
        |_| &["profile:write", "admin"],
        async |visit| {
            // Of this one call they wrap what is wrong.
            let sent = visit.members(&["name"]).map_err(No::wrapped)?;
            if let Some(name) = sent.get("name") {
                let name = name.as_str().and_then(|name| Name::new(name).ok());
                let name =
                    name.ok_or_else(|| No::members(object!({"errors": {"name": "invalid"}})))?;
                let id = visit.caller.organization;
                visit
                    .authority
                    .rename_organization(&visit.caller, id, name, None)
                    .await?;
            }
            shown(&visit)
        },
    )
    .await
}

pub(super) async fn validate(State(here): State<Here>, request: Request) -> Response {
    answer(
        &here,
        request,
        |_| &[],
        async |visit| {
            let now = visit.authority.now();
            let ends = visit.valid.expires_at;
            let body = Session {
                valid: true,
                user_id: translate::user_id(&visit.valid),
                org_id: visit.valid.live.key.organization.to_string(),
                scopes: translate::scopes(&visit.valid),
                needs_renewal: ends.is_some_and(|ends| ends.since(now) < RENEWAL),
            };
            Ok(json(StatusCode::OK, &body))
        },
    )
    .await
}

fn shown(visit: &Visit) -> Result<Response, No> {
    let world = visit.authority.world();
    Ok(json(
        StatusCode::OK,
        &translate::organization(&world, &visit.valid)?,
    ))
}
