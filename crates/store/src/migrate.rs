//! The schema and its history. Each step is a script per engine, compiled in; the two scripts of a
//! step leave the same schema. A database remembers which steps it has taken, so that a changed
//! script or a newer program is noticed before anything is written.
//!
//! A step leaves yesterday's binary working: it adds; what is no longer used goes in a later release.

use aws_lc_rs::digest::{SHA256, digest};

use crate::db::{Db, Engine, Tx};
use crate::{Fault, args};

/// One step of the schema.
struct Step {
    number: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! step {
    ($number:literal, $name:literal) => {
        Step {
            number: $number,
            name: $name,
            sqlite: include_str!(concat!("../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../migrations/postgres/", $name, ".sql")),
        }
    };
}

const STEPS: &[Step] = &[
    step!(1, "0001_foundation"),
    step!(2, "0002_nouns"),
    step!(3, "0003_groups"),
    step!(4, "0004_sessions"),
];

/// What a migration found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The number of the last step that the database had taken; 0 for an empty one.
    pub from: i64,
    /// The number of the last step that it has taken now.
    pub to: i64,
}

/// On SQLite the write transaction is the lock; here this number is, "Latchkey" in ASCII.
const LOCK: i64 = 0x4c61_7463_686b_6579;

/// Migrations of several replicas wait for one another, and a step may move a whole table.
const PATIENCE: &str = "SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = '10min'";

const CREATE: &str = "\
    CREATE TABLE IF NOT EXISTS migration (
        number BIGINT NOT NULL PRIMARY KEY,
        name TEXT COLLATE \"C\" NOT NULL,
        digest TEXT COLLATE \"C\" NOT NULL,
        applied_at BIGINT NOT NULL
    )";

const CREATE_STRICT: &str = "\
    CREATE TABLE IF NOT EXISTS migration (
        number INTEGER NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        digest TEXT NOT NULL,
        applied_at INTEGER NOT NULL
    ) STRICT";

const APPLIED: &str = "SELECT number, name, digest FROM migration ORDER BY number";

const RECORD: &str =
    "INSERT INTO migration (number, name, digest, applied_at) VALUES ($1, $2, $3, $4)";

/// Takes the steps that the database has not taken, all or none, one process at a time.
pub(crate) async fn migrate(db: &Db) -> Result<Migrated, Fault> {
    let engine = db.engine();
    let migrated = db.write(move |tx| steps(tx, engine, STEPS)).await?;
    if migrated.from != migrated.to {
        tracing::info!(
            from = migrated.from,
            to = migrated.to,
            "the schema was migrated"
        );
    }
    Ok(migrated)
}

fn steps(tx: &mut Tx<'_>, engine: Engine, known: &[Step]) -> Result<Migrated, Fault> {
    match engine {
        Engine::Sqlite => tx.script(CREATE_STRICT)?,
        Engine::Postgres => {
            tx.script(PATIENCE)?;
            tx.query("SELECT pg_advisory_xact_lock($1)", args![LOCK])?;
            tx.script(CREATE)?;
        }
    }
    let applied = tx.query(APPLIED, &[])?;
    for (at, row) in applied.iter().enumerate() {
        let (number, name, digest) = (row.int(0)?, row.text(1)?, row.text(2)?);
        let Some(step) = known.get(at) else {
            return Err(Fault::Schema(format!(
                "the database has step {number} ({name}) and this program knows {}; a newer Latchkey was here",
                known.len()
            )));
        };
        if number != step.number || name != step.name || digest != digest_of(step.script(engine)) {
            return Err(Fault::Schema(format!(
                "step {number} ({name}) in the database is not the step {} ({}) of this program",
                step.number, step.name
            )));
        }
    }
    let from = applied.last().map_or(Ok(0), |row| row.int(0))?;
    let mut to = from;
    for step in known.iter().skip(applied.len()) {
        tx.script(step.script(engine))?;
        let now = tx.now()?.millis();
        tx.execute(
            RECORD,
            args![step.number, step.name, digest_of(step.script(engine)), now],
        )?;
        to = step.number;
    }
    Ok(Migrated { from, to })
}

impl Step {
    fn script(&self, engine: Engine) -> &'static str {
        match engine {
            Engine::Sqlite => self.sqlite,
            Engine::Postgres => self.postgres,
        }
    }
}

fn digest_of(script: &str) -> String {
    digest(&SHA256, script.as_bytes())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests;
