//! Moments as people read them: the exact one in UTC, and how far away it is.

use credential::time::{Instant, Span};
use maud::{Markup, html};

/// A moment, to the minute, in UTC.
pub(in crate::console) fn at(moment: Instant) -> Markup {
    let (machine, words) = (machine(moment), words(moment));
    html! { time datetime=(machine) { (words) } }
}

/// A moment or nothing.
pub(in crate::console) fn day(moment: Option<Instant>, nothing: &str) -> Markup {
    match moment {
        Some(moment) => at(moment),
        None => html! { span class="soft" { (nothing) } },
    }
}

/// A moment with how far away it is.
pub(in crate::console) fn ahead(moment: Instant, now: Instant) -> Markup {
    let far = if moment >= now {
        format!("in {}", long(moment.since(now)))
    } else {
        format!("{} ago", long(now.since(moment)))
    };
    html! { (at(moment)) " " span class="soft small" { "(" (far) ")" } }
}

fn long(span: Span) -> String {
    let seconds = span.seconds();
    let (number, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

fn machine(moment: Instant) -> String {
    jiff::Timestamp::from_millisecond(moment.millis())
        .map(|at| at.to_string())
        .unwrap_or_default()
}

fn words(moment: Instant) -> String {
    let zoned = jiff::Timestamp::from_millisecond(moment.millis())
        .map(|at| at.to_zoned(jiff::tz::TimeZone::UTC));
    zoned
        .map(|at| at.strftime("%-d %b %Y, %H:%M UTC").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_exactly_and_as_people_say_it() {
        let now = Instant::from_millis(1_767_225_600_000);
        let text = ahead(now + Span::from_days(7), now).into_string();
        assert_eq!(
            text,
            "<time datetime=\"2026-01-08T00:00:00Z\">8 Jan 2026, 00:00 UTC</time> <span class=\"soft small\">(in 7 days)</span>"
        );
        assert!(
            ahead(now - Span::from_secs(1), now)
                .into_string()
                .contains("(1 second ago)")
        );
    }
}
