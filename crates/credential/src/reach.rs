//! Reach: which data of a product a key or a person may get to, apart from what they may do with it.
//!
//! Roles say which actions, reach says which resources. It is given per kind of resource, is kept whether or not the
//! organization enforces it, and counts where a request names a resource of a kind that the product scopes. Where it
//! counts, what was not given is refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::grant::{MAX_KIND_CHARS, MAX_RESOURCE_BYTES, MAX_RESOURCES};

/// The most kinds in one reach; products have a handful.
pub const MAX_KINDS: usize = 16;
/// The longest condition beside a resource in bytes.
pub const MAX_CONDITION_BYTES: usize = 4000;

/// How far somebody reaches among the resources of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extent {
    /// To those that are listed.
    Listed,
    /// To none, but for what is listed.
    Nothing,
    /// To all.
    All,
}

/// What somebody reaches of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// How far.
    pub extent: Extent,
    /// Resources by id, each with what the API itself narrows them by; empty where that is nothing.
    pub listed: BTreeMap<String, String>,
}

/// What somebody reaches, by kind of resource. A kind that is not in it is not reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reach(BTreeMap<String, Area>);

/// A reach that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadReach {
    /// Nothing listed must not be mistaken for "all".
    #[error("{0}: at least one must be listed")]
    NothingListed(String),
    /// Too much of it.
    #[error("{0}: at most {MAX_RESOURCES} can be listed")]
    TooMany(String),
    /// A kind or an id that is none.
    #[error(
        "{0}: an id has 1 to {MAX_RESOURCE_BYTES} bytes, a condition at most {MAX_CONDITION_BYTES}"
    )]
    Text(String),
    /// Too many kinds.
    #[error("at most {MAX_KINDS} kinds")]
    Kinds,
}

impl Area {
    /// All of the kind.
    pub fn all() -> Self {
        Self {
            extent: Extent::All,
            listed: BTreeMap::new(),
        }
    }

    fn reaches(&self, id: &str) -> bool {
        self.extent == Extent::All || self.listed.contains_key(id)
    }
}

impl Reach {
    /// A reach with these areas.
    pub fn new(areas: BTreeMap<String, Area>) -> Result<Self, BadReach> {
        if areas.len() > MAX_KINDS {
            return Err(BadReach::Kinds);
        }
        for (kind, area) in &areas {
            let good = (1..=MAX_KIND_CHARS).contains(&kind.len())
                && area.listed.iter().all(|(id, condition)| {
                    (1..=MAX_RESOURCE_BYTES).contains(&id.len())
                        && !id.chars().any(char::is_control)
                        && condition.len() <= MAX_CONDITION_BYTES
                });
            if !good {
                return Err(BadReach::Text(kind.clone()));
            }
            if area.extent == Extent::Listed && area.listed.is_empty() {
                return Err(BadReach::NothingListed(kind.clone()));
            }
            if area.listed.len() > MAX_RESOURCES {
                return Err(BadReach::TooMany(kind.clone()));
            }
        }
        Ok(Self(areas))
    }

    /// What is reached of a kind; nothing where it was not given.
    pub fn area(&self, kind: &str) -> Option<&Area> {
        self.0.get(kind)
    }

    /// Whether a resource, written `<kind>:<id>`, is reached.
    pub fn allows(&self, resource: &str) -> bool {
        let Some((kind, id)) = resource.split_once(':') else {
            return false;
        };
        self.0.get(kind).is_some_and(|area| area.reaches(id))
    }

    /// The kinds that were given.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether all of this is reached by `other` too.
    pub fn is_within(&self, other: &Reach) -> bool {
        self.0.iter().all(|(kind, area)| {
            other.is_whole(kind)
                || (area.extent != Extent::All
                    && area
                        .listed
                        .keys()
                        .all(|id| other.0.get(kind).is_some_and(|known| known.reaches(id))))
        })
    }

    /// What both reach.
    pub fn common(&self, other: &Reach) -> Reach {
        let mut areas = BTreeMap::new();
        for (kind, area) in &self.0 {
            let Some(theirs) = other.0.get(kind) else {
                continue;
            };
            let both = match (area.extent, theirs.extent) {
                (Extent::All, _) => theirs.clone(),
                (_, Extent::All) => area.clone(),
                _ => Area {
                    extent: Extent::Nothing,
                    listed: area
                        .listed
                        .iter()
                        .filter(|(id, _)| theirs.reaches(id))
                        .map(|(id, condition)| (id.clone(), condition.clone()))
                        .collect(),
                },
            };
            areas.insert(kind.clone(), both);
        }
        Reach(areas)
    }

    /// Whether all of a kind is reached.
    pub fn is_whole(&self, kind: &str) -> bool {
        self.0
            .get(kind)
            .is_some_and(|area| area.extent == Extent::All)
    }

    /// What any of these reaches: a person's own reach with those of their groups.
    pub fn together<'r>(reaches: impl IntoIterator<Item = &'r Reach>) -> Self {
        let mut areas: BTreeMap<String, Area> = BTreeMap::new();
        for (kind, area) in reaches.into_iter().flat_map(|reach| &reach.0) {
            match areas.get_mut(kind) {
                None => {
                    areas.insert(kind.clone(), area.clone());
                }
                Some(known) => {
                    known.extent = match (known.extent, area.extent) {
                        (Extent::All, _) | (_, Extent::All) => Extent::All,
                        (Extent::Listed, _) | (_, Extent::Listed) => Extent::Listed,
                        (Extent::Nothing, Extent::Nothing) => Extent::Nothing,
                    };
                    known.listed.extend(area.listed.clone());
                }
            }
        }
        Self(areas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(areas: &[(&str, Extent, &[&str])]) -> Reach {
        let areas = areas.iter().map(|(kind, extent, ids)| {
            let listed = ids.iter().map(|id| ((*id).to_owned(), String::new()));
            let area = Area {
                extent: *extent,
                listed: listed.collect(),
            };
            ((*kind).to_owned(), area)
        });
        Reach::new(areas.collect()).unwrap()
    }

    #[test]
    fn what_was_not_given_is_not_reached() {
        let given = reach(&[
            ("asset_group", Extent::Listed, &["1", "2"]),
            ("case_tag", Extent::All, &[]),
            ("endpoint_tag", Extent::Nothing, &[]),
            ("dataset", Extent::Nothing, &["xdr_data"]),
        ]);
        for (resource, expected) in [
            ("asset_group:1", true),
            ("asset_group:3", false),
            ("asset_group:", false),
            ("case_tag:anything:at all", true),
            ("endpoint_tag:x", false),
            ("endpoint_group:x", false),
            ("dataset:xdr_data", true),
            ("dataset:other", false),
            ("nothing", false),
        ] {
            assert_eq!(given.allows(resource), expected, "{resource}");
            assert!(!Reach::default().allows(resource), "{resource}");
        }
    }

    #[test]
    fn together_they_reach_what_any_of_them_does() {
        let one = reach(&[("a", Extent::Listed, &["1"]), ("b", Extent::Nothing, &[])]);
        let other = reach(&[("a", Extent::Listed, &["2"]), ("b", Extent::All, &[])]);
        let both = Reach::together([&one, &other]);
        for resource in ["a:1", "a:2", "b:1", "a:3", "c:1"] {
            let any = one.allows(resource) || other.allows(resource);
            assert_eq!(both.allows(resource), any, "{resource}");
        }
        assert!(both.is_whole("b") && !both.is_whole("a"));
        let common = one.common(&other);
        for resource in ["a:1", "a:2", "b:1", "a:3", "c:1"] {
            let all = one.allows(resource) && other.allows(resource);
            assert_eq!(common.allows(resource), all, "{resource}");
        }
        assert!(one.is_within(&both) && other.is_within(&both) && common.is_within(&one));
        assert!(!both.is_within(&one) && !both.is_within(&other));
    }

    #[test]
    fn nothing_listed_is_not_all() {
        let area = Area {
            extent: Extent::Listed,
            listed: BTreeMap::new(),
        };
        let empty = Reach::new(BTreeMap::from([("a".to_owned(), area)]));
        assert_eq!(empty, Err(BadReach::NothingListed("a".to_owned())));
    }
}
