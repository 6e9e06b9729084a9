//! What is told, in words for people: what, about which thing, when, and what to do.

use authority::notices::courier::Parcel;
use credential::notice::{CHANNEL_FAILING, Kind, REFRESH_REUSED, TAMPERING};
use credential::time::Instant;

/// The longest name that stands in a subject line; the whole one is in the text.
const NAME_IN_SUBJECT: usize = 60;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// One line.
    pub(super) subject: String,
    /// Plain text, lines ended by `\n`.
    pub(super) text: String,
}

/// The message of a parcel.
pub(super) fn message(parcel: &Parcel) -> Message {
    let notice = &parcel.notice;
    let detail: serde_json::Value = serde_json::from_str(&notice.body).unwrap_or_default();
    let text_of = |member: &str| detail[member].as_str().map(one_line);
    let moment_of = |member: &str| {
        detail[member]
            .as_i64()
            .map(|at| moment(Instant::from_millis(at)))
    };
    let thing = match text_of("key_name").or_else(|| text_of("channel_name")) {
        Some(name) => format!("{} \"{name}\"", noun(notice.subject.kind.as_str())),
        None => noun(notice.subject.kind.as_str()).to_owned(),
    };
    let at = moment_of("about_ms").or_else(|| moment_of("failing_since_ms"));
    let (what, todo) = if parcel.is_test {
        TEST
    } else {
        told(&notice.kind)
    };
    let named = shortened(&thing);
    let subject = format!("[Latchkey] {}", what.replace("{}", &named));
    let mut lines = vec![format!("{}.", what.replace("{}", &thing)), String::new()];
    if let Some(organization) = &parcel.organization {
        lines.push(format!("Organization: {}", one_line(organization)));
    }
    lines.push(format!(
        "About: {} {}",
        noun(notice.subject.kind.as_str()),
        one_line(&notice.subject.id)
    ));
    if let Some(at) = at {
        lines.push(format!("Moment: {at}"));
    }
    lines.push(format!("Told: {}", moment(notice.created_at)));
    lines.extend([String::new(), todo.to_owned(), String::new()]);
    lines.push(format!("Server: {}", parcel.server));
    lines.push(format!("Notice: {}", notice.id));
    lines.push(
        "This was sent by a notice channel of the organization; an administrator can change it at \
         /api/v1/notices/channels."
            .to_owned(),
    );
    Message {
        subject,
        text: lines.join("\n") + "\n",
    }
}

const TEST: (&str, &str) = (
    "A test of a {}",
    "Nothing has to be done: somebody tried whether messages arrive.",
);

/// What a kind says, with `{}` for the thing that it is about, and what to do.
fn told(kind: &str) -> (&'static str, &'static str) {
    const TOLD: &[(&str, &str, &str)] = &[
        (
            Kind::ExpiresSoon.as_str(),
            "The {} expires soon",
            "Whatever uses it stops working then. Give it a later expiry, or make a new key and move its users over.",
        ),
        (
            Kind::ExpiresVerySoon.as_str(),
            "The {} expires within a day",
            "Whatever uses it stops working then. Give it a later expiry now, or replace it.",
        ),
        (
            Kind::RefreshDue.as_str(),
            "The {} should be refreshed",
            "Use its refresh token before the moment above. After it the key gives no new tokens, for good.",
        ),
        (
            Kind::RefreshLapsed.as_str(),
            "The {} can never be refreshed again",
            "Its refresh token lapsed unused. Make a new key, and revoke this one.",
        ),
        (
            Kind::Unused.as_str(),
            "The {} has not been used for long",
            "A key that nobody needs is one that can only be stolen. Revoke it if it is not needed.",
        ),
        (
            REFRESH_REUSED,
            "A refresh token of the {} came back after it was replaced",
            "Somebody has a copy of it. Its tokens were ended. Find out where it was copied, and make new ones.",
        ),
        (
            TAMPERING,
            "The stored {} disagrees with the audit trail",
            "It was changed outside the server. Look into the audit trail and at who can write to the database.",
        ),
        (
            CHANNEL_FAILING,
            "Nothing gets through over a {}",
            "Since the moment above nothing was delivered over it. See its deliveries, mend its receiver or delete it.",
        ),
    ];
    TOLD.iter().find(|(known, ..)| *known == kind).map_or(
        (
            "There is news about the {}",
            "See the list of notices for more.",
        ),
        |(_, what, todo)| (what, todo),
    )
}

fn noun(kind: &str) -> &str {
    match kind {
        "notice_channel" => "notice channel",
        "signing_key" => "signing key",
        "family" => "family of tokens",
        other => other,
    }
}

/// Names are the text of users: in one line each, without anything that is no character to be seen.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= NAME_IN_SUBJECT {
        return text.to_owned();
    }
    let begin: String = text.chars().take(NAME_IN_SUBJECT).collect();
    format!("{begin}…")
}

/// A moment as RFC 3339 in UTC, to the second.
pub(super) fn moment(at: Instant) -> String {
    jiff::Timestamp::from_second(at.seconds()).map_or_else(|_| String::new(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use authority::notices::Notice;
    use authority::notices::courier::Receiver;
    use credential::event::{Subject, SubjectKind};
    use credential::id::{ChannelId, NoticeId, OrganizationId};
    use credential::notice::WORDS;

    use super::*;

    const NOW: Instant = Instant::from_millis(1_750_000_000_000);

    pub(crate) fn parcel(kind: &str, name: &str) -> Parcel {
        let id = NoticeId::from_bytes([1; 16]);
        Parcel {
            id,
            channel: ChannelId::from_bytes([2; 16]),
            receiver: Receiver::Email(Vec::new()),
            notice: Notice {
                id,
                organization: Some(OrganizationId::from_bytes([3; 16])),
                once: "once".to_owned(),
                kind: kind.to_owned(),
                subject: Subject {
                    kind: SubjectKind::Key,
                    id: "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b".to_owned(),
                },
                body: serde_json::json!({ "key_name": name, "about_ms": NOW.millis() }).to_string(),
                created_at: NOW,
                read: None,
            },
            organization: Some("Acme".to_owned()),
            server: "https://keys.example".to_owned(),
            is_test: false,
            at: NOW,
        }
    }

    #[test]
    fn a_message_says_what_which_when_and_what_to_do() {
        let Message { subject, text } = message(&parcel("expires_soon", "CI deploy"));
        assert_eq!(subject, "[Latchkey] The key \"CI deploy\" expires soon");
        insta::assert_snapshot!(text, @r#"
        The key "CI deploy" expires soon.

        Organization: Acme
        About: key 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b
        Moment: 2025-06-15T15:06:40Z
        Told: 2025-06-15T15:06:40Z

        Whatever uses it stops working then. Give it a later expiry, or make a new key and move its users over.

        Server: https://keys.example
        Notice: 01010101-0101-0101-0101-010101010101
        This was sent by a notice channel of the organization; an administrator can change it at /api/v1/notices/channels.
        "#);
    }

    #[test]
    fn every_kind_of_notice_has_its_words() {
        for kind in WORDS {
            assert_ne!(told(kind).0, told("unheard of").0, "{kind}");
        }
    }

    #[test]
    fn a_name_cannot_begin_a_line_of_its_own() {
        let Message { subject, text } = message(&parcel(
            "unused",
            "x\r\nBcc: thief@example.com\u{85}\u{2028}",
        ));
        assert!(!subject.contains(['\r', '\n']) && !subject.chars().any(char::is_control));
        assert!(!text.lines().any(|line| line.starts_with("Bcc")), "{text}");
        let long = message(&parcel("unused", &"n".repeat(300)));
        assert!(long.subject.chars().count() < 120, "{}", long.subject);
    }
}
