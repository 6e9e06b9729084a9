//! What stands in our JWTs, written and read.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use credential::access::Rights;
use credential::id::{KeyId, OrganizationId, TokenId};
use credential::scope::Scope;
use credential::time::Instant;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Authority;
use crate::keyring::Live;

/// The claims of a token that is written (RFC 9068, section 2.2; `key_id`, `gen` and `org` are ours).
#[derive(Serialize)]
pub struct Written<'a> {
    pub(crate) iss: &'a str,
    pub(crate) sub: String,
    pub(crate) aud: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    pub(crate) jti: TokenId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
    pub(crate) key_id: KeyId,
    #[serde(rename = "gen")]
    pub(crate) generation: u32,
    /// What else is to be said; see [`added`].
    #[serde(flatten)]
    pub(crate) more: Map<String, Value>,
    /// The organization that it acts for, where that is not its key's.
    #[serde(rename = "org", skip_serializing_if = "Option::is_none")]
    pub(crate) acts_for: Option<OrganizationId>,
}

/// The names of the claims that [`Written`] has itself.
const OWN: [&str; 11] = [
    "iss",
    "sub",
    "aud",
    "client_id",
    "iat",
    "exp",
    "jti",
    "scope",
    "key_id",
    "gen",
    "org",
];

/// Claims that somebody adds, without those that would say another thing than ours.
pub(super) fn added(mut claims: Map<String, Value>) -> Map<String, Value> {
    claims.retain(|name, _| !OWN.contains(&name.as_str()));
    claims
}

/// Why a text is no token whose signature holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadToken {
    /// It is no JWT of a shape that is written here.
    NotAToken,
    /// No key of ours is named in it, or another issuer is.
    UnknownKey,
    /// The signature does not fit.
    Signature,
}

/// The claims of a token whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The token's own id (`jti`).
    pub id: TokenId,
    /// The key it was issued for.
    pub key: KeyId,
    /// The generation of the secret it was issued for.
    pub generation: u32,
    /// The scopes it carries; `None` is whatever its key has.
    pub scopes: Option<Vec<Scope>>,
    /// When it was issued.
    pub issued_at: Instant,
    /// It is good before this moment.
    pub expires_at: Instant,
    /// Its subject, as written.
    pub subject: String,
    /// The product it is for.
    pub audience: String,
    /// The organization that it acts for, where that is not its key's.
    pub acts_for: Option<OrganizationId>,
    pub(crate) kid: String,
}

impl Claims {
    /// Whether it is the credential of a key of kind `jwt`, not a token that was issued for a key.
    pub fn is_the_key_itself(&self) -> bool {
        self.id.as_bytes() == self.key.as_bytes()
    }

    /// The moment from which the token is over, whatever its key is. A key's own token ends with the key alone, whose
    /// expiry can be edited: what it was when the token was signed counts for those who cannot ask here.
    pub fn ends(&self) -> Option<Instant> {
        (!self.is_the_key_itself()).then_some(self.expires_at)
    }
}

#[derive(Deserialize)]
struct HeaderText {
    alg: String,
    typ: String,
    kid: String,
    crit: Option<Value>,
}

/// Every claim is needed and of its type; others are not read.
#[derive(Deserialize)]
struct ClaimsText {
    iss: String,
    sub: String,
    aud: String,
    iat: i64,
    exp: i64,
    jti: TokenId,
    scope: Option<String>,
    key_id: KeyId,
    #[serde(rename = "gen")]
    generation: u32,
    #[serde(rename = "org")]
    acts_for: Option<OrganizationId>,
}

impl Authority {
    /// Reads a JWT of ours and checks its signature. A token seen before is not checked again, but its signing key's
    /// standing always is.
    pub(crate) fn claims(&self, text: &str) -> Option<Arc<Claims>> {
        self.checked(text)
            .map(|checked| Arc::clone(&checked.claims))
    }

    /// Reads a JWT of ours and checks its signature, or tells what is wrong with the text. Neither is a verdict: a
    /// token that reads may be over or revoked.
    pub fn read_token(&self, text: &str) -> Result<Arc<Claims>, BadToken> {
        self.checking(text)
            .map(|checked| Arc::clone(&checked.claims))
    }

    /// The same, with what the token was worth when it was last asked about.
    pub(crate) fn checked(&self, text: &str) -> Option<Arc<Checked>> {
        self.checking(text).ok()
    }

    fn checking(&self, text: &str) -> Result<Arc<Checked>, BadToken> {
        if text.len() > crate::verify::MAX_CREDENTIAL {
            return Err(BadToken::NotAToken);
        }
        let now = self.now();
        let keys = self.0.signing.load();
        let mut seen = [0; 32];
        seen.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        if let Some(checked) = self.0.checked.get(&seen) {
            let known = keys.checker(&checked.claims.kid, now);
            return known.map(|_| checked).ok_or(BadToken::UnknownKey);
        }
        let (message, signature) = text.rsplit_once('.').ok_or(BadToken::NotAToken)?;
        let (header, body) = message.split_once('.').ok_or(BadToken::NotAToken)?;
        let header: HeaderText = parsed(header)?;
        let key = keys.checker(&header.kid, now).ok_or(BadToken::UnknownKey)?;
        // The algorithm is the key's; what the header says must agree and decides nothing.
        let plain = header.crit.is_none() && (header.typ == "at+jwt" || header.typ == "JWT");
        if header.alg != key.algorithm.as_str() || !plain {
            return Err(BadToken::NotAToken);
        }
        let signature = BASE64URL
            .decode(signature)
            .map_err(|_| BadToken::NotAToken)?;
        if !key.checks(message.as_bytes(), &signature) {
            return Err(BadToken::Signature);
        }
        let text: ClaimsText = parsed(body)?;
        if text.iss != self.settings().issuer {
            return Err(BadToken::UnknownKey);
        }
        let millis = |seconds: i64| seconds.checked_mul(1000).ok_or(BadToken::NotAToken);
        let scopes = match text.scope {
            None => None,
            Some(scopes) => Some(
                scopes
                    .split_ascii_whitespace()
                    .map(Scope::new)
                    .collect::<Result<_, _>>()
                    .map_err(|_| BadToken::NotAToken)?,
            ),
        };
        let claims = Arc::new(Claims {
            id: text.jti,
            key: text.key_id,
            generation: text.generation,
            scopes,
            issued_at: Instant::from_millis(millis(text.iat)?),
            expires_at: Instant::from_millis(millis(text.exp)?),
            subject: text.sub,
            audience: text.aud,
            acts_for: text.acts_for,
            kid: header.kid,
        });
        let checked = Arc::new(Checked {
            claims,
            worth: ArcSwapOption::empty(),
        });
        self.0.checked.insert(seen, Arc::clone(&checked));
        Ok(checked)
    }
}

/// A part of a JWT: JSON in base64url.
fn parsed<T: DeserializeOwned>(part: &str) -> Result<T, BadToken> {
    let json = BASE64URL.decode(part).map_err(|_| BadToken::NotAToken)?;
    serde_json::from_slice(&json).map_err(|_| BadToken::NotAToken)
}

/// A token whose signature holds, kept so that it need not be checked again.
pub(crate) struct Checked {
    pub(crate) claims: Arc<Claims>,
    worth: ArcSwapOption<Worth>,
}

/// What a token is worth beside one compiled key. The key is held weakly: that keeps its place from being taken by
/// another one, and not the key.
struct Worth {
    of: Weak<Live>,
    rights: Arc<Rights>,
}

impl Checked {
    /// The part of the key's rights that the token carries; `None` is all of them. Compiled once for each compiled key.
    pub(crate) fn worth(&self, live: &Arc<Live>) -> Option<Arc<Rights>> {
        let scopes = self.claims.scopes.as_ref()?;
        if let Some(worth) = &*self.worth.load()
            && worth.of.as_ptr() == Arc::as_ptr(live)
        {
            return Some(Arc::clone(&worth.rights));
        }
        let rights = Arc::new(live.rights.narrowed(scopes));
        self.worth.store(Some(Arc::new(Worth {
            of: Arc::downgrade(live),
            rights: Arc::clone(&rights),
        })));
        Some(rights)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn added_claims_never_say_another_thing_than_ours() {
        let mut claims = Map::new();
        for name in OWN.into_iter().chain(["nbf", "https://example.com/org/id"]) {
            claims.insert(name.to_owned(), json!("forged"));
        }
        let written = Written {
            iss: "https://keys.example",
            sub: "s".to_owned(),
            aud: "sample",
            client_id: "c",
            iat: 1,
            exp: 2,
            jti: TokenId::from_bytes([1; 16]),
            scope: Some("a".to_owned()),
            key_id: KeyId::from_bytes([2; 16]),
            generation: 3,
            acts_for: Some(OrganizationId::from_bytes([3; 16])),
            more: added(claims),
        };
        let Value::Object(said) = serde_json::to_value(&written).unwrap() else {
            panic!("claims are an object")
        };
        for (name, value) in &said {
            assert_eq!(value == "forged", !OWN.contains(&name.as_str()), "{name}");
        }
        assert_eq!(said.len(), OWN.len() + 2, "and each of ours is there");
    }
}
