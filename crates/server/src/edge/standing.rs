//! How limits are told: `RateLimit` and `RateLimit-Policy`.

use authority::Spent;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};

/// How limits stand (draft-ietf-httpapi-ratelimit-headers-10).
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// What limits there are (the same draft).
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What a request spent, left on its answer for dialects that tell it in headers of their own.
#[derive(Debug, Clone)]
pub struct Spending(pub Vec<Spent>);

impl Spending {
    /// Leaves it there; nothing where nothing was spent.
    pub fn leave_on(self, response: &mut Response) {
        if !self.0.is_empty() {
            response.extensions_mut().insert(self);
        }
    }
}

/// `RateLimit` and `RateLimit-Policy`, where there are limits.
pub fn limit_headers(limits: &[Spent]) -> Vec<(HeaderName, String)> {
    if limits.is_empty() {
        return Vec::new();
    }
    let list =
        |entry: fn(&Spent) -> String| limits.iter().map(entry).collect::<Vec<_>>().join(", ");
    let stands = list(|spent| {
        format!(
            "\"{}\";r={};t={}",
            spent.name,
            spent.remaining,
            seconds(spent.reset.millis())
        )
    });
    let policies = list(|spent| {
        format!(
            "\"{}\";q={};w={}",
            spent.name,
            spent.quota,
            seconds(spent.window.millis())
        )
    });
    vec![(RATE_LIMIT, stands), (RATE_LIMIT_POLICY, policies)]
}

/// Adds them to an answer.
pub fn tell(limits: &[Spent], headers: &mut HeaderMap) {
    for (name, value) in limit_headers(limits) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

/// Whole seconds, rounded up.
fn seconds(millis: i64) -> i64 {
    (millis.max(0) + 999) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_as_two_lists_of_one_order() {
        let spent = |name: &str, remaining, reset| Spent {
            name: name.into(),
            quota: 100,
            remaining,
            window: credential::time::Span::from_secs(60),
            reset: credential::time::Span::from_millis(reset),
        };
        assert_eq!(limit_headers(&[]), []);
        let told = limit_headers(&[spent("burst", 0, 1), spent("hour", 7, 60_000)]);
        assert_eq!(
            told[0],
            (
                RATE_LIMIT,
                "\"burst\";r=0;t=1, \"hour\";r=7;t=60".to_owned()
            )
        );
        assert_eq!(
            told[1],
            (
                RATE_LIMIT_POLICY,
                "\"burst\";q=100;w=60, \"hour\";q=100;w=60".to_owned()
            )
        );
    }
}
