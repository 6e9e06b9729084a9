//! Errors as the two families of APIs write them, whoever found them.

use std::sync::Arc;

use authority::tokens::BadToken;
use authority::{Failure, Refusal};
use axum::body::Body;
use axum::response::Response;
use credential::key::{Denial, Refusal as KeyRefusal};
use credential::scope::Scope;
use credential::time::Span;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::dialects::{in_place_of, is_ours, is_within, told};
use crate::edge::denied::Denied;
use crate::edge::retry_after;
use crate::edge::standing::Spending;

/// The whole body of a 429, to the byte.
const TOO_MANY: &str = "{\"error\": \"Too Many Requests\"}";
/// How the windows of the limit that an organization shares are called, by the catalog.
const SHARED: &str = "organization-";
/// The ceiling that applies to every request: a constant, not what is left of it.
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-org-limit");
/// The same as the intelligence APIs call it.
const GROUP_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-group-limit");
const CHALLENGE: &str = "Bearer realm=\"threat_response\"";

/// A family of APIs, each with its own shape of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// `/iroh`, and the list of regions.
    Iroh,
    /// `/ctia`: private and global intelligence.
    Ctia,
}

/// A refusal, before a family has put it into its words.
#[derive(Debug)]
pub(super) struct No {
    status: StatusCode,
    what: What,
    retry_after: Option<i64>,
}

#[derive(Debug)]
enum What {
    /// An error by its code, and a sentence for people.
    Code(&'static str, String),
    /// Members of a request, each with what is wrong with it.
    Members(Value),
    /// A scope is missing: which are, which are needed, and who asked.
    Scopes(Box<Missing>),
    /// A limit is used up.
    Limited,
}

#[derive(Debug)]
struct Missing {
    missing: Vec<String>,
    required: Vec<String>,
    held: Vec<String>,
    user: String,
    organization: String,
}

impl No {
    /// A refusal with this code.
    pub(super) fn new(status: StatusCode, code: &'static str, why: impl Into<String>) -> Self {
        Self {
            status,
            what: What::Code(code, why.into()),
            retry_after: None,
        }
    }

    /// A refusal of a token request.
    pub(super) fn bad_request(code: &'static str, why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, why)
    }

    /// A refusal with the words of its status.
    pub(super) fn of(status: StatusCode) -> Self {
        let why = status.canonical_reason().unwrap_or("Error");
        Self::new(status, code(status), why)
    }

    /// Members of the request that are not good: offending member to reason.
    pub(super) fn members(members: Value) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            what: What::Members(members),
            retry_after: None,
        }
    }

    /// One such member.
    pub(super) fn member(member: &str, reason: &str) -> Self {
        Self::members(json!({ member: reason }))
    }

    /// A limit is used up; `after` is in milliseconds.
    pub(super) fn limited(after: i64) -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            what: What::Limited,
            retry_after: Some(retry_after(after)),
        }
    }

    /// Nothing can be said for a moment.
    pub(super) fn unavailable() -> Self {
        let why = "Try again in a moment.";
        Self {
            retry_after: Some(1),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                why,
            )
        }
    }

    /// One scope that the caller may not give.
    pub(super) fn beyond(
        scope: &str,
        held: Vec<&Scope>,
        user: String,
        organization: String,
    ) -> Self {
        Self::scopes(Missing {
            missing: vec![scope.to_owned()],
            required: vec![scope.to_owned()],
            held: texts(held),
            user,
            organization,
        })
    }

    /// Offending members below one member `errors`, as one of their calls has it.
    pub(super) fn wrapped(self) -> Self {
        match self.what {
            What::Members(members) => Self {
                what: What::Members(json!({ "errors": members })),
                ..self
            },
            _ => self,
        }
    }

    fn scopes(missing: Missing) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            what: What::Scopes(Box::new(missing)),
            retry_after: None,
        }
    }
}

/// A credential that did not suffice.
impl From<&Denied> for No {
    fn from(denied: &Denied) -> Self {
        let bad = |code, why: &str| No::new(StatusCode::UNAUTHORIZED, code, why);
        let Some(denial) = &denied.denial else {
            let why = "No JWT found in HTTP Authorization header";
            return bad("invalid_request", why);
        };
        match (denial, &denied.token) {
            (Denial::Limited { retry_after_ms }, _) => No::limited(*retry_after_ms),
            (Denial::Scope(scope), _) => {
                let holder = denied.holder.as_ref();
                let missing = if denied.missing.is_empty() {
                    vec![scope]
                } else {
                    denied.missing.iter().collect()
                };
                No::scopes(Missing {
                    missing: texts(missing),
                    required: texts(&denied.required),
                    held: texts(holder.map(|holder| &holder.scopes).into_iter().flatten()),
                    user: holder
                        .and_then(|holder| holder.owner)
                        .map(|owner| owner.to_string())
                        .unwrap_or_default(),
                    organization: holder
                        .map(|holder| holder.organization.to_string())
                        .unwrap_or_default(),
                })
            }
            (Denial::Address | Denial::Resource, _) => No::new(
                StatusCode::FORBIDDEN,
                "access_denied",
                "The client may not be used from this address.",
            ),
            (Denial::Expired, token) => {
                let over = match token {
                    Some(Ok(claims)) => denied.at.since(claims.expires_at),
                    _ => Span::ZERO,
                };
                let why = format!("This JWT max lifetime has expired {} ago", duration(over));
                bad("jwt_expired", &why)
            }
            (Denial::Revoked | Denial::Disabled | Denial::Tampered | Denial::Replayed, _) => {
                bad("jwt_revoked", "This JWT has been revoked")
            }
            (Denial::Unknown, Some(Err(BadToken::Signature))) => {
                bad("jwt_invalid_signature", "Invalid Signature")
            }
            // A token of ours for somebody else is as foreign as one that another server signed.
            (Denial::Unknown, Some(Ok(_) | Err(BadToken::UnknownKey))) => bad(
                "jwt_public_key_not_found",
                "Cannot retrieve a key for your JWT. One common reason would be that it has the wrong `iss` claim",
            ),
            (Denial::Unknown, Some(Err(BadToken::NotAToken)) | None) => {
                bad("jwt_decode_failed_exception", "JWT decode failed")
            }
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
            Refusal::Limited { retry_after_ms } => No::limited(retry_after_ms),
            Refusal::NotFresh | Refusal::Stale { .. } => No::unavailable(),
            Refusal::NotFound(_) | Refusal::Key(KeyRefusal::Revoked | KeyRefusal::Already(_)) => {
                No::of(StatusCode::NOT_FOUND)
            }
            Refusal::Unauthenticated(_) => No::of(StatusCode::UNAUTHORIZED),
            Refusal::Forbidden { .. } | Refusal::Restricted => No::of(StatusCode::FORBIDDEN),
            Refusal::NameTaken(_) => {
                No::new(StatusCode::CONFLICT, "conflict", "The name is in use.")
            }
            Refusal::Invalid { member, why } => No::members(json!({ member: why })),
            other => No::bad_request("invalid_request", other.to_string()),
        }
    }
}

impl Family {
    /// The family of a path.
    pub(super) fn of(path: &str) -> Option<Self> {
        match () {
            () if is_within(path, "/iroh") || path == "/clouds.json" => Some(Family::Iroh),
            () if is_within(path, "/ctia") => Some(Family::Ctia),
            () => None,
        }
    }

    /// A refusal in the family's shape.
    pub(super) fn answer(self, no: No) -> Response {
        let body = match &no.what {
            What::Limited => TOO_MANY.to_owned(),
            _ => self.body(&no).to_string(),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = no.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if no.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
        }
        if let Some(seconds) = no.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn body(self, no: &No) -> Value {
        match (self, &no.what) {
            (Family::Iroh, What::Code(..)) if no.status == StatusCode::INTERNAL_SERVER_ERROR => {
                json!({ "error": "unknown-exception", "error_description": "This exception has been logged for further inspection." })
            }
            (Family::Iroh, What::Code(code, why)) => {
                json!({ "error": code, "error_description": why })
            }
            (Family::Iroh, What::Scopes(scopes)) => json!({
                "error": "missing_scope",
                "error_description": "You do not have the required credentials to access this route.",
                "missing-scopes": scopes.missing, "required-scopes": scopes.required, "scopes": scopes.held,
                "user-id": scopes.user, "org-id": scopes.organization,
            }),
            (Family::Ctia, What::Code(..)) if no.status == StatusCode::UNAUTHORIZED => {
                json!({ "error": "not_authenticated", "message": "Only authenticated users allowed" })
            }
            (Family::Ctia, What::Code(code, why)) => json!({ "error": code, "message": why }),
            (Family::Ctia, What::Scopes(scopes)) => json!({
                "message": "Missing capability", "error": "missing_capability",
                "capabilities": scopes.missing.join(" "), "owner": scopes.user,
            }),
            (_, What::Members(members)) => members.clone(),
            (_, What::Limited) => json!({ "error": "Too Many Requests" }),
        }
    }

    /// Writes an error of this server anew; every other answer stays as it is. Tells the ceiling that applied.
    pub(super) async fn dress(self, response: Response) -> Response {
        let mut response = if is_ours(&response) {
            self.written_anew(response).await
        } else {
            response
        };
        self.tell_ceiling(&mut response);
        response
    }

    async fn written_anew(self, response: Response) -> Response {
        let (head, body) = response.into_parts();
        let no = match head.extensions.get::<Arc<Denied>>() {
            Some(denied) => No::from(&**denied),
            None if head.status == StatusCode::TOO_MANY_REQUESTS => No::limited(0),
            None => match told(body).await {
                Some(why) => No::new(head.status, code(head.status), why),
                None => No::of(head.status),
            },
        };
        let mut dressed = self.answer(no);
        // A gateway that only asks may have been given another status than the refusal has.
        *dressed.status_mut() = head.status;
        in_place_of(head, dressed)
    }

    /// Every answer to a request that was counted says how many there may be; a refused one was not counted.
    fn tell_ceiling(self, response: &mut Response) {
        let spent = response.extensions().get::<Spending>();
        let shared = spent.and_then(|spending| {
            let mut spent = spending.0.iter();
            let shared = spent.find(|spent| spent.name.starts_with(SHARED));
            shared.map(|spent| spent.quota)
        });
        if let Some(quota) = shared {
            let headers = response.headers_mut();
            headers.insert(LIMIT, HeaderValue::from(quota));
            if self == Family::Ctia {
                headers.insert(GROUP_LIMIT, HeaderValue::from(quota));
            }
        }
    }
}

/// The code of an error that has no other.
fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "invalid_request",
        StatusCode::FORBIDDEN => "access_denied",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => "bad_gateway",
        status if status.is_server_error() => "unknown-exception",
        _ => "invalid_request",
    }
}

/// A time as they write it: `1min 2s`, parts of nothing left out.
fn duration(span: Span) -> String {
    let mut rest = span.millis().max(0);
    let mut parts = Vec::new();
    for (millis, one, more) in [
        (31_536_000_000, " year", " years"),
        (86_400_000, " day", " days"),
        (3_600_000, "h", "h"),
        (60_000, "min", "min"),
        (1000, "s", "s"),
        (1, "ms", "ms"),
    ] {
        let count = rest / millis;
        rest %= millis;
        if count > 0 {
            parts.push(format!("{count}{}", if count == 1 { one } else { more }));
        }
    }
    if parts.is_empty() {
        "0ms".to_owned()
    } else {
        parts.join(" ")
    }
}

/// Scopes as they are spelled.
pub(super) fn texts<'s>(scopes: impl IntoIterator<Item = &'s Scope>) -> Vec<String> {
    let text = |scope: &Scope| scope.as_str().to_owned();
    scopes.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_the_family_of_its_whole_segments() {
        for (path, expected) in [
            ("/iroh/iroh-inspect/inspect", Some(Family::Iroh)),
            ("/iroh", Some(Family::Iroh)),
            ("/irohs", None),
            ("/clouds.json", Some(Family::Iroh)),
            ("/ctia/incident", Some(Family::Ctia)),
            ("/api/v1/keys", None),
        ] {
            assert_eq!(Family::of(path), expected, "{path}");
        }
    }

    #[test]
    fn a_duration_leaves_out_what_is_nothing() {
        for (millis, expected) in [
            (62_000, "1min 2s"),
            (0, "0ms"),
            (86_400_000, "1 day"),
            (2 * 31_536_000_000 + 3_600_000 + 5, "2 years 1h 5ms"),
            (-1, "0ms"),
        ] {
            assert_eq!(duration(Span::from_millis(millis)), expected, "{millis}");
        }
    }

    #[test]
    fn the_body_of_a_429_has_thirty_bytes() {
        assert_eq!(TOO_MANY.len(), 30);
    }
}
