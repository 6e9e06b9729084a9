//! The first page: how many keys there are, and what needs somebody.

use authority::keys::{KeyFilter, KeyOrder};
use authority::notices::NoticeFilter;
use axum::extract::State;
use credential::time::Span;
use http::StatusCode;
use maud::{Markup, html};

use super::Answer;
use super::notices::words;
use crate::console::Console;
use crate::console::gate::Who;
use crate::console::page::{Page, Place};
use crate::console::parts::{ahead, empty, head};

/// Figures are counted up to here: beyond it nobody reads them one by one.
const MOST: usize = 1000;
/// Notices that are shown.
const NOTICES: usize = 8;

pub(super) async fn show(State(console): State<Console>, who: Who) -> Answer {
    let authority = &console.authority;
    let caller = &who.signed_in.caller;
    let now = authority.now();
    let own = || KeyFilter::of(caller.organization);
    let sees_keys = authority.person_may(caller, "latchkey.keys:read");
    let mut cards: Vec<(String, &str, String)> = Vec::new();
    if sees_keys {
        let active = KeyFilter {
            state: Some("active"),
            expires_from: Some(now),
            ..own()
        };
        let expiring = KeyFilter {
            expires_from: Some(now),
            expires_before: Some(now + Span::from_days(30)),
            unrevoked: true,
            ..own()
        };
        let unused = KeyFilter {
            state: Some("active"),
            unused_since: Some(now - Span::from_days(90)),
            ..own()
        };
        let disabled = KeyFilter {
            state: Some("disabled"),
            ..own()
        };
        for (filter, words, to) in [
            (active, "active keys", "/console/keys?state=active"),
            (
                expiring,
                "expire within 30 days",
                "/console/keys?expiring=30",
            ),
            (unused, "not used for 90 days", "/console/keys?unused=90"),
            (disabled, "disabled", "/console/keys?state=disabled"),
        ] {
            let found = authority
                .keys(caller, filter, KeyOrder::Newest, None, MOST)
                .await?
                .len();
            let plus = if found == MOST { "+" } else { "" };
            cards.push((format!("{found}{plus}"), words, to.to_owned()));
        }
    }
    let notices = match authority.person_may(caller, "latchkey.notices:read") {
        true => {
            let filter = NoticeFilter {
                unread: true,
                ..NoticeFilter::default()
            };
            authority.notices(caller, filter, None, NOTICES).await?
        }
        false => Vec::new(),
    };
    let may_make = authority.person_may(caller, "latchkey.keys:create");
    let new = html! { @if may_make { a class="button primary" href="/console/keys/new" data-new { "New key" } } };
    let has_keys = cards.first().is_some_and(|(count, ..)| count != "0");
    let body = html! {
        (head("Overview", "", &new))
        @if sees_keys && !has_keys { (first_steps(may_make)) }
        @if !cards.is_empty() {
            div class="cards" {
                @for (count, words, to) in &cards {
                    a class="card" href=(to) { b { (count) } (words) }
                }
            }
        }
        h2 { "Needs attention" }
        @if notices.is_empty() {
            p class="soft" { "Nothing needs you." }
        } @else {
            ul {
                @for notice in &notices {
                    li { (words(&notice.kind, &notice.body)) " " span class="soft small" { (ahead(notice.created_at, now)) } }
                }
            }
            p { a href="/console/notices" { "All notices" } }
        }
    };
    Ok(Page {
        console: &console,
        who: &who,
        title: "Overview",
        place: Place::Overview,
        trail: &[],
        body,
    }
    .answer(StatusCode::OK))
}

fn first_steps(may_make: bool) -> Markup {
    let act = html! { @if may_make { a class="button primary" href="/console/keys/new" { "Make the first key" } } };
    empty(
        "No keys yet",
        "A key lets a program use one of your products: choose the product, what the key may do, and until when. Its secret is shown once.",
        &act,
    )
}
