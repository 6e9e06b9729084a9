//! The list of roles, and one of them.

use authority::roles::RoleFilter;
use authority::users::UserFilter;
use axum::extract::{Path, State};
use credential::role::Role;
use http::StatusCode;
use maud::{Markup, html};

use super::{Answer, WRITE, area, id, products, title};
use crate::console::Console;
use crate::console::fields::query;
use crate::console::gate::Who;
use crate::console::no::No;
use crate::console::page::{Page, Place};
use crate::console::pages::sign_in::done;
use crate::console::parts::{Tone, badge, empty, facts, head, pager, select};

/// Rows of a page.
const ROWS: usize = 50;
/// Members with the role that are named on its page.
const MEMBERS: usize = 20;

pub(super) async fn show(State(console): State<Console>, who: Who) -> Answer {
    let authority = &console.authority;
    let caller = &who.signed_in.caller;
    let asked = &who.visit.query;
    let filter = RoleFilter {
        product: asked.get("product").and_then(|name| name.parse().ok()),
        built_in: match asked.text("type") {
            "built-in" => Some(true),
            "custom" => Some(false),
            _ => None,
        },
        ..RoleFilter::default()
    };
    let after = asked.get("after").and_then(|id| id.parse().ok());
    let mut roles = authority.roles(caller, filter, after, ROWS + 1).await?;
    let more = roles.len() > ROWS;
    roles.truncate(ROWS);
    let here = |after: &str| {
        let pairs = [
            ("product", asked.text("product")),
            ("type", asked.text("type")),
            ("after", after),
        ];
        format!("/console/roles{}", query(&pairs))
    };
    let next = roles.last().filter(|_| more);
    let next = next.map(|last| here(&last.id.to_string()));
    let seen = products(&console, &who).await?;
    let offered: Vec<(&str, &str)> = std::iter::once(("", "Every product"))
        .chain(seen.iter().map(|seen| {
            let product = &seen.product;
            (product.name.as_str(), product.title.as_str())
        }))
        .collect();
    let types = [
        ("", "Every type"),
        ("built-in", "Built-in"),
        ("custom", "Custom"),
    ];
    let may_make = authority.person_may(caller, WRITE);
    let new = html! { @if may_make { a class="button primary" href="/console/roles/new" data-new { "New role" } } };
    let filtered = asked.get("product").is_some() || asked.get("type").is_some();
    let body = html! {
        (done(&who.visit))
        (head("Roles", "What people, groups and keys can be given at once. You see those that are within your own rights.", &new))
        form method="get" action="/console/roles" role="search" class="inline" {
            (select("product", "Product", "", &offered, asked.text("product"), &[]))
            (select("type", "Type", "", &types, asked.text("type"), &[]))
            button type="submit" { "Show" }
        }
        @if roles.is_empty() && filtered {
            (empty("No roles match", "There is no role like this that you may see.", &html! { a class="button" href="/console/roles" { "Clear the filter" } }))
        } @else if roles.is_empty() {
            (empty("No roles to see", "Every role of your products is beyond your own rights.", &new))
        } @else {
            div class="scroll" tabindex="0" role="region" aria-label="Roles" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Name" } th scope="col" { "Type" } th scope="col" { "Product" }
                            th scope="col" class="number" { "Scopes" } th scope="col" { "Description" }
                        }
                    }
                    tbody {
                        @for role in &roles {
                            tr {
                                th scope="row" { a href={ "/console/roles/" (role.id) } { (role.name.as_str()) } }
                                td { (kind(role)) }
                                td { (title(&console, &role.product)) }
                                td class="number" { (role.scopes.len()) }
                                td { (role.description.as_str()) }
                            }
                        }
                    }
                }
            }
            (pager(roles.len(), after.map(|_| here("")).as_deref(), next.as_deref()))
        }
    };
    Ok(Page {
        console: &console,
        who: &who,
        title: "Roles",
        place: Place::Roles,
        trail: &[("Overview", "")],
        body,
    }
    .answer(StatusCode::OK))
}

pub(super) async fn show_one(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    let authority = &console.authority;
    let caller = &who.signed_in.caller;
    let role = authority.role(caller, id(&text)?).await?;
    let path = format!("/console/roles/{}", role.id);
    let may_edit = !role.is_built_in() && authority.person_may(caller, WRITE);
    let acts = html! {
        @if may_edit {
            a class="button" href={ (path) "/edit" } { "Edit" }
            a class="button danger" href={ (path) "/delete" } { "Delete" }
        }
    };
    let body = html! {
        (done(&who.visit))
        (head(role.name.as_str(), role.description.as_str(), &acts))
        (facts(&[
            ("Type", kind(&role)),
            ("Product", html! { (title(&console, &role.product)) }),
            ("Role ID", html! { code #role-id { (role.id) } " " button type="button" class="plain" data-copy="role-id" data-what="Role ID" { "Copy" } }),
        ]))
        h2 { "What it permits" }
        (permits(&console, &who, &role).await?)
        (holders(&console, &who, &role).await?)
    };
    Ok(Page {
        console: &console,
        who: &who,
        title: role.name.as_str(),
        place: Place::Roles,
        trail: &[("Overview", ""), ("Roles", "/roles")],
        body,
    }
    .answer(StatusCode::OK))
}

/// Whether it came with the product.
fn kind(role: &Role) -> Markup {
    match role.is_built_in() {
        true => badge(Tone::Plain, "Built-in"),
        false => badge(Tone::Good, "Custom"),
    }
}

/// Its scopes by area, with their descriptions for those who may see the product.
async fn permits(console: &Console, who: &Who, role: &Role) -> Result<Markup, No> {
    let seen = products(console, who).await?;
    let product = seen.iter().find(|seen| seen.product.name == role.product);
    let about = |scope| {
        let entry = product.and_then(|seen| seen.product.scopes.get(scope));
        entry.map_or("", |entry| entry.description.as_str())
    };
    Ok(html! {
        div class="scroll" tabindex="0" role="region" aria-label="Scopes of the role" {
            table {
                thead { tr { th scope="col" { "Scope" } th scope="col" { "Area" } th scope="col" { "What it permits" } } }
                tbody {
                    @for scope in &role.scopes {
                        tr { th scope="row" { code { (scope.as_str()) } } td { (area(scope.as_str())) } td { (about(scope)) } }
                    }
                }
            }
        }
    })
}

/// The members that were given it, for those who may see members.
async fn holders(console: &Console, who: &Who, role: &Role) -> Result<Markup, No> {
    let caller = &who.signed_in.caller;
    if !console.authority.person_may(caller, "latchkey.users:read") {
        return Ok(html! {});
    }
    let filter = UserFilter {
        role: Some(role.id),
        ..UserFilter::default()
    };
    let found = console.authority.users(caller, filter, None, MEMBERS + 1);
    let found = found.await?;
    Ok(html! {
        h2 { "Members with this role" }
        @if found.is_empty() { p class="soft" { "Nobody was given it by name." } }
        ul {
            @for user in found.iter().take(MEMBERS) {
                li { a href={ "/console/people/" (user.id) } { (user.name.as_str()) } " " span class="soft" { (user.email.as_str()) } }
            }
        }
        @if found.len() > MEMBERS { p { a href={ "/console/people" (query(&[("role", &role.id.to_string())])) } { "All members with this role" } } }
    })
}
