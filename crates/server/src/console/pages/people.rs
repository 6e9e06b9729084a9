//! Members: the list, one of them, the new one, and what is done to them.

mod change;
mod invite;
mod list;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use credential::id::UserId;
use credential::organization::User;
use http::StatusCode;
use maud::Markup;

use super::Answer;
use crate::console::Console;
use crate::console::gate::Who;
use crate::console::no::No;
use crate::console::page::{Page, Place};

const WRITE: &str = "latchkey.users:write";

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/people", get(list::show))
        .route("/console/people/new", get(invite::ask).post(invite::invite))
        .route("/console/people/{id}", get(list::show_one))
        .route(
            "/console/people/{id}/edit",
            get(change::ask_rename).post(change::rename),
        )
        .route(
            "/console/people/{id}/roles",
            get(change::ask_roles).post(change::set_roles),
        )
        .route(
            "/console/people/{id}/password",
            get(change::ask_password).post(change::set_password),
        )
        .route(
            "/console/people/{id}/disable",
            get(change::ask_disable).post(change::disable),
        )
        .route("/console/people/{id}/enable", post(change::enable))
        .route(
            "/console/people/{id}/remove",
            get(change::ask_remove).post(change::remove),
        )
}

/// A member's id in a path; whatever is none is of nobody.
fn id(text: &str) -> Result<UserId, No> {
    text.parse().map_err(|_| No::NotFound)
}

/// The member that a path is about, if somebody may see them.
async fn seen(console: &Console, who: &Who, text: &str) -> Result<User, No> {
    let caller = &who.signed_in.caller;
    Ok(console.authority.user(caller, id(text)?).await?)
}

/// The same for somebody who is about to change them.
async fn changeable(console: &Console, who: &Who, text: &str) -> Result<User, No> {
    let user = seen(console, who, text).await?;
    must_write(console, who)?;
    Ok(user)
}

fn must_write(console: &Console, who: &Who) -> Result<(), No> {
    match console.authority.person_may(&who.signed_in.caller, WRITE) {
        true => Ok(()),
        false => Err(No::Forbidden(WRITE.to_owned())),
    }
}

/// A page about one member, or about nobody in particular.
fn frame(
    console: &Console,
    who: &Who,
    status: StatusCode,
    title: &str,
    user: Option<&User>,
    body: Markup,
) -> Response {
    let own = user.map(|user| format!("/people/{}", user.id));
    let mut trail = vec![("Overview", ""), ("Members", "/people")];
    if let Some((user, own)) = user.zip(own.as_deref()) {
        trail.push((user.name.as_str(), own));
    }
    Page {
        console,
        who,
        title,
        place: Place::People,
        trail: &trail,
        body,
    }
    .answer(status)
}
