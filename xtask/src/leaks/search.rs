//! Looking for many secrets at once, in every form in which one is likely to be written down.

use std::collections::HashMap;

/// A needle begins with this many bytes that are looked up for every place in the hay.
const HEAD: usize = 8;

/// Secrets and their disguises.
pub(crate) struct Needles {
    heads: HashMap<[u8; HEAD], Vec<(Vec<u8>, String)>>,
    /// One bit for each three bytes that begin a needle, so that most places cost one look.
    first: Vec<u64>,
}

impl Needles {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self {
            heads: HashMap::new(),
            first: vec![0; (1 << 24) / 64],
        }
    }

    /// Adds a secret, a text or bytes, in all its forms; `label` tells which it is without telling it.
    pub(crate) fn add(&mut self, label: &str, secret: impl AsRef<[u8]>) {
        let bytes = secret.as_ref();
        let lower = hex(bytes);
        self.insert(label, "raw", bytes.to_vec());
        self.insert(label, "hex", lower.clone().into_bytes());
        self.insert(label, "HEX", lower.to_ascii_uppercase().into_bytes());
        // Base64 of a longer text shows a secret inside it in one of three ways, by where it begins; the first and last
        // characters mix with the neighbours and are left out.
        for skip in 0..3 {
            if let Some(inside) = bytes.get(skip..) {
                let whole = inside.len() / 3 * 3;
                let text = base64(&inside[..whole]);
                self.insert(
                    label,
                    "base64url",
                    text.replace('+', "-").replace('/', "_").into_bytes(),
                );
                self.insert(label, "base64", text.into_bytes());
            }
        }
        self.insert(label, "URL-encoded", percent(bytes).into_bytes());
    }

    /// What is found in the hay: label and form, each once.
    pub(crate) fn found_in(&self, hay: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for place in 0..hay.len().saturating_sub(HEAD - 1) {
            let three = usize::from(hay[place]) << 16
                | usize::from(hay[place + 1]) << 8
                | usize::from(hay[place + 2]);
            if self.first[three / 64] >> (three % 64) & 1 == 0 {
                continue;
            }
            let Ok(head) = <[u8; HEAD]>::try_from(&hay[place..place + HEAD]) else {
                continue;
            };
            for (needle, name) in self.heads.get(&head).into_iter().flatten() {
                if hay[place..].starts_with(needle) && !found.contains(name) {
                    found.push(name.clone());
                }
            }
        }
        found
    }

    fn insert(&mut self, label: &str, form: &str, needle: Vec<u8>) {
        let Some(head) = needle
            .get(..HEAD)
            .and_then(|head| <[u8; HEAD]>::try_from(head).ok())
        else {
            return;
        };
        let three = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        self.first[three / 64] |= 1 << (three % 64);
        let same_head = self.heads.entry(head).or_default();
        if !same_head.iter().any(|(known, _)| *known == needle) {
            same_head.push((needle, format!("{label} ({form})")));
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn percent(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(*byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// Base64 of whole groups of three bytes.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks_exact(3) {
        let bits = usize::from(group[0]) << 16 | usize::from(group[1]) << 8 | usize::from(group[2]);
        text.extend([18, 12, 6, 0].map(|shift| char::from(ALPHABET[bits >> shift & 63])));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "s3cretWith/Odd+Bytes~0123456789abcdef";

    fn check(hay: &str, found: bool) {
        let mut needles = Needles::new();
        needles.add("the key", SECRET);
        assert_eq!(!needles.found_in(hay.as_bytes()).is_empty(), found, "{hay}");
    }

    #[test]
    fn a_secret_is_found_in_every_form_and_alignment() {
        check(&format!("x{SECRET}y"), true);
        check(&format!("\\x{}", hex(SECRET.as_bytes())), true);
        check(&hex(SECRET.as_bytes()).to_uppercase(), true);
        check(&percent(SECRET.as_bytes()), true);
        for before in ["", "a", "ab"] {
            let text = format!("{before}{SECRET}!!");
            let whole = text.len() / 3 * 3;
            check(&base64(&text.as_bytes()[..whole]), true);
        }
        check("s3cretWith/Odd and something else altogether", false);
    }

    #[test]
    fn bytes_that_are_no_text_are_found_too() {
        let secret: [u8; 32] = std::array::from_fn(|at| 0xF0 ^ (at as u8 * 7));
        let mut needles = Needles::new();
        needles.add("the seed", secret);
        for hay in [
            [b"row ", &secret[..], b" end"].concat(),
            hex(&secret).into_bytes(),
            percent(&secret).into_bytes(),
        ] {
            assert!(!needles.found_in(&hay).is_empty());
        }
        assert!(needles.found_in(&secret[..31]).is_empty());
    }
}
