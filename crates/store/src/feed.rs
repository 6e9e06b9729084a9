//! The change feed, and the replicas that follow it.
//!
//! Numbers have no gaps and are in the order of commits. A replica asks for what follows the last number that it has
//! applied, and compares the id of that entry with the one it knows: another id is a fork.

use credential::event::Subject;
use credential::id::{ChangeId, ReplicaId};
use credential::time::Instant;

use crate::change::{View, page_size, shape};
use crate::column::{instant, json, opt_instant, parsed};
use crate::db::{Engine, Row};
use crate::{Fault, Store, args};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEntry {
    /// Its number.
    pub number: i64,
    /// Its random id.
    pub id: ChangeId,
    /// When it was made.
    pub at: Instant,
    /// What it touched.
    pub subjects: Vec<Subject>,
}

/// What a poll of the feed gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Polled {
    /// What follows the number that was asked about, in order; as many as were asked for when there may be more.
    pub entries: Vec<FeedEntry>,
    /// The id of the entry that was asked about; `None` when it is not there, or was purged.
    pub at_applied: Option<ChangeId>,
    /// The number of the last change.
    pub head: i64,
    /// How many restores there were: numbers of another epoch mean nothing.
    pub epoch: i64,
    /// What time it is for the database, where that is another machine.
    pub database_time: Option<Instant>,
    /// Whether the poll's acknowledgement found the replica's live row. Without it the replica must register anew. True
    /// when nobody was named.
    pub registered: bool,
}

/// A process that answers questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Its identifier, new at every start.
    pub id: ReplicaId,
    /// What people call it: a host name.
    pub name: String,
    /// Since when.
    pub registered_at: Instant,
    /// The number of the last change that it said it has applied.
    pub acknowledged: i64,
    /// Since when it may not acknowledge, because it was silent for too long.
    pub fenced_at: Option<Instant>,
}

const AFTER: &str =
    "SELECT number, id, at, subjects FROM feed WHERE number > $1 ORDER BY number LIMIT $2";
const ID: &str = "SELECT id FROM feed WHERE number = $1";
const HEAD: &str = "SELECT number, epoch FROM feed_head WHERE one = 1";
const ACKNOWLEDGE: &str =
    "UPDATE replica SET acknowledged = $1 WHERE id = $2 AND fenced_at IS NULL";
const REGISTER: &str = "\
    INSERT INTO replica (id, name, registered_at, acknowledged, fenced_at) VALUES ($1, $2, $3, $4, NULL)";
const REPLICAS: &str =
    "SELECT id, name, registered_at, acknowledged, fenced_at FROM replica ORDER BY id LIMIT $1";
const FENCE: &str = "UPDATE replica SET fenced_at = $1 WHERE id = $2 AND fenced_at IS NULL";
const REMOVE: &str = "DELETE FROM replica WHERE id = $1";
const PURGE: &str = "\
    DELETE FROM feed WHERE number IN (
        SELECT number FROM feed WHERE at < $1 AND number < (SELECT number FROM feed_head WHERE one = 1)
        ORDER BY number LIMIT $2)";

/// Where replicas are listed.
pub(crate) const TABLE: &str = "replica";
/// Processes that died are waited for by every change until they are fenced. Where it is certain that all of them died,
/// they need not be.
pub(crate) const FORGET_THE_DEAD: &str = "DELETE FROM replica";

impl View<'_> {
    /// Up to `limit` changes after a number.
    pub fn feed_after(&self, number: i64, limit: usize) -> Result<Vec<FeedEntry>, Fault> {
        self.rows(AFTER, args![number, page_size(limit)])?
            .iter()
            .map(read)
            .collect()
    }

    /// The id of the change with this number.
    pub fn feed_id(&self, number: i64) -> Result<Option<ChangeId>, Fault> {
        self.row(ID, args![number])?
            .map(|row| parsed(&row, 0))
            .transpose()
    }

    /// The number of the last change, and the epoch.
    pub fn feed_head(&self) -> Result<(i64, i64), Fault> {
        let row = self.one(HEAD, &[])?;
        Ok((row.int(0)?, row.int(1)?))
    }

    /// All registered replicas, fenced ones too.
    pub fn replicas(&self) -> Result<Vec<Replica>, Fault> {
        let read = |row: &Row| {
            Ok(Replica {
                id: parsed(row, 0)?,
                name: row.text(1)?.to_owned(),
                registered_at: instant(row, 2)?,
                acknowledged: row.int(3)?,
                fenced_at: opt_instant(row, 4)?,
            })
        };
        self.rows(REPLICAS, args![page_size(crate::change::MAX_PAGE)])?
            .iter()
            .map(read)
            .collect()
    }

    fn poll(&self, applied: i64, limit: usize, asks_time: bool) -> Result<Polled, Fault> {
        // The head is read first: what is read after it can only be newer.
        let (head, epoch) = self.feed_head()?;
        Ok(Polled {
            at_applied: self.feed_id(applied)?,
            entries: self.feed_after(applied, limit)?,
            head,
            epoch,
            database_time: if asks_time { Some(self.now()?) } else { None },
            registered: true,
        })
    }
}

impl Store {
    /// Asks for what follows `applied`. With a replica named, the poll also writes its acknowledgement, and so proves that
    /// it reached the database that takes changes; on SQLite, where there is one file, it is a read.
    pub async fn poll(
        &self,
        replica: Option<ReplicaId>,
        applied: i64,
        limit: usize,
    ) -> Result<Polled, Fault> {
        let asks_time = self.db.engine() == Engine::Postgres;
        let Some(replica) = replica else {
            return self
                .view(move |view| view.poll(applied, limit, asks_time))
                .await;
        };
        let id = replica.to_string();
        self.write(move |view| {
            let registered = view.execute(ACKNOWLEDGE, args![applied, &id])? == 1;
            Ok(Polled {
                registered,
                ..view.poll(applied, limit, asks_time)?
            })
        })
        .await
    }

    /// Enters a replica in the list that changes wait for; it is there when this returns. Gives the number of the last
    /// change.
    pub async fn register_replica(
        &self,
        id: ReplicaId,
        name: &str,
        now: Instant,
    ) -> Result<i64, Fault> {
        let (id, name) = (id.to_string(), name.to_owned());
        self.write(move |view| {
            let (head, _) = view.feed_head()?;
            // What was committed before it was listed, it reads before it answers anything.
            view.execute(REGISTER, args![&id, &name, now.millis(), 0])?;
            Ok(head)
        })
        .await
    }

    /// Says that a replica has applied every change up to a number; false when its row is fenced or gone.
    pub async fn acknowledge(&self, id: ReplicaId, applied: i64) -> Result<bool, Fault> {
        let id = id.to_string();
        self.write(move |view| Ok(view.execute(ACKNOWLEDGE, args![applied, &id])? == 1))
            .await
    }

    /// Bars a silent replica from acknowledging until it registers anew; false when it was barred or gone.
    pub async fn fence_replica(&self, id: ReplicaId, now: Instant) -> Result<bool, Fault> {
        let id = id.to_string();
        self.write(move |view| Ok(view.execute(FENCE, args![now.millis(), &id])? == 1))
            .await
    }

    /// Takes a replica from the list: its own last act, or that of someone who has seen it fenced for long enough.
    pub async fn delete_replica(&self, id: ReplicaId) -> Result<bool, Fault> {
        let id = id.to_string();
        self.write(move |view| Ok(view.execute(REMOVE, args![&id])? == 1))
            .await
    }

    /// Removes up to `limit` entries from before a moment, never the last one; says how many.
    pub async fn purge_feed(&self, before: Instant, limit: usize) -> Result<u64, Fault> {
        self.write(move |view| view.execute(PURGE, args![before.millis(), page_size(limit)]))
            .await
    }
}

fn read(row: &Row) -> Result<FeedEntry, Fault> {
    let subjects: Vec<String> = json(row, 3)?;
    let subject = |text: &String| {
        let (kind, id) = text
            .split_once(':')
            .ok_or_else(|| shape("no subject of a change"))?;
        Ok(Subject {
            kind: kind.parse().map_err(shape)?,
            id: id.to_owned(),
        })
    };
    Ok(FeedEntry {
        number: row.int(0)?,
        id: parsed(row, 1)?,
        at: instant(row, 2)?,
        subjects: subjects.iter().map(subject).collect::<Result<_, Fault>>()?,
    })
}
