//! A key: the durable thing a person creates. It keeps its id, name, grants and limits through every
//! rotation; what proves it changes.
//!
//! Stored states are facts that somebody caused. Expired, overlapping and never used are computed from facts
//! and `now`. A change consumes the old key and gives the new one, or a [`Refusal`]; nothing else changes it.

mod address;
mod edit;
mod state;
mod verify;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

pub use address::{Addresses, BadAddresses};
pub use edit::{Edit, ExpiryChange};
pub use state::{MAX_OVERLAP, Minted, Refusal};
pub use verify::{Ask, Denial, Grant, Proven, Standing, Verdict, decide, prove};

use crate::canonical::Canonical;
use crate::grant::Grants;
use crate::id::{KeyId, OrganizationId, UserId};
use crate::limit::Limit;
use crate::role::{Comment, Name, ProductName};
use crate::secret::Digest;
use crate::time::{Instant, Span};

/// How a key is proven; fixed when it is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One secret string, presented as it is.
    Static,
    /// A secret that signs each request and is never sent.
    Signed,
    /// A client id and a secret that are exchanged for access tokens (OAuth 2.0 client credentials).
    Client,
    /// An access token and a refresh token.
    TokenPair,
    /// A signed JWT that lives as long as the key.
    Jwt,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 5] = [
        Kind::Static,
        Kind::Signed,
        Kind::Client,
        Kind::TokenPair,
        Kind::Jwt,
    ];

    /// The word for it, as stored and as written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Static => "static",
            Kind::Signed => "signed",
            Kind::Client => "client",
            Kind::TokenPair => "token_pair",
            Kind::Jwt => "jwt",
        }
    }

    /// The kind of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What somebody made of a key; whether it is expired is another question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// It may be used.
    Active,
    /// It may not be used until somebody enables it again.
    Disabled {
        /// Since when.
        at: Instant,
        /// By whom.
        by: Maker,
    },
    /// It may never be used again.
    Revoked {
        /// Since when.
        at: Instant,
        /// By whom.
        by: Maker,
    },
}

impl State {
    /// The word for it, as stored and as written on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            State::Active => "active",
            State::Disabled { .. } => "disabled",
            State::Revoked { .. } => "revoked",
        }
    }
}

/// Who made a thing or a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Maker {
    /// A person.
    User(UserId),
    /// A machine, by its key.
    Key(KeyId),
    /// The server itself, or whoever holds its shell.
    System,
}

/// What is kept of one secret of a key.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// SHA-256 of the secret.
    Digest([u8; 32]),
    /// The secret itself: signing kinds need it to compute the signature again.
    Secret(String),
    /// Nothing: the credential proves itself (a JWT, by its signature and `jti`; a token pair, by its family).
    Signature,
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Proof::Digest(_) => "Digest(..)",
            Proof::Secret(_) => "Secret(..)",
            Proof::Signature => "Signature",
        })
    }
}

impl Proof {
    /// Whether `digest` is of the secret behind this proof; in constant time.
    pub fn is_met_by(&self, digest: &Digest) -> bool {
        match self {
            Proof::Digest(kept) => Digest::from_bytes(*kept) == *digest,
            Proof::Secret(secret) => Digest::of(secret) == *digest,
            Proof::Signature => false,
        }
    }
}

/// One secret of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Counts from 0 and never repeats within a key.
    pub generation: u32,
    /// The public identifier that a dialect presents beside the secret (a client id); `None` where the
    /// credential's own text carries the key's id.
    pub handle: Option<String>,
    /// What is kept of the secret; sealed at rest.
    pub proof: Proof,
    /// Since when it exists.
    pub since: Instant,
}

/// The secret before the current one, while both are good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The earlier secret.
    pub credential: Credential,
    /// It is good before this moment, and not at it.
    pub until: Instant,
}

/// A key; see the module's text. Fields are open to read; change happens through the transitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its identifier, for good.
    pub id: KeyId,
    /// The organization it belongs to, for good.
    pub organization: OrganizationId,
    /// The product it opens, for good.
    pub product: ProductName,
    /// How it is proven, for good.
    pub kind: Kind,
    /// What people call it; unique among the living keys of its organization and product.
    pub name: Name,
    /// What people say of it.
    pub comment: Comment,
    /// What it may do.
    pub grants: Grants,
    /// From where it may be used; empty is from everywhere.
    pub addresses: Addresses,
    /// How often it may be used.
    pub limits: Vec<Limit>,
    /// It is good before this moment; `None` is for good.
    pub expires_at: Option<Instant>,
    /// What somebody made of it.
    pub state: State,
    /// The person on whose standing it depends, where the product says so.
    pub owner: Option<UserId>,
    /// When it was created.
    pub created_at: Instant,
    /// By whom.
    pub created_by: Maker,
    /// When its name, comment, grants, addresses, limits or expiry last changed.
    pub edited_at: Instant,
    /// When its secret last changed; `None` while it has its first.
    pub rotated_at: Option<Instant>,
    /// Its secret.
    pub current: Credential,
    /// The secret before, while both are good.
    pub previous: Option<Overlap>,
    /// Counts the row's changes; a change is written only over the version it was made from.
    pub version: i64,
}

impl Key {
    /// Whether it is past its expiry.
    pub fn is_expired(&self, now: Instant) -> bool {
        self.expires_at.is_some_and(|at| now >= at)
    }

    /// Whether it has an expiry that comes within a span of time from now.
    pub fn expires_within(&self, span: Span, now: Instant) -> bool {
        self.expires_at
            .is_some_and(|at| now < at && at <= now + span)
    }

    /// Whether somebody revoked it.
    pub fn is_revoked(&self) -> bool {
        matches!(self.state, State::Revoked { .. })
    }

    /// The secrets that are good at `now`, the current one first.
    pub fn live(&self, now: Instant) -> impl Iterator<Item = &Credential> {
        let previous = self
            .previous
            .iter()
            .filter(move |overlap| now < overlap.until);
        std::iter::once(&self.current).chain(previous.map(|overlap| &overlap.credential))
    }

    /// Everything about the key that is stored, secrets apart, as the context that its secrets are sealed in: a
    /// row whose columns were changed by hand no longer opens.
    pub fn context(&self) -> Vec<u8> {
        let json = |value: Result<String, serde_json::Error>| value.unwrap_or_default();
        let mut canonical = Canonical::new("latchkey key row")
            .bytes(self.id.as_bytes())
            .bytes(self.organization.as_bytes())
            .text(self.product.as_str())
            .text(self.kind.as_str())
            .text(self.name.as_str())
            .text(self.comment.as_str())
            .text(&json(serde_json::to_string(&self.grants)))
            .text(&json(serde_json::to_string(&self.addresses)))
            .text(&json(serde_json::to_string(&self.limits)))
            .opt_int(self.expires_at.map(Instant::millis))
            .text(&json(serde_json::to_string(&self.state)))
            .opt_text(self.owner.map(|owner| owner.to_string()).as_deref())
            .int(self.created_at.millis())
            .text(&json(serde_json::to_string(&self.created_by)))
            .int(self.edited_at.millis())
            .opt_int(self.rotated_at.map(Instant::millis));
        for credential in
            std::iter::once(&self.current).chain(self.previous.iter().map(|p| &p.credential))
        {
            canonical = canonical
                .int(i64::from(credential.generation))
                .opt_text(credential.handle.as_deref())
                .int(credential.since.millis());
        }
        canonical
            .opt_int(self.previous.as_ref().map(|p| p.until.millis()))
            .int(self.version)
            .finish()
    }
}

#[cfg(test)]
mod tests;
