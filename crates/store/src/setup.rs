//! The set-up token: once, it makes the first administrator.

use credential::canonical::Canonical;
use credential::time::Instant;

use crate::change::{Change, View};
use crate::column::{instant, opt_instant};
use crate::guard::Found;
use crate::{Fault, args};
use credential::event::{Subject, SubjectKind};

/// A set-up token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupToken {
    /// Its public part.
    pub id: String,
    /// The digest of the token; sealed at rest.
    pub digest: [u8; 32],
    /// It is good before this moment.
    pub expires_at: Instant,
    /// When it was used.
    pub used_at: Option<Instant>,
}

impl SetupToken {
    fn context(&self) -> Vec<u8> {
        Canonical::new("latchkey setup token row")
            .text(&self.id)
            .int(self.expires_at.millis())
            .opt_int(self.used_at.map(Instant::millis))
            .finish()
    }
}

const GET: &str = "SELECT id, expires_at, used_at, sealed FROM setup_token WHERE id = $1";
const FORGET: &str = "DELETE FROM setup_token WHERE used_at IS NULL";
const INSERT: &str =
    "INSERT INTO setup_token (id, expires_at, used_at, sealed) VALUES ($1, $2, $3, $4)";
const USE: &str =
    "UPDATE setup_token SET used_at = $1, sealed = $2 WHERE id = $3 AND used_at IS NULL";

impl View<'_> {
    /// A set-up token by its public part.
    pub fn setup_token(&self, id: &str) -> Result<Option<Found<SetupToken>>, Fault> {
        let Some(row) = self.row(GET, args![id])? else {
            return Ok(None);
        };
        let mut token = SetupToken {
            id: id.to_owned(),
            digest: [0; 32],
            expires_at: instant(&row, 1)?,
            used_at: opt_instant(&row, 2)?,
        };
        let plain = self.keys.vault()?.open(&token.context(), row.blob(3)?);
        let digest = plain
            .ok()
            .and_then(|plain| <[u8; 32]>::try_from(plain.as_slice()).ok());
        Ok(Some(match digest {
            Some(digest) => {
                token.digest = digest;
                Found::Good(token)
            }
            None => Found::Tampered(Subject {
                kind: SubjectKind::Server,
                id: format!("setup/{id}"),
            }),
        }))
    }
}

impl Change<'_> {
    /// Keeps a set-up token in place of every earlier one that was not used.
    pub fn put_setup_token(&mut self, token: &SetupToken) -> Result<(), Fault> {
        let sealed = self.keys.seal(&token.context(), &token.digest)?;
        self.execute(FORGET, &[])?;
        let used_at = token.used_at.map(Instant::millis);
        self.execute(
            INSERT,
            args![&token.id, token.expires_at.millis(), used_at, sealed],
        )?;
        Ok(())
    }

    /// Uses up a set-up token: when two try at the same time, this transaction runs again and finds it used.
    pub fn use_setup_token(&mut self, token: &SetupToken) -> Result<(), Fault> {
        let used = SetupToken {
            used_at: Some(self.at()),
            ..token.clone()
        };
        let sealed = self.keys.seal(&used.context(), &used.digest)?;
        let at = self.at().millis();
        self.swap(USE, args![at, sealed, &used.id])
    }
}
