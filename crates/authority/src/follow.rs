//! How this replica stays current, and how it knows that it is.
//!
//! It polls the feed of changes. If a poll began at local time t0 and its changes are applied, everything committed before
//! t0 is known here; a verdict may say "valid" only while now − t0 ≤ L. So L after a commit, whoever still says "valid"
//! has applied it, and nobody needs to be reached. A change returns as soon as every registered replica has
//! acknowledged it, or when L and a margin have passed on this replica's own clock since the commit returned.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use credential::event::{Subject, SubjectKind};
use credential::group::Group;
use credential::id::{ChangeId, GroupId, OrganizationId, ReplicaId, RoleId, TokenId, UserId};
use credential::organization::{Organization, User};
use credential::role::Role;
use credential::time::Span;
use store::change::MAX_PAGE;
use store::db::Engine;
use store::feed::Polled;
use store::users::PASSWORD;
use store::{Changed, Fault, Found, View};

use crate::Authority;
use crate::failure::{Failure, Refusal};
use crate::ports::Tick;
use crate::vault::KEYRING;
use crate::world::World;

/// Feed entries read in one poll; a longer backlog is read in several.
const FEED_PAGE: usize = 1000;
/// How often a change looks whether the other replicas have acknowledged it.
const ACKNOWLEDGEMENT_LOOK: std::time::Duration = std::time::Duration::from_millis(5);
/// A wall clock further than this from the database's is reported.
pub(crate) const CLOCK_SKEW: Span = Span::from_secs(5);

/// Where this replica stands in the feed.
pub(crate) struct Position {
    /// The number of the last change applied, without gaps before it.
    pub(crate) applied: i64,
    /// The id of that entry, to notice a store that lost it.
    pub(crate) entry: Option<ChangeId>,
    /// The store's epoch: another one is another history.
    pub(crate) epoch: i64,
    /// The name under which others wait for this replica.
    pub(crate) replica: Option<ReplicaId>,
}

impl Authority {
    /// Whether this replica can prove that it knows every change older than the bound.
    pub fn is_fresh(&self) -> bool {
        self.is_fresh_at(self.clock().tick())
    }

    fn is_fresh_at(&self, tick: Tick) -> bool {
        let since = tick.since(self.polled());
        since <= self.settings().max_staleness && self.0.clocks_agree.load(Ordering::Acquire)
    }

    /// How long ago this replica last knew itself to be current; very long when it does not.
    pub fn freshness_age(&self) -> Span {
        self.clock().tick().since(self.polled())
    }

    /// Whether the store answers a question.
    pub async fn store_answers(&self) -> bool {
        self.store()
            .view::<_, Fault>(|view| view.feed_head().map(drop))
            .await
            .is_ok()
    }

    pub(crate) fn must_be_fresh(&self) -> Result<(), Refusal> {
        self.must_be_fresh_at(self.clock().tick())
    }

    pub(crate) fn must_be_fresh_at(&self, tick: Tick) -> Result<(), Refusal> {
        if self.is_fresh_at(tick) {
            Ok(())
        } else {
            Err(Refusal::NotFresh)
        }
    }

    /// Reads the feed from where this replica stands and applies it. Whoever finds a poll under way waits for it and
    /// then polls too: its own poll begins after it was asked for.
    pub async fn poll(&self) -> Result<(), Failure> {
        let mut position = self.0.position.lock().await;
        loop {
            let began = self.clock().tick();
            let wall = self.clock().wall();
            let polled = self.ask_feed(&position).await?;
            let told = polled.database_time.filter(|_| !self.clock().is_held());
            self.learn_time(told.unwrap_or(wall), began);
            if !polled.registered {
                // Somebody waited out this replica and fenced it: it answers again only under a new name.
                self.lose_freshness();
                position.replica = Some(self.register().await?);
                continue;
            }
            if polled.epoch != position.epoch || polled.at_applied != position.entry {
                tracing::error!(
                    applied = position.applied,
                    "the store's history is not the one this replica followed; reading everything anew"
                );
                self.rebuild(&mut position).await?;
                continue;
            }
            let subjects: Vec<Subject> = polled
                .entries
                .iter()
                .flat_map(|e| e.subjects.iter().cloned())
                .collect();
            self.apply(&subjects).await?;
            if let Some(last) = polled.entries.last() {
                position.applied = last.number;
                position.entry = Some(last.id);
                self.0.revision.store(last.number, Ordering::Release);
                if let Some(replica) = position.replica {
                    self.store().acknowledge(replica, last.number).await?;
                }
            }
            if polled.entries.len() < FEED_PAGE {
                self.mark_polled(began, wall);
                return Ok(());
            }
        }
    }

    /// On PostgreSQL the poll is a write, so that a primary that lost its standby cannot renew anyone's freshness. On
    /// SQLite there is one file, and a read is as good.
    async fn ask_feed(&self, position: &Position) -> Result<Polled, Fault> {
        let applied = position.applied;
        if self.store().db().engine() == Engine::Postgres {
            return self
                .store()
                .poll(position.replica, applied, FEED_PAGE)
                .await;
        }
        let replicas = self
            .store()
            .view::<_, Fault>(|view| view.replicas())
            .await?;
        let listed = |id| {
            replicas
                .iter()
                .any(|replica| replica.id == id && replica.fenced_at.is_none())
        };
        let registered = position.replica.is_none_or(listed);
        Ok(Polled {
            registered,
            ..self.store().poll(None, applied, FEED_PAGE).await?
        })
    }

    /// Registers this process, reads the whole world, and takes the first position.
    pub(crate) async fn join(&self) -> Result<(), Failure> {
        let mut position = self.0.position.lock().await;
        position.replica = Some(self.register().await?);
        self.rebuild(&mut position).await?;
        drop(position);
        self.poll().await
    }

    /// Takes this process off the list that changes wait for; called after its last answer.
    pub(crate) async fn leave(&self) -> Result<(), Fault> {
        self.lose_freshness();
        let mut position = self.0.position.lock().await;
        if let Some(replica) = position.replica.take() {
            self.store().delete_replica(replica).await?;
        }
        Ok(())
    }

    /// What a change owes before it answers: it is in force here, and everywhere else or L plus the margin later.
    pub(crate) async fn settle<T>(&self, changed: &Changed<T>) -> Result<i64, Failure> {
        let committed = self.clock().tick();
        self.apply(&subjects_of(&changed.subjects)).await?;
        let patience = self.settings().max_staleness_and_margin();
        let own = self.0.position.lock().await.replica;
        loop {
            let replicas = self
                .store()
                .view::<_, Fault>(|view| view.replicas())
                .await?;
            let silent: Vec<_> = replicas
                .iter()
                .filter(|replica| {
                    Some(replica.id) != own && replica.acknowledged < changed.revision
                })
                .collect();
            if silent.is_empty() {
                return Ok(changed.revision);
            }
            if self.clock().tick().since(committed) > patience {
                for replica in silent {
                    self.fence(replica.id, replica.fenced_at.is_some()).await?;
                }
                return Ok(changed.revision);
            }
            tokio::time::sleep(ACKNOWLEDGEMENT_LOOK).await;
        }
    }

    /// Marks a replica that was waited out. Its row counts until somebody has seen the mark for L plus the margin.
    async fn fence(&self, replica: ReplicaId, fenced: bool) -> Result<(), Fault> {
        let now = self.clock().tick();
        if !fenced {
            self.store().fence_replica(replica, self.now()).await?;
        }
        let due = {
            let mut seen = self
                .0
                .fenced_since
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let since = seen.entry(replica).or_insert(now);
            let due = now.since(*since) > self.settings().max_staleness_and_margin();
            if due {
                seen.remove(&replica);
            }
            due
        };
        if due {
            self.store().delete_replica(replica).await?;
        }
        Ok(())
    }

    async fn register(&self) -> Result<ReplicaId, Failure> {
        let id = ReplicaId::mint(self.clock().wall(), self.entropy().draw()?);
        self.store()
            .register_replica(id, &self.settings().replica_name, self.clock().wall())
            .await?;
        Ok(id)
    }

    /// Drops what is at hand and reads the world anew.
    async fn rebuild(&self, position: &mut Position) -> Result<(), Failure> {
        self.lose_freshness();
        let products = self.products();
        let read = move |view: &View<'_>| -> Result<_, Fault> {
            // The head is read first: what changes after it is read again with the feed.
            let (number, epoch) = view.feed_head()?;
            let entry = view.feed_id(number)?;
            Ok((World::read(view, products)?, number, epoch, entry))
        };
        self.reload_signing_keys().await?;
        // A patch that was read before must not come over what is read here.
        let alone = self.0.applying.lock().await;
        let (world, number, epoch, entry) = self.store().view(read).await?;
        self.keyring().forget_all();
        self.swap_world(|old| World {
            rights_version: old.rights_version + 1,
            ..world.clone()
        });
        drop(alone);
        *position = Position {
            applied: number,
            entry,
            epoch,
            replica: position.replica,
        };
        self.0.revision.store(number, Ordering::Release);
        Ok(())
    }

    /// Brings what is at hand up to the store for these subjects. Applying a change twice is harmless: rows are read
    /// as they are now, never as they were.
    pub(crate) async fn apply(&self, subjects: &[Subject]) -> Result<(), Fault> {
        if subjects.is_empty() {
            return Ok(());
        }
        let mut rows = HashSet::new();
        for subject in subjects {
            match subject.kind {
                SubjectKind::Key => {
                    if let Ok(id) = subject.id.parse() {
                        self.keyring().forget_key(id);
                    }
                }
                SubjectKind::Family => {
                    if let Ok(id) = subject.id.parse() {
                        self.keyring().forget_family(id);
                    }
                }
                SubjectKind::SigningKey => self.reload_signing_keys().await?,
                SubjectKind::Catalog => self.compare_catalogs().await?,
                SubjectKind::Server if subject.id == KEYRING => self.reload_vault().await?,
                _ => {
                    rows.insert(subject.clone());
                }
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        // One at a time, so that a swap never brings back a row that another has just replaced.
        let _alone = self.0.applying.lock().await;
        let rows: Vec<Subject> = rows.into_iter().collect();
        let patch = self
            .store()
            .view::<_, Fault>(move |view| Patch::read(view, &rows))
            .await?;
        self.swap_world(|old| patch.over(old));
        Ok(())
    }

    fn swap_world(&self, next: impl Fn(&World) -> World) {
        self.0.world.rcu(|old| Arc::new(next(old)));
    }

    fn mark_polled(&self, began: Tick, wall: credential::time::Instant) {
        let drift =
            self.clock().wall().since(wall).millis() - self.clock().tick().since(began).millis();
        // A machine that was stopped or moved shows on one clock and not on the other.
        let agree = drift.abs() <= self.settings().max_staleness.millis();
        self.0.clocks_agree.store(agree, Ordering::Release);
        self.0.polled.store(began.0, Ordering::Release);
    }

    fn lose_freshness(&self) {
        self.0.polled.store(i64::MIN / 2, Ordering::Release);
    }

    fn polled(&self) -> Tick {
        Tick(self.0.polled.load(Ordering::Acquire))
    }
}

impl World {
    /// Reads everything. A tampered row is left out: what depends on it is refused, the rest goes on.
    fn read(view: &View<'_>, products: Vec<Arc<crate::catalog::Product>>) -> Result<Self, Fault> {
        let mut world = World::default();
        for product in products {
            for role in &product.roles {
                world.roles.insert(role.id, Arc::new(role.clone()));
            }
            world.products.insert(product.name.clone(), product);
        }
        for organization in all(
            |after| view.organizations_page(after, MAX_PAGE),
            |o: &Organization| o.id,
        )? {
            world
                .organizations
                .insert(organization.id, Arc::new(organization));
        }
        for user in all(
            |after| view.users_page(None, after, MAX_PAGE),
            |u: &User| u.id,
        )? {
            world.users.insert(user.id, Arc::new(user));
        }
        for group in all(
            |after| view.groups_page(None, after, MAX_PAGE),
            |g: &Group| g.id,
        )? {
            world.put_group(group.id, Some(Arc::new(group)));
        }
        for role in all(
            |after| view.roles_page(None, after, MAX_PAGE),
            |r: &Role| r.id,
        )? {
            world.roles.insert(role.id, Arc::new(role));
        }
        world.revoked = Arc::new(revoked(view)?);
        world.with_password = Arc::new(view.users_with_password()?.into_iter().collect());
        Ok(world)
    }
}

/// Rows that changed, as they are now.
struct Patch {
    organizations: Vec<(OrganizationId, Option<Arc<Organization>>)>,
    users: Vec<(UserId, Option<Arc<User>>)>,
    groups: Vec<(GroupId, Option<Arc<Group>>)>,
    roles: Vec<(RoleId, Option<Arc<Role>>)>,
    /// Whether each is revoked still: what has expired is no longer kept.
    tokens: Vec<(TokenId, bool)>,
    /// Whether each has a password.
    passwords: Vec<(UserId, bool)>,
}

impl Patch {
    fn read(view: &View<'_>, subjects: &[Subject]) -> Result<Self, Fault> {
        fn good<T>(found: Option<Found<T>>) -> Option<Arc<T>> {
            match found {
                Some(Found::Good(row)) => Some(Arc::new(row)),
                Some(Found::Tampered(_)) | None => None,
            }
        }
        let mut patch = Patch {
            organizations: vec![],
            users: vec![],
            groups: vec![],
            roles: vec![],
            tokens: vec![],
            passwords: vec![],
        };
        for subject in subjects {
            let id = &subject.id;
            match subject.kind {
                SubjectKind::Organization => {
                    if let Ok(id) = id.parse() {
                        patch.organizations.push((id, good(view.organization(id)?)));
                    }
                }
                SubjectKind::User | SubjectKind::Membership => {
                    if let Some(Ok(id)) = id.strip_suffix(PASSWORD).map(str::parse) {
                        let is_there = matches!(view.password(id)?, Some(Found::Good(_)));
                        patch.passwords.push((id, is_there));
                    } else if let Ok(id) = id.parse() {
                        patch.users.push((id, good(view.user(id)?)));
                    }
                }
                SubjectKind::Group => {
                    if let Ok(id) = id.parse() {
                        patch.groups.push((id, good(view.group(id)?)));
                    }
                }
                SubjectKind::Role => {
                    if let Ok(id) = id.parse() {
                        patch.roles.push((id, good(view.role(id)?)));
                    }
                }
                SubjectKind::Token => {
                    if let Ok(id) = id.parse() {
                        patch.tokens.push((id, view.revoked_token(id)?.is_some()));
                    }
                }
                _ => {}
            }
        }
        Ok(patch)
    }

    fn over(&self, old: &World) -> World {
        fn put<K: Copy + Eq + std::hash::Hash, V>(
            map: &mut std::collections::HashMap<K, Arc<V>>,
            rows: &[(K, Option<Arc<V>>)],
        ) {
            for (id, row) in rows {
                match row {
                    Some(row) => map.insert(*id, Arc::clone(row)),
                    None => map.remove(id),
                };
            }
        }
        let mut world = old.clone();
        put(&mut world.organizations, &self.organizations);
        put(&mut world.users, &self.users);
        put(&mut world.roles, &self.roles);
        for (id, group) in &self.groups {
            world.put_group(*id, group.clone());
        }
        if !self.tokens.is_empty() {
            let mut revoked = HashSet::clone(&world.revoked);
            for (id, is_revoked) in &self.tokens {
                if *is_revoked {
                    revoked.insert(*id)
                } else {
                    revoked.remove(id)
                };
            }
            world.revoked = Arc::new(revoked);
        }
        if !self.passwords.is_empty() {
            let mut with_password = HashSet::clone(&world.with_password);
            for (id, is_there) in &self.passwords {
                if *is_there {
                    with_password.insert(*id)
                } else {
                    with_password.remove(id)
                };
            }
            world.with_password = Arc::new(with_password);
        }
        if !self.users.is_empty() || !self.roles.is_empty() || !self.groups.is_empty() {
            world.rights_version += 1;
        }
        world
    }
}

/// The whole set of revoked tokens. A row that was tampered with still says which token it is about, and that one stays
/// revoked.
fn revoked(view: &View<'_>) -> Result<HashSet<TokenId>, Fault> {
    let (mut tokens, mut after) = (HashSet::new(), None);
    loop {
        let page = view.revoked_tokens_page(after, MAX_PAGE)?;
        let full = page.len() == MAX_PAGE;
        let ids = page.iter().filter_map(|found| match found {
            Found::Good(token) => Some(token.id),
            Found::Tampered(subject) => subject.id.parse().ok(),
        });
        let ids: Vec<TokenId> = ids.collect();
        tokens.extend(&ids);
        match ids.last() {
            Some(last) if full => after = Some(*last),
            _ => return Ok(tokens),
        }
    }
}

/// Every good row of a noun, read page by page. A tampered one is left out: what depends on it is refused.
fn all<T, I: Copy + PartialEq + std::str::FromStr>(
    page: impl Fn(Option<I>) -> Result<Vec<Found<T>>, Fault>,
    id: impl Fn(&T) -> I,
) -> Result<Vec<T>, Fault> {
    let mut rows: Vec<T> = Vec::new();
    let mut after = None;
    loop {
        let found = page(after)?;
        let full = found.len() == MAX_PAGE;
        let last = found.iter().rev().find_map(|found| match found {
            Found::Good(row) => Some(id(row)),
            Found::Tampered(subject) => subject.id.parse().ok(),
        });
        rows.extend(found.into_iter().filter_map(Found::good));
        if !full || last.is_none() {
            return Ok(rows);
        }
        after = last;
    }
}

/// The subjects of a change as its entry in the feed names them.
fn subjects_of(texts: &[String]) -> Vec<Subject> {
    let subject = |text: &String| {
        let (kind, id) = text.split_once(':')?;
        Some(Subject {
            kind: kind.parse().ok()?,
            id: id.to_owned(),
        })
    };
    texts.iter().filter_map(subject).collect()
}
