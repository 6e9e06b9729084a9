//! A store with one organization in it, and the things that tests put there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use credential::event::{Action, Actor};
use credential::family::Family;
use credential::grant::{Grants, Resources, RoleGrant};
use credential::group::{Group, Reach};
use credential::id::{FamilyId, GroupId, KeyId, OrganizationId, RoleId, UserId};
use credential::key::{Addresses, Credential, Key, Kind, Maker, Proof, State};
use credential::limit::Limit;
use credential::name::{Comment, Name, ProductName, RoleName};
use credential::organization::{Email, Organization, OrganizationKind, User};
use credential::role::Role;
use credential::scope::Scope;
use credential::seal::Vault;
use credential::time::{Instant, Span};
use store::change::NO_DETAIL;
use store::compare::{Mismatch, Wrong};
use store::db::Arg;
use store::{Change, Changed, Fault, Store, View};
use testkit::Database;

/// When every test begins.
pub(crate) const NOW: Instant = Instant::from_millis(1_750_000_000_000);

pub(crate) struct World {
    pub(crate) store: Arc<Store>,
    pub(crate) organization: Organization,
    count: AtomicU64,
}

/// The vault key of version `n`.
pub(crate) fn vault(versions: &[u8]) -> Arc<Vault> {
    let keys = versions.iter().map(|version| (*version, [*version; 32]));
    Arc::new(Vault::new(keys).expect("there is a key"))
}

/// Bytes that never come twice.
pub(crate) fn entropy() -> store::Entropy {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    Arc::new(|| {
        let mut bytes = [0; 16];
        // At the front: a nonce is the first twelve of them.
        bytes[..8].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        bytes[8..].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        Some(bytes)
    })
}

impl World {
    pub(crate) async fn new(database: &Database) -> Self {
        let store = Store::open(database.url()).await.expect("it opens");
        store.unlock(vault(&[1]), entropy());
        let organization = organization(1, "Acme");
        let world = Self {
            store: Arc::new(store),
            organization,
            count: AtomicU64::new(1000),
        };
        let first = world.organization.clone();
        world
            .change(move |change| {
                change.insert_organization(&first, Action::OrganizationCreated, NO_DETAIL)
            })
            .await;
        world
    }

    /// A change by the server itself that must succeed.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        body: impl FnMut(&mut Change<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Changed<T> {
        self.try_change(body).await.expect("the change is made")
    }

    pub(crate) async fn try_change<T: Send + 'static>(
        &self,
        body: impl FnMut(&mut Change<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<Changed<T>, Fault> {
        self.store
            .change(Actor::SYSTEM, NOW, |_| Ok(()), body)
            .await
    }

    pub(crate) async fn view<T: Send + 'static>(
        &self,
        f: impl FnOnce(&View<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> T {
        self.store.view(f).await.expect("it is read")
    }

    /// A statement behind the server's back; says how many rows it changed.
    pub(crate) async fn sql(&self, sql: &'static str, args: &[Arg<'static>]) -> u64 {
        let args = args.to_vec();
        let changed = self
            .store
            .db()
            .write(move |tx| tx.execute(sql, &args))
            .await;
        changed.expect("the statement runs")
    }

    pub(crate) fn number(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    fn bytes(&self) -> [u8; 16] {
        u128::from(self.number()).to_be_bytes()
    }

    /// A key that was not written.
    pub(crate) fn key(&self, name: &str) -> Key {
        Key {
            id: KeyId::mint(NOW, self.bytes()),
            organization: self.organization.id,
            product: product("demo"),
            kind: Kind::Static,
            name: name_of(name),
            comment: Comment::new("what it is for\nand more").expect("a comment"),
            grants: Grants::of_scopes([scope("a:read")]).expect("grants"),
            addresses: Addresses::parse(["192.0.2.0/24"]).expect("addresses"),
            limits: vec![Limit::new("hourly", 100, Span::from_hours(1)).expect("a limit")],
            expires_at: Some(NOW + Span::from_days(30)),
            state: State::Active,
            owner: None,
            created_at: NOW,
            created_by: Maker::System,
            edited_at: NOW,
            rotated_at: None,
            current: Credential {
                generation: 0,
                handle: None,
                proof: Proof::Digest([7; 32]),
                since: NOW,
            },
            previous: None,
            version: 1,
        }
    }

    /// A key that is there.
    pub(crate) async fn written_key(&self, name: &str) -> Key {
        let key = self.key(name);
        self.write_key(&key).await;
        key
    }

    pub(crate) async fn write_key(&self, key: &Key) {
        let key = key.clone();
        self.change(move |change| change.insert_key(&key, true, Action::KeyCreated, NO_DETAIL))
            .await;
    }

    pub(crate) async fn read_key(&self, id: KeyId) -> Option<store::Found<Key>> {
        self.view(move |view| view.key(id)).await
    }

    /// A family that was not written.
    pub(crate) fn family(&self, key: &Key) -> Family {
        Family {
            id: FamilyId::mint(NOW, self.bytes()),
            organization: key.organization,
            key: key.id,
            generation: 0,
            rotated_at: NOW,
            previous_at: None,
            used: false,
            refresh_until: NOW + Span::from_days(60),
            access_life: Span::from_minutes(10),
            refresh_life: Span::from_days(60),
            dead: None,
            created_at: NOW,
            version: 1,
            seed: [9; 32],
        }
    }

    pub(crate) fn user(&self, email: &str) -> User {
        User {
            id: UserId::mint(NOW, self.bytes()),
            organization: self.organization.id,
            email: Email::new(email).expect("an address"),
            name: name_of("Ada"),
            roles: Vec::new(),
            active: true,
            created_at: NOW,
            version: 1,
        }
    }

    pub(crate) fn group(&self, name: &str) -> Group {
        Group {
            id: GroupId::mint(NOW, self.bytes()),
            organization: self.organization.id,
            name: name_of(name),
            description: Comment::new("who does it").expect("a comment"),
            roles: vec![RoleGrant {
                role: RoleId::from_bytes([1; 16]),
                resources: Resources::All,
            }],
            members: BTreeSet::from([UserId::from_bytes([2; 16])]),
            nested: BTreeSet::from([GroupId::from_bytes([3; 16])]),
            reach: Reach::Managed,
            created_at: NOW,
            created_by: Maker::System,
            edited_at: NOW,
            version: 1,
        }
    }

    pub(crate) fn role(&self, name: &str) -> Role {
        Role {
            id: RoleId::mint(NOW, self.bytes()),
            organization: Some(self.organization.id),
            product: product("demo"),
            name: RoleName::new(name).expect("a name"),
            description: Comment::default(),
            scopes: vec![scope("a:read"), scope("b:write")],
            deleted: false,
            version: 1,
        }
    }

    /// What a comparison finds: kind, id and what is wrong, sorted.
    pub(crate) async fn mismatches(&self) -> Vec<(String, String, Wrong)> {
        let found = self.store.compare_all(1000).await.expect("it is compared");
        let mut found: Vec<_> = found
            .into_iter()
            .map(|Mismatch { subject, wrong }| (subject.kind.to_string(), subject.id, wrong))
            .collect();
        found.sort();
        found
    }
}

pub(crate) fn organization(number: i64, name: &str) -> Organization {
    Organization {
        id: OrganizationId::mint(NOW, i128::from(number).to_be_bytes()),
        number,
        name: name_of(name),
        kind: OrganizationKind::Standalone,
        parent: None,
        active: true,
        created_at: NOW,
        version: 1,
    }
}

pub(crate) fn name_of(name: &str) -> Name {
    Name::new(name).expect("a name")
}

pub(crate) fn product(name: &str) -> ProductName {
    ProductName::new(name).expect("a product")
}

pub(crate) fn scope(text: &str) -> Scope {
    Scope::new(text).expect("a scope")
}

/// A later moment.
pub(crate) fn after(seconds: i64) -> Instant {
    NOW + Span::from_secs(seconds)
}
