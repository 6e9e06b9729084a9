//! The native form of a credential:
//!
//! ```text
//! lk_<word>_<33 characters: id, generation, keyed tag>_<44 characters of secret><6 of checksum>
//! ```
//!
//! - One regular expression, [`PATTERN`], finds every credential that was ever issued.
//! - The checksum (CRC-32 of all that stands before it) lets a scanner tell a real one from a mistyped one
//!   offline. It is no security: everyone can compute it.
//! - The tag (HMAC-SHA-256 over word, id and generation, under a key of its own) lets the server refuse what
//!   it never issued before it looks anything up.
//! - The secret is 256 random bits.
//!
//! Bytes are written in base 62, eight bytes to eleven characters, so that a double click selects the whole
//! and a 64-bit register decodes it. Each value has exactly one spelling.

use aws_lc_rs::hmac;

use crate::secret::Secret;

/// Finds every native credential in a text, and (the checksum apart) nothing else.
pub const PATTERN: &str =
    "lk_(key|signed|client|access|refresh|setup)_[0-9A-Za-z]{33}_[0-9A-Za-z]{50}";

const PUBLIC: usize = 33;
const SECRET: usize = 44;
const CHECKSUM: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Eight bytes fill eleven digits: 62^11 is the first power above 2^64.
const CHUNK: usize = 11;
/// The generation is written in three bytes.
pub const MAX_GENERATION: u32 = 0xFF_FFFF;

/// What a native credential is for; it stands in the credential's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// A static key.
    Key,
    /// The secret of a signed key.
    Signed,
    /// The secret of an OAuth client.
    Client,
    /// An opaque access token; its id names a family.
    Access,
    /// A refresh token; its id names a family.
    Refresh,
    /// The single-use token that makes the first administrator.
    Setup,
}

impl Word {
    const ALL: [Word; 6] = [
        Word::Key,
        Word::Signed,
        Word::Client,
        Word::Access,
        Word::Refresh,
        Word::Setup,
    ];

    /// As it stands in the text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Word::Key => "key",
            Word::Signed => "signed",
            Word::Client => "client",
            Word::Access => "access",
            Word::Refresh => "refresh",
            Word::Setup => "setup",
        }
    }
}

/// The text is not a credential of ours: mistyped, forged, or somebody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a credential of this server")]
pub struct Malformed;

/// The keys of the tag, by version. Old versions stay as long as credentials that carry them.
pub struct TagKeys {
    current: u8,
    keys: Vec<(u8, hmac::Key)>,
}

impl TagKeys {
    /// Tag keys by version; new credentials carry the highest version.
    pub fn new(keys: impl IntoIterator<Item = (u8, [u8; 32])>) -> Option<Self> {
        let keys: Vec<_> = keys
            .into_iter()
            .map(|(version, key)| (version, hmac::Key::new(hmac::HMAC_SHA256, &key)))
            .collect();
        let current = keys.iter().map(|(version, _)| *version).max()?;
        Some(Self { current, keys })
    }

    fn tag(&self, version: u8, word: Word, id: &[u8; 16], generation: u32) -> Option<[u8; 4]> {
        let (_, key) = self.keys.iter().find(|(known, _)| *known == version)?;
        let mut message = [0; 21];
        message[0] = word as u8;
        message[1..17].copy_from_slice(id);
        message[17..].copy_from_slice(&generation.to_be_bytes());
        let full = hmac::sign(key, &message);
        full.as_ref().first_chunk().copied()
    }
}

/// What a credential says of itself before anything is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsed {
    /// What it is for.
    pub word: Word,
    /// The public id: of the key, or of the family.
    pub id: [u8; 16],
    /// Which generation of that key's or family's secret it is.
    pub generation: u32,
    /// The version of the key that its tag was made with.
    pub tag_version: u8,
}

/// Writes the credential of `id` and `generation` around 256 bits of secret.
pub fn mint(
    word: Word,
    id: &[u8; 16],
    generation: u32,
    secret: &[u8; 32],
    tags: &TagKeys,
) -> Secret {
    mint_again(word, id, generation, secret, tags.current, tags)
}

/// Writes the credential as it was written when `tag_version` was the newest, to compare with it.
pub fn mint_again(
    word: Word,
    id: &[u8; 16],
    generation: u32,
    secret: &[u8; 32],
    tag_version: u8,
    tags: &TagKeys,
) -> Secret {
    let generation = generation.min(MAX_GENERATION);
    let tag = tags
        .tag(tag_version, word, id, generation)
        .unwrap_or_default();
    let mut public = [0; 24];
    public[..16].copy_from_slice(id);
    public[16..19].copy_from_slice(&generation.to_be_bytes()[1..]);
    public[19] = tag_version;
    public[20..].copy_from_slice(&tag);

    let mut text = String::with_capacity(3 + 7 + 1 + PUBLIC + 1 + SECRET + CHECKSUM);
    text.push_str("lk_");
    text.push_str(word.as_str());
    text.push('_');
    encode(&public, &mut text);
    text.push('_');
    encode(secret, &mut text);
    let checksum = crc32fast::hash(text.as_bytes());
    push_digits(u64::from(checksum), CHECKSUM, &mut text);
    Secret::from(text)
}

/// Reads a credential, offline: shape, checksum and tag.
pub fn parse(text: &str, tags: &TagKeys) -> Result<Parsed, Malformed> {
    let rest = text.strip_prefix("lk_").ok_or(Malformed)?;
    let word = Word::ALL
        .into_iter()
        .find(|word| {
            rest.strip_prefix(word.as_str())
                .is_some_and(|rest| rest.starts_with('_'))
        })
        .ok_or(Malformed)?;
    let body = &rest.as_bytes()[word.as_str().len() + 1..];
    if body.len() != PUBLIC + 1 + SECRET + CHECKSUM || body[PUBLIC] != b'_' {
        return Err(Malformed);
    }
    let (checked, checksum) = text.as_bytes().split_at(text.len() - CHECKSUM);
    if number(checksum)? != u64::from(crc32fast::hash(checked)) {
        return Err(Malformed);
    }
    for chunk in body[PUBLIC + 1..PUBLIC + 1 + SECRET].chunks(CHUNK) {
        number(chunk)?;
    }

    let mut public = [0; 24];
    for (bytes, digits) in public.chunks_mut(8).zip(body[..PUBLIC].chunks(CHUNK)) {
        bytes.copy_from_slice(&number(digits)?.to_be_bytes());
    }
    let mut id = [0; 16];
    id.copy_from_slice(&public[..16]);
    let generation = u32::from_be_bytes([0, public[16], public[17], public[18]]);
    let expected = tags
        .tag(public[19], word, &id, generation)
        .ok_or(Malformed)?;
    aws_lc_rs::constant_time::verify_slices_are_equal(&expected, &public[20..])
        .map_err(|_| Malformed)?;
    Ok(Parsed {
        word,
        id,
        generation,
        tag_version: public[19],
    })
}

/// Whether a text has the shape and the checksum of a native credential: what a scanner can know offline,
/// without any key.
pub fn looks_genuine(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("lk_") else {
        return false;
    };
    let Some((word, body)) = rest.split_once('_') else {
        return false;
    };
    let body = body.as_bytes();
    Word::ALL.iter().any(|known| known.as_str() == word)
        && body.len() == PUBLIC + 1 + SECRET + CHECKSUM
        && body[PUBLIC] == b'_'
        && body
            .iter()
            .enumerate()
            .all(|(place, byte)| place == PUBLIC || byte.is_ascii_alphanumeric())
        && number(&body[body.len() - CHECKSUM..])
            == Ok(u64::from(crc32fast::hash(
                &text.as_bytes()[..text.len() - CHECKSUM],
            )))
}

/// Letters and digits for `bytes`, whose length is a multiple of eight; for identifiers and secrets of
/// dialects that allow nothing else.
pub fn alphanumeric(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() / 8 * CHUNK);
    encode(bytes, &mut text);
    text
}

fn encode(bytes: &[u8], text: &mut String) {
    for chunk in bytes.chunks_exact(8) {
        let mut eight = [0; 8];
        eight.copy_from_slice(chunk);
        push_digits(u64::from_be_bytes(eight), CHUNK, text);
    }
}

fn push_digits(mut number: u64, width: usize, text: &mut String) {
    let mut digits = [b'0'; CHUNK];
    for place in digits[..width].iter_mut().rev() {
        *place = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    text.extend(digits[..width].iter().map(|digit| char::from(*digit)));
}

fn number(digits: &[u8]) -> Result<u64, Malformed> {
    let mut number: u64 = 0;
    for digit in digits {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'Z' => digit - b'A' + 10,
            b'a'..=b'z' => digit - b'a' + 36,
            _ => return Err(Malformed),
        };
        number = number
            .checked_mul(62)
            .and_then(|n| n.checked_add(u64::from(value)))
            .ok_or(Malformed)?;
    }
    Ok(number)
}

#[cfg(test)]
mod tests;
