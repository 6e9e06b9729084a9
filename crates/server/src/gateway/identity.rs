//! What an upstream is told about the caller, in headers that only this server can write.

use authority::verify::Valid;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The id of the key.
pub const KEY_ID: HeaderName = HeaderName::from_static("x-latchkey-key-id");
/// The id of the organization that it acts for.
pub const ORGANIZATION_ID: HeaderName = HeaderName::from_static("x-latchkey-organization-id");
/// The kind of the key.
pub const KIND: HeaderName = HeaderName::from_static("x-latchkey-kind");
/// What the key may do, separated by spaces.
pub const SCOPES: HeaderName = HeaderName::from_static("x-latchkey-scopes");
/// Its roles, separated by commas.
pub const ROLES: HeaderName = HeaderName::from_static("x-latchkey-roles");
/// The id of the request, as in the log.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-latchkey-request-id");

/// All of them.
pub const ALL: [HeaderName; 6] = [KEY_ID, ORGANIZATION_ID, KIND, SCOPES, ROLES, REQUEST_ID];

/// What stands in one that has nothing to say; no name of a role is written like this.
pub const NOTHING: &str = "-";

/// How all of them begin, as does whatever a later version adds.
pub const PREFIX: &str = "x-latchkey-";

/// Who was allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The id of the key.
    pub key_id: String,
    /// The id of the organization that it acts for: its own, or one that its token names.
    pub organization_id: String,
    /// The kind of the key, as the API names it.
    pub kind: String,
    /// What the key may do here.
    pub scopes: Vec<String>,
    /// The names of its roles.
    pub roles: Vec<String>,
}

impl Identity {
    /// Whose credential this is, and what it may.
    pub fn of(valid: &Valid) -> Self {
        let key = &valid.live.key;
        Self {
            key_id: key.id.to_string(),
            organization_id: valid.organization().to_string(),
            kind: key.kind.as_str().to_owned(),
            scopes: valid
                .scopes()
                .into_iter()
                .map(|scope| scope.as_str().to_owned())
                .collect(),
            roles: valid.live.roles.clone(),
        }
    }

    /// Sets every identity header, with [`NOTHING`] where there is nothing to say. A gateway that only
    /// replaces what it is given would otherwise let a forged one through, and some (Caddy before
    /// 2.11.2) take an empty value for none.
    pub fn write(&self, request_id: &str, headers: &mut HeaderMap) {
        let roles: Vec<String> = self.roles.iter().map(|role| encode(role)).collect();
        for (name, value) in [
            (KEY_ID, self.key_id.as_str()),
            (ORGANIZATION_ID, &self.organization_id),
            (KIND, &self.kind),
            (SCOPES, &self.scopes.join(" ")),
            (ROLES, &roles.join(",")),
            (REQUEST_ID, request_id),
        ] {
            let value = Some(value)
                .filter(|value| !value.is_empty())
                .and_then(|value| HeaderValue::from_str(value).ok())
                .unwrap_or(HeaderValue::from_static(NOTHING));
            headers.insert(name, value);
        }
    }
}

/// Whether a header of this name pretends to come from here. Many programs read `_` as `-` (CGI and
/// its children), so both spellings do.
pub fn is_forgeable(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    name.len() >= PREFIX.len()
        && name
            .iter()
            .zip(PREFIX.bytes())
            .all(|(have, want)| *have == want || (want == b'-' && *have == b'_'))
}

/// A role's name for a list in a header: the comma, the percent sign and what is not visible ASCII
/// percent-encoded, and a name that would look like [`NOTHING`].
fn encode(role: &str) -> String {
    if role == NOTHING {
        return "%2D".to_owned();
    }
    let mut encoded = String::with_capacity(role.len());
    for byte in role.bytes() {
        match byte {
            b',' | b'%' => encoded.push_str(&format!("%{byte:02X}")),
            b' '..=b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identity_header_is_always_there() {
        let mut headers = HeaderMap::new();
        Identity::default().write("r1", &mut headers);
        assert_eq!(headers.len(), 6);
        assert_eq!(headers[&KEY_ID], "-");
        assert_eq!(headers[&SCOPES], "-");
        assert_eq!(headers[&ROLES], "-");
        assert_eq!(headers[&REQUEST_ID], "r1");
    }

    #[test]
    fn a_role_cannot_pass_for_two_or_break_a_header() {
        let mut headers = HeaderMap::new();
        let roles = vec![
            "Read, Write".to_owned(),
            "Größe 100%\r\n".to_owned(),
            "-".to_owned(),
        ];
        Identity {
            roles,
            ..Identity::default()
        }
        .write("", &mut headers);
        assert_eq!(
            headers[&ROLES],
            "Read%2C Write,Gr%C3%B6%C3%9Fe 100%25%0D%0A,%2D"
        );
    }

    #[test]
    fn both_spellings_of_a_forged_header_are_known() {
        for name in [
            "x-latchkey-key-id",
            "x_latchkey_key_id",
            "x-latchkey_anything",
            "X-Latchkey-",
        ] {
            assert!(is_forgeable(&name.parse().unwrap()), "{name}");
        }
        for name in [
            "x-latchkey",
            "latchkey-key-id",
            "x-latch-key-id",
            "x-request-id",
        ] {
            assert!(!is_forgeable(&name.parse().unwrap()), "{name}");
        }
    }
}
