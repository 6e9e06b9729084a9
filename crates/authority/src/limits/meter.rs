//! One meter: what one limit of one subject counts in this process, and the block that it may spend from.

use std::sync::Arc;

use credential::limit::{Block, Limit, Reserve, Standing, Window};
use credential::role::ProductName;
use credential::time::{Instant, Span};
use store::limits::{Settled, Turn, Turned};

use super::Moment;

/// How long an open block may be spent from. After a crash, what was open counts until this long later, and a full
/// window more; a meter that is used less often than this waits for the store at each use.
pub(super) const LEASE: Span = Span::from_secs(30);

/// How soon a meter that others keep full asks again what they still have.
const REFRESH: Span = Span::from_secs(1);

/// What is counted. Its window is fixed; its quota may change while it counts.
pub(super) struct Meter {
    product: Option<ProductName>,
    name: Arc<str>,
    limit: Limit,
    /// What it is called in the store.
    text: String,
    /// What this process spent.
    own: Window,
    /// The same and what others may have spent; `None` while nothing of theirs counts.
    seen: Option<Window>,
    /// From here on nothing counts that others had at the last turn.
    others_until: Instant,
    /// What may still be spent of the open block, and until when.
    left: u64,
    until: Instant,
    /// What was spent of it since the last turn, and when last.
    taken: u64,
    last: Instant,
    /// After which moment others think that nothing was spent which they were told of.
    told_until: Instant,
    /// The number of the last turn; `None` before the first.
    turn: Option<i64>,
    turned_at: Instant,
    /// What those wait for who found the block empty.
    wanted: u64,
}

/// A turn on its way to the store.
pub(super) struct Going {
    taken: u64,
    more: u64,
    until: Instant,
}

impl Meter {
    pub(super) fn new(product: Option<&ProductName>, limit: &Limit, subject: &str) -> Self {
        let of = product.map(ProductName::as_str).unwrap_or_default();
        Self {
            product: product.cloned(),
            name: limit.name().into(),
            text: format!(
                "{subject}:{of}:{}:{}",
                limit.name(),
                limit.window().millis()
            ),
            limit: limit.clone(),
            own: Window::new(),
            seen: None,
            others_until: Instant::from_millis(i64::MIN),
            left: 0,
            until: Instant::from_millis(i64::MIN),
            taken: 0,
            last: Instant::from_millis(i64::MIN),
            told_until: Instant::from_millis(i64::MIN),
            turn: None,
            turned_at: Instant::from_millis(i64::MIN),
            wanted: 0,
        }
    }

    /// Whether this is the meter of that limit. A limit with another window is another meter: what one counted says
    /// nothing of the other.
    pub(super) fn is_of(&self, product: Option<&ProductName>, limit: &Limit) -> bool {
        self.limit.window() == limit.window()
            && *self.name == *limit.name()
            && self.product.as_ref() == product
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn limit(&self) -> &Limit {
        &self.limit
    }

    /// Takes over what the limit says now.
    pub(super) fn follow(&mut self, limit: &Limit) {
        if self.limit != *limit {
            self.limit = limit.clone();
        }
    }

    /// Before its first turn a meter does not know what others, and this server before it was started again, have spent.
    pub(super) fn is_known(&self) -> bool {
        self.turn.is_some()
    }

    /// How long until the cost may be spent, blocks apart; `None` is never.
    pub(super) fn wait(&mut self, cost: u64, now: Instant) -> Option<Span> {
        let (window, limit) = self.window(now);
        window.wait(limit, cost, now)
    }

    /// Whether others stand in the way and nobody asked them lately.
    pub(super) fn is_stale(&mut self, cost: u64, now: Instant) -> bool {
        self.seen.is_some()
            && now.since(self.turned_at) >= REFRESH
            && self.own.wait(&self.limit, cost, now) == Some(Span::ZERO)
    }

    /// Whether the open block holds the cost.
    pub(super) fn holds(&self, cost: u64, now: Instant) -> bool {
        cost == 0 || (self.left >= cost && now < self.until)
    }

    /// Whether the next block should be fetched before this one is used up, while so much remains of the quota. Not while
    /// others spend too: they may need it.
    pub(super) fn is_low(&self, remaining: u64) -> bool {
        let mut reserve = Reserve::default();
        reserve.refill(self.left);
        self.seen.is_none() && self.left < remaining && reserve.is_low(&self.limit)
    }

    /// Spends; whoever calls has asked [`Meter::wait`] and [`Meter::holds`] at the same moment.
    pub(super) fn spend(&mut self, cost: u64, now: Instant) {
        let (window, limit) = self.window(now);
        let spent = window.spend(limit, cost, now);
        debug_assert!(spent, "the wait was zero");
        if self.seen.is_some() {
            self.own.spend(&self.limit, cost, now);
        }
        self.left = self.left.saturating_sub(cost);
        self.taken = self.taken.saturating_add(cost);
        self.last = self.last.max(now);
    }

    pub(super) fn standing(&mut self, now: Instant) -> Standing {
        let (window, limit) = self.window(now);
        window.standing(limit, now)
    }

    /// Notes that somebody waits for a turn to spend this.
    pub(super) fn want(&mut self, cost: u64) {
        self.wanted = self.wanted.saturating_add(cost);
    }

    /// Whether somebody waits for more than lies open.
    pub(super) fn is_wanted(&mut self, now: Instant) -> bool {
        if self.wanted > 0 && self.holds(self.wanted, now) {
            self.wanted = 0;
        }
        self.wanted > 0
    }

    /// A turn that brings what is wanted, and ahead of it, as far as the quota leaves it.
    pub(super) fn turn(&mut self, holder: &str, at: Moment) -> (Turn, Going) {
        let wanted = std::mem::take(&mut self.wanted);
        let remaining = self.standing(at.tick).remaining.saturating_sub(self.left);
        let more = Reserve::block_units(&self.limit, wanted).min(remaining);
        self.going(holder, more, at)
    }

    /// A turn that gives back what is left.
    pub(super) fn release(&mut self, holder: &str, at: Moment) -> (Turn, Going) {
        self.left = 0;
        self.going(holder, 0, at)
    }

    /// Whether a block lies open that may be spent from no more, or something was spent that the store knows only as a
    /// block.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.turn.is_some() && now >= self.until && (self.left > 0 || self.taken > 0)
    }

    /// What a turn gave. Meanwhile more may have been spent of what was left.
    pub(super) fn turned(&mut self, going: &Going, turned: Turned, at: Moment) {
        self.taken = self.taken.saturating_sub(going.taken);
        self.left = self.left.saturating_add(going.more);
        self.until = going.until;
        self.turn = Some(turned.number);
        self.turned_at = at.tick;
        let Some(others) = turned.others else { return };
        self.seen = None;
        self.others_until = Instant::from_millis(i64::MIN);
        for Block { units, closed } in others {
            let closed = closed.map_or(at.tick, |closed| at.tick_of(closed));
            let seen = self.seen.get_or_insert_with(|| self.own.clone());
            seen.restore(&self.limit, units, closed, at.tick);
            let until = closed + Span::from_millis(1) + self.limit.window();
            self.others_until = self.others_until.max(until);
        }
    }

    /// Whether it may be forgotten: nothing of this process counts, here or in the store, and nothing is open. Who asks
    /// for it again would take what the store still has for somebody else's.
    pub(super) fn is_idle(&mut self, now: Instant) -> bool {
        self.own.is_idle(&self.limit, now)
            && (self.left, self.taken, self.wanted) == (0, 0, 0)
            && self.told_until + self.limit.window() < now
    }

    /// Gives up the open block and tells what counts, exactly.
    pub(super) fn settle(&mut self, holder: &str, at: Moment) -> Settled {
        self.left = 0;
        self.own.is_idle(&self.limit, at.tick);
        let told = |block: Block| Block {
            units: block.units,
            closed: block.closed.map(|tick| at.told(tick)),
        };
        Settled {
            meter: self.text.clone(),
            holder: holder.to_owned(),
            window: self.limit.window(),
            slice: self.limit.slice(),
            blocks: self.own.blocks().map(told).collect(),
        }
    }

    /// The store knows what [`Meter::settle`] told.
    pub(super) fn settled(&mut self) {
        self.taken = 0;
    }

    fn going(&mut self, holder: &str, more: u64, at: Moment) -> (Turn, Going) {
        let open = self.left + more;
        self.told_until = self.told_until.max(self.last + at.margin);
        let turn = Turn {
            meter: self.text.clone(),
            holder: holder.to_owned(),
            window: self.limit.window(),
            spent: Block {
                units: self.taken,
                closed: Some(at.told(self.last)),
            },
            slice: self.limit.slice(),
            open,
            until: at.told(at.tick + LEASE),
            last: self.turn,
        };
        (
            turn,
            Going {
                taken: self.taken,
                more,
                until: at.tick + LEASE,
            },
        )
    }

    fn window(&mut self, now: Instant) -> (&mut Window, &Limit) {
        if now >= self.others_until {
            self.seen = None;
        }
        (self.seen.as_mut().unwrap_or(&mut self.own), &self.limit)
    }
}
