//! The audit trail: the main chain, its pages, and its signed checkpoints.

use credential::event::{
    Action, Actor, ActorKind, Checkpoint, Event, NO_ROW, Sealed, Subject, SubjectKind, genesis,
};
use credential::id::OrganizationId;
use credential::time::Instant;

use crate::change::{Change, Draft, MAIN_CHAIN, NO_DETAIL, View, page_size};
use crate::column::{instant, opt_parsed, parsed};
use crate::db::Row;
use crate::{Fault, Store, args};

/// Which events a page is about; what is `None` asks nothing.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Events of this organization.
    pub organization: Option<OrganizationId>,
    /// Events about this kind of thing.
    pub subject_kind: Option<SubjectKind>,
    /// Events about the thing with this id.
    pub subject_id: Option<String>,
    /// What was done.
    pub action: Option<Action>,
    /// Who did it: the id of a key or a user.
    pub actor_id: Option<String>,
    /// Events at this moment or later.
    pub from: Option<Instant>,
    /// Events before this moment.
    pub before: Option<Instant>,
}

macro_rules! event_columns {
    () => {
        "seq, at, organization, actor_kind, actor_id, actor_organization, actor_address, actor_request, action, \
         subject_kind, subject_id, subject_version, row_digest, detail, hash"
    };
}
pub(crate) use event_columns;

const INSERT: &str = concat!(
    "INSERT INTO audit (",
    event_columns!(),
    ") \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
);

macro_rules! filtered {
    ($place:literal, $order:literal) => {
        concat!(
            "SELECT ",
            event_columns!(),
            " FROM audit
             WHERE (CAST($1 AS TEXT) IS NULL OR organization = $1)
               AND (CAST($2 AS TEXT) IS NULL OR subject_kind = $2)
               AND (CAST($3 AS TEXT) IS NULL OR subject_id = $3)
               AND (CAST($4 AS TEXT) IS NULL OR action = $4)
               AND (CAST($5 AS TEXT) IS NULL OR actor_id = $5)
               AND (CAST($6 AS BIGINT) IS NULL OR at >= $6)
               AND (CAST($7 AS BIGINT) IS NULL OR at < $7)
               AND ",
            $place,
            " ORDER BY ",
            $order,
            " LIMIT $9"
        )
    };
}

const OLDEST: &str = filtered!("seq > COALESCE(CAST($8 AS BIGINT), -1)", "seq");
const NEWEST: &str = filtered!(
    "seq < COALESCE(CAST($8 AS BIGINT), 9223372036854775807)",
    "seq DESC"
);
const CHAIN: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2"
);
const HEAD: &str = "SELECT audit_seq, audit_hash FROM feed_head WHERE one = 1";
const CHECKPOINTS: &str = "\
    SELECT chain, seq, hash, at, key_id, signature FROM checkpoint WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT $3";
const LAST_CHECKPOINT: &str = "\
    SELECT chain, seq, hash, at, key_id, signature FROM checkpoint
    WHERE chain = $1 AND (CAST($2 AS BIGINT) IS NULL OR at < $2) ORDER BY seq DESC LIMIT 1";
const FIRST: &str = "SELECT MIN(seq) FROM audit";
const INSERT_CHECKPOINT: &str = "\
    INSERT INTO checkpoint (chain, seq, hash, at, key_id, signature) VALUES ($1, $2, $3, $4, $5, $6)";

const NEXT_CHECKPOINT: &str = "\
    SELECT chain, seq, hash, at, key_id, signature FROM checkpoint
    WHERE chain = $1 AND at < $2 AND seq >= (SELECT MIN(seq) FROM audit) ORDER BY seq LIMIT 1";
const LAST_WORDS: &str = "\
    SELECT organization, subject_kind, subject_id, subject_version, row_digest FROM audit AS old
    WHERE seq <= $1 AND subject_version > 0 AND row_digest <> $2 AND NOT EXISTS (
        SELECT 1 FROM audit AS later
        WHERE later.subject_kind = old.subject_kind AND later.subject_id = old.subject_id
            AND later.subject_version > 0 AND later.seq > old.seq)
    ORDER BY seq LIMIT $3";
const CLOSE: &str = "DELETE FROM audit WHERE seq <= $1";
const CLOSE_CHECKPOINTS: &str = "DELETE FROM checkpoint WHERE chain = $1 AND seq < $2";

/// What closing a part of the trail did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The checkpoint at which the trail begins now.
    pub at: Checkpoint,
    /// How many events were removed.
    pub removed: u64,
    /// How many rows are told of again at the end of the trail, because the last word on them was removed.
    pub told_again: usize,
}

impl Store {
    /// Removes the events up to the first checkpoint there is, if it was signed before a moment; `None` when there is none.
    /// What they last said of rows that still are is said again in the same transaction, so that a comparison misses
    /// nothing. Callers verify the trail before they close it.
    pub async fn close_audit(
        &self,
        now: Instant,
        before: Instant,
    ) -> Result<Option<Closed>, Fault> {
        let body = move |change: &mut Change<'_>| {
            let Some(row) = change.row(NEXT_CHECKPOINT, args![MAIN_CHAIN, before.millis()])? else {
                return Ok(None);
            };
            let at = read_checkpoint(&row)?;
            let most = crate::change::MAX_EVENTS as i64; // With the closing event itself, more than that is refused.
            let last_words = change.rows(LAST_WORDS, args![at.seq, &NO_ROW, most])?;
            for row in &last_words {
                change.tell_again(Draft {
                    action: Action::AuditClosed,
                    organization: opt_parsed(row, 0)?,
                    subject: Subject {
                        kind: parsed(row, 1)?,
                        id: row.text(2)?.to_owned(),
                    },
                    version: row.int(3)?,
                    digest: row.array(4)?,
                    detail: NO_DETAIL.to_owned(),
                });
            }
            let subject = Subject {
                kind: SubjectKind::Audit,
                id: MAIN_CHAIN.to_owned(),
            };
            change.note(
                Action::AuditClosed,
                subject,
                None,
                &format!("{{\"until\":{}}}", at.seq),
            );
            let removed = change.execute(CLOSE, args![at.seq])?;
            change.execute(CLOSE_CHECKPOINTS, args![MAIN_CHAIN, at.seq])?;
            Ok(Some(Closed {
                at,
                removed,
                told_again: last_words.len(),
            }))
        };
        Ok(self
            .change(Actor::SYSTEM, now, |_| Ok(()), body)
            .await?
            .value)
    }
}

impl View<'_> {
    /// Up to `limit` events, the newest first, before the given place.
    pub fn audit_page(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Sealed>, Fault> {
        self.filtered(NEWEST, filter, before, limit)
    }

    /// Up to `limit` events, the oldest first, after the given place: for exports and for those who follow the trail.
    pub fn audit_since(
        &self,
        filter: &AuditFilter,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Sealed>, Fault> {
        self.filtered(OLDEST, filter, after, limit)
    }

    fn filtered(
        &self,
        sql: &'static str,
        filter: &AuditFilter,
        place: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Sealed>, Fault> {
        let args = args![
            filter.organization.map(|id| id.to_string()),
            filter.subject_kind.map(SubjectKind::as_str),
            filter.subject_id.as_deref(),
            filter.action.map(Action::as_str),
            filter.actor_id.as_deref(),
            filter.from.map(Instant::millis),
            filter.before.map(Instant::millis),
            place,
            page_size(limit)
        ];
        self.rows(sql, args)?.iter().map(read).collect()
    }

    /// The main chain after a place, for [`credential::event::verify_chain`].
    pub fn audit_chain(&self, after: i64, limit: usize) -> Result<Vec<Sealed>, Fault> {
        self.rows(CHAIN, args![after, page_size(limit)])?
            .iter()
            .map(read)
            .collect()
    }

    /// The end of the main chain: the place and the hash of its last event.
    pub fn audit_head(&self) -> Result<(i64, [u8; 32]), Fault> {
        let row = self.one(HEAD, &[])?;
        let seq = row.int(0)?;
        Ok((
            seq,
            if seq == 0 {
                genesis(MAIN_CHAIN)
            } else {
                row.array(1)?
            },
        ))
    }

    /// What stands before the first event that is there: place 0 and the genesis of the chain, or the checkpoint at
    /// which older events were closed. `None` when events were removed and no checkpoint tells where.
    pub fn audit_start(&self) -> Result<Option<(i64, [u8; 32])>, Fault> {
        let first = self.one(FIRST, &[])?.opt_int(0)?;
        let end = self.audit_head()?;
        match first {
            Some(1) => Ok(Some((0, genesis(MAIN_CHAIN)))),
            None => Ok(Some(end).filter(|(seq, _)| *seq == 0)),
            Some(first) => {
                let at = self.checkpoints_after(first.saturating_sub(2), 1)?;
                Ok(at
                    .into_iter()
                    .find(|at| at.seq == first - 1)
                    .map(|at| (at.seq, at.hash)))
            }
        }
    }

    /// The checkpoints of the main chain after a place, in order.
    pub fn checkpoints_after(&self, after: i64, limit: usize) -> Result<Vec<Checkpoint>, Fault> {
        self.rows(CHECKPOINTS, args![MAIN_CHAIN, after, page_size(limit)])?
            .iter()
            .map(read_checkpoint)
            .collect()
    }

    /// The last checkpoint of the main chain, or the last that was signed before a moment.
    pub fn last_checkpoint(&self, before: Option<Instant>) -> Result<Option<Checkpoint>, Fault> {
        let row = self.row(
            LAST_CHECKPOINT,
            args![MAIN_CHAIN, before.map(Instant::millis)],
        )?;
        row.as_ref().map(read_checkpoint).transpose()
    }

    pub(crate) fn insert_audit(&self, event: &Event, hash: &[u8; 32]) -> Result<(), Fault> {
        self.execute(
            INSERT,
            args![
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

    pub(crate) fn insert_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), Fault> {
        self.execute(
            INSERT_CHECKPOINT,
            args![
                checkpoint.chain.as_str(),
                checkpoint.seq,
                &checkpoint.hash,
                checkpoint.at.millis(),
                checkpoint.key_id.as_str(),
                &checkpoint.signature
            ],
        )?;
        Ok(())
    }
}

pub(crate) fn read(row: &Row) -> Result<Sealed, Fault> {
    let event = Event {
        seq: row.int(0)?,
        at: instant(row, 1)?,
        organization: opt_parsed(row, 2)?,
        actor: Actor {
            kind: parsed::<ActorKind>(row, 3)?,
            id: row.text(4)?.to_owned(),
            organization: opt_parsed(row, 5)?,
            address: opt_parsed(row, 6)?,
            request_id: row.opt_text(7)?.map(str::to_owned),
        },
        action: parsed(row, 8)?,
        subject: Subject {
            kind: parsed(row, 9)?,
            id: row.text(10)?.to_owned(),
        },
        subject_version: row.int(11)?,
        row_digest: row.array(12)?,
        detail: row.text(13)?.to_owned(),
    };
    Ok(Sealed {
        event,
        hash: row.array(14)?,
    })
}

fn read_checkpoint(row: &Row) -> Result<Checkpoint, Fault> {
    Ok(Checkpoint {
        chain: row.text(0)?.to_owned(),
        seq: row.int(1)?,
        hash: row.array(2)?,
        at: instant(row, 3)?,
        key_id: row.text(4)?.to_owned(),
        signature: row.blob(5)?.to_vec(),
    })
}
