//! How keys are used: noted in memory on the path of an answer, written in batches beside it.
//!
//! A note goes into a **lane**. Each thread has its own, so that two requests for one busy key do not wait for each other;
//! a flush empties all lanes and adds them up. What is not yet written when a process is killed is lost: these are figures
//! for people, and no verdict reads them.

mod calls;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use calls::Noted as NotedCalls;
pub use calls::{Call, CallCount};
use credential::id::KeyId;
use credential::key::{Denial, Key};
use credential::time::Instant;
pub use store::usage::HourCount;
pub use store::usage::Usage as UsageRow;
use store::usage::{HourlyUsage, MAX_BATCH};

use crate::Authority;
use crate::caller::Caller;
use crate::failure::Failure;
use crate::keyring::Live;
use crate::verify::Question;

/// Lanes: at least as many as threads that answer, on the machines that one process is meant for.
const LANES: usize = 32;
/// The most secrets in one lane between two flushes: a million in all, some 200 MB if every one of them were in use.
const MAX_NOTED: usize = 32_768;
/// The most routes of one secret that are counted apart between two flushes; the rest count as one, without a name.
const MAX_ROUTES: usize = 64;
/// A route is noted up to here: it may come from a request's path.
const MAX_ROUTE_CHARS: usize = 200;
/// The most hours that are told at once: five weeks.
const MAX_HOURS: usize = 840;
/// What issuing a token counts as.
const ISSUE_ROUTE: &str = "token";
/// How a good verdict ended.
const VALID: &str = "VALID";

/// What is noted and not yet written.
#[derive(Default)]
pub(crate) struct Usage {
    lanes: [Mutex<Lane>; LANES],
    lost: AtomicU64,
}

type Lane = HashMap<(KeyId, u32), Noted>;

#[derive(Default)]
struct Noted {
    last: Option<Last>,
    uses: u64,
    hours: Vec<Hour>,
}

struct Last {
    at: Instant,
    from: Option<IpAddr>,
    route: String,
}

struct Hour {
    hour: Instant,
    route: String,
    outcome: &'static str,
    uses: u64,
}

impl Authority {
    /// The last written use of each secret of keys that the caller was shown, in the order of the keys. What was used
    /// a moment ago may not be written yet.
    pub async fn last_uses(&self, keys: &[Key]) -> Result<Vec<Vec<UsageRow>>, Failure> {
        /// A key has at most two live secrets; earlier ones are told of nowhere.
        const SECRETS: usize = 2;
        let ids: Vec<KeyId> = keys.iter().map(|key| key.id).collect();
        let read = move |view: &store::View<'_>| -> Result<_, store::Fault> {
            ids.iter().map(|id| view.usage_of(*id, SECRETS)).collect()
        };
        Ok(self.store().view(read).await?)
    }

    /// How often a key was used in each of the hours that begin from `from` on and before `before`, the oldest first;
    /// hours without a use are left out. At most five weeks of them are told. What was used a moment ago may not be
    /// written yet.
    pub async fn hourly_usage(
        &self,
        caller: &Caller,
        id: KeyId,
        from: Instant,
        before: Instant,
    ) -> Result<Vec<HourCount>, Failure> {
        let key = self.key(caller, id).await?;
        let from = HourlyUsage::hour_of(from);
        let read =
            move |view: &store::View<'_>| view.hour_counts(key.id, VALID, from, before, MAX_HOURS);
        Ok(self.store().view::<_, store::Fault>(read).await?)
    }

    /// Notes that a secret was used for what it is good for.
    pub(crate) fn note_use(
        &self,
        live: &Arc<Live>,
        generation: u32,
        question: &Question<'_>,
        now: Instant,
    ) {
        live.used.fetch_max(now.millis(), Ordering::Relaxed);
        self.0.usage.note(
            (live.key.id, generation),
            question.route,
            VALID,
            Some(question.from),
            now,
        );
    }

    /// Notes that a proven secret was refused: it counts in reports, and is no use of the key.
    pub(crate) fn note_denial(
        &self,
        live: &Arc<Live>,
        generation: u32,
        question: &Question<'_>,
        denial: &Denial,
        now: Instant,
    ) {
        self.0.usage.note(
            (live.key.id, generation),
            question.route,
            denial.code(),
            None,
            now,
        );
    }

    /// Notes that a token was issued for a secret.
    pub(crate) fn note_issue(
        &self,
        live: &Arc<Live>,
        generation: u32,
        from: Option<IpAddr>,
        now: Instant,
    ) {
        live.used.fetch_max(now.millis(), Ordering::Relaxed);
        self.0.usage.note(
            (live.key.id, generation),
            ISSUE_ROUTE,
            VALID,
            Some(from),
            now,
        );
    }

    /// Writes what was noted; for a job that runs every few seconds, and the last thing but one before a stop.
    pub async fn flush_usage(&self) -> Result<(), Failure> {
        self.flush_calls().await?;
        let lost = self.0.usage.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(
                uses = lost,
                "more keys are in use than can be noted between two flushes"
            );
        }
        let mut batches = batches(self.0.usage.take()).into_iter();
        while let Some((uses, hours)) = batches.next() {
            if let Err(fault) = self.store().note_usage(uses.clone(), hours.clone()).await {
                // Not written, or in doubt: figures that are once too high are better than lost ones.
                for (uses, hours) in std::iter::once((uses, hours)).chain(batches) {
                    self.0.usage.put_back(uses, hours);
                }
                return Err(fault.into());
            }
        }
        Ok(())
    }
}

impl Usage {
    /// `from` is given for a use, and is the address it came from, where that is known.
    fn note(
        &self,
        secret: (KeyId, u32),
        route: &str,
        outcome: &'static str,
        from: Option<Option<IpAddr>>,
        now: Instant,
    ) {
        let route = shortened(route);
        let mut lane = lock(&self.lanes[own_lane()]);
        if lane.len() >= MAX_NOTED && !lane.contains_key(&secret) {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let noted = lane.entry(secret).or_default();
        if let Some(from) = from {
            noted.uses += 1;
            noted.used(now, from, route);
        }
        noted.ended(HourlyUsage::hour_of(now), route, outcome, 1);
    }

    fn take(&self) -> Lane {
        let mut all = Lane::new();
        for lane in &self.lanes {
            // The lock is held for a swap: what is added up meanwhile waits for nobody.
            let taken = std::mem::take(&mut *lock(lane));
            for (secret, noted) in taken {
                match all.entry(secret) {
                    Entry::Vacant(place) => drop(place.insert(noted)),
                    Entry::Occupied(mut there) => there.get_mut().add(noted),
                }
            }
        }
        all
    }

    fn put_back(&self, uses: Vec<UsageRow>, hours: Vec<HourlyUsage>) {
        let mut lane = lock(&self.lanes[own_lane()]);
        for row in uses {
            if lane.len() >= MAX_NOTED {
                self.lost.fetch_add(row.uses, Ordering::Relaxed);
                continue;
            }
            let noted = lane.entry((row.key, row.generation)).or_default();
            noted.uses += row.uses;
            noted.used(
                row.last_used_at,
                row.address,
                row.route.as_deref().unwrap_or_default(),
            );
        }
        for row in hours {
            // Reports are by key; which of its secrets it was is known no more.
            if let Some(outcome) = crate::VERDICT_CODES
                .into_iter()
                .find(|code| *code == row.outcome)
                && lane.len() < MAX_NOTED
            {
                lane.entry((row.key, 0))
                    .or_default()
                    .ended(row.hour, &row.route, outcome, row.uses);
            }
        }
    }
}

impl Noted {
    fn used(&mut self, at: Instant, from: Option<IpAddr>, route: &str) {
        match &mut self.last {
            Some(last) if last.at > at => {}
            Some(last) => {
                last.at = at;
                last.from = from;
                if last.route != route {
                    last.route.clear();
                    last.route.push_str(route);
                }
            }
            None => {
                self.last = Some(Last {
                    at,
                    from,
                    route: route.to_owned(),
                })
            }
        }
    }

    fn ended(&mut self, hour: Instant, route: &str, outcome: &'static str, uses: u64) {
        let is_of = |known: &Hour, route: &str| {
            known.hour == hour && known.outcome == outcome && known.route == route
        };
        if let Some(known) = self.hours.iter_mut().find(|known| is_of(known, route)) {
            known.uses += uses;
            return;
        }
        let route = if self.hours.len() < MAX_ROUTES {
            route
        } else {
            ""
        };
        match self.hours.iter_mut().find(|known| is_of(known, route)) {
            Some(known) => known.uses += uses,
            None => self.hours.push(Hour {
                hour,
                route: route.to_owned(),
                outcome,
                uses,
            }),
        }
    }

    fn add(&mut self, other: Noted) {
        self.uses += other.uses;
        if let Some(last) = other.last {
            self.used(last.at, last.from, &last.route);
        }
        for Hour {
            hour,
            route,
            outcome,
            uses,
        } in other.hours
        {
            self.ended(hour, &route, outcome, uses);
        }
    }
}

/// Rows for the store, in transactions that are not too long.
fn batches(noted: Lane) -> Vec<(Vec<UsageRow>, Vec<HourlyUsage>)> {
    let mut uses = Vec::with_capacity(noted.len());
    let mut hours: HashMap<(KeyId, Instant, String, &'static str), u64> = HashMap::new();
    for ((key, generation), noted) in noted {
        if let Some(last) = noted.last {
            let route = (!last.route.is_empty()).then_some(last.route);
            let (last_used_at, address) = (last.at, last.from);
            uses.push(UsageRow {
                key,
                generation,
                last_used_at,
                address,
                route,
                uses: noted.uses,
            });
        }
        for Hour {
            hour,
            route,
            outcome,
            uses,
        } in noted.hours
        {
            *hours.entry((key, hour, route, outcome)).or_default() += uses;
        }
    }
    let hours: Vec<HourlyUsage> = hours
        .into_iter()
        .map(|((key, hour, route, outcome), uses)| HourlyUsage {
            key,
            hour,
            route,
            outcome: outcome.to_owned(),
            uses,
        })
        .collect();
    let mut batches: Vec<_> = uses
        .chunks(MAX_BATCH)
        .map(|uses| (uses.to_vec(), Vec::new()))
        .collect();
    for (place, hours) in hours.chunks(MAX_BATCH).enumerate() {
        match batches.get_mut(place) {
            Some(batch) => batch.1 = hours.to_vec(),
            None => batches.push((Vec::new(), hours.to_vec())),
        }
    }
    batches
}

fn shortened(route: &str) -> &str {
    route
        .char_indices()
        .nth(MAX_ROUTE_CHARS)
        .map_or(route, |(end, _)| &route[..end])
}

/// The lane of this thread.
fn own_lane() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static LANE: usize = THREADS.fetch_add(1, Ordering::Relaxed) % LANES;
    }
    LANE.with(|lane| *lane)
}

/// Figures are whole even if their last holder panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
