//! Groups: the list, one of them, and the form that makes and edits them.

mod edit;
mod list;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use credential::group::Group;
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
        .route("/console/groups", get(list::show))
        .route("/console/groups/new", get(edit::ask_new).post(edit::make))
        .route("/console/groups/{id}", get(list::show_one))
        .route(
            "/console/groups/{id}/edit",
            get(edit::ask_edit).post(edit::edit),
        )
        .route(
            "/console/groups/{id}/remove",
            get(edit::ask_remove).post(edit::remove),
        )
}

/// The group that a path is about, if somebody may see it; whatever is no id is of no group.
async fn seen(console: &Console, who: &Who, text: &str) -> Result<Group, No> {
    let id = text.parse().map_err(|_| No::NotFound)?;
    let caller = &who.signed_in.caller;
    Ok(console.authority.group(caller, id).await?)
}

/// Whether somebody may change a group of this organization.
fn may_write(console: &Console, who: &Who, group: Option<&Group>) -> bool {
    let caller = &who.signed_in.caller;
    let organization = group.map_or(caller.organization, |group| group.organization);
    console
        .authority
        .person_may(&who.caller_in(organization), WRITE)
}

fn frame(
    console: &Console,
    who: &Who,
    status: StatusCode,
    title: &str,
    group: Option<&Group>,
    body: Markup,
) -> Response {
    let own = group.map(|group| format!("/groups/{}", group.id));
    let mut trail = vec![("Overview", ""), ("Groups", "/groups")];
    if let Some((group, own)) = group.zip(own.as_deref()) {
        trail.push((group.name.as_str(), own));
    }
    Page {
        console,
        who,
        title,
        place: Place::Groups,
        trail: &trail,
        body,
    }
    .answer(status)
}
