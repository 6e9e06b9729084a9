//! Refusals in the vendor's shape. A handler leaves its [`No`] on an answer without a body; the body is written where
//! every answer below the dialect's paths passes, with the errors that the rest of the server gives there.

use authority::{Failure, Refusal};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use credential::key::{Denial, Refusal as KeyRefusal};
use credential::secret::Digest;
use credential::time::Instant;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::dialects::{Stamp, in_place_of, is_ours, is_within, told};
use crate::edge::retry_after;
use crate::problem::Problem;

/// Where the paths of the API family begin.
const ROOTS: [&str; 2] = ["/v1/organizations", "/v1/api/applications"];

/// A refusal: its status and what may be told about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct No {
    status: StatusCode,
    detail: Option<String>,
    retry_after: Option<i64>,
}

impl No {
    /// A refusal with the words of its status.
    pub(super) fn of(status: StatusCode) -> Self {
        Self {
            status,
            detail: None,
            retry_after: None,
        }
    }

    /// There is no such thing, or not for this caller.
    pub(super) fn not_found() -> Self {
        Self::of(StatusCode::NOT_FOUND)
    }

    /// The request has no meaning here, and why.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::of(StatusCode::BAD_REQUEST).because(detail)
    }

    /// With words of its own.
    pub(super) fn because(self, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..self
        }
    }

    fn limited(after: i64) -> Self {
        Self {
            retry_after: Some(retry_after(after)),
            ..Self::of(StatusCode::TOO_MANY_REQUESTS)
        }
    }

    fn unavailable() -> Self {
        Self {
            retry_after: Some(1),
            ..Self::of(StatusCode::SERVICE_UNAVAILABLE)
        }
    }

    fn reason(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Error")
    }

    /// What is wrong, in words.
    pub(super) fn told(&self) -> String {
        self.detail
            .clone()
            .unwrap_or_else(|| self.reason().to_owned())
    }

    /// Whether the whole call is over, rather than one of the things that it asks for.
    pub(super) fn ends_the_call(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
            || self.status == StatusCode::TOO_MANY_REQUESTS
            || self.status.is_server_error()
    }

    /// One client shows only `error` and another prefers `message`, so both say it.
    fn body(&self, path: &str, stamp: &Stamp) -> Value {
        json!({
            "trackingId": tracking_id(&stamp.request_id),
            "message": self.told(),
            "error": self.told(),
            "timestamp": nanoseconds(stamp.at),
            "statusCode": self.status.as_u16(),
            "path": path,
        })
    }

    fn answer(&self, path: &str, stamp: &Stamp) -> Response {
        let mut response = Response::new(Body::from(self.body(path, stamp).to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = "Bearer realm=\"security_cloud_control\", error=\"invalid_token\"";
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        response.extensions_mut().insert(self);
        response
    }
}

/// An error of this server, such as one about a body.
impl From<Problem> for No {
    fn from(problem: Problem) -> Self {
        let no = No::of(problem.status());
        match problem.body()["detail"].as_str() {
            Some(detail) => no.because(detail),
            None => no,
        }
    }
}

/// A credential that is not good, or not good enough.
impl From<&Denial> for No {
    fn from(denial: &Denial) -> Self {
        match denial {
            Denial::Address | Denial::Scope(_) | Denial::Resource => No::of(StatusCode::FORBIDDEN),
            Denial::Limited { retry_after_ms } => No::limited(*retry_after_ms),
            Denial::Unknown
            | Denial::Tampered
            | Denial::Revoked
            | Denial::Disabled
            | Denial::Expired
            | Denial::Replayed => No::of(StatusCode::UNAUTHORIZED),
        }
    }
}

/// A use case that did not happen.
impl From<Failure> for No {
    fn from(failure: Failure) -> Self {
        let refusal = match failure {
            Failure::Refused(refusal) => refusal,
            Failure::Fault(fault) => {
                tracing::error!(error = &fault as &dyn std::error::Error, "a request failed");
                return if fault.retryable() {
                    No::unavailable()
                } else {
                    No::of(StatusCode::INTERNAL_SERVER_ERROR)
                };
            }
        };
        let told = refusal.to_string();
        match refusal {
            Refusal::Unauthenticated(denial) => (&denial).into(),
            Refusal::Limited { retry_after_ms } => No::limited(retry_after_ms),
            Refusal::Ceiling(_) => No::of(StatusCode::FORBIDDEN).because(told),
            Refusal::Forbidden { .. } | Refusal::Restricted => No::of(StatusCode::FORBIDDEN),
            // A deleted key is not there.
            Refusal::NotFound(_) | Refusal::Key(KeyRefusal::Revoked) => No::not_found(),
            Refusal::NameTaken(_)
            | Refusal::Conflict(_)
            | Refusal::Stale { .. }
            | Refusal::Key(KeyRefusal::Already(_)) => No::of(StatusCode::CONFLICT).because(told),
            Refusal::NotFresh => No::unavailable(),
            _ => No::bad_request(told),
        }
    }
}

/// Whether a path is of the API family.
pub(super) fn owns(path: &str) -> bool {
    ROOTS.iter().any(|root| is_within(path, root))
}

/// Writes the body of a refusal, and an error of this server anew; every other answer stays as it is.
pub(super) async fn dress(path: String, response: Response) -> Response {
    let Some(stamp) = response.extensions().get::<Stamp>().cloned() else {
        return response;
    };
    let left = response.extensions().get::<No>().cloned();
    if left.is_none() && !is_ours(&response) {
        return response;
    }
    let (head, body) = response.into_parts();
    let no = match left {
        Some(no) => no,
        None => No {
            detail: told(body).await,
            ..No::of(head.status)
        },
    };
    let dressed = no.answer(&path, &stamp);
    in_place_of(head, dressed)
}

/// The request's id as a UUID (version 8, RFC 9562, section 5.8), which the vendor's is: the same request, the same id.
fn tracking_id(request_id: &str) -> String {
    let digest = Digest::of(request_id);
    let mut digits: Vec<char> = digest.as_bytes()[..16]
        .iter()
        .flat_map(|byte| format!("{byte:02x}").chars().collect::<Vec<_>>())
        .collect();
    digits[12] = '8';
    digits[16] = '8';
    for place in [8, 13, 18, 23] {
        digits.insert(place, '-');
    }
    digits.into_iter().collect()
}

/// A moment with the nine decimals that the vendor writes.
fn nanoseconds(at: Instant) -> String {
    Timestamp::from_millisecond(at.millis())
        .map(|at| format!("{at:.9}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_by_whole_segments() {
        for (path, expected) in [
            ("/v1/organizations", true),
            ("/v1/organizations/x/users", true),
            ("/v1/organizations/", true),
            ("/v1/organizationsx", false),
            ("/v1/api/applications/apiKeys", true),
            ("/v1/api/orca", false),
            ("/api/v1/organizations", false),
        ] {
            assert_eq!(owns(path), expected, "{path}");
        }
    }

    #[test]
    fn an_error_has_the_members_that_every_client_looks_for() {
        let stamp = Stamp {
            at: Instant::from_millis(1_770_332_018_923),
            request_id: "one-1".to_owned(),
        };
        let body = No::bad_request("invalid claim code provided").body("/v1/organizations", &stamp);
        let tracking_id = body["trackingId"].as_str().unwrap();
        assert_eq!(tracking_id.len(), 36, "{tracking_id}");
        assert_eq!(
            body,
            json!({
                "trackingId": tracking_id,
                "message": "invalid claim code provided",
                "error": "invalid claim code provided",
                "timestamp": "2026-02-05T22:53:38.923000000Z",
                "statusCode": 400,
                "path": "/v1/organizations",
            })
        );
    }

    #[test]
    fn a_tracking_id_is_the_requests_own() {
        assert_eq!(tracking_id("a"), tracking_id("a"));
        assert_ne!(tracking_id("a"), tracking_id("b"));
    }
}
