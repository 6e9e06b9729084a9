//! The list of keys, with its filter in the URL.

use authority::keys::{KeyFilter, KeyOrder, KeyPlace};
use axum::extract::State;
use credential::key::{Key, Kind, State as KeyState};
use credential::time::Span;
use http::StatusCode;
use maud::{Markup, html};

use super::Answer;
use crate::console::Console;
use crate::console::fields::{Fields, query};
use crate::console::gate::Who;
use crate::console::page::{Page, Place};
use crate::console::parts::{ahead, at, badge, conditions, day, empty, head, pager, select};

/// Rows of a page.
const ROWS: usize = 50;
/// What stands in the query, in its order.
const NAMES: [&str; 7] = [
    "search", "product", "kind", "state", "expiring", "unused", "order",
];

pub(super) async fn show(State(console): State<Console>, who: Who) -> Answer {
    let authority = &console.authority;
    let caller = &who.signed_in.caller;
    let now = authority.now();
    let asked = &who.visit.query;
    let order = match asked.text("order") {
        "name" => KeyOrder::Name,
        "oldest" => KeyOrder::Oldest,
        _ => KeyOrder::Newest,
    };
    let days = |name: &str| asked.get(name).and_then(|days| days.parse::<i64>().ok());
    let filter = KeyFilter {
        name_has: asked.get("search").map(str::to_owned),
        product: asked.get("product").and_then(|name| name.parse().ok()),
        kind: asked.get("kind").and_then(Kind::from_word),
        state: ["active", "disabled", "revoked"]
            .into_iter()
            .find(|word| asked.text("state") == *word),
        unrevoked: asked.get("state").is_none(),
        expires_from: days("expiring").map(|_| now),
        expires_before: days("expiring").map(|days| now + Span::from_days(days.clamp(0, 4000))),
        unused_since: days("unused").map(|days| now - Span::from_days(days.clamp(0, 4000))),
        ..KeyFilter::of(caller.organization)
    };
    let after = place(asked);
    let first = after.is_some();
    let mut keys = authority
        .keys(caller, filter, order, after, ROWS + 1)
        .await?;
    let more = keys.len() > ROWS;
    keys.truncate(ROWS);
    let used = authority.last_uses(&keys).await?;
    let world = authority.world();
    let here = |more: &[(&str, &str)]| {
        let pairs: Vec<(&str, &str)> = NAMES
            .iter()
            .map(|name| {
                let new = more.iter().find(|(known, _)| known == name);
                (*name, new.map_or(asked.text(name), |(_, value)| value))
            })
            .chain(
                more.iter()
                    .filter(|(name, _)| !NAMES.contains(name))
                    .copied(),
            )
            .collect();
        format!("/console/keys{}", query(&pairs))
    };
    let next = keys.last().filter(|_| more).map(|last| {
        let id = last.id.to_string();
        here(&[("after", &id), ("after_name", last.name.as_str())])
    });
    let products: Vec<(String, String)> = world
        .products()
        .iter()
        .map(|product| (product.name.as_str().to_owned(), product.title.clone()))
        .collect();
    let products: Vec<(&str, &str)> = std::iter::once(("", "Every product"))
        .chain(
            products
                .iter()
                .map(|(name, title)| (name.as_str(), title.as_str())),
        )
        .collect();
    let filtered = NAMES[..6].iter().any(|name| asked.get(name).is_some());
    let may_make = authority.person_may(caller, "latchkey.keys:create");
    let new = html! { @if may_make { a class="button primary" href="/console/keys/new" data-new { (label(asked)) } } };
    let title = match asked.text("kind") {
        "client" => "API clients",
        "jwt" => "API access keys",
        _ => "API keys",
    };
    let body = html! {
        (head(title, "Every key of this organization that you may see.", &new))
        form method="get" action="/console/keys" role="search" class="inline" {
            div class="field" { label for="f-search" { "Name" } input #f-search type="search" name="search" value=(asked.text("search")); }
            (select("product", "Product", "", &products, asked.text("product"), &[]))
            (select("kind", "Type", "", &KINDS, asked.text("kind"), &[]))
            (select("state", "Status", "", &STATES, asked.text("state"), &[]))
            (select("order", "Order", "", &ORDERS, asked.text("order"), &[]))
            button type="submit" { "Show" }
        }
        ul class="chips" aria-label="Often asked" {
            @for (words, name, value) in CHIPS {
                @let chosen = asked.text(name) == value;
                li { a href=(here(&[(name, if chosen { "" } else { value })])) aria-current=[chosen.then_some("true")] { (words) } }
            }
        }
        @if keys.is_empty() && filtered {
            (empty("No keys match", "No key that you may see fits everything that is asked above.", &html! { a class="button" href="/console/keys" { "Clear the filter" } }))
        } @else if keys.is_empty() {
            (empty("No keys yet", "A key lets a program use one of your products.", &new))
        } @else {
            (table(&console, &keys, &used))
            (pager(keys.len(), first.then(|| here(&[])).as_deref(), next.as_deref()))
        }
    };
    let place = match asked.text("kind") {
        "client" => Place::Clients,
        "jwt" => Place::AccessKeys,
        _ => Place::Keys,
    };
    return Ok(Page {
        console: &console,
        who: &who,
        title,
        place,
        trail: &[("Overview", "")],
        body,
    }
    .answer(StatusCode::OK));

    fn table(console: &Console, keys: &[Key], used: &[Vec<authority::UsageRow>]) -> Markup {
        let now = console.authority.now();
        let world = console.authority.world();
        html! {
            div class="scroll" tabindex="0" role="region" aria-label="Keys" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Name" } th scope="col" { "Status" } th scope="col" { "Type" } th scope="col" { "Product" }
                            th scope="col" { "Roles" } th scope="col" { "Created" } th scope="col" { "Expires" } th scope="col" { "Last used" }
                            th scope="col" { span class="hidden-text" { "What can be done" } }
                        }
                    }
                    tbody {
                        @for (key, uses) in keys.iter().zip(used) {
                            @let used = uses.iter().map(|usage| usage.last_used_at).max();
                            tr {
                                th scope="row" { a href={ "/console/keys/" (key.id) } { (key.name.as_str()) } }
                                td { @for (tone, word) in conditions(key, None, used, now) { (badge(tone, word)) " " } }
                                td { (kind_words(key.kind)) }
                                td { (world.product(&key.product).map_or(key.product.as_str(), |product| &product.title)) }
                                td { (roles(console, key)) }
                                td { (at(key.created_at)) }
                                td { @match key.expires_at { Some(end) => (ahead(end, now)), None => span class="soft" { "Never" } } }
                                td { (day(used, "Never")) }
                                td { (menu(key)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What can be done with a row, and what can be copied of it.
fn menu(key: &Key) -> Markup {
    let row = [
        key.name.as_str(),
        &key.id.to_string(),
        key.product.as_str(),
        key.kind.as_str(),
        key.state.as_str(),
    ]
    .join("\t");
    let path = format!("/console/keys/{}", key.id);
    html! {
        details class="row-menu menu" {
            summary aria-label={ "What can be done with " (key.name.as_str()) } { "⋯" }
            div {
                a href=(path) { "View details" }
                a href={ (path) "?tab=examples" } { "View examples" }
                button type="button" data-copy-cell data-copy-text=(key.id) data-what="Field" { "Copy text" }
                button type="button" data-copy-text=(row) data-what="Row" { "Copy entire row" }
                hr;
                @match key.state {
                    KeyState::Active => { a href={ (path) "/disable" } { "Disable" } a href={ (path) "/rotate" } { "Rotate" } }
                    KeyState::Disabled { .. } => { a href=(path) { "Enable" } }
                    KeyState::Revoked { .. } => {}
                }
                @if !key.is_revoked() { a class="danger" href={ (path) "/revoke" } { "Revoke" } }
            }
        }
    }
}

fn roles(console: &Console, key: &Key) -> Markup {
    let world = console.authority.world();
    let names: Vec<String> = key
        .grants
        .roles()
        .iter()
        .filter_map(|grant| {
            world
                .role(grant.role)
                .map(|role| role.name.as_str().to_owned())
        })
        .collect();
    let scopes = key.grants.scopes().len();
    html! {
        @if let Some(first) = names.first() { (first) }
        @if names.len() > 1 { " " span class="soft" { "+" (names.len() - 1) } }
        @if scopes > 0 { " " span class="soft" { (scopes) (if scopes == 1 { " scope" } else { " scopes" }) } }
    }
}

/// Where a page goes on.
fn place(asked: &Fields) -> Option<KeyPlace> {
    let id = asked.get("after")?.parse().ok()?;
    let name = asked.text("after_name").to_lowercase();
    Some(KeyPlace { id, name })
}

/// What the button for a new one says, by where one came from.
fn label(asked: &Fields) -> &'static str {
    match asked.text("kind") {
        "client" => "New client",
        "jwt" => "Add access key",
        _ => "New key",
    }
}

/// A kind as people call it.
pub(in crate::console) fn kind_words(kind: Kind) -> &'static str {
    match kind {
        Kind::Static => "Standard key",
        Kind::Signed => "Advanced key",
        Kind::Client => "OAuth client",
        Kind::TokenPair => "Access and refresh token",
        Kind::Jwt => "Signed token",
    }
}

const KINDS: [(&str, &str); 6] = [
    ("", "Every type"),
    ("static", "Standard key"),
    ("signed", "Advanced key"),
    ("client", "OAuth client"),
    ("token_pair", "Access and refresh token"),
    ("jwt", "Signed token"),
];
const STATES: [(&str, &str); 4] = [
    ("", "Not revoked"),
    ("active", "Active"),
    ("disabled", "Disabled"),
    ("revoked", "Revoked"),
];
const ORDERS: [(&str, &str); 3] = [
    ("", "Newest first"),
    ("oldest", "Oldest first"),
    ("name", "By name"),
];
const CHIPS: [(&str, &str, &str); 4] = [
    ("Expiring in 30 days", "expiring", "30"),
    ("Unused for 90 days", "unused", "90"),
    ("Disabled", "state", "disabled"),
    ("Revoked", "state", "revoked"),
];
