//! What stands in our JWTs, written and read.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use credential::access::Rights;
use credential::id::{KeyId, TokenId};
use credential::scope::Scope;
use credential::time::Instant;
use serde::{Deserialize, Serialize};

use crate::Authority;
use crate::keyring::Live;

/// The claims of a token that is written (RFC 9068, section 2.2; `key_id` and `gen` are ours).
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
    crit: Option<serde_json::Value>,
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
}

impl Authority {
    /// Reads a JWT of ours and checks its signature. A token seen before is not checked again, but its signing key's
    /// standing always is.
    pub(crate) fn claims(&self, text: &str) -> Option<Arc<Claims>> {
        self.checked(text)
            .map(|checked| Arc::clone(&checked.claims))
    }

    /// The same, with what the token was worth when it was last asked about.
    pub(crate) fn checked(&self, text: &str) -> Option<Arc<Checked>> {
        if text.len() > crate::verify::MAX_CREDENTIAL {
            return None;
        }
        let now = self.now();
        let keys = self.0.signing.load();
        let mut seen = [0; 32];
        seen.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        if let Some(checked) = self.0.checked.get(&seen) {
            return keys.checker(&checked.claims.kid, now).map(|_| checked);
        }
        let (message, signature) = text.rsplit_once('.')?;
        let (header, body) = message.split_once('.')?;
        let header: HeaderText = serde_json::from_slice(&BASE64URL.decode(header).ok()?).ok()?;
        let key = keys.checker(&header.kid, now)?;
        // The algorithm is the key's; what the header says must agree and decides nothing.
        let plain = header.crit.is_none() && (header.typ == "at+jwt" || header.typ == "JWT");
        if header.alg != key.algorithm.as_str() || !plain {
            return None;
        }
        if !key.checks(message.as_bytes(), &BASE64URL.decode(signature).ok()?) {
            return None;
        }
        let text: ClaimsText = serde_json::from_slice(&BASE64URL.decode(body).ok()?).ok()?;
        if text.iss != self.settings().issuer {
            return None;
        }
        let scopes = match text.scope {
            None => None,
            Some(scopes) => Some(
                scopes
                    .split_ascii_whitespace()
                    .map(Scope::new)
                    .collect::<Result<_, _>>()
                    .ok()?,
            ),
        };
        let claims = Arc::new(Claims {
            id: text.jti,
            key: text.key_id,
            generation: text.generation,
            scopes,
            issued_at: Instant::from_millis(text.iat.checked_mul(1000)?),
            expires_at: Instant::from_millis(text.exp.checked_mul(1000)?),
            subject: text.sub,
            audience: text.aud,
            kid: header.kid,
        });
        let checked = Arc::new(Checked {
            claims,
            worth: ArcSwapOption::empty(),
        });
        self.0.checked.insert(seen, Arc::clone(&checked));
        Some(checked)
    }
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
