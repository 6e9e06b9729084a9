//! OAuth 2.0 for machines: access tokens for client credentials and refresh tokens (RFC 6749), asking
//! about them (RFC 7662), ending them (RFC 7009), and how all of that is found (RFC 8414).

mod answer;
mod client;
mod introspect;
mod metadata;
mod request;
mod revoke;
mod token;

use authority::Authority;
use axum::Router;
use axum::routing::{MethodRouter, get, post};
use http::StatusCode;

use answer::Refused;

/// Where tokens are fetched.
pub const TOKEN: &str = "/oauth2/token";
/// Where tokens are asked about.
pub const INTROSPECT: &str = "/oauth2/introspect";
/// Where tokens are ended.
pub const REVOKE: &str = "/oauth2/revoke";
/// Where the endpoints and what they support are described.
pub const METADATA: &str = "/.well-known/oauth-authorization-server";
/// Where the keys that check our tokens are published.
pub const JWKS: &str = "/.well-known/jwks.json";

/// The routes of OAuth.
pub fn routes(authority: Authority) -> Router {
    Router::new()
        .route(TOKEN, only(post(token::token)))
        .route(INTROSPECT, only(post(introspect::introspect)))
        .route(REVOKE, only(post(revoke::revoke)))
        .route(METADATA, get(metadata::metadata))
        .route(JWKS, get(metadata::jwks))
        .with_state(authority)
}

/// Another method is answered in the shape of OAuth's errors too.
fn only(route: MethodRouter<Authority>) -> MethodRouter<Authority> {
    route.fallback(|| async {
        Refused::new("invalid_request", "This endpoint takes POST only.")
            .status(StatusCode::METHOD_NOT_ALLOWED)
    })
}
