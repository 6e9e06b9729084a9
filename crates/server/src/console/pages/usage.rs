//! How keys are used: every key with its last use, and one of them by the hour, as a chart and as a table.

mod chart;

use authority::HourCount;
use authority::keys::{KeyFilter, KeyOrder, KeyPlace};
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use credential::id::KeyId;
use credential::key::Key;
use credential::time::{Instant, Span};
use http::StatusCode;
use maud::{Markup, html};

use super::Answer;
use crate::console::Console;
use crate::console::fields::query;
use crate::console::gate::Who;
use crate::console::no::No;
use crate::console::page::{Page, Place};
use crate::console::parts::{at, day, empty, facts, head, pager};

/// Rows of a page.
const ROWS: usize = 50;
/// Hours that are shown: seven days, and the one that is not over.
const HOURS: i64 = 168;

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/console/usage", get(show))
}

async fn show(State(console): State<Console>, who: Who) -> Answer {
    match who.visit.query.get("key") {
        Some(id) => {
            let id: KeyId = id.parse().map_err(|_| No::NotFound)?;
            of_key(&console, &who, id).await
        }
        None => list(&console, &who).await,
    }
}

/// Every key with its last use.
async fn list(console: &Console, who: &Who) -> Answer {
    let authority = &console.authority;
    let caller = &who.signed_in.caller;
    let asked = &who.visit.query;
    let filter = KeyFilter {
        name_has: asked.get("search").map(str::to_owned),
        ..KeyFilter::of(caller.organization)
    };
    let after: Option<KeyId> = asked.get("after").and_then(|id| id.parse().ok());
    let place = after.map(|id| KeyPlace {
        id,
        name: String::new(),
    });
    let keys = authority.keys(caller, filter, KeyOrder::Newest, place, ROWS + 1);
    let mut keys = keys.await?;
    let more = keys.len() > ROWS;
    keys.truncate(ROWS);
    let used = authority.last_uses(&keys).await?;
    let here = |after: &str| {
        let pairs = [("search", asked.text("search")), ("after", after)];
        format!("/console/usage{}", query(&pairs))
    };
    let next = keys.last().filter(|_| more);
    let next = next.map(|last| here(&last.id.to_string()));
    let body = html! {
        (head("Usage", "How often each key was used, and when it last was. Choose one to see its last seven days by the hour.", &html! {}))
        form method="get" action="/console/usage" role="search" class="inline" {
            div class="field" { label for="f-search" { "Name" } input #f-search type="search" name="search" value=(asked.text("search")); }
            button type="submit" { "Show" }
        }
        @if keys.is_empty() {
            (empty("No keys match", "No key that you may see fits what is asked above.", &html! { a class="button" href="/console/usage" { "Clear the filter" } }))
        } @else {
            div class="scroll" tabindex="0" role="region" aria-label="Keys and their use" {
                table {
                    thead { tr { th scope="col" { "Key" } th scope="col" { "Product" } th scope="col" class="number" { "Uses in all" } th scope="col" { "Last used" } } }
                    tbody {
                        @for (key, rows) in keys.iter().zip(&used) {
                            tr {
                                th scope="row" { a href={ "/console/usage" (query(&[("key", &key.id.to_string())])) } { (key.name.as_str()) } }
                                td { (key.product.as_str()) }
                                td class="number" { (rows.iter().map(|row| row.uses).sum::<u64>()) }
                                td { (day(rows.iter().map(|row| row.last_used_at).max(), "Never")) }
                            }
                        }
                    }
                }
            }
            (pager(keys.len(), after.map(|_| here("")).as_deref(), next.as_deref()))
        }
    };
    Ok(Page {
        console,
        who,
        title: "Usage",
        place: Place::Usage,
        trail: &[("Overview", "")],
        body,
    }
    .answer(StatusCode::OK))
}

/// One key by the hour.
async fn of_key(console: &Console, who: &Who, id: KeyId) -> Answer {
    let authority = &console.authority;
    let caller = &who.signed_in.caller;
    let key = authority.key(caller, id).await?;
    let (from, before) = window(authority.now());
    let counts = authority.hourly_usage(caller, id, from, before).await?;
    let hours = filled(&counts, from);
    let title = format!("Usage of {}", key.name.as_str());
    let body = html! {
        (head(&title, "Its last seven days by the hour, in UTC. What was used in the last seconds may not be counted yet.", &html! { a class="button" href={ "/console/keys/" (key.id) } { "Open the key" } }))
        (totals(&key, &counts))
        @if counts.is_empty() {
            p class="soft" { "It was not used in these seven days." }
        } @else {
            (chart::bars(&hours))
            details {
                summary { "The same as a table" }
                (table(&counts))
            }
        }
    };
    Ok(Page {
        console,
        who,
        title: &title,
        place: Place::Usage,
        trail: &[("Overview", ""), ("Usage", "/usage")],
        body,
    }
    .answer(StatusCode::OK))
}

/// From the beginning of an hour seven days ago to the end of the present one.
fn window(now: Instant) -> (Instant, Instant) {
    let hour = Span::from_hours(1).millis();
    let present = Instant::from_millis(now.millis() - now.millis().rem_euclid(hour));
    let before = present + Span::from_hours(1);
    (before - Span::from_hours(HOURS), before)
}

/// Every hour of the window, those without a use too.
fn filled(counts: &[HourCount], from: Instant) -> Vec<HourCount> {
    let of = |hour| counts.iter().find(|count| count.hour == hour).copied();
    (0..HOURS)
        .map(|number| {
            let hour = from + Span::from_hours(number);
            of(hour).unwrap_or(HourCount {
                hour,
                allowed: 0,
                refused: 0,
            })
        })
        .collect()
}

fn totals(key: &Key, counts: &[HourCount]) -> Markup {
    let allowed: u64 = counts.iter().map(|count| count.allowed).sum();
    let refused: u64 = counts.iter().map(|count| count.refused).sum();
    facts(&[
        ("Product", html! { (key.product.as_str()) }),
        ("Allowed", html! { (allowed) }),
        ("Refused", html! { (refused) }),
    ])
}

fn table(counts: &[HourCount]) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Uses by the hour" {
            table {
                thead { tr { th scope="col" { "Hour from" } th scope="col" class="number" { "Allowed" } th scope="col" class="number" { "Refused" } } }
                tbody {
                    @for count in counts.iter().rev() {
                        tr { th scope="row" { (at(count.hour)) } td class="number" { (count.allowed) } td class="number" { (count.refused) } }
                    }
                }
            }
        }
    }
}
