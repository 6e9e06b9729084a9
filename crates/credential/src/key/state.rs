//! The life of a key as transitions that consume the old value.

use super::{Credential, Key, Maker, Overlap, Proof, State};
use crate::time::{Instant, Span};

/// The longest time that two secrets of one key may both be good.
pub const MAX_OVERLAP: Span = Span::from_days(30);

/// Why a key does not change so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A revoked key never changes again.
    #[error("the key is revoked; make a new one")]
    Revoked,
    /// A secret of an expired key would be of no use.
    #[error("the key expired; give it a later expiry first")]
    Expired,
    /// The state is already so.
    #[error("the key is already {0}")]
    Already(&'static str),
    /// Only active keys get new secrets.
    #[error("the key is disabled; enable it first")]
    Disabled,
    /// An expiry that has passed would be a hidden revocation.
    #[error("the expiry must lie in the future")]
    ExpiryInThePast,
    /// An overlap beyond what is allowed.
    #[error("the overlap can be at most {} seconds", MAX_OVERLAP.seconds())]
    OverlapTooLong,
    /// The overlap of the rotation before has not ended.
    #[error(
        "two secrets are good already; wait for the earlier one to end, or rotate with an overlap of 0"
    )]
    Overlapping,
    /// The kind has no secret to rotate.
    #[error("keys of kind {0} are not rotated")]
    NotRotatable(&'static str),
    /// Generations are counted in three bytes.
    #[error("the key was rotated too often; make a new one")]
    Worn,
}

/// A fresh secret for a rotation.
#[derive(Debug, Clone)]
pub struct Minted {
    /// Its public identifier, where the dialect gives it one.
    pub handle: Option<String>,
    /// What is kept of it.
    pub proof: Proof,
}

impl Key {
    /// Takes the key out of use until somebody enables it. Allowed on an expired key: its expiry may be moved.
    pub fn disable(self, by: Maker, now: Instant) -> Result<Key, Refusal> {
        match self.state {
            State::Active => Ok(Key {
                state: State::Disabled { at: now, by },
                ..self
            }),
            State::Disabled { .. } => Err(Refusal::Already("disabled")),
            State::Revoked { .. } => Err(Refusal::Revoked),
        }
    }

    /// Brings a disabled key back into use.
    pub fn enable(self) -> Result<Key, Refusal> {
        match self.state {
            State::Disabled { .. } => Ok(Key {
                state: State::Active,
                ..self
            }),
            State::Active => Err(Refusal::Already("active")),
            State::Revoked { .. } => Err(Refusal::Revoked),
        }
    }

    /// Ends the key for good.
    pub fn revoke(self, by: Maker, now: Instant) -> Result<Key, Refusal> {
        match self.state {
            State::Revoked { .. } => Err(Refusal::Already("revoked")),
            State::Active | State::Disabled { .. } => Ok(Key {
                state: State::Revoked { at: now, by },
                previous: None,
                ..self
            }),
        }
    }

    /// The generation that the next secret will have.
    pub fn next_generation(&self) -> u32 {
        self.current.generation + 1
    }

    /// Ends everything that was signed for a key which proves itself by signatures, and keeps the key: what is signed for
    /// it from now on is of the next generation.
    pub fn begin_anew(self, now: Instant) -> Result<Key, Refusal> {
        if self.current.proof != Proof::Signature {
            return Err(Refusal::NotRotatable(self.kind.as_str()));
        }
        if self.is_revoked() {
            return Err(Refusal::Revoked);
        }
        if self.next_generation() > crate::token::MAX_GENERATION {
            return Err(Refusal::Worn);
        }
        let current = Credential {
            generation: self.next_generation(),
            since: now,
            ..self.current
        };
        Ok(Key {
            current,
            previous: None,
            rotated_at: Some(now),
            ..self
        })
    }

    /// Gives the key a new secret. The one before stays good for `overlap`; at most two are good at a time.
    pub fn rotate(self, minted: Minted, overlap: Span, now: Instant) -> Result<Key, Refusal> {
        match self.state {
            State::Revoked { .. } => return Err(Refusal::Revoked),
            State::Disabled { .. } => return Err(Refusal::Disabled),
            State::Active => {}
        }
        if self.is_expired(now) {
            return Err(Refusal::Expired);
        }
        if overlap > MAX_OVERLAP {
            return Err(Refusal::OverlapTooLong);
        }
        let overlapping = self
            .previous
            .as_ref()
            .is_some_and(|previous| now < previous.until);
        if overlapping && overlap > Span::ZERO {
            return Err(Refusal::Overlapping);
        }
        if self.next_generation() > crate::token::MAX_GENERATION {
            return Err(Refusal::Worn);
        }
        let current = Credential {
            generation: self.next_generation(),
            handle: minted.handle,
            proof: minted.proof,
            since: now,
        };
        let previous = (overlap > Span::ZERO).then(|| Overlap {
            credential: self.current,
            until: now + overlap,
        });
        Ok(Key {
            current,
            previous,
            rotated_at: Some(now),
            ..self
        })
    }
}
