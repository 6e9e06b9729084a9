//! The seam: one way to talk to either engine.
//!
//! A transaction is an ordinary closure over a [`Tx`]; it runs where blocking is allowed, and its
//! SQL is one text for both engines. What the engines do differently ends here:
//!
//! - `$1`, `$2`… are bound by their number, in whatever order they appear;
//! - a transaction in which a statement failed can only be rolled back, as PostgreSQL has it;
//! - a second row alike is always [`Fault::Conflict`] with the columns' names;
//! - text is compared byte by byte and holds no U+0000;
//! - a read sees one state of the database from its first statement to its last.
//!
//! A text that wants `NULL` last writes `NULLS LAST`, and one that sums writes `CAST(… AS BIGINT)`.

mod place;
mod postgres;
mod sqlite;
mod tls;
mod value;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use credential::time::Instant;

pub use value::{Arg, Kind, Row};

use crate::Fault;
use place::Place;
use postgres::Postgres;
use sqlite::Sqlite;

/// An open database.
pub struct Db {
    basement: Basement,
}

enum Basement {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// Which engine is under the seam: for migrations and for people, never for a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// SQLite, in this process.
    Sqlite,
    /// PostgreSQL, over a connection.
    Postgres,
}

/// How much work was done since the database was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Transactions that only read.
    pub reads: u64,
    /// Transactions that write, each counted once.
    pub writes: u64,
    /// Times that something was made durable: on SQLite fewer than writes when they came together.
    pub commits: u64,
    /// Runs of a transaction beyond its first, because someone else was faster.
    pub reruns: u64,
}

impl Db {
    /// [`Db::open_after`] with nothing to remove.
    #[cfg(test)]
    pub(crate) async fn open(url: &str) -> Result<Self, Fault> {
        Self::open_after(url, "", "").await
    }

    /// Opens the database that `url` names and checks that it keeps what the store promises.
    ///
    /// `after_crash` removes what processes that died have left in `table`, if the table is there. It runs only where it
    /// is certain that all of them died: on SQLite, before any other process can open the file.
    pub(crate) async fn open_after(
        url: &str,
        table: &'static str,
        after_crash: &'static str,
    ) -> Result<Self, Fault> {
        let place = Place::parse(url)?;
        tracing::debug!(database = %place, "opening");
        let basement = match place {
            Place::Sqlite(path) => Basement::Sqlite(Sqlite::open(path, table, after_crash).await?),
            Place::Postgres(config, trust) => {
                Basement::Postgres(Postgres::open(*config, &trust).await?)
            }
        };
        Ok(Self { basement })
    }

    /// Runs `f` in a transaction that only reads and sees one state of the database throughout.
    pub async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Tx<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        match &self.basement {
            Basement::Sqlite(sqlite) => sqlite.read(f).await,
            Basement::Postgres(postgres) => postgres.read(f).await,
        }
    }

    /// Runs `f` in a transaction: commits when it is `Ok` and rolls back when it is `Err`. The
    /// answer comes after the commit is durable. `f` may run again from its start when someone else
    /// was faster, so what it does outside of the transaction must bear repeating.
    ///
    /// When the returned future is dropped, the change may or may not be made.
    pub async fn write<T: Send + 'static, E: From<Fault> + Send + 'static>(
        &self,
        f: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        match &self.basement {
            Basement::Sqlite(sqlite) => sqlite.write(f).await,
            Basement::Postgres(postgres) => postgres.write(f).await,
        }
    }

    /// The engine.
    pub fn engine(&self) -> Engine {
        match self.basement {
            Basement::Sqlite(_) => Engine::Sqlite,
            Basement::Postgres(_) => Engine::Postgres,
        }
    }

    /// The version of the engine as it says it.
    pub fn version(&self) -> &str {
        match &self.basement {
            Basement::Sqlite(_) => rusqlite::version(),
            Basement::Postgres(postgres) => postgres.version(),
        }
    }

    /// How much was done since the database was opened.
    pub fn counts(&self) -> Counts {
        match &self.basement {
            Basement::Sqlite(sqlite) => sqlite.counters().read(),
            Basement::Postgres(postgres) => postgres.counters().read(),
        }
    }

    /// Whether the last process that had a database file open left without closing it, so that the
    /// file was checked when it was opened. Never on PostgreSQL, which looks after itself.
    pub fn was_unclean(&self) -> bool {
        match &self.basement {
            Basement::Sqlite(sqlite) => sqlite.was_unclean(),
            Basement::Postgres(_) => false,
        }
    }

    pub(crate) async fn backup_to(&self, path: &Path) -> Result<(), Fault> {
        match &self.basement {
            Basement::Sqlite(sqlite) => sqlite.backup_to(path).await,
            Basement::Postgres(_) => Err(Fault::Unsupported(
                "PostgreSQL is backed up by its own tools, such as pg_dump or pg_basebackup",
            )),
        }
    }

    pub(crate) async fn close(&self) -> Result<(), Fault> {
        match &self.basement {
            Basement::Sqlite(sqlite) => sqlite.close().await,
            Basement::Postgres(postgres) => {
                postgres.close();
                Ok(())
            }
        }
    }
}

/// A transaction that is under way.
pub struct Tx<'t> {
    session: Session<'t>,
    failed: Option<Fault>,
}

enum Session<'t> {
    Sqlite(&'t rusqlite::Connection),
    Postgres(postgres::Session<'t>),
}

impl<'t> Tx<'t> {
    fn new(session: Session<'t>) -> Self {
        Self {
            session,
            failed: None,
        }
    }

    /// All rows of the answer. Callers bound their number with a `LIMIT`.
    pub fn query(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<Row>, Fault> {
        self.statement(args, |session| match session {
            Session::Sqlite(connection) => sqlite::query(connection, sql, args),
            Session::Postgres(session) => session.query(sql, args),
        })
    }

    /// The row of an answer that has at most one; more than one is a fault.
    pub fn query_opt(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<Option<Row>, Fault> {
        let mut rows = self.query(sql, args)?;
        match rows.len() {
            0 | 1 => Ok(rows.pop()),
            many => Err(Fault::Shape(format!("{many} rows where one was expected"))),
        }
    }

    /// The row of an answer that has exactly one; anything else is a fault.
    pub fn query_one(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<Row, Fault> {
        self.query_opt(sql, args)?
            .ok_or_else(|| Fault::Shape("no row where one was expected".to_owned()))
    }

    /// Changes rows and says how many.
    pub fn execute(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<u64, Fault> {
        self.statement(args, |session| match session {
            Session::Sqlite(connection) => sqlite::execute(connection, sql, args),
            Session::Postgres(session) => session.execute(sql, args),
        })
    }

    /// Compare and swap: an `UPDATE` of one row whose `WHERE` names the version that was read
    /// before. When that row is no longer there someone else was faster, and the transaction runs
    /// again from its start, a bounded number of times.
    ///
    /// ```ignore
    /// db.write(move |tx| {
    ///     let old = key(tx, id)?;                       // reads the row and its version
    ///     let new = old.revoke(by, now)?;               // pure
    ///     tx.swap(UPDATE_KEY, args![&new.row, id, old.version])?;
    ///     Ok(new)
    /// })
    /// ```
    pub fn swap(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<(), Fault> {
        match self.execute(sql, args)? {
            1 => Ok(()),
            0 => Err(self.fail(Fault::Outrun)),
            many => Err(self.fail(Fault::Shape(format!(
                "{many} rows changed where one was expected"
            )))),
        }
    }

    /// What time it is for the database.
    pub fn now(&mut self) -> Result<Instant, Fault> {
        let sql = match self.session {
            Session::Sqlite(_) => "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)",
            Session::Postgres(_) => {
                "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
            }
        };
        Ok(Instant::from_millis(self.query_one(sql, &[])?.int(0)?))
    }

    /// Runs a script of several statements, as migrations are.
    pub(crate) fn script(&mut self, sql: &'static str) -> Result<(), Fault> {
        self.statement(&[], |session| match session {
            Session::Sqlite(connection) => connection.execute_batch(sql).map_err(sqlite::fault),
            Session::Postgres(session) => session.script(sql),
        })
    }

    fn statement<T>(
        &mut self,
        args: &[Arg<'_>],
        run: impl FnOnce(&mut Session<'t>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if self.failed.is_some() {
            return Err(Fault::AlreadyFailed);
        }
        let checked = args.iter().try_for_each(Arg::check);
        checked
            .and_then(|()| run(&mut self.session))
            .map_err(|fault| self.fail(fault))
    }

    fn fail(&mut self, fault: Fault) -> Fault {
        self.failed = Some(fault.clone());
        fault
    }
}

/// What came of running a closure once.
enum Attempt<T, E> {
    /// To be committed.
    Good(T),
    /// To be rolled back.
    Bad(E),
    /// To be rolled back and run again, or to be answered when that was done often enough.
    Again(E),
}

/// Runs the closure of a transaction once and catches its panic.
fn attempt<T, E: From<Fault>>(
    tx: &mut Tx<'_>,
    f: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
) -> Attempt<T, E> {
    let result = catch_unwind(AssertUnwindSafe(|| f(tx)));
    match (result, tx.failed.take()) {
        (Err(_), _) => Attempt::Bad(Fault::Panicked.into()),
        (Ok(Ok(value)), None) => Attempt::Good(value),
        (Ok(Err(error)), Some(fault)) if fault.calls_for_another_run() => Attempt::Again(error),
        (Ok(Err(error)), _) => Attempt::Bad(error),
        (Ok(Ok(_)), Some(fault)) if fault.calls_for_another_run() => Attempt::Again(fault.into()),
        (Ok(Ok(_)), Some(_)) => Attempt::Bad(Fault::AlreadyFailed.into()),
    }
}

#[derive(Default)]
struct Counters {
    reads: AtomicU64,
    writes: AtomicU64,
    commits: AtomicU64,
    reruns: AtomicU64,
}

impl Counters {
    fn read(&self) -> Counts {
        Counts {
            reads: self.reads.load(Ordering::Relaxed),
            writes: self.writes.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
            reruns: self.reruns.load(Ordering::Relaxed),
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
