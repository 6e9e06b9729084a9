//! A database per test, removed when the test lets go of it.

use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write as _};
use std::sync::OnceLock;
use std::thread;

use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};

/// Names the PostgreSQL server that tests use, as a URL of a database that exists there.
pub const VARIABLE: &str = "LATCHKEY_TEST_POSTGRES";

/// Where a PostgreSQL is looked for when [`VARIABLE`] is not set.
const PLACES: [&str; 4] = [
    "postgres://root@127.0.0.1:5432/postgres",
    "postgres://postgres@127.0.0.1:5432/postgres",
    "postgres:///postgres?host=/var/run/postgresql&user=root",
    "postgres:///postgres?host=/var/run/postgresql&user=postgres",
];

/// Every database made here begins with this, so that leftovers are recognised.
const PREFIX: &str = "latchkey_test_";

/// A leftover older than this belongs to a test that was killed: longer than any test run.
const LEFTOVER_SECONDS: i64 = 2 * 3600;

/// Which engine a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The embedded engine, in a directory of its own.
    Sqlite,
    /// A PostgreSQL server, in a database of its own.
    Postgres,
}

/// A fresh, empty database. It is removed when this is dropped, also by a failing test.
#[derive(Debug)]
pub struct Database {
    url: String,
    engine: Engine,
    _home: Home,
}

#[derive(Debug)]
enum Home {
    Directory { _directory: TempDir },
    Server { _created: Created },
}

#[derive(Debug)]
struct Created {
    server: String,
    name: String,
}

impl Database {
    /// A fresh database of `engine`; `None` when there is no PostgreSQL and `CI` is not set.
    ///
    /// # Panics
    /// When the database cannot be made, and when PostgreSQL is absent in CI.
    pub fn fresh(engine: Engine) -> Option<Self> {
        match engine {
            Engine::Sqlite => Some(Self::sqlite()),
            Engine::Postgres => Self::postgres(),
        }
    }

    /// A database file in a fresh directory.
    ///
    /// # Panics
    /// When the directory cannot be made.
    pub fn sqlite() -> Self {
        let directory = TempDir::with_prefix("latchkey-")
            .unwrap_or_else(|error| panic!("no directory: {error}"));
        let url = format!("sqlite:{}", directory.path().join("latchkey.db").display());
        Self {
            url,
            engine: Engine::Sqlite,
            _home: Home::Directory {
                _directory: directory,
            },
        }
    }

    /// A fresh database on the PostgreSQL server of this machine; `None` when there is none.
    ///
    /// # Panics
    /// When there is none and `CI` is set, or the database cannot be made.
    pub fn postgres() -> Option<Self> {
        let server = server()?;
        let name = on_server(&server, |client| async move {
            let row = client
                .query_one("SELECT CAST(EXTRACT(EPOCH FROM now()) AS BIGINT)", &[])
                .await?;
            let now: i64 = row.get(0);
            let name = format!("{PREFIX}{now}_{:016x}", RandomState::new().hash_one(now));
            client
                .batch_execute(&format!(
                    "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"
                ))
                .await?;
            Ok(name)
        })
        .unwrap_or_else(|error| panic!("no test database on {server}: {error}"));
        let url = with_database(&server, &name);
        Some(Self {
            url,
            engine: Engine::Postgres,
            _home: Home::Server {
                _created: Created { server, name },
            },
        })
    }

    /// The URL as the store takes it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its engine.
    pub fn engine(&self) -> Engine {
        self.engine
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let dropped = on_server(&self.server, |client| async move {
            client.batch_execute(&drop).await
        });
        if let Err(error) = dropped {
            say(&format!(
                "the test database {} stays behind: {error}",
                self.name
            ));
        }
    }
}

/// The server to use, looked for once per process; its leftovers are removed then.
fn server() -> Option<String> {
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    FOUND.get_or_init(find_server).clone()
}

fn find_server() -> Option<String> {
    let named = std::env::var(VARIABLE).ok();
    let places = named.as_deref().map_or(PLACES.to_vec(), |url| vec![url]);
    let mut why = String::new();
    for place in places {
        match on_server(place, remove_leftovers) {
            Ok(()) => return Some(place.to_owned()),
            Err(error) => drop(write!(why, "\n  {place}: {error}")),
        }
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "CI without a PostgreSQL; set {VARIABLE}{why}"
    );
    assert!(
        named.is_none(),
        "{VARIABLE} names a server that does not answer{why}"
    );
    say(&format!(
        "SKIPPED: no PostgreSQL; set {VARIABLE} to the URL of one{why}"
    ));
    None
}

async fn remove_leftovers(client: Client) -> Result<(), tokio_postgres::Error> {
    let now: i64 = client
        .query_one("SELECT CAST(EXTRACT(EPOCH FROM now()) AS BIGINT)", &[])
        .await?
        .get(0);
    for row in client
        .query("SELECT datname::text FROM pg_database", &[])
        .await?
    {
        let name: String = row.get(0);
        let made = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('_').next()?.parse::<i64>().ok());
        if made.is_some_and(|made| now - made > LEFTOVER_SECONDS) {
            client
                .batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
                .await?;
        }
    }
    Ok(())
}

/// Talks to the server on a thread with its own runtime, so that it works inside and outside of one.
fn on_server<T, F>(server: &str, talk: impl FnOnce(Client) -> F + Send) -> Result<T, String>
where
    T: Send,
    F: Future<Output = Result<T, tokio_postgres::Error>>,
{
    let config: Config = server.parse().map_err(|error| format!("{error}"))?;
    let conversation = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        runtime.block_on(async {
            let (client, connection) = config.connect(NoTls).await.map_err(in_full)?;
            let driver = tokio::spawn(connection);
            let answer = talk(client).await.map_err(in_full);
            drop(driver.await);
            answer
        })
    };
    thread::scope(|scope| scope.spawn(conversation).join())
        .unwrap_or_else(|_| Err("the conversation panicked".to_owned()))
}

fn in_full(error: tokio_postgres::Error) -> String {
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

/// The server's URL with another database in it.
fn with_database(server: &str, name: &str) -> String {
    let (scheme, rest) = server.split_once("://").unwrap_or(("postgres", server));
    let (place, query) = rest
        .split_once('?')
        .map_or((rest, String::new()), |(place, query)| {
            (place, format!("?{query}"))
        });
    let authority = place
        .split_once('/')
        .map_or(place, |(authority, _)| authority);
    format!("{scheme}://{authority}/{name}{query}")
}

/// Straight to stderr: what the print macros write is swallowed while a test passes.
fn say(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn the_database_in_a_url_is_replaced() {
        let check = |server, expected| assert_eq!(with_database(server, "x"), expected);
        check("postgres://u:p@h:1/old", "postgres://u:p@h:1/x");
        check("postgres://h", "postgres://h/x");
        check(
            "postgres:///old?host=/run&user=u",
            "postgres:///x?host=/run&user=u",
        );
    }
}
