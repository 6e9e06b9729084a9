//! Where things are: the regions, the token endpoint, the public keys. All of it is public.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Here, PRODUCT};
use crate::dialects::json as written;
use crate::edge::Arrival;

/// What the region is called where the settings name none.
const REGION: &str = "North America";

/// The regions; clients put `oauth2` right behind the URL, so that it must end in a slash.
pub(super) async fn clouds(State(here): State<Here>, request: Request) -> Response {
    let of = |url: &str| json!({ "iroh-services": format!("{url}/iroh/") });
    let named = &here.config.threat_response.regions;
    let regions: Map<String, Value> = if named.is_empty() {
        [(REGION.to_owned(), of(&address(&here, &request)))]
            .into_iter()
            .collect()
    } else {
        let named = named.iter();
        named.map(|(name, url)| (name.clone(), of(url))).collect()
    };
    written(StatusCode::OK, &regions)
}

pub(super) async fn oauth(State(here): State<Here>, request: Request) -> Response {
    written(StatusCode::OK, &described(&here, &request))
}

/// The same as OpenID Connect has it.
pub(super) async fn openid(State(here): State<Here>, request: Request) -> Response {
    let mut metadata = described(&here, &request);
    metadata["id_token_signing_alg_values_supported"] = json!(["RS256"]);
    metadata["subject_types_supported"] = json!(["pairwise"]);
    written(StatusCode::OK, &metadata)
}

pub(super) async fn jwks(State(here): State<Here>) -> Response {
    written(StatusCode::OK, &here.authority.jwks())
}

/// The description, of what works here. The vendor's spelling of the one grant stands beside the registered one.
fn described(here: &Here, request: &Request) -> Value {
    let base = address(here, request);
    let world = here.authority.world();
    let products = world.products();
    let product = products
        .iter()
        .find(|product| product.name.as_str() == PRODUCT);
    let scopes: Vec<&str> = product
        .map(|product| {
            let shown = product.scopes.iter().filter(|(_, entry)| !entry.hidden);
            shown.map(|(scope, _)| scope.as_str()).collect()
        })
        .unwrap_or_default();
    json!({
        "issuer": here.authority.settings().issuer,
        "token_endpoint": format!("{base}/iroh/oauth2/token"),
        "jwks_uri": format!("{base}/.well-known/jwks"),
        "grant_types_supported": ["client_credentials", "client_credential"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "scopes_supported": scopes,
        "service_documentation": format!("{}/docs", here.authority.settings().issuer),
    })
}

/// The address that was asked: clients stay on the host that they know.
fn address(here: &Here, request: &Request) -> String {
    match request.extensions().get::<Arc<Arrival>>() {
        Some(arrival) if !arrival.authority.is_empty() => {
            let scheme = if arrival.secure { "https" } else { "http" };
            format!("{scheme}://{}", arrival.authority)
        }
        _ => here.authority.settings().issuer.clone(),
    }
}
