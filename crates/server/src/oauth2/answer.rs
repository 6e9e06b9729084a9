//! Answers as RFC 6749 writes them: JSON that nobody keeps.

use authority::{Failure, Refusal};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

/// An error answer (RFC 6749, section 5.2).
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    error: &'static str,
    description: String,
    challenge: Option<&'static str>,
    retry_after: Option<i64>,
}

impl Refused {
    /// An error of this registered code, with status 400; the description is for developers.
    pub(super) fn new(error: &'static str, description: impl Into<String>) -> Self {
        let description = description.into();
        Self {
            status: StatusCode::BAD_REQUEST,
            error,
            description,
            challenge: None,
            retry_after: None,
        }
    }

    /// The client did not prove itself; which part was wrong is not told.
    pub(super) fn client() -> Self {
        Self::new(
            "invalid_client",
            "The client is unknown, its secret is wrong, or it may not be used.",
        )
        .status(StatusCode::UNAUTHORIZED)
        .challenge("Basic realm=\"latchkey\", charset=\"UTF-8\"")
    }

    /// A bearer token is not good (RFC 6750, section 3.1).
    pub(super) fn token() -> Self {
        Self::new("invalid_token", "The bearer token is not good.")
            .status(StatusCode::UNAUTHORIZED)
            .challenge("Bearer realm=\"latchkey\", error=\"invalid_token\"")
    }

    /// The credential is good and lacks a scope (RFC 6750, section 3.1).
    pub(super) fn scope() -> Self {
        Self::new("insufficient_scope", "This needs the scope latchkey.introspect.")
            .status(StatusCode::FORBIDDEN)
            .challenge("Bearer realm=\"latchkey\", error=\"insufficient_scope\", scope=\"latchkey.introspect\"")
    }

    /// Too many calls; `after` is in milliseconds.
    pub(super) fn limited(after: i64) -> Self {
        let mut refused = Self::new("temporarily_unavailable", "A limit is used up.");
        refused.status = StatusCode::TOO_MANY_REQUESTS;
        refused.retry_after = Some(crate::edge::retry_after(after));
        refused
    }

    /// With another status.
    pub(super) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    fn challenge(mut self, challenge: &'static str) -> Self {
        self.challenge = Some(challenge);
        self
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        let unavailable = |why: &str| {
            let mut refused =
                Self::new("temporarily_unavailable", why).status(StatusCode::SERVICE_UNAVAILABLE);
            refused.retry_after = Some(1);
            refused
        };
        match failure {
            Failure::Refused(Refusal::Limited { retry_after_ms }) => Self::limited(retry_after_ms),
            Failure::Refused(Refusal::NotFresh) => {
                unavailable("This server cannot know whether credentials are good.")
            }
            Failure::Refused(Refusal::Unauthenticated(_)) => Self::client(),
            Failure::Refused(refusal) => Self::new("invalid_request", refusal.to_string()),
            Failure::Fault(fault) if fault.retryable() => {
                tracing::warn!(error = %fault, "an OAuth endpoint has no store");
                unavailable("Try again.")
            }
            Failure::Fault(fault) => {
                tracing::error!(error = %fault, "an OAuth endpoint failed");
                Self::new("server_error", "Something went wrong here.")
                    .status(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body<'a> {
            error: &'static str,
            error_description: &'a str,
        }
        let mut response = json(
            self.status,
            &Body {
                error: self.error,
                error_description: &self.description,
            },
        );
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}

/// JSON that no cache keeps (RFC 6749, section 5.1).
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut response = Response::new(Body::from(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
