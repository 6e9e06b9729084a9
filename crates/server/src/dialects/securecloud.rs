//! Dialect `securecloud`: the API access keys of Tufin SecureCloud, and the short tokens that people buy with their
//! password. `contracts/securecloud/CONTRACT.md` says what it promises.

pub mod refuse;

mod keys;
mod token;
mod translate;
mod wire;

use authority::Authority;
use axum::Router;
use axum::routing::{MethodRouter, get, post};
use http::StatusCode;

use super::{Dialect, Speaker};
use refuse::No;

/// The product that this dialect speaks for.
pub const PRODUCT: &str = "securecloud";

/// What the rest of the server knows of it.
pub(super) const DIALECT: Dialect = Dialect {
    name: PRODUCT,
    routes,
    bound_routes: |_| Router::new(),
    owns: refuse::owns,
    dress: |path, response| Box::pin(async move { refuse::dress(&path, response).await }),
};

fn routes(speaker: &Speaker) -> Router {
    Router::new()
        .route(
            "/api/v1/rome/api-access-keys",
            only(get(keys::list).post(keys::create)),
        )
        .route(
            "/api/v1/rome/api-access-keys/{id}",
            only(get(keys::read).put(keys::edit).delete(keys::remove)),
        )
        .route("/api/v1/rome/roles", only(get(keys::roles)))
        .route("/api/v1/rome/periods", only(get(keys::periods)))
        .route("/api/rome/token", only(post(token::token)))
        .route(
            "/auth/realms/{tenant}/protocol/openid-connect/token",
            only(post(token::token_of_tenant)),
        )
        .route(
            "/auth/realms/{tenant}/protocol/openid-connect/certs",
            only(get(token::certificates)),
        )
        .with_state(speaker.authority.clone())
}

/// Other methods are refused in their shape.
fn only(route: MethodRouter<Authority>) -> MethodRouter<Authority> {
    route.fallback(async || No::of(StatusCode::METHOD_NOT_ALLOWED).answer())
}
