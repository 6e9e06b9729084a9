//! Dialect `security_cloud_control`: the API keys of Cisco Security Cloud Control and what they open: organizations, users, roles, subscriptions.
//! `contracts/security_cloud_control/CONTRACT.md` says what it promises.

use axum::Router;

use super::{Dialect, Speaker};

/// The product that this dialect speaks for.
pub const PRODUCT: &str = "security_cloud_control";

/// What the rest of the server knows of it.
pub(super) const DIALECT: Dialect = Dialect {
    name: PRODUCT,
    routes,
    bound_routes: |_| Router::new(),
    owns: |_| false,
    dress: |_, response| Box::pin(async move { response }),
};

fn routes(_speaker: &Speaker) -> Router {
    Router::new()
}
