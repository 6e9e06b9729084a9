//! Roles: the list, one role, the editor, and who would lose what.

mod edit;
mod list;
mod losses;

use authority::products::SeenProduct;
use authority::{Failure, Refusal};
use axum::Router;
use axum::routing::get;
use credential::id::RoleId;
use credential::name::ProductName;

use super::Answer;
use crate::console::Console;
use crate::console::gate::Who;
use crate::console::no::No;

const WRITE: &str = "latchkey.roles:write";

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/roles", get(list::show))
        .route("/console/roles/new", get(edit::ask_new).post(edit::make))
        .route("/console/roles/{id}", get(list::show_one))
        .route(
            "/console/roles/{id}/edit",
            get(edit::ask_edit).post(edit::edit),
        )
        .route(
            "/console/roles/{id}/delete",
            get(losses::ask_delete).post(losses::delete),
        )
}

/// A role's id in a path; whatever is none is of no role.
fn id(text: &str) -> Result<RoleId, No> {
    text.parse().map_err(|_| No::NotFound)
}

/// The products that somebody may see; none where that takes more than they may.
async fn products(console: &Console, who: &Who) -> Result<Vec<SeenProduct>, No> {
    match console.authority.products_seen(&who.signed_in.caller).await {
        Ok(products) => Ok(products),
        Err(Failure::Refused(Refusal::Forbidden { .. })) => Ok(Vec::new()),
        Err(other) => Err(other.into()),
    }
}

/// A product as people call it.
fn title(console: &Console, name: &ProductName) -> String {
    let world = console.authority.world();
    world
        .product(name)
        .map_or_else(|| name.to_string(), |product| product.title.clone())
}

/// The area of a scope: what stands before the last dot or slash.
pub(super) fn area(scope: &str) -> &str {
    scope.rfind(['.', '/']).map_or(scope, |end| &scope[..end])
}

#[cfg(test)]
mod tests {
    use super::area;

    #[test]
    fn an_area_is_what_stands_before_the_last_part_of_a_scope() {
        for (scope, expected) in [
            ("latchkey.keys:read", "latchkey"),
            ("policies.rules.sets:write", "policies.rules"),
            ("enrich/deliberate:read", "enrich"),
            ("casebook", "casebook"),
        ] {
            assert_eq!(area(scope), expected);
        }
    }
}
