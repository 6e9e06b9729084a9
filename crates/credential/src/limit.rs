//! Limits: how much may be spent in any window of time, and the state that keeps count.
//!
//! A [`Window`] promises that at no instant the accepted costs within any window exceed the quota.
//! It keeps costs by slices of a thousandth of the window and forgets a slice only when all of it
//! is a full window ago, so what it refuses too early is at most one slice's worth of time.

#[cfg(test)]
mod tests;
mod window;

use serde::{Deserialize, Serialize};

use crate::time::{Instant, Span};
pub use window::{Block, MAX_SLICES, Reserve, Window};

/// The largest quota; far beyond any real one, and no sum of costs can overflow below it.
pub const MAX_QUOTA: u64 = 1_000_000_000_000;
/// The shortest window.
pub const MIN_WINDOW: Span = Span::from_secs(1);
/// The longest window: a year, leap or not.
pub const MAX_WINDOW: Span = Span::from_days(366);
/// The most limits on one key, organization, owner or route.
pub const MAX_LIMITS: usize = 16;
/// The longest name of a limit in characters.
pub const MAX_LIMIT_NAME_CHARS: usize = 64;

/// How much may be spent in any window of a length.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "StoredLimit", into = "StoredLimit")]
pub struct Limit {
    name: Box<str>,
    quota: u64,
    window: Span,
}

/// A limit that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLimit {
    /// The name is not 1 to [`MAX_LIMIT_NAME_CHARS`] of `a-z`, `0-9`, `_`, `-`.
    #[error("the name of a limit consists of 1 to 64 lower case letters, digits, _ and -")]
    Name,
    /// The quota is zero or above [`MAX_QUOTA`]; who may spend nothing is disabled.
    #[error("a quota is from 1 to {MAX_QUOTA}")]
    Quota,
    /// The window is shorter than [`MIN_WINDOW`] or longer than [`MAX_WINDOW`].
    #[error("a window is from 1 second to 366 days")]
    Window,
}

impl Limit {
    /// At most `quota` in any `window`. The name is what headers and answers call it.
    pub fn new(name: &str, quota: u64, window: Span) -> Result<Self, BadLimit> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if name.is_empty() || name.len() > MAX_LIMIT_NAME_CHARS || !name.chars().all(good) {
            return Err(BadLimit::Name);
        }
        if quota == 0 || quota > MAX_QUOTA {
            return Err(BadLimit::Quota);
        }
        if window < MIN_WINDOW || window > MAX_WINDOW {
            return Err(BadLimit::Window);
        }
        Ok(Self {
            name: name.into(),
            quota,
            window,
        })
    }

    /// What headers and answers call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How much may be spent in any window.
    pub fn quota(&self) -> u64 {
        self.quota
    }

    /// The length of the window.
    pub fn window(&self) -> Span {
        self.window
    }

    /// The resolution of the count: a thousandth of the window, in whole milliseconds rounded up.
    pub fn slice(&self) -> Span {
        Span::from_millis((self.window.millis() + 999) / 1000)
    }
}

/// How a window stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What may still be spent.
    pub remaining: u64,
    /// How long until the whole quota is there again, if nothing more is spent.
    pub reset: Span,
}

/// The answer to a wish to spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is spent, from every window.
    Admitted {
        /// Which window has the least left, by its place; zero when there is none.
        tightest: usize,
        /// How that one stands afterwards.
        standing: Standing,
    },
    /// Nothing is spent, from any window.
    Refused {
        /// Which window makes one wait the longest, by its place.
        tightest: usize,
        /// How that one stands.
        standing: Standing,
        /// How long until the same cost may be admitted, if nothing more is spent; `None` when it
        /// is above the whole quota and never will be.
        retry_after: Option<Span>,
    },
}

impl Decision {
    /// Whether it was spent.
    pub fn is_admitted(&self) -> bool {
        matches!(self, Decision::Admitted { .. })
    }
}

/// Spends a cost from every window, or from none. A refused cost is not counted.
pub fn spend_all(windows: &mut [(&Limit, &mut Window)], cost: u64, now: Instant) -> Decision {
    let mut refused: Option<(usize, Option<Span>)> = None;
    for (place, (limit, window)) in windows.iter_mut().enumerate() {
        let wait = window.wait(limit, cost, now);
        // Never is longer than any wait.
        let is_longer = |worst: Option<Span>| match (wait, worst) {
            (None, worst) => worst.is_some(),
            (Some(wait), Some(worst)) => wait > worst,
            (Some(_), None) => false,
        };
        if wait != Some(Span::ZERO) && refused.is_none_or(|(_, worst)| is_longer(worst)) {
            refused = Some((place, wait));
        }
    }
    if let Some((tightest, retry_after)) = refused {
        let (limit, window) = &mut windows[tightest];
        return Decision::Refused {
            tightest,
            standing: window.standing(limit, now),
            retry_after,
        };
    }
    let mut least: Option<(usize, Standing)> = None;
    for (place, (limit, window)) in windows.iter_mut().enumerate() {
        window.add(limit, cost, now);
        let standing = window.standing(limit, now);
        if least.is_none_or(|(_, least)| standing.remaining < least.remaining) {
            least = Some((place, standing));
        }
    }
    let (tightest, standing) = least.unwrap_or((
        0,
        Standing {
            remaining: u64::MAX,
            reset: Span::ZERO,
        },
    ));
    Decision::Admitted { tightest, standing }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredLimit {
    name: String,
    quota: u64,
    window_ms: Span,
}

impl TryFrom<StoredLimit> for Limit {
    type Error = BadLimit;

    fn try_from(stored: StoredLimit) -> Result<Self, BadLimit> {
        Self::new(&stored.name, stored.quota, stored.window_ms)
    }
}

impl From<Limit> for StoredLimit {
    fn from(limit: Limit) -> Self {
        Self {
            name: limit.name.into(),
            quota: limit.quota,
            window_ms: limit.window,
        }
    }
}
