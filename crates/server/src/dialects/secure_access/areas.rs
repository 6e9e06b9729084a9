//! The areas of the API family, each with its own shape of an error.

use authority::{Failure, Refusal};
use axum::body::Body;
use axum::response::Response;
use credential::key::{Denial, Refusal as KeyRefusal};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::dialects::{in_place_of, is_ours, is_within, told};
use crate::edge::retry_after;

/// A part of the API family, by the beginning of its paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// `/auth/v2`.
    Token,
    /// `/admin/v2`.
    Admin,
    /// `/reports/v2/apiUsage`.
    Usage,
    /// `/deployments/v2`, `/investigate/v2`, `/policies/v2`, `/reports/v2`.
    Deployments,
}

const AREAS: [(&str, Area); 7] = [
    ("/auth/v2", Area::Token),
    ("/admin/v2", Area::Admin),
    ("/reports/v2/apiUsage", Area::Usage),
    ("/deployments/v2", Area::Deployments),
    ("/investigate/v2", Area::Deployments),
    ("/policies/v2", Area::Deployments),
    ("/reports/v2", Area::Deployments),
];

/// A refusal: its status, which also says its words, and what may be told about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct No {
    status: StatusCode,
    /// OAuth's code, where the status does not say it.
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

    /// A limit is used up; `after` is in milliseconds.
    pub fn limited(after: i64) -> Self {
        Self {
            retry_after: Some(retry_after(after)),
            ..Self::of(StatusCode::TOO_MANY_REQUESTS)
        }
    }

    /// With a code of OAuth.
    pub fn code(self, code: &'static str) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }

    /// The vendor's words for the status.
    fn words(&self) -> &'static str {
        match self.status {
            StatusCode::UNAUTHORIZED => "Unauthorized request",
            StatusCode::CONFLICT => "Already Exists",
            StatusCode::TOO_MANY_REQUESTS => "Exceeded Limit",
            status => status.canonical_reason().unwrap_or("Error"),
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
                    unavailable()
                } else {
                    No::of(StatusCode::INTERNAL_SERVER_ERROR)
                };
            }
        };
        match refusal {
            Refusal::Unauthenticated(denial) => (&denial).into(),
            Refusal::Limited { retry_after_ms } => No::limited(retry_after_ms),
            Refusal::Forbidden { .. } | Refusal::Restricted => No::of(StatusCode::FORBIDDEN),
            // A deleted key is not there.
            Refusal::NotFound(_) | Refusal::Key(KeyRefusal::Revoked | KeyRefusal::Already(_)) => {
                No::of(StatusCode::NOT_FOUND)
            }
            Refusal::NameTaken(_) => No::of(StatusCode::CONFLICT),
            Refusal::NotFresh | Refusal::Stale { .. } => unavailable(),
            other => No::bad_request(other.to_string()),
        }
    }
}

fn unavailable() -> No {
    No {
        retry_after: Some(1),
        ..No::of(StatusCode::SERVICE_UNAVAILABLE)
    }
}

impl Area {
    /// The area of a path.
    pub fn of(path: &str) -> Option<Self> {
        AREAS
            .iter()
            .find(|(prefix, _)| is_within(path, prefix))
            .map(|(_, area)| *area)
    }

    /// A refusal in the shape of the area.
    pub fn answer(self, no: No) -> Response {
        let mut response = Response::new(Body::from(self.body(&no).to_string()));
        *response.status_mut() = no.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if no.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(self.challenge()));
        }
        if let Some(seconds) = no.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn body(self, no: &No) -> Value {
        let words = no.words();
        let told = no.detail.as_deref().unwrap_or(words);
        match self {
            Area::Token => {
                json!({ "message": words, "error": code(no), "error_description": told })
            }
            Area::Admin => {
                let mut body = json!({ "message": "error", "description": words });
                if let Some(detail) = &no.detail {
                    body["detail"] = detail.as_str().into();
                }
                body
            }
            Area::Usage => json!({ "code": no.status.as_u16(), "message": told }),
            Area::Deployments => {
                let reason = no.status.canonical_reason().unwrap_or("Error");
                json!({ "statusCode": no.status.as_u16(), "error": reason, "message": told })
            }
        }
    }

    fn challenge(self) -> &'static str {
        match self {
            Area::Token => "Basic realm=\"secure_access\"",
            Area::Admin | Area::Usage | Area::Deployments => {
                "Bearer realm=\"secure_access\", error=\"invalid_token\""
            }
        }
    }

    /// Writes an error of this server anew in the shape of the area; every other answer stays as it is.
    pub async fn dress(self, response: Response) -> Response {
        if !is_ours(&response) {
            return response;
        }
        let (head, body) = response.into_parts();
        let dressed = self.answer(No {
            detail: told(body).await,
            ..No::of(head.status)
        });
        in_place_of(head, dressed)
    }
}

/// OAuth's code for a refusal of the token endpoint (RFC 6749, section 5.2).
fn code(no: &No) -> &'static str {
    no.code.unwrap_or(match no.status {
        StatusCode::UNAUTHORIZED => "invalid_client",
        StatusCode::FORBIDDEN => "unauthorized_client",
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            "temporarily_unavailable"
        }
        status if status.is_server_error() => "server_error",
        _ => "invalid_request",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_the_area_of_its_whole_segments() {
        for (path, expected) in [
            ("/auth/v2/token", Some(Area::Token)),
            ("/admin/v2/apiKeys/x", Some(Area::Admin)),
            ("/admin/v2", Some(Area::Admin)),
            ("/admin/v20/apiKeys", None),
            ("/reports/v2/apiUsage/keys", Some(Area::Usage)),
            ("/reports/v2/apiUsages", Some(Area::Deployments)),
            ("/deployments/v2/roamingcomputers", Some(Area::Deployments)),
            ("/api/v1/keys", None),
        ] {
            assert_eq!(Area::of(path), expected, "{path}");
        }
    }

    #[test]
    fn each_area_has_its_shape() {
        let forbidden = No::of(StatusCode::FORBIDDEN);
        for (area, expected) in [
            (
                Area::Token,
                r#"{"message":"Forbidden","error":"unauthorized_client","error_description":"Forbidden"}"#,
            ),
            (
                Area::Admin,
                r#"{"message":"error","description":"Forbidden"}"#,
            ),
            (Area::Usage, r#"{"code":403,"message":"Forbidden"}"#),
            (
                Area::Deployments,
                r#"{"statusCode":403,"error":"Forbidden","message":"Forbidden"}"#,
            ),
        ] {
            let expected: Value = serde_json::from_str(expected).unwrap();
            assert_eq!(area.body(&forbidden), expected, "{area:?}");
        }
    }

    #[test]
    fn the_words_are_the_vendors() {
        for (status, words) in [
            (400, "Bad Request"),
            (401, "Unauthorized request"),
            (403, "Forbidden"),
            (404, "Not Found"),
            (409, "Already Exists"),
            (415, "Unsupported Media Type"),
            (429, "Exceeded Limit"),
            (503, "Service Unavailable"),
        ] {
            let body = Area::Admin.body(&No::of(StatusCode::from_u16(status).unwrap()));
            assert_eq!(body, json!({ "message": "error", "description": words }));
        }
    }
}
