//! Keys that sign tokens, and the one that signs checkpoints.

use credential::canonical::Canonical;
use credential::event::{Action, SubjectKind};
use credential::id::OrganizationId;
use credential::time::Instant;
use zeroize::Zeroizing;

use crate::change::{Change, View, page_size, shape};
use crate::column::{instant, opt_instant};
use crate::db::Row;
use crate::guard::{Found, Recorded};
use crate::{Fault, args};

/// A signing key.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Its name in headers and in the published set.
    pub kid: String,
    /// How it signs, as JWS calls it: `ES256`, `RS256`, `EdDSA`; what it is for may stand behind a slash.
    pub algorithm: String,
    /// The public half, as whoever made it wants it back.
    pub public: Vec<u8>,
    /// The private half; sealed at rest.
    pub private: Zeroizing<Vec<u8>>,
    /// When it was made.
    pub created_at: Instant,
    /// Since when it is published.
    pub published_at: Option<Instant>,
    /// Since when it signs.
    pub active_at: Option<Instant>,
    /// Since when it signs no more.
    pub retired_at: Option<Instant>,
    /// Since when nothing it signed is good.
    pub revoked_at: Option<Instant>,
    /// When everything it signed has expired.
    pub not_after: Option<Instant>,
    /// Counts the row's changes, from 1.
    pub version: i64,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SigningKey({} {}, version {})",
            self.algorithm, self.kid, self.version
        )
    }
}

impl Recorded for SigningKey {
    const KIND: SubjectKind = SubjectKind::SigningKey;

    fn subject_id(&self) -> String {
        self.kid.clone()
    }

    fn organization(&self) -> Option<OrganizationId> {
        None
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn context(&self) -> Vec<u8> {
        Canonical::new("latchkey signing key row")
            .text(&self.kid)
            .text(&self.algorithm)
            .bytes(&self.public)
            .int(self.created_at.millis())
            .opt_int(self.published_at.map(Instant::millis))
            .opt_int(self.active_at.map(Instant::millis))
            .opt_int(self.retired_at.map(Instant::millis))
            .opt_int(self.revoked_at.map(Instant::millis))
            .opt_int(self.not_after.map(Instant::millis))
            .int(self.version)
            .finish()
    }
}

macro_rules! columns {
    () => {
        "kid, algorithm, public, created_at, published_at, active_at, retired_at, revoked_at, not_after, version, sealed"
    };
}

const GET: &str = concat!("SELECT ", columns!(), " FROM signing_key WHERE kid = $1");
const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM signing_key WHERE kid > COALESCE(CAST($1 AS TEXT), '') ORDER BY kid LIMIT $2"
);
const INSERT: &str = concat!(
    "INSERT INTO signing_key (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
);
const UPDATE: &str = "\
    UPDATE signing_key SET published_at = $1, active_at = $2, retired_at = $3, revoked_at = $4, not_after = $5,
        version = $6, sealed = $7
    WHERE kid = $8 AND version = $9";
const DELETE: &str = "DELETE FROM signing_key WHERE kid = $1 AND version = $2";

impl View<'_> {
    /// A signing key by its name.
    pub fn signing_key(&self, kid: &str) -> Result<Option<Found<SigningKey>>, Fault> {
        self.row(GET, args![kid])?
            .map(|row| read(self, &row))
            .transpose()
    }

    /// All signing keys, by name.
    pub fn signing_keys_page(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Found<SigningKey>>, Fault> {
        self.rows(PAGE, args![after, page_size(limit)])?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }
}

impl Change<'_> {
    /// Writes a new signing key, of version 1.
    pub fn insert_signing_key(
        &mut self,
        key: &SigningKey,
        action: Action,
        detail: &str,
    ) -> Result<(), Fault> {
        if key.version != 1 {
            return Err(shape("a new signing key has version 1"));
        }
        self.execute(
            INSERT,
            args![
                &key.kid,
                &key.algorithm,
                &key.public,
                key.created_at.millis(),
                key.published_at.map(Instant::millis),
                key.active_at.map(Instant::millis),
                key.retired_at.map(Instant::millis),
                key.revoked_at.map(Instant::millis),
                key.not_after.map(Instant::millis),
                key.version,
                seal(self, key)?
            ],
        )?;
        self.record(key, action, detail);
        Ok(())
    }

    /// Writes a changed signing key over the version that it was made from: its moments.
    pub fn update_signing_key(
        &mut self,
        key: SigningKey,
        action: Action,
        detail: &str,
    ) -> Result<SigningKey, Fault> {
        let from = key.version;
        let next = SigningKey {
            version: from + 1,
            ..key
        };
        self.swap(
            UPDATE,
            args![
                next.published_at.map(Instant::millis),
                next.active_at.map(Instant::millis),
                next.retired_at.map(Instant::millis),
                next.revoked_at.map(Instant::millis),
                next.not_after.map(Instant::millis),
                next.version,
                seal(self, &next)?,
                &next.kid,
                from
            ],
        )?;
        self.record(&next, action, detail);
        Ok(next)
    }

    /// Removes a signing key for good.
    pub fn delete_signing_key(
        &mut self,
        key: &SigningKey,
        action: Action,
        detail: &str,
    ) -> Result<(), Fault> {
        self.swap(DELETE, args![&key.kid, key.version])?;
        self.record_gone(key, action, detail);
        Ok(())
    }
}

pub(crate) fn seal(view: &View<'_>, key: &SigningKey) -> Result<Vec<u8>, Fault> {
    view.keys.seal(&key.context(), &key.private)
}

fn read(view: &View<'_>, row: &Row) -> Result<Found<SigningKey>, Fault> {
    let read = |row: &Row| {
        Ok(SigningKey {
            kid: row.text(0)?.to_owned(),
            algorithm: row.text(1)?.to_owned(),
            public: row.blob(2)?.to_vec(),
            private: Zeroizing::new(Vec::new()),
            created_at: instant(row, 3)?,
            published_at: opt_instant(row, 4)?,
            active_at: opt_instant(row, 5)?,
            retired_at: opt_instant(row, 6)?,
            revoked_at: opt_instant(row, 7)?,
            not_after: opt_instant(row, 8)?,
            version: row.int(9)?,
        })
    };
    view.keys.opened(row, row.text(0)?, 10, read, |key, plain| {
        key.private = Zeroizing::new(plain.to_vec());
        true
    })
}
