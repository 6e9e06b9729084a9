//! A no of the authority as a problem.

use authority::{Failure, Refusal};
use credential::key::Denial;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};

use crate::edge::retry_after;
use crate::problem::{Kind, Problem};

/// The challenge to whoever presented nothing (RFC 6750, section 3).
const CHALLENGE: &str = "Bearer realm=\"latchkey\"";
/// The challenge to whoever presented something that is not good.
const BAD_TOKEN: &str = "Bearer realm=\"latchkey\", error=\"invalid_token\"";
/// After how many seconds a server that could not answer may be asked again.
const AGAIN: &str = "1";

/// Nothing was presented.
pub fn nothing_presented() -> Problem {
    Problem::new(Kind::Unauthenticated).header(WWW_AUTHENTICATE, CHALLENGE)
}

/// What was presented is not good; the same whatever is wrong with it.
pub fn not_good() -> Problem {
    Problem::new(Kind::Unauthenticated).header(WWW_AUTHENTICATE, BAD_TOKEN)
}

/// The key reaches more resources than a header can tell.
pub fn too_many_resources() -> Problem {
    Problem::new(Kind::Forbidden)
        .because("The key lists more resources than the API behind the gateway can be told.")
}

/// The answer to a denial.
pub fn denied(denial: &Denial) -> Problem {
    match denial {
        Denial::Unknown
        | Denial::Tampered
        | Denial::Revoked
        | Denial::Disabled
        | Denial::Expired
        | Denial::Replayed => not_good(),
        Denial::Address => Kind::AddressNotAllowed.into(),
        Denial::Scope(scope) => Problem::new(Kind::Forbidden)
            .because(format!("This needs the scope {}.", scope.as_str()))
            .with("scope", scope.as_str())
            .header(
                WWW_AUTHENTICATE,
                &format!(
                    "{CHALLENGE}, error=\"insufficient_scope\", scope=\"{}\"",
                    scope.as_str()
                ),
            ),
        Denial::Resource => {
            Problem::new(Kind::Forbidden).because("The key does not reach this resource.")
        }
        Denial::Limited { retry_after_ms } => Problem::new(Kind::RateLimited)
            .header(RETRY_AFTER, &retry_after(*retry_after_ms).to_string()),
    }
}

/// The answer when there is no verdict. A broken world is logged here, and told to nobody.
pub fn failed(failure: Failure) -> Problem {
    match failure {
        Failure::Refused(Refusal::NotFresh) => {
            Problem::new(Kind::NotFresh).header(RETRY_AFTER, AGAIN)
        }
        Failure::Refused(refusal) => {
            tracing::error!(
                error = &refusal as &dyn std::error::Error,
                "a verdict was refused"
            );
            Kind::Internal.into()
        }
        Failure::Fault(fault) if fault.retryable() => {
            tracing::warn!(
                error = &fault as &dyn std::error::Error,
                "the store could not answer"
            );
            Problem::new(Kind::Unavailable).header(RETRY_AFTER, AGAIN)
        }
        Failure::Fault(fault) => {
            tracing::error!(error = &fault as &dyn std::error::Error, "a verdict failed");
            Kind::Internal.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_denial_has_its_status_and_those_about_state_look_alike() {
        let scope = credential::scope::Scope::new("a:read").unwrap();
        for (denial, expected) in [
            (Denial::Address, "address-not-allowed"),
            (Denial::Scope(scope), "forbidden"),
            (Denial::Resource, "forbidden"),
            (Denial::Limited { retry_after_ms: 1 }, "rate-limited"),
        ] {
            assert_eq!(denied(&denial).kind().slug(), expected, "{denial:?}");
        }
        for denial in [
            Denial::Tampered,
            Denial::Revoked,
            Denial::Disabled,
            Denial::Expired,
            Denial::Replayed,
        ] {
            assert_eq!(denied(&denial), denied(&Denial::Unknown), "{denial:?}");
        }
        assert_eq!(denied(&Denial::Unknown), not_good());
    }
}
