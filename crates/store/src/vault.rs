//! The data keys, wrapped by a master key that the database never holds, and counters.

use credential::canonical::Canonical;
use credential::event::{Action, SubjectKind};
use credential::id::OrganizationId;
use credential::time::Instant;

use crate::change::{Change, NO_DETAIL, View, page_size};
use crate::column::{instant, number, opt_instant};
use crate::db::Row;
use crate::guard::Recorded;
use crate::{Fault, args};

/// A data key as the database holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultKey {
    /// What it is for: rows, tags.
    pub purpose: String,
    /// Its version within the purpose, from 1.
    pub version: u8,
    /// The wrapped key ([`credential::seal::MasterKey::wrap`]).
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created_at: Instant,
    /// Since when nothing new is made with it.
    pub retired_at: Option<Instant>,
}

impl Recorded for VaultKey {
    const KIND: SubjectKind = SubjectKind::Server;

    fn subject_id(&self) -> String {
        format!("vault/{}/{}", self.purpose, self.version)
    }

    fn organization(&self) -> Option<OrganizationId> {
        None
    }

    /// A data key never changes but in how it is wrapped and whether it is retired.
    fn version(&self) -> i64 {
        1
    }

    fn context(&self) -> Vec<u8> {
        Canonical::new("latchkey vault key row")
            .text(&self.purpose)
            .int(i64::from(self.version))
            .finish()
    }
}

const ALL: &str = "\
    SELECT purpose, version, wrapped, created_at, retired_at FROM vault_key ORDER BY purpose, version LIMIT $1";
const INSERT: &str = "\
    INSERT INTO vault_key (purpose, version, wrapped, created_at, retired_at) VALUES ($1, $2, $3, $4, $5)";
const REWRAP: &str =
    "UPDATE vault_key SET wrapped = $1, retired_at = $2 WHERE purpose = $3 AND version = $4";
const NEXT: &str = "UPDATE counter SET number = number + 1 WHERE name = $1 RETURNING number";
const BEGIN: &str =
    "INSERT INTO counter (name, number) VALUES ($1, 0) ON CONFLICT (name) DO NOTHING";

impl View<'_> {
    /// All data keys, by purpose and version. They can be read before the vault is open.
    pub fn vault_keys(&self) -> Result<Vec<VaultKey>, Fault> {
        self.rows(ALL, args![page_size(crate::change::MAX_PAGE)])?
            .iter()
            .map(read)
            .collect()
    }
}

impl Change<'_> {
    /// Keeps a new data key. A second one of the same purpose and version is a [`Fault::Conflict`].
    pub fn insert_vault_key(&mut self, key: &VaultKey) -> Result<(), Fault> {
        let retired_at = key.retired_at.map(Instant::millis);
        let args = args![
            &key.purpose,
            key.version,
            &key.wrapped,
            key.created_at.millis(),
            retired_at
        ];
        self.execute(INSERT, args)?;
        self.record(key, Action::KeyringRotated, NO_DETAIL);
        Ok(())
    }

    /// Keeps a data key in another wrapping, or as retired.
    pub fn rewrap_vault_key(&mut self, key: &VaultKey) -> Result<(), Fault> {
        let args = args![
            &key.wrapped,
            key.retired_at.map(Instant::millis),
            &key.purpose,
            key.version
        ];
        self.swap(REWRAP, args)?;
        self.record(key, Action::KeyringRotated, NO_DETAIL);
        Ok(())
    }

    /// The next number of a sequence that the whole server shares, from 1. It is given back when the change is undone.
    pub fn next_number(&mut self, name: &str) -> Result<i64, Fault> {
        self.execute(BEGIN, args![name])?;
        self.one(NEXT, args![name])?.int(0)
    }
}

fn read(row: &Row) -> Result<VaultKey, Fault> {
    Ok(VaultKey {
        purpose: row.text(0)?.to_owned(),
        version: number(row, 1)?,
        wrapped: row.blob(2)?.to_vec(),
        created_at: instant(row, 3)?,
        retired_at: opt_instant(row, 4)?,
    })
}
