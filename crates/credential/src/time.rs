//! Moments and lengths of time as plain numbers of milliseconds. There is no `now()` here: whoever
//! decides is told what time it is.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// A moment: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(i64);

/// A length of time in milliseconds; never negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(i64);

/// A length of time as people choose one: what a day or a month is depends on where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// Days of 24 hours.
    Days(u32),
    /// Months of the calendar, in UTC: to the same day, or to the last one of a shorter month.
    Months(u32),
}

impl Term {
    /// The moment at which a term ends that begins at `from`; [`Instant::MAX`] where the calendar ends before it.
    pub fn after(self, from: Instant) -> Instant {
        let months = match self {
            Term::Days(days) => return Instant::MAX.min(from + Span::from_days(days.into())),
            Term::Months(months) => months,
        };
        let begin = jiff::Timestamp::from_millisecond(from.millis()).ok();
        let end = begin
            .zip(jiff::Span::new().try_months(months).ok())
            .and_then(|(begin, months)| {
                let begin = begin.to_zoned(jiff::tz::TimeZone::UTC);
                begin.checked_add(months).ok()
            });
        end.map_or(Instant::MAX, |end| {
            Instant::from_millis(end.timestamp().as_millisecond())
        })
    }
}

impl Instant {
    /// The latest moment that RFC 3339 can write, 9999-12-31T23:59:59.999Z.
    pub const MAX: Instant = Instant(253_402_300_799_999);

    /// The moment `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down: the unit of JWT claims (RFC 7519).
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub const fn since(self, earlier: Instant) -> Span {
        let millis = self.0.saturating_sub(earlier.0);
        Span(if millis > 0 { millis } else { 0 })
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// A span of milliseconds; a negative number is no time at all.
    pub const fn from_millis(millis: i64) -> Self {
        Self(if millis > 0 { millis } else { 0 })
    }

    /// A span of seconds.
    pub const fn from_secs(seconds: i64) -> Self {
        Self::from_millis(seconds.saturating_mul(1000))
    }

    /// A span of minutes.
    pub const fn from_minutes(minutes: i64) -> Self {
        Self::from_secs(minutes.saturating_mul(60))
    }

    /// A span of hours.
    pub const fn from_hours(hours: i64) -> Self {
        Self::from_minutes(hours.saturating_mul(60))
    }

    /// A span of days of 24 hours.
    pub const fn from_days(days: i64) -> Self {
        Self::from_hours(days.saturating_mul(24))
    }

    /// The length in milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The length in whole seconds, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0 / 1000
    }
}

impl Add<Span> for Instant {
    type Output = Instant;

    fn add(self, span: Span) -> Instant {
        Instant(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Instant {
    type Output = Instant;

    fn sub(self, span: Span) -> Instant {
        Instant(self.0.saturating_sub(span.0))
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_those_of_the_calendar_and_days_have_24_hours() {
        let at = |text: &str| {
            let at: jiff::Timestamp = text.parse().unwrap();
            Instant::from_millis(at.as_millisecond())
        };
        for (from, term, expected) in [
            (
                "2025-01-15T10:00:00.250Z",
                Term::Months(6),
                "2025-07-15T10:00:00.250Z",
            ),
            (
                "2025-08-31T12:00:00Z",
                Term::Months(6),
                "2026-02-28T12:00:00Z",
            ),
            (
                "2027-08-31T12:00:00Z",
                Term::Months(6),
                "2028-02-29T12:00:00Z",
            ),
            (
                "2025-12-31T23:59:59.999Z",
                Term::Months(2),
                "2026-02-28T23:59:59.999Z",
            ),
            (
                "2024-02-29T00:00:00Z",
                Term::Months(12),
                "2025-02-28T00:00:00Z",
            ),
            (
                "2025-03-29T12:00:00Z",
                Term::Days(2),
                "2025-03-31T12:00:00Z",
            ),
            (
                "2025-01-01T00:00:00Z",
                Term::Days(0),
                "2025-01-01T00:00:00Z",
            ),
        ] {
            assert_eq!(term.after(at(from)), at(expected), "{from} + {term:?}");
        }
    }

    #[test]
    fn no_term_leaves_the_calendar() {
        let begin = Instant::from_millis(1_700_000_000_000);
        for term in [
            Term::Days(u32::MAX),
            Term::Months(u32::MAX),
            Term::Months(200_000),
        ] {
            assert_eq!(term.after(begin), Instant::MAX, "{term:?}");
            assert_eq!(term.after(Instant::MAX), Instant::MAX, "{term:?}");
        }
    }
}
