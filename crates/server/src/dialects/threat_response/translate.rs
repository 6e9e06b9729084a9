//! Between their words and ours.

use authority::World;
use authority::keys::{EditKey, Wish};
use authority::verify::Valid;
use credential::grant::Resources;
use credential::key::{Key, State};
use credential::name::{Comment, Name};
use credential::time::Instant;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::errors::{No, texts};
use super::wire::{Client, Nothing, Organization, User};

/// The members that a client is made of; `grants`, `redirects`, `availability` and `client-type` have one good value here.
pub(super) const CREATABLE: [&str; 7] = [
    "name",
    "description",
    "scopes",
    "grants",
    "redirects",
    "availability",
    "client-type",
];
/// The members of a client that can be changed.
pub(super) const CHANGEABLE: [&str; 4] = ["name", "description", "scopes", "enabled?"];

/// The one kind of client that is served here.
const GRANT: &str = "client-creds";
const AVAILABILITY: &str = "user";
const TYPE: &str = "confidential";

/// What a body wants of a client, in our words. What it does not name is `None`.
pub(super) struct Meant {
    pub(super) name: Option<Name>,
    pub(super) comment: Option<Comment>,
    pub(super) grants: Option<Wish>,
    pub(super) enabled: Option<bool>,
}

impl Meant {
    /// Reads the members of a body, each by itself.
    pub(super) fn read(sent: &Map<String, Value>) -> Result<Self, No> {
        let bad = |member: &str| No::member(member, "invalid");
        let text = |member: &str| match sent.get(member) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(bad(member)),
        };
        let name = text("name")?.map(|text| Name::new(text).map_err(|_| bad("name")));
        let comment = text("description")?;
        let comment = comment.map(|text| Comment::new(text).map_err(|_| bad("description")));
        let grants = match list(sent, "scopes")? {
            None => None,
            Some(scopes) if scopes.is_empty() => return Err(bad("scopes")),
            Some(scopes) => Some(Wish {
                roles: Vec::new(),
                scopes: scopes
                    .into_iter()
                    .map(|scope| (scope.to_owned(), Resources::All))
                    .collect(),
            }),
        };
        let enabled = match sent.get("enabled?") {
            None => None,
            Some(Value::Bool(enabled)) => Some(*enabled),
            Some(_) => return Err(bad("enabled?")),
        };
        let only = |found: bool, member| {
            if found {
                Ok(())
            } else {
                Err(unsupported(member))
            }
        };
        only(
            list(sent, "grants")?.is_none_or(|grants| grants == [GRANT]),
            "grants",
        )?;
        only(
            list(sent, "redirects")?.is_none_or(|urls| urls.is_empty()),
            "redirects",
        )?;
        only(
            text("availability")?.is_none_or(|word| word == AVAILABILITY),
            "availability",
        )?;
        only(
            text("client-type")?.is_none_or(|word| word == TYPE),
            "client-type",
        )?;
        Ok(Self {
            name: name.transpose()?,
            comment: comment.transpose()?,
            grants,
            enabled,
        })
    }

    /// Whether it changes more than whether the client is enabled.
    pub(super) fn edits(&self) -> bool {
        self.name.is_some() || self.comment.is_some() || self.grants.is_some()
    }

    /// The change of a client that is there.
    pub(super) fn edit(self) -> EditKey {
        EditKey {
            name: self.name,
            comment: self.comment,
            grants: self.grants,
            ..EditKey::default()
        }
    }
}

/// A list of texts.
fn list<'s>(sent: &'s Map<String, Value>, member: &str) -> Result<Option<Vec<&'s str>>, No> {
    let Some(value) = sent.get(member) else {
        return Ok(None);
    };
    let texts = value
        .as_array()
        .and_then(|items| items.iter().map(Value::as_str).collect());
    texts.map(Some).ok_or_else(|| No::member(member, "invalid"))
}

fn unsupported(member: &str) -> No {
    No::member(member, "unsupported")
}

/// A client as they show it.
pub(super) fn client(world: &World, key: &Key, password: Option<String>) -> Client {
    let scopes = match world.product(&key.product) {
        Some(product) => texts(world.rights(product, key.organization, &key.grants).names()),
        None => Vec::new(),
    };
    Client {
        id: key
            .current
            .handle
            .clone()
            .unwrap_or_else(|| key.id.to_string()),
        name: key.name.as_str().to_owned(),
        description: key.comment.as_str().to_owned(),
        scopes,
        grants: [GRANT],
        redirects: [],
        availability: AVAILABILITY,
        client_type: TYPE,
        org_id: key.organization.to_string(),
        owner_id: key.owner.map(|id| id.to_string()).unwrap_or_default(),
        created_at: moment(key.created_at),
        approved: true,
        approval_status: "approved",
        enabled: key.state == State::Active,
        password,
    }
}

/// The person that a client acts as. One that no person made acts as itself, under its own name.
pub(super) fn user(world: &World, valid: &Valid, admin: bool) -> User {
    let key = &valid.live.key;
    let owner = key.owner.and_then(|owner| world.user(owner));
    let name = owner.map_or(&key.name, |user| &user.name).as_str();
    // When a person was changed last is not kept.
    let created = moment(owner.map_or(key.created_at, |user| user.created_at));
    User {
        role: if admin { "admin" } else { "user" },
        scopes: scopes(valid),
        user_id: user_id(valid),
        user_email: owner
            .map(|user| user.email.as_str().to_owned())
            .unwrap_or_default(),
        user_name: name.to_owned(),
        user_nick: name.to_owned(),
        org_id: key.organization.to_string(),
        enabled: owner.is_none_or(|user| user.active),
        created_at: created.clone(),
        updated_at: created,
        idp_mappings: [],
    }
}

/// The organization of whoever asks.
pub(super) fn organization(world: &World, valid: &Valid) -> Result<Organization, No> {
    let organization = world
        .organization(valid.live.key.organization)
        .ok_or_else(|| No::of(StatusCode::NOT_FOUND))?;
    Ok(Organization {
        id: organization.id.to_string(),
        name: organization.name.as_str().to_owned(),
        enabled: organization.active,
        created_at: moment(organization.created_at),
        updated_at: moment(organization.created_at),
        activation_status: "activated",
        additional_scopes: [],
        settings: Nothing {},
    })
}

/// The id of whom a client acts as.
pub(super) fn user_id(valid: &Valid) -> String {
    let key = &valid.live.key;
    match key.owner {
        Some(owner) => owner.to_string(),
        None => key.id.to_string(),
    }
}

/// What a token may.
pub(super) fn scopes(valid: &Valid) -> Vec<String> {
    texts(valid.scopes())
}

/// A moment to the millisecond, as they write it.
fn moment(at: Instant) -> String {
    Timestamp::from_millisecond(at.millis())
        .map(|at| format!("{at:.3}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(body: Value, expected: Result<(), &str>) {
        let read = Meant::read(body.as_object().unwrap()).map(drop);
        match (read, expected) {
            (Ok(()), Ok(())) => {}
            (Err(no), Err(part)) => assert!(format!("{no:?}").contains(part), "{body}: {no:?}"),
            (read, _) => panic!("{body}: {read:?}"),
        }
    }

    #[test]
    fn the_members_of_a_body_are_checked_one_by_one() {
        check(
            json!({"name": "soar", "scopes": ["inspect:read"], "grants": ["client-creds"], "redirects": []}),
            Ok(()),
        );
        check(json!({"enabled?": false}), Ok(()));
        check(json!({"name": 1}), Err("name"));
        check(json!({"name": ""}), Err("name"));
        check(json!({"scopes": []}), Err("scopes"));
        check(json!({"scopes": "inspect:read"}), Err("scopes"));
        check(json!({"scopes": ["inspect:read", 1]}), Err("scopes"));
        check(json!({"enabled?": "no"}), Err("enabled?"));
        check(json!({"grants": ["auth-code"]}), Err("grants"));
        check(
            json!({"redirects": ["https://example.com"]}),
            Err("redirects"),
        );
        check(json!({"availability": "everyone"}), Err("availability"));
        check(json!({"client-type": "public"}), Err("client-type"));
    }

    #[test]
    fn a_moment_has_milliseconds() {
        assert_eq!(
            moment(Instant::from_millis(1_767_225_600_000)),
            "2026-01-01T00:00:00.000Z"
        );
        assert_eq!(
            moment(Instant::from_millis(1_767_225_600_007)),
            "2026-01-01T00:00:00.007Z"
        );
    }
}
