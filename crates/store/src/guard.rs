//! Who may trust a row: sealing and authenticating on the way in, checking on the way out.
//!
//! A row that a verdict reads is worth nothing by itself. Key rows, families and signing keys are sealed with all
//! their other columns as the context; the rest carry a MAC over all columns and the version. A load gives
//! [`Found::Good`] or [`Found::Tampered`], so that one bad row never hides the good ones.

use std::sync::{Arc, PoisonError, RwLock};

use credential::event::{Subject, SubjectKind};
use credential::id::OrganizationId;
use credential::seal::{NONCE, Vault};

use crate::Fault;
use crate::db::Row;

/// Where the store's randomness comes from: nonces of sealed values and ids of changes. `None` when there is none.
pub type Entropy = Arc<dyn Fn() -> Option<[u8; 16]> + Send + Sync>;

/// What came of loading a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<T> {
    /// It is what the server wrote.
    Good(T),
    /// It was changed outside the server, or the vault lacks its key.
    Tampered(Subject),
}

impl<T> Found<T> {
    /// The value, or [`Fault::Tampered`].
    pub fn trusted(self) -> Result<T, Fault> {
        match self {
            Self::Good(value) => Ok(value),
            Self::Tampered(Subject { kind, id }) => Err(Fault::Tampered {
                kind: kind.as_str(),
                id,
            }),
        }
    }

    /// The value, if it can be trusted.
    pub fn good(self) -> Option<T> {
        match self {
            Self::Good(value) => Some(value),
            Self::Tampered(_) => None,
        }
    }

    /// The same with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Found<U> {
        match self {
            Self::Good(value) => Found::Good(f(value)),
            Self::Tampered(subject) => Found::Tampered(subject),
        }
    }
}

/// A thing whose row says in the audit trail what it is worth.
pub(crate) trait Recorded {
    const KIND: SubjectKind;
    /// Which one, as the trail names it.
    fn subject_id(&self) -> String;
    /// The organization in whose trail its events belong.
    fn organization(&self) -> Option<OrganizationId>;
    /// Counts the row's changes, from 1.
    fn version(&self) -> i64;
    /// Every column, and the version.
    fn context(&self) -> Vec<u8>;

    fn subject(&self) -> Subject {
        Subject {
            kind: Self::KIND,
            id: self.subject_id(),
        }
    }
}

/// The store's keys and its randomness.
#[derive(Default)]
pub(crate) struct Guard(RwLock<Keys>);

impl Guard {
    pub(crate) fn unlock(&self, vault: Arc<Vault>, entropy: Entropy) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Keys(Some((vault, entropy)));
    }

    /// The keys as they are now: a transaction uses the same ones to its end.
    pub(crate) fn keys(&self) -> Keys {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The keys that one transaction works with; none while the vault is locked.
#[derive(Clone, Default)]
pub(crate) struct Keys(Option<(Arc<Vault>, Entropy)>);

impl Keys {
    pub(crate) fn vault(&self) -> Result<&Vault, Fault> {
        self.0
            .as_ref()
            .map(|(vault, _)| &**vault)
            .ok_or(Fault::Locked)
    }

    pub(crate) fn random(&self) -> Result<[u8; 16], Fault> {
        let (_, entropy) = self.0.as_ref().ok_or(Fault::Locked)?;
        entropy().ok_or(Fault::NoEntropy)
    }

    pub(crate) fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&self.random()?[..NONCE]);
        Ok(self.vault()?.seal(context, plain, nonce))
    }

    pub(crate) fn mac<T: Recorded>(&self, value: &T) -> Result<Vec<u8>, Fault> {
        Ok(self.vault()?.mac(&value.context()))
    }

    /// The value of a row whose MAC is in column `mac`. What does not even read is tampered too.
    pub(crate) fn checked<T: Recorded>(
        &self,
        row: &Row,
        id: &str,
        mac: usize,
        read: impl FnOnce(&Row) -> Result<T, Fault>,
    ) -> Result<Found<T>, Fault> {
        let vault = self.vault()?;
        let good = read(row).ok().filter(|value| {
            row.blob(mac)
                .is_ok_and(|mac| vault.check(&value.context(), mac).is_ok())
        });
        Ok(found(good, T::KIND, id))
    }

    /// The value of a row whose secret is sealed in column `sealed`; `open` puts the opened secret in its place and
    /// says whether it could.
    pub(crate) fn opened<T: Recorded>(
        &self,
        row: &Row,
        id: &str,
        sealed: usize,
        read: impl FnOnce(&Row) -> Result<T, Fault>,
        open: impl FnOnce(&mut T, &[u8]) -> bool,
    ) -> Result<Found<T>, Fault> {
        let vault = self.vault()?;
        let good = read(row).ok().and_then(|mut value| {
            let secret = vault.open(&value.context(), row.blob(sealed).ok()?).ok()?;
            open(&mut value, &secret).then_some(value)
        });
        Ok(found(good, T::KIND, id))
    }
}

fn found<T>(good: Option<T>, kind: SubjectKind, id: &str) -> Found<T> {
    good.map_or_else(
        || {
            Found::Tampered(Subject {
                kind,
                id: id.to_owned(),
            })
        },
        Found::Good,
    )
}
