//! PostgreSQL: a pool of connections; a transaction's closure runs on a blocking thread, and each
//! of its statements waits there for the server.

mod answer;

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime,
};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Config, Error, Statement};

use self::answer::{fault, lost, no_answer, pool_fault};
use super::tls::{self, Trust};
use super::value::Value;
use super::{Arg, Attempt, Counters, Kind, Row, Tx, attempt, count};
use crate::Fault;
use crate::fault::Cause;

/// The oldest server whose behaviour the conformance suite knows.
const MIN_VERSION: i32 = 150_000;

/// Connections of one process: five replicas fit under the server's default limit of 100.
const CONNECTIONS: usize = 16;

/// How long a caller waits for a connection before it is told to come back.
const WAIT: Duration = Duration::from_secs(5);

/// How long after the server's own limit of a statement an answer is still awaited; after that
/// the connection counts as lost.
const ANSWER: Duration = Duration::from_secs(15);

/// Connections that turn out to be dead when a transaction begins, until the server counts as
/// unreachable: a restart leaves the whole pool dead, and most of it is noticed without trying.
const DEAD: usize = 3;

/// Runs of one transaction. Of writers that meet on one row one always gets through, and no more
/// than [`CONNECTIONS`] meet, so that twice as many are enough even for the unluckiest.
const RUNS: u32 = 2 * CONNECTIONS as u32;

/// The pause before another run grows by this with each run, so that those who met part.
const PAUSE: Duration = Duration::from_millis(1);

/// What every session is told. The limits end what hangs: a statement, a wait for a lock, a
/// transaction whose process went away. They are above everything a healthy database needs.
const SESSION: &str = "\
    SET statement_timeout = '10s';
    SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = '10s';
    SET client_min_messages = warning";

const SETTINGS: &str = "\
    SELECT current_setting('server_version'), CAST(current_setting('server_version_num') AS INTEGER),
           current_setting('synchronous_commit'), current_setting('fsync'),
           current_setting('server_encoding')";

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

pub(super) struct Postgres {
    pool: Pool,
    version: String,
    counters: Arc<Counters>,
}

impl Postgres {
    pub(super) async fn open(config: Config, trust: &Trust) -> Result<Self, Fault> {
        let manager = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_config(config, tls::connector(trust)?, manager);
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(WAIT))
            .recycle_timeout(Some(WAIT))
            .runtime(Runtime::Tokio1)
            .post_create(Hook::async_fn(|client, _| {
                Box::pin(async move { prepare_session(client).await.map_err(HookError::message) })
            }))
            .build()
            .map_err(|error| Fault::Unfit(error.to_string()))?;
        let first = pool.get().await.map_err(pool_fault)?;
        let settings = first.query_one(SETTINGS, &[]).await.map_err(fault)?;
        if settings.get::<_, &str>(3) != "on" {
            tracing::warn!(
                "PostgreSQL runs with fsync=off: a crash of its machine loses or damages data"
            );
        }
        let version = settings.get::<_, String>(0);
        drop(first);
        Ok(Self {
            pool,
            version,
            counters: Arc::default(),
        })
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Tx<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let client = self.begin(BEGIN_READ).await?;
        count(&self.counters.reads);
        let handle = Handle::current();
        let ran = spawn_blocking(move || {
            let mut connection = Connection {
                handle: &handle,
                client: Some(client),
            };
            let outcome = connection.attempt(f);
            connection.roll_back();
            match outcome {
                Attempt::Good(value) => Ok(value),
                Attempt::Bad(fault) | Attempt::Again(fault) => Err(fault),
            }
        });
        ran.await.unwrap_or(Err(Fault::Closed))
    }

    pub(super) async fn write<T: Send + 'static, E: From<Fault> + Send + 'static>(
        &self,
        f: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let client = self.begin(BEGIN).await?;
        count(&self.counters.writes);
        let (handle, counters) = (Handle::current(), Arc::clone(&self.counters));
        let ran = spawn_blocking(move || {
            let mut connection = Connection {
                handle: &handle,
                client: Some(client),
            };
            let outcome = connection.run(f, &counters);
            connection.roll_back();
            outcome
        });
        ran.await.unwrap_or_else(|_| Err(Fault::Closed.into()))
    }

    /// A connection that has begun a transaction. Dead ones are thrown away on the way.
    async fn begin(&self, begin: &'static str) -> Result<Object, Fault> {
        let mut dead = 0;
        loop {
            let client = self.pool.get().await.map_err(pool_fault)?;
            let began = match tokio::time::timeout(ANSWER, client.batch_execute(begin)).await {
                Ok(began) => began.map_err(fault),
                Err(_) => Err(no_answer()),
            };
            match began {
                Ok(()) => return Ok(client),
                Err(fault) => {
                    drop(Object::take(client));
                    dead += 1;
                    if dead == DEAD {
                        return Err(fault);
                    }
                }
            }
        }
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }
}

/// Tells a new session its limits and checks that its commits are durable.
async fn prepare_session(client: &tokio_postgres::Client) -> Result<(), String> {
    let in_full = |error: Error| Cause::chain(&error).to_string();
    client.batch_execute(SESSION).await.map_err(in_full)?;
    let settings = client.query_one(SETTINGS, &[]).await.map_err(in_full)?;
    if settings.get::<_, i32>(1) < MIN_VERSION {
        return Err(format!(
            "PostgreSQL {} is older than 15",
            settings.get::<_, &str>(0)
        ));
    }
    let durable = settings.get::<_, &str>(2);
    if !["on", "remote_apply"].contains(&durable) {
        return Err(format!(
            "PostgreSQL has synchronous_commit={durable}; what it confirms may be lost"
        ));
    }
    let encoding = settings.get::<_, &str>(4);
    if encoding != "UTF8" {
        return Err(format!(
            "the database keeps text as {encoding} instead of UTF8"
        ));
    }
    Ok(())
}

/// A connection in a transaction, on a blocking thread. A connection whose state is unknown is
/// thrown away, never given back.
struct Connection<'h> {
    handle: &'h Handle,
    client: Option<Object>,
}

impl Connection<'_> {
    /// Runs `f` until it is committed, refused, or has lost too often.
    fn run<T, E: From<Fault>>(
        &mut self,
        mut f: impl FnMut(&mut Tx<'_>) -> Result<T, E>,
        counters: &Counters,
    ) -> Result<T, E> {
        let mut runs = 1;
        loop {
            let (again, last) = match self.attempt(&mut f) {
                Attempt::Bad(error) => return Err(error),
                Attempt::Again(error) => (true, Err(error)),
                Attempt::Good(value) => match self.commit() {
                    Ok(()) => {
                        count(&counters.commits);
                        (false, Ok(value))
                    }
                    Err(fault) => (fault.calls_for_another_run(), Err(fault.into())),
                },
            };
            if !again || runs == RUNS {
                return last;
            }
            self.roll_back();
            self.handle.block_on(tokio::time::sleep(PAUSE * runs));
            self.control(BEGIN)?;
            runs += 1;
            count(&counters.reruns);
        }
    }

    fn attempt<T, E: From<Fault>>(
        &mut self,
        f: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Attempt<T, E> {
        let Some(client) = &self.client else {
            return Attempt::Bad(lost().into());
        };
        let mut tx = Tx::new(super::Session::Postgres(Session {
            handle: self.handle,
            client,
            silent: false,
        }));
        let outcome = attempt(&mut tx, f);
        let silent = matches!(&tx.session, super::Session::Postgres(session) if session.silent);
        if silent {
            self.throw_away();
        }
        outcome
    }

    fn commit(&mut self) -> Result<(), Fault> {
        self.control("COMMIT").map_err(|fault| match fault {
            Fault::Unreachable(cause) => Fault::InDoubt(cause),
            other => other,
        })
    }

    /// Ends a transaction that is still open; a committed one has nothing left to undo.
    fn roll_back(&mut self) {
        if self.client.is_some() {
            drop(self.control("ROLLBACK"));
        }
    }

    fn control(&mut self, sql: &'static str) -> Result<(), Fault> {
        let Some(client) = &self.client else {
            return Err(lost());
        };
        let ended = self.handle.block_on(async {
            match tokio::time::timeout(ANSWER, client.batch_execute(sql)).await {
                Ok(ended) => ended.map_err(fault),
                Err(_) => Err(no_answer()),
            }
        });
        if ended.is_err() {
            self.throw_away();
        }
        ended
    }

    fn throw_away(&mut self) {
        drop(self.client.take().map(Object::take));
    }
}

/// A transaction's way to the server.
pub(super) struct Session<'t> {
    handle: &'t Handle,
    client: &'t Object,
    /// Whether an answer did not come in time.
    silent: bool,
}

impl Session<'_> {
    pub(super) fn query(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<Row>, Fault> {
        let client = self.client;
        self.wait(async {
            let statement = prepare(client, sql, args).await?;
            let rows = client
                .query(&statement, &parameters(args))
                .await
                .map_err(fault)?;
            rows.iter().map(row).collect()
        })
    }

    pub(super) fn execute(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<u64, Fault> {
        let client = self.client;
        self.wait(async {
            let statement = prepare(client, sql, args).await?;
            client
                .execute(&statement, &parameters(args))
                .await
                .map_err(fault)
        })
    }

    pub(super) fn script(&mut self, sql: &'static str) -> Result<(), Fault> {
        let client = self.client;
        // A migration may move a whole table, and waits for those before it.
        self.handle
            .block_on(async { client.batch_execute(sql).await.map_err(fault) })
    }

    fn wait<T>(&mut self, answer: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let answer = self
            .handle
            .block_on(async { tokio::time::timeout(ANSWER, answer).await });
        answer.unwrap_or_else(|_| {
            self.silent = true;
            Err(no_answer())
        })
    }
}

/// The types are told, not guessed by the server, so that a text means the same on both engines.
async fn prepare(client: &Object, sql: &'static str, args: &[Arg<'_>]) -> Result<Statement, Fault> {
    // The server would take more than the text names; SQLite would not.
    let named = sql
        .split('$')
        .skip(1)
        .map(leading_number)
        .max()
        .unwrap_or(0);
    if named != args.len() {
        return Err(Fault::Engine(Cause::from(format_args!(
            "{} arguments for {named} parameters in: {sql}",
            args.len()
        ))));
    }
    let types: Vec<Type> = args
        .iter()
        .map(|arg| match arg {
            Arg::Int(_) | Arg::Null(Kind::Int) => Type::INT8,
            Arg::Text(_) | Arg::Null(Kind::Text) => Type::TEXT,
            Arg::Blob(_) | Arg::Null(Kind::Blob) => Type::BYTEA,
        })
        .collect();
    client
        .prepare_typed_cached(sql, &types)
        .await
        .map_err(fault)
}

fn leading_number(text: &str) -> usize {
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].parse().unwrap_or(0)
}

fn parameters<'a>(args: &'a [Arg<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    args.iter()
        .map(|arg| match arg {
            Arg::Int(number) => number as &(dyn ToSql + Sync),
            Arg::Text(text) => text,
            Arg::Blob(bytes) => bytes,
            Arg::Null(Kind::Int) => &None::<i64>,
            Arg::Null(Kind::Text) => &None::<&str>,
            Arg::Null(Kind::Blob) => &None::<&[u8]>,
        })
        .collect()
}

fn row(row: &tokio_postgres::Row) -> Result<Row, Fault> {
    let values = row
        .columns()
        .iter()
        .enumerate()
        .map(|(at, column)| match *column.type_() {
            Type::INT8 => read(row, at, Value::Int),
            Type::INT4 => read(row, at, |number: i32| Value::Int(number.into())),
            Type::BOOL => read(row, at, |flag: bool| Value::Int(flag.into())),
            Type::TEXT | Type::VARCHAR | Type::NAME => read(row, at, Value::Text),
            Type::BYTEA => read(row, at, Value::Blob),
            Type::VOID => Ok(Value::Null),
            ref other => Err(Fault::Shape(format!(
                "column {at} is of type {other}; write CAST(… AS BIGINT)"
            ))),
        });
    Ok(Row::new(values.collect::<Result<_, _>>()?))
}

fn read<'r, T: tokio_postgres::types::FromSql<'r>>(
    row: &'r tokio_postgres::Row,
    at: usize,
    value: impl FnOnce(T) -> Value,
) -> Result<Value, Fault> {
    Ok(row
        .try_get::<_, Option<T>>(at)
        .map_err(fault)?
        .map_or(Value::Null, value))
}
