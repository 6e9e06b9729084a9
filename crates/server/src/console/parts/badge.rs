//! How a key stands, in words and in colour.

use credential::key::{Key, State};
use credential::time::{Instant, Span};
use maud::{Markup, html};

/// How grave something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::console) enum Tone {
    Good,
    Warn,
    Bad,
    Plain,
}

impl Tone {
    pub(in crate::console) const fn class(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Warn => "warn",
            Tone::Bad => "bad",
            Tone::Plain => "",
        }
    }
}

/// A word with a colour that only repeats it.
pub(in crate::console) fn badge(tone: Tone, word: &str) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (word) } }
}

/// At most two words about a key, the gravest first. `refresh` is when its newest refresh token was issued and when that
/// lapses, where it has one.
pub(in crate::console) fn conditions(
    key: &Key,
    refresh: Option<(Instant, Instant)>,
    used: Option<Instant>,
    now: Instant,
) -> Vec<(Tone, &'static str)> {
    let mut told = Vec::new();
    match key.state {
        State::Revoked { .. } => return vec![(Tone::Bad, "Revoked")],
        _ if key.is_expired(now) => told.push((Tone::Bad, "Expired")),
        _ => {}
    }
    if refresh.is_some_and(|(_, lapses)| now >= lapses) {
        told.push((Tone::Bad, "Refresh lapsed"));
    }
    if matches!(key.state, State::Disabled { .. }) {
        told.push((Tone::Warn, "Disabled"));
    }
    if told.is_empty() {
        let left = key.expires_at.map(|at| at.since(now));
        match left {
            Some(left) if left <= Span::from_days(1) => {
                told.push((Tone::Warn, "Expires within a day"))
            }
            Some(left) if left <= Span::from_days(7) => {
                told.push((Tone::Warn, "Expires within a week"))
            }
            _ => {}
        }
        let due = refresh.is_some_and(|(issued, lapses)| {
            let last_part = lapses.since(issued).millis() / 6;
            now >= lapses - Span::from_millis(last_part)
        });
        if due {
            told.push((Tone::Warn, "Refresh due"));
        }
        if key
            .previous
            .as_ref()
            .is_some_and(|previous| now < previous.until)
        {
            told.push((Tone::Warn, "Rotating"));
        }
    }
    if told.is_empty() {
        told.push((Tone::Good, "Active"));
        if used.is_none() {
            told.push((Tone::Plain, "Never used"));
        }
    }
    told.truncate(2);
    told
}
