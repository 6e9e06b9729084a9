//! The channels of an organization: where its notices go besides the list of notices.

mod new;
mod one;

use authority::notices::channels::ChannelState;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use credential::id::ChannelId;
use credential::notice::channel::{Channel, Way};
use http::StatusCode;
use maud::{Markup, html};

use super::{Answer, may_write};
use crate::console::Console;
use crate::console::fields::query;
use crate::console::gate::Who;
use crate::console::no::No;
use crate::console::page::{Page, Place};
use crate::console::pages::sign_in::done;
use crate::console::parts::{Tone, at, badge, empty, head, pager};

const PATH: &str = "/console/settings/channels";
/// Rows of a page.
const ROWS: usize = 50;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/settings/channels", get(list))
        .route(
            "/console/settings/channels/new",
            get(new::ask).post(new::make),
        )
        .route("/console/settings/channels/{id}", get(one::show))
        .route("/console/settings/channels/{id}/test", post(one::test))
        .route("/console/settings/channels/{id}/turn", post(one::turn))
        .route(
            "/console/settings/channels/{id}/secret",
            get(one::ask_secret).post(one::secret),
        )
        .route(
            "/console/settings/channels/{id}/remove",
            get(one::ask_remove).post(one::remove),
        )
}

/// A channel's id in a path; whatever is none is of no channel.
fn id(text: &str) -> Result<ChannelId, No> {
    text.parse().map_err(|_| No::NotFound)
}

async fn list(State(console): State<Console>, who: Who) -> Answer {
    let caller = &who.signed_in.caller;
    let after: Option<ChannelId> = who.visit.query.get("after").and_then(|id| id.parse().ok());
    let found = console.authority.channels(caller, None, after, ROWS + 1);
    let mut found = found.await?;
    let more = found.len() > ROWS;
    found.truncate(ROWS);
    let next = found.last().filter(|_| more).map(|last| {
        let id = last.channel.id.to_string();
        format!("{PATH}{}", query(&[("after", &id)]))
    });
    let new = html! { @if may_write(&console, &who).is_ok() { a class="button primary" href="/console/settings/channels/new" data-new { "New channel" } } };
    let body = html! {
        (done(&who.visit))
        (head("Channels for notices", "Where notices go besides the page of notices: as e-mail to people, or as signed requests to a program.", &new))
        @if found.is_empty() {
            (empty("No channels yet", "Without one, notices stand on the page of notices only.", &new))
        } @else {
            div class="scroll" tabindex="0" role="region" aria-label="Channels" {
                table {
                    thead { tr { th scope="col" { "Name" } th scope="col" { "Way" } th scope="col" { "To" } th scope="col" { "Status" } th scope="col" { "Created" } } }
                    tbody {
                        @for known in &found {
                            tr {
                                th scope="row" { a href={ (PATH) "/" (known.channel.id) } { (known.channel.name.as_str()) } }
                                td { (way_words(&known.channel.way)) }
                                td { (receivers(&known.channel)) }
                                td { (state(known)) }
                                td { (at(known.channel.created_at)) }
                            }
                        }
                    }
                }
            }
            (pager(found.len(), after.map(|_| PATH), next.as_deref()))
        }
    };
    let title = "Channels for notices";
    let trail = [("Overview", ""), ("Server settings", "/settings")];
    Ok(page(&console, &who, StatusCode::OK, title, &trail, body))
}

fn way_words(way: &Way) -> &'static str {
    match way {
        Way::Email(_) => "E-mail",
        Way::Webhook(_) => "Webhook",
    }
}

fn receivers(channel: &Channel) -> Markup {
    html! {
        @match &channel.way {
            Way::Email(to) => @for (number, to) in to.iter().enumerate() { @if number > 0 { ", " } (to.as_str()) },
            Way::Webhook(hook) => span class="mono id" { (hook.url.as_str()) },
        }
    }
}

fn state(known: &ChannelState) -> Markup {
    if !known.channel.active {
        badge(Tone::Warn, "Off")
    } else if known.failing {
        badge(Tone::Bad, "Failing")
    } else if known.failing_since.is_some() {
        badge(Tone::Warn, "Trying again")
    } else {
        badge(Tone::Good, "On")
    }
}

fn page(
    console: &Console,
    who: &Who,
    status: StatusCode,
    title: &str,
    trail: &[(&str, &str)],
    body: Markup,
) -> Response {
    Page {
        console,
        who,
        title,
        place: Place::Settings,
        trail,
        body,
    }
    .answer(status)
}
