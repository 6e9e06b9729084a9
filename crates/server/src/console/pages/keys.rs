//! Keys: the list, one key, what is done to it, and the new one.

mod change;
mod detail;
mod issued;
mod list;
mod new;

use axum::Router;
use axum::routing::{get, post};
use credential::id::KeyId;

pub(super) use issued::{once, once_field};
pub(super) use list::kind_words;
pub(super) use new::moment;

use super::Answer;
use crate::console::Console;
use crate::console::no::No;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/keys", get(list::show))
        .route("/console/keys/new", get(new::ask).post(new::make))
        .route("/console/keys/{id}", get(detail::show))
        .route(
            "/console/keys/{id}/disable",
            get(change::ask_disable).post(change::disable),
        )
        .route("/console/keys/{id}/enable", post(change::enable))
        .route(
            "/console/keys/{id}/rotate",
            get(change::ask_rotate).post(change::rotate),
        )
        .route(
            "/console/keys/{id}/revoke",
            get(change::ask_revoke).post(change::revoke),
        )
}

/// A key's id in a path; whatever is none is of no key.
fn id(text: &str) -> Result<KeyId, No> {
    text.parse().map_err(|_| No::NotFound)
}
