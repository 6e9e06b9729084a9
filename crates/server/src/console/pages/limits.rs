//! How often keys may be used: the limits of each product, and the keys that have limits of their own.

use authority::catalog::{Per, Product};
use authority::keys::{KeyFilter, KeyOrder, KeyPlace};
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use credential::id::KeyId;
use credential::key::Key;
use credential::limit::Limit;
use http::StatusCode;
use maud::{Markup, html};

use super::Answer;
use crate::console::Console;
use crate::console::fields::query;
use crate::console::gate::Who;
use crate::console::no::No;
use crate::console::page::{Page, Place};
use crate::console::parts::head;

/// Keys that one page looks at for limits of their own.
const LOOKED_AT: usize = 500;

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/console/limits", get(show))
}

async fn show(State(console): State<Console>, who: Who) -> Answer {
    let caller = &who.signed_in.caller;
    let seen = console.authority.products_seen(caller).await?;
    let keys = match console.authority.person_may(caller, "latchkey.keys:read") {
        true => own(&console, &who).await?,
        false => html! {},
    };
    let body = html! {
        (head("Rate limits", "How often keys may be used before requests are refused until the window has room again.", &html! {}))
        @for known in &seen {
            @if !known.product.limits.is_empty() { (of_product(&known.product)) }
        }
        @let free: Vec<&str> = seen.iter().filter(|known| known.product.limits.is_empty()).map(|known| known.product.title.as_str()).collect();
        @if !free.is_empty() { p class="soft" { "Without a limit: " (free.join(", ")) "." } }
        (keys)
    };
    Ok(Page {
        console: &console,
        who: &who,
        title: "Rate limits",
        place: Place::Limits,
        trail: &[("Overview", "")],
        body,
    }
    .answer(StatusCode::OK))
}

fn of_product(product: &Product) -> Markup {
    let label = format!("Limits of {}", product.title);
    html! {
        h2 { (product.title) }
        div class="scroll" tabindex="0" role="region" aria-label=(label) {
            table {
                thead { tr { th scope="col" { "Limit" } th scope="col" { "At most" } th scope="col" { "Counted together" } th scope="col" { "For" } } }
                tbody {
                    @for limit in &product.limits {
                        tr {
                            th scope="row" { (limit.name) @if !limit.description.is_empty() { br; span class="soft small" { (limit.description) } } }
                            td { @for window in &limit.windows { (words(window)) br; } }
                            td { (match limit.per {
                                Per::Key => "the requests of each key",
                                Per::Organization => "the keys of an organization",
                                Per::Owner => "the keys of an owner",
                                Per::Route => "everybody who calls the route",
                            }) }
                            td { @if limit.paths.is_empty() { span class="soft" { "What spends it by name" } } @else { @for path in &limit.paths { code { (path) } br; } } }
                        }
                    }
                }
            }
        }
    }
}

/// The keys with limits of their own.
async fn own(console: &Console, who: &Who) -> Result<Markup, No> {
    let caller = &who.signed_in.caller;
    let after: Option<KeyId> = who.visit.query.get("after").and_then(|id| id.parse().ok());
    let place = after.map(|id| KeyPlace {
        id,
        name: String::new(),
    });
    let filter = KeyFilter {
        unrevoked: true,
        ..KeyFilter::of(caller.organization)
    };
    let keys = console
        .authority
        .keys(caller, filter, KeyOrder::Newest, place, LOOKED_AT);
    let keys = keys.await?;
    let next = keys.last().filter(|_| keys.len() == LOOKED_AT);
    let limited: Vec<&Key> = keys.iter().filter(|key| !key.limits.is_empty()).collect();
    Ok(html! {
        h2 { "Keys with limits of their own" }
        @if limited.is_empty() {
            p class="soft" { (if after.is_some() || next.is_some() { "None among the keys of this part." } else { "None: the limits of their products are theirs." }) }
        } @else {
            div class="scroll" tabindex="0" role="region" aria-label="Keys with limits of their own" {
                table {
                    thead { tr { th scope="col" { "Key" } th scope="col" { "Product" } th scope="col" { "At most" } } }
                    tbody {
                        @for key in &limited {
                            tr {
                                th scope="row" { a href={ "/console/keys/" (key.id) } { (key.name.as_str()) } }
                                td { (key.product.as_str()) }
                                td { @for limit in &key.limits { (words(limit)) " " span class="soft" { "(" (limit.name()) ")" } br; } }
                            }
                        }
                    }
                }
            }
        }
        @if let Some(last) = next { p { a class="button" href={ "/console/limits" (query(&[("after", &last.id.to_string())])) } rel="next" { "Look at more keys" } } }
        @if after.is_some() { p { a class="button" href="/console/limits" { "To the beginning" } } }
    })
}

fn words(limit: &Limit) -> String {
    format!(
        "{} in {}",
        limit.quota(),
        super::settings::long(limit.window())
    )
}
