//! When a delivery that failed is tried again.

use crate::time::{Instant, Span};

/// The waits between tries: a hiccup is over in seconds, a deployment in minutes, an outage in hours. After the last one
/// nearly two days have passed, and what the notice says has been in the list of notices all the while.
pub const RETRIES: [Span; 8] = [
    Span::from_secs(10),
    Span::from_minutes(1),
    Span::from_minutes(5),
    Span::from_minutes(30),
    Span::from_hours(2),
    Span::from_hours(6),
    Span::from_hours(12),
    Span::from_hours(24),
];

/// A wait is lengthened by up to a part of itself, which is the whole divided by this, so that receivers that were down
/// are not met by everything at once.
const JITTER_DIVISOR: i64 = 10;

/// What is known of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is tried when it is due.
    Pending,
    /// The receiver has it.
    Delivered,
    /// It is tried no more.
    Failed,
    /// Its channel was turned off before it went out.
    Dropped,
}

impl State {
    /// The stable word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Delivered => "delivered",
            State::Failed => "failed",
            State::Dropped => "dropped",
        }
    }
}

/// A text that is no state of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a state of a delivery")]
pub struct UnknownState;

impl std::str::FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        [
            State::Pending,
            State::Delivered,
            State::Failed,
            State::Dropped,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or(UnknownState)
    }
}

/// When to try again after `tries` tries, the last of which failed at `now`; `None` when that was the last. `asked` is how
/// long the receiver wants to be left alone: that is honoured up to the next longer wait. `luck` is random.
pub fn next_try(tries: u32, now: Instant, asked: Option<Span>, luck: u32) -> Option<Instant> {
    let place = usize::try_from(tries).ok()?.checked_sub(1)?;
    let wait = *RETRIES.get(place)?;
    let longest = RETRIES.get(place + 1).copied().unwrap_or(wait);
    let wait = asked.map_or(wait, |asked| asked.min(longest).max(wait));
    let jitter = wait.millis() / JITTER_DIVISOR * i64::from(luck) / i64::from(u32::MAX);
    Some(now + wait + Span::from_millis(jitter))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_millis(1_750_000_000_000);

    fn wait(tries: u32, asked: Option<Span>, luck: u32) -> Option<i64> {
        next_try(tries, NOW, asked, luck).map(|at| at.since(NOW).seconds())
    }

    #[test]
    fn the_waits_grow_from_seconds_to_a_day_and_then_it_ends() {
        let waits: Vec<_> = (0..=10).map(|tries| wait(tries, None, 0)).collect();
        let expected = [10, 60, 300, 1800, 7200, 21_600, 43_200, 86_400].map(Some);
        assert_eq!(
            waits[0], None,
            "what was never tried has nothing to wait for"
        );
        assert_eq!(waits[1..=8], expected);
        assert_eq!(waits[9..], [None, None]);
    }

    #[test]
    fn luck_lengthens_a_wait_by_a_tenth_at_most() {
        assert_eq!(wait(2, None, u32::MAX / 2), Some(62));
        assert_eq!(wait(2, None, u32::MAX), Some(66));
    }

    #[test]
    fn a_receiver_is_left_alone_as_it_asks_up_to_the_next_wait() {
        let secs = |seconds| Some(Span::from_secs(seconds));
        for (tries, asked, expected) in [
            (1, secs(5), 10),
            (1, secs(40), 40),
            (1, secs(3600), 60),
            (8, secs(1_000_000), 86_400),
            (1, Some(Span::from_millis(-1)), 10),
        ] {
            assert_eq!(wait(tries, asked, 0), Some(expected), "{tries} {asked:?}");
        }
    }

    #[test]
    fn a_state_reads_back_from_its_word() {
        for state in [
            State::Pending,
            State::Delivered,
            State::Failed,
            State::Dropped,
        ] {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("".parse::<State>().is_err());
    }
}
