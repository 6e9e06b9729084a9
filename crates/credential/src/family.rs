//! A family of tokens: the chain of refresh tokens of one key, and the access tokens beside them.
//!
//! Both tokens of a generation come from the family's own random seed, so that a client that lost an
//! answer and asks again gets the very same tokens: there never are two branches. The row holds no usable token; the
//! seed lies sealed.
//!
//! What is presented is answered by its age:
//!
//! | refresh token of generation | answer |
//! |---|---|
//! | the current one | the next generation |
//! | the one before, within the grace | the current tokens again |
//! | the one before, up to 24 h, while no token of the current generation was ever presented | the current tokens again |
//! | any other | reuse: the family dies |

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::canonical::Canonical;
use crate::id::{FamilyId, KeyId, OrganizationId};
use crate::seal::derive;
use crate::secret::{Digest, Secret};
use crate::time::{Instant, Span};
use crate::token::{self, Parsed, TagKeys, Word};

/// How long a lost answer can be fetched again while its tokens were never used.
pub const UNUSED_GRACE: Span = Span::from_hours(24);

/// Why a family is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Death {
    /// A refresh token came back after its successor was in use.
    Reused,
    /// Somebody revoked it.
    Revoked,
    /// A new pair was made in its place.
    Replaced,
}

/// A family; see the module's text.
#[derive(Clone, PartialEq, Eq)]
pub struct Family {
    /// Its identifier; it stands in every token.
    pub id: FamilyId,
    /// Its organization.
    pub organization: OrganizationId,
    /// The key whose tokens these are.
    pub key: KeyId,
    /// How many times it was refreshed.
    pub generation: u32,
    /// When the current generation began.
    pub rotated_at: Instant,
    /// When the generation before began; the first has none.
    pub previous_at: Option<Instant>,
    /// Whether a token of the current generation was ever presented.
    pub used: bool,
    /// The current refresh token is good before this moment.
    pub refresh_until: Instant,
    /// How long an access token is good.
    pub access_life: Span,
    /// How long a refresh token is good.
    pub refresh_life: Span,
    /// Since when and why it is dead.
    pub dead: Option<(Instant, Death)>,
    /// When it began.
    pub created_at: Instant,
    /// Counts the row's changes.
    pub version: i64,
    /// 256 random bits behind every token of the family; sealed at rest.
    pub seed: [u8; 32],
}

impl std::fmt::Debug for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Family({}, generation {}, dead {:?})",
            self.id, self.generation, self.dead
        )
    }
}

/// What a presented refresh token leads to.
#[derive(Debug)]
pub enum Refreshed {
    /// The next generation; its tokens are the answer once the row is written.
    Next(Family),
    /// The current tokens again; nothing is written.
    Again(Family),
    /// A token came back that was replaced: the family dies, once the row is written.
    Reuse(Family),
    /// The token is of no use, and nothing is written.
    Refused(NotRefreshed),
}

/// Why a refresh token gives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRefreshed {
    /// It is not a token of this family.
    Unknown,
    /// It was not used in time.
    Lapsed,
    /// The family is dead.
    Dead(Death),
    /// The family was refreshed as often as generations can count.
    Worn,
}

impl Family {
    /// The refresh token of a generation.
    pub fn refresh_token(&self, generation: u32, tags: &TagKeys) -> Secret {
        self.token(Word::Refresh, generation, tags)
    }

    /// The opaque access token of a generation.
    pub fn access_token(&self, generation: u32, tags: &TagKeys) -> Secret {
        self.token(Word::Access, generation, tags)
    }

    /// Whether `presented`, which reads as `parsed`, is a token that this family issued; in constant time.
    pub fn issued(&self, parsed: &Parsed, presented: &str, tags: &TagKeys) -> bool {
        let secret = self.secret(parsed.word, parsed.generation);
        let id = self.id.as_bytes();
        let ours = token::mint_again(
            parsed.word,
            id,
            parsed.generation,
            &secret,
            parsed.tag_version,
            tags,
        );
        parsed.id == *id && ours.digest() == Digest::of(presented)
    }

    /// Answers a refresh token of `generation` that is known to be genuine. The new generation ends no later
    /// than `cap`, the key's own expiry.
    pub fn refresh(
        self,
        generation: u32,
        grace: Span,
        cap: Option<Instant>,
        now: Instant,
    ) -> Refreshed {
        if generation > self.generation {
            return Refreshed::Refused(NotRefreshed::Unknown);
        }
        if let Some((_, death)) = self.dead {
            return Refreshed::Refused(NotRefreshed::Dead(death));
        }
        if now >= self.refresh_until {
            return Refreshed::Refused(NotRefreshed::Lapsed);
        }
        if generation == self.generation {
            if generation >= token::MAX_GENERATION {
                return Refreshed::Refused(NotRefreshed::Worn);
            }
            let until = now + self.refresh_life;
            return Refreshed::Next(Family {
                generation: generation + 1,
                previous_at: Some(self.rotated_at),
                rotated_at: now,
                used: false,
                refresh_until: cap.map_or(until, |cap| until.min(cap)),
                ..self
            });
        }
        let age = now.since(self.rotated_at);
        let lost = age <= grace || (!self.used && age <= UNUSED_GRACE);
        if generation + 1 == self.generation && lost {
            return Refreshed::Again(self);
        }
        Refreshed::Reuse(self.die(Death::Reused, now))
    }

    /// The family with the mark that a token of its current generation was presented.
    pub fn mark_used(self) -> Family {
        Family { used: true, ..self }
    }

    /// Ends the family for good; a dead one stays as it died.
    pub fn die(self, why: Death, now: Instant) -> Family {
        Family {
            dead: self.dead.or(Some((now, why))),
            ..self
        }
    }

    /// Until when an access token of `generation` is good; `None` if it is not one of the two latest.
    pub fn access_until(&self, generation: u32) -> Option<Instant> {
        if generation == self.generation {
            return Some(self.rotated_at + self.access_life);
        }
        if generation + 1 == self.generation {
            return self.previous_at.map(|at| at + self.access_life);
        }
        None
    }

    /// Everything stored about it, the seed apart, as the context its seed is sealed in.
    pub fn context(&self) -> Vec<u8> {
        Canonical::new("latchkey family row")
            .bytes(self.id.as_bytes())
            .bytes(self.organization.as_bytes())
            .bytes(self.key.as_bytes())
            .int(i64::from(self.generation))
            .int(self.rotated_at.millis())
            .opt_int(self.previous_at.map(Instant::millis))
            .int(i64::from(self.used))
            .int(self.refresh_until.millis())
            .int(self.access_life.millis())
            .int(self.refresh_life.millis())
            .opt_int(self.dead.map(|(at, _)| at.millis()))
            .opt_text(self.dead.map(|(_, why)| match why {
                Death::Reused => "reused",
                Death::Revoked => "revoked",
                Death::Replaced => "replaced",
            }))
            .int(self.created_at.millis())
            .int(self.version)
            .finish()
    }

    fn token(&self, word: Word, generation: u32, tags: &TagKeys) -> Secret {
        token::mint(
            word,
            self.id.as_bytes(),
            generation,
            &self.secret(word, generation),
            tags,
        )
    }

    fn secret(&self, word: Word, generation: u32) -> Zeroizing<[u8; 32]> {
        derive(&self.seed, &format!("{} {generation}", word.as_str()))
    }
}

#[cfg(test)]
mod tests;
