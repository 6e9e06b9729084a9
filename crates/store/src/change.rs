//! Reading together and changing together.
//!
//! A [`View`] reads one state of the database. A [`Change`] is one transaction in which rows, their audit events and
//! one entry of the change feed are written together or not at all: the methods that write a row ask what to record of
//! it, so that none can be forgotten.
//!
//! The one row of `feed_head` is locked last. That lock makes the order of commits the order of the feed and of the
//! audit chain, and whoever holds it sees every restriction committed before: there the caller's own rights are checked
//! once more, and a caller who lost them while the request was under way changes nothing.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Deref;

use credential::event::{
    Action, Actor, Event, MAX_DETAIL_BYTES, NO_ROW, Subject, SubjectKind, digest, genesis, link,
};
use credential::id::{ChangeId, OrganizationId};
use credential::time::Instant;

use crate::db::{Arg, Row, Tx};
use crate::guard::{Keys, Recorded};
use crate::{Fault, Store, args};

/// The chain of every change; issuing tokens has chains of its own.
pub const MAIN_CHAIN: &str = "main";

/// The most events of one change: bulk work is cut into batches far below, and this bounds how long one holds the lock.
pub const MAX_EVENTS: usize = 20_000;

/// The most rows that one call of a page gives; callers ask for the next.
pub const MAX_PAGE: usize = 1000;

/// The detail of an event that needs none.
pub const NO_DETAIL: &str = "{}";

/// What a change gave, and its number in the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed<T> {
    /// What the body gave.
    pub value: T,
    /// The number of the feed that whoever applied it knows of this change.
    pub revision: i64,
    /// What it was about, as its entry in the feed names it: `kind:id`.
    pub subjects: Vec<String>,
}

impl Store {
    /// Reads one state of the database.
    pub async fn view<T, E>(
        &self,
        f: impl FnOnce(&View<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Fault> + Send + 'static,
    {
        let keys = self.guard.keys();
        self.db
            .read(move |tx| Ok(f(&View::new(tx, &keys))))
            .await
            .map_err(E::from)?
    }

    /// Changes rows in one transaction; see the module's text. `body` may run again from its start when someone else
    /// was faster. `authorize` runs after it, under the lock of the feed, and its refusal undoes everything.
    pub async fn change<T, E>(
        &self,
        actor: Actor,
        now: Instant,
        authorize: impl Fn(&View<'_>) -> Result<(), E> + Send + 'static,
        mut body: impl FnMut(&mut Change<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<Changed<T>, E>
    where
        T: Send + 'static,
        E: From<Fault> + Send + 'static,
    {
        let keys = self.guard.keys();
        self.db
            .write(move |tx| {
                let mut change = Change::new(tx, &keys, &actor, now);
                let value = body(&mut change)?;
                let subjects = change.subjects.iter().cloned().collect();
                let revision = change.finish(&authorize)?;
                Ok(Changed {
                    value,
                    revision,
                    subjects,
                })
            })
            .await
    }

    /// Writes rows that no verdict reads and no audit event tells of.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        mut f: impl FnMut(&View<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let keys = self.guard.keys();
        self.db.write(move |tx| f(&View::new(tx, &keys))).await
    }
}

/// What a view needs of a transaction: it hides the transaction's own lifetime.
pub(crate) trait Run {
    fn query(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<Row>, Fault>;
    fn execute(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<u64, Fault>;
    fn swap(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<(), Fault>;
    fn now(&mut self) -> Result<Instant, Fault>;
}

impl Run for Tx<'_> {
    fn query(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<Row>, Fault> {
        Tx::query(self, sql, args)
    }

    fn execute(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<u64, Fault> {
        Tx::execute(self, sql, args)
    }

    fn swap(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<(), Fault> {
        Tx::swap(self, sql, args)
    }

    fn now(&mut self) -> Result<Instant, Fault> {
        Tx::now(self)
    }
}

/// One state of the database, to read.
pub struct View<'v> {
    tx: RefCell<&'v mut (dyn Run + 'v)>,
    pub(crate) keys: &'v Keys,
}

impl<'v> View<'v> {
    pub(crate) fn new(tx: &'v mut (dyn Run + 'v), keys: &'v Keys) -> Self {
        Self {
            tx: RefCell::new(tx),
            keys,
        }
    }

    /// What time it is for the database.
    pub fn now(&self) -> Result<Instant, Fault> {
        self.tx.borrow_mut().now()
    }

    pub(crate) fn rows(&self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<Row>, Fault> {
        self.tx.borrow_mut().query(sql, args)
    }

    pub(crate) fn row(&self, sql: &'static str, args: &[Arg<'_>]) -> Result<Option<Row>, Fault> {
        let mut rows = self.rows(sql, args)?;
        match rows.len() {
            0 | 1 => Ok(rows.pop()),
            many => Err(Fault::Shape(format!("{many} rows where one was expected"))),
        }
    }

    pub(crate) fn one(&self, sql: &'static str, args: &[Arg<'_>]) -> Result<Row, Fault> {
        self.row(sql, args)?
            .ok_or_else(|| Fault::Shape("no row where one was expected".to_owned()))
    }

    pub(crate) fn execute(&self, sql: &'static str, args: &[Arg<'_>]) -> Result<u64, Fault> {
        self.tx.borrow_mut().execute(sql, args)
    }

    /// Compare and swap: no row is someone else's having been faster, and the transaction runs again.
    pub(crate) fn swap(&self, sql: &'static str, args: &[Arg<'_>]) -> Result<(), Fault> {
        self.tx.borrow_mut().swap(sql, args)
    }
}

/// One transaction that changes rows; see the module's text.
pub struct Change<'c> {
    view: View<'c>,
    actor: &'c Actor,
    now: Instant,
    drafts: Vec<Draft>,
    subjects: BTreeSet<String>,
    /// Rows that are known to disagree with the trail, and are written because of it.
    repaired: HashSet<(SubjectKind, String)>,
}

/// An event before it has its place in a chain.
pub(crate) struct Draft {
    pub(crate) action: Action,
    pub(crate) subject: Subject,
    pub(crate) organization: Option<OrganizationId>,
    pub(crate) version: i64,
    pub(crate) digest: [u8; 32],
    pub(crate) detail: String,
}

impl<'c> Deref for Change<'c> {
    type Target = View<'c>;

    fn deref(&self) -> &View<'c> {
        &self.view
    }
}

const LOCK: &str = "\
    UPDATE feed_head SET number = number + $1 WHERE one = 1
    RETURNING number, audit_seq, audit_hash";
const RELEASE: &str = "UPDATE feed_head SET audit_seq = $1, audit_hash = $2 WHERE one = 1";
const REVISION: &str = "SELECT number FROM feed_head WHERE one = 1";
const INSERT_FEED: &str = "INSERT INTO feed (number, id, at, subjects) VALUES ($1, $2, $3, $4)";
const BEGIN_EPOCH: &str = "UPDATE feed_head SET epoch = epoch + 1 WHERE one = 1 RETURNING epoch";

impl<'c> Change<'c> {
    pub(crate) fn new(
        tx: &'c mut (dyn Run + 'c),
        keys: &'c Keys,
        actor: &'c Actor,
        now: Instant,
    ) -> Self {
        Self {
            view: View::new(tx, keys),
            actor,
            now,
            drafts: Vec::new(),
            subjects: BTreeSet::new(),
            repaired: HashSet::new(),
        }
    }

    /// When the change is made.
    pub fn at(&self) -> Instant {
        self.now
    }

    /// Who makes it.
    pub fn actor(&self) -> &Actor {
        self.actor
    }

    /// Records an event that is about no row.
    pub fn note(
        &mut self,
        action: Action,
        subject: Subject,
        organization: Option<OrganizationId>,
        detail: &str,
    ) {
        self.drafts.push(Draft {
            action,
            subject,
            organization,
            version: 0,
            digest: NO_ROW,
            detail: detail.to_owned(),
        });
    }

    /// Tells every replica to read this again, though no row of it changed.
    pub fn announce(&mut self, subject: &Subject) {
        self.subjects
            .insert(format!("{}:{}", subject.kind, subject.id));
    }

    /// Numbers of the feed before this change mean nothing after it: the store was brought back from a backup.
    pub fn begin_epoch(&mut self) -> Result<i64, Fault> {
        self.announce(&Subject {
            kind: SubjectKind::Server,
            id: "epoch".to_owned(),
        });
        self.one(BEGIN_EPOCH, &[])?.int(0)
    }

    /// Records what a row is worth since this change.
    pub(crate) fn record<T: Recorded>(&mut self, value: &T, action: Action, detail: &str) {
        self.drafts.push(Draft::of(value, action, detail));
        self.feed(T::KIND, value.subject_id());
    }

    /// Records that a row is gone.
    pub(crate) fn record_gone<T: Recorded>(&mut self, value: &T, action: Action, detail: &str) {
        let gone = Draft::of(value, action, detail);
        self.drafts.push(Draft {
            version: gone.version + 1,
            digest: NO_ROW,
            ..gone
        });
        self.feed(T::KIND, value.subject_id());
    }

    /// Lets a row be written that is not the one the trail tells of last: to take it out of use for that very reason.
    pub fn repairs(&mut self, subject: &Subject) {
        self.repaired.insert((subject.kind, subject.id.clone()));
    }

    /// Says once more what a row is worth, which did not change.
    pub(crate) fn tell_again(&mut self, draft: Draft) {
        self.drafts.push(draft);
    }

    /// In the feed is what can turn a good answer into a denial.
    fn feed(&mut self, kind: SubjectKind, id: String) {
        if is_in_feed(kind) {
            self.subjects.insert(format!("{kind}:{id}"));
        }
    }

    fn finish<E: From<Fault>>(
        self,
        authorize: &impl Fn(&View<'_>) -> Result<(), E>,
    ) -> Result<i64, E> {
        if self.drafts.is_empty() && self.subjects.is_empty() {
            authorize(&self.view)?;
            return Ok(self.view.one(REVISION, &[])?.int(0)?);
        }
        let mut head = self.lock()?;
        authorize(&self.view)?;
        self.grows_from_the_trail()?;
        Ok(self.seal(&mut head)?)
    }

    /// Refuses to build on a row that was put back: written over, an earlier state would be the latest, and no comparison
    /// would find it any more.
    fn grows_from_the_trail(&self) -> Result<(), Fault> {
        let mut written: HashMap<(SubjectKind, &str), i64> = HashMap::new();
        for draft in &self.drafts {
            let Subject { kind, id } = &draft.subject;
            // What is told again did not change, and a new row grows from nothing.
            if draft.version <= 1 || draft.action == Action::AuditClosed {
                continue;
            }
            let before = match written.insert((*kind, id), draft.version) {
                Some(before) => before,
                None if self.repaired.contains(&(*kind, id.clone())) => continue,
                None => self.view.version_told(*kind, id)?.unwrap_or(0),
            };
            if draft.version != before + 1 {
                return Err(Fault::Tampered {
                    kind: kind.as_str(),
                    id: id.clone(),
                });
            }
        }
        Ok(())
    }

    /// Takes the lock of the feed and, when this change belongs in it, the next number.
    pub(crate) fn lock(&self) -> Result<FeedHead, Fault> {
        let step = i64::from(!self.subjects.is_empty());
        let row = self.view.one(LOCK, args![step])?;
        let seq = row.int(1)?;
        let hash = if seq == 0 {
            genesis(MAIN_CHAIN)
        } else {
            row.array(2)?
        };
        Ok(FeedHead {
            number: row.int(0)?,
            seq,
            hash,
        })
    }

    /// Writes the events and the entry of the feed, and moves the head.
    pub(crate) fn seal(&self, head: &mut FeedHead) -> Result<i64, Fault> {
        if self.drafts.len() > MAX_EVENTS {
            return Err(Fault::Unsupported(
                "a change of more than 20 000 events; cut it into batches",
            ));
        }
        for draft in &self.drafts {
            let event = draft.event(head.seq + 1, self.now, self.actor)?;
            let hash = link(&head.hash, &event);
            self.view.insert_audit(&event, &hash)?;
            (head.seq, head.hash) = (event.seq, hash);
        }
        if !self.subjects.is_empty() {
            let id = ChangeId::mint(self.now, self.view.keys.random()?).to_string();
            let subjects = serde_json::to_string(&self.subjects).map_err(shape)?;
            self.view.execute(
                INSERT_FEED,
                args![head.number, id, self.now.millis(), subjects],
            )?;
        }
        self.view.execute(RELEASE, args![head.seq, &head.hash])?;
        Ok(head.number)
    }
}

/// The head of the feed and of the main chain, while its lock is held.
pub(crate) struct FeedHead {
    pub(crate) number: i64,
    pub(crate) seq: i64,
    pub(crate) hash: [u8; 32],
}

impl Draft {
    pub(crate) fn of<T: Recorded>(value: &T, action: Action, detail: &str) -> Self {
        Self {
            action,
            subject: value.subject(),
            organization: value.organization(),
            version: value.version(),
            digest: digest(&value.context()),
            detail: detail.to_owned(),
        }
    }

    pub(crate) fn about(
        action: Action,
        subject: Subject,
        organization: Option<OrganizationId>,
        detail: &str,
    ) -> Self {
        Self {
            action,
            subject,
            organization,
            version: 0,
            digest: NO_ROW,
            detail: detail.to_owned(),
        }
    }

    pub(crate) fn event(&self, seq: i64, at: Instant, actor: &Actor) -> Result<Event, Fault> {
        if self.detail.len() > MAX_DETAIL_BYTES {
            return Err(Fault::Unsupported(
                "the detail of an audit event is longer than 8192 bytes",
            ));
        }
        Ok(Event {
            seq,
            at,
            organization: self.organization,
            actor: actor.clone(),
            action: self.action,
            subject: self.subject.clone(),
            subject_version: self.version,
            row_digest: self.digest,
            detail: self.detail.clone(),
        })
    }
}

fn is_in_feed(kind: SubjectKind) -> bool {
    match kind {
        SubjectKind::Organization
        | SubjectKind::User
        | SubjectKind::Membership
        | SubjectKind::Group
        | SubjectKind::Role
        | SubjectKind::Key
        | SubjectKind::Token
        | SubjectKind::Family
        | SubjectKind::SigningKey
        | SubjectKind::Settings
        | SubjectKind::Catalog
        | SubjectKind::Policy => true,
        SubjectKind::Notice | SubjectKind::Session | SubjectKind::Audit | SubjectKind::Server => {
            false
        }
    }
}

/// A stored text that does not read, or a value that cannot be written.
pub(crate) fn shape(error: impl std::fmt::Display) -> Fault {
    Fault::Shape(error.to_string())
}

/// The `LIMIT` of a page.
pub(crate) fn page_size(limit: usize) -> i64 {
    limit.min(MAX_PAGE) as i64
}
