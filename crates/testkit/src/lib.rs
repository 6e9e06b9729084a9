//! What tests share: a fresh database per test on each engine, and random worlds that can be
//! run again. Only `dev-dependencies` name this crate, and it knows none of the others.

pub mod database;
pub mod random;

pub use database::{Database, Engine};
pub use random::{Random, with_seed};

use std::future::Future;
use std::time::Duration;

/// Writes one test for each engine from one body: `name::sqlite` and `name::postgres`.
///
/// The body is an async function of a [`Database`], which is fresh and is removed afterwards.
///
/// ```
/// testkit::on_each_engine! {
///     async fn a_fresh_database_has_a_url(database: testkit::Database) {
///         assert!(!database.url().is_empty());
///     }
/// }
/// ```
#[macro_export]
macro_rules! on_each_engine {
    ($($(#[$meta:meta])* async fn $name:ident($database:ident: $type:ty) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn body($database: $type) $body

            $(#[$meta])*
            #[test]
            fn sqlite() {
                $crate::run($crate::Engine::Sqlite, body);
            }

            $(#[$meta])*
            #[test]
            fn postgres() {
                $crate::run($crate::Engine::Postgres, body);
            }
        }
    )+};
}

/// Threads of the runtime under a test: enough that tasks truly run beside one another.
const WORKERS: usize = 4;

/// No test takes a tenth of this; one that waits for ever fails instead of holding up all the others.
const LONGEST: Duration = Duration::from_secs(300);

/// Runs `body` with a fresh database of `engine`, on a runtime of its own. Without a PostgreSQL
/// the body is skipped with one loud line, or, where `CI` is set, the test fails.
///
/// # Panics
/// When the body does, or when the database cannot be made.
pub fn run<F: Future<Output = ()>>(engine: Engine, body: impl FnOnce(Database) -> F) {
    let Some(database) = Database::fresh(engine) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let ended =
                runtime.block_on(async { tokio::time::timeout(LONGEST, body(database)).await });
            assert!(
                ended.is_ok(),
                "the test did not end within {LONGEST:?}: something waits for ever"
            );
        }
        Err(error) => panic!("no runtime for the test: {error}"),
    }
}

#[cfg(test)]
mod tests;
