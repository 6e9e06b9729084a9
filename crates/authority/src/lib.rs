//! The authority: what may be asked of Latchkey, for an ideal caller, in its own words. It knows time and concurrency; it knows
//! no HTTP and no foreign system.
//!
//! - A **question** ([`verify`]) is answered from what this process has at hand: the `keyring`, the `world`
//!   around it, and the proof that both are current (`follow`).
//! - A **change** ([`keys`], [`organizations`], …) weighs the caller's rights at the door and again inside one transaction,
//!   and answers when it is in force everywhere.
//!
//! One request, one `now`: it is read once, at the edge of a use case, and passed down as a value.

pub mod audit;
pub mod backup;
pub mod catalog;
pub mod failure;
pub mod groups;
pub mod jobs;
pub mod keys;
pub mod notices;
pub mod operate;
pub mod organizations;
pub mod passwords;
pub mod ports;
pub mod products;
pub mod reach;
pub mod roles;
pub mod sessions;
pub mod settings;
pub mod setup;
pub mod signed;
pub mod tokens;
pub mod users;
pub mod verify;

mod act;
mod asker;
mod caller;
mod follow;
mod idempotency;
mod keyring;
mod limits;
mod signing;
mod usage;
mod vault;
mod world;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use credential::id::ReplicaId;
use credential::key::Denial;
use credential::time::{Instant, Span};
use credential::token::TagKeys;
use quick_cache::sync::Cache;
use store::Store;

pub use act::Done;
pub use asker::Asker;
pub use caller::Caller;
pub use failure::{Failure, Refusal};
pub use idempotency::Idempotency;
pub use keyring::Live;
pub use limits::{BadException, Spent};
pub use settings::Settings;
pub use signing::BadSigningKey;
pub use usage::{Call, CallCount, HourCount, UsageRow};
pub use vault::{MasterKeys, VaultError};
pub use world::World;

use catalog::Product;
use follow::Position;
use keyring::Keyring;
use ports::{Clock, Entropy, Tick};
use signing::SigningKeys;
use tokens::Checked;

/// Verdicts counted by their code, `VALID` first: for the metrics.
pub const VERDICT_CODES: [&str; 11] = [
    "VALID",
    "NOT_FOUND",
    "TAMPERED",
    "REVOKED",
    "DISABLED",
    "EXPIRED",
    "ADDRESS_NOT_ALLOWED",
    "INSUFFICIENT_SCOPE",
    "RESOURCE_NOT_ALLOWED",
    "RATE_LIMITED",
    "REPLAYED",
];

/// The authority; a clone is the same one.
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

pub(crate) struct Inner {
    store: Store,
    clock: Clock,
    entropy: Entropy,
    settings: Settings,
    products: Vec<Arc<Product>>,
    keyring: Keyring,
    world: ArcSwap<World>,
    signing: ArcSwap<SigningKeys>,
    tags: ArcSwap<TagKeys>,
    audit_key: ArcSwap<vault::AuditKey>,
    master: vault::Master,
    /// Signature checks that were made before, by the digest of the whole token.
    checked: Cache<[u8; 32], Arc<Checked>>,
    limits: limits::Limits,
    passwords: passwords::Passwords,
    exceptions: ArcSwap<limits::Exceptions>,
    usage: usage::Usage,
    calls: usage::NotedCalls,
    position: tokio::sync::Mutex<Position>,
    applying: tokio::sync::Mutex<()>,
    revision: AtomicI64,
    polled: AtomicI64,
    clocks_agree: AtomicBool,
    catalogs_agree: AtomicBool,
    fenced_since: Mutex<HashMap<ReplicaId, Tick>>,
    /// Database time minus the forward clock, in milliseconds.
    offset: AtomicI64,
    /// The latest time that was ever told; time never goes back within a process.
    latest: AtomicI64,
    verdicts: [std::sync::atomic::AtomicU64; VERDICT_CODES.len()],
    /// Who carries notices out of the house, once somebody was appointed.
    courier: std::sync::OnceLock<notices::courier::Appointed>,
}

/// What an authority is opened with.
pub struct Opening {
    /// The store, migrated.
    pub store: Store,
    /// The master keys, the current one first.
    pub master: MasterKeys,
    /// What operators choose.
    pub settings: Settings,
    /// The products.
    pub products: Vec<Product>,
    /// The clock.
    pub clock: Clock,
    /// The randomness.
    pub entropy: Entropy,
}

/// An authority that did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The master key does not fit, or is missing.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store failed.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The settings except somebody from a limit that is not there.
    #[error(transparent)]
    Exception(#[from] BadException),
}

impl Authority {
    /// Opens the authority: unlocks the store, joins the replicas, reads the world. From here on it answers.
    pub async fn open(opening: Opening) -> Result<Self, OpenError> {
        let Opening {
            store,
            master,
            settings,
            products,
            clock,
            entropy,
        } = opening;
        let unlocked = vault::unlock(&store, master, &entropy, clock.wall()).await?;
        let capacity = settings.keyring_capacity;
        let authority = Self(Arc::new(Inner {
            keyring: Keyring::new(capacity),
            world: ArcSwap::default(),
            signing: ArcSwap::default(),
            tags: ArcSwap::from_pointee(unlocked.tags),
            audit_key: ArcSwap::from_pointee(unlocked.audit),
            master: unlocked.master,
            checked: Cache::new(capacity),
            limits: limits::Limits::new(&entropy).map_err(Failure::from)?,
            passwords: passwords::Passwords::default(),
            exceptions: ArcSwap::default(),
            usage: usage::Usage::default(),
            calls: usage::NotedCalls::default(),
            position: tokio::sync::Mutex::new(Position {
                applied: 0,
                entry: None,
                epoch: 0,
                replica: None,
            }),
            applying: tokio::sync::Mutex::default(),
            revision: AtomicI64::new(0),
            polled: AtomicI64::new(i64::MIN / 2),
            clocks_agree: AtomicBool::new(true),
            catalogs_agree: AtomicBool::new(false),
            fenced_since: Mutex::default(),
            offset: AtomicI64::new(clock.wall().millis() - clock.tick().0),
            latest: AtomicI64::new(i64::MIN),
            verdicts: Default::default(),
            courier: std::sync::OnceLock::new(),
            products: products.into_iter().map(Arc::new).collect(),
            store,
            clock,
            entropy,
            settings,
        }));
        authority.except_limits(&authority.settings().product_limits)?;
        authority.join().await?;
        authority
            .reload_signing_keys()
            .await
            .map_err(Failure::from)?;
        authority.apply_catalogs().await?;
        authority.roll_signing_keys().await?;
        Ok(authority)
    }

    /// Ends it in order: what is batched is written, and changes elsewhere no longer wait for this process.
    pub async fn close(&self) -> Result<(), Failure> {
        self.flush_usage().await?;
        self.settle_limits().await?;
        self.leave().await?;
        Ok(self.store().close().await?)
    }

    /// The time: the database's as it was last learned, carried forward on a clock that counts suspension. It never goes
    /// back.
    pub fn now(&self) -> Instant {
        self.time_at(self.clock().tick())
    }

    /// The time at a reading of the clock.
    pub(crate) fn time_at(&self, tick: Tick) -> Instant {
        let told = tick.0 + self.0.offset.load(Ordering::Relaxed);
        let latest = self.0.latest.fetch_max(told, Ordering::Relaxed);
        Instant::from_millis(told.max(latest))
    }

    /// The number of the last change that this replica has applied.
    pub fn revision(&self) -> i64 {
        self.0.revision.load(Ordering::Acquire)
    }

    /// What verdicts depend on besides keys, as this replica has it now.
    pub fn world(&self) -> Arc<World> {
        self.0.world.load_full()
    }

    /// The store below; for the commands that keep it.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// What operators chose.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// How many verdicts of each of [`VERDICT_CODES`] were given.
    pub fn verdicts(&self) -> [u64; VERDICT_CODES.len()] {
        std::array::from_fn(|code| self.0.verdicts[code].load(Ordering::Relaxed))
    }

    /// How many times the store was read for a key that was not at hand.
    pub fn keyring_loads(&self) -> u64 {
        self.keyring().loads()
    }

    pub(crate) fn products(&self) -> Vec<Arc<Product>> {
        self.0.products.clone()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn entropy(&self) -> &Entropy {
        &self.0.entropy
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }

    pub(crate) fn tags(&self) -> arc_swap::Guard<Arc<TagKeys>> {
        self.0.tags.load()
    }

    pub(crate) fn audit_key(&self) -> Arc<vault::AuditKey> {
        self.0.audit_key.load_full()
    }

    pub(crate) fn learn_time(&self, told: Instant, at: Tick) {
        let skew = self.clock().wall().millis() - told.millis();
        if skew.abs() > follow::CLOCK_SKEW.millis() {
            tracing::warn!(
                skew_ms = skew,
                "this machine's clock and the database's are apart"
            );
        }
        self.0.offset.store(told.millis() - at.0, Ordering::Relaxed);
    }

    pub(crate) fn tell_verdict<T>(&self, verdict: &Result<T, Denial>) {
        let code = match verdict {
            Ok(_) => "VALID",
            Err(denial) => denial.code(),
        };
        if let Some(place) = VERDICT_CODES.iter().position(|known| *known == code) {
            self.0.verdicts[place].fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Settings {
    pub(crate) fn max_staleness_and_margin(&self) -> Span {
        Span::from_millis(self.max_staleness.millis() + self.staleness_margin.millis())
    }
}
