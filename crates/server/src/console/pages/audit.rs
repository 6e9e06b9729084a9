//! The audit trail: who did what, to what, when and from where; verified, and taken along.

use authority::audit::{AuditQuery, AuditReport, Wrong};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use credential::event::{Action, SubjectKind};
use credential::time::Instant;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use maud::{Markup, html};

use super::Answer;
use super::keys::moment;
use crate::api::audit_lines;
use crate::console::Console;
use crate::console::fields::{Fields, query};
use crate::console::gate::{Posted, Who};
use crate::console::no::No;
use crate::console::page::{Page, Place, guard, key_field};
use crate::console::parts::{Field, Tone, empty, facts, head, note, pager, select};

mod list;

/// Rows of a page.
const ROWS: usize = 50;
/// What stands in the query, in its order.
const NAMES: [&str; 7] = [
    "show",
    "action",
    "subject_kind",
    "subject_id",
    "actor_id",
    "from",
    "before",
];

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/audit", get(show))
        .route("/console/audit/verify", post(verify))
        .route("/console/audit/export", post(export))
}

async fn show(State(console): State<Console>, who: Who) -> Answer {
    let authority = &console.authority;
    let caller = &who.signed_in.caller;
    let asked = &who.visit.query;
    let (wanted, wrong) = wanted(asked, operates(&console, &who));
    let status = match wrong.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let place: Option<i64> = asked.get("place").and_then(|place| place.parse().ok());
    let found = authority.audit(caller, wanted, place, ROWS + 1);
    let mut found = found.await?;
    if !wrong.is_empty() {
        found.clear();
    }
    let more = found.len() > ROWS;
    found.truncate(ROWS);
    let here = |place: &str| {
        let named = NAMES.iter().map(|name| (*name, asked.text(name)));
        let pairs: Vec<_> = named.chain([("place", place)]).collect();
        format!("/console/audit{}", query(&pairs))
    };
    let next = found.last().filter(|_| more);
    let next = next.map(|last| here(&last.event.seq.to_string()));
    let body = html! {
        (head("Audit trail", "Every change, and every attempt that was refused: each record is chained to the one before it.", &acts(&console, &who)))
        @for (_, why) in &wrong { (note(Tone::Bad, "Nothing was looked for", &html! { p { (why) } })) }
        (filter(asked, operates(&console, &who), &wrong))
        @if found.is_empty() {
            (empty("No records match", "None that you may see fits everything that is asked above.", &html! { a class="button" href="/console/audit" { "Clear the filter" } }))
        } @else {
            (list::table(&console, &who, &found))
            (pager(found.len(), place.map(|_| here("")).as_deref(), next.as_deref()))
        }
    };
    Ok(page(
        &console,
        &who,
        status,
        "Audit trail",
        &[("Overview", "")],
        body,
    ))
}

/// Whether somebody may see the trail of the whole server.
fn operates(console: &Console, who: &Who) -> bool {
    let home = who.signed_in.caller.home();
    console.authority.world().is_operator(home)
}

/// What is looked for, and what is wrong with how it was asked.
fn wanted(asked: &Fields, operates: bool) -> (AuditQuery, Vec<(String, String)>) {
    let mut wrong = Vec::new();
    let mut bad = |name: &str, why: &str| wrong.push((name.to_owned(), why.to_owned()));
    let mut query = AuditQuery {
        everywhere: operates && asked.text("show") == "server",
        ..AuditQuery::default()
    };
    let filter = &mut query.filter;
    if let Some(word) = asked.get("action") {
        filter.action = word.parse::<Action>().ok();
        if filter.action.is_none() {
            bad("action", "Action: choose one of those offered.");
        }
    }
    if let Some(word) = asked.get("subject_kind") {
        filter.subject_kind = word.parse::<SubjectKind>().ok();
        if filter.subject_kind.is_none() {
            bad("subject_kind", "Done to: choose one of those offered.");
        }
    }
    filter.subject_id = asked.get("subject_id").map(str::to_owned);
    filter.actor_id = asked.get("actor_id").map(str::to_owned);
    filter.from = time(asked, "from", "From", &mut bad);
    filter.before = time(asked, "before", "Before", &mut bad);
    (query, wrong)
}

fn time(
    asked: &Fields,
    name: &str,
    label: &str,
    bad: &mut impl FnMut(&str, &str),
) -> Option<Instant> {
    let text = asked.get(name)?;
    let read = moment(text);
    if read.is_none() {
        bad(
            name,
            &format!("{label}: a date and time such as 2027-01-31T23:59, in UTC."),
        );
    }
    read
}

fn filter(asked: &Fields, operates: bool, wrong: &[(String, String)]) -> Markup {
    let words = |word: &'static str| (word, word);
    let actions: Vec<(&str, &str)> = std::iter::once(("", "Every action"))
        .chain(Action::ALL.iter().map(|known| words(known.as_str())))
        .collect();
    let kinds: Vec<(&str, &str)> = std::iter::once(("", "Everything"))
        .chain(SubjectKind::ALL.iter().map(|known| words(known.as_str())))
        .collect();
    let field = |name, label, kind| {
        Field {
            kind,
            value: asked.text(name),
            wrong,
            ..Field::text(name, label)
        }
        .html()
    };
    html! {
        form method="get" action="/console/audit" role="search" class="inline" {
            @if operates {
                (select("show", "Trail", "", &[("", "This organization"), ("server", "The whole server")], asked.text("show"), &[]))
            }
            (select("action", "Action", "", &actions, asked.text("action"), wrong))
            (select("subject_kind", "Done to", "", &kinds, asked.text("subject_kind"), wrong))
            (field("subject_id", "ID of what it was done to", "text"))
            (field("actor_id", "ID of who did it", "text"))
            (field("from", "From (UTC)", "datetime-local"))
            (field("before", "Before (UTC)", "datetime-local"))
            button type="submit" { "Show" }
        }
    }
}

fn acts(console: &Console, who: &Who) -> Markup {
    let asked = &who.visit.query;
    html! {
        form method="post" action="/console/audit/export" {
            (key_field(who))
            @for name in NAMES {
                @if let Some(value) = asked.get(name) { input type="hidden" name=(name) value=(value); }
            }
            button type="submit" { "Export as JSON lines" }
        }
        @if operates(console, who) {
            form method="post" action="/console/audit/verify" {
                (key_field(who))
                button class="primary" type="submit" { "Verify the chain" }
            }
        }
    }
}

/// Walks the whole trail, and says what was found.
async fn verify(State(console): State<Console>, posted: Posted) -> Answer {
    let who = posted.who;
    let report = console
        .authority
        .verify_audit(&who.signed_in.caller)
        .await?;
    let title = "Verification of the trail";
    let body = html! {
        (head(title, "Every link, every signed checkpoint, and whether every row is the one that the trail tells of.", &html! {}))
        (found(&report))
        (facts(&[
            ("Records looked at", html! { (report.events) }),
            ("Records of issued tokens", html! { (report.issued) }),
            ("Signed checkpoints", html! { (report.checkpoints) }),
            ("Last record", html! { (report.head) }),
            ("Vouched for up to", html! { (report.sealed) }),
        ]))
        @if !report.mismatches.is_empty() {
            h2 { "Rows that disagree with the trail" }
            ul {
                @for mismatch in &report.mismatches {
                    li {
                        (mismatch.subject.kind.as_str()) " " span class="mono" { (mismatch.subject.id) } ": "
                        (match mismatch.wrong {
                            Wrong::Edited => "edited behind the server's back.",
                            Wrong::PutBack => "put back to an earlier state.",
                            Wrong::Deleted => "deleted behind the server's back.",
                            Wrong::Unknown => "unknown to the trail.",
                        })
                    }
                }
            }
        }
        div class="acts" { a class="button" href="/console/audit" { "To the trail" } }
    };
    let trail = [("Overview", ""), ("Audit trail", "/audit")];
    Ok(page(&console, &who, StatusCode::OK, title, &trail, body))
}

fn found(report: &AuditReport) -> Markup {
    html! {
        @if let Some(flaw) = &report.flaw {
            (note(Tone::Bad, "The trail is broken", &html! {
                p { (flaw.to_string()) "." }
                p { "Somebody changed the database behind the server's back. Compare it with a checkpoint or a backup that is kept elsewhere." }
            }))
        } @else if !report.is_good() {
            (note(Tone::Bad, "Rows disagree with the trail", &html! {
                p { "The trail itself is whole, but the rows below are not what it tells of. What depends on them is refused." }
            }))
        } @else {
            (note(Tone::Good, "Nothing is wrong", &html! {
                p { "The trail is whole from its beginning to its end, and every row is the one that it tells of." }
            }))
        }
    }
}

/// The records that are asked for, one JSON object on each line, as fast as the browser reads.
async fn export(State(console): State<Console>, posted: Posted) -> Answer {
    let Posted { who, form } = posted;
    let (wanted, wrong) = wanted(&form, operates(&console, &who));
    if !wrong.is_empty() {
        return Err(No::BadRequest);
    }
    let export = console
        .authority
        .export_audit(&who.signed_in.caller, wanted)
        .await?;
    let mut response = Response::new(audit_lines(export));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-ndjson"),
    );
    headers.insert(
        CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"audit.jsonl\""),
    );
    guard(headers);
    Ok(response)
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
        place: Place::Audit,
        trail,
        body,
    }
    .answer(status)
}
