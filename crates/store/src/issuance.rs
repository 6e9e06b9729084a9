//! Issuing tokens: many small transactions that wait for no change and for no one another.
//!
//! Their events stand in chains apart from the main one, several per process, so that neither the feed's lock nor the
//! main head is touched; a checkpoint writes their ends into the main chain, and so vouches for them.

use std::ops::Deref;

use credential::event::{
    Action, Actor, Checkpoint, Event, Sealed, Subject, SubjectKind, genesis, link,
};
use credential::family::Family;
use credential::id::OrganizationId;
use credential::time::Instant;
use serde::{Deserialize, Serialize};

use crate::audit::{event_columns, read};
use crate::change::{Change, Draft, MAIN_CHAIN, View, page_size, shape};
use crate::column::to_json;
use crate::{Fault, Store, args};

/// How many chains one process issues into: as many transactions can be under way on PostgreSQL, beyond which they would
/// wait for its connections.
pub const LANES: u64 = 8;

/// The ends of chains that one event of the main chain tells: their JSON stays within the limit of a detail.
const HEADS_PER_EVENT: usize = 40;

/// The end of an issuance chain, as a checkpoint told it to the main chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuanceHead {
    /// The chain's name.
    pub chain: String,
    /// The place of its last event.
    pub seq: i64,
    /// The hash of that event, in hexadecimal.
    pub hash: String,
}

#[derive(Serialize, Deserialize)]
struct Heads {
    heads: Vec<IssuanceHead>,
}

impl IssuanceHead {
    /// The ends that an event of [`Action::CheckpointSigned`] tells.
    pub fn told_by(event: &Event) -> Vec<IssuanceHead> {
        serde_json::from_str::<Heads>(&event.detail).map_or(Vec::new(), |told| told.heads)
    }
}

/// A transaction that issues tokens.
pub struct Issue<'i> {
    view: View<'i>,
    now: Instant,
    drafts: Vec<Draft>,
}

impl<'i> Deref for Issue<'i> {
    type Target = View<'i>;

    fn deref(&self) -> &View<'i> {
        &self.view
    }
}

const BEGIN: &str = "\
    INSERT INTO issuance_head (chain, seq, hash, told_seq, start_seq, start_hash) VALUES ($1, 0, $2, 0, 0, $2)
    ON CONFLICT (chain) DO NOTHING";
const ADVANCE: &str =
    "UPDATE issuance_head SET seq = seq + $1 WHERE chain = $2 RETURNING seq, hash";
const SET_HASH: &str = "UPDATE issuance_head SET hash = $1 WHERE chain = $2";
const INSERT: &str = concat!(
    "INSERT INTO issuance (chain, ",
    event_columns!(),
    ") \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
);
const CHAIN: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM issuance WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT $3"
);
const HEADS: &str =
    "SELECT chain, seq, hash FROM issuance_head WHERE chain > $1 ORDER BY chain LIMIT $2";
const UNTOLD: &str = "SELECT chain FROM issuance_head WHERE seq > told_seq ORDER BY chain LIMIT $1";
const TELL: &str = "UPDATE issuance_head SET told_seq = seq WHERE chain = $1 RETURNING seq, hash";
const START: &str = "SELECT start_seq, start_hash FROM issuance_head WHERE chain = $1";
const LAST_OF_BATCH: &str = "\
    SELECT seq, hash FROM issuance WHERE chain = $1 AND seq <= (SELECT told_seq FROM issuance_head WHERE chain = $1)
        AND at < $2 AND seq <= (SELECT start_seq FROM issuance_head WHERE chain = $1) + $3
        AND seq < COALESCE((
            SELECT MIN(seq) FROM issuance JOIN family ON id = subject_id AND version = subject_version
            WHERE chain = $1 AND subject_kind = 'family'), 9223372036854775807)
    ORDER BY seq DESC LIMIT 1";
const PURGE: &str = "DELETE FROM issuance WHERE chain = $1 AND seq <= $2";
const SET_START: &str = "UPDATE issuance_head SET start_seq = $1, start_hash = $2 WHERE chain = $3";

impl Issue<'_> {
    /// Writes a new family, of version 1.
    pub fn insert_family(
        &mut self,
        family: &Family,
        action: Action,
        detail: &str,
    ) -> Result<(), Fault> {
        self.write_new_family(family)?;
        self.drafts.push(Draft::of(family, action, detail));
        Ok(())
    }

    /// Writes a changed family over the version that it was made from: one of those who refresh it at a time. An earlier
    /// state that was put back is not built on.
    pub fn update_family(
        &mut self,
        family: Family,
        action: Action,
        detail: &str,
    ) -> Result<Family, Fault> {
        let from = family.version;
        let family = self.write_family(family)?;
        // Asked when the row is ours: whoever was faster has been noticed by then.
        let id = family.id.to_string();
        if self.version_told(SubjectKind::Family, &id)? != Some(from) {
            return Err(Fault::Tampered {
                kind: SubjectKind::Family.as_str(),
                id,
            });
        }
        self.drafts.push(Draft::of(&family, action, detail));
        Ok(family)
    }

    /// Records an event that is about no row: a token that carries all there is of it.
    pub fn note(
        &mut self,
        action: Action,
        subject: Subject,
        organization: Option<OrganizationId>,
        detail: &str,
    ) {
        self.drafts
            .push(Draft::about(action, subject, organization, detail));
    }

    fn finish(&self, chain: &str, actor: &Actor) -> Result<(), Fault> {
        if self.drafts.is_empty() {
            return Ok(());
        }
        let count = self.drafts.len() as i64;
        let advance = |view: &View<'_>| view.row(ADVANCE, args![count, chain]);
        let head = match advance(&self.view)? {
            Some(head) => head,
            None => {
                self.view.execute(BEGIN, args![chain, &genesis(chain)])?;
                advance(&self.view)?.ok_or_else(|| shape("an issuance chain has no head"))?
            }
        };
        let (mut seq, mut hash) = (head.int(0)? - count, head.array(1)?);
        for draft in &self.drafts {
            seq += 1;
            let event = draft.event(seq, self.now, actor)?;
            hash = link(&hash, &event);
            self.view.insert_issuance(chain, &event, &hash)?;
        }
        self.view.execute(SET_HASH, args![&hash, chain])?;
        Ok(())
    }
}

impl View<'_> {
    /// An issuance chain after a place, for [`credential::event::verify_chain`].
    pub fn issuance_chain(
        &self,
        chain: &str,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Sealed>, Fault> {
        self.rows(CHAIN, args![chain, after, page_size(limit)])?
            .iter()
            .map(read)
            .collect()
    }

    /// What stands before the first event of an issuance chain that was not purged: its place and hash.
    pub fn issuance_start(&self, chain: &str) -> Result<(i64, [u8; 32]), Fault> {
        match self.row(START, args![chain])? {
            Some(row) => Ok((row.int(0)?, row.array(1)?)),
            None => Ok((0, genesis(chain))),
        }
    }

    /// The names and ends of the issuance chains, by name after `after`.
    pub fn issuance_heads(
        &self,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, i64, [u8; 32])>, Fault> {
        let rows = self.rows(HEADS, args![after, page_size(limit)])?;
        rows.iter()
            .map(|row| Ok((row.text(0)?.to_owned(), row.int(1)?, row.array(2)?)))
            .collect()
    }

    fn insert_issuance(&self, chain: &str, event: &Event, hash: &[u8; 32]) -> Result<(), Fault> {
        self.execute(
            INSERT,
            args![
                chain,
                event.seq,
                event.at.millis(),
                event.organization.map(|id| id.to_string()),
                event.actor.kind.as_str(),
                event.actor.id.as_str(),
                event.actor.organization.map(|id| id.to_string()),
                event.actor.address.map(|address| address.to_string()),
                event.actor.request_id.as_deref(),
                event.action.as_str(),
                event.subject.kind.as_str(),
                event.subject.id.as_str(),
                event.subject_version,
                &event.row_digest,
                event.detail.as_str(),
                hash
            ],
        )?;
        Ok(())
    }

    /// The ends of the chains that grew since the last checkpoint.
    fn untold_heads(&self) -> Result<Vec<IssuanceHead>, Fault> {
        let mut heads = Vec::new();
        for row in self.rows(UNTOLD, args![page_size(crate::change::MAX_PAGE)])? {
            let chain = row.text(0)?.to_owned();
            let told = self.one(TELL, args![&chain])?;
            let hash = told
                .blob(1)?
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            heads.push(IssuanceHead {
                chain,
                seq: told.int(0)?,
                hash,
            });
        }
        Ok(heads)
    }
}

impl Store {
    /// Issues tokens in one transaction: reads, a compare-and-swap of families, and events in an issuance chain.
    /// `body` may run again from its start when someone else was faster.
    pub async fn issue<T, E>(
        &self,
        actor: Actor,
        now: Instant,
        mut body: impl FnMut(&mut Issue<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Fault> + Send + 'static,
    {
        let keys = self.guard.keys();
        let chain = self.next_lane();
        self.db
            .write(move |tx| {
                let mut issue = Issue {
                    view: View::new(tx, &keys),
                    now,
                    drafts: Vec::new(),
                };
                let value = body(&mut issue)?;
                issue.finish(&chain, &actor)?;
                Ok(value)
            })
            .await
    }

    /// Closes what happened since the last checkpoint: writes the ends of the issuance chains into the main chain, and
    /// keeps the signature over its end. `sign` fills in [`Checkpoint::key_id`] and [`Checkpoint::signature`]; it runs
    /// under the lock of the feed. Gives `None` when nothing happened.
    pub async fn checkpoint<E>(
        &self,
        now: Instant,
        mut sign: impl FnMut(&mut Checkpoint) -> Result<(), E> + Send + 'static,
    ) -> Result<Option<Checkpoint>, E>
    where
        E: From<Fault> + Send + 'static,
    {
        let keys = self.guard.keys();
        self.db
            .write(move |tx| {
                let actor = Actor::SYSTEM;
                let mut change = Change::new(tx, &keys, &actor, now);
                let untold = change.untold_heads()?;
                let last = change.last_checkpoint(None)?.map_or(0, |last| last.seq);
                if untold.is_empty() && change.audit_head()?.0 == last {
                    return Ok(None);
                }
                for heads in untold.chunks(HEADS_PER_EVENT) {
                    let subject = Subject {
                        kind: SubjectKind::Audit,
                        id: MAIN_CHAIN.to_owned(),
                    };
                    let detail = to_json(&Heads {
                        heads: heads.to_vec(),
                    })?;
                    change.note(Action::CheckpointSigned, subject, None, &detail);
                }
                let mut head = change.lock()?;
                change.seal(&mut head)?;
                let mut checkpoint = Checkpoint {
                    chain: MAIN_CHAIN.to_owned(),
                    seq: head.seq,
                    hash: head.hash,
                    at: now,
                    key_id: String::new(),
                    signature: Vec::new(),
                };
                sign(&mut checkpoint)?;
                change.insert_checkpoint(&checkpoint)?;
                Ok(Some(checkpoint))
            })
            .await
    }

    /// Removes up to `limit` events from the beginning of an issuance chain: from before a moment, told to the main chain,
    /// and none that is the last word on a family that still is. Says how many.
    pub async fn purge_issuance(
        &self,
        chain: &str,
        before: Instant,
        limit: usize,
    ) -> Result<u64, Fault> {
        let chain = chain.to_owned();
        self.write(move |view| {
            let Some(last) = view.row(
                LAST_OF_BATCH,
                args![&chain, before.millis(), page_size(limit)],
            )?
            else {
                return Ok(0);
            };
            let removed = view.execute(PURGE, args![&chain, last.int(0)?])?;
            view.execute(SET_START, args![last.int(0)?, last.blob(1)?, &chain])?;
            Ok(removed)
        })
        .await
    }
}
