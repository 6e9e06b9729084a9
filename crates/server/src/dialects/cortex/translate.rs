//! Between their words and ours.

use std::collections::HashMap;

use authority::World;
use authority::keys::Expiry;
use credential::grant::Grants;
use credential::id::KeyId;
use credential::key::{Key, Kind, Maker};
use credential::name::{Comment, Name};
use credential::time::Instant;
use serde_json::Value;

use super::areas::No;
use super::wire::{self, Filter, Sort};

/// What a key is called that has no comment: people know them by their numbers.
const NAMELESS: &str = "API key";
/// Who made a key that nobody made: whoever holds the server's shell.
const SYSTEM: &str = "Latchkey";
/// Who made a key, where that person was removed.
const REMOVED: &str = "Revoked user";

/// The kind of key that a security level is.
pub(super) fn kind(level: &str) -> Result<Kind, No> {
    match level {
        "standard" => Ok(Kind::Static),
        "advanced" => Ok(Kind::Signed),
        _ => Err(No::invalid("security_level: expected standard or advanced")),
    }
}

/// The security level that a kind of key has.
fn level(kind: Kind) -> &'static str {
    match kind {
        Kind::Signed => "advanced",
        _ => "standard",
    }
}

pub(super) fn comment(text: &str) -> Result<Comment, No> {
    Comment::new(text).map_err(|why| No::invalid(format!("comment: {why}")))
}

/// A name for people elsewhere: the beginning of the comment, as far as it can be one.
pub(super) fn name(comment: &Comment) -> Result<Name, No> {
    let first = comment.as_str().lines().next().unwrap_or_default();
    let named = Name::new(first).or_else(|_| Name::new(NAMELESS));
    named.map_err(|why| No::invalid(format!("comment: {why}")))
}

/// Milliseconds since 1970, or what the product does when nobody says.
pub(super) fn expiry(wanted: Option<&Value>) -> Result<Expiry, No> {
    match wanted {
        None | Some(Value::Null) => Ok(Expiry::Default),
        Some(value) => match value.as_i64().filter(|millis| *millis > 0) {
            Some(millis) => Ok(Expiry::At(Instant::from_millis(millis))),
            None => Err(No::invalid(
                "expiration: must be integer in epoch milliseconds",
            )),
        },
    }
}

/// The number by which they know a key.
pub(super) fn number(key: &Key) -> i64 {
    let handle = key.current.handle.as_deref();
    handle.and_then(|handle| handle.parse().ok()).unwrap_or(0)
}

/// A key as they show it; `makers` has the numbers of the keys that made others.
pub(super) fn key(world: &World, key: &Key, makers: &HashMap<KeyId, Option<String>>) -> wire::Key {
    let (created_by, user_name) = match key.created_by {
        Maker::User(id) => match world.user(id) {
            Some(user) => (
                user.email.as_str().to_owned(),
                user.name.as_str().to_owned(),
            ),
            None => (REMOVED.to_owned(), REMOVED.to_owned()),
        },
        Maker::Key(id) => {
            let number = makers.get(&id).and_then(Option::as_deref);
            let text = format!("Public API - {}", number.unwrap_or_default());
            let text = text.trim_end_matches(" - ").to_owned();
            (text.clone(), text)
        }
        Maker::System => (SYSTEM.to_owned(), SYSTEM.to_owned()),
    };
    wire::Key {
        id: number(key),
        creation_time: key.created_at.millis(),
        created_by,
        user_name,
        roles: role_names(world, &key.grants),
        comment: key.comment.as_str().to_owned(),
        security_level: level(key.kind),
        expiration: key.expires_at.map(Instant::millis),
    }
}

/// The names of the roles in grants.
pub(super) fn role_names(world: &World, grants: &Grants) -> Vec<String> {
    let roles = grants.roles().iter();
    roles
        .filter_map(|grant| world.role(grant.role).filter(|role| !role.deleted))
        .map(|role| role.name.as_str().to_owned())
        .collect()
}

/// The numbers of a filter by ids, the one way of saying what is to be deleted.
pub(super) fn numbers(filters: &[Filter]) -> Result<Vec<i64>, No> {
    match filters {
        [filter] if filter.field == "id" && filter.operator == "in" => ids(&filter.value),
        _ => Err(No::invalid(
            "filters: expected one, of field id and operator in",
        )),
    }
}

fn ids(value: &Value) -> Result<Vec<i64>, No> {
    let wrong = || No::invalid("filters: id in expects a list of numbers");
    let list = value.as_array().ok_or_else(wrong)?;
    list.iter()
        .map(|id| id.as_i64().ok_or_else(wrong))
        .collect()
}

/// Which keys are wanted: all of these hold.
pub(super) struct Wanted(Vec<Condition>);

enum Condition {
    Id(Vec<i64>),
    Roles(Vec<String>),
    ExpiresFrom(i64),
    ExpiresUntil(i64),
}

impl Wanted {
    pub(super) fn read(filters: Vec<Filter>) -> Result<Self, No> {
        let conditions = filters.into_iter().map(|filter| {
            let millis = || {
                filter.value.as_i64().ok_or_else(|| {
                    No::invalid("filters: expiration expects integer in epoch milliseconds")
                })
            };
            match (filter.field.as_str(), filter.operator.as_str()) {
                ("id", "in") => ids(&filter.value).map(Condition::Id),
                ("expiration", "gte") => millis().map(Condition::ExpiresFrom),
                ("expiration", "lte") => millis().map(Condition::ExpiresUntil),
                ("roles", "contains") => {
                    let names = serde_json::from_value(filter.value.clone());
                    names
                        .map(Condition::Roles)
                        .map_err(|_| No::invalid("filters: roles contains expects a list of names"))
                }
                _ => Err(No::invalid(
                    "filters: expected id in, expiration gte, expiration lte or roles contains",
                )),
            }
        });
        conditions.collect::<Result<_, _>>().map(Self)
    }

    /// Whether a key with these roles is wanted. One without an expiry lies before and after nothing.
    pub(super) fn fits(&self, key: &Key, roles: &[String]) -> bool {
        let expires_at = key.expires_at.map(Instant::millis);
        self.0.iter().all(|condition| match condition {
            Condition::Id(ids) => ids.contains(&number(key)),
            Condition::Roles(names) => names.iter().any(|name| roles.contains(name)),
            Condition::ExpiresFrom(from) => expires_at.is_some_and(|at| at >= *from),
            Condition::ExpiresUntil(until) => expires_at.is_some_and(|at| at <= *until),
        })
    }
}

/// How keys are sorted.
pub(super) struct Order {
    by_roles: bool,
    falling: bool,
}

/// Where a key stands; what has no value stands last either way.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Rising(Option<i64>, String),
    Falling(std::cmp::Reverse<(Option<i64>, String)>),
    Last,
}

impl Order {
    pub(super) fn read(sort: Sort) -> Result<Self, No> {
        let by_roles = match sort.field.as_str() {
            "expiration" => false,
            "roles" => true,
            _ => return Err(No::invalid("sort: expected the field expiration or roles")),
        };
        let falling = match sort.keyword.as_str() {
            "asc" => false,
            "desc" => true,
            _ => return Err(No::invalid("sort: expected the keyword asc or desc")),
        };
        Ok(Self { by_roles, falling })
    }

    pub(super) fn place(&self, key: &Key, roles: &[String]) -> Place {
        let value = match self.by_roles {
            true => (None, roles.join(", ")),
            false => match key.expires_at {
                Some(at) => (Some(at.millis()), String::new()),
                None => return Place::Last,
            },
        };
        match self.falling {
            true => Place::Falling(std::cmp::Reverse(value)),
            false => Place::Rising(value.0, value.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_expiry_is_a_whole_number_of_milliseconds_above_nothing() {
        for (wanted, good) in [
            (None, true),
            (Some(Value::Null), true),
            (Some(json!(1_800_000_000_000_i64)), true),
            (Some(json!(0)), false),
            (Some(json!(-1)), false),
            (Some(json!(1.5)), false),
            (Some(json!("1800000000000")), false),
        ] {
            assert_eq!(expiry(wanted.as_ref()).is_ok(), good, "{wanted:?}");
        }
    }

    #[test]
    fn a_filter_names_a_field_and_an_operator_that_there_is() {
        for (field, operator, value, good) in [
            ("id", "in", json!([1, 2]), true),
            ("id", "in", json!(["1"]), false),
            ("id", "eq", json!([1]), false),
            ("expiration", "gte", json!(1), true),
            ("expiration", "lte", json!("1"), false),
            ("roles", "contains", json!(["Viewer"]), true),
            ("roles", "contains", json!("Viewer"), false),
            ("comment", "contains", json!(["x"]), false),
        ] {
            let filter = Filter {
                field: field.to_owned(),
                operator: operator.to_owned(),
                value: value.clone(),
            };
            let read = Wanted::read(vec![filter]);
            assert_eq!(read.is_ok(), good, "{field} {operator} {value}");
        }
    }

    #[test]
    fn a_key_is_called_by_the_first_line_of_its_comment() {
        for (text, expected) in [("ci\nmore", "ci"), ("", NAMELESS), ("\n", NAMELESS)] {
            let comment = comment(text).unwrap();
            assert_eq!(name(&comment).unwrap().as_str(), expected, "{text:?}");
        }
        let long = comment(&"x".repeat(300)).unwrap();
        assert_eq!(name(&long).unwrap().as_str(), NAMELESS);
    }
}
