//! Dialect `secure_access`: the token endpoint, the Key Admin API and the reports of API usage of Cisco Secure Access (and Umbrella, whose API
//! family is the same). `contracts/secure_access/CONTRACT.md` says what it promises.

pub mod areas;

mod keys;
mod token;
mod translate;
mod usage;
mod wire;

use authority::Authority;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use http::StatusCode;

use super::{Dialect, Speaker};
use areas::{Area, No};

/// The product that this dialect speaks for.
pub const PRODUCT: &str = "secure_access";

/// What the rest of the server knows of it.
pub(super) const DIALECT: Dialect = Dialect {
    name: PRODUCT,
    routes,
    bound_routes: |_| Router::new(),
    owns: |path| Area::of(path).is_some(),
    dress: |path, response| {
        Box::pin(async move {
            match Area::of(&path) {
                Some(area) => area.dress(response).await,
                None => response,
            }
        })
    },
};

fn routes(speaker: &Speaker) -> Router {
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
        .route("/reports/v2/apiUsage/keys", report(get(usage::keys)))
        .route(
            "/reports/v2/apiUsage/requests",
            report(get(usage::requests)),
        )
        .route(
            "/reports/v2/apiUsage/responses",
            report(get(usage::responses)),
        )
        .route("/reports/v2/apiUsage/summary", report(get(usage::summary)))
        .route_layer(from_fn_with_state(speaker.authority.clone(), usage::note))
        .with_state(speaker.authority.clone())
}

fn report(route: MethodRouter<Authority>) -> MethodRouter<Authority> {
    only(Area::Usage, route)
}

/// Other methods are refused in the shape of the area.
fn only(area: Area, route: MethodRouter<Authority>) -> MethodRouter<Authority> {
    route.fallback(move || async move { area.answer(No::of(StatusCode::METHOD_NOT_ALLOWED)) })
}
