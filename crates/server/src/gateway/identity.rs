//! What an upstream is told about the caller, in headers that only this server can write.

use authority::verify::Valid;
use credential::access::Reached;
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
/// For which resources the scopes of the route are held, separated by commas.
pub const RESOURCES: HeaderName = HeaderName::from_static("x-latchkey-resources");
/// The id of the request, as in the log.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-latchkey-request-id");

/// All of them.
pub const ALL: [HeaderName; 7] = [
    KEY_ID,
    ORGANIZATION_ID,
    KIND,
    SCOPES,
    ROLES,
    RESOURCES,
    REQUEST_ID,
];

/// What stands in one that has nothing to say; no name of a role is written like this.
pub const NOTHING: &str = "-";

/// What stands in [`RESOURCES`] where the scopes are held for all; no resource is written like this, since each has its
/// kind before a colon.
pub const EVERY_RESOURCE: &str = "*";

/// The most bytes of a list of resources. Servers take headers of 8 KiB to 64 KiB together, most of them 16 KiB or more;
/// a list that would be cut is refused instead.
const MOST_RESOURCE_BYTES: usize = 8 * 1024;

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
    /// For which resources the scopes of the route are held, as [`resources`] writes them; empty where the route does
    /// not ask.
    pub resources: String,
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
            resources: String::new(),
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
            (RESOURCES, &self.resources),
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

/// What an upstream is told of the resources that are reached: [`EVERY_RESOURCE`], or each of them encoded like a role;
/// `None` where they are too many to be told.
pub fn resources(reached: &Reached) -> Option<String> {
    let Reached::Listed(listed) = reached else {
        return Some(EVERY_RESOURCE.to_owned());
    };
    let mut text = String::new();
    for resource in listed {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&encode(resource));
        if text.len() > MOST_RESOURCE_BYTES {
            return None;
        }
    }
    Some(text)
}

/// A name for a list in a header: the comma, the percent sign and what is not visible ASCII
/// percent-encoded, and one that would look like [`NOTHING`].
fn encode(name: &str) -> String {
    if name == NOTHING {
        return "%2D".to_owned();
    }
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
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
        assert_eq!(headers.len(), 7);
        assert_eq!(headers[&KEY_ID], "-");
        assert_eq!(headers[&SCOPES], "-");
        assert_eq!(headers[&ROLES], "-");
        assert_eq!(headers[&RESOURCES], "-");
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
    fn resources_are_told_whole_or_not_at_all() {
        let told = |listed: &[&str]| {
            resources(&Reached::Listed(
                listed.iter().map(|text| (*text).to_owned()).collect(),
            ))
        };
        assert_eq!(resources(&Reached::All).unwrap(), "*");
        assert_eq!(
            told(&["account:7", "account:a,b:c", "account:*"]).unwrap(),
            "account:7,account:a%2Cb:c,account:*"
        );
        let long = "account:".to_owned() + &"x".repeat(MOST_RESOURCE_BYTES / 2);
        assert!(told(&[&long]).is_some());
        assert_eq!(told(&[&long, &long]), None);
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
