//! Master keys and the data keys they wrap.
//!
//! The database holds data keys only wrapped. The first start makes them; a start with another master key, or
//! without one while there are data, refuses: a server that silently began anew would turn every issued credential away.

use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use credential::event::{Actor, Subject, SubjectKind};
use credential::seal::{MasterKey, Vault, derive};
use credential::time::Instant;
use credential::token::TagKeys;
use store::vault::VaultKey;
use store::{Fault, Store};

use crate::Authority;
use crate::catalog::hex;
use crate::failure::Failure;
use crate::ports::Entropy;

/// What a data key is for.
const PURPOSES: [&str; 3] = [ROWS, TAGS, AUDIT];
pub(crate) const ROWS: &str = "rows";
const TAGS: &str = "tags";
const AUDIT: &str = "audit";
/// The subject in the feed by which replicas learn of a new data key.
pub(crate) const KEYRING: &str = "keyring";

/// The master keys an operator gave: the current one, and those that older data keys may be wrapped with.
pub struct MasterKeys {
    /// Wraps from now on.
    pub current: MasterKey,
    /// Still unwrap.
    pub earlier: Vec<MasterKey>,
}

/// Why the store stays locked.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// There are data, and no given key unwraps their keys.
    #[error(
        "the master key does not fit this database: it was sealed under another one. Give the master key that was in use; \
         without it the stored credentials cannot be checked"
    )]
    WrongMasterKey,
    /// A wrapped data key is damaged.
    #[error("a data key in the database is damaged; restore a backup")]
    Damaged,
    /// No randomness for the first keys.
    #[error(transparent)]
    NoEntropy(#[from] crate::ports::NoEntropy),
    /// The store failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What is kept of the master keys, to wrap later data keys.
pub(crate) struct Master(Mutex<MasterKeys>);

pub(crate) struct Unlocked {
    pub(crate) tags: TagKeys,
    pub(crate) audit: AuditKey,
    pub(crate) master: Master,
}

/// The key that signs audit checkpoints: the database does not hold it usable.
pub(crate) struct AuditKey {
    /// Names the key in checkpoints: the first 16 hexadecimal digits of the public key.
    pub(crate) id: String,
    pair: Ed25519KeyPair,
}

impl AuditKey {
    fn new(data_key: &[u8; 32]) -> Result<Self, VaultError> {
        let seed = derive(data_key, "latchkey audit checkpoint");
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| VaultError::Damaged)?;
        Ok(Self {
            id: hex(&pair.public_key().as_ref()[..8]),
            pair,
        })
    }

    /// The public key (Ed25519, 32 bytes).
    pub(crate) fn public(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    /// Signs a checkpoint's message.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// Opens the data keys, or makes the first ones.
pub(crate) async fn unlock(
    store: &Store,
    master: MasterKeys,
    entropy: &Entropy,
    now: Instant,
) -> Result<Unlocked, VaultError> {
    let mut rows = vault_keys(store).await?;
    if rows.is_empty() {
        let mut first = Vec::new();
        for purpose in PURPOSES {
            first.push(wrapped(
                &master.current,
                purpose,
                1,
                &entropy.draw()?,
                entropy,
                now,
            )?);
        }
        // Of two first starts that race, one writes all of them; the other reads what that one wrote.
        insert_first(store, first, now).await?;
        rows = vault_keys(store).await?;
    }
    open(store, rows, master, entropy)
}

/// Randomness as the store takes it.
fn draws(entropy: &Entropy) -> store::Entropy {
    let entropy = entropy.clone();
    Arc::new(move || entropy.draw().ok())
}

async fn vault_keys(store: &Store) -> Result<Vec<VaultKey>, Fault> {
    store.view(|view| view.vault_keys()).await
}

async fn insert_first(store: &Store, first: Vec<VaultKey>, now: Instant) -> Result<(), Fault> {
    let written = store
        .change(
            Actor::SYSTEM,
            now,
            |_| Ok::<(), Fault>(()),
            move |change| {
                first
                    .iter()
                    .try_for_each(|key| change.insert_vault_key(key))
            },
        )
        .await;
    match written {
        Ok(_) | Err(Fault::Conflict { .. }) => Ok(()),
        Err(fault) => Err(fault),
    }
}

fn open(
    store: &Store,
    rows: Vec<VaultKey>,
    master: MasterKeys,
    entropy: &Entropy,
) -> Result<Unlocked, VaultError> {
    let mut opened: Vec<(String, u8, [u8; 32])> = Vec::new();
    for row in &rows {
        let name = name_of(&row.purpose, row.version);
        let masters = std::iter::once(&master.current).chain(&master.earlier);
        let key = masters
            .filter_map(|master| master.unwrap(&name, &row.wrapped).ok())
            .next()
            .ok_or(VaultError::WrongMasterKey)?;
        opened.push((row.purpose.clone(), row.version, *key));
    }
    let of = |purpose: &str| -> Vec<(u8, [u8; 32])> {
        let mine = opened.iter().filter(|(known, _, _)| known == purpose);
        mine.map(|(_, version, key)| (*version, *key)).collect()
    };
    let vault = Vault::new(of(ROWS)).ok_or(VaultError::Damaged)?;
    let tags = TagKeys::new(of(TAGS)).ok_or(VaultError::Damaged)?;
    let newest = of(AUDIT)
        .into_iter()
        .max_by_key(|(version, _)| *version)
        .ok_or(VaultError::Damaged)?;
    store.unlock(Arc::new(vault), draws(entropy));
    Ok(Unlocked {
        tags,
        audit: AuditKey::new(&newest.1)?,
        master: Master(Mutex::new(master)),
    })
}

fn wrapped(
    master: &MasterKey,
    purpose: &str,
    version: u8,
    key: &[u8; 32],
    entropy: &Entropy,
    now: Instant,
) -> Result<VaultKey, VaultError> {
    Ok(VaultKey {
        purpose: purpose.to_owned(),
        version,
        wrapped: master.wrap(&name_of(purpose, version), key, entropy.draw()?),
        created_at: now,
        retired_at: None,
    })
}

fn name_of(purpose: &str, version: u8) -> String {
    format!("{purpose}/{version}")
}

impl Authority {
    /// Makes a new version of the key that seals rows, and takes it into use. Rows are sealed again by a job; issued
    /// credentials are not touched. Wraps every data key under the current master key on the way, so that an earlier
    /// master key can be destroyed afterwards.
    pub async fn rotate_keyring(&self) -> Result<u8, Failure> {
        self.rotate_keyring_as(Actor::SYSTEM).await
    }

    /// The same, in the trail as the doing of `actor`.
    pub(crate) async fn rotate_keyring_as(&self, actor: Actor) -> Result<u8, Failure> {
        let now = self.now();
        let rows = vault_keys(self.store()).await?;
        let newest = rows
            .iter()
            .filter(|row| row.purpose == ROWS)
            .map(|row| row.version)
            .max()
            .unwrap_or(0);
        let version = newest.checked_add(1).ok_or_else(|| {
            crate::Refusal::Conflict(
                "the keyring was rotated 255 times; restore into a new database".to_owned(),
            )
        })?;
        let fresh = self.entropy().draw()?;
        let (added, rewrapped) = {
            let master = self
                .0
                .master
                .0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let bad = |_: VaultError| Failure::Fault(Fault::Locked);
            let added = wrapped(&master.current, ROWS, version, &fresh, self.entropy(), now)
                .map_err(bad)?;
            let mut rewrapped = Vec::new();
            for row in &rows {
                let name = name_of(&row.purpose, row.version);
                let key = std::iter::once(&master.current)
                    .chain(&master.earlier)
                    .filter_map(|master| master.unwrap(&name, &row.wrapped).ok())
                    .next()
                    .ok_or_else(|| bad(VaultError::WrongMasterKey))?;
                rewrapped.push(
                    wrapped(
                        &master.current,
                        &row.purpose,
                        row.version,
                        &key,
                        self.entropy(),
                        row.created_at,
                    )
                    .map_err(bad)?,
                );
            }
            (added, rewrapped)
        };
        let changed = self
            .store()
            .change(
                actor,
                now,
                |_| Ok::<(), Failure>(()),
                move |change| {
                    for row in &rewrapped {
                        change.rewrap_vault_key(row)?;
                    }
                    change.insert_vault_key(&added)?;
                    change.announce(&Subject {
                        kind: SubjectKind::Server,
                        id: KEYRING.to_owned(),
                    });
                    Ok::<(), Failure>(())
                },
            )
            .await?;
        self.settle(&changed).await?;
        self.reload_vault().await?;
        Ok(version)
    }

    /// Reads the data keys again, after a rotation here or elsewhere.
    pub(crate) async fn reload_vault(&self) -> Result<(), Fault> {
        let rows = vault_keys(self.store()).await?;
        let mut keys = Vec::new();
        {
            let master = self
                .0
                .master
                .0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            for row in rows.iter().filter(|row| row.purpose == ROWS) {
                let name = name_of(&row.purpose, row.version);
                let key = std::iter::once(&master.current)
                    .chain(&master.earlier)
                    .filter_map(|master| master.unwrap(&name, &row.wrapped).ok())
                    .next()
                    .ok_or(Fault::Locked)?;
                keys.push((row.version, *key));
            }
        }
        if let Some(vault) = Vault::new(keys) {
            self.store().unlock(Arc::new(vault), draws(self.entropy()));
        }
        Ok(())
    }
}
