//! The count of one rolling window.
//!
//! Time is the latest moment the window was ever told: a clock that goes back stands still here,
//! and admits nothing more. A cost accepted at `t` is kept under the end of its slice, the first
//! moment of the next one, and counts until a full window after that end.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Limit, MAX_QUOTA, Standing};
use crate::time::{Instant, Span};

/// The most entries a window keeps: its slices, the one under way, and room for what was restored.
pub const MAX_SLICES: usize = 1100;

/// What was spent, and when. An empty one is what a fresh key has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// Sorted by end.
    spent: VecDeque<Spent>,
    total: u64,
    latest: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spent {
    /// After every moment at which it was, or can have been, spent.
    end: Instant,
    cost: u64,
}

impl Window {
    /// A window in which nothing was spent.
    pub fn new() -> Self {
        Self::default()
    }

    /// The window as the blocks that were reserved tell it, after a crash or from another replica:
    /// every unit counts until a full window after the last moment it could have been spent.
    pub fn restored(limit: &Limit, blocks: &[Block], now: Instant) -> Self {
        let mut window = Self::new();
        for block in blocks {
            window.restore(limit, block.units, block.closed.unwrap_or(now), now);
        }
        window
    }

    /// Counts what was reserved and may have been spent at any moment up to `last_possible`. It is
    /// counted even beyond the quota.
    pub fn restore(&mut self, limit: &Limit, reserved: u64, last_possible: Instant, now: Instant) {
        self.insert(Spent {
            end: last_possible + Span::from_millis(1),
            cost: reserved.min(MAX_QUOTA),
        });
        self.pass(limit, now);
    }

    /// How long until `cost` may be spent, if nothing else is; zero is now, `None` is never.
    pub fn wait(&mut self, limit: &Limit, cost: u64, now: Instant) -> Option<Span> {
        self.pass(limit, now);
        if cost > limit.quota() {
            return None;
        }
        let mut excess = self
            .total
            .saturating_add(cost)
            .saturating_sub(limit.quota());
        let mut wait = Span::ZERO;
        for spent in &self.spent {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(spent.cost);
            // Told against the caller's clock, which may be behind the latest moment.
            wait = (spent.end + limit.window()).since(now);
        }
        Some(wait)
    }

    /// Spends the cost if it may be spent now; says whether.
    pub fn spend(&mut self, limit: &Limit, cost: u64, now: Instant) -> bool {
        let admitted = self.wait(limit, cost, now) == Some(Span::ZERO);
        if admitted {
            self.add(limit, cost, now);
        }
        admitted
    }

    /// How it stands.
    pub fn standing(&mut self, limit: &Limit, now: Instant) -> Standing {
        self.pass(limit, now);
        Standing {
            remaining: limit.quota().saturating_sub(self.total),
            reset: self
                .spent
                .back()
                .map_or(Span::ZERO, |last| (last.end + limit.window()).since(now)),
        }
    }

    /// Whether nothing counts any more, so that the window may be forgotten.
    pub fn is_idle(&mut self, limit: &Limit, now: Instant) -> bool {
        self.pass(limit, now);
        self.spent.is_empty()
    }

    /// What counts, as blocks that tell the same window again.
    pub fn blocks(&self) -> impl Iterator<Item = Block> + '_ {
        self.spent.iter().map(|spent| Block {
            units: spent.cost,
            closed: Some(spent.end - Span::from_millis(1)),
        })
    }

    /// Counts a cost that was admitted.
    pub(super) fn add(&mut self, limit: &Limit, cost: u64, now: Instant) {
        self.pass(limit, now);
        let slice = limit.slice().millis();
        let end = self
            .time(now)
            .millis()
            .div_euclid(slice)
            .saturating_add(1)
            .saturating_mul(slice);
        self.insert(Spent {
            end: Instant::from_millis(end),
            cost,
        });
    }

    /// Lets time pass: forgets what is a full window ago.
    fn pass(&mut self, limit: &Limit, now: Instant) {
        let time = self.time(now);
        self.latest = Some(time);
        while let Some(first) = self.spent.front() {
            if first.end + limit.window() > time {
                break;
            }
            self.total -= first.cost;
            self.spent.pop_front();
        }
    }

    fn insert(&mut self, new: Spent) {
        if new.cost == 0 {
            return;
        }
        self.total = self.total.saturating_add(new.cost);
        let place = self.spent.partition_point(|spent| spent.end < new.end);
        match self.spent.get_mut(place) {
            Some(spent) if spent.end == new.end => spent.cost = spent.cost.saturating_add(new.cost),
            _ => self.spent.insert(place, new),
        }
        // Two become one at the later end: later is the safe side.
        if self.spent.len() > MAX_SLICES
            && let Some(first) = self.spent.pop_front()
            && let Some(second) = self.spent.front_mut()
        {
            second.cost = second.cost.saturating_add(first.cost);
        }
    }

    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.spent.len()
    }

    fn time(&self, now: Instant) -> Instant {
        self.latest.map_or(now, |latest| latest.max(now))
    }
}

/// Units of a limit that were set aside in the store before they are spent, so that a crash cannot
/// lose them: they count from then on, spent or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// How many.
    pub units: u64,
    /// After which moment none of them was or will be spent: when the last was spent, or the lease
    /// of the block ends. `None` while they may still be spent; after a crash, the last possible
    /// moment is then the restart.
    pub closed: Option<Instant>,
}

impl Block {
    /// Whether the block counts no more and its row may go.
    pub fn is_over(&self, limit: &Limit, now: Instant) -> bool {
        self.closed
            .is_some_and(|closed| closed + Span::from_millis(1) + limit.window() <= now)
    }
}

/// What a process has set aside and not yet spent. A cost is admitted only when the window admits
/// it *and* the reserve holds it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reserve {
    left: u64,
}

impl Reserve {
    /// How many units to set aside at a time: a hundredth of the quota, at least the cost at hand.
    /// That is also what a crash may waste, at most twice.
    pub fn block_units(limit: &Limit, cost: u64) -> u64 {
        (limit.quota() / 100).max(1).max(cost)
    }

    /// What is left.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Whether it is time to set aside the next block, before this one is used up.
    pub fn is_low(&self, limit: &Limit) -> bool {
        self.left < Self::block_units(limit, 0).div_ceil(2)
    }

    /// Takes a cost out, if it is there; says whether.
    pub fn take(&mut self, cost: u64) -> bool {
        let taken = self.left.checked_sub(cost);
        self.left = taken.unwrap_or(self.left);
        taken.is_some()
    }

    /// Adds a block that the store has confirmed.
    pub fn refill(&mut self, units: u64) {
        self.left = self.left.saturating_add(units);
    }
}
