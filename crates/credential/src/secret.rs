//! Secrets and what is kept of them.

use aws_lc_rs::{constant_time, digest};
use zeroize::Zeroizing;

/// A plaintext credential. It can be shown once, on purpose, through [`Secret::expose`]; it cannot be
/// printed, logged, cloned or serialized, and its memory is wiped when it is dropped.
///
/// ```compile_fail
/// fn printable<T: std::fmt::Debug>(_: &T) {}
/// printable(&credential::secret::Secret::from("x".to_owned()));
/// ```
/// ```compile_fail
/// fn copies<T: Clone>(_: &T) {}
/// copies(&credential::secret::Secret::from("x".to_owned()));
/// ```
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The plaintext, for the one response body that shows it or the digest that checks it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

/// SHA-256 of a secret. A slow hash would protect a guessable secret; ours have 256 random bits, which no
/// guessing reaches (NIST SP 800-63B, look-up secrets). At rest it is sealed besides.
///
/// Equality takes the same time wherever the first difference lies.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a presented text.
    pub fn of(text: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        Self(bytes)
    }

    /// The digest with exactly these bytes, as they were stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for Digest {}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest(..)")
    }
}
