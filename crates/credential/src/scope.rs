//! Scopes: the permission strings of a product, and the two algebras that compare them.
//!
//! A [`Scope`] is text that is safe to store and to print; what it *means* is said by the
//! [`Algebra`] of its product. Both algebras deny what they do not understand: a wanted scope that
//! is outside the grammar is covered by nothing, and wildcards do not exist.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

mod dotted;
mod slash;
#[cfg(test)]
mod tests;

/// The longest scope in bytes; the longest in any catalog has 46.
pub const MAX_SCOPE_BYTES: usize = 200;

/// How deep aliases may refer to aliases; catalogs need one level, and the bound ends cycles.
pub const MAX_ALIAS_DEPTH: usize = 4;

/// The named bundles of a product: from an alias (`+incident-response`) to its scopes.
pub type Aliases = BTreeMap<Scope, Vec<Scope>>;

/// One permission string: 1 to [`MAX_SCOPE_BYTES`] bytes of printable ASCII without space, `"` and
/// `\` (the characters of a scope-token in RFC 6749, section 3.3). Spelling is kept as given.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(Box<str>);

/// A text that is not a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadScope {
    /// The text cannot be a scope of any product.
    #[error(
        "not a scope: expected 1 to 200 printable ASCII characters without space, quote and backslash"
    )]
    Text,
    /// The scope does not follow the grammar of its product.
    #[error("`{0}` is not a scope of this product: expected {1}")]
    Grammar(Scope, &'static str),
    /// The alias is not in the product's table, or aliases refer to one another too deep.
    #[error("`{0}` is not an alias of this product")]
    Alias(Scope),
}

/// How the scopes of one product compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Algebra {
    /// Dotted names with an action, `deployments.roamingcomputers:read`.
    ///
    /// `<domain>[.<resource>…][:<action>]`, each part of letters, digits, `-` and `_`.
    /// - A name without an action (`latchkey.verify`) stands for itself alone.
    /// - A lone domain with an action (`admin:read`) is domain-wide: it covers that action on
    ///   every name of the domain. A longer name covers itself only, never what lies below it,
    ///   because no source says that `admin.ztna:read` would reach `admin.ztna.users:read`.
    Dotted {
        /// `policies.destinationLists:read` is `policies.destinationlists:read`.
        #[serde(default)]
        ignore_case: bool,
        /// `x:write` also permits what needs `x:read`.
        #[serde(default)]
        write_covers_read: bool,
    },
    /// Paths with an access, `enrich/observables:read`: `read`, `write`, or both (`rw`, or nothing
    /// said). A path covers all paths below it, for the accesses it has. Names that begin with
    /// `+` are aliases; they mean nothing until [`Algebra::expand`] has replaced them.
    Slash,
}

impl Scope {
    /// The scope with this text, of whatever product.
    pub fn new(text: &str) -> Result<Self, BadScope> {
        let good = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if text.is_empty() || text.len() > MAX_SCOPE_BYTES || !text.bytes().all(good) {
            return Err(BadScope::Text);
        }
        Ok(Self(text.into()))
    }

    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this names a bundle of scopes.
    pub fn is_alias(&self) -> bool {
        self.0.starts_with('+')
    }
}

impl Algebra {
    /// Reads a scope of a product that compares by this algebra.
    pub fn parse(&self, text: &str) -> Result<Scope, BadScope> {
        let scope = Scope::new(text)?;
        match self {
            Algebra::Dotted { .. } if dotted::Parts::of(text).is_none() => {
                Err(BadScope::Grammar(scope, dotted::GRAMMAR))
            }
            Algebra::Slash if !slash::is_valid(text) => {
                Err(BadScope::Grammar(scope, slash::GRAMMAR))
            }
            _ => Ok(scope),
        }
    }

    /// Whether somebody who holds `held` may do what needs `wanted`.
    pub fn covers(&self, held: &[Scope], wanted: &Scope) -> bool {
        self.covers_among(held.iter(), wanted)
    }

    /// [`Algebra::covers`] over scopes that do not lie in one slice. Allocates nothing.
    pub fn covers_among<'a>(
        &self,
        held: impl Iterator<Item = &'a Scope> + Clone,
        wanted: &Scope,
    ) -> bool {
        match *self {
            Algebra::Dotted {
                ignore_case,
                write_covers_read,
            } => {
                let rules = dotted::Rules {
                    ignore_case,
                    write_covers_read,
                };
                dotted::covers(rules, held, wanted.as_str())
            }
            Algebra::Slash => slash::covers(held, wanted.as_str()),
        }
    }

    /// The shortest list that covers the same, sorted; equal rights in equal spelling give equal
    /// lists. Aliases and what does not follow the grammar cover nothing, and are left out.
    pub fn normalize(&self, scopes: &[Scope]) -> Vec<Scope> {
        match *self {
            Algebra::Dotted {
                ignore_case,
                write_covers_read,
            } => dotted::normalize(
                dotted::Rules {
                    ignore_case,
                    write_covers_read,
                },
                scopes,
            ),
            Algebra::Slash => slash::normalize(scopes),
        }
    }

    /// What both lists permit, normalized.
    pub fn intersect(&self, one: &[Scope], other: &[Scope]) -> Vec<Scope> {
        match *self {
            Algebra::Dotted {
                ignore_case,
                write_covers_read,
            } => dotted::intersect(
                dotted::Rules {
                    ignore_case,
                    write_covers_read,
                },
                one,
                other,
            ),
            Algebra::Slash => slash::intersect(one, other),
        }
    }

    /// Replaces every alias by its scopes; the other scopes stay as they are, in their order.
    pub fn expand(&self, scopes: &[Scope], aliases: &Aliases) -> Result<Vec<Scope>, BadScope> {
        let mut expanded = Vec::with_capacity(scopes.len());
        for scope in scopes {
            expand_into(&mut expanded, scope, aliases, MAX_ALIAS_DEPTH)?;
        }
        Ok(expanded)
    }
}

fn expand_into(
    expanded: &mut Vec<Scope>,
    scope: &Scope,
    aliases: &Aliases,
    depth: usize,
) -> Result<(), BadScope> {
    if !scope.is_alias() {
        expanded.push(scope.clone());
        return Ok(());
    }
    match aliases.get(scope) {
        Some(members) if depth > 0 => members
            .iter()
            .try_for_each(|member| expand_into(expanded, member, aliases, depth - 1)),
        _ => Err(BadScope::Alias(scope.clone())),
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({})", self.0)
    }
}

impl AsRef<str> for Scope {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = BadScope;

    fn from_str(text: &str) -> Result<Self, BadScope> {
        Self::new(text)
    }
}

impl TryFrom<String> for Scope {
    type Error = BadScope;

    fn try_from(text: String) -> Result<Self, BadScope> {
        Self::new(&text)
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> String {
        scope.0.into()
    }
}
