//! Answers that a repeated request gets again: sealed, and erased soon.

use credential::canonical::Canonical;
use credential::time::Instant;
use zeroize::Zeroizing;

use crate::change::{Change, View, page_size};
use crate::column::instant;
use crate::{Fault, Store, args};

/// What is known of a request that came before.
#[derive(Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The digest of its body: the same key with another body is a mistake.
    pub body_digest: [u8; 32],
    /// What it made, which is told when the answer is gone.
    pub subject: Option<String>,
    /// The answer, until it is erased.
    pub answer: Option<Zeroizing<Vec<u8>>>,
    /// When it was made.
    pub created_at: Instant,
}

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let answer = if self.answer.is_some() {
            "with"
        } else {
            "without"
        };
        write!(f, "Remembered({:?}, {answer} its answer)", self.subject)
    }
}

const GET: &str = "\
    SELECT body_digest, subject, answer, created_at FROM idempotency WHERE caller = $1 AND idem_key = $2";
const INSERT: &str = "\
    INSERT INTO idempotency (caller, idem_key, body_digest, subject, answer, created_at) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (caller, idem_key) DO NOTHING";
const ERASE_ONE: &str = "UPDATE idempotency SET answer = NULL WHERE caller = $1 AND idem_key = $2";
const ERASE: &str = "\
    UPDATE idempotency SET answer = NULL WHERE answer IS NOT NULL AND (caller, idem_key) IN (
        SELECT caller, idem_key FROM idempotency WHERE created_at < $1 AND answer IS NOT NULL
        ORDER BY created_at LIMIT $2)";
const PURGE: &str = "\
    DELETE FROM idempotency WHERE (caller, idem_key) IN (
        SELECT caller, idem_key FROM idempotency WHERE created_at < $1 ORDER BY created_at LIMIT $2)";

impl View<'_> {
    /// What is known of a caller's request with this idempotency key. An answer that does not open counts as erased.
    pub fn remembered(&self, caller: &str, key: &str) -> Result<Option<Remembered>, Fault> {
        let Some(row) = self.row(GET, args![caller, key])? else {
            return Ok(None);
        };
        let body_digest = row.array(0)?;
        let context = context(caller, key, &body_digest);
        let answer = match row.opt_blob(2)? {
            Some(sealed) => self.keys.vault()?.open(&context, sealed).ok(),
            None => None,
        };
        Ok(Some(Remembered {
            body_digest,
            subject: row.opt_text(1)?.map(str::to_owned),
            answer,
            created_at: instant(&row, 3)?,
        }))
    }
}

impl Change<'_> {
    /// Keeps the answer of a request together with what it changes. When the same request is under way elsewhere and was
    /// faster, this transaction runs again, and [`View::remembered`] finds that one.
    pub fn remember(
        &mut self,
        caller: &str,
        key: &str,
        body_digest: &[u8; 32],
        subject: Option<&str>,
        answer: &[u8],
    ) -> Result<(), Fault> {
        let sealed = self.keys.seal(&context(caller, key, body_digest), answer)?;
        self.swap(
            INSERT,
            args![
                caller,
                key,
                body_digest,
                subject,
                sealed,
                self.at().millis()
            ],
        )
    }
}

impl Store {
    /// Erases the answer of a request that was repeated: what it made stays known.
    pub async fn erase_answer(&self, caller: &str, key: &str) -> Result<(), Fault> {
        let (caller, key) = (caller.to_owned(), key.to_owned());
        self.write(move |view| view.execute(ERASE_ONE, args![&caller, &key]).map(drop))
            .await
    }

    /// Erases up to `limit` answers from before a moment; says how many.
    pub async fn erase_answers(&self, before: Instant, limit: usize) -> Result<u64, Fault> {
        self.write(move |view| view.execute(ERASE, args![before.millis(), page_size(limit)]))
            .await
    }

    /// Forgets up to `limit` requests from before a moment; says how many.
    pub async fn purge_idempotency(&self, before: Instant, limit: usize) -> Result<u64, Fault> {
        self.write(move |view| view.execute(PURGE, args![before.millis(), page_size(limit)]))
            .await
    }
}

fn context(caller: &str, key: &str, body_digest: &[u8; 32]) -> Vec<u8> {
    Canonical::new("latchkey idempotency row")
        .text(caller)
        .text(key)
        .bytes(body_digest)
        .finish()
}
