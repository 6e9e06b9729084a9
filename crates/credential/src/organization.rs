//! Tenants and the people who administer them.

use serde::{Deserialize, Serialize};

use crate::canonical::Canonical;
use crate::grant::RoleGrant;
use crate::id::{OrganizationId, UserId};
use crate::name::Name;
use crate::time::Instant;

/// How an organization stands to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrganizationKind {
    /// By itself.
    Standalone,
    /// It administers its managed organizations.
    Manager,
    /// Its manager administers it too.
    Managed,
}

impl OrganizationKind {
    /// The word for it, as stored and as written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            OrganizationKind::Standalone => "standalone",
            OrganizationKind::Manager => "manager",
            OrganizationKind::Managed => "managed",
        }
    }

    /// The kind of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Standalone, Self::Manager, Self::Managed]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its identifier, for good.
    pub id: OrganizationId,
    /// A small number that dialects with numeric organization ids show; unique on the server.
    pub number: i64,
    /// What people call it.
    pub name: Name,
    /// How it stands to others, for good.
    pub kind: OrganizationKind,
    /// Its manager; managed organizations have one, others none.
    pub parent: Option<OrganizationId>,
    /// A disabled organization's keys are all refused.
    pub active: bool,
    /// When it was created.
    pub created_at: Instant,
    /// Counts the row's changes.
    pub version: i64,
}

impl Organization {
    /// Everything stored about it, as its row's MAC covers it.
    pub fn context(&self) -> Vec<u8> {
        Canonical::new("latchkey organization row")
            .bytes(self.id.as_bytes())
            .int(self.number)
            .text(self.name.as_str())
            .text(self.kind.as_str())
            .opt_text(self.parent.map(|id| id.to_string()).as_deref())
            .int(i64::from(self.active))
            .int(self.created_at.millis())
            .int(self.version)
            .finish()
    }
}

/// Where an organization is at home, as people name it: 2 to 16 capital letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(String);

/// A text that is not a region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a region: expected 2 to 16 capital letters, digits and hyphens, such as NAM")]
pub struct BadRegion;

impl Region {
    /// Reads a code; see the type's text.
    pub fn new(text: &str) -> Result<Self, BadRegion> {
        let good = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
        if (2..=16).contains(&text.len()) && text.bytes().all(good) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadRegion)
        }
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Region {
    type Error = BadRegion;

    fn try_from(text: String) -> Result<Self, BadRegion> {
        Self::new(&text)
    }
}

impl From<Region> for String {
    fn from(region: Region) -> Self {
        region.0
    }
}

/// A person who administers an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The identifier, for good.
    pub id: UserId,
    /// The organization, for good.
    pub organization: OrganizationId,
    /// The e-mail address; unique in the organization, letter case apart.
    pub email: Email,
    /// What people call them.
    pub name: Name,
    /// Their roles, of any product.
    pub roles: Vec<RoleGrant>,
    /// Whether they may act; keys that depend on them follow.
    pub active: bool,
    /// When they were added.
    pub created_at: Instant,
    /// Counts the row's changes.
    pub version: i64,
}

impl User {
    /// Everything stored about them, as the row's MAC covers it.
    pub fn context(&self) -> Vec<u8> {
        Canonical::new("latchkey user row")
            .bytes(self.id.as_bytes())
            .bytes(self.organization.as_bytes())
            .text(self.email.as_str())
            .text(self.name.as_str())
            .text(&serde_json::to_string(&self.roles).unwrap_or_default())
            .int(i64::from(self.active))
            .int(self.created_at.millis())
            .int(self.version)
            .finish()
    }
}

/// An e-mail address: one `@` with something on each side, no spaces, ASCII, at most 254 characters (RFC 5321),
/// kept in lower case, so that two spellings are one person.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

/// A text that is not an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address: expected one such as ada@example.com")]
pub struct BadEmail;

impl Email {
    /// Reads an address; see the type's text.
    pub fn new(text: &str) -> Result<Self, BadEmail> {
        let text = text.trim();
        let (local, domain) = text.split_once('@').ok_or(BadEmail)?;
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"<>()[]\\,;:\"".contains(&byte));
        if !plain
            || text.len() > 254
            || local.is_empty()
            || domain.is_empty()
            || domain.contains('@')
        {
            return Err(BadEmail);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Email {
    type Error = BadEmail;

    fn try_from(text: String) -> Result<Self, BadEmail> {
        Self::new(&text)
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}
