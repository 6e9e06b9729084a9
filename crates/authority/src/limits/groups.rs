//! Where the meters are: by subject, so that what one request asks of one subject is one lock.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use credential::time::{Instant, Span};
use store::limits::{Settled, Turn, Turned};

use super::meter::{Going, Meter};
use super::{Few, Moment, Spent, Want};

/// Locks of the map: so many that requests of different subjects seldom meet at one.
const SHARDS: usize = 64;

/// The most subjects of one shard, 262 144 in all. A window keeps at most some 20 kB and mostly a few hundred bytes. Beyond
/// that, one is written to the store and found there when it is next asked for.
const MAX_PER_SHARD: usize = 4096;

/// Whose the meters of a group are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Subject {
    Key([u8; 16]),
    Organization([u8; 16]),
    Owner([u8; 16]),
    Route,
}

impl Subject {
    /// What it is called in the store.
    fn text(self) -> String {
        let (kind, id) = match self {
            Subject::Key(id) => ("key", id),
            Subject::Organization(id) => ("organization", id),
            Subject::Owner(id) => ("owner", id),
            Subject::Route => return "route".to_owned(),
        };
        format!("{kind}:{}", crate::catalog::hex(&id))
    }
}

/// The groups of this process.
pub(super) struct Groups {
    shards: Vec<Mutex<HashMap<Subject, Arc<Group>>>>,
    hasher: RandomState,
}

/// The meters of one subject.
pub(super) struct Group {
    subject: Subject,
    holder: String,
    meters: Mutex<Vec<Meter>>,
    /// Held by whoever takes a turn.
    pub(super) gate: tokio::sync::Mutex<()>,
}

/// What trying to spend came to; groups are told by their place.
pub(super) enum Tried {
    Spent {
        spent: Vec<Spent>,
        low: Vec<usize>,
    },
    Refused {
        retry_after: Span,
        stale: Vec<usize>,
    },
    Short {
        groups: Vec<usize>,
    },
}

impl Groups {
    pub(super) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// The group of a subject; and one that had to go for it, whose state is to be written.
    pub(super) fn get(
        &self,
        subject: Subject,
        now: Instant,
        holder: impl FnOnce() -> String,
    ) -> (Arc<Group>, Option<Arc<Group>>) {
        let mut shard = lock(&self.shards[self.hasher.hash_one(subject) as usize % SHARDS]);
        if let Some(group) = shard.get(&subject) {
            return (Arc::clone(group), None);
        }
        let mut pushed_out = None;
        if shard.len() >= MAX_PER_SHARD {
            forget_idle(&mut shard, now);
            if shard.len() >= MAX_PER_SHARD {
                let victim = shard.keys().next().copied();
                pushed_out = victim.and_then(|victim| shard.remove(&victim));
            }
        }
        let group = match shard.entry(subject) {
            Entry::Occupied(there) => Arc::clone(there.get()),
            Entry::Vacant(place) => Arc::clone(place.insert(Arc::new(Group {
                subject,
                holder: holder(),
                meters: Mutex::default(),
                gate: tokio::sync::Mutex::default(),
            }))),
        };
        (group, pushed_out)
    }

    pub(super) fn all(&self) -> Vec<Arc<Group>> {
        self.shards
            .iter()
            .flat_map(|shard| lock(shard).values().cloned().collect::<Vec<_>>())
            .collect()
    }

    /// Forgets the groups of which nothing counts.
    pub(super) fn forget_idle(&self, now: Instant) {
        for shard in &self.shards {
            forget_idle(&mut lock(shard), now);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }
}

/// A group that somebody holds stays: it is about to be spent from.
fn forget_idle(shard: &mut HashMap<Subject, Arc<Group>>, now: Instant) {
    shard.retain(|_, group| {
        if Arc::strong_count(group) > 1 {
            return true;
        }
        let mut meters = lock(&group.meters);
        meters.retain_mut(|meter| !meter.is_idle(now));
        !meters.is_empty()
    });
}

/// Spends of all the wanted meters, or of none. `held` are the groups of the wants, both in the order of their subjects.
/// The clock is read under the locks: whoever spends later is later.
pub(super) fn spend(
    held: &[(Subject, Arc<Group>)],
    wants: &[Want<'_>],
    cost: u64,
    consume: bool,
    tick: impl Fn() -> Instant,
) -> Tried {
    let mut locked: Few<MutexGuard<'_, Vec<Meter>>> =
        held.iter().map(|(_, group)| lock(&group.meters)).collect();
    let now = tick();
    let mut places: Few<(usize, usize)> = Few::new();
    for want in wants {
        let group = held
            .iter()
            .position(|(subject, _)| *subject == want.subject)
            .unwrap_or_default();
        let place = (group, held[group].1.place_of(&mut locked[group], want));
        // Two limits of one name and window are one meter.
        if !places.contains(&place) {
            places.push(place);
        }
    }

    let mut short: Vec<usize> = Vec::new();
    let mut stale: Vec<usize> = Vec::new();
    let mut retry_after: Option<Span> = None;
    for &(group, meter) in &places {
        let meter = &mut locked[group][meter];
        if !meter.is_known() {
            add(&mut short, group);
            continue;
        }
        // A cost beyond the quota is never admitted; the window is what its asker is told, for want of a never.
        let wait = meter.wait(cost, now).unwrap_or(meter.limit().window());
        if wait > Span::ZERO {
            if meter.is_stale(cost, now) {
                add(&mut stale, group);
            }
            retry_after = retry_after.max(Some(wait));
        }
    }
    // What is refused asks the store for nothing.
    if let Some(retry_after) = retry_after {
        return Tried::Refused { retry_after, stale };
    }
    if consume {
        for &(group, meter) in &places {
            if !locked[group][meter].holds(cost, now) {
                add(&mut short, group);
            }
        }
    }
    if !short.is_empty() {
        for &(group, meter) in places.iter().filter(|_| consume) {
            let meter = &mut locked[group][meter];
            if !meter.holds(cost, now) {
                meter.want(cost);
            }
        }
        return Tried::Short { groups: short };
    }

    let mut low = Vec::new();
    let mut spent = Vec::with_capacity(places.len());
    for &(group, meter) in &places {
        let meter = &mut locked[group][meter];
        if consume {
            meter.spend(cost, now);
        }
        let standing = meter.standing(now);
        if consume && meter.is_low(standing.remaining) {
            add(&mut low, group);
        }
        spent.push(Spent {
            name: Arc::clone(meter.name()),
            quota: meter.limit().quota(),
            remaining: standing.remaining,
            window: meter.limit().window(),
            reset: standing.reset,
        });
    }
    Tried::Spent { spent, low }
}

impl Group {
    pub(super) fn len(&self) -> usize {
        lock(&self.meters).len()
    }

    /// The turns that are due, and at which meters. `short` is when somebody waits.
    pub(super) fn turns(&self, at: Moment, short: bool) -> (Vec<usize>, Vec<Turn>, Vec<Going>) {
        self.due(|meter| {
            let remaining = meter.standing(at.tick).remaining;
            let due = !meter.is_known()
                || meter.is_wanted(at.tick)
                || (!short && (meter.is_low(remaining) || meter.is_stale(0, at.tick)));
            due.then(|| meter.turn(&self.holder, at))
        })
    }

    /// The turns that give back what lies open and is not used.
    pub(super) fn releases(&self, at: Moment) -> (Vec<usize>, Vec<Turn>, Vec<Going>) {
        self.due(|meter| {
            meter
                .is_over(at.tick)
                .then(|| meter.release(&self.holder, at))
        })
    }

    /// What the turns gave.
    pub(super) fn turned(
        &self,
        places: &[usize],
        going: &[Going],
        turned: Vec<Turned>,
        at: Moment,
    ) {
        let mut meters = lock(&self.meters);
        for ((place, going), turned) in places.iter().zip(going).zip(turned) {
            meters[*place].turned(going, turned, at);
        }
    }

    /// Gives up what lies open and tells what counts of each meter, exactly.
    pub(super) fn settle(&self, at: Moment) -> Vec<Settled> {
        let mut meters = lock(&self.meters);
        meters
            .iter_mut()
            .filter(|meter| meter.is_known())
            .map(|meter| meter.settle(&self.holder, at))
            .collect()
    }

    /// The store knows what [`Group::settle`] told.
    pub(super) fn settled(&self) {
        lock(&self.meters).iter_mut().for_each(Meter::settled);
    }

    fn due(
        &self,
        mut turn: impl FnMut(&mut Meter) -> Option<(Turn, Going)>,
    ) -> (Vec<usize>, Vec<Turn>, Vec<Going>) {
        let mut due = (Vec::new(), Vec::new(), Vec::new());
        for (place, meter) in lock(&self.meters).iter_mut().enumerate() {
            if let Some((turn, going)) = turn(meter) {
                due.0.push(place);
                due.1.push(turn);
                due.2.push(going);
            }
        }
        due
    }

    fn place_of(&self, meters: &mut Vec<Meter>, want: &Want<'_>) -> usize {
        let place = meters
            .iter()
            .position(|meter| meter.is_of(want.product, want.limit))
            .unwrap_or_else(|| {
                meters.push(Meter::new(want.product, want.limit, &self.subject.text()));
                meters.len() - 1
            });
        meters[place].follow(want.limit);
        place
    }
}

fn add(places: &mut Vec<usize>, place: usize) {
    if !places.contains(&place) {
        places.push(place);
    }
}

/// A count is whole even if its last holder panicked: nothing under these locks panics half way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
