//! Requests that are signed with a secret that is never sent: nonce, timestamp and a hash over both.
//!
//! The hash covers nothing of the request, so that a signature which is seen on its way fits any other. Strictly, each is
//! good once. Some clients sign once and send several requests with it; the compatible reading lets a signature come again
//! with another request, for a short while and from where it came first. The very same request never comes twice.

use std::net::IpAddr;

use aws_lc_rs::digest::{Context, SHA256};
use credential::key::{Denial, Key, Kind, Proof, Proven};
use credential::secret::Digest;
use credential::time::{Instant, Span};
use store::nonces::{Again, SeenNonce};
use zeroize::Zeroizing;

use crate::Authority;
use crate::failure::Failure;
use crate::settings::Replay;
use crate::verify::{Form, ProvenKey};

/// How old a timestamp may be: clients sign once and try again for a while.
pub const TOLERANCE_BEHIND: Span = Span::from_minutes(5);
/// How far a client's clock may run ahead.
pub const TOLERANCE_AHEAD: Span = Span::from_secs(10);

/// How long after its first use a signature may come again with another request: a client that signs once per task takes
/// seconds for it.
const AGAIN_WITHIN: Span = Span::from_secs(60);
/// How often it may come in all: more requests than any known client makes with one.
const AGAIN_MOST: u32 = 64;

/// Bytes of a nonce, all printable: what clients are known to send lies within.
const NONCE_BYTES: std::ops::RangeInclusive<usize> = 16..=256;
/// Digits of a timestamp in milliseconds, from 2001 to 2286.
const TIMESTAMP_DIGITS: usize = 13;
/// Digits of a SHA-256 in hexadecimal.
const HASH_DIGITS: usize = 64;

/// A proof over nonce and timestamp: `hex(SHA-256(secret nonce timestamp))`, one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Signature<'a> {
    /// Who signs: a key's id, or the identifier that a dialect gives it.
    pub id: &'a str,
    /// What makes it one of its kind.
    pub nonce: &'a str,
    /// When it was signed, in milliseconds since 1970.
    pub timestamp: &'a str,
    /// The hash.
    pub hash: &'a str,
    /// The request that it came with; `None` where not all of that is known, and then it is good strictly once.
    pub request: Option<Covered<'a>>,
}

/// A request as far as one is told from another.
#[derive(Debug, Clone, Copy)]
pub struct Covered<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its path and query, spelled in one way whatever spellings there are.
    pub path: &'a str,
    /// SHA-256 of its body.
    pub body: [u8; 32],
}

impl<'a> Covered<'a> {
    /// A request whose body is at hand.
    pub fn of(method: &'a str, path: &'a str, body: &[u8]) -> Self {
        let mut digest = [0; 32];
        digest.copy_from_slice(aws_lc_rs::digest::digest(&SHA256, body).as_ref());
        Self {
            method,
            path,
            body: digest,
        }
    }
}

impl Authority {
    /// Proves a key by its signature, and says what must not come again. A wrong shape is like a wrong secret.
    pub(crate) async fn prove_signed(
        &self,
        signature: Signature<'_>,
        now: Instant,
    ) -> Result<Result<ProvenKey, Denial>, Failure> {
        let Some((signed_at, hash)) = read(&signature) else {
            return Ok(Err(Denial::Unknown));
        };
        let Some(id) = self.key_named(signature.id).await? else {
            return Ok(Err(Denial::Unknown));
        };
        let live = match self.live(id).await? {
            Ok(live) if live.key.kind == Kind::Signed => live,
            Ok(_) => return Ok(Err(Denial::Unknown)),
            Err(denial) => return Ok(Err(denial)),
        };
        let Some(proven) = signer(&live.key, &signature, &hash, now) else {
            return Ok(Err(Denial::Unknown));
        };
        let use_of = NonceUse {
            seen: SeenNonce {
                key: live.key.id,
                // The hash as it reads, not as it is spelled: its digits have two letter cases.
                nonce: [signature.nonce.as_bytes(), b" ", hash.as_bytes()].concat(),
                seen_at: now,
                expires_at: signed_at + TOLERANCE_BEHIND + TOLERANCE_AHEAD,
                again: None,
            },
            request: signature
                .request
                .map(|request| digest(&signature, &hash, &request)),
        };
        let in_time = signed_at <= now + TOLERANCE_AHEAD && now <= signed_at + TOLERANCE_BEHIND;
        let expires_at = live.key.expires_at;
        let form = Form::Signature(in_time.then(|| Box::new(use_of)));
        Ok(Ok(ProvenKey {
            live,
            generation: proven.generation,
            form,
            expires_at,
            narrowed: None,
            flaw: None,
        }))
    }

    /// Uses a signature; false when it came before, here or at another replica, and may not come again like this, or when
    /// it is out of its time.
    pub(crate) async fn may_come(
        &self,
        form: &Form,
        from: Option<IpAddr>,
    ) -> Result<bool, Failure> {
        match form {
            Form::Signature(None) => Ok(false),
            Form::Signature(Some(use_of)) => {
                let lenient = self.settings().replay == Replay::Compatible;
                let again = use_of.request.zip(from).filter(|_| lenient);
                let seen = SeenNonce {
                    again: again.map(|(request, address)| Again {
                        request,
                        address: address.to_canonical(),
                        within: AGAIN_WITHIN,
                        most: AGAIN_MOST,
                    }),
                    ..use_of.seen.clone()
                };
                Ok(self.store().use_nonce(seen).await?)
            }
            Form::Secret | Form::Access(_) | Form::Jwt(_) => Ok(true),
        }
    }
}

/// A nonce that is about to be used, and the request that it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NonceUse {
    seen: SeenNonce,
    request: Option<[u8; 32]>,
}

/// What tells a signed request from every other: its parts, each with its length before it.
fn digest(signature: &Signature<'_>, hash: &Digest, request: &Covered<'_>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in [
        signature.nonce.as_bytes(),
        hash.as_bytes(),
        request.method.as_bytes(),
        request.path.as_bytes(),
        &request.body,
    ] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// The moment and the hash, if everything has its shape. No separator stands between what is hashed, so that nothing
/// may be as long as it likes.
fn read(signature: &Signature<'_>) -> Option<(Instant, Digest)> {
    let printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let digits = signature.timestamp.as_bytes();
    let good = NONCE_BYTES.contains(&signature.nonce.len())
        && printable(signature.nonce)
        && digits.len() == TIMESTAMP_DIGITS
        && digits[0] != b'0'
        && digits.iter().all(u8::is_ascii_digit)
        && signature.hash.len() == HASH_DIGITS;
    if !good {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(signature.hash.as_bytes().chunks(2)) {
        let digit = |digit: u8| {
            char::from(digit)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    let millis = signature.timestamp.parse().ok()?;
    Some((Instant::from_millis(millis), Digest::from_bytes(hash)))
}

/// Which of the key's secrets signed; the comparison takes the same time wherever the first difference lies.
fn signer(key: &Key, signature: &Signature<'_>, hash: &Digest, now: Instant) -> Option<Proven> {
    let mut proven = None;
    for credential in key.live(now) {
        if let Proof::Secret(secret) = &credential.proof
            && hash_of(secret, signature.nonce, signature.timestamp) == *hash
        {
            proven = Some(Proven {
                generation: credential.generation,
            });
        }
    }
    proven
}

/// The hash that proves a secret.
fn hash_of(secret: &str, nonce: &str, timestamp: &str) -> Digest {
    Digest::of(&Zeroizing::new([secret, nonce, timestamp].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::hex;

    /// A key as the vendor's documents print one.
    const SAMPLE: &str = "DCdIeow0xm73EwnxjPza1tdHTfZQv2eH7bTKlTPkgBHLj8aSjFzjgTE9bQUK1DidlWLrnYRhaYQ4PCIyNrNJbMUC6DOWi8ANIn1JWpMTE2neGvoDIRsKUbj6pJ1z7Gmr";

    #[test]
    fn the_hash_is_over_secret_nonce_and_timestamp_with_nothing_between_them() {
        for (secret, nonce, timestamp, expected) in [
            (
                "testApiKey",
                "b5834c137a825cc6c80111f237e1c5f8dedeef5df9dcd4c7f1dc73f180c89b47",
                "1584983036945",
                "8eb5e56a1656a35c9d187762d945339455b5382e11d779c458a63c652e1e79e9",
            ),
            (
                SAMPLE,
                "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789AB",
                "1700000000000",
                "5862c8356c0942601d13852f6c2552a86028547092a62f2c90fdb80e048d80c6",
            ),
            (
                SAMPLE,
                "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789aBcDeFgHiJkLmNoPqRsTuVwXyZ01",
                "1735689600000",
                "161c8004387a503cbe3bef193923fffaeec16f28aac4275777b83818652bb306",
            ),
            (
                "K",
                "N",
                "1",
                "5750a80cdb3522d119355338144fa65478589175027f8aa64b83446e0e74dd5e",
            ),
        ] {
            let hash = hash_of(secret, nonce, timestamp);
            assert_eq!(hex(hash.as_bytes()), expected, "{nonce}");
            let keyed = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
            let keyed = aws_lc_rs::hmac::sign(&keyed, [nonce, timestamp].concat().as_bytes());
            assert_ne!(hash.as_bytes().as_slice(), keyed.as_ref(), "it is no HMAC");
        }
    }

    #[test]
    fn a_signed_request_differs_from_another_in_each_of_its_parts() {
        let signature = Signature {
            id: "1",
            nonce: "nonce",
            timestamp: "",
            hash: "",
            request: None,
        };
        let request = Covered {
            method: "POST",
            path: "/a",
            body: [1; 32],
        };
        let (hash, other) = (Digest::from_bytes([1; 32]), Digest::from_bytes([2; 32]));
        let is = |signature: &Signature<'_>, hash: &Digest, request: &Covered<'_>| {
            digest(signature, hash, request)
                == digest(
                    &Signature {
                        nonce: "nonce",
                        ..*signature
                    },
                    &Digest::from_bytes([1; 32]),
                    &Covered {
                        method: "POST",
                        path: "/a",
                        body: [1; 32],
                    },
                )
        };
        assert!(is(&signature, &hash, &request));
        assert!(!is(
            &Signature {
                nonce: "nonc",
                ..signature
            },
            &hash,
            &request
        ));
        assert!(!is(&signature, &other, &request));
        for different in [
            Covered {
                method: "PUT",
                ..request
            },
            Covered {
                path: "/ab",
                ..request
            },
            Covered {
                method: "POST/",
                path: "a",
                ..request
            },
            Covered {
                body: [2; 32],
                ..request
            },
        ] {
            assert!(!is(&signature, &hash, &different), "{different:?}");
        }
    }

    #[test]
    fn what_has_not_its_shape_is_not_looked_at() {
        let nonce = "n".repeat(64);
        let good = Signature {
            id: "1",
            nonce: &nonce,
            timestamp: "1700000000000",
            hash: &"aB".repeat(32),
            request: None,
        };
        assert_eq!(
            read(&good).unwrap().0,
            Instant::from_millis(1_700_000_000_000)
        );
        let long = "n".repeat(257);
        for bad in [
            Signature {
                nonce: "short",
                ..good
            },
            Signature {
                nonce: &long,
                ..good
            },
            Signature {
                nonce: "a nonce with spaces in it",
                ..good
            },
            Signature {
                timestamp: "0700000000000",
                ..good
            },
            Signature {
                timestamp: "170000000000",
                ..good
            },
            Signature {
                timestamp: "17000000000000",
                ..good
            },
            Signature {
                timestamp: "+700000000000",
                ..good
            },
            Signature { hash: "", ..good },
            Signature {
                hash: &"g".repeat(64),
                ..good
            },
        ] {
            assert!(read(&bad).is_none(), "{bad:?}");
        }
    }
}
