//! What the authority refuses, as problems: the one place where the two lists meet.

use authority::{Failure, Refusal};
use credential::key::{Denial, Refusal as KeyRefusal};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};

use crate::edge::retry_after;
use crate::problem::{Kind, Problem};

/// The challenge to whoever presented nothing (RFC 6750, section 3).
const CHALLENGE: &str = "Bearer realm=\"latchkey\"";
/// The challenge to whoever presented something that is not good.
const BAD_TOKEN: &str = "Bearer realm=\"latchkey\", error=\"invalid_token\"";
/// After how many seconds a server that could not answer may be asked again.
const AGAIN: &str = "1";

/// The answer to a use case that did not happen. A broken world is logged here, and told to nobody.
pub fn problem(failure: Failure) -> Problem {
    match failure {
        Failure::Refused(refusal) => refused(&refusal),
        Failure::Fault(fault) if fault.retryable() => {
            tracing::warn!(
                error = &fault as &dyn std::error::Error,
                "the store could not answer"
            );
            Problem::new(Kind::Unavailable).header(RETRY_AFTER, AGAIN)
        }
        Failure::Fault(fault) => {
            tracing::error!(error = &fault as &dyn std::error::Error, "a request failed");
            Kind::Internal.into()
        }
    }
}

/// The answer to a broken rule.
pub(super) fn refused(refusal: &Refusal) -> Problem {
    let told = |kind: Kind| Problem::new(kind).because(sentence(&refusal.to_string()));
    match refusal {
        Refusal::Unauthenticated(Denial::Address) => Kind::AddressNotAllowed.into(),
        Refusal::Unauthenticated(Denial::Limited { retry_after_ms })
        | Refusal::Limited { retry_after_ms } => limited(*retry_after_ms),
        Refusal::Unauthenticated(_) => unauthenticated(),
        Refusal::Forbidden { scope } => told(Kind::Forbidden).with("scope", scope.as_str()).header(
            WWW_AUTHENTICATE,
            &format!("{CHALLENGE}, error=\"insufficient_scope\", scope=\"{scope}\""),
        ),
        // One answer for all that is not there or not for this caller: it names nothing.
        Refusal::NotFound(_) => Kind::NotFound.into(),
        Refusal::Invalid { member, why } => {
            let why = why.strip_prefix(&format!("{member}: ")).unwrap_or(why);
            Problem::new(Kind::InvalidMember)
                .because(format!("The member /{member}: {why}."))
                .at(format!("/{member}"), why)
        }
        Refusal::Ceiling(_) => told(Kind::AboveCeiling),
        Refusal::NameTaken(_) => told(Kind::NameTaken),
        Refusal::Stale { version } => told(Kind::EditedMeanwhile).with("version", *version),
        Refusal::Key(KeyRefusal::ExpiryInThePast) => {
            told(Kind::InvalidMember).at("/expires_at", refusal.to_string())
        }
        Refusal::Key(KeyRefusal::OverlapTooLong) => {
            told(Kind::InvalidMember).at("/overlap_seconds", refusal.to_string())
        }
        Refusal::Key(_) | Refusal::Conflict(_) => told(Kind::StateConflict),
        Refusal::IdempotencyKeyUsed => told(Kind::IdempotencyConflict),
        Refusal::Restricted => told(Kind::Forbidden),
        Refusal::NotFresh => Problem::new(Kind::NotFresh).header(RETRY_AFTER, AGAIN),
    }
}

/// No credential at all.
pub(super) fn nothing_presented() -> Problem {
    Problem::new(Kind::Unauthenticated).header(WWW_AUTHENTICATE, CHALLENGE)
}

/// No good credential; the same whatever is wrong with it.
pub(super) fn unauthenticated() -> Problem {
    Problem::new(Kind::Unauthenticated).header(WWW_AUTHENTICATE, BAD_TOKEN)
}

fn limited(retry_after_ms: i64) -> Problem {
    Problem::new(Kind::RateLimited).header(RETRY_AFTER, &retry_after(retry_after_ms).to_string())
}

/// A message as a sentence of its own.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => format!(
            "{}{}.",
            first.to_uppercase(),
            letters.as_str().trim_end_matches('.')
        ),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slug and the detail of the problem.
    fn told(refusal: Refusal) -> String {
        let problem = refused(&refusal);
        let body = problem.body();
        format!(
            "{}: {}",
            problem.kind().slug(),
            body["detail"].as_str().unwrap()
        )
    }

    #[test]
    fn each_refusal_has_its_problem() {
        for (refusal, expected) in [
            (
                Refusal::Forbidden {
                    scope: "latchkey.keys:read".into(),
                },
                "forbidden: This needs the scope latchkey.keys:read.",
            ),
            (
                Refusal::Ceiling("x:write".into()),
                "above-ceiling: X:write is beyond your own rights.",
            ),
            (
                Refusal::NameTaken("key"),
                "name-taken: The name is taken by another key.",
            ),
            (
                Refusal::Key(KeyRefusal::Revoked),
                "state-conflict: The key is revoked; make a new one.",
            ),
            (
                Refusal::Invalid {
                    member: "roles",
                    why: "there is no such role".into(),
                },
                "invalid-member: The member /roles: there is no such role.",
            ),
        ] {
            assert_eq!(told(refusal), expected);
        }
    }

    #[test]
    fn what_is_wrong_with_a_credential_is_told_to_nobody() {
        let told = |denial| refused(&Refusal::Unauthenticated(denial));
        for denial in [
            Denial::Tampered,
            Denial::Revoked,
            Denial::Disabled,
            Denial::Expired,
            Denial::Replayed,
        ] {
            assert_eq!(told(denial), told(Denial::Unknown));
        }
    }

    #[test]
    fn a_thing_that_is_not_for_the_caller_is_answered_like_one_that_is_not_there() {
        assert_eq!(
            refused(&Refusal::NotFound("key")),
            refused(&Refusal::NotFound("organization"))
        );
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_rounded_up() {
        for (millis, seconds) in [(1, "1"), (1000, "1"), (1001, "2"), (0, "1")] {
            assert_eq!(
                limited(millis),
                Problem::new(Kind::RateLimited).header(RETRY_AFTER, seconds)
            );
        }
    }
}
