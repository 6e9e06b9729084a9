//! Dialect `threat_response`: the API clients of Cisco threat response (SecureX, XDR), their tokens, and the errors of the
//! APIs that they open. `contracts/threat_response/CONTRACT.md` says what it promises.

mod claims;
mod clients;
mod errors;
mod metadata;
mod profile;
mod token;
mod translate;
mod visit;
mod wire;

use std::sync::Arc;

use authority::Authority;
use axum::Router;
use axum::routing::{MethodRouter, get, post};
use http::StatusCode;

use super::{Dialect, Speaker};
use crate::config::Config;
use errors::{Family, No};

/// The product that this dialect speaks for.
pub const PRODUCT: &str = "threat_response";

/// What the rest of the server knows of it.
pub(super) const DIALECT: Dialect = Dialect {
    name: PRODUCT,
    routes,
    bound_routes,
    owns: |path| Family::of(path).is_some(),
    dress: |path, response| {
        Box::pin(async move {
            match Family::of(&path) {
                Some(family) => family.dress(response).await,
                None => response,
            }
        })
    },
};

/// What its handlers speak with.
#[derive(Clone)]
struct Here {
    authority: Authority,
    config: Arc<Config>,
}

impl From<&Speaker> for Here {
    fn from(speaker: &Speaker) -> Self {
        Self {
            authority: speaker.authority.clone(),
            config: Arc::clone(&speaker.config),
        }
    }
}

fn routes(speaker: &Speaker) -> Router {
    Router::new()
        .route("/iroh/oauth2/token", only(post(token::token)))
        .route("/iroh/oauth2/refresh", only(post(token::refresh)))
        .route("/clouds.json", only(get(metadata::clouds)))
        .route("/iroh/profile/whoami", only(get(profile::whoami)))
        .route(
            "/iroh/profile/org",
            only(get(profile::organization).post(profile::rename)),
        )
        .route(
            "/iroh/iroh-auth/session/validate",
            only(get(profile::validate)),
        )
        .route(
            "/iroh/oauth2-clients/clients",
            only(get(clients::list).post(clients::create)),
        )
        .route(
            "/iroh/oauth2-clients/clients/{id}",
            only(
                get(clients::read)
                    .patch(clients::patch)
                    .delete(clients::delete),
            ),
        )
        .with_state(Here::from(speaker))
}

/// Paths that are the server's own elsewhere.
fn bound_routes(speaker: &Speaker) -> Router {
    Router::new()
        .route(
            "/.well-known/oauth-authorization-server",
            get(metadata::oauth),
        )
        .route("/.well-known/openid-configuration", get(metadata::openid))
        .route("/.well-known/jwks", get(metadata::jwks))
        .with_state(Here::from(speaker))
}

/// Other methods are refused in their shape.
fn only(route: MethodRouter<Here>) -> MethodRouter<Here> {
    route.fallback(|| async { Family::Iroh.answer(No::of(StatusCode::METHOD_NOT_ALLOWED)) })
}
