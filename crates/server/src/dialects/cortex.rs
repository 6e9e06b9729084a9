//! Dialect `cortex`: the API keys of Palo Alto Cortex (XDR, XSIAM, Cortex Cloud).
//! `contracts/cortex/CONTRACT.md` says what it promises.

use axum::Router;

use super::{Dialect, Speaker};

/// The product that this dialect speaks for.
pub const PRODUCT: &str = "cortex";

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
