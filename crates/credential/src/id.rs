//! Typed identifiers: 128 bits each, printed as a UUID (version 7 layout, RFC 9562), so that they
//! sort by creation and cannot be mixed up with one another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::Instant;

/// A text that is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier: expected a UUID such as 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b")]
pub struct BadId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 16]);

        impl $name {
            /// A new identifier: 48 bits of `now` in milliseconds, the rest from `entropy`.
            pub fn mint(now: Instant, entropy: [u8; 16]) -> Self {
                let mut bytes = entropy;
                bytes[..6].copy_from_slice(&now.millis().max(0).to_be_bytes()[2..]);
                bytes[6] = (bytes[6] & 0x0F) | 0x70;
                bytes[8] = (bytes[8] & 0x3F) | 0x80;
                Self(bytes)
            }

            /// The identifier with exactly these bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes behind the printed form.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                uuid::Uuid::from_bytes(self.0).as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            /// Reads the hyphenated form only, in either case.
            fn from_str(text: &str) -> Result<Self, BadId> {
                if text.len() != 36 {
                    return Err(BadId);
                }
                uuid::Uuid::try_parse(text).map(|id| Self(id.into_bytes())).map_err(|_| BadId)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;

            fn try_from(text: String) -> Result<Self, BadId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    )*};
}

ids! {
    /// A tenant.
    OrganizationId;
    /// A person who administers an organization.
    UserId;
    /// A group of people.
    GroupId;
    /// A role, custom or built-in.
    RoleId;
    /// A key: it keeps this identifier through every rotation.
    KeyId;
    /// A chain of refresh tokens of one key.
    FamilyId;
    /// One access token (its `jti`).
    TokenId;
    /// An entry of the change feed.
    ChangeId;
    /// A running process that answers questions.
    ReplicaId;
    /// A notice to people.
    NoticeId;
    /// A person's being signed in.
    SessionId;
    /// A way out for notices.
    ChannelId;
    /// Something that an organization claimed of what is offered.
    SubscriptionId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_print_and_nothing_else_does() {
        let id = KeyId::mint(Instant::from_millis(1_700_000_000_000), [0xAB; 16]);
        assert_eq!(id.to_string().parse::<KeyId>(), Ok(id));
        for bad in [
            "",
            "x",
            "0190a1b2c3d47e5f8a9b0c1d2e3f4a5b",
            "{0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5}",
        ] {
            assert_eq!(bad.parse::<KeyId>(), Err(BadId), "{bad:?}");
        }
    }

    #[test]
    fn ids_sort_by_the_time_they_were_minted() {
        let early = KeyId::mint(Instant::from_millis(1), [0xFF; 16]);
        let late = KeyId::mint(Instant::from_millis(2), [0x00; 16]);
        assert!(early < late);
    }
}
