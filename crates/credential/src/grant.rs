//! Grants: the roles and scopes that a key holds, each with the resources it reaches.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::RoleId;
use crate::scope::Scope;

/// The most roles in one set of grants.
pub const MAX_ROLES: usize = 64;
/// The most scopes in one set of grants; the largest catalog has 77.
pub const MAX_SCOPES: usize = 512;
/// The most resources in one list; a longer list is a group that the product should name.
pub const MAX_RESOURCES: usize = 1000;
/// The longest kind of resource in characters.
pub const MAX_KIND_CHARS: usize = 40;
/// The longest identifier of a resource in bytes (cloud resource names have up to 2048, accounts
/// and groups far fewer).
pub const MAX_RESOURCE_BYTES: usize = 256;

/// Grants that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadGrant {
    /// A list of resources without any: it must not be mistaken for "all".
    #[error("a resource scope must list at least one resource, or say \"all\"")]
    NothingListed,
    /// A list of resources that is too long.
    #[error("a resource scope lists at most {MAX_RESOURCES} resources")]
    TooManyResources,
    /// A kind of resource that is not 1 to [`MAX_KIND_CHARS`] of `a-z`, `0-9`, `_`.
    #[error(
        "a kind of resource consists of 1 to {MAX_KIND_CHARS} lower case letters, digits and _"
    )]
    Kind,
    /// An identifier of a resource that is empty, too long or has control characters.
    #[error("a resource has 1 to {MAX_RESOURCE_BYTES} bytes without control characters")]
    Resource,
    /// Too many roles.
    #[error("at most {MAX_ROLES} roles can be granted")]
    TooManyRoles,
    /// Too many scopes.
    #[error("at most {MAX_SCOPES} scopes can be granted")]
    TooManyScopes,
}

/// Which resources a grant reaches. Nothing listed is an error, never "all".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resources {
    /// Every resource of the organization.
    All,
    /// The listed ones only.
    Listed(Listed),
}

/// A set of resources of one kind; never empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "StoredListed", into = "StoredListed")]
pub struct Listed {
    kind: Box<str>,
    ids: BTreeSet<String>,
}

/// A role given to a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleGrant {
    /// The role.
    pub role: RoleId,
    /// The resources for which it is given.
    pub resources: Resources,
}

/// A single scope given to a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeGrant {
    /// The scope.
    pub scope: Scope,
    /// The resources for which it is given.
    pub resources: Resources,
}

/// All that a key was given. Equal grants have equal stored forms: sorted, and what is given
/// twice is merged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "StoredGrants", into = "StoredGrants")]
pub struct Grants {
    roles: Vec<RoleGrant>,
    scopes: Vec<ScopeGrant>,
}

impl Resources {
    /// The listed resources of one kind.
    pub fn listed(kind: &str, ids: impl IntoIterator<Item = String>) -> Result<Self, BadGrant> {
        Listed::new(kind, ids.into_iter().collect()).map(Self::Listed)
    }

    /// Whether a resource, written `<kind>:<id>`, is among these. A question that names no
    /// resource is only within "all".
    pub fn reach(&self, resource: Option<&str>) -> bool {
        match (self, resource) {
            (Resources::All, _) => true,
            (Resources::Listed(_), None) => false,
            (Resources::Listed(listed), Some(resource)) => resource
                .split_once(':')
                .is_some_and(|(kind, id)| *listed.kind == *kind && listed.ids.contains(id)),
        }
    }

    /// What both reach; `None` when that is nothing.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Resources::All, both) | (both, Resources::All) => Some(both.clone()),
            (Resources::Listed(one), Resources::Listed(other)) if one.kind == other.kind => {
                let ids: BTreeSet<String> = one.ids.intersection(&other.ids).cloned().collect();
                (!ids.is_empty()).then(|| {
                    Resources::Listed(Listed {
                        kind: one.kind.clone(),
                        ids,
                    })
                })
            }
            _ => None,
        }
    }
}

impl Listed {
    /// One of its kind as questions name it.
    pub fn resource(&self, id: &str) -> String {
        format!("{}:{id}", self.kind)
    }

    /// A set of resources, of at least one and at most [`MAX_RESOURCES`].
    pub fn new(kind: &str, ids: BTreeSet<String>) -> Result<Self, BadGrant> {
        let good_kind = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if kind.is_empty() || kind.len() > MAX_KIND_CHARS || !kind.chars().all(good_kind) {
            return Err(BadGrant::Kind);
        }
        if ids.is_empty() {
            return Err(BadGrant::NothingListed);
        }
        if ids.len() > MAX_RESOURCES {
            return Err(BadGrant::TooManyResources);
        }
        let good_id = |id: &String| {
            (1..=MAX_RESOURCE_BYTES).contains(&id.len()) && !id.chars().any(char::is_control)
        };
        if !ids.iter().all(good_id) {
            return Err(BadGrant::Resource);
        }
        Ok(Self {
            kind: kind.into(),
            ids,
        })
    }

    /// The kind of the resources, as the product's catalog names it.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The resources.
    pub fn ids(&self) -> &BTreeSet<String> {
        &self.ids
    }
}

impl Grants {
    /// No rights at all.
    pub const NONE: Grants = Grants {
        roles: Vec::new(),
        scopes: Vec::new(),
    };

    /// Grants in canonical order, within the limits.
    pub fn new(roles: Vec<RoleGrant>, scopes: Vec<ScopeGrant>) -> Result<Self, BadGrant> {
        if roles.len() > MAX_ROLES {
            return Err(BadGrant::TooManyRoles);
        }
        if scopes.len() > MAX_SCOPES {
            return Err(BadGrant::TooManyScopes);
        }
        let roles = merge(roles.into_iter().map(|grant| (grant.role, grant.resources)))?;
        let scopes = merge(
            scopes
                .into_iter()
                .map(|grant| (grant.scope, grant.resources)),
        )?;
        Ok(Self {
            roles: roles
                .map(|(role, resources)| RoleGrant { role, resources })
                .collect(),
            scopes: scopes
                .map(|(scope, resources)| ScopeGrant { scope, resources })
                .collect(),
        })
    }

    /// These scopes, everywhere.
    pub fn of_scopes(scopes: impl IntoIterator<Item = Scope>) -> Result<Self, BadGrant> {
        let everywhere = |scope| ScopeGrant {
            scope,
            resources: Resources::All,
        };
        Self::new(Vec::new(), scopes.into_iter().map(everywhere).collect())
    }

    /// These roles, everywhere.
    pub fn of_roles(roles: impl IntoIterator<Item = RoleId>) -> Result<Self, BadGrant> {
        let everywhere = |role| RoleGrant {
            role,
            resources: Resources::All,
        };
        Self::new(roles.into_iter().map(everywhere).collect(), Vec::new())
    }

    /// The roles, sorted.
    pub fn roles(&self) -> &[RoleGrant] {
        &self.roles
    }

    /// The single scopes, sorted.
    pub fn scopes(&self) -> &[ScopeGrant] {
        &self.scopes
    }

    /// Whether nothing is granted.
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.scopes.is_empty()
    }
}

/// Sorts, and gives each thing once per kind of resource: "all" swallows every list, lists of one
/// kind become one.
fn merge<T: Ord + Clone>(
    grants: impl Iterator<Item = (T, Resources)>,
) -> Result<impl Iterator<Item = (T, Resources)>, BadGrant> {
    let mut everywhere = BTreeSet::new();
    let mut somewhere: BTreeMap<(T, Box<str>), BTreeSet<String>> = BTreeMap::new();
    for (thing, resources) in grants {
        match resources {
            Resources::All => drop(everywhere.insert(thing)),
            Resources::Listed(Listed { kind, ids }) => {
                somewhere.entry((thing, kind)).or_default().extend(ids)
            }
        }
    }
    somewhere.retain(|(thing, _), _| !everywhere.contains(thing));
    let mut merged: Vec<(T, Resources)> = everywhere
        .into_iter()
        .map(|thing| (thing, Resources::All))
        .collect();
    for ((thing, kind), ids) in somewhere {
        merged.push((thing, Resources::Listed(Listed::new(&kind, ids)?)));
    }
    merged.sort();
    Ok(merged.into_iter())
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredListed {
    kind: String,
    ids: BTreeSet<String>,
}

impl TryFrom<StoredListed> for Listed {
    type Error = BadGrant;

    fn try_from(stored: StoredListed) -> Result<Self, BadGrant> {
        Self::new(&stored.kind, stored.ids)
    }
}

impl From<Listed> for StoredListed {
    fn from(listed: Listed) -> Self {
        Self {
            kind: listed.kind.into(),
            ids: listed.ids,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredGrants {
    #[serde(default)]
    roles: Vec<RoleGrant>,
    #[serde(default)]
    scopes: Vec<ScopeGrant>,
}

impl TryFrom<StoredGrants> for Grants {
    type Error = BadGrant;

    fn try_from(stored: StoredGrants) -> Result<Self, BadGrant> {
        Self::new(stored.roles, stored.scopes)
    }
}

impl From<Grants> for StoredGrants {
    fn from(grants: Grants) -> Self {
        Self {
            roles: grants.roles,
            scopes: grants.scopes,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_listed_is_an_error_and_never_all() {
        assert_eq!(
            Resources::listed("account", []),
            Err(BadGrant::NothingListed)
        );
        for bad in [
            r#"{"listed":{"kind":"account","ids":[]}}"#,
            r#"{"listed":{"kind":"account"}}"#,
            r#"{"listed":{"kind":"","ids":["a"]}}"#,
            r#"{"listed":{"kind":"Account","ids":["a"]}}"#,
            r#"{"listed":{"kind":"account","ids":[""]}}"#,
            r#"{"listed":{"kind":"account","ids":["a"],"all":true}}"#,
            "null",
            "[]",
            "{}",
            r#""""#,
        ] {
            assert!(serde_json::from_str::<Resources>(bad).is_err(), "{bad}");
        }
        assert_eq!(
            serde_json::from_str::<Resources>(r#""all""#).unwrap(),
            Resources::All
        );
        let a = Resources::listed("account", ["a".to_owned()]).unwrap();
        assert_eq!(
            serde_json::to_string(&a).unwrap(),
            r#"{"listed":{"kind":"account","ids":["a"]}}"#
        );
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let many = |count: usize| Resources::listed("account", (0..count).map(|id| id.to_string()));
        assert!(many(MAX_RESOURCES).is_ok());
        assert_eq!(many(MAX_RESOURCES + 1), Err(BadGrant::TooManyResources));
        let scopes = |count: usize| {
            Grants::of_scopes((0..count).map(|n| Scope::new(&format!("s.{n}")).unwrap()))
        };
        assert!(scopes(MAX_SCOPES).is_ok());
        assert_eq!(scopes(MAX_SCOPES + 1), Err(BadGrant::TooManyScopes));
        let roles =
            |count: usize| Grants::of_roles((0..count).map(|n| RoleId::from_bytes([n as u8; 16])));
        assert!(roles(MAX_ROLES).is_ok());
        assert_eq!(roles(MAX_ROLES + 1), Err(BadGrant::TooManyRoles));
    }

    #[test]
    fn a_list_beside_all_says_nothing_and_lists_of_a_kind_are_one() {
        let a = |ids: &[&str]| {
            Resources::listed("account", ids.iter().map(|id| (*id).to_owned())).unwrap()
        };
        let grant = |resources| ScopeGrant {
            scope: Scope::new("x:read").unwrap(),
            resources,
        };
        let worth = |resources: Vec<Resources>| -> Vec<Resources> {
            let grants =
                Grants::new(Vec::new(), resources.into_iter().map(grant).collect()).unwrap();
            grants
                .scopes()
                .iter()
                .map(|grant| grant.resources.clone())
                .collect()
        };
        assert_eq!(worth(vec![a(&["1"]), Resources::All]), [Resources::All]);
        assert_eq!(worth(vec![a(&["2"]), a(&["1", "2"])]), [a(&["1", "2"])]);
    }

    proptest! {
        #[test]
        fn equal_grants_have_equal_stored_forms(mut grants in proptest::collection::vec(grant(), 0..8), turn in 0_usize..8) {
            let one = Grants::new(Vec::new(), grants.clone()).unwrap();
            let turn = turn.min(grants.len());
            grants.rotate_left(turn);
            grants.extend(grants.first().cloned());
            let other = Grants::new(Vec::new(), grants).unwrap();
            let stored = serde_json::to_string(&one).unwrap();
            prop_assert_eq!(&stored, &serde_json::to_string(&other).unwrap());
            prop_assert_eq!(serde_json::from_str::<Grants>(&stored).unwrap(), one);
        }
    }

    fn grant() -> impl Strategy<Value = ScopeGrant> {
        let resources = prop_oneof![
            Just(Resources::All),
            ("[ab]", proptest::collection::btree_set("[xyz]", 1..3))
                .prop_map(|(kind, ids)| Resources::listed(&kind, ids).unwrap()),
        ];
        ("[ab]\\.[ab]:read", resources).prop_map(|(scope, resources)| ScopeGrant {
            scope: Scope::new(&scope).unwrap(),
            resources,
        })
    }
}
