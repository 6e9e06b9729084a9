//! Dialect `cortex`: the API keys of Palo Alto Cortex (XDR, XSIAM, Cortex Cloud).
//! `contracts/cortex/CONTRACT.md` says what it promises.

mod areas;
mod call;
mod components;
pub(super) mod examples;
mod groups;
mod keys;
mod rbac;
mod roles;
mod scopes;
mod translate;
mod users;
mod wire;

use authority::Authority;
use axum::Router;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use http::StatusCode;

use super::{Dialect, Speaker};
use areas::{ALIAS, Area, No};

/// The product that this dialect speaks for.
pub const PRODUCT: &str = "cortex";

/// What the rest of the server knows of it.
pub(super) const DIALECT: Dialect = Dialect {
    name: PRODUCT,
    routes,
    bound_routes: |_| Router::new(),
    owns: |path| Area::of(path).is_some(),
    dress: |path, response| {
        Box::pin(async move {
            match Area::of(&path) {
                Some(area) => areas::dress(area, response).await,
                None => response,
            }
        })
    },
};

/// Each path with and without a slash at its end, and both again below the alias.
fn routes(speaker: &Speaker) -> Router {
    let mut router = Router::new();
    for (path, route) in paths() {
        for prefix in ["", ALIAS] {
            for end in ["", "/"] {
                router = router.route(&format!("{prefix}{path}{end}"), route.clone());
            }
        }
    }
    router.with_state(speaker.authority.clone())
}

fn paths() -> Vec<(&'static str, MethodRouter<Authority>)> {
    let public = |route| only(Area::Public, route);
    let platform = |route| only(Area::Platform, route);
    vec![
        (
            "/api_keys/validate",
            public(get(keys::validate).post(keys::validate)),
        ),
        (
            "/public_api/v1/api_keys/get_api_keys",
            public(post(keys::list)),
        ),
        (
            "/public_api/v1/api_keys/generate",
            public(post(keys::generate)),
        ),
        ("/public_api/v1/api_keys/delete", public(post(keys::delete))),
        (
            "/platform/iam/v1/api-key/{id}",
            platform(get(keys::read).put(keys::edit)),
        ),
        (
            "/platform/iam/v1/role",
            platform(get(roles::list).post(roles::create)),
        ),
        (
            "/platform/iam/v1/role/permission-config",
            platform(get(roles::permissions)),
        ),
        (
            "/platform/iam/v1/role/{id}",
            platform(axum::routing::delete(roles::delete)),
        ),
        (
            "/platform/iam/v1/user-group",
            platform(get(groups::list).post(groups::create)),
        ),
        (
            "/platform/iam/v1/user-group/{id}",
            platform(axum::routing::patch(groups::edit).delete(groups::delete)),
        ),
        (
            "/platform/iam/v1/scope/{kind}/{id}",
            platform(get(scopes::read).put(scopes::write)),
        ),
        ("/platform/iam/v1/user", platform(get(users::list))),
        (
            "/platform/iam/v1/user/{email}",
            platform(get(users::read).patch(users::edit)),
        ),
        ("/public_api/v1/rbac/get_users", public(post(rbac::users))),
        ("/public_api/v1/rbac/get_roles", public(post(rbac::roles))),
        (
            "/public_api/v1/rbac/get_user_group",
            public(post(rbac::groups)),
        ),
        (
            "/public_api/v1/rbac/set_user_role",
            public(post(rbac::set_user_role)),
        ),
        ("/public_api/v1/healthcheck", public(get(rbac::available))),
        (
            "/public_api/v1/health_check",
            public(get(rbac::health).post(rbac::health)),
        ),
        (
            "/public_api/v1/system/get_tenant_info",
            public(post(rbac::tenant)),
        ),
        (
            "/public_api/v1/get_tenant_info",
            public(post(rbac::tenants)),
        ),
    ]
}

/// Other methods are refused in the shape of the area.
fn only(area: Area, route: MethodRouter<Authority>) -> MethodRouter<Authority> {
    route.fallback(move || async move { No::of(StatusCode::METHOD_NOT_ALLOWED).answer(area) })
}

async fn answer(area: Area, work: impl Future<Output = Result<Response, No>>) -> Response {
    work.await.unwrap_or_else(|no| no.answer(area))
}
