//! Nonces that were seen, where no shared memory keeps them.
//!
//! A nonce that may come again has a row for itself, with the address of its first use and the number of its uses, and
//! one for each request that it came with, so that none of these comes twice.

use std::net::IpAddr;

use credential::id::KeyId;
use credential::time::{Instant, Span};

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
    /// How it may come again; `None` is never. Of a row that was read this is not told.
    pub again: Option<Again>,
}

/// Under which conditions a nonce may come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// The digest of the request that it comes with now; each request comes once.
    pub request: [u8; 32],
    /// Where that comes from; all must come from where the first one came from.
    pub address: IpAddr,
    /// How long after its first use.
    pub within: Span,
    /// How often in all.
    pub most: u32,
}

const USE: &str = "\
    INSERT INTO nonce (key_id, nonce, seen_at, expires_at, address, uses) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (key_id, nonce) DO NOTHING";
// A row of yesterday's binary has no address, and comes no second time.
const USE_AGAIN: &str = "\
    UPDATE nonce SET uses = uses + 1
    WHERE key_id = $1 AND nonce = $2 AND address = $3 AND seen_at >= $4 AND uses < $5";
const USE_BACK: &str = "UPDATE nonce SET uses = uses - 1 WHERE key_id = $1 AND nonce = $2";
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
    /// Uses a nonce, across all replicas; false when it was used before and may not come again like this.
    pub async fn use_nonce(&self, nonce: SeenNonce) -> Result<bool, Fault> {
        self.write(move |view| use_up(view, &nonce)).await
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

/// The row of the nonce is locked from the first statement on, so that those who come at once take turns.
fn use_up(view: &View<'_>, nonce: &SeenNonce) -> Result<bool, Fault> {
    let first = insert(view, nonce)?;
    let Some(again) = &nonce.again else {
        return Ok(first);
    };
    let key = nonce.key.to_string();
    if !first {
        let since = nonce.seen_at.millis() - again.within.millis();
        let most = i64::from(again.most);
        let address = again.address.to_string();
        let used = view.execute(USE_AGAIN, args![&key, &nonce.nonce, address, since, most])?;
        if used == 0 {
            return Ok(false);
        }
    }
    let request = SeenNonce {
        nonce: again.request.to_vec(),
        again: None,
        ..nonce.clone()
    };
    let fresh = insert(view, &request)?;
    if !fresh && !first {
        // A repetition takes nothing from those that may still come.
        view.execute(USE_BACK, args![&key, &nonce.nonce])?;
    }
    Ok(fresh)
}

fn insert(view: &View<'_>, nonce: &SeenNonce) -> Result<bool, Fault> {
    let (key, seen_at, expires_at) = (
        nonce.key.to_string(),
        nonce.seen_at.millis(),
        nonce.expires_at.millis(),
    );
    let address = nonce.again.as_ref().map(|again| again.address.to_string());
    let uses = nonce.again.as_ref().map(|_| 1_i64);
    Ok(view.execute(
        USE,
        args![key, &nonce.nonce, seen_at, expires_at, address, uses],
    )? == 1)
}

fn read(row: &Row) -> Result<SeenNonce, Fault> {
    Ok(SeenNonce {
        key: parsed(row, 0)?,
        nonce: row.blob(1)?.to_vec(),
        seen_at: instant(row, 2)?,
        expires_at: instant(row, 3)?,
        again: None,
    })
}
