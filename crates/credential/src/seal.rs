//! What lies on the disk is useless without the keys here, and changes there show here.
//!
//! A **master key**, which the database never holds, wraps the **data keys**, which it holds wrapped. A data key
//! is of one purpose and one version: sealing rows and authenticating rows ([`Vault`]), or tagging credentials
//! ([`crate::token::TagKeys`]). Sealed values and MACs begin with the version of their key, so that keys roll over
//! while rows of both versions are read.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

use crate::canonical::Canonical;

/// Bytes of a nonce of AES-256-GCM (NIST SP 800-38D: 96 random bits, at most 2^32 seals per key).
pub const NONCE: usize = 12;

/// The value is not what was sealed, or not in the row it was sealed for, or the key is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored value was changed outside the server, or its key is missing")]
pub struct Tampered;

/// The key that wraps all others: 256 bits from the operator's file, environment, credential store or command.
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// The master key with these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Wraps a data key; the result is bound to `name`, which tells purpose and version.
    pub fn wrap(&self, name: &str, data_key: &[u8; 32], nonce: [u8; NONCE]) -> Vec<u8> {
        seal_under(&self.key(), &wrap_context(name), data_key, nonce)
    }

    /// Unwraps a data key that [`MasterKey::wrap`] wrapped under the same name.
    pub fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, Tampered> {
        let plain = open_under(&self.key(), &wrap_context(name), wrapped)?;
        plain
            .as_slice()
            .try_into()
            .map(Zeroizing::new)
            .map_err(|_| Tampered)
    }

    fn key(&self) -> LessSafeKey {
        aead_key(&derive(&self.0, "latchkey master wrap"))
    }
}

fn wrap_context(name: &str) -> Vec<u8> {
    Canonical::new("latchkey data key").text(name).finish()
}

/// The data keys that seal and authenticate rows.
pub struct Vault {
    current: u8,
    versions: Vec<Version>,
}

struct Version {
    number: u8,
    seal: LessSafeKey,
    mac: hmac::Key,
}

impl Vault {
    /// Data keys by version; new values are sealed under the highest. `None` when there is no key at all.
    pub fn new(keys: impl IntoIterator<Item = (u8, [u8; 32])>) -> Option<Self> {
        let versions: Vec<_> = keys
            .into_iter()
            .map(|(number, key)| Version {
                number,
                seal: aead_key(&derive(&key, "latchkey row seal")),
                mac: hmac::Key::new(hmac::HMAC_SHA256, &*derive(&key, "latchkey row mac")),
            })
            .collect();
        let current = versions.iter().map(|version| version.number).max()?;
        Some(Self { current, versions })
    }

    /// The version that new values are sealed under.
    pub fn current(&self) -> u8 {
        self.current
    }

    /// Seals `plain` for the row that `context` tells.
    pub fn seal(&self, context: &[u8], plain: &[u8], nonce: [u8; NONCE]) -> Vec<u8> {
        let mut sealed = vec![self.current];
        sealed.extend(seal_under(&self.newest().seal, context, plain, nonce));
        sealed
    }

    /// Opens what was sealed for the same row.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Tampered> {
        let (number, sealed) = sealed.split_first().ok_or(Tampered)?;
        open_under(&self.version(*number)?.seal, context, sealed)
    }

    /// Authenticates a row's content.
    pub fn mac(&self, content: &[u8]) -> Vec<u8> {
        let mut mac = vec![self.current];
        mac.extend_from_slice(hmac::sign(&self.newest().mac, content).as_ref());
        mac
    }

    /// Checks a row's content against its MAC.
    pub fn check(&self, content: &[u8], mac: &[u8]) -> Result<(), Tampered> {
        let (number, mac) = mac.split_first().ok_or(Tampered)?;
        hmac::verify(&self.version(*number)?.mac, content, mac).map_err(|_| Tampered)
    }

    fn newest(&self) -> &Version {
        let newest = self.versions.iter().max_by_key(|version| version.number);
        newest.expect("a vault is built with at least one key")
    }

    fn version(&self, number: u8) -> Result<&Version, Tampered> {
        self.versions
            .iter()
            .find(|version| version.number == number)
            .ok_or(Tampered)
    }
}

/// The version of the data key that a sealed value or a MAC was made with.
pub fn version_of(sealed: &[u8]) -> Option<u8> {
    sealed.first().copied()
}

/// 256 bits for one purpose out of a key that serves several (HKDF-SHA-256, RFC 5869).
pub fn derive(key: &[u8; 32], purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut derived = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(key)
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut *derived))
        .expect("32 bytes are within what HKDF-SHA-256 can give");
    derived
}

fn aead_key(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes 32 bytes"))
}

fn seal_under(key: &LessSafeKey, context: &[u8], plain: &[u8], nonce: [u8; NONCE]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(NONCE + plain.len() + 16);
    sealed.extend_from_slice(plain);
    key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(context),
        &mut sealed,
    )
    .expect("a row is far below the 64 GiB that AES-GCM can seal");
    sealed.splice(..0, nonce);
    sealed
}

fn open_under(
    key: &LessSafeKey,
    context: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Tampered> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE>().ok_or(Tampered)?;
    let mut body = Zeroizing::new(body.to_vec());
    let length = key
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(context),
            &mut body,
        )
        .map_err(|_| Tampered)?
        .len();
    body.truncate(length);
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault() -> Vault {
        Vault::new([(1, [1; 32])]).unwrap()
    }

    #[test]
    fn a_sealed_value_opens_only_where_it_was_sealed_and_unchanged() {
        let sealed = vault().seal(b"row 1", b"digest", [3; NONCE]);
        assert_eq!(
            vault().open(b"row 1", &sealed).unwrap().as_slice(),
            b"digest"
        );
        assert_eq!(vault().open(b"row 2", &sealed).unwrap_err(), Tampered);
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(
                vault().open(b"row 1", &changed).unwrap_err(),
                Tampered,
                "byte {place}"
            );
        }
        for length in 0..sealed.len() {
            assert_eq!(
                vault().open(b"row 1", &sealed[..length]).unwrap_err(),
                Tampered
            );
        }
    }

    #[test]
    fn a_new_version_reads_what_the_old_one_wrote_and_not_the_other_way_round() {
        let both = Vault::new([(1, [1; 32]), (2, [2; 32])]).unwrap();
        let old = vault().seal(b"row", b"x", [0; NONCE]);
        let new = both.seal(b"row", b"x", [0; NONCE]);
        assert!(both.open(b"row", &old).is_ok());
        assert_eq!(version_of(&new), Some(2));
        assert_eq!(vault().open(b"row", &new).unwrap_err(), Tampered);
        assert!(both.check(b"row", &vault().mac(b"row")).is_ok());
    }

    #[test]
    fn a_mac_covers_every_byte_of_the_content() {
        let mac = vault().mac(b"content");
        assert!(vault().check(b"content", &mac).is_ok());
        assert_eq!(vault().check(b"contend", &mac), Err(Tampered));
        assert_eq!(vault().check(b"content", &[]), Err(Tampered));
    }

    #[test]
    fn a_data_key_unwraps_under_its_master_key_and_its_name_only() {
        let master = MasterKey::new([5; 32]);
        let wrapped = master.wrap("row/1", &[6; 32], [0; NONCE]);
        assert_eq!(*master.unwrap("row/1", &wrapped).unwrap(), [6; 32]);
        assert_eq!(master.unwrap("row/2", &wrapped).unwrap_err(), Tampered);
        assert_eq!(
            MasterKey::new([4; 32])
                .unwrap("row/1", &wrapped)
                .unwrap_err(),
            Tampered
        );
    }
}
