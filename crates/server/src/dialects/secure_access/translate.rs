//! Between their words and ours.

use authority::World;
use authority::keys::{EditKey, Expiry, Wish};
use credential::grant::Resources;
use credential::key::{Addresses, Key, Maker};
use credential::name::{Comment, Name};
use credential::time::Instant;
use http::StatusCode;
use jiff::Timestamp;

use super::areas::No;
use super::wire::{self, Wanted};
use crate::dialects::time;

/// The longest description in characters.
const LONGEST_DESCRIPTION: usize = 256;

/// What a body wants, in our words; every member is checked.
pub(super) struct Meant {
    pub(super) name: Name,
    pub(super) comment: Option<Comment>,
    pub(super) grants: Wish,
    pub(super) addresses: Option<Addresses>,
    /// `Some(None)` is "never".
    pub(super) expires_at: Option<Option<Instant>>,
}

impl Meant {
    /// Reads a body.
    pub(super) fn read(wanted: Wanted) -> Result<Self, No> {
        let wrong =
            |member: &str, why: &dyn std::fmt::Display| No::bad_request(format!("{member}: {why}"));
        let name = Name::new(&wanted.name).map_err(|why| wrong("name", &why))?;
        if wanted.scopes.is_empty() {
            return Err(wrong("scopes", &"must not be empty"));
        }
        let everywhere = |scope: String| (scope, Resources::All);
        let grants = Wish {
            roles: Vec::new(),
            scopes: wanted.scopes.into_iter().map(everywhere).collect(),
        };
        let comment = match wanted.description {
            Some(text) if text.chars().count() > LONGEST_DESCRIPTION => {
                return Err(wrong(
                    "description",
                    &format_args!("must have at most {LONGEST_DESCRIPTION} characters"),
                ));
            }
            Some(text) => Some(Comment::new(&text).map_err(|why| wrong("description", &why))?),
            None => None,
        };
        let addresses = wanted
            .allowed_ips
            .map(Addresses::parse)
            .transpose()
            .map_err(|why| wrong("allowedIPs", &why))?;
        let expires_at = wanted.expire_at.map(|text| moment(&text)).transpose()?;
        Ok(Self {
            name,
            comment,
            grants,
            addresses,
            expires_at,
        })
    }

    /// The expiry of a key that is made.
    pub(super) fn expiry(&self) -> Expiry {
        self.expires_at.flatten().map_or(Expiry::Never, Expiry::At)
    }

    /// The change of a key that is there. Its expiry is not changed by this API: it may be repeated, not moved.
    pub(super) fn edit(self) -> EditKey {
        EditKey {
            name: Some(self.name),
            comment: self.comment,
            grants: Some(self.grants),
            addresses: self.addresses,
            ..EditKey::default()
        }
    }
}

/// A time as ISO 8601 writes it, without an offset in UTC; the empty text is "never".
fn moment(text: &str) -> Result<Option<Instant>, No> {
    if text.is_empty() {
        return Ok(None);
    }
    match time(text) {
        Some(at) => Ok(Some(at)),
        None => Err(No::bad_request(
            "expireAt: expected a time such as 2030-01-31T00:00:00Z, or nothing for never",
        )),
    }
}

/// A key as they show it. `used` is when it was last used; a key that never was shows when it was made, since clients
/// need a time.
pub(super) fn key(
    world: &World,
    key: &Key,
    used: Option<Instant>,
    secret: Option<String>,
) -> wire::Key {
    let (creator_key_id, creator_name, creator_email) = match key.created_by {
        Maker::Key(id) => (plain(&id.to_string()), String::new(), String::new()),
        Maker::User(id) => match world.user(id) {
            Some(user) => (
                String::new(),
                user.name.as_str().to_owned(),
                user.email.as_str().to_owned(),
            ),
            None => Default::default(),
        },
        Maker::System => Default::default(),
    };
    let scopes = match world.product(&key.product) {
        Some(product) => {
            let rights = world.rights(product, key.organization, &key.grants);
            rights
                .names()
                .into_iter()
                .map(|scope| scope.as_str().to_owned())
                .collect()
        }
        None => Vec::new(),
    };
    wire::Key {
        id: key.id.to_string(),
        name: key.name.as_str().to_owned(),
        description: key.comment.as_str().to_owned(),
        scopes,
        client_id: key
            .current
            .handle
            .clone()
            .unwrap_or_else(|| plain(&key.id.to_string())),
        client_secret: secret,
        creator_key_id,
        creator_name,
        creator_email,
        created_at: seconds(key.created_at),
        modified_at: seconds(key.edited_at),
        last_used_at: seconds(used.unwrap_or(key.created_at)),
        last_refreshed_at: seconds(key.rotated_at.unwrap_or(key.created_at)),
        expire_at: key.expires_at.map(exact).unwrap_or_default(),
        allowed_ips: key.addresses.networks().iter().map(address).collect(),
    }
}

/// A network of one address is shown as the address.
fn address(network: &ipnet::IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

/// An id without hyphens.
fn plain(id: &str) -> String {
    id.replace('-', "")
}

/// A moment in whole seconds.
fn seconds(at: Instant) -> String {
    Timestamp::from_second(at.seconds())
        .map(|at| at.to_string())
        .unwrap_or_default()
}

/// A moment as exact as it is kept, so that a client can send back what it read.
fn exact(at: Instant) -> String {
    Timestamp::from_millisecond(at.millis())
        .map(|at| at.to_string())
        .unwrap_or_default()
}

/// Refuses to move an expiry.
pub(super) fn same_expiry(key: &Key, wanted: Option<Instant>) -> Result<(), No> {
    if key.expires_at == wanted {
        Ok(())
    } else {
        Err(No::bad_request(
            "expireAt: it cannot be changed by this API",
        ))
    }
}

/// The refusal of a body that has another type than JSON.
pub(super) fn not_json() -> No {
    No::of(StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: Result<&str, &str>) {
        let read = serde_json::from_str::<Wanted>(body)
            .map_err(|error| error.to_string())
            .and_then(|wanted| {
                let told = |no: No| format!("{no:?}");
                Meant::read(wanted)
                    .map(|wish| wish.name.as_str().to_owned())
                    .map_err(told)
            });
        match expected {
            Ok(name) => assert_eq!(read.as_deref(), Ok(name), "{body}"),
            Err(part) => assert!(
                read.as_ref().is_err_and(|why| why.contains(part)),
                "{body}: {read:?}"
            ),
        }
    }

    #[test]
    fn the_members_of_a_body_are_checked_one_by_one() {
        check(
            r#"{"name":"api key for roaming-computers","expireAt":"","scopes":["a.b:read"]}"#,
            Ok("api key for roaming-computers"),
        );
        check(
            r#"{"name":"n","scopes":["a.b:read"],"description":null,"allowedIPs":null}"#,
            Ok("n"),
        );
        check(r#"{"scopes":["a.b:read"]}"#, Err("name"));
        check(r#"{"name":"n"}"#, Err("scopes"));
        check(
            r#"{"name":"","scopes":["a.b:read"]}"#,
            Err("name: must not be empty"),
        );
        check(
            r#"{"name":"a\u0007","scopes":["a.b:read"]}"#,
            Err("name: must consist"),
        );
        check(
            r#"{"name":"n","scopes":[]}"#,
            Err("scopes: must not be empty"),
        );
        check(
            r#"{"name":"n","scopes":["a.b:read"],"allowedIps":[]}"#,
            Err("unknown field"),
        );
        check(
            r#"{"name":"n","scopes":["a.b:read"],"allowedIPs":["somewhere"]}"#,
            Err("allowedIPs"),
        );
        check(
            r#"{"name":"n","scopes":["a.b:read"],"expireAt":"tomorrow"}"#,
            Err("expireAt"),
        );
        let long = |member: &str, length: usize| {
            format!(
                r#"{{"name":"n","scopes":["a.b:read"],"{member}":"{}"}}"#,
                "x".repeat(length)
            )
        };
        check(&long("description", 256), Ok("n"));
        check(
            &long("description", 257),
            Err("description: must have at most 256"),
        );
    }

    #[test]
    fn times_are_read_with_and_without_an_offset_and_written_so_that_they_read_the_same() {
        for (text, millis) in [
            ("2030-01-31T00:00:00Z", 1_896_048_000_000),
            ("2030-01-31T01:00:00+01:00", 1_896_048_000_000),
            ("2030-01-31T00:00:00", 1_896_048_000_000),
            ("2030-01-31", 1_896_048_000_000),
            ("2030-01-31T00:00:00.250Z", 1_896_048_000_250),
        ] {
            let at = moment(text).unwrap().unwrap();
            assert_eq!(at.millis(), millis, "{text}");
            assert_eq!(moment(&exact(at)).unwrap(), Some(at), "{text}");
        }
        assert_eq!(moment("").unwrap(), None);
        assert_eq!(
            seconds(Instant::from_millis(1_896_048_000_999)),
            "2030-01-31T00:00:00Z"
        );
    }

    #[test]
    fn a_network_of_one_address_is_that_address() {
        let addresses = Addresses::parse(["10.0.0.1", "10.1.0.0/16", "2001:db8::1/128"]).unwrap();
        let shown: Vec<String> = addresses.networks().iter().map(address).collect();
        assert_eq!(shown, ["10.0.0.1", "10.1.0.0/16", "2001:db8::1"]);
    }
}
