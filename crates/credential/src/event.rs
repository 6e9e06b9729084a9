//! The audit trail: what is recorded, in which words, and how the records hang together.
//!
//! Every change writes one [`Event`] in its own transaction. An event says who did what to which
//! row, and what the row is worth since: its version and the digest of its stored form. So the
//! trail knows the latest state of every row, and a row that was edited, put back or removed
//! behind the server's back no longer agrees with it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::OrganizationId;
use crate::key::Maker;
use crate::time::Instant;

mod chain;
#[cfg(test)]
mod tests;

pub use chain::{Anchors, Break, Checkpoint, Head, Sealed, digest, genesis, link, verify_chain};

/// The longest detail of an event in bytes: it names what changed, it does not repeat the row.
pub const MAX_DETAIL_BYTES: usize = 8192;
/// The longest other text of an event (an id, a request id) in bytes.
pub const MAX_TEXT_BYTES: usize = 256;

/// The row digest of an event about a row that is gone, or about no row.
pub const NO_ROW: [u8; 32] = [0; 32];

/// A text that is not an action, a subject or an actor of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a word of the audit trail")]
pub struct UnknownWord(pub String);

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum $name {
            $($(#[$word_doc])* $variant,)*
        }

        impl $name {
            /// All of them, in the order of this page.
            pub const ALL: &[$name] = &[$($name::$variant,)*];

            /// The stable text: stored, exported and hashed, so it never changes.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)*
                }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($text => Ok($name::$variant),)*
                    _ => Err(UnknownWord(text.to_owned())),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl TryFrom<String> for $name {
            type Error = UnknownWord;

            fn try_from(text: String) -> Result<Self, UnknownWord> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> String {
                word.as_str().to_owned()
            }
        }
    };
}

words! {
    /// What was done.
    Action {
        /// An organization came to be.
        OrganizationCreated = "organization.created",
        /// Its name or its manager changed.
        OrganizationEdited = "organization.edited",
        /// All of its keys and users stopped being good.
        OrganizationDisabled = "organization.disabled",
        /// They are good again, as far as they are themselves.
        OrganizationEnabled = "organization.enabled",
        /// An organization is gone.
        OrganizationDeleted = "organization.deleted",
        /// A person was added.
        UserCreated = "user.created",
        /// A person's name or address changed.
        UserEdited = "user.edited",
        /// A person, and what depends on the person, stopped being good.
        UserDisabled = "user.disabled",
        /// The person is good again.
        UserEnabled = "user.enabled",
        /// A person was removed.
        UserDeleted = "user.deleted",
        /// A person got, changed or lost roles in an organization.
        UserRolesChanged = "user.roles_changed",
        /// A person's password was set or reset.
        UserPasswordChanged = "user.password_changed",
        /// A person logged in.
        UserLoggedIn = "user.logged_in",
        /// A person logged out, or was logged out.
        UserLoggedOut = "user.logged_out",
        /// A person's browser began to be known.
        SessionBegan = "session.began",
        /// The person behind a session typed their password again.
        SessionProven = "session.proven",
        /// A session was ended, or had been over for long.
        SessionEnded = "session.ended",
        /// A group of people came to be.
        GroupCreated = "group.created",
        /// Its name, its roles or where it is shared changed.
        GroupEdited = "group.edited",
        /// Other people, or other groups, are in it; perhaps more changed with them.
        GroupMembersChanged = "group.members_changed",
        /// A group is gone; its members have its roles no more.
        GroupDeleted = "group.deleted",
        /// A custom role came to be.
        RoleCreated = "role.created",
        /// Its name or its scopes changed.
        RoleEdited = "role.edited",
        /// It permits nothing any more.
        RoleDeleted = "role.deleted",
        /// A key came to be.
        KeyCreated = "key.created",
        /// Its name, comment, grants, limits, addresses or expiry changed.
        KeyEdited = "key.edited",
        /// It is not good until it is enabled.
        KeyDisabled = "key.disabled",
        /// It is good again.
        KeyEnabled = "key.enabled",
        /// It has a new secret.
        KeyRotated = "key.rotated",
        /// Its earlier secret stopped being good before its overlap ended.
        KeyOverlapEnded = "key.overlap_ended",
        /// Its refresh token was used for new tokens.
        KeyRefreshed = "key.refreshed",
        /// It is never good again.
        KeyRevoked = "key.revoked",
        /// Its row was found to be edited outside the server; it is not good until somebody looks.
        KeySuspended = "key.suspended",
        /// Long expired or revoked, it was removed for good.
        KeyPurged = "key.purged",
        /// An access token was issued.
        TokenIssued = "token.issued",
        /// An access token was revoked before its expiry.
        TokenRevoked = "token.revoked",
        /// A revoked token has expired, and is remembered no longer.
        TokenPurged = "token.purged",
        /// A chain of refresh tokens began.
        FamilyStarted = "family.started",
        /// A token of its current generation was presented for the first time.
        FamilyUsed = "family.used",
        /// A chain of refresh tokens was ended.
        FamilyRevoked = "family.revoked",
        /// A refresh token was used again after its time; its chain is ended.
        FamilyReused = "family.reused",
        /// A chain of refresh tokens lapsed long ago, and was removed for good.
        FamilyPurged = "family.purged",
        /// A signing key is published, and does not sign yet.
        SigningKeyPublished = "signing_key.published",
        /// It signs.
        SigningKeyActivated = "signing_key.activated",
        /// It signs no more, and is published until its last token has expired.
        SigningKeyRetired = "signing_key.retired",
        /// What it signed is not good any more.
        SigningKeyRevoked = "signing_key.revoked",
        /// Settings of an organization or of the server changed.
        SettingsChanged = "settings.changed",
        /// Another version of a product's catalog is in force.
        CatalogApplied = "catalog.applied",
        /// Another version of a gateway's route policy is in force.
        PolicyApplied = "policy.applied",
        /// A notice was raised.
        NoticeRaised = "notice.raised",
        /// Somebody has seen a notice to its end.
        NoticeAcknowledged = "notice.acknowledged",
        /// A backup was taken.
        BackupTaken = "backup.taken",
        /// The store was brought back from a backup.
        BackupRestored = "backup.restored",
        /// The master key has a new version.
        KeyringRotated = "keyring.rotated",
        /// A checkpoint of the trail was signed.
        CheckpointSigned = "checkpoint.signed",
        /// Older events were closed at a checkpoint and removed.
        AuditClosed = "audit.closed",
        /// A row disagrees with the trail.
        TamperingFound = "tampering.found",
        /// The server was set up by its set-up token.
        ServerSetUp = "server.set_up",
        /// The server started.
        ServerStarted = "server.started",
        /// The server stopped on purpose.
        ServerStopped = "server.stopped",
        /// A credential was presented to the administration and was not good.
        AuthenticationDenied = "authentication.denied",
        /// A good credential asked the administration for more than its rights.
        AuthorizationDenied = "authorization.denied",
    }
}

words! {
    /// Who did it.
    ActorKind {
        /// A machine, by its key.
        Key = "key",
        /// A person.
        User = "user",
        /// The server itself: a job, a start.
        System = "system",
        /// Whoever holds the set-up token or the server's shell.
        Setup = "setup",
        /// Nobody known: a credential that was not good.
        Nobody = "nobody",
    }
}

words! {
    /// What kind of thing it was done to.
    SubjectKind {
        /// An organization.
        Organization = "organization",
        /// A person.
        User = "user",
        /// A person's place and roles in an organization.
        Membership = "membership",
        /// A group of people.
        Group = "group",
        /// A role.
        Role = "role",
        /// A key.
        Key = "key",
        /// An access token.
        Token = "token",
        /// A chain of refresh tokens.
        Family = "family",
        /// A signing key.
        SigningKey = "signing_key",
        /// Settings.
        Settings = "settings",
        /// A product's catalog.
        Catalog = "catalog",
        /// A gateway's route policy.
        Policy = "policy",
        /// A notice.
        Notice = "notice",
        /// A console session.
        Session = "session",
        /// The audit trail.
        Audit = "audit",
        /// The server as a whole.
        Server = "server",
    }
}

/// Who did something, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// What kind of actor.
    pub kind: ActorKind,
    /// The key or the user; empty for the others.
    pub id: String,
    /// The organization that the actor belongs to.
    pub organization: Option<OrganizationId>,
    /// The address it came from.
    pub address: Option<IpAddr>,
    /// The request, as the answer and the log name it.
    pub request_id: Option<String>,
}

/// What it was done to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// What kind of thing.
    pub kind: SubjectKind,
    /// Which one.
    pub id: String,
}

/// One record of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Its place in its chain, from 1 without gaps.
    pub seq: i64,
    /// When.
    pub at: Instant,
    /// The organization in whose trail it belongs; none for the server's own.
    pub organization: Option<OrganizationId>,
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// To which thing.
    pub subject: Subject,
    /// The version of the thing's row since then; zero when the event is about no row.
    pub subject_version: i64,
    /// The digest of the row's stored form since then ([`digest`]); [`NO_ROW`] when it is gone.
    pub row_digest: [u8; 32],
    /// More about it, as a JSON object in one spelling: what is stored is what is hashed. Never a
    /// secret.
    pub detail: String,
}

impl Actor {
    /// The server itself.
    pub const SYSTEM: Actor = Actor::plain(ActorKind::System);
    /// Whoever holds the set-up token or the server's shell.
    pub const SETUP: Actor = Actor::plain(ActorKind::Setup);

    /// Whoever `maker` is, from an address, in a request; an empty request id is none.
    pub fn of(
        maker: Maker,
        organization: Option<OrganizationId>,
        address: Option<IpAddr>,
        request_id: &str,
    ) -> Self {
        let (kind, id) = match maker {
            Maker::User(id) => (ActorKind::User, id.to_string()),
            Maker::Key(id) => (ActorKind::Key, id.to_string()),
            Maker::System => (ActorKind::System, String::new()),
        };
        let request_id = (!request_id.is_empty()).then(|| request_id.to_owned());
        Self {
            kind,
            id,
            organization,
            address,
            request_id,
        }
    }

    const fn plain(kind: ActorKind) -> Self {
        Self {
            kind,
            id: String::new(),
            organization: None,
            address: None,
            request_id: None,
        }
    }
}
