//! Scopes and resources: what each product's catalog says, to read.

use authority::catalog::{Per, Product};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use credential::time::Span;
use http::StatusCode;
use maud::{Markup, html};

use super::Answer;
use super::keys::kind_words;
use super::roles::area;
use crate::console::Console;
use crate::console::gate::Who;
use crate::console::no::No;
use crate::console::page::{Page, Place};
use crate::console::parts::{empty, facts, head};

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/scopes", get(list))
        .route("/console/scopes/{product}", get(show))
}

async fn list(State(console): State<Console>, who: Who) -> Answer {
    let caller = &who.signed_in.caller;
    let seen = console.authority.products_seen(caller).await?;
    let body = html! {
        (head("Scopes and resources", "What the catalogs of your products declare. They are files of the server, and are only read here.", &html! {}))
        @if seen.is_empty() {
            (empty("No products", "No product on this server is for you to see.", &html! {}))
        } @else {
            div class="scroll" tabindex="0" role="region" aria-label="Products" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Product" } th scope="col" class="number" { "Scopes" } th scope="col" { "Kinds of key" }
                            th scope="col" { "Resources" } th scope="col" { "Description" }
                        }
                    }
                    tbody {
                        @for seen in &seen {
                            @let product = &seen.product;
                            tr {
                                th scope="row" { a href={ "/console/scopes/" (product.name.as_str()) } { (product.title) } }
                                td class="number" { (product.scopes.values().filter(|entry| !entry.hidden).count()) }
                                td { (kinds(product)) }
                                td { (resources(product)) }
                                td { (product.description) }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(Page {
        console: &console,
        who: &who,
        title: "Scopes and resources",
        place: Place::Scopes,
        trail: &[("Overview", "")],
        body,
    }
    .answer(StatusCode::OK))
}

async fn show(State(console): State<Console>, Path(name): Path<String>, who: Who) -> Answer {
    let name = name.parse().map_err(|_| No::NotFound)?;
    let caller = &who.signed_in.caller;
    let seen = console.authority.product_seen(caller, &name).await?;
    let product = &*seen.product;
    let body = html! {
        (head(&product.title, &product.description, &html! {}))
        (facts(&[
            ("Product", html! { code { (product.name.as_str()) } }),
            ("Kinds of key", kinds(product)),
            ("Resources", resources(product)),
            ("Custom roles", html! { (if product.custom_roles { "Organizations make roles of their own" } else { "Built-in roles only" }) }),
            ("Keys live at most", life(product.max_lifetime, "For ever, if their maker wants it")),
            ("Without a wish they live", life(product.default_lifetime, "For ever")),
            ("After a rotation", html! { "The old secret goes on for " (long(product.default_overlap)) ", at most " (long(product.max_overlap)) }),
            ("Access tokens", html! { "Good for " (long(product.tokens.access_life())) }),
            ("Refresh tokens", life(Some(product.tokens.refresh_life()).filter(|life| *life > Span::ZERO), "None")),
        ]))
        h2 { "Scopes" }
        div class="scroll" tabindex="0" role="region" aria-label="Scopes" {
            table {
                thead { tr { th scope="col" { "Scope" } th scope="col" { "Area" } th scope="col" { "What it permits" } } }
                tbody {
                    @for (scope, entry) in product.scopes.iter().filter(|(_, entry)| !entry.hidden) {
                        tr { th scope="row" { code { (scope.as_str()) } } td { (area(scope.as_str())) } td { (entry.description) } }
                    }
                }
            }
        }
        h2 { "Limits" }
        (limits(product))
        h2 { "Built-in roles" }
        @if seen.roles.is_empty() { p class="soft" { "None that you may see." } }
        ul {
            @for role in &seen.roles {
                li { a href={ "/console/roles/" (role.id) } { (role.name.as_str()) } " " span class="soft" { (role.description.as_str()) } }
            }
        }
    };
    Ok(Page {
        console: &console,
        who: &who,
        title: &product.title,
        place: Place::Scopes,
        trail: &[("Overview", ""), ("Scopes and resources", "/scopes")],
        body,
    }
    .answer(StatusCode::OK))
}

fn kinds(product: &Product) -> Markup {
    let words: Vec<&str> = product.kinds.iter().map(|kind| kind_words(*kind)).collect();
    html! { (words.join(", ")) }
}

fn resources(product: &Product) -> Markup {
    let words: Vec<&str> = product.resource_kinds.iter().map(String::as_str).collect();
    html! { @if words.is_empty() { span class="soft" { "None" } } @else { (words.join(", ")) } }
}

fn limits(product: &Product) -> Markup {
    html! {
        @if product.limits.is_empty() {
            p class="soft" { "None for everybody; a key may have its own." }
        } @else {
            div class="scroll" tabindex="0" role="region" aria-label="Limits" {
                table {
                    thead {
                        tr { th scope="col" { "Limit" } th scope="col" { "At most" } th scope="col" { "Shared by" } th scope="col" { "What it counts" } }
                    }
                    tbody {
                        @for limit in &product.limits {
                            tr {
                                th scope="row" { (limit.name) }
                                td { @for window in &limit.windows { div { (window.quota()) " in any " (long(window.window())) } } }
                                td { (shared(limit.per)) }
                                td { (limit.description) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn shared(per: Per) -> &'static str {
    match per {
        Per::Key => "Nobody: each key has its own",
        Per::Organization => "The keys of an organization",
        Per::Owner => "The keys of an owner",
        Per::Route => "All callers of a route",
    }
}

fn life(span: Option<Span>, none: &str) -> Markup {
    html! { @match span { Some(span) => (long(span)), None => (none) } }
}

/// A length in the largest unit that it is whole in.
fn long(span: Span) -> String {
    let seconds = span.seconds();
    let units = [
        (86_400, "day"),
        (3600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let whole = units
        .into_iter()
        .find(|(unit, _)| seconds % unit == 0 && seconds >= *unit);
    let (unit, word) = whole.unwrap_or((1, "second"));
    let number = seconds / unit;
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {word}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_told_in_the_largest_whole_unit() {
        for (seconds, expected) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (90, "90 seconds"),
            (3600, "1 hour"),
            (64_800, "18 hours"),
            (5_184_000, "60 days"),
        ] {
            assert_eq!(long(Span::from_secs(seconds)), expected);
        }
    }
}
