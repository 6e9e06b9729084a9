//! Requests that are signed with a secret that is never sent: nonce, timestamp and a hash over both, each once.

use credential::key::{Denial, Key, Kind, Proof, Proven};
use credential::secret::Digest;
use credential::time::{Instant, Span};
use store::nonces::SeenNonce;
use zeroize::Zeroizing;

use crate::Authority;
use crate::failure::Failure;
use crate::verify::{Form, ProvenKey};

/// How old a timestamp may be: clients sign once and try again for a while.
pub const TOLERANCE_BEHIND: Span = Span::from_minutes(5);
/// How far a client's clock may run ahead.
pub const TOLERANCE_AHEAD: Span = Span::from_secs(10);

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
        let once = SeenNonce {
            key: live.key.id,
            nonce: [signature.nonce.as_bytes(), b" ", hash.as_bytes()].concat(),
            seen_at: now,
            expires_at: signed_at + TOLERANCE_BEHIND + TOLERANCE_AHEAD,
        };
        let in_time = signed_at <= now + TOLERANCE_AHEAD && now <= signed_at + TOLERANCE_BEHIND;
        let expires_at = live.key.expires_at;
        let form = Form::Signature(in_time.then(|| Box::new(once)));
        Ok(Ok(ProvenKey {
            live,
            generation: proven.generation,
            form,
            expires_at,
            narrowed: None,
            flaw: None,
        }))
    }

    /// Uses a signature up; false when it came before, here or at another replica, or out of its time.
    pub(crate) async fn is_first(&self, form: &Form) -> Result<bool, Failure> {
        match form {
            Form::Signature(None) => Ok(false),
            Form::Signature(Some(once)) => {
                Ok(self.store().use_nonce(SeenNonce::clone(once)).await?)
            }
            Form::Secret | Form::Access(_) | Form::Jwt(_) => Ok(true),
        }
    }
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
        if let Proof::Secret(secret) = &credential.proof {
            let signed =
                Zeroizing::new([secret.as_str(), signature.nonce, signature.timestamp].concat());
            if Digest::of(&signed) == *hash {
                proven = Some(Proven {
                    generation: credential.generation,
                });
            }
        }
    }
    proven
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_its_shape_is_not_looked_at() {
        let nonce = "n".repeat(64);
        let good = Signature {
            id: "1",
            nonce: &nonce,
            timestamp: "1700000000000",
            hash: &"aB".repeat(32),
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
