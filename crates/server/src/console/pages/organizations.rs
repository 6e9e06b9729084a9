//! Organizations: the list, one of them, the new one, and what is done to them.

mod change;
mod list;

use axum::Router;
use axum::routing::{get, post};
use credential::id::OrganizationId;
use credential::organization::OrganizationKind;

use super::Answer;
use crate::console::Console;
use crate::console::gate::Who;
use crate::console::no::No;

const WRITE: &str = "latchkey.organizations:write";

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/organizations", get(list::show))
        .route(
            "/console/organizations/new",
            get(change::ask_new).post(change::make),
        )
        .route("/console/organizations/{id}", get(list::show_one))
        .route(
            "/console/organizations/{id}/edit",
            get(change::ask_rename).post(change::rename),
        )
        .route(
            "/console/organizations/{id}/disable",
            get(change::ask_disable).post(change::disable),
        )
        .route("/console/organizations/{id}/enable", post(change::enable))
}

/// An organization's id in a path; whatever is none is of no organization.
fn id(text: &str) -> Result<OrganizationId, No> {
    text.parse().map_err(|_| No::NotFound)
}

/// The kinds of organization that somebody may make where they act: any by the operator, managed ones by a manager.
fn kinds_to_make(console: &Console, who: &Who) -> &'static [OrganizationKind] {
    let caller = &who.signed_in.caller;
    let world = console.authority.world();
    let manages = world
        .organization(caller.organization)
        .is_some_and(|own| own.kind == OrganizationKind::Manager);
    if !console.authority.person_may(caller, WRITE) {
        &[]
    } else if world.is_operator(caller.home()) {
        &[
            OrganizationKind::Standalone,
            OrganizationKind::Manager,
            OrganizationKind::Managed,
        ]
    } else if manages {
        &[OrganizationKind::Managed]
    } else {
        &[]
    }
}

/// A kind as people call it.
fn kind_words(kind: OrganizationKind) -> &'static str {
    match kind {
        OrganizationKind::Standalone => "Standalone",
        OrganizationKind::Manager => "Manager",
        OrganizationKind::Managed => "Managed",
    }
}
