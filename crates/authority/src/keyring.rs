//! The keys that this process has at hand, opened and compiled; what is not here is read once from the store.
//!
//! What makes the cache safe is one rule: an entry enters only if nothing that touches it was applied since its read
//! began. Every id falls into one of a fixed number of slots; a slot counts the changes applied to its ids. A load
//! notes the count, reads, and puts its result under the slot's lock only if the count is still the same; otherwise it
//! reads again. Loads of one slot go one at a time, so that a thousand questions about one cold key are one read.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use credential::access::Rights;
use credential::family::Family;
use credential::id::{FamilyId, KeyId};
use credential::key::Key;
use credential::scope::Scope;
use quick_cache::sync::Cache;
use store::{Fault, Found, Store};

use crate::world::World;

/// Slots of the change counts: enough that loads of different keys seldom wait for one another.
const SLOTS: usize = 1024;
/// How often a load reads again because changes overtook it, before it gives up with a fault.
const MAX_RELOADS: usize = 16;

/// A key as a verdict reads it.
pub struct Live {
    /// The key.
    pub key: Key,
    /// What its grants were worth when they were compiled.
    pub rights: Rights,
    /// The scopes that rights name, in order, for answers.
    pub scopes: Vec<Scope>,
    /// The names of its roles, in order, for answers.
    pub roles: Vec<String>,
    pub(crate) rights_version: u64,
    /// When it was last used, in milliseconds, and from where: noted here, written in batches.
    pub(crate) used: AtomicI64,
}

impl Live {
    pub(crate) fn compile(key: Key, world: &World) -> Self {
        let rights = world.worth(&key);
        let scopes = rights.names().into_iter().cloned().collect();
        let roles = world.role_names(&key);
        Self {
            key,
            rights,
            scopes,
            roles,
            rights_version: world.rights_version,
            used: AtomicI64::new(0),
        }
    }
}

/// What the keyring knows under an id.
#[derive(Clone)]
pub(crate) enum Held {
    /// A good key.
    Live(Arc<Live>),
    /// A row that was changed outside the server.
    Tampered,
    /// No such key.
    Absent,
}

/// What the keyring knows of a token family.
#[derive(Clone)]
pub(crate) enum HeldFamily {
    Live(Arc<Family>),
    Tampered,
    Absent,
}

pub(crate) struct Keyring {
    keys: Cache<KeyId, Held>,
    handles: Cache<Box<str>, Handle>,
    /// Counts the keys that changed: a handle that was unknown may be some key's since.
    key_changes: AtomicU64,
    families: Cache<FamilyId, HeldFamily>,
    slots: Vec<Slot>,
    hasher: RandomState,
    loads: AtomicU64,
}

/// What is known of a handle. That a key had one holds for good, since a handle that was replaced proves nothing;
/// that no key has it holds until any key changes.
#[derive(Clone)]
enum Handle {
    Of(KeyId),
    Unknown { changes: u64 },
}

#[derive(Default)]
struct Slot {
    changes: Mutex<u64>,
    loading: tokio::sync::Mutex<()>,
}

impl Keyring {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            keys: Cache::new(capacity),
            handles: Cache::new(capacity),
            key_changes: AtomicU64::new(0),
            families: Cache::new(capacity),
            slots: (0..SLOTS).map(|_| Slot::default()).collect(),
            hasher: RandomState::new(),
            loads: AtomicU64::new(0),
        }
    }

    /// How many reads of the store there were: what a test counts.
    pub(crate) fn loads(&self) -> u64 {
        self.loads.load(Ordering::Relaxed)
    }

    /// The key, if it is at hand: the warm path.
    pub(crate) fn at_hand(&self, id: KeyId) -> Option<Held> {
        self.keys.get(&id)
    }

    /// The key, from the store if need be.
    pub(crate) async fn key(
        &self,
        id: KeyId,
        store: &Store,
        world: impl Fn() -> Arc<World> + Send + Sync,
    ) -> Result<Held, Fault> {
        let world = &world;
        if let Some(held) = self.keys.get(&id) {
            return Ok(held);
        }
        self.load(&self.keys, id, || async move {
            let found = store.view::<_, Fault>(move |view| view.key(id)).await?;
            Ok(match found {
                Some(Found::Good(key)) => Held::Live(Arc::new(Live::compile(key, &world()))),
                Some(Found::Tampered(_)) => Held::Tampered,
                None => Held::Absent,
            })
        })
        .await
    }

    /// The key behind a public identifier that a dialect presents.
    pub(crate) async fn key_of_handle(
        &self,
        handle: &str,
        store: &Store,
    ) -> Result<Option<KeyId>, Fault> {
        let changes = self.key_changes.load(Ordering::Acquire);
        match self.handles.get(handle) {
            Some(Handle::Of(id)) => return Ok(Some(id)),
            Some(Handle::Unknown { changes: then }) if then == changes => return Ok(None),
            Some(Handle::Unknown { .. }) => self.forget(&self.handles, &Box::from(handle)),
            None => {}
        }
        let held = self
            .load(&self.handles, Box::from(handle), || async move {
                let changes = self.key_changes.load(Ordering::Acquire);
                let handle = handle.to_owned();
                let found = store
                    .view::<_, Fault>(move |view| view.key_by_handle(&handle))
                    .await?;
                let id = found.and_then(Found::good).map(|key| key.id);
                Ok(id.map_or(Handle::Unknown { changes }, Handle::Of))
            })
            .await?;
        Ok(match held {
            Handle::Of(id) => Some(id),
            Handle::Unknown { .. } => None,
        })
    }

    /// The family, from the store if need be.
    pub(crate) async fn family(&self, id: FamilyId, store: &Store) -> Result<HeldFamily, Fault> {
        if let Some(held) = self.families.get(&id) {
            return Ok(held);
        }
        self.load(&self.families, id, || async move {
            Ok(
                match store.view::<_, Fault>(move |view| view.family(id)).await? {
                    Some(Found::Good(family)) => HeldFamily::Live(Arc::new(family)),
                    Some(Found::Tampered(_)) => HeldFamily::Tampered,
                    None => HeldFamily::Absent,
                },
            )
        })
        .await
    }

    /// Puts a key compiled again, unless a change overtook it.
    pub(crate) fn recompiled(&self, was: &Arc<Live>, again: Arc<Live>) {
        let id = was.key.id;
        let _guard = self.lock(self.slot(&id));
        if let Some(Held::Live(held)) = self.keys.get(&id)
            && Arc::ptr_eq(&held, was)
        {
            self.keys.insert(id, Held::Live(again));
        }
    }

    pub(crate) fn forget_key(&self, id: KeyId) {
        self.forget(&self.keys, &id);
        self.key_changes.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn forget_family(&self, id: FamilyId) {
        self.forget(&self.families, &id);
    }

    /// Drops everything: after a fork or a restore nothing at hand can be trusted.
    pub(crate) fn forget_all(&self) {
        for slot in &self.slots {
            *self.lock(slot) += 1;
        }
        self.keys.clear();
        self.handles.clear();
        self.families.clear();
    }

    async fn load<K, V, F>(
        &self,
        cache: &Cache<K, V>,
        id: K,
        read: impl Fn() -> F + Send,
    ) -> Result<V, Fault>
    where
        K: Hash + Eq + Clone,
        V: Clone,
        F: Future<Output = Result<V, Fault>> + Send,
    {
        let slot = self.slot(&id);
        let _one_at_a_time = slot.loading.lock().await;
        for _ in 0..MAX_RELOADS {
            if let Some(held) = cache.get(&id) {
                return Ok(held);
            }
            let before = *self.lock(slot);
            self.loads.fetch_add(1, Ordering::Relaxed);
            let value = read().await?;
            let changes = self.lock(slot);
            if *changes == before {
                cache.insert(id, value.clone());
                return Ok(value);
            }
        }
        Err(Fault::Busy {
            what: "a key that changed faster than it could be read",
        })
    }

    fn forget<K: Hash + Eq, V: Clone>(&self, cache: &Cache<K, V>, id: &K) {
        let mut changes = self.lock(self.slot(id));
        *changes += 1;
        cache.remove(id);
    }

    fn slot(&self, id: &impl Hash) -> &Slot {
        &self.slots[self.hasher.hash_one(id) as usize % SLOTS]
    }

    /// A count is whole even if its last holder panicked.
    fn lock<'s>(&self, slot: &'s Slot) -> std::sync::MutexGuard<'s, u64> {
        slot.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
