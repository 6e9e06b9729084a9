//! The audit trail: `/api/v1/audit`.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use authority::audit::{AuditExport, AuditQuery, AuditReport, Wrong};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use credential::event::{Action, Sealed, SubjectKind};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use hyper::body::Frame;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::answer::{json, raw};
use super::page::{Page, number};
use super::refusal::problem;
use super::request::{By, Query};
use super::wire::Time;
use super::{Api, Served};
use crate::problem::Problem;

pub(super) fn serve(served: Served) -> Served {
    served
        .at(__path_list, list)
        .at(__path_verify, verify)
        .at(__path_export, export)
}

/// One record of the audit trail.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEvent)]
struct EventView {
    /// Its place in the trail.
    seq: i64,
    /// When.
    at: Time,
    /// The organization in whose trail it belongs; `null` for the server's own.
    #[schema(required, format = "uuid")]
    organization_id: Option<String>,
    /// Who did it.
    actor: ActorView,
    /// What was done, as a word such as `key.revoked`.
    action: &'static str,
    /// The kind of thing it was done to.
    subject_kind: &'static str,
    /// Which thing.
    subject_id: String,
    /// The version of the thing since then; 0 when the event is about no row.
    subject_version: i64,
    /// More about it.
    #[schema(value_type = Object)]
    detail: Value,
    /// The link of the chain, in hexadecimal.
    hash: String,
}

/// Who did something, and from where.
#[derive(Serialize, ToSchema)]
#[schema(as = Actor)]
struct ActorView {
    /// `key`, `user`, `system`, `setup` or `nobody`.
    kind: &'static str,
    /// The key or the user; empty for the others.
    id: String,
    /// The organization that the actor belongs to.
    #[schema(required, format = "uuid")]
    organization_id: Option<String>,
    /// The address it came from.
    #[schema(required)]
    address: Option<String>,
    /// The request, as the answer and the log name it.
    #[schema(required)]
    request_id: Option<String>,
}

impl From<&Sealed> for EventView {
    fn from(sealed: &Sealed) -> Self {
        let event = &sealed.event;
        Self {
            seq: event.seq,
            at: Time(event.at),
            organization_id: event
                .organization
                .map(|organization| organization.to_string()),
            actor: ActorView {
                kind: event.actor.kind.as_str(),
                id: event.actor.id.clone(),
                organization_id: event
                    .actor
                    .organization
                    .map(|organization| organization.to_string()),
                address: event.actor.address.map(|address| address.to_string()),
                request_id: event.actor.request_id.clone(),
            },
            action: event.action.as_str(),
            subject_kind: event.subject.kind.as_str(),
            subject_id: event.subject.id.clone(),
            subject_version: event.subject_version,
            detail: serde_json::from_str(&event.detail)
                .unwrap_or_else(|_| Value::Object(Default::default())),
            hash: hex(&sealed.hash),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A page of the trail.
#[derive(Serialize, ToSchema)]
struct AuditEvents {
    /// The events, the newest first.
    items: Vec<EventView>,
    /// Where the next page begins; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Lists the events of one organization, the newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", operation_id = "listAudit",
    params(
        ("organization_id" = Option<String>, Query, format = "uuid", description = "Whose trail; absent, that of the caller's organization."),
        ("everywhere" = Option<bool>, Query, description = "All of the server; for its operator only."),
        ("action" = Option<String>, Query, description = "What was done, such as key.revoked."),
        ("subject_kind" = Option<String>, Query, description = "The kind of thing it was done to, such as key."),
        ("subject_id" = Option<String>, Query, description = "Which thing."),
        ("actor_id" = Option<String>, Query, description = "Who did it: the id of a key or a user."),
        ("from" = Option<Time>, Query, description = "Events at this moment or later."),
        ("before" = Option<Time>, Query, description = "Events before this moment."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "The most in the page; 100 when absent."),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before, with the same filter."),
    ),
    responses((status = 200, description = "A page of the trail.", body = AuditEvents)))]
async fn list(
    State(api): State<Api>,
    By(caller): By,
    mut query: Query,
) -> Result<Response, Problem> {
    let page = Page::take(&mut query, &format!("audit of {}", caller.organization))?;
    let wanted = read_query(&mut query)?;
    query.finish()?;
    let before = page.after(number)?;
    let mut found = api
        .authority
        .audit(&caller, wanted, before, page.limit + 1)
        .await
        .map_err(problem)?;
    let next_cursor = page.cut(&mut found, |sealed| sealed.event.seq.to_be_bytes().to_vec());
    json(
        StatusCode::OK,
        &AuditEvents {
            items: found.iter().map(Into::into).collect(),
            next_cursor,
        },
    )
}

fn read_query(query: &mut Query) -> Result<AuditQuery, Problem> {
    const MOMENT: &str = "a moment such as 2026-01-31T23:59:59Z";
    let mut wanted = AuditQuery {
        everywhere: query.take("everywhere", "true or false")?.unwrap_or(false),
        ..Default::default()
    };
    let filter = &mut wanted.filter;
    filter.organization = query.take("organization_id", "an id")?;
    filter.action = query.take::<Action>("action", "a word of the trail such as key.revoked")?;
    filter.subject_kind =
        query.take::<SubjectKind>("subject_kind", "a kind of thing such as key")?;
    filter.subject_id = query.text("subject_id")?;
    filter.actor_id = query.text("actor_id")?;
    filter.from = query.take::<Time>("from", MOMENT)?.map(|Time(at)| at);
    filter.before = query.take::<Time>("before", MOMENT)?.map(|Time(at)| at);
    Ok(wanted)
}

/// What a verification of the trail found.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditReport)]
struct ReportView {
    /// Whether nothing bad was found.
    ok: bool,
    /// Events of the main chain that were looked at.
    events: u64,
    /// Events of the issuance chains that were looked at.
    issued: u64,
    /// Checkpoints whose signatures hold.
    checkpoints: u64,
    /// The place of the last event.
    head: i64,
    /// The last place that a signed checkpoint vouches for.
    sealed: i64,
    /// The first bad place of the trail itself, in words.
    #[schema(required)]
    first_bad: Option<String>,
    /// Rows that disagree with the trail; looked for only in a trail that is good itself.
    mismatches: Vec<MismatchView>,
}

/// A row that disagrees with the trail.
#[derive(Serialize, ToSchema)]
#[schema(as = Mismatch)]
struct MismatchView {
    /// The kind of thing.
    subject_kind: &'static str,
    /// Which thing.
    subject_id: String,
    /// What is wrong with it: `edited`, `put_back`, `deleted` or `unknown` to the trail.
    wrong: &'static str,
}

impl From<&AuditReport> for ReportView {
    fn from(report: &AuditReport) -> Self {
        Self {
            ok: report.is_good(),
            events: report.events,
            issued: report.issued,
            checkpoints: report.checkpoints,
            head: report.head,
            sealed: report.sealed,
            first_bad: report.flaw.as_ref().map(ToString::to_string),
            mismatches: report
                .mismatches
                .iter()
                .map(|mismatch| MismatchView {
                    subject_kind: mismatch.subject.kind.as_str(),
                    subject_id: mismatch.subject.id.clone(),
                    wrong: wrong(mismatch.wrong),
                })
                .collect(),
        }
    }
}

fn wrong(wrong: Wrong) -> &'static str {
    match wrong {
        Wrong::Edited => "edited",
        Wrong::PutBack => "put_back",
        Wrong::Deleted => "deleted",
        Wrong::Unknown => "unknown",
    }
}

/// Verifies the whole trail: every link, every signed checkpoint, and that every row is the one the trail tells of.
#[utoipa::path(get, path = "/api/v1/audit/verify", tag = "audit", operation_id = "verifyAudit",
    responses((status = 200, description = "What was found.", body = ReportView)))]
async fn verify(State(api): State<Api>, By(caller): By) -> Result<Response, Problem> {
    let report = api.authority.verify_audit(&caller).await.map_err(problem)?;
    json(StatusCode::OK, &ReportView::from(&report))
}

/// How long a client may take for one batch of an export before it is given up.
const EXPORT_BATCH: Duration = Duration::from_secs(60);

/// Exports the trail as JSON lines. The whole of it, with its checkpoints, can be verified elsewhere.
#[utoipa::path(get, path = "/api/v1/audit/export", tag = "audit", operation_id = "exportAudit",
    params(
        ("organization_id" = Option<String>, Query, format = "uuid", description = "Whose trail; absent, that of the caller's organization."),
        ("everywhere" = Option<bool>, Query, description = "All of the server, with its checkpoints; for its operator only."),
        ("action" = Option<String>, Query, description = "What was done, such as key.revoked."),
        ("subject_kind" = Option<String>, Query, description = "The kind of thing it was done to, such as key."),
        ("subject_id" = Option<String>, Query, description = "Which thing."),
        ("actor_id" = Option<String>, Query, description = "Who did it: the id of a key or a user."),
        ("from" = Option<Time>, Query, description = "Events at this moment or later."),
        ("before" = Option<Time>, Query, description = "Events before this moment."),
    ),
    responses((status = 200, description = "One JSON object on each line.", body = String, content_type = "application/x-ndjson")))]
async fn export(
    State(api): State<Api>,
    By(caller): By,
    mut query: Query,
) -> Result<Response, Problem> {
    let wanted = read_query(&mut query)?;
    query.finish()?;
    let export = api
        .authority
        .export_audit(&caller, wanted)
        .await
        .map_err(problem)?;
    let mut response = raw(StatusCode::OK, lines(export));
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-ndjson"),
    );
    Ok(response)
}

/// The lines batch by batch, as fast as the client reads: one batch is held in memory.
pub(crate) fn lines(mut export: AuditExport) -> Body {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, std::io::Error>>(1);
    tokio::spawn(async move {
        loop {
            let batch = match export.next_lines().await {
                Ok(Some(lines)) => Ok(Frame::data(Bytes::from(lines))),
                Ok(None) => return,
                Err(failure) => {
                    tracing::error!(
                        error = &failure as &dyn std::error::Error,
                        "an export broke off"
                    );
                    Err(std::io::Error::other("the export broke off"))
                }
            };
            let broken = batch.is_err();
            let sent = tokio::time::timeout(EXPORT_BATCH, sender.send(batch)).await;
            if broken || !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    });
    Body::new(Received(receiver))
}

/// What is received as the body of an answer.
struct Received(tokio::sync::mpsc::Receiver<Result<Frame<Bytes>, std::io::Error>>);

impl hyper::body::Body for Received {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(cx)
    }
}
