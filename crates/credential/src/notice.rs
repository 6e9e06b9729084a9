//! What people should be told about a key, when, and over which [`channel`].
//!
//! Pure like everything here: from facts and `now` follows the list of what is due, each with a
//! name under which it is told once. A key whose expiry is moved is told of again.

use serde::{Deserialize, Serialize};

use crate::id::KeyId;
use crate::time::{Instant, Span};

pub mod channel;
pub mod delivery;
#[cfg(test)]
mod tests;
pub mod url;

/// The word of every notice: those that are due at a time ([`Kind`]), and those that tell of what happened.
pub const WORDS: [&str; 8] = [
    Kind::ExpiresSoon.as_str(),
    Kind::ExpiresVerySoon.as_str(),
    Kind::RefreshDue.as_str(),
    Kind::RefreshLapsed.as_str(),
    Kind::Unused.as_str(),
    REFRESH_REUSED,
    TAMPERING,
    CHANNEL_FAILING,
];
/// A refresh token came back after its successor was in use: somebody copied it.
pub const REFRESH_REUSED: &str = "refresh_reused";
/// A row disagrees with the audit trail.
pub const TAMPERING: &str = "tampering";
/// Nothing gets through over a channel.
pub const CHANNEL_FAILING: &str = "channel_failing";

/// What a notice says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The key expires within the longer time ahead.
    ExpiresSoon,
    /// The key expires within the shorter time ahead.
    ExpiresVerySoon,
    /// The key's refresh token should be used, before it lapses.
    RefreshDue,
    /// The key's refresh token has lapsed: the key can never mint tokens again.
    RefreshLapsed,
    /// Nobody has used the key for long.
    Unused,
}

impl Kind {
    /// The stable word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::ExpiresSoon => "expires_soon",
            Kind::ExpiresVerySoon => "expires_very_soon",
            Kind::RefreshDue => "refresh_due",
            Kind::RefreshLapsed => "refresh_lapsed",
            Kind::Unused => "unused",
        }
    }
}

/// When what is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The longer time before an expiry; a week, so that it meets a working day.
    pub soon: Span,
    /// The shorter time before an expiry.
    pub very_soon: Span,
    /// A refresh token should be used in the last part of its life, which is the whole divided by
    /// this. At least one.
    pub refresh_divisor: u32,
    /// How long a key may lie unused; `None` asks nothing.
    pub unused: Option<Span>,
}

impl Default for Policy {
    /// A week and a day before an expiry; in the last sixth of a refresh token's life, which is
    /// from day 50 of 60 (the advice of Security Cloud Control); after 90 days without use.
    fn default() -> Self {
        Self {
            soon: Span::from_days(7),
            very_soon: Span::from_days(1),
            refresh_divisor: 6,
            unused: Some(Span::from_days(90)),
        }
    }
}

/// What is known of a key that is active. Others need no notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The key.
    pub key: KeyId,
    /// When it was created.
    pub created_at: Instant,
    /// When it expires.
    pub expires_at: Option<Instant>,
    /// When its newest refresh token was issued and when that lapses.
    pub refresh: Option<(Instant, Instant)>,
    /// When it was last used.
    pub last_used_at: Option<Instant>,
}

/// A notice that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What it says.
    pub kind: Kind,
    /// The moment it is about: the expiry, the lapse, the last use.
    pub about: Instant,
    /// The name under which it is told once.
    pub once: String,
}

/// Everything that is due at `now`; of an expired key nothing is.
pub fn due(facts: &Facts, policy: &Policy, now: Instant) -> Vec<Due> {
    if facts.expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Vec::new();
    }
    let told = |(kind, about): (Kind, Instant)| Due {
        kind,
        about,
        once: format!("{}:{}:{}", kind.as_str(), facts.key, about.millis()),
    };
    let all = [
        expiry(facts, policy, now),
        refresh(facts, policy, now),
        unused(facts, policy, now),
    ];
    all.into_iter().flatten().map(told).collect()
}

/// Only the nearer of the two notices is due at a time. A key whose whole life is shorter than the
/// time ahead was meant to end soon: its maker knows.
fn expiry(facts: &Facts, policy: &Policy, now: Instant) -> Option<(Kind, Instant)> {
    let expires_at = facts.expires_at?;
    let is_due =
        |ahead: Span| now >= expires_at - ahead && expires_at.since(facts.created_at) > ahead;
    if is_due(policy.very_soon) {
        Some((Kind::ExpiresVerySoon, expires_at))
    } else {
        is_due(policy.soon).then_some((Kind::ExpiresSoon, expires_at))
    }
}

fn refresh(facts: &Facts, policy: &Policy, now: Instant) -> Option<(Kind, Instant)> {
    let (issued_at, lapses_at) = facts.refresh?;
    if now >= lapses_at {
        return Some((Kind::RefreshLapsed, lapses_at));
    }
    // Where the key itself ends with its refresh token, refreshing does not help.
    if facts
        .expires_at
        .is_some_and(|expires_at| expires_at <= lapses_at)
    {
        return None;
    }
    let last_part = lapses_at.since(issued_at).millis() / i64::from(policy.refresh_divisor.max(1));
    (now >= lapses_at - Span::from_millis(last_part)).then_some((Kind::RefreshDue, lapses_at))
}

fn unused(facts: &Facts, policy: &Policy, now: Instant) -> Option<(Kind, Instant)> {
    let since = facts
        .last_used_at
        .unwrap_or(facts.created_at)
        .max(facts.created_at);
    (now >= since + policy.unused?).then_some((Kind::Unused, since))
}
