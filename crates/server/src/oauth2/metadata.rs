//! `GET /.well-known/oauth-authorization-server` and `GET /.well-known/jwks.json`: public, and cached by whoever asks.

use authority::Authority;
use axum::extract::State;
use axum::response::Response;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::answer;
use super::{INTROSPECT, JWKS, REVOKE, TOKEN};

/// For how long a fetched set of keys may be used: well below the time for which a key is published before it signs.
const KEPT: &str = "public, max-age=300";

/// The description (RFC 8414, section 2). It lists only what works.
pub(super) async fn metadata(State(authority): State<Authority>) -> Response {
    let issuer = &authority.settings().issuer;
    let here = |path: &str| format!("{issuer}{path}");
    let mut scopes: Vec<String> = Vec::new();
    for product in authority.world().products() {
        let shown = product.scopes.iter().filter(|(_, entry)| !entry.hidden);
        scopes.extend(shown.map(|(scope, _)| scope.as_str().to_owned()));
    }
    public(&json!({
        "issuer": issuer,
        "token_endpoint": here(TOKEN),
        "introspection_endpoint": here(INTROSPECT),
        "revocation_endpoint": here(REVOKE),
        "jwks_uri": here(JWKS),
        "scopes_supported": scopes,
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "Bearer"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "Bearer", "none"],
    }))
}

pub(super) async fn jwks(State(authority): State<Authority>) -> Response {
    public(&authority.jwks())
}

fn public(body: &serde_json::Value) -> Response {
    let mut response = answer::json(StatusCode::OK, body);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(KEPT));
    headers.remove(http::header::PRAGMA);
    response
}
