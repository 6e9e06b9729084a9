//! What is on disk: one [`Store`] over two engines, one SQL text for both.
//!
//! [`db`] is the seam to the engines. Each noun has a file here with its statements and an
//! `impl Store` whose methods are verbs of the domain; nothing above this crate writes SQL.

pub mod db;
mod fault;
mod migrate;

use std::path::Path;

pub use fault::{Cause, Fault};
pub use migrate::Migrated;

use db::Db;

/// An open database with the current schema.
pub struct Store {
    db: Db,
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
        let store = Self {
            db: Db::open(url).await?,
        };
        store.migrate().await?;
        Ok(store)
    }

    /// Opens the database without touching its schema: for commands that look before they migrate.
    pub async fn connect(url: &str) -> Result<Self, Fault> {
        Ok(Self {
            db: Db::open(url).await?,
        })
    }

    /// Brings the schema to what this program knows; does nothing when it is there already.
    pub async fn migrate(&self) -> Result<Migrated, Fault> {
        migrate::migrate(&self.db).await
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
