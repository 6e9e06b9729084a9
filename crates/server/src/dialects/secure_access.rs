//! Dialect `secure_access`: the token endpoint and the Key Admin API of Cisco Secure Access (and Umbrella, whose API
//! family is the same). `contracts/secure_access/CONTRACT.md` says what it promises.

pub mod areas;

mod keys;
mod token;
mod translate;
mod wire;

use authority::Authority;
use axum::Router;
use axum::routing::{MethodRouter, get, post};
use http::StatusCode;

use areas::{Area, No};

/// The product that this dialect speaks for.
pub const PRODUCT: &str = "secure_access";

/// The routes of the dialect.
pub fn routes(authority: Authority) -> Router {
    Router::new()
        .route(
            "/auth/v2/token",
            only(Area::Token, get(token::token).post(token::token)),
        )
        .route(
            "/admin/v2/apiKeys",
            only(Area::Admin, get(keys::list).post(keys::create)),
        )
        .route(
            "/admin/v2/apiKeys/{id}",
            only(
                Area::Admin,
                get(keys::read).patch(keys::patch).delete(keys::delete),
            ),
        )
        .route(
            "/admin/v2/apiKeys/{id}/refresh",
            only(Area::Admin, post(keys::refresh)),
        )
        .with_state(authority)
}

/// Other methods are refused in the shape of the area.
fn only(area: Area, route: MethodRouter<Authority>) -> MethodRouter<Authority> {
    route.fallback(move || async move { area.answer(No::of(StatusCode::METHOD_NOT_ALLOWED)) })
}
