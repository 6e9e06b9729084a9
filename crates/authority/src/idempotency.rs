//! A command that is repeated because its answer was lost gives the same answer, and happens once.
//!
//! The answer holds a secret, so its copy lies sealed and is erased after a while; that the key was used is remembered
//! longer.

use aws_lc_rs::digest::{SHA256, digest};
use credential::canonical::Canonical;
use credential::key::Maker;
use store::{Change, Fault};

use crate::Authority;
use crate::caller::Caller;
use crate::catalog::hex;
use crate::failure::{Failure, Refusal};

/// What makes a command repeatable.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The key that the caller chose.
    pub key: String,
    /// SHA-256 over method, path and body: the same key with another request is refused.
    pub request: [u8; 32],
}

impl Authority {
    /// The answer that was given before, if this is a repeat.
    pub(crate) async fn repeated(
        &self,
        caller: &Caller,
        idempotency: &Idempotency,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let (who, key) = (name_of(caller), idempotency.key.clone());
        let found = self
            .store()
            .view::<_, Fault>(move |view| view.remembered(&who, &key))
            .await?;
        let Some(remembered) = found else {
            return Ok(None);
        };
        let in_time = self.now().since(remembered.created_at) <= self.settings().repeat_within;
        match remembered.answer {
            Some(answer) if in_time && remembered.body_digest == idempotency.request => {
                Ok(Some(answer.to_vec()))
            }
            _ => Err(Refusal::IdempotencyKeyUsed.into()),
        }
    }

    /// Keeps the answer, in the transaction of the change.
    pub(crate) fn remember(
        &self,
        change: &mut Change<'_>,
        caller: &Caller,
        idempotency: &Idempotency,
        made: impl std::fmt::Display,
        answer: &[u8],
    ) -> Result<(), Failure> {
        let who = name_of(caller);
        if change.remembered(&who, &idempotency.key)?.is_some() {
            return Err(Refusal::IdempotencyKeyUsed.into());
        }
        let made = made.to_string();
        Ok(change.remember(
            &who,
            &idempotency.key,
            &idempotency.request,
            Some(&made),
            answer,
        )?)
    }
}

/// Who may fetch an answer again: the same key with the same rights in the same organization. A token that carries less than its key is another
/// caller; two tokens that carry the same are one, since a client that asks again may have a new token.
fn name_of(caller: &Caller) -> String {
    let Some(key) = caller.key() else {
        return match caller.maker {
            Maker::User(user) => user.to_string(),
            Maker::Key(_) | Maker::System => "shell".to_owned(),
        };
    };
    let key = match caller.acts_for() {
        None => key.to_string(),
        Some(organization) => format!("{key}@{organization}"),
    };
    match caller.carried() {
        None => key,
        Some(rights) => {
            let scopes = rights
                .names()
                .into_iter()
                .fold(Canonical::new("latchkey caller"), |canonical, scope| {
                    canonical.text(scope.as_str())
                })
                .finish();
            format!("{key}/{}", hex(digest(&SHA256, &scopes).as_ref()))
        }
    }
}
