//! Channels: the ways out that an organization opens for its notices.

use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::WORDS;
use super::url::HookUrl;
use crate::event::{Subject, SubjectKind};
use crate::id::{ChannelId, OrganizationId};
use crate::key::Maker;
use crate::name::Name;
use crate::organization::Email;
use crate::time::{Instant, Span};

/// The most addresses of one channel: a team; more people are a mailing list.
pub const MAX_RECIPIENTS: usize = 20;
/// How long the secret before still signs after a rotation: a receiver takes the new one over within a day.
pub const OVERLAP: Span = Span::from_hours(24);
/// Since when a channel over which nothing gets through counts as failing: a long weekend is no failure.
pub const FAILING_AFTER: Span = Span::from_days(5);

/// A way out for an organization's notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its identifier.
    pub id: ChannelId,
    /// Whose notices go out over it.
    pub organization: OrganizationId,
    /// What people call it.
    pub name: Name,
    /// How, and to whom.
    pub way: Way,
    /// Which notices.
    pub wanted: Wanted,
    /// Whether anything goes out over it.
    pub active: bool,
    /// When it was made.
    pub created_at: Instant,
    /// Who made it.
    pub created_by: Maker,
    /// Counts its changes, from 1.
    pub version: i64,
}

/// How a channel reaches people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// As e-mail, to each of these: 1 to [`MAX_RECIPIENTS`], none twice.
    Email(Vec<Email>),
    /// As a signed request.
    Webhook(Webhook),
}

/// A signed request to one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where to.
    pub url: HookUrl,
    /// What signs.
    pub secret: SigningSecret,
    /// What signs besides, until a moment: the secret before.
    pub previous: Option<(SigningSecret, Instant)>,
}

/// Which notices a channel wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Every one, those that later versions know included.
    All,
    /// Those of these kinds, of which there is at least one.
    Kinds(BTreeSet<String>),
}

/// A rule that a channel breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadChannel {
    /// Nobody, too many, or somebody twice.
    #[error("expected 1 to {MAX_RECIPIENTS} addresses, none of them twice")]
    Recipients,
    /// A kind of notice that there is not, or none at all.
    #[error("expected at least one of {}", WORDS.join(", "))]
    Kinds,
}

/// 256 random bits that sign what goes to one receiver. It cannot be printed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct SigningSecret([u8; 32]);

impl SigningSecret {
    /// The secret with exactly these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be sealed or shown once.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// HMAC-SHA256 over a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut signature = [0; 32];
        signature.copy_from_slice(hmac::sign(&key, message).as_ref());
        signature
    }
}

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningSecret(..)")
    }
}

impl Way {
    /// E-mail to these.
    pub fn email(to: Vec<Email>) -> Result<Self, BadChannel> {
        let different: BTreeSet<&str> = to.iter().map(Email::as_str).collect();
        if to.is_empty() || to.len() > MAX_RECIPIENTS || different.len() < to.len() {
            return Err(BadChannel::Recipients);
        }
        Ok(Self::Email(to))
    }

    /// The word for it.
    pub const fn word(&self) -> &'static str {
        match self {
            Way::Email(_) => "email",
            Way::Webhook(_) => "webhook",
        }
    }
}

impl Webhook {
    /// With another secret; the one so far signs besides for [`OVERLAP`]. Of three secrets the oldest ends at once.
    pub fn rotate(self, secret: SigningSecret, now: Instant) -> Self {
        Self {
            url: self.url,
            secret,
            previous: Some((self.secret, now + OVERLAP)),
        }
    }

    /// The secrets that sign at a moment, the newest first.
    pub fn signing(&self, now: Instant) -> Vec<SigningSecret> {
        let before = self.previous.iter().filter(|(_, until)| now < *until);
        std::iter::once(&self.secret)
            .chain(before.map(|(secret, _)| secret))
            .cloned()
            .collect()
    }
}

impl Wanted {
    /// These kinds only.
    pub fn kinds(kinds: impl IntoIterator<Item = String>) -> Result<Self, BadChannel> {
        let kinds: BTreeSet<String> = kinds.into_iter().collect();
        let known = kinds.iter().all(|kind| WORDS.contains(&kind.as_str()));
        if kinds.is_empty() || !known {
            return Err(BadChannel::Kinds);
        }
        Ok(Self::Kinds(kinds))
    }
}

impl Channel {
    /// Whether a notice of this kind about this goes out over it. What is wrong with a channel is not told over it.
    pub fn wants(&self, kind: &str, about: &Subject) -> bool {
        let itself = about.kind == SubjectKind::NoticeChannel && about.id == self.id.to_string();
        let wanted = match &self.wanted {
            Wanted::All => true,
            Wanted::Kinds(kinds) => kinds.contains(kind),
        };
        self.active && wanted && !itself
    }
}

/// Whether a channel over which nothing got through since a moment counts as failing.
pub fn is_failing(failing_since: Option<Instant>, now: Instant) -> bool {
    failing_since.is_some_and(|since| now.since(since) >= FAILING_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::Kind;

    const NOW: Instant = Instant::from_millis(1_750_000_000_000);

    fn channel() -> Channel {
        Channel {
            id: ChannelId::from_bytes([1; 16]),
            organization: OrganizationId::from_bytes([2; 16]),
            name: Name::new("Ops").unwrap(),
            way: Way::email(vec![Email::new("ops@example.com").unwrap()]).unwrap(),
            wanted: Wanted::All,
            active: true,
            created_at: NOW,
            created_by: Maker::System,
            version: 1,
        }
    }

    fn about(kind: SubjectKind, id: &str) -> Subject {
        Subject {
            kind,
            id: id.to_owned(),
        }
    }

    #[test]
    fn a_channel_gets_what_it_wants_while_it_is_active() {
        let key = about(SubjectKind::Key, "k");
        let only = Wanted::kinds(["expires_soon".to_owned()]).unwrap();
        for (wanted, active, kind, expected) in [
            (Wanted::All, true, "expires_soon", true),
            (Wanted::All, false, "expires_soon", false),
            (only.clone(), true, "expires_soon", true),
            (only, true, "unused", false),
        ] {
            let channel = Channel {
                wanted,
                active,
                ..channel()
            };
            assert_eq!(channel.wants(kind, &key), expected, "{channel:?} {kind}");
        }
    }

    #[test]
    fn a_channel_is_not_told_about_itself() {
        let (mine, id) = (channel(), channel().id.to_string());
        assert!(!mine.wants("channel_failing", &about(SubjectKind::NoticeChannel, &id)));
        assert!(mine.wants(
            "channel_failing",
            &about(SubjectKind::NoticeChannel, "another")
        ));
    }

    #[test]
    fn kinds_and_recipients_have_their_bounds() {
        let people = |count: usize| -> Vec<Email> {
            (0..count)
                .map(|n| Email::new(&format!("a{n}@example.com")).unwrap())
                .collect()
        };
        assert!(Way::email(people(MAX_RECIPIENTS)).is_ok());
        let twice = [people(1), people(1)].concat();
        for bad in [people(0), people(MAX_RECIPIENTS + 1), twice] {
            assert_eq!(Way::email(bad), Err(BadChannel::Recipients));
        }
        for bad in [vec![], vec!["expired".to_owned()]] {
            assert_eq!(Wanted::kinds(bad), Err(BadChannel::Kinds));
        }
    }

    #[test]
    fn every_kind_of_notice_has_its_word_in_the_list() {
        use Kind::{ExpiresSoon, ExpiresVerySoon, RefreshDue, RefreshLapsed, Unused};
        for kind in [
            ExpiresSoon,
            ExpiresVerySoon,
            RefreshDue,
            RefreshLapsed,
            Unused,
        ] {
            assert!(WORDS.contains(&kind.as_str()), "{kind:?}");
        }
    }

    #[test]
    fn the_secret_before_signs_for_a_day() {
        let secret = |byte| SigningSecret::from_bytes([byte; 32]);
        let url = HookUrl::new("https://example.com/").unwrap();
        let first = Webhook {
            url,
            secret: secret(1),
            previous: None,
        };
        assert_eq!(first.signing(NOW), [secret(1)]);
        let second = first.rotate(secret(2), NOW);
        let last = NOW + OVERLAP - Span::from_millis(1);
        assert_eq!(second.signing(last), [secret(2), secret(1)]);
        assert_eq!(second.signing(NOW + OVERLAP), [secret(2)]);
        assert_eq!(
            second.rotate(secret(3), NOW).signing(NOW),
            [secret(3), secret(2)]
        );
    }

    #[test]
    fn a_signature_is_hmac_sha256() {
        // RFC 4231 has no key of 32 bytes; this is what Python's hmac gives for 32 times 0x0b and "Hi There".
        let signature = SigningSecret::from_bytes([0x0b; 32]).sign(b"Hi There");
        let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "198a607eb44bfbc69903a0f1cf2bbdc5ba0aa3f3d9ae3c1c7a3b1696a0b68cf7"
        );
    }

    #[test]
    fn a_channel_fails_after_five_days() {
        let early = NOW + FAILING_AFTER - Span::from_millis(1);
        assert!(!is_failing(None, NOW + FAILING_AFTER));
        assert!(!is_failing(Some(NOW), early));
        assert!(is_failing(Some(NOW), NOW + FAILING_AFTER));
    }
}
