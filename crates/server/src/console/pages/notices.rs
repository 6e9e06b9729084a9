//! Notices: what people should know about their keys, the unread ones first, and marking one as read.

use authority::notices::{Notice, NoticeFilter};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use credential::event::SubjectKind;
use credential::id::NoticeId;
use credential::notice::{CHANNEL_FAILING, REFRESH_REUSED, TAMPERING};
use http::StatusCode;
use maud::{Markup, html};

use super::Answer;
use crate::console::Console;
use crate::console::fields::query;
use crate::console::gate::{Posted, Who};
use crate::console::no::{No, see_other};
use crate::console::page::{Page, Place, key_field};
use crate::console::pages::sign_in::done;
use crate::console::parts::{ahead, empty, head, pager};

const WRITE: &str = "latchkey.notices:write";
/// Rows of a page.
const ROWS: usize = 50;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/notices", get(show))
        .route("/console/notices/{id}/read", post(read))
}

async fn show(State(console): State<Console>, who: Who) -> Answer {
    let authority = &console.authority;
    let caller = &who.signed_in.caller;
    let operates = authority.world().is_operator(caller.home());
    let shown = match who.visit.query.text("show") {
        "all" => "all",
        "server" if operates => "server",
        _ => "",
    };
    let filter = NoticeFilter {
        organization: None,
        everywhere: shown == "server",
        unread: shown.is_empty(),
    };
    let before: Option<NoticeId> = who.visit.query.get("before").and_then(|id| id.parse().ok());
    let found = authority.notices(caller, filter, before, ROWS + 1);
    let mut found = found.await?;
    let more = found.len() > ROWS;
    found.truncate(ROWS);
    let here = |before: &str| {
        let pairs = [("show", shown), ("before", before)];
        format!("/console/notices{}", query(&pairs))
    };
    let next = found.last().filter(|_| more);
    let next = next.map(|last| here(&last.id.to_string()));
    let may_write = authority.person_may(caller, WRITE);
    let mut tabs = vec![("", "Unread"), ("all", "All")];
    if operates {
        tabs.push(("server", "The whole server"));
    }
    let body = html! {
        (done(&who.visit))
        (head("Notices", "What people should know about keys: that they end soon, lie unused, or may have been stolen.", &html! {}))
        nav class="tabs" aria-label="Which notices" {
            @for (word, words) in &tabs {
                a href={ "/console/notices" (query(&[("show", word)])) } aria-current=[(*word == shown).then_some("page")] { (words) }
            }
        }
        @if found.is_empty() {
            (empty("Nothing needs you", match shown {
                "" => "Every notice was read. New ones stand here, and go out over the channels of the organization.",
                _ => "No notice was raised yet.",
            }, &html! {}))
        } @else {
            (table(&console, &who, shown, &found, may_write))
            (pager(found.len(), before.map(|_| here("")).as_deref(), next.as_deref()))
        }
    };
    Ok(Page {
        console: &console,
        who: &who,
        title: "Notices",
        place: Place::Notices,
        trail: &[("Overview", "")],
        body,
    }
    .answer(StatusCode::OK))
}

fn table(console: &Console, who: &Who, shown: &str, found: &[Notice], may_write: bool) -> Markup {
    let now = console.authority.now();
    let sees_keys = console
        .authority
        .person_may(&who.signed_in.caller, "latchkey.keys:read");
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Notices" {
            table {
                thead { tr { th scope="col" { "Notice" } th scope="col" { "Raised" } th scope="col" { "Read" } } }
                tbody {
                    @for notice in found {
                        tr {
                            td {
                                (words(&notice.kind, &notice.body)) " "
                                @if notice.subject.kind == SubjectKind::Key && sees_keys {
                                    a href={ "/console/keys/" (notice.subject.id) } { "Open the key" }
                                } @else {
                                    span class="soft small" { (notice.subject.kind.as_str().replace('_', " ")) " " span class="mono" { (notice.subject.id) } }
                                }
                            }
                            td { (ahead(notice.created_at, now)) }
                            td {
                                @match &notice.read {
                                    Some((at, by)) => { (ahead(*at, now)) " " span class="soft small" { "by " (reader(console, who, by)) } }
                                    None if may_write => {
                                        form method="post" action={ "/console/notices/" (notice.id) "/read" } {
                                            (key_field(who))
                                            input type="hidden" name="show" value=(shown);
                                            button type="submit" { "Mark as read" }
                                        }
                                    }
                                    None => span class="soft" { "Not yet" },
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

async fn read(State(console): State<Console>, Path(text): Path<String>, posted: Posted) -> Answer {
    let Posted { who, form } = posted;
    let id: NoticeId = text.parse().map_err(|_| No::NotFound)?;
    console
        .authority
        .read_notice(&who.signed_in.caller, id)
        .await?;
    let back = query(&[("show", form.text("show")), ("done", "read")]);
    Ok(see_other(&format!("/console/notices{back}")))
}

/// Who read a notice: a person by name, where it is one whom the reader of the page administers too.
fn reader(console: &Console, who: &Who, by: &str) -> String {
    let user = by.strip_prefix("user:").and_then(|id| id.parse().ok());
    let world = console.authority.world();
    let home = who.signed_in.caller.home();
    match user.and_then(|id| world.user(id)) {
        Some(user) if world.administers(home, user.organization) => user.name.as_str().to_owned(),
        _ => by.replace(':', " "),
    }
}

/// A notice as a sentence.
pub(super) fn words(kind: &str, body: &str) -> Markup {
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let thing = match kind {
        TAMPERING => "A record",
        CHANNEL_FAILING => "A channel for notices",
        _ => "A key",
    };
    let named = body["key_name"].as_str().unwrap_or(thing);
    html! {
        strong { (named) } " "
        (match kind {
            "expires_soon" => "expires soon.",
            "expires_very_soon" => "expires very soon.",
            "refresh_due" => "should be refreshed: its refresh token is in its last days.",
            "refresh_lapsed" => "can be refreshed no more: its refresh token lapsed.",
            REFRESH_REUSED => "had a refresh token used twice, which looks like theft: its tokens were ended.",
            "unused" => "has not been used for long.",
            TAMPERING => "disagrees with the audit trail: somebody changed it behind the server's back.",
            CHANNEL_FAILING => "has not got through to anybody for days.",
            other => other,
        })
    }
}
