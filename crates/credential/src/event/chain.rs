//! The chain: each event's hash covers the event and the hash before it, so no event can be
//! changed, removed, moved or put between without all later hashes changing; and signed checkpoints
//! say what some of those hashes were, so they cannot all be computed anew.
//!
//! What a chain proves ends at its last anchor. Events after it hang together, but whoever can
//! write the database could have written them; a verification says where that begins
//! ([`Head::sealed`]).

use aws_lc_rs::digest as hash;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::Event;
use crate::canonical::Canonical;
use crate::time::Instant;

/// An event with the hash that is stored beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The event.
    pub event: Event,
    /// Its link, as it was computed when the event was written.
    pub hash: [u8; 32],
}

/// What a signed checkpoint says: at this place, the chain had this hash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The name of the chain.
    pub chain: String,
    /// The place of the last event it covers.
    pub seq: i64,
    /// The hash of that event.
    pub hash: [u8; 32],
    /// When it was signed.
    pub at: Instant,
    /// The key that signed it.
    pub key_id: String,
    /// The Ed25519 signature over [`Checkpoint::message`].
    pub signature: Vec<u8>,
}

/// What a chain is held against.
#[derive(Debug, Clone, Copy)]
pub struct Anchors<'a> {
    /// The place and hash before the first event given: 0 and [`genesis`] for a whole chain, or
    /// those of the checkpoint at which older events were closed.
    pub start: (i64, [u8; 32]),
    /// Checkpoints whose signatures hold, of this chain, in ascending order.
    pub checkpoints: &'a [Checkpoint],
    /// The place and hash of the last event, when they are known from elsewhere.
    pub head: Option<(i64, [u8; 32])>,
}

/// Where a good chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The place of the last event.
    pub seq: i64,
    /// Its hash.
    pub hash: [u8; 32],
    /// The last place that an anchor vouches for.
    pub sealed: i64,
}

/// The first bad place of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// The event at this place is not there, and later ones are.
    #[error("event {0} is missing")]
    Missing(i64),
    /// An event stands after this place that belongs before it, or stands there twice.
    #[error("the event after {0} is out of order")]
    OutOfOrder(i64),
    /// The event at this place is not the one that was written.
    #[error("event {0} was changed")]
    Changed(i64),
    /// The chain was written anew somewhere between the two places: its hashes agree with one
    /// another, and not with the anchor at `until`.
    #[error("events {since} to {until} are not the ones that were signed")]
    Rewritten {
        /// The first event that no earlier anchor vouches for.
        since: i64,
        /// The place of the anchor.
        until: i64,
    },
    /// The chain ends here, and an anchor knows of more.
    #[error("the events after {0} were cut off")]
    Truncated(i64),
    /// The chain goes on after its known end.
    #[error("event {0} was appended")]
    Appended(i64),
}

/// SHA-256, as used for rows and links.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(hash::digest(&hash::SHA256, bytes).as_ref());
    digest
}

/// The hash before the first event of the chain with this name. Each chain has its own, so that
/// the events of one are none of another's.
pub fn genesis(chain: &str) -> [u8; 32] {
    digest(
        &Canonical::new("latchkey audit chain 1")
            .text(chain)
            .finish(),
    )
}

/// The hash of an event that stands after `previous`.
pub fn link(previous: &[u8; 32], event: &Event) -> [u8; 32] {
    let organization = |id: Option<crate::id::OrganizationId>| id.map(|id| id.to_string());
    let address = event.actor.address.map(|address| address.to_string());
    let bytes = Canonical::new("latchkey audit event 1")
        .bytes(previous)
        .int(event.seq)
        .int(event.at.millis())
        .opt_text(organization(event.organization).as_deref())
        .text(event.actor.kind.as_str())
        .text(&event.actor.id)
        .opt_text(organization(event.actor.organization).as_deref())
        .opt_text(address.as_deref())
        .opt_text(event.actor.request_id.as_deref())
        .text(event.action.as_str())
        .text(event.subject.kind.as_str())
        .text(&event.subject.id)
        .int(event.subject_version)
        .bytes(&event.row_digest)
        .text(&event.detail)
        .finish();
    digest(&bytes)
}

impl Checkpoint {
    /// The bytes that are signed.
    pub fn message(&self) -> Vec<u8> {
        Canonical::new("latchkey audit checkpoint 1")
            .text(&self.chain)
            .int(self.seq)
            .bytes(&self.hash)
            .int(self.at.millis())
            .text(&self.key_id)
            .finish()
    }

    /// Whether the holder of this Ed25519 public key (32 bytes) signed it.
    pub fn is_signed_by(&self, public_key: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, public_key)
            .verify(&self.message(), &self.signature)
            .is_ok()
    }
}

/// Walks a chain once, in constant memory, and names its end or its first bad place.
///
/// A checkpoint whose signature does not hold is the caller's to reject: it says nothing about
/// the chain.
pub fn verify_chain(
    events: impl IntoIterator<Item = Sealed>,
    anchors: Anchors<'_>,
) -> Result<Head, Break> {
    let (mut seq, mut hash) = anchors.start;
    let mut sealed = seq;
    let mut known = Known {
        checkpoints: anchors.checkpoints,
        head: anchors.head,
    };
    known.agree(seq, &hash, &mut sealed)?;
    for next in events {
        let place = next.event.seq;
        if place <= seq {
            return Err(Break::OutOfOrder(seq));
        }
        if place > seq + 1 {
            return Err(Break::Missing(seq + 1));
        }
        if anchors.head.is_some_and(|(end, _)| place > end) {
            return Err(Break::Appended(place));
        }
        if link(&hash, &next.event) != next.hash {
            return Err(Break::Changed(place));
        }
        (seq, hash) = (place, next.hash);
        known.agree(seq, &hash, &mut sealed)?;
    }
    if known.knows_more_than(seq) {
        return Err(Break::Truncated(seq));
    }
    Ok(Head { seq, hash, sealed })
}

/// The anchors that the walk has not passed.
struct Known<'a> {
    checkpoints: &'a [Checkpoint],
    head: Option<(i64, [u8; 32])>,
}

impl Known<'_> {
    /// Holds this place against every anchor that speaks of it.
    fn agree(&mut self, seq: i64, hash: &[u8; 32], sealed: &mut i64) -> Result<(), Break> {
        let since = *sealed + 1;
        while let Some((first, rest)) = self.checkpoints.split_first() {
            if first.seq > seq {
                break;
            }
            self.checkpoints = rest;
            // One from before the start speaks of events that were closed since.
            if first.seq == seq {
                if first.hash != *hash {
                    return Err(Break::Rewritten {
                        since: since.min(seq),
                        until: seq,
                    });
                }
                *sealed = seq;
            }
        }
        if let Some((_, expected)) = self.head.filter(|(end, _)| *end == seq) {
            if expected != *hash {
                return Err(Break::Rewritten {
                    since: since.min(seq),
                    until: seq,
                });
            }
            *sealed = seq;
        }
        Ok(())
    }

    fn knows_more_than(&self, seq: i64) -> bool {
        self.checkpoints.last().is_some_and(|last| last.seq > seq)
            || self.head.is_some_and(|(end, _)| end > seq)
    }
}
