//! Limits: no window ever holds more than its quota of accepted requests, whatever crashes and however many processes
//! count on one database.
//!
//! A **meter** is what one limit counts of one subject: a key, an organization, an owner, a route. This process keeps an
//! exact window of what it spent itself; that is all there is to ask as long as nobody else spends. What it cannot know,
//! what others spent and what it spent before it crashed, lies in the store in **blocks**: units that somebody may
//! spend, or did, until a moment. Nobody spends a unit that does not lie in a block of its own. So a request is admitted
//! when
//!
//! 1. what this process spent in the window, and every block of others that can have been spent in it, leave room;
//! 2. the open block of this process holds the cost, and its lease has not ended.
//!
//! A block is opened by a **turn** at the meter. Turns wait for each other in the store, and whoever has one reads the
//! blocks of all who had one before. That is why the sum cannot go over: of the blocks that were spent from within some
//! window, look at the one that was opened last. Its holder knows all the others, each with at least what was spent of
//! it, and none has ceased to count, since each counts until a full window after its own end. At its last spending in
//! that window the holder weighed its own exact count and all of theirs against the quota. What the others spent after
//! that moment was in their blocks already, and so was weighed too.
//!
//! What follows from it:
//! - A crash needs no repair: the process that starts again is another holder, and the blocks of the one before count
//!   until a window after their end. What is lost is what lay open: a hundredth of the quota and what was being waited
//!   for, for at most [`LEASE`] and a window.
//! - Two processes on one database share without knowing of each other; one that is alone never reads a block.
//! - A graceful stop writes the exact windows as blocks.
//! - A meter may be forgotten at any time, and found again; it is forgotten when nothing of it counts.
//!
//! Time here is the clock that only goes forward, read where the cost is counted: a request that waited for its key is
//! counted when it is admitted. Blocks are told in database time, which two processes know to within the staleness at
//! which they would refuse; every block's end is written later by that much.
//!
//! A refused request is not counted, and what several limits ask is spent of all of them or of none.

mod exceptions;
mod groups;
mod meter;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use credential::limit::{Limit, MAX_LIMITS};
use credential::role::ProductName;
use credential::time::{Instant, Span};
use smallvec::SmallVec;
use store::limits::{MAX_TURNS, Settled};
use store::{Fault, Store};

use crate::Authority;
use crate::catalog::{Per, Product, ProductLimit, hex};
use crate::failure::Failure;
use crate::keyring::Live;
use crate::ports::{Entropy, NoEntropy};
use crate::verify::Question;
pub use exceptions::BadException;
pub(crate) use exceptions::Exceptions;
use groups::{Group, Groups, Subject, Tried};
#[cfg(doc)]
use meter::LEASE;

/// How often a request takes a turn before it gives up: each turn brings what everybody waits for at that moment, so
/// that more than a few mean that the store is drowning.
const MAX_TURNS_PER_REQUEST: usize = 32;

/// How one limit stands after a spending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// The limit's name.
    pub name: Arc<str>,
    /// How much may be spent in any window.
    pub quota: u64,
    /// How much of it is left.
    pub remaining: u64,
    /// The length of the window.
    pub window: Span,
    /// How long until the whole quota is there again, if nothing more is spent.
    pub reset: Span,
}

/// What one request asks for: mostly one limit or two, which need no memory of their own.
pub(crate) type Few<T> = SmallVec<[T; 4]>;

/// What one spending asks of one limit.
pub(crate) struct Want<'a> {
    pub(crate) subject: Subject,
    pub(crate) product: Option<&'a ProductName>,
    pub(crate) limit: &'a Limit,
}

/// The meters of this process.
pub(crate) struct Limits {
    groups: Groups,
    /// A name that no other process has, nor this one when it runs again.
    process: String,
    holders: AtomicU64,
}

/// One moment, on the clock that only goes forward and in database time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) tick: Instant,
    pub(crate) now: Instant,
    /// How far the database times of two processes may be apart.
    pub(crate) margin: Span,
}

impl Moment {
    /// A moment of this process as others are told of it: not earlier than any of their clocks shows it.
    fn told(self, tick: Instant) -> Instant {
        let later = tick.millis().saturating_sub(self.tick.millis());
        Instant::from_millis(self.now.millis().saturating_add(later)) + self.margin
    }

    /// When a moment that others told of has come for all.
    fn tick_of(self, told: Instant) -> Instant {
        let later = told.millis().saturating_sub(self.now.millis());
        Instant::from_millis(self.tick.millis().saturating_add(later))
    }
}

/// What counting stands on: the authority, or a test's own world.
pub(crate) trait Ground: Clone + Send + Sync + 'static {
    fn limits(&self) -> &Limits;
    fn store(&self) -> &Store;
    fn tick(&self) -> Instant;
    fn moment(&self) -> Moment;
}

impl Limits {
    pub(crate) fn new(entropy: &Entropy) -> Result<Self, NoEntropy> {
        let process = hex(&entropy.draw::<8>()?);
        Ok(Self {
            groups: Groups::new(),
            process,
            holders: AtomicU64::new(0),
        })
    }

    /// A name for whoever counts apart: another one each time.
    fn holder(&self) -> String {
        format!(
            "{}.{}",
            self.process,
            self.holders.fetch_add(1, Ordering::Relaxed)
        )
    }
}

/// Spends `cost` of all that is wanted, or of none and tells how many milliseconds to wait. With `consume` false it only
/// looks.
pub(crate) async fn spend<G: Ground>(
    ground: &G,
    wants: &mut [Want<'_>],
    cost: u64,
    consume: bool,
) -> Result<Result<Vec<Spent>, i64>, Fault> {
    if wants.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    // One order for everybody: the groups are locked together.
    wants.sort_by_key(|want| want.subject);
    let mut held: Few<(Subject, Arc<Group>)> = Few::new();
    for want in wants.iter() {
        if held
            .last()
            .is_none_or(|(subject, _)| *subject != want.subject)
        {
            let limits = ground.limits();
            let (group, pushed_out) = limits
                .groups
                .get(want.subject, ground.tick(), || limits.holder());
            held.push((want.subject, group));
            if let Some(group) = pushed_out {
                let ground = ground.clone();
                tokio::spawn(async move {
                    if let Err(fault) = settle(&ground, &group).await {
                        tracing::warn!(error = %fault, "a limit could not be written");
                    }
                });
            }
        }
    }
    for _ in 0..MAX_TURNS_PER_REQUEST {
        match groups::spend(&held, wants, cost, consume, || ground.tick()) {
            Tried::Spent { spent, low } => {
                for place in low {
                    let (ground, group) = (ground.clone(), Arc::clone(&held[place].1));
                    tokio::spawn(async move { turn(&ground, &group, Why::Low).await });
                }
                return Ok(Ok(spent));
            }
            Tried::Refused { retry_after, stale } => {
                for place in stale {
                    let (ground, group) = (ground.clone(), Arc::clone(&held[place].1));
                    tokio::spawn(async move { turn(&ground, &group, Why::Stale).await });
                }
                return Ok(Err(retry_after.millis().max(1)));
            }
            Tried::Short { groups } => {
                for place in groups {
                    // On a task of its own: a request that is given up leaves no turn half taken.
                    let (ground, group) = (ground.clone(), Arc::clone(&held[place].1));
                    let turned =
                        tokio::spawn(async move { turn(&ground, &group, Why::Short).await }).await;
                    turned.map_err(|_| Fault::Panicked)??;
                }
            }
        }
    }
    Err(Fault::Busy {
        what: "a limit that very many spend at once",
    })
}

/// Why a turn is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// Somebody waits for it.
    Short,
    /// Somebody soon would.
    Low,
    /// Others stand in the way.
    Stale,
}

async fn turn<G: Ground>(ground: &G, group: &Group, why: Why) -> Result<(), Fault> {
    let _gate = match why {
        Why::Short => group.gate.lock().await,
        // Whoever has the gate does it already.
        Why::Low | Why::Stale => match group.gate.try_lock() {
            Ok(gate) => gate,
            Err(_) => return Ok(()),
        },
    };
    let at = ground.moment();
    let (places, turns, going) = group.turns(at, why == Why::Short);
    if turns.is_empty() {
        return Ok(());
    }
    let turned = ground.store().take_turns(turns, at.now).await;
    if let Err(fault) = &turned
        && why != Why::Short
    {
        tracing::warn!(error = %fault, "a limit could not be counted ahead");
    }
    group.turned(&places, &going, turned?, ground.moment());
    Ok(())
}

async fn settle<G: Ground>(ground: &G, group: &Group) -> Result<(), Fault> {
    let _gate = group.gate.lock().await;
    let at = ground.moment();
    ground
        .store()
        .settle_meters(group.settle(at), at.now)
        .await?;
    group.settled();
    Ok(())
}

/// Gives back what lies open and unused, and forgets what counts no more. Does little where there is little to do; for a
/// job that runs every few seconds.
pub(crate) async fn tidy<G: Ground>(ground: &G) -> Result<(), Fault> {
    for groups in ground.limits().groups.all().chunks(MAX_TURNS / MAX_LIMITS) {
        let at = ground.moment();
        let (mut releases, mut turns) = (Vec::new(), Vec::new());
        for group in groups {
            if turns.len() + group.len() > MAX_TURNS {
                continue;
            }
            let Ok(gate) = group.gate.try_lock() else {
                continue;
            };
            let (places, more, going) = group.releases(at);
            turns.extend(more);
            releases.push((group, gate, places, going));
        }
        if turns.is_empty() {
            continue;
        }
        let mut turned = ground.store().take_turns(turns, at.now).await?.into_iter();
        let at = ground.moment();
        for (group, _gate, places, going) in &releases {
            group.turned(
                places,
                going,
                turned.by_ref().take(places.len()).collect(),
                at,
            );
        }
    }
    ground.limits().groups.forget_idle(ground.tick());
    Ok(())
}

/// Writes exactly what counts, so that the process that starts next counts on from there. Nothing may be spent after it.
pub(crate) async fn settle_all<G: Ground>(ground: &G) -> Result<(), Fault> {
    for groups in ground.limits().groups.all().chunks(MAX_TURNS / MAX_LIMITS) {
        let mut gates = Vec::with_capacity(groups.len());
        for group in groups {
            gates.push(group.gate.lock().await);
        }
        let at = ground.moment();
        let settled: Vec<Settled> = groups.iter().flat_map(|group| group.settle(at)).collect();
        for settled in settled.chunks(MAX_TURNS) {
            ground
                .store()
                .settle_meters(settled.to_vec(), at.now)
                .await?;
        }
        groups.iter().for_each(|group| group.settled());
    }
    Ok(())
}

impl Ground for Authority {
    fn limits(&self) -> &Limits {
        &self.0.limits
    }

    fn store(&self) -> &Store {
        Authority::store(self)
    }

    fn tick(&self) -> Instant {
        Instant::from_millis(self.clock().tick().0)
    }

    fn moment(&self) -> Moment {
        let margin = self.settings().max_staleness_and_margin();
        Moment {
            tick: Ground::tick(self),
            now: self.now(),
            margin,
        }
    }
}

impl Authority {
    /// Spends what a question costs: of the key's own limits, and of its product's that its route is under.
    pub(crate) async fn spend(
        &self,
        live: &Arc<Live>,
        question: &Question<'_>,
    ) -> Result<Result<Vec<Spent>, i64>, Failure> {
        let world = self.0.world.load();
        let product = world
            .product(&live.key.product)
            .filter(|product| !product.limits.is_empty());
        if live.key.limits.is_empty() && product.is_none() {
            return Ok(Ok(Vec::new()));
        }
        let product = product.cloned();
        drop(world);
        let exceptions = self.0.exceptions.load();
        let mut wants = own_wants(live);
        if let Some(product) = &product {
            let asked = exceptions
                .limits(&live.key, product)
                .iter()
                .filter(|limit| is_under(limit, question.route));
            wants.extend(asked.flat_map(|limit| product_wants(live, product, limit)));
        }
        Ok(spend(self, &mut wants, question.cost, question.consume).await?)
    }

    /// Spends one of the limit of that name of the key's product; what the product does not limit is free.
    pub(crate) async fn spend_named(
        &self,
        live: &Arc<Live>,
        name: &str,
    ) -> Result<Result<Vec<Spent>, i64>, Failure> {
        let Some(product) = self.0.world.load().product(&live.key.product).cloned() else {
            return Ok(Ok(Vec::new()));
        };
        let exceptions = self.0.exceptions.load();
        let limits = exceptions.limits(&live.key, &product);
        let Some(limit) = limits.iter().find(|limit| limit.name == name) else {
            return Ok(Ok(Vec::new()));
        };
        let mut wants: Few<_> = product_wants(live, &product, limit).collect();
        Ok(spend(self, &mut wants, 1, true).await?)
    }

    /// Gives back what limits hold in reserve and nobody uses; for a job that runs every few seconds.
    pub async fn tidy_limits(&self) -> Result<(), Failure> {
        Ok(tidy(self).await?)
    }

    /// Writes the exact state of all limits: the last thing before a graceful stop.
    pub(crate) async fn settle_limits(&self) -> Result<(), Failure> {
        Ok(settle_all(self).await?)
    }
}

fn own_wants(live: &Live) -> Few<Want<'_>> {
    let subject = Subject::Key(*live.key.id.as_bytes());
    live.key
        .limits
        .iter()
        .map(|limit| Want {
            subject,
            product: None,
            limit,
        })
        .collect()
}

fn product_wants<'a>(
    live: &Live,
    product: &'a Product,
    limit: &'a ProductLimit,
) -> impl Iterator<Item = Want<'a>> + use<'a> {
    let key = Subject::Key(*live.key.id.as_bytes());
    let subject = match limit.per {
        Per::Key => key,
        Per::Organization => Subject::Organization(*live.key.organization.as_bytes()),
        // A key that nobody owns counts by itself.
        Per::Owner => live
            .key
            .owner
            .map_or(key, |owner| Subject::Owner(*owner.as_bytes())),
        Per::Route => Subject::Route,
    };
    limit.windows.iter().map(move |window| Want {
        subject,
        product: Some(&product.name),
        limit: window,
    })
}

/// Whether a route is below one of the limit's paths; a path ends where a segment does.
fn is_under(limit: &ProductLimit, route: &str) -> bool {
    limit.paths.iter().any(|path| {
        route
            .strip_prefix(path.as_str())
            .is_some_and(|rest| path.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
    })
}
