//! Nonces that were seen, where no shared memory keeps them.

use credential::id::KeyId;
use credential::time::Instant;

use crate::change::{View, page_size};
use crate::column::{instant, parsed};
use crate::db::Row;
use crate::{Fault, Store, args};

/// A nonce that was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenNonce {
    /// Whose it is.
    pub key: KeyId,
    /// What must not come again: the nonce with the presented hash.
    pub nonce: Vec<u8>,
    /// When it came.
    pub seen_at: Instant,
    /// After this moment its timestamp alone refuses it.
    pub expires_at: Instant,
}

const USE: &str = "\
    INSERT INTO nonce (key_id, nonce, seen_at, expires_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (key_id, nonce) DO NOTHING";
const PAGE: &str = "\
    SELECT key_id, nonce, seen_at, expires_at FROM nonce
    WHERE expires_at >= $1 AND (key_id, nonce) > ($2, $3)
    ORDER BY key_id, nonce LIMIT $4";
const PURGE: &str = "\
    DELETE FROM nonce WHERE (key_id, nonce) IN (
        SELECT key_id, nonce FROM nonce WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";

impl View<'_> {
    /// The nonces that still matter at a moment, by key.
    pub fn nonces_page(
        &self,
        now: Instant,
        after: Option<&SeenNonce>,
        limit: usize,
    ) -> Result<Vec<SeenNonce>, Fault> {
        let key = after.map(|nonce| nonce.key.to_string()).unwrap_or_default();
        let nonce = after.map_or(&[][..], |nonce| nonce.nonce.as_slice());
        self.rows(PAGE, args![now.millis(), key, nonce, page_size(limit)])?
            .iter()
            .map(read)
            .collect()
    }
}

impl Store {
    /// Uses a nonce up, once across all replicas; false when it was used before.
    pub async fn use_nonce(&self, nonce: SeenNonce) -> Result<bool, Fault> {
        self.write(move |view| insert(view, &nonce)).await
    }

    /// Keeps the nonces that a process which stops has seen.
    pub async fn save_nonces(&self, mut nonces: Vec<SeenNonce>) -> Result<(), Fault> {
        nonces.sort_by(|one, other| (one.key, &one.nonce).cmp(&(other.key, &other.nonce)));
        self.write(move |view| {
            nonces
                .iter()
                .try_for_each(|nonce| insert(view, nonce).map(drop))
        })
        .await
    }

    /// Removes up to `limit` nonces that matter no more; says how many.
    pub async fn purge_nonces(&self, now: Instant, limit: usize) -> Result<u64, Fault> {
        self.write(move |view| view.execute(PURGE, args![now.millis(), page_size(limit)]))
            .await
    }
}

fn insert(view: &View<'_>, nonce: &SeenNonce) -> Result<bool, Fault> {
    let (key, seen_at, expires_at) = (
        nonce.key.to_string(),
        nonce.seen_at.millis(),
        nonce.expires_at.millis(),
    );
    Ok(view.execute(USE, args![key, &nonce.nonce, seen_at, expires_at])? == 1)
}

fn read(row: &Row) -> Result<SeenNonce, Fault> {
    Ok(SeenNonce {
        key: parsed(row, 0)?,
        nonce: row.blob(1)?.to_vec(),
        seen_at: instant(row, 2)?,
        expires_at: instant(row, 3)?,
    })
}
