//! The pages, a file per noun.

mod asked;
mod audit;
mod grants;
mod groups;
mod keys;
mod limits;
mod notices;
mod organizations;
mod overview;
mod people;
mod profile;
mod roles;
mod scopes;
mod server;
mod settings;
mod sign_in;
mod usage;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};

use super::Console;
use super::no::No;

type Answer = Result<Response, No>;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/console", get(overview::show))
        .route("/console/sign-in", get(sign_in::ask).post(sign_in::enter))
        .route("/console/sign-out", post(sign_in::leave))
        .route(
            "/console/set-up",
            get(sign_in::ask_set_up).post(sign_in::set_up),
        )
        .route(
            "/console/organizations/choose",
            get(profile::ask_organization).post(profile::choose_organization),
        )
        .route("/console/profile", get(profile::show))
        .route("/console/profile/theme", post(profile::choose_theme))
        .route("/console/profile/sessions", post(profile::end_others))
        .route("/console/shortcuts", get(profile::shortcuts))
        .merge(audit::routes())
        .merge(groups::routes())
        .merge(keys::routes())
        .merge(limits::routes())
        .merge(notices::routes())
        .merge(organizations::routes())
        .merge(people::routes())
        .merge(roles::routes())
        .merge(scopes::routes())
        .merge(server::routes())
        .merge(settings::routes())
        .merge(usage::routes())
}
