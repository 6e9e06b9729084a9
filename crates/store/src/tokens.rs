//! Access tokens that were revoked before their expiry. Each replica holds the whole set until they expire.

use credential::canonical::Canonical;
use credential::event::{Action, SubjectKind};
use credential::id::{KeyId, OrganizationId, TokenId};
use credential::time::Instant;

use crate::change::{Change, View, page_size};
use crate::column::{instant, parsed};
use crate::db::Row;
use crate::guard::{Found, Recorded};
use crate::{Fault, args};

/// A token that is good no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedToken {
    /// Its `jti`.
    pub id: TokenId,
    /// The organization of its key.
    pub organization: OrganizationId,
    /// Its key.
    pub key: KeyId,
    /// When it would have expired.
    pub expires_at: Instant,
    /// When it was revoked.
    pub at: Instant,
}

impl Recorded for RevokedToken {
    const KIND: SubjectKind = SubjectKind::Token;

    fn subject_id(&self) -> String {
        self.id.to_string()
    }

    fn organization(&self) -> Option<OrganizationId> {
        Some(self.organization)
    }

    fn version(&self) -> i64 {
        1
    }

    fn context(&self) -> Vec<u8> {
        Canonical::new("latchkey revoked token row")
            .bytes(self.id.as_bytes())
            .bytes(self.organization.as_bytes())
            .bytes(self.key.as_bytes())
            .int(self.expires_at.millis())
            .int(self.at.millis())
            .finish()
    }
}

macro_rules! columns {
    () => {
        "id, organization, key_id, expires_at, at, mac"
    };
}

const GET: &str = concat!("SELECT ", columns!(), " FROM revoked_token WHERE id = $1");
const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM revoked_token WHERE id > COALESCE(CAST($1 AS TEXT), '') ORDER BY id LIMIT $2"
);
const EXPIRED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM revoked_token WHERE expires_at < $1 ORDER BY expires_at, id LIMIT $2"
);
const INSERT: &str = "\
    INSERT INTO revoked_token (id, organization, key_id, expires_at, at, mac) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (id) DO NOTHING";
const DELETE: &str = "DELETE FROM revoked_token WHERE id = $1";

impl View<'_> {
    /// A revoked token by its `jti`.
    pub fn revoked_token(&self, id: TokenId) -> Result<Option<Found<RevokedToken>>, Fault> {
        self.row(GET, args![id.to_string()])?
            .map(|row| read(self, &row))
            .transpose()
    }

    /// The whole set, page by page.
    pub fn revoked_tokens_page(
        &self,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<Found<RevokedToken>>, Fault> {
        self.revoked_tokens_after(after.map(|id| id.to_string()), limit)
    }

    pub(crate) fn revoked_tokens_after(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Found<RevokedToken>>, Fault> {
        self.rows(PAGE, args![after, page_size(limit)])?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }

    /// Those that expired before this moment, and need no row any more.
    pub fn expired_tokens(
        &self,
        before: Instant,
        limit: usize,
    ) -> Result<Vec<Found<RevokedToken>>, Fault> {
        self.rows(EXPIRED, args![before.millis(), page_size(limit)])?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }
}

impl Change<'_> {
    /// Revokes a token; says whether it was not revoked before.
    pub fn revoke_token(&mut self, token: &RevokedToken, detail: &str) -> Result<bool, Fault> {
        let inserted = self.execute(
            INSERT,
            args![
                token.id.to_string(),
                token.organization.to_string(),
                token.key.to_string(),
                token.expires_at.millis(),
                token.at.millis(),
                self.keys.mac(token)?
            ],
        )?;
        if inserted == 1 {
            self.record(token, Action::TokenRevoked, detail);
        }
        Ok(inserted == 1)
    }

    /// Removes the row of a token that has expired.
    pub fn delete_revoked_token(
        &mut self,
        token: &RevokedToken,
        action: Action,
        detail: &str,
    ) -> Result<(), Fault> {
        self.swap(DELETE, args![token.id.to_string()])?;
        self.record_gone(token, action, detail);
        Ok(())
    }
}

fn read(view: &View<'_>, row: &Row) -> Result<Found<RevokedToken>, Fault> {
    view.keys.checked(row, row.text(0)?, 5, |row| {
        Ok(RevokedToken {
            id: parsed(row, 0)?,
            organization: parsed(row, 1)?,
            key: parsed(row, 2)?,
            expires_at: instant(row, 3)?,
            at: instant(row, 4)?,
        })
    })
}
