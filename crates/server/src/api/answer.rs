//! How answers are written.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use crate::problem::{Kind, Problem};

/// An answer of JSON. Everything here is about credentials or those who hold them, so that no cache keeps any of it.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Result<Response, Problem> {
    match serde_json::to_vec(body) {
        Ok(bytes) => Ok(raw(status, bytes)),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            Err(Kind::Internal.into())
        }
    }
}

/// An answer whose JSON is written already.
pub(super) fn raw(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What an answer says in its headers.
pub(super) trait Says {
    /// The version of the thing, as `ETag`.
    fn version(self, version: i64) -> Self;
    /// Where the thing is.
    fn location(self, path: String) -> Self;
}

impl Says for Response {
    fn version(self, version: i64) -> Self {
        with(self, ETAG, format!("\"{version}\""))
    }

    fn location(self, path: String) -> Self {
        with(self, LOCATION, path)
    }
}

fn with(mut response: Response, name: HeaderName, value: String) -> Response {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
    response
}
