//! The header `Authorization`: who says to call, before anybody has believed it.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use credential::secret::Secret;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::form;

/// What the header presents.
pub enum Authorization {
    /// There is no such header.
    Nothing,
    /// `Bearer …` (RFC 6750).
    Bearer(Secret),
    /// `Basic …` (RFC 7617), its two parts decoded as RFC 6749 section 2.3.1 asks.
    Basic {
        /// What stands before the colon.
        id: String,
        /// What stands behind it.
        secret: Secret,
    },
    /// Another scheme, two headers, or something that cannot be read.
    Unreadable,
}

/// How all of our credentials begin but the signed tokens.
const OURS: &str = "lk_";

/// Clients leave the padding of base64 out now and then; nothing hangs on it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Authorization {
    /// Reads the header. The scheme's case does not matter (RFC 9110, section 11.1).
    pub fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Authorization::Nothing;
        };
        let (None, Ok(value)) = (values.next(), value.to_str()) else {
            return Authorization::Unreadable;
        };
        let (scheme, rest) = value.trim().split_once(' ').unwrap_or((value, ""));
        let rest = rest.trim_start();
        if rest.is_empty() || rest.contains(' ') {
            return Authorization::Unreadable;
        }
        if scheme.eq_ignore_ascii_case("bearer") {
            return Authorization::Bearer(Secret::from(rest.to_owned()));
        }
        if scheme.eq_ignore_ascii_case("basic") {
            return basic(rest).unwrap_or(Authorization::Unreadable);
        }
        Authorization::Unreadable
    }
}

/// Whether one of our credentials stands in a query, or one of these names for one, however it is encoded: URLs are
/// logged on their way.
pub fn stands_in(query: &str, names: &[&str]) -> bool {
    query.split('&').any(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let [name, value] = [name, value]
            .map(|text| form::decode(text.as_bytes()).unwrap_or_else(|| text.to_owned()));
        name.starts_with(OURS)
            || value.starts_with(OURS)
            || names.iter().any(|known| name.eq_ignore_ascii_case(known))
    })
}

fn basic(encoded: &str) -> Option<Authorization> {
    let pair = Secret::from(String::from_utf8(BASE64.decode(encoded).ok()?).ok()?);
    let (id, secret) = pair.expose().split_once(':')?;
    // What cannot be form-encoded was not: it is taken as it stands.
    let part = |text: &str| form::decode(text.as_bytes()).unwrap_or_else(|| text.to_owned());
    Some(Authorization::Basic {
        id: part(id),
        secret: Secret::from(part(secret)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expected: &str) {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, header.parse().unwrap());
        let read = match Authorization::of(&headers) {
            Authorization::Nothing => "nothing".to_owned(),
            Authorization::Bearer(token) => format!("bearer {}", token.expose()),
            Authorization::Basic { id, secret } => format!("basic {id} {}", secret.expose()),
            Authorization::Unreadable => "unreadable".to_owned(),
        };
        assert_eq!(read, expected, "{header}");
    }

    #[test]
    fn the_scheme_is_read_in_any_case_and_odd_headers_are_not() {
        check("Bearer abc", "bearer abc");
        check("bEARER  abc", "bearer abc");
        check("Bearer", "unreadable");
        check("Bearer a b", "unreadable");
        check("Digest abc", "unreadable");
        check("Basic !!!", "unreadable");
    }

    #[test]
    fn basic_is_read_with_and_without_form_encoding_and_padding() {
        for (pair, expected) in [
            ("id:secret", "basic id secret"),
            ("id:s:e", "basic id s:e"),
            ("a%3Ab:c%2Bd+e%25", "basic a:b c+d e%"),
            ("id:100%", "basic id 100%"),
            (":", "basic  "),
        ] {
            let padded = BASE64.encode(pair);
            check(&format!("Basic {padded}"), expected);
            check(&format!("basic {}", padded.trim_end_matches('=')), expected);
        }
        check(&format!("Basic {}", BASE64.encode("nocolon")), "unreadable");
    }

    #[test]
    fn two_headers_are_unreadable() {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, "Bearer a".parse().unwrap());
        headers.append(AUTHORIZATION, "Bearer b".parse().unwrap());
        assert!(matches!(
            Authorization::of(&headers),
            Authorization::Unreadable
        ));
    }
}
