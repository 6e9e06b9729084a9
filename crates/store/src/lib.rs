//! What is on disk: one [`Store`] over two engines, one SQL text for both.
//!
//! [`db`] is the seam to the engines. Each noun has a file here with its statements and an
//! `impl Store` whose methods are verbs of the domain; nothing above this crate writes SQL.
//!
//! - [`Store::view`] reads one state of the database. [`Store::change`] writes rows, their audit events and one entry of
//!   the [`feed`] together or not at all ([`change`](mod@change)); [`Store::issue`] is its small sibling for tokens ([`issuance`]).
//! - [`guard`] stands between rows and the domain: what a verdict reads is sealed or carries a MAC, and a row that was
//!   edited, copied or put back comes out as [`Found::Tampered`].
//! - A [`Fault`] is how the world fails. A refused command is never one.

pub mod audit;
pub mod catalogs;
pub mod change;
mod column;
pub mod compare;
pub mod db;
pub mod families;
mod fault;
pub mod feed;
pub mod groups;
pub mod guard;
pub mod idempotency;
pub mod issuance;
pub mod keys;
pub mod limits;
mod migrate;
pub mod nonces;
pub mod notices;
pub mod organizations;
pub mod rekey;
pub mod roles;
pub mod sessions;
pub mod settings;
pub mod setup;
pub mod signing;
pub mod tokens;
pub mod usage;
pub mod users;
pub mod vault;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use credential::seal::Vault;

pub use change::{Change, Changed, View};
pub use fault::{Cause, Fault};
pub use guard::{Entropy, Found};
pub use issuance::Issue;
pub use migrate::Migrated;

use db::Db;
use guard::Guard;

/// An open database with the current schema.
pub struct Store {
    db: Db,
    guard: Guard,
    issuer: RwLock<String>,
    lane: AtomicU64,
}

impl Store {
    /// Opens the database that `url` names, creates or migrates its schema, and checks that it
    /// keeps what it is given.
    ///
    /// - `sqlite:/path/to/file.db`; the file is created when it is not there, its directory is not.
    /// - `postgres://user:password@host:port/database?sslmode=verify-full&sslrootcert=/path/to/ca.pem`;
    ///   `sslmode` is `disable`, `prefer` (default), `require` or `verify-full`; `host` may be the
    ///   directory of a Unix socket, as a parameter or percent-encoded.
    pub async fn open(url: &str) -> Result<Self, Fault> {
        let store = Self::connect(url).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// Opens the database without touching its schema: for commands that look before they migrate.
    pub async fn connect(url: &str) -> Result<Self, Fault> {
        Ok(Self {
            db: Db::open_after(url, feed::TABLE, feed::FORGET_THE_DEAD).await?,
            guard: Guard::default(),
            issuer: RwLock::new("local".to_owned()),
            lane: AtomicU64::new(0),
        })
    }

    /// Brings the schema to what this program knows; does nothing when it is there already.
    pub async fn migrate(&self) -> Result<Migrated, Fault> {
        migrate::migrate(&self.db).await
    }

    /// Gives the store the keys that seal and authenticate rows, and its source of randomness. Until then it reads no row
    /// that a verdict reads, and writes none. Later calls replace the keys, for a roll-over.
    pub fn unlock(&self, vault: Arc<Vault>, entropy: Entropy) {
        self.guard.unlock(vault, entropy);
    }

    /// Names this process in the chains of what it issues ([`Store::issue`]): by its replica's name, which is the same at
    /// every start. Processes of one name share their chains, and wait for one another.
    pub fn set_issuer(&self, name: &str) {
        *self.issuer.write().unwrap_or_else(PoisonError::into_inner) = name.to_owned();
    }

    /// The issuance chain for the next transaction.
    fn next_lane(&self) -> String {
        let lane = self.lane.fetch_add(1, Ordering::Relaxed) % issuance::LANES;
        format!(
            "issuance/{}/{lane}",
            self.issuer.read().unwrap_or_else(PoisonError::into_inner)
        )
    }

    /// The seam: for the conformance suite and for tools; nothing above this crate writes SQL.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Whether the database answers a read and commits a write within the limits of the seam.
    pub async fn health(&self) -> Result<(), Fault> {
        self.db.read(|tx| tx.now().map(drop)).await?;
        self.db.write(|tx| tx.now().map(drop)).await
    }

    /// Copies the database as it is at one moment into the new file `path`, which appears only when
    /// it is whole, checked and on the disk. SQLite only; PostgreSQL has its own tools.
    pub async fn backup_to(&self, path: &Path) -> Result<(), Fault> {
        self.db.backup_to(path).await
    }

    /// Ends what is under way and closes the database; later calls are [`Fault::Closed`]. A store
    /// that is dropped without this counts as crashed, and its file is checked when it is next opened.
    pub async fn close(&self) -> Result<(), Fault> {
        self.db.close().await
    }
}
