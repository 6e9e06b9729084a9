//! The wire contracts of foreign systems, one folder each: their paths, their JSON, their errors. None of them decides
//! anything, and none knows another; what each promises stands in `contracts/`.

pub mod secure_access;

use authority::Authority;
use axum::Router;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

use crate::edge::AskedPath;
use secure_access::areas::Area;

/// The routes of every dialect.
pub fn routes(authority: Authority) -> Router {
    secure_access::routes(authority)
}

/// The dialects by name, as settings name them.
pub const NAMES: [&str; 1] = [secure_access::PRODUCT];

/// The routes of one dialect.
pub fn named(name: &str, authority: Authority) -> Option<Router> {
    (name == secure_access::PRODUCT).then(|| secure_access::routes(authority))
}

/// A layer around the whole server: errors on a dialect's paths that were not written by the dialect (an unknown path, a
/// refusal of the gateway, an upstream that does not answer) take its shape; so do answers to gateways that ask about
/// such a path.
pub async fn dress(request: Request, next: Next) -> Response {
    let area = Area::of(request.uri().path());
    let response = next.run(request).await;
    let about = response.extensions().get::<AskedPath>();
    match about.map_or(area, |path| Area::of(&path.0)) {
        Some(area) => area.dress(response).await,
        None => response,
    }
}
