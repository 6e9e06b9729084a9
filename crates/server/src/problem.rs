//! Errors as RFC 9457 problem details, from one catalogue that people and programs can rely on.
//!
//! The slug of a problem never changes its meaning. An answer below 500 may say what was wrong
//! with this request; an answer from 500 up is the same bytes every time, so that nothing of the
//! inside can leak through it.

mod catalogue;

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use crate::edge::denied::Denied;

pub use catalogue::Kind;

/// The media type of every error of the native API (RFC 9457, section 3).
pub const MEDIA_TYPE: &str = "application/problem+json";

/// One error answer.
///
/// Build it from its [`Kind`], say what was wrong with [`Problem::because`], point at a member of
/// the body with [`Problem::at`].
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    kind: Kind,
    detail: Option<String>,
    errors: Vec<Flaw>,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    denied: Option<Arc<Denied>>,
}

/// One thing that is wrong in a request, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Flaw {
    pointer: String,
    detail: String,
}

impl Problem {
    /// The problem of this kind, with the catalogue's own advice as its detail.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            detail: None,
            errors: Vec::new(),
            members: Map::new(),
            headers: Vec::new(),
            denied: None,
        }
    }

    /// Says what was wrong with this very request. It must not repeat a secret; an answer from 500
    /// up drops it.
    #[must_use]
    pub fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds an entry to `errors`: the JSON pointer (RFC 6901) of the member, and what is wrong with it.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(Flaw {
            pointer: pointer.into(),
            detail: detail.into(),
        });
        self
    }

    /// Adds an extension member, such as the id of the key a repeated request had made. An answer
    /// from 500 up drops it.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// Adds a header such as `Retry-After`. A value that no header can carry is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Leaves on the answer what is known of the refusal, for whoever writes it anew; the answer itself does not tell.
    #[must_use]
    pub fn denied(mut self, denied: Denied) -> Self {
        self.denied = Some(Arc::new(denied));
        self
    }

    /// Which entry of the catalogue this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The HTTP status of the answer.
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// The JSON body.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "type": self.kind.uri(),
            "title": self.kind.title(),
            "status": self.kind.status().as_u16(),
        });
        let constant = self.kind.status().is_server_error();
        let detail = self
            .detail
            .as_deref()
            .filter(|_| !constant)
            .unwrap_or(self.kind.advice());
        body["detail"] = detail.into();
        if constant {
            return body;
        }
        if !self.errors.is_empty() {
            body["errors"] = self
                .errors
                .iter()
                .map(|flaw| json!({"pointer": flaw.pointer, "detail": flaw.detail}))
                .collect();
        }
        for (name, value) in &self.members {
            if body.get(name).is_none() {
                body[name] = value.clone();
            }
        }
        body
    }
}

impl From<Kind> for Problem {
    fn from(kind: Kind) -> Self {
        Problem::new(kind)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body().to_string()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        if let Some(denied) = self.denied {
            response.extensions_mut().insert(denied);
        }
        response
    }
}

impl IntoResponse for Kind {
    fn into_response(self) -> Response {
        Problem::new(self).into_response()
    }
}

/// The catalogue as the page `docs/problems.md`.
pub fn page() -> String {
    let mut page = String::from(
        "# Problems\n\n\
         Every error of the native API is a problem detail (RFC 9457) with the media type\n\
         `application/problem+json`. Its `type` is a reference to one of the headings below; the word\n\
         in it keeps its meaning for good, so programs may compare it. `detail` is for people. Where\n\
         members of a request are wrong, `errors` lists them as JSON pointers. Answers from 500 up\n\
         are the same bytes every time; the header `X-Request-Id` leads to the log line.\n\n\
         This page is written by a test from the catalogue in `crates/server/src/problem/catalogue.rs`.\n",
    );
    for kind in Kind::ALL {
        page.push_str(&format!(
            "\n## {}\n\n**{} {}**\n\n{}\n",
            kind.slug(),
            kind.status().as_u16(),
            kind.title(),
            kind.advice()
        ));
    }
    page
}

#[cfg(test)]
mod tests;
