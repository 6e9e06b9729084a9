//! Notices: `/api/v1/notices`.

use authority::notices::{Notice, NoticeFilter};
use axum::extract::State;
use axum::response::Response;
use credential::id::NoticeId;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::answer::json;
use super::page::{Page, id};
use super::refusal::problem;
use super::request::{Brief, By, Id, Nothing, Query};
use super::wire::Time;
use super::{Api, Served};
use crate::problem::Problem;

mod channels;

pub(super) fn serve(served: Served) -> Served {
    served
        .at(__path_list, list)
        .at(__path_read, read)
        .group(channels::serve)
}

/// Something that people should know.
#[derive(Serialize, ToSchema)]
#[schema(as = Notice)]
struct NoticeView {
    /// Its identifier.
    #[schema(format = "uuid")]
    id: String,
    /// Whom it is for; `null` is whoever runs the server.
    #[schema(required, format = "uuid")]
    organization_id: Option<String>,
    /// What it says, as a word such as `expires_soon`.
    kind: String,
    /// The kind of thing that it is about, such as `key`.
    subject_kind: &'static str,
    /// Which thing.
    subject_id: String,
    /// More about it.
    #[schema(value_type = Object)]
    detail: Value,
    /// When it was raised.
    created_at: Time,
    /// When somebody had seen it to its end.
    #[schema(required)]
    read_at: Option<Time>,
    /// Who had.
    #[schema(required)]
    read_by: Option<String>,
}

impl From<&Notice> for NoticeView {
    fn from(notice: &Notice) -> Self {
        Self {
            id: notice.id.to_string(),
            organization_id: notice
                .organization
                .map(|organization| organization.to_string()),
            kind: notice.kind.clone(),
            subject_kind: notice.subject.kind.as_str(),
            subject_id: notice.subject.id.clone(),
            detail: serde_json::from_str(&notice.body)
                .unwrap_or_else(|_| Value::Object(Default::default())),
            created_at: Time(notice.created_at),
            read_at: notice.read.as_ref().map(|(at, _)| Time(*at)),
            read_by: notice.read.as_ref().map(|(_, by)| by.clone()),
        }
    }
}

/// A page of notices.
#[derive(Serialize, ToSchema)]
struct Notices {
    /// The notices, the newest first.
    items: Vec<NoticeView>,
    /// Where the next page begins; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Lists notices, the newest first.
#[utoipa::path(get, path = "/api/v1/notices", tag = "notices", operation_id = "listNotices",
    params(
        ("organization_id" = Option<String>, Query, format = "uuid", description = "Whose; absent, those of the caller's organization."),
        ("everywhere" = Option<bool>, Query, description = "All of the server; for its operator only."),
        ("unread" = Option<bool>, Query, description = "Those that nobody has seen to their end."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "The most in the page; 100 when absent."),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before, with the same filter."),
    ),
    responses((status = 200, description = "A page of notices.", body = Notices)))]
async fn list(
    State(api): State<Api>,
    By(caller): By,
    mut query: Query,
) -> Result<Response, Problem> {
    let page = Page::take(&mut query, &format!("notices of {}", caller.organization))?;
    let filter = NoticeFilter {
        organization: query.take("organization_id", "an id")?,
        everywhere: query.take("everywhere", "true or false")?.unwrap_or(false),
        unread: query.take("unread", "true or false")?.unwrap_or(false),
    };
    query.finish()?;
    let before = page.after(id(NoticeId::from_bytes))?;
    let mut found = api
        .authority
        .notices(&caller, filter, before, page.limit + 1)
        .await
        .map_err(problem)?;
    let next_cursor = page.cut(&mut found, |notice| notice.id.as_bytes().to_vec());
    json(
        StatusCode::OK,
        &Notices {
            items: found.iter().map(Into::into).collect(),
            next_cursor,
        },
    )
}

/// Marks a notice as seen to its end.
#[utoipa::path(post, path = "/api/v1/notices/{id}/read", tag = "notices", operation_id = "readNotice",
    request_body(content = Option<Nothing>),
    params(("id" = String, Path, format = "uuid", description = "The notice.")),
    responses((status = 200, description = "The notice as it is now.", body = NoticeView)))]
async fn read(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<NoticeId>,
    _: Brief<Nothing>,
) -> Result<Response, Problem> {
    let notice = api
        .authority
        .read_notice(&caller, id)
        .await
        .map_err(problem)?;
    json(StatusCode::OK, &NoticeView::from(&notice))
}
