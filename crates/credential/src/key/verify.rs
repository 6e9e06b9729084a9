//! The decision: may this key do this, now, from here? Pure: the key, what its grants are worth, its
//! organization's and owner's standing, the question and the time go in; a verdict comes out.

use std::net::IpAddr;

use super::{Credential, Key, State};
use crate::access::{Allowed, Rights};
use crate::id::{KeyId, OrganizationId};
use crate::scope::Scope;
use crate::secret::Digest;
use crate::time::Instant;

/// A question about a credential whose proof is at hand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask<'a> {
    /// Every scope that the request needs.
    pub scopes: &'a [Scope],
    /// The resource it reaches for.
    pub resource: Option<&'a str>,
    /// Whether it is enough to hold the scopes on some resource, whichever: the answer will be kept to those. It counts
    /// where no resource is named.
    pub somewhere: bool,
    /// Where it comes from.
    pub from: Option<IpAddr>,
}

/// How those stand on whom a key depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The organization is active.
    pub organization: bool,
    /// The owner is active, or the product does not ask for one.
    pub owner: bool,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes, and with what.
    Valid(Grant),
    /// No, and why.
    Denied(Denial),
}

/// What a good credential may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The key.
    pub key: KeyId,
    /// Its organization.
    pub organization: OrganizationId,
    /// The key's expiry.
    pub expires_at: Option<Instant>,
}

/// Why a credential is not good for what was asked. Reasons that tell of the key's state are only given to whoever
/// proved the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// Not a credential known here: malformed, forged, unknown, or a wrong secret. One answer for all of them.
    Unknown,
    /// Its row was changed outside the server.
    Tampered,
    /// Somebody revoked it.
    Revoked,
    /// Somebody disabled it, its organization, or the person it depends on.
    Disabled,
    /// It is past its expiry.
    Expired,
    /// It may not be used from this address.
    Address,
    /// It lacks this scope.
    Scope(Scope),
    /// It has the scope, but not for this resource.
    Resource,
    /// It was used too often; it may be tried again after that many milliseconds.
    Limited {
        /// Milliseconds until the same request may be admitted.
        retry_after_ms: i64,
    },
    /// A signed request that was seen before, or whose time is outside the window.
    Replayed,
}

impl Denial {
    /// The stable code of the answer on the wire.
    pub const fn code(&self) -> &'static str {
        match self {
            Denial::Unknown => "NOT_FOUND",
            Denial::Tampered => "TAMPERED",
            Denial::Revoked => "REVOKED",
            Denial::Disabled => "DISABLED",
            Denial::Expired => "EXPIRED",
            Denial::Address => "ADDRESS_NOT_ALLOWED",
            Denial::Scope(_) => "INSUFFICIENT_SCOPE",
            Denial::Resource => "RESOURCE_NOT_ALLOWED",
            Denial::Limited { .. } => "RATE_LIMITED",
            Denial::Replayed => "REPLAYED",
        }
    }
}

/// That a secret of a key was proven, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proven {
    /// The generation of the secret.
    pub generation: u32,
}

/// Which of the key's secrets has this digest. A secret whose overlap has ended proves nothing. The time taken does
/// not tell how much of a digest was right.
pub fn prove(key: &Key, digest: &Digest, now: Instant) -> Option<Proven> {
    let mut proven = None;
    for Credential {
        generation, proof, ..
    } in key.live(now)
    {
        if proof.is_met_by(digest) {
            proven = Some(Proven {
                generation: *generation,
            });
        }
    }
    proven
}

/// Decides about a proven key. The order of the lines is the policy: the graver reason is told first.
pub fn decide(
    key: &Key,
    rights: &Rights,
    standing: Standing,
    ask: &Ask<'_>,
    now: Instant,
) -> Verdict {
    let denial = match key.state {
        State::Revoked { .. } => Some(Denial::Revoked),
        State::Disabled { .. } => Some(Denial::Disabled),
        State::Active if !standing.organization || !standing.owner => Some(Denial::Disabled),
        State::Active if key.is_expired(now) => Some(Denial::Expired),
        State::Active if !key.addresses.admit(ask.from) => Some(Denial::Address),
        State::Active => missing(rights, ask),
    };
    match denial {
        Some(denial) => Verdict::Denied(denial),
        None => Verdict::Valid(Grant {
            key: key.id,
            organization: key.organization,
            expires_at: key.expires_at,
        }),
    }
}

/// The first scope that is not held tells more than a resource that is not reached. Who asks about a resource
/// alone is told whether any right reaches it.
fn missing(rights: &Rights, ask: &Ask<'_>) -> Option<Denial> {
    if ask.somewhere && ask.resource.is_none() {
        return missing_everywhere(rights, ask.scopes);
    }
    if ask.scopes.is_empty() {
        return ask
            .resource
            .filter(|resource| !rights.reaches(resource))
            .map(|_| Denial::Resource);
    }
    let mut unreached = None;
    for scope in ask.scopes {
        match rights.allows(scope, ask.resource) {
            Allowed::Yes => {}
            Allowed::MissingScope => return Some(Denial::Scope(scope.clone())),
            Allowed::ResourceNotAllowed => unreached = Some(Denial::Resource),
        }
    }
    unreached
}

/// The same where some resource is enough: scopes that are held on different ones are not held together.
fn missing_everywhere(rights: &Rights, scopes: &[Scope]) -> Option<Denial> {
    let lacking = |scope: &&Scope| rights.allows(scope, None) == Allowed::MissingScope;
    if let Some(scope) = scopes.iter().find(lacking) {
        return Some(Denial::Scope(scope.clone()));
    }
    rights
        .reached(scopes)
        .is_empty()
        .then_some(Denial::Resource)
}
