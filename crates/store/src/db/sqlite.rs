//! SQLite: one writer on a thread of its own, readers beside it.

mod backup;
mod presence;
mod writer;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, ffi};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use self::presence::Presence;
use self::writer::{Message, Write, Writer};
use super::value::Value;
use super::{Arg, Attempt, Counters, Row, Session, Tx, attempt, count};
use crate::Fault;
use crate::fault::Cause;

/// The first version without the defect that could corrupt a database when a WAL was reset
/// while another connection wrote (3.51.3, release notes).
const MIN_VERSION: i32 = 3_051_003;

/// Marks a database file as ours, as `file(1)` and SQLite's own list have it: "LKey".
const APPLICATION_ID: i32 = 0x4c4b_6579;

/// Jobs that may wait for the writer: about a second of its work. Beyond it callers wait for a place.
const QUEUE: usize = 1024;

/// How long a caller waits for a place in the queue or for a reader before it is told to come back.
const WAIT: Duration = Duration::from_secs(5);

/// Readers: reads are short and the machine small, so more would only hold memory (2 MB of cache each).
const READERS: usize = 4;

/// Prepared statements kept per connection: more than there are texts in this crate.
const STATEMENTS: usize = 256;

/// How long the writer waits for another process that writes, such as a command on the same file.
const BUSY: Duration = Duration::from_secs(5);

/// The size to which the WAL is cut back after it grew during a long read, in bytes.
const WAL_LIMIT: i64 = 64 << 20;

/// The size of WAL, in pages of 4 KiB, at which a commit writes it back into the database.
const CHECKPOINT_PAGES: i64 = 1000;

/// Faults of the integrity check that are worth printing.
const DAMAGES: i64 = 10;

pub(super) struct Sqlite {
    path: PathBuf,
    jobs: mpsc::Sender<Message>,
    readers: Arc<Readers>,
    counters: Arc<Counters>,
    presence: Mutex<Option<Presence>>,
    unclean: bool,
}

struct Readers {
    path: PathBuf,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Sqlite {
    pub(super) async fn open(
        path: PathBuf,
        table: &'static str,
        after_crash: &'static str,
    ) -> Result<Self, Fault> {
        blocking(move || Self::open_here(path, table, after_crash)).await
    }

    fn open_here(
        path: PathBuf,
        table: &'static str,
        after_crash: &'static str,
    ) -> Result<Self, Fault> {
        if rusqlite::version_number() < MIN_VERSION {
            return Err(Fault::Unfit(format!(
                "SQLite {} is older than 3.51.3",
                rusqlite::version()
            )));
        }
        // The file holds digests and sealed secrets, so nobody else may read it; SQLite gives the
        // files beside it the same mode.
        let created = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path);
        drop(created.map_err(|error| Fault::file(&path, error))?);

        let arrived = Presence::arrive(&path)?;
        let connection = connect(&path)?;
        check_settings(&connection)?;
        if arrived.after_unclean_stop() {
            tracing::warn!(database = %path.display(), "the last stop was not clean; checking the database");
            check_integrity(&connection)?;
            let has_table = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?1";
            let tables: i64 = connection
                .query_row(has_table, [table], |row| row.get(0))
                .map_err(fault)?;
            if tables > 0 {
                connection.execute_batch(after_crash).map_err(fault)?;
            }
        }
        let unclean = arrived.after_unclean_stop();
        let presence = arrived.stay()?;

        let idle = (0..READERS)
            .map(|_| connect_reader(&path))
            .collect::<Result<Vec<_>, _>>()?;
        let readers = Readers {
            path: path.clone(),
            permits: Arc::new(Semaphore::new(READERS)),
            idle: Mutex::new(idle),
        };
        let counters = Arc::new(Counters::default());
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = Writer {
            connection,
            queue,
            counters: Arc::clone(&counters),
        };
        thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| Fault::file(&path, error))?;
        Ok(Self {
            path,
            jobs,
            readers: Arc::new(readers),
            counters,
            presence: Mutex::new(Some(presence)),
            unclean,
        })
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Tx<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let permit = match timeout(WAIT, Arc::clone(&self.readers.permits).acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(Fault::Closed),
            Err(_) => {
                return Err(Fault::Busy {
                    what: "a reader of the database",
                });
            }
        };
        count(&self.counters.reads);
        let readers = Arc::clone(&self.readers);
        blocking(move || {
            let connection = readers.take()?;
            let answer = read_on(&connection, f);
            readers.put_back(connection);
            drop(permit);
            answer
        })
        .await
    }

    pub(super) async fn write<T: Send + 'static, E: From<Fault> + Send + 'static>(
        &self,
        f: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Write::new(f, reply));
        self.send(Message::Job(job)).await?;
        answer.await.unwrap_or_else(|_| Err(Fault::Closed.into()))
    }

    /// Copies the database as it is at one moment into a new file, while others read and write.
    pub(super) async fn backup_to(&self, target: &Path) -> Result<(), Fault> {
        let (source, target) = (self.path.clone(), target.to_owned());
        blocking(move || backup::copy(&source, &target)).await
    }

    /// Lets what is under way end, empties the WAL into the database and marks the stop as clean.
    pub(super) async fn close(&self) -> Result<(), Fault> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Stop(reply)).await?;
        let readers = Arc::clone(&self.readers);
        let all = u32::try_from(READERS).unwrap_or(u32::MAX);
        let quiet = timeout(WAIT, readers.permits.acquire_many(all)).await;
        readers.permits.close();
        drop(quiet);
        readers.idle().clear();
        answer.await.unwrap_or(Err(Fault::Closed))?;
        match self
            .presence
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            Some(presence) => presence.leave(),
            None => Ok(()),
        }
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(super) fn was_unclean(&self) -> bool {
        self.unclean
    }

    async fn send(&self, message: Message) -> Result<(), Fault> {
        self.jobs
            .send_timeout(message, WAIT)
            .await
            .map_err(|error| match error {
                mpsc::error::SendTimeoutError::Timeout(_) => Fault::Busy {
                    what: "the writer of the database",
                },
                mpsc::error::SendTimeoutError::Closed(_) => Fault::Closed,
            })
    }
}

impl Readers {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Result<Connection, Fault> {
        let idle = self.idle().pop();
        idle.map_or_else(|| connect_reader(&self.path), Ok)
    }

    /// Keeps the connection unless it is stuck in a transaction or the store was closed.
    fn put_back(&self, connection: Connection) {
        if connection.is_autocommit() && !self.permits.is_closed() {
            self.idle().push(connection);
        }
    }
}

fn read_on<T>(
    connection: &Connection,
    f: impl FnOnce(&mut Tx<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    step(connection, "BEGIN")?;
    let outcome = attempt(&mut Tx::new(Session::Sqlite(connection)), f);
    step(connection, "ROLLBACK")?;
    match outcome {
        Attempt::Good(value) => Ok(value),
        Attempt::Bad(fault) | Attempt::Again(fault) => Err(fault),
    }
}

pub(super) fn query(
    connection: &Connection,
    sql: &str,
    args: &[Arg<'_>],
) -> Result<Vec<Row>, Fault> {
    let mut statement = bound(connection, sql, args)?;
    let columns = statement.column_count();
    let mut answer = statement.raw_query();
    let mut rows = Vec::new();
    while let Some(row) = answer.next().map_err(fault)? {
        let values = (0..columns).map(|at| row.get_ref(at).map_err(fault).and_then(value));
        rows.push(Row::new(values.collect::<Result<_, _>>()?));
    }
    Ok(rows)
}

pub(super) fn execute(connection: &Connection, sql: &str, args: &[Arg<'_>]) -> Result<u64, Fault> {
    let mut statement = bound(connection, sql, args)?;
    let changed = statement.raw_execute().map_err(fault)?;
    Ok(changed as u64)
}

/// Binds by the number in the parameter's name: to SQLite `$2` is only a name, numbered by its
/// first appearance.
fn bound<'c>(
    connection: &'c Connection,
    sql: &str,
    args: &[Arg<'_>],
) -> Result<CachedStatement<'c>, Fault> {
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    let wrong = |what: String| Fault::Engine(Cause::new(format!("{what} in: {sql}")));
    let parameters = statement.parameter_count();
    if parameters != args.len() {
        return Err(wrong(format!(
            "{} arguments for {parameters} parameters",
            args.len()
        )));
    }
    for index in 1..=parameters {
        let name = statement.parameter_name(index).unwrap_or_default();
        let number = name
            .strip_prefix('$')
            .and_then(|digits| digits.parse::<usize>().ok());
        let arg = number.and_then(|number| args.get(number.wrapping_sub(1)));
        let arg = arg.ok_or_else(|| wrong(format!("the parameter {name:?}")))?;
        match arg {
            Arg::Int(number) => statement.raw_bind_parameter(index, number),
            Arg::Text(text) => statement.raw_bind_parameter(index, text.as_ref()),
            Arg::Blob(bytes) => statement.raw_bind_parameter(index, bytes.as_ref()),
            Arg::Null(_) => statement.raw_bind_parameter(index, rusqlite::types::Null),
        }
        .map_err(fault)?;
    }
    Ok(statement)
}

fn value(value: ValueRef<'_>) -> Result<Value, Fault> {
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) => Ok(Value::Int(number)),
        ValueRef::Real(_) => Err(Fault::Shape("a column holds a fraction".to_owned())),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::Text(text.to_owned())),
            Err(_) => Err(Fault::Shape("a text is not UTF-8".to_owned())),
        },
        ValueRef::Blob(bytes) => Ok(Value::Blob(bytes.to_vec())),
    }
}

fn step(connection: &Connection, sql: &str) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    statement.raw_execute().map(drop).map_err(fault)
}

pub(super) fn fault(error: rusqlite::Error) -> Fault {
    let rusqlite::Error::SqliteFailure(code, message) = &error else {
        return Fault::Engine(Cause::chain(&error));
    };
    let message = message.as_deref().unwrap_or_default();
    match (code.code, code.extended_code) {
        (
            ErrorCode::ConstraintViolation,
            ffi::SQLITE_CONSTRAINT_UNIQUE
            | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            | ffi::SQLITE_CONSTRAINT_ROWID,
        ) => {
            let on = message
                .strip_prefix("UNIQUE constraint failed: ")
                .unwrap_or(message);
            Fault::Conflict { on: on.to_owned() }
        }
        (ErrorCode::ConstraintViolation, _) => Fault::Constraint(Cause::chain(&error)),
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => Fault::Busy {
            what: "another process that writes",
        },
        (ErrorCode::DatabaseCorrupt, _) => Fault::Damaged(error.to_string()),
        (ErrorCode::NotADatabase, _) => {
            Fault::Unfit("the file is not a SQLite database".to_owned())
        }
        _ => Fault::Engine(Cause::chain(&error)),
    }
}

fn connect(path: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fault)?;
    connection.busy_timeout(BUSY).map_err(fault)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let settings = [
        ("foreign_keys", 1),
        ("trusted_schema", 0),
        ("cell_size_check", 1),
        ("wal_autocheckpoint", CHECKPOINT_PAGES),
        ("journal_size_limit", WAL_LIMIT),
    ];
    for (name, setting) in settings {
        connection
            .pragma_update(None, name, setting)
            .map_err(fault)?;
    }
    Ok(connection)
}

fn connect_reader(path: &Path) -> Result<Connection, Fault> {
    let connection = connect(path)?;
    connection
        .pragma_update(None, "query_only", 1)
        .map_err(fault)?;
    Ok(connection)
}

/// Sets what durability rests on and reads it back, because SQLite ignores what it cannot do.
fn check_settings(connection: &Connection) -> Result<(), Fault> {
    let ask = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .map_err(fault)
    };
    let id = ask("application_id")?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(fault)?;
    if id != i64::from(APPLICATION_ID) {
        if id != 0 || tables != 0 {
            return Err(Fault::Unfit(
                "the file is a database of another program".to_owned(),
            ));
        }
        connection
            .pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(fault)?;
    }

    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(fault)?;
    connection
        .pragma_update(None, "synchronous", "FULL")
        .map_err(fault)?;
    let (synchronous, foreign_keys) = (ask("synchronous")?, ask("foreign_keys")?);
    if mode != "wal" || synchronous != 2 || foreign_keys != 1 {
        return Err(Fault::Unfit(format!(
            "SQLite answers journal_mode={mode}, synchronous={synchronous}, foreign_keys={foreign_keys} \
             where wal, 2 and 1 were set; WAL needs a local file system"
        )));
    }
    Ok(())
}

fn check_integrity(connection: &Connection) -> Result<(), Fault> {
    let mut statement = connection
        .prepare(&format!("PRAGMA quick_check({DAMAGES})"))
        .map_err(fault)?;
    let lines = statement
        .query_map([], |row| row.get::<_, String>(0))
        .map_err(fault)?;
    let lines = lines.collect::<Result<Vec<_>, _>>().map_err(fault)?;
    if lines == ["ok"] {
        Ok(())
    } else {
        Err(Fault::Damaged(lines.join("; ")))
    }
}

/// Runs `f` where blocking is allowed.
async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let caught = move || catch_unwind(AssertUnwindSafe(f)).unwrap_or(Err(Fault::Panicked));
    tokio::task::spawn_blocking(caught)
        .await
        .unwrap_or(Err(Fault::Closed))
}
