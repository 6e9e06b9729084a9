//! Reading bodies: with a limit, in time, as JSON or form, with errors that name the member.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Sleep;

use super::{Arrival, tls};
use crate::config::Limits;
use crate::problem::{Kind, Problem};

mod json;

/// What a body may cost, from `[limits]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Bytes of an ordinary body.
    pub body: usize,
    /// Bytes of an administrative body.
    pub admin_body: usize,
    /// How long the whole of it may take to arrive.
    pub time: Duration,
    /// How deep its JSON may nest.
    pub depth: usize,
}

impl From<&Limits> for Reading {
    fn from(limits: &Limits) -> Self {
        Self {
            body: limits.body.0,
            admin_body: limits.admin_body.0,
            time: tls::duration(limits.body_time),
            depth: usize::try_from(limits.json_depth).unwrap_or(usize::MAX),
        }
    }
}

/// Why a body could not be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// It is longer than its limit.
    #[error("the body is too large")]
    TooLarge,
    /// It paused, or took, too long.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The connection broke or the framing is wrong.
    #[error("the body broke off")]
    Broken,
}

impl BodyFault {
    /// The answer to it.
    pub fn problem(self) -> Problem {
        match self {
            BodyFault::TooLarge => Problem::new(Kind::BodyTooLarge),
            BodyFault::TooSlow => Problem::new(Kind::TooSlow),
            BodyFault::Broken => Problem::new(Kind::MalformedBody).because("The body broke off."),
        }
    }
}

/// Reads a whole body of at most `limit` bytes within `time`. A length that is announced above the
/// limit is refused before a byte is read.
///
/// # Errors
/// [`BodyFault`]; an encoded body is refused by [`refuse_encoding`], which comes first.
pub async fn read(body: Body, limit: usize, time: Duration) -> Result<Bytes, BodyFault> {
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(BodyFault::TooLarge);
    }
    match tokio::time::timeout(time, Limited::new(body, limit).collect()).await {
        Err(_) => Err(BodyFault::TooSlow),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyFault::TooLarge),
        Ok(Err(_)) => Err(BodyFault::Broken),
    }
}

/// Refuses a body that says it is compressed: a small one can hide a large one.
///
/// # Errors
/// The problem `encoded-body`.
pub fn refuse_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let plain = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().all(plain) {
        Ok(())
    } else {
        Err(Kind::EncodedBody.into())
    }
}

/// Whether the one `Content-Type` is this media type, whatever its parameters.
pub fn is_media_type(headers: &HeaderMap, expected: &str) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else {
        return false;
    };
    let essence = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(expected)
}

/// A JSON body within `limits.body`, as a handler's argument.
///
/// The type should refuse unknown members (`#[serde(deny_unknown_fields)]`).
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

/// A JSON body within `limits.admin_body`, for batches and administration.
#[derive(Debug, Clone, Copy)]
pub struct LargeJson<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read_json(request, |reading| reading.body).await.map(Json)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for LargeJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read_json(request, |reading| reading.admin_body)
            .await
            .map(LargeJson)
    }
}

async fn read_json<T: DeserializeOwned>(
    request: Request,
    limit: fn(&Reading) -> usize,
) -> Result<T, Problem> {
    let (head, body) = request.into_parts();
    let arrival = head
        .extensions
        .get::<Arc<Arrival>>()
        .ok_or(Kind::Internal)?;
    refuse_encoding(&head.headers)?;
    if !is_media_type(&head.headers, "application/json") {
        return Err(Kind::UnsupportedMediaType.into());
    }
    let reading = arrival.reading;
    let bytes = read(body, limit(&reading), reading.time)
        .await
        .map_err(BodyFault::problem)?;
    parse(&bytes, reading.depth)
}

/// Reads a JSON document of at most this depth.
///
/// # Errors
/// `malformed-body` when it is no JSON or too deep or too rich, `invalid-member` with a pointer to
/// the member that does not fit. Neither repeats a value.
pub fn parse<'b, T: Deserialize<'b>>(bytes: &'b [u8], depth: usize) -> Result<T, Problem> {
    json::check(bytes, depth)?;
    serde_json::from_slice(bytes).map_err(|error| json::problem(bytes, &error))
}

/// A body that may not pause for longer than `idle` between two frames. The clock only runs while
/// a frame is waited for.
#[derive(Debug)]
pub struct Paced<B> {
    inner: B,
    idle: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<B> Paced<B> {
    /// Watches over `inner`.
    pub fn new(inner: B, idle: Duration) -> Self {
        Self {
            inner,
            idle,
            sleep: None,
        }
    }
}

impl<B> HttpBody for Paced<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            self.sleep = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(|_| BodyFault::Broken)));
        }
        let idle = self.idle;
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Some(Err(BodyFault::TooSlow)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The plain text of a small page such as `/livez`.
pub(crate) fn text(status: StatusCode, text: &'static str) -> axum::response::Response {
    let mut response = axum::response::Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        http::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
