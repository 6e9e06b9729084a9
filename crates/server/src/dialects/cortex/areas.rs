//! The areas of the API family, each with its own shape of an error.

use authority::{Failure, Refusal};
use axum::body::Body;
use axum::response::Response;
use credential::key::{Denial, Refusal as KeyRefusal};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::dialects::{in_place_of, is_ours, told};
use crate::edge::retry_after;

/// The vendor's words for a request that is not let in; clients compare them.
const UNAUTHORIZED: &str = "Public API request unauthorized";
/// The vendor's words for a key with too few rights.
const FORBIDDEN: &str = "Insufficient permissions for api key";
/// The vendor's words for everything that went wrong; what it was stands beside them.
const FAILED: &str = "An error occurred while processing XDR public API";

/// The same paths again for clients that speak to another edition.
pub(super) const ALIAS: &str = "/xsoar";

/// A part of the API family, by the beginning of its paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Area {
    /// `/public_api` and `/api_keys`.
    Public,
    /// `/platform`.
    Platform,
}

impl Area {
    /// The area of a path.
    pub(super) fn of(path: &str) -> Option<Self> {
        let path = match path.strip_prefix(ALIAS) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
            _ => path,
        };
        match path.split('/').nth(1) {
            Some("public_api" | "api_keys") => Some(Area::Public),
            Some("platform") => Some(Area::Platform),
            // All of the alias is theirs.
            None => Some(Area::Public),
            Some(_) => None,
        }
    }
}

/// A refusal: its status, the vendor's words, and what may be told besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct No {
    status: StatusCode,
    /// Instead of the words of the status.
    words: Option<&'static str>,
    extra: Option<String>,
    retry_after: Option<i64>,
}

impl No {
    /// A refusal with the words of its status.
    pub(super) fn of(status: StatusCode) -> Self {
        Self {
            status,
            words: None,
            extra: None,
            retry_after: None,
        }
    }

    /// Whoever calls is nobody.
    pub(super) fn unknown() -> Self {
        Self::of(StatusCode::UNAUTHORIZED)
    }

    /// A value is not acceptable, and why. Of this the vendor makes a 500.
    pub(super) fn invalid(why: impl Into<String>) -> Self {
        Self {
            extra: Some(why.into()),
            ..Self::of(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }

    /// The body is no JSON, and where.
    pub(super) fn malformed(why: impl Into<String>) -> Self {
        Self {
            extra: Some(why.into()),
            ..Self::of(StatusCode::BAD_REQUEST)
        }
    }

    /// The same in other words.
    pub(super) fn saying(self, words: &'static str) -> Self {
        Self {
            words: Some(words),
            ..self
        }
    }

    fn limited(after: i64) -> Self {
        Self {
            retry_after: Some(retry_after(after)),
            ..Self::of(StatusCode::TOO_MANY_REQUESTS)
        }
    }

    fn message(&self) -> &'static str {
        self.words.unwrap_or(match self.status {
            StatusCode::UNAUTHORIZED => UNAUTHORIZED,
            StatusCode::FORBIDDEN => FORBIDDEN,
            status if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE => {
                FAILED
            }
            status => status.canonical_reason().unwrap_or("Error"),
        })
    }

    /// In the shape of an area.
    pub(super) fn answer(&self, area: Area) -> Response {
        let code = self.status.as_u16();
        let (words, extra) = (self.message(), self.extra.as_deref());
        let body = match area {
            Area::Public => {
                json!({"reply": {"err_code": code, "err_msg": words, "err_extra": extra}})
            }
            Area::Platform => {
                json!({"data": {"err_msg": words, "metadata": {"err_code": code, "err_extra": extra}}})
            }
        };
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
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
            | Denial::Replayed => No::unknown(),
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
                    unavailable()
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
            Refusal::NotFound(_) | Refusal::Key(KeyRefusal::Revoked | KeyRefusal::Already(_)) => {
                No::of(StatusCode::NOT_FOUND)
            }
            Refusal::NotFresh | Refusal::Stale { .. } => unavailable(),
            other => No::invalid(other.to_string()),
        }
    }
}

fn unavailable() -> No {
    No {
        retry_after: Some(1),
        ..No::of(StatusCode::SERVICE_UNAVAILABLE)
    }
}

/// Writes an error of this server anew in the shape of the area; every other answer stays as it is.
pub(super) async fn dress(area: Area, response: Response) -> Response {
    if !is_ours(&response) {
        return response;
    }
    let (head, body) = response.into_parts();
    let known = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&head.status);
    let no = No {
        extra: told(body).await.filter(|_| !known),
        ..No::of(head.status)
    };
    let dressed = no.answer(area);
    in_place_of(head, dressed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_the_area_of_its_whole_segments() {
        for (path, expected) in [
            ("/public_api/v1/api_keys/generate", Some(Area::Public)),
            ("/api_keys/validate/", Some(Area::Public)),
            ("/platform/iam/v1/role", Some(Area::Platform)),
            ("/xsoar/platform/iam/v1/role", Some(Area::Platform)),
            ("/xsoar/public_api/v1/x", Some(Area::Public)),
            ("/xsoar", Some(Area::Public)),
            ("/xsoarish/public_api", None),
            ("/public_apis", None),
            ("/api/v1/keys", None),
        ] {
            assert_eq!(Area::of(path), expected, "{path}");
        }
    }

    #[test]
    fn each_status_has_the_vendors_words() {
        for (no, words) in [
            (No::unknown(), UNAUTHORIZED),
            (No::of(StatusCode::FORBIDDEN), FORBIDDEN),
            (No::invalid("x"), FAILED),
            (No::of(StatusCode::NOT_FOUND), "Not Found"),
            (unavailable(), "Service Unavailable"),
            (No::invalid("x").saying("y"), "y"),
        ] {
            assert_eq!(no.message(), words);
        }
    }
}
