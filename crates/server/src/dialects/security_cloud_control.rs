//! Dialect `security_cloud_control`: the API keys of Cisco Security Cloud Control and what they open: organizations, users,
//! roles, groups, subscriptions. `contracts/security_cloud_control/CONTRACT.md` says what it promises.

mod call;
mod errors;
mod groups;
mod keys;
mod organizations;
mod roles;
mod subscriptions;
mod token;
mod translate;
mod users;
mod wire;

use authority::Authority;
use axum::Router;
use axum::routing::{MethodRouter, get, post};
use credential::subscription::Offer;
use http::StatusCode;

use super::{Dialect, Speaker};
use errors::No;

/// The product that this dialect speaks for.
pub const PRODUCT: &str = "security_cloud_control";

/// What organizations can claim by its code.
pub fn offers() -> Result<&'static [Offer], &'static toml::de::Error> {
    subscriptions::offers()
}

/// What the rest of the server knows of it.
pub(super) const DIALECT: Dialect = Dialect {
    name: PRODUCT,
    routes,
    bound_routes: |_| Router::new(),
    owns: errors::owns,
    dress: |path, response| Box::pin(errors::dress(path, response)),
};

fn routes(speaker: &Speaker) -> Router {
    Router::new()
        .merge(keys_below("/v1/organizations/{organization}"))
        // Where the vendor's console asks, about the caller's own organization.
        .merge(keys_below("/v1/api/applications"))
        .route(
            "/v1/api/applications/access_token",
            only(post(token::by_form)),
        )
        .route(
            "/v1/organizations/{organization}/apiKeys/{key}/token",
            only(post(token::refresh)),
        )
        .merge(organizations_and_people())
        .merge(groups_of_people())
        .merge(what_was_claimed())
        .with_state(speaker.authority.clone())
}

fn organizations_and_people() -> Router<Authority> {
    Router::new()
        .route(
            "/v1/organizations",
            only(get(organizations::list).post(organizations::create)),
        )
        .route(
            "/v1/organizations/{organization}",
            only(get(organizations::read).put(organizations::rename)),
        )
        .route(
            "/v1/organizations/{organization}/users",
            only(get(users::list).patch(users::patch)),
        )
        .route(
            "/v1/organizations/{organization}/users/{user}",
            only(get(users::read).put(users::rename)),
        )
        .route(
            "/v1/organizations/{organization}/roles",
            only(get(roles::list)),
        )
        .route(
            "/v1/organizations/{organization}/roles/{role}",
            only(get(roles::read).patch(roles::assign)),
        )
}

fn groups_of_people() -> Router<Authority> {
    Router::new()
        .route(
            "/v1/organizations/{organization}/users/{user}/groups",
            only(get(groups::of_user)),
        )
        .route(
            "/v1/organizations/{organization}/adminGroups",
            only(get(groups::list).post(groups::create)),
        )
        .route(
            "/v1/organizations/{organization}/adminGroups/{group}",
            only(
                get(groups::read)
                    .put(groups::edit)
                    .patch(groups::patch)
                    .delete(groups::delete),
            ),
        )
        .route(
            "/v1/organizations/{organization}/adminGroups/{group}/users",
            only(get(groups::users_of)),
        )
        .route(
            "/v1/organizations/{organization}/adminGroups/{group}/roles",
            only(get(groups::roles_of)),
        )
        .route(
            "/v1/organizations/{organization}/adminGroups/{group}/managedOrgs",
            only(get(groups::organizations_of)),
        )
}

fn what_was_claimed() -> Router<Authority> {
    Router::new()
        .route(
            "/v1/organizations/{organization}/subscriptions",
            only(get(subscriptions::list).post(subscriptions::claim)),
        )
        .route(
            "/v1/organizations/{organization}/subscriptions/claimInfo",
            only(post(subscriptions::claim_info)),
        )
        .route(
            "/v1/organizations/{organization}/subscriptions/{subscription}",
            only(
                get(subscriptions::read)
                    .put(subscriptions::turn)
                    .patch(subscriptions::share),
            ),
        )
}

fn keys_below(root: &str) -> Router<Authority> {
    Router::new()
        .route(
            &format!("{root}/apiKeys"),
            only(get(keys::list).post(keys::generate)),
        )
        .route(
            &format!("{root}/apiKeys/{{key}}"),
            only(get(keys::read).delete(keys::delete)),
        )
        .route(
            &format!("{root}/apiKeys/{{key}}/disable"),
            only(post(keys::disable)),
        )
        .route(
            &format!("{root}/apiKeys/{{key}}/enable"),
            only(post(keys::enable)),
        )
}

/// Other methods are refused in the shape of the dialect.
fn only(route: MethodRouter<Authority>) -> MethodRouter<Authority> {
    route.fallback(|| async { No::of(StatusCode::METHOD_NOT_ALLOWED) })
}
