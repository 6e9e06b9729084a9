//! Dialect `securecloud`: the API access keys of Tufin SecureCloud.
//! `contracts/securecloud/CONTRACT.md` says what it promises.

use axum::Router;

use super::{Dialect, Speaker};

/// The product that this dialect speaks for.
pub const PRODUCT: &str = "securecloud";

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
