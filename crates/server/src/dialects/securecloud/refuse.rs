//! Their shape of an error, on every path of theirs whoever answers it.

use authority::{Failure, Refusal};
use axum::body::Body;
use axum::response::Response;
use credential::key::{Denial, Refusal as KeyRefusal};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::dialects::{in_place_of, is_ours, is_within, told};
use crate::edge::retry_after;
use crate::problem::Problem;

/// The beginnings of their paths, as whole segments.
const PATHS: [&str; 7] = [
    "/api/v1/orca",
    "/api/v1/rome",
    "/api/iris",
    "/api/orca",
    "/api/rome",
    "/iris",
    "/auth/realms",
];

/// Where errors have no body: the vendor's script appends a body to the text of the status, and what does not read as a
/// number is a syntax error that it takes for success.
const SILENT: &str = "/api/iris/model/cross-account/simulation";

const CHALLENGE: &str = "Bearer realm=\"securecloud\", error=\"invalid_token\"";

/// Whether a path is theirs.
pub fn owns(path: &str) -> bool {
    PATHS.iter().any(|prefix| is_within(path, prefix))
}

/// A refusal: its status, which says its word unless another is named, and what may be told about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct No {
    status: StatusCode,
    code: Option<&'static str>,
    detail: Option<String>,
    retry_after: Option<i64>,
}

impl No {
    /// A refusal with the words of its status.
    pub fn of(status: StatusCode) -> Self {
        Self {
            status,
            code: None,
            detail: None,
            retry_after: None,
        }
    }

    /// The request has no meaning here, and why.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..Self::of(StatusCode::BAD_REQUEST)
        }
    }

    /// With another word than that of the status, and what it means.
    pub fn code(self, code: &'static str, detail: &str) -> Self {
        Self {
            code: Some(code),
            detail: Some(detail.to_owned()),
            ..self
        }
    }

    /// A limit is used up; `after` is in milliseconds.
    pub fn limited(after: i64) -> Self {
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

    fn body(&self) -> Value {
        let (code, words) = words(self.status);
        let detail = self.detail.as_deref().unwrap_or(words);
        json!({ "error": self.code.unwrap_or(code), "error_description": detail })
    }

    /// The answer.
    pub fn answer(&self) -> Response {
        self.written(Body::from(self.body().to_string()))
    }

    /// The answer where there must be no body.
    fn silent(&self) -> Response {
        let mut response = self.written(Body::empty());
        response.headers_mut().remove(CONTENT_TYPE);
        response
    }

    fn written(&self, body: Body) -> Response {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // Who signs in wrongly presents no token that could be challenged.
        if self.status == StatusCode::UNAUTHORIZED && self.code.is_none() {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The word of a status, and what it means.
fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::UNAUTHORIZED => (
            "invalid_token",
            "The token is missing, invalid, expired or removed",
        ),
        StatusCode::FORBIDDEN => ("access_denied", "The roles of the key do not allow this"),
        StatusCode::NOT_FOUND => ("not_found", "There is no such thing here"),
        StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "The method is not allowed here"),
        StatusCode::CONFLICT => ("conflict", "The name is in use"),
        StatusCode::TOO_MANY_REQUESTS => ("too_many_requests", "A limit is used up"),
        StatusCode::SERVICE_UNAVAILABLE => ("temporarily_unavailable", "Try again"),
        status if status.is_server_error() => ("server_error", "Something went wrong here"),
        _ => ("invalid_request", "The request is not acceptable"),
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
        match refusal {
            Refusal::Unauthenticated(denial) => (&denial).into(),
            Refusal::Limited { retry_after_ms } => No::limited(retry_after_ms),
            Refusal::Forbidden { .. } | Refusal::Restricted | Refusal::Ceiling(_) => {
                No::of(StatusCode::FORBIDDEN)
            }
            // A removed key is not there.
            Refusal::NotFound(_) | Refusal::Key(KeyRefusal::Revoked | KeyRefusal::Already(_)) => {
                No::of(StatusCode::NOT_FOUND)
            }
            Refusal::NameTaken(_) => No::of(StatusCode::CONFLICT),
            Refusal::NotFresh | Refusal::Stale { .. } => No::unavailable(),
            other => No::bad_request(other.to_string()),
        }
    }
}

/// A request that cannot be read.
impl From<Problem> for No {
    fn from(problem: Problem) -> Self {
        let body = problem.body();
        No {
            detail: body["detail"].as_str().map(str::to_owned),
            ..No::of(problem.status())
        }
    }
}

/// Writes an error of this server anew in their shape; every other answer stays as it is.
pub(super) async fn dress(path: &str, response: Response) -> Response {
    if !is_ours(&response) {
        return response;
    }
    let (head, body) = response.into_parts();
    // What is wrong with a token is not told, as everywhere.
    let detail = told(body).await;
    let detail = detail.filter(|_| head.status != StatusCode::UNAUTHORIZED);
    let no = No {
        detail,
        ..No::of(head.status)
    };
    let dressed = match is_within(path, SILENT) {
        true => no.silent(),
        false => no.answer(),
    };
    in_place_of(head, dressed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn their_paths_are_theirs_by_whole_segments() {
        for (path, expected) in [
            ("/api/v1/orca/conf/clusters", true),
            ("/api/v1/rome", true),
            ("/api/v1/romeo", false),
            ("/api/v1/keys", false),
            ("/api/iris/model", true),
            ("/iris/api/provisioning/targets", true),
            ("/irises", false),
            ("/auth/realms/x/protocol", true),
            ("/auth/v2/token", false),
        ] {
            assert_eq!(owns(path), expected, "{path}");
        }
    }

    #[test]
    fn refusals_become_their_statuses_and_words() {
        for (failure, status, code) in [
            (
                Refusal::Unauthenticated(Denial::Revoked),
                401,
                "invalid_token",
            ),
            (
                Refusal::Unauthenticated(Denial::Resource),
                403,
                "access_denied",
            ),
            (Refusal::Ceiling("x".to_owned()), 403, "access_denied"),
            (Refusal::NameTaken("key"), 409, "conflict"),
            (Refusal::NotFound("key"), 404, "not_found"),
            (Refusal::Key(KeyRefusal::Revoked), 404, "not_found"),
            (
                Refusal::Key(KeyRefusal::ExpiryInThePast),
                400,
                "invalid_request",
            ),
            (Refusal::NotFresh, 503, "temporarily_unavailable"),
        ] {
            let no = No::from(Failure::Refused(failure));
            assert_eq!(
                (no.status.as_u16(), no.body()["error"].as_str()),
                (status, Some(code))
            );
        }
    }
}
