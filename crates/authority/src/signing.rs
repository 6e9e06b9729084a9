//! Signing keys, and JSON Web Signatures with them (RFC 7515, compact form).
//!
//! The two algorithms are signed here and not by a JWT crate because such crates read the private key anew for every
//! signature, which for RSA costs as much as the signature itself.
//!
//! A key is published before it signs, so that whoever checks tokens has fetched it by then; it signs from a moment that
//! stands in its row; and it stays published until the last token it signed has expired.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use credential::event::{Action, Actor};
use credential::time::{Instant, Span};
use store::change::{MAX_PAGE, NO_DETAIL};
use store::signing::SigningKey as Row;
use store::{Fault, Found};
use zeroize::Zeroizing;

use crate::Authority;
use crate::catalog::{Algorithm, hex};
use crate::failure::Failure;
use crate::ports::NoEntropy;

/// A key that signs, or signed, or will sign.
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) active_at: Instant,
    pub(crate) retired_at: Option<Instant>,
    /// What it signed is good, and it is published, before this moment.
    pub(crate) ends_at: Option<Instant>,
    jwk: serde_json::Value,
    public: Vec<u8>,
    private: Private,
}

enum Private {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// All signing keys, swapped whole.
#[derive(Default)]
pub(crate) struct SigningKeys {
    pub(crate) by_kid: HashMap<String, Arc<SigningKey>>,
}

/// A stored signing key that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the signing key {0} cannot be read")]
pub struct BadSigningKey(String);

impl SigningKeys {
    /// The key that signs now.
    pub(crate) fn signer(&self, algorithm: Algorithm, now: Instant) -> Option<&Arc<SigningKey>> {
        self.by_kid
            .values()
            .filter(|key| key.algorithm == algorithm && key.active_at <= now)
            .filter(|key| key.retired_at.is_none_or(|at| now < at))
            .max_by_key(|key| key.active_at)
    }

    /// The key of that id, while what it signed is good.
    pub(crate) fn checker(&self, kid: &str, now: Instant) -> Option<&Arc<SigningKey>> {
        self.by_kid
            .get(kid)
            .filter(|key| key.ends_at.is_none_or(|at| now < at))
    }
}

impl SigningKey {
    fn read(row: &Row) -> Result<Self, BadSigningKey> {
        let bad = || BadSigningKey(row.kid.clone());
        let algorithm = Algorithm::from_name(&row.algorithm).ok_or_else(bad)?;
        let (private, public, jwk) = match algorithm {
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &row.private)
                    .map_err(|_| bad())?;
                let public = pair.public_key().as_ref().to_vec();
                // Uncompressed point: 0x04, x, y (SEC 1).
                let (x, y) = public
                    .get(1..65)
                    .map(|point| point.split_at(32))
                    .ok_or_else(bad)?;
                let jwk = serde_json::json!({
                    "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": row.kid,
                    "x": BASE64URL.encode(x), "y": BASE64URL.encode(y),
                });
                (Private::Ec(pair), public, jwk)
            }
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(&row.private).map_err(|_| bad())?;
                let public = pair.public_key().as_ref().to_vec();
                let jwk = serde_json::json!({
                    "kty": "RSA", "use": "sig", "alg": "RS256", "kid": row.kid,
                    "n": BASE64URL.encode(pair.public_key().modulus().big_endian_without_leading_zero()),
                    "e": BASE64URL.encode(pair.public_key().exponent().big_endian_without_leading_zero()),
                });
                (Private::Rsa(pair), public, jwk)
            }
        };
        Ok(Self {
            kid: row.kid.clone(),
            algorithm,
            active_at: row.active_at.unwrap_or(Instant::MAX),
            retired_at: row.retired_at,
            ends_at: match (row.revoked_at, row.not_after) {
                (Some(revoked), Some(end)) => Some(revoked.min(end)),
                (revoked, end) => revoked.or(end),
            },
            jwk,
            public,
            private,
        })
    }

    /// Signs a header and claims into a compact JWS.
    pub(crate) fn sign(
        &self,
        kind: &str,
        claims: &impl serde::Serialize,
    ) -> Result<String, NoEntropy> {
        let header =
            serde_json::json!({ "alg": self.algorithm.as_str(), "typ": kind, "kid": self.kid });
        let mut text = BASE64URL.encode(header.to_string());
        text.push('.');
        BASE64URL.encode_string(serde_json::to_vec(claims).unwrap_or_default(), &mut text);
        let random = SystemRandom::new();
        let signature = match &self.private {
            Private::Ec(pair) => pair
                .sign(&random, text.as_bytes())
                .map_err(|_| NoEntropy)?
                .as_ref()
                .to_vec(),
            Private::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
                    .map_err(|_| NoEntropy)?;
                signature
            }
        };
        text.push('.');
        BASE64URL.encode_string(signature, &mut text);
        Ok(text)
    }

    pub(crate) fn checks(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self.algorithm {
            Algorithm::Es256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.public)
                .verify(message, signature),
            Algorithm::Rs256 => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public)
                .verify(message, signature),
        };
        verified.is_ok()
    }
}

/// A fresh private key in PKCS #8.
fn generate(algorithm: Algorithm) -> Result<Vec<u8>, NoEntropy> {
    Ok(match algorithm {
        Algorithm::Es256 => {
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .map_err(|_| NoEntropy)?
                .as_ref()
                .to_vec()
        }
        Algorithm::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| NoEntropy)?;
            AsDer::<Pkcs8V1Der<'_>>::as_der(&pair)
                .map_err(|_| NoEntropy)?
                .as_ref()
                .to_vec()
        }
    })
}

impl Authority {
    /// The published keys as a JWK set (RFC 7517): those that sign, will sign, or signed what may still be good.
    pub fn jwks(&self) -> serde_json::Value {
        let now = self.now();
        let keys = self.0.signing.load();
        let mut published: Vec<_> = keys
            .by_kid
            .values()
            .filter(|key| key.ends_at.is_none_or(|at| now < at))
            .collect();
        published.sort_by(|a, b| (a.active_at, &a.kid).cmp(&(b.active_at, &b.kid)));
        serde_json::json!({ "keys": published.iter().map(|key| &key.jwk).collect::<Vec<_>>() })
    }

    pub(crate) async fn reload_signing_keys(&self) -> Result<(), Fault> {
        // One at a time, so that a slow reading never brings back a key that was revoked meanwhile.
        let _alone = self.0.applying.lock().await;
        let rows = self
            .store()
            .view::<_, Fault>(|view| view.signing_keys_page(None, MAX_PAGE))
            .await?;
        let mut keys = SigningKeys::default();
        for row in rows {
            match row {
                Found::Good(row) => match SigningKey::read(&row) {
                    Ok(key) => {
                        keys.by_kid.insert(key.kid.clone(), Arc::new(key));
                    }
                    Err(error) => tracing::error!(%error, "a signing key is left out"),
                },
                Found::Tampered(subject) => {
                    tracing::error!(
                        kid = subject.id,
                        "a signing key was changed outside the server and is left out"
                    );
                }
            }
        }
        self.0.signing.store(Arc::new(keys));
        Ok(())
    }

    /// Makes the signing keys that are missing and rolls over those that are due. Run at start and by the job.
    pub async fn roll_signing_keys(&self) -> Result<(), Failure> {
        let now = self.now();
        let settings = self.settings().signing;
        let mut needed: Vec<Algorithm> = self
            .products()
            .iter()
            .map(|product| product.tokens.signing_algorithm)
            .collect();
        needed.sort_by_key(|algorithm| algorithm.as_str());
        needed.dedup();
        for algorithm in needed {
            let keys = self.0.signing.load();
            let newest = keys
                .by_kid
                .values()
                .filter(|key| key.algorithm == algorithm && key.retired_at.is_none())
                .max_by_key(|key| key.active_at)
                .cloned();
            let Some(newest) = newest else {
                self.publish_signing_key(algorithm, now, None).await?;
                continue;
            };
            // Due so long before the end of its time that its successor is known everywhere when it takes over.
            if now + settings.publish_before >= newest.active_at + settings.rollover {
                let takes_over = now + settings.publish_before;
                self.publish_signing_key(algorithm, takes_over, Some(newest))
                    .await?;
            }
        }
        Ok(())
    }

    /// Publishes a new key that signs from `active_at`; the one before retires at that moment.
    async fn publish_signing_key(
        &self,
        algorithm: Algorithm,
        active_at: Instant,
        before: Option<Arc<SigningKey>>,
    ) -> Result<(), Failure> {
        let now = self.now();
        let private = Zeroizing::new(generate(algorithm)?);
        let mut row = Row {
            kid: hex(&self.entropy().draw::<8>()?),
            algorithm: algorithm.as_str().to_owned(),
            public: Vec::new(),
            private,
            created_at: now,
            published_at: Some(now),
            active_at: Some(active_at),
            retired_at: None,
            revoked_at: None,
            not_after: None,
            version: 1,
        };
        row.public = SigningKey::read(&row)
            .map_err(|error| Failure::Fault(Fault::Shape(error.to_string())))?
            .public;
        let longest = self
            .products()
            .iter()
            .map(|p| p.tokens.access_life())
            .max()
            .unwrap_or(Span::ZERO);
        let seen: Vec<String> = self.0.signing.load().by_kid.keys().cloned().collect();
        let changed = self
            .store()
            .change(
                Actor::SYSTEM,
                now,
                |_| Ok::<(), Failure>(()),
                move |change| {
                    // Another replica that was faster has made the key that this one would make.
                    let rows = change.signing_keys_page(None, MAX_PAGE)?;
                    let mut rows = rows.into_iter().filter_map(Found::good);
                    let raced = rows.any(|other| {
                        other.algorithm == row.algorithm && !seen.contains(&other.kid)
                    });
                    if raced {
                        return Ok(());
                    }
                    change.insert_signing_key(&row, Action::SigningKeyPublished, NO_DETAIL)?;
                    let before = match &before {
                        Some(before) => change.signing_key(&before.kid)?.and_then(Found::good),
                        None => None,
                    };
                    if let Some(mut before) = before {
                        before.retired_at = Some(active_at);
                        before.not_after = Some(active_at + longest);
                        change.update_signing_key(before, Action::SigningKeyRetired, NO_DETAIL)?;
                    }
                    Ok::<(), Failure>(())
                },
            )
            .await?;
        self.settle(&changed).await?;
        self.reload_signing_keys().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(algorithm: Algorithm) -> SigningKey {
        SigningKey::read(&Row {
            kid: "k".to_owned(),
            algorithm: algorithm.as_str().to_owned(),
            public: Vec::new(),
            private: Zeroizing::new(generate(algorithm).unwrap()),
            created_at: Instant::from_millis(0),
            published_at: None,
            active_at: Some(Instant::from_millis(0)),
            retired_at: None,
            revoked_at: None,
            not_after: None,
            version: 1,
        })
        .unwrap()
    }

    #[test]
    fn what_a_key_signs_it_checks_and_nothing_else() {
        for algorithm in Algorithm::ALL {
            let key = key(algorithm);
            let token = key.sign("JWT", &serde_json::json!({ "a": 1 })).unwrap();
            let (message, signature) = token.rsplit_once('.').unwrap();
            let mut signature = BASE64URL.decode(signature).unwrap();
            assert!(key.checks(message.as_bytes(), &signature), "{algorithm:?}");
            assert!(!key.checks(b"another", &signature), "{algorithm:?}");
            signature[7] ^= 1;
            assert!(!key.checks(message.as_bytes(), &signature), "{algorithm:?}");
            assert!(!key.checks(message.as_bytes(), &[]), "{algorithm:?}");
        }
    }

    #[test]
    fn a_published_key_tells_nothing_private() {
        for algorithm in Algorithm::ALL {
            let jwk = key(algorithm).jwk;
            let members: Vec<_> = jwk.as_object().unwrap().keys().cloned().collect();
            let private = ["d", "p", "q", "dp", "dq", "qi"];
            assert!(members.iter().all(|name| !private.contains(&name.as_str())));
        }
    }
}
