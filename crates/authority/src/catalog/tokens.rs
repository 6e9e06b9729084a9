//! How the access tokens of a product are.

use credential::time::Span;
use serde::Deserialize;

/// How access tokens of a product are.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// JWT or opaque.
    pub token_type: TokenType,
    /// The signature of a JWT.
    #[serde(default)]
    pub signing_algorithm: Algorithm,
    /// Whether a manager's key gets tokens that act for an organization that it manages. Where it does, the key reaches
    /// those organizations by such tokens only.
    #[serde(default)]
    pub for_managed: bool,
    access_token_seconds: i64,
    #[serde(default)]
    refresh_token_seconds: i64,
}

impl Tokens {
    /// How long an access token is good.
    pub fn access_life(&self) -> Span {
        Span::from_secs(self.access_token_seconds)
    }

    /// How long a refresh token is good; zero where there are none.
    pub fn refresh_life(&self) -> Span {
        Span::from_secs(self.refresh_token_seconds)
    }
}

/// JWT (RFC 9068) or opaque.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenType {
    /// A signed JWT.
    Jwt,
    /// A random string.
    Opaque,
}

/// The signature algorithm of a JWT (RFC 7518).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
pub enum Algorithm {
    /// ECDSA over P-256 with SHA-256.
    #[default]
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Algorithm; 2] = [Algorithm::Es256, Algorithm::Rs256];

    /// Its registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Algorithm::Es256 => "ES256",
            Algorithm::Rs256 => "RS256",
        }
    }

    /// The algorithm of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
    }
}
