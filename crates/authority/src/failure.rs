//! Why a use case did not do what was asked: a broken rule, or a broken world.

use credential::key::Denial;
use store::Fault;

/// A use case that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command breaks a rule; the text tells the caller what to do.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The world failed; the text is for the log, never for the caller.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The caller's own credential is not good.
    #[error("the credential of this call is not accepted")]
    Unauthenticated(Denial),
    /// The caller's credential is good, but not for this.
    #[error("this needs the scope {scope}")]
    Forbidden {
        /// The scope that is missing.
        scope: String,
    },
    /// There is no such thing, or not for this caller: the answer is the same.
    #[error("there is no such {0} here")]
    NotFound(&'static str),
    /// A member of the command has no good value.
    #[error("{member}: {why}")]
    Invalid {
        /// The member, as the command names it.
        member: &'static str,
        /// What is wrong and what would be right.
        why: String,
    },
    /// More would be given than the giver has.
    #[error("{0} is beyond your own rights")]
    Ceiling(String),
    /// The name is in use.
    #[error("the name is taken by another {0}")]
    NameTaken(&'static str),
    /// Somebody changed the thing since it was read.
    #[error("it changed since you read it; read it again (its version is now {version})")]
    Stale {
        /// The version as it is.
        version: i64,
    },
    /// The key's own rules.
    #[error(transparent)]
    Key(#[from] credential::key::Refusal),
    /// The idempotency key was used for something else, or too long ago.
    #[error("the idempotency key was used before: for another request, or too long ago")]
    IdempotencyKeyUsed,
    /// The caller lost the right while the call was under way.
    #[error("your own rights were restricted while this was under way; nothing was changed")]
    Restricted,
    /// The call was made too often.
    #[error("too many calls; try again in {retry_after_ms} ms")]
    Limited {
        /// Milliseconds until the same call may be admitted.
        retry_after_ms: i64,
    },
    /// This replica cannot prove that it knows every revocation.
    #[error("this replica cannot prove that it is current; ask again or ask another")]
    NotFresh,
    /// The state of the thing does not allow it.
    #[error("{0}")]
    Conflict(String),
}

impl Refusal {
    pub(crate) fn invalid(member: &'static str, why: impl ToString) -> Self {
        Refusal::Invalid {
            member,
            why: why.to_string(),
        }
    }
}

impl From<credential::key::Refusal> for Failure {
    fn from(refusal: credential::key::Refusal) -> Self {
        Failure::Refused(Refusal::Key(refusal))
    }
}

impl From<crate::ports::NoEntropy> for Failure {
    fn from(_: crate::ports::NoEntropy) -> Self {
        Failure::Fault(Fault::NoEntropy)
    }
}
