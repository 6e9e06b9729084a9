//! What grants are worth, and who may pass on what.
//!
//! [`Rights`] are grants with their roles looked up, ready to answer. A [`Ceiling`] is what a
//! caller may give away: nobody creates, edits or clones a key, a role or a membership beyond its
//! own rights, and nobody sees a role above its own.

use std::collections::BTreeMap;

use crate::grant::{Grants, Resources};
use crate::id::{OrganizationId, RoleId};
use crate::role::{ProductName, Role};
use crate::scope::{Algebra, Scope};

#[cfg(test)]
mod tests;

/// The product that this server's own API is; its scopes administer everything else.
pub const OWN_PRODUCT: &str = "latchkey";

/// The scope of [`OWN_PRODUCT`] whose holder may grant anything of other products.
pub const GRANT_ANY: &str = "latchkey.grant.any";

/// The kind of resource that a listed organization is, in resource scopes of [`OWN_PRODUCT`].
pub const ORGANIZATION_KIND: &str = "organization";

/// Grants of one product, compiled: scopes by the resources they reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    algebra: Algebra,
    /// Sorted by resources, each at most once; the scopes normalized and never empty.
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    resources: Resources,
    scopes: Vec<Scope>,
}

/// Whether rights suffice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// They do.
    Yes,
    /// The scope is not held for any resource.
    MissingScope,
    /// The scope is held, but not for this resource; or only for some, and none was named.
    ResourceNotAllowed,
}

impl Rights {
    /// No rights at all.
    pub const fn none(algebra: Algebra) -> Self {
        Self {
            algebra,
            lines: Vec::new(),
        }
    }

    /// What `grants` are worth. A role that is deleted, or that `lookup` does not find, is worth
    /// nothing; `lookup` finds only roles of the product whose `algebra` this is.
    pub fn of<'r>(
        grants: &Grants,
        lookup: impl Fn(&RoleId) -> Option<&'r Role>,
        algebra: Algebra,
    ) -> Self {
        let roles = grants.roles().iter().filter_map(|grant| {
            let role = lookup(&grant.role).filter(|role| !role.deleted)?;
            Some((&grant.resources, role.scopes.as_slice()))
        });
        let scopes = grants
            .scopes()
            .iter()
            .map(|grant| (&grant.resources, std::slice::from_ref(&grant.scope)));
        Self::gather(algebra, roles.chain(scopes))
    }

    /// What a list of scopes is worth, for these resources.
    pub fn of_scopes(scopes: &[Scope], resources: &Resources, algebra: Algebra) -> Self {
        Self::gather(algebra, std::iter::once((resources, scopes)))
    }

    /// What a role is worth, for these resources.
    pub fn of_role(role: &Role, resources: &Resources, algebra: Algebra) -> Self {
        let scopes = if role.deleted {
            &[]
        } else {
            role.scopes.as_slice()
        };
        Self::of_scopes(scopes, resources, algebra)
    }

    /// Whether these rights suffice for a scope on a resource, written `<kind>:<id>`. With no
    /// resource named, only scopes held for all of them count. Allocates nothing.
    pub fn allows(&self, scope: &Scope, resource: Option<&str>) -> Allowed {
        let reaching = self
            .lines
            .iter()
            .filter(|line| line.resources.reach(resource));
        if self
            .algebra
            .covers_among(reaching.flat_map(|line| &line.scopes), scope)
        {
            Allowed::Yes
        } else if self
            .algebra
            .covers_among(self.lines.iter().flat_map(|line| &line.scopes), scope)
        {
            Allowed::ResourceNotAllowed
        } else {
            Allowed::MissingScope
        }
    }

    /// Whether any right reaches the resource: the question when no scope is asked for.
    pub fn reaches(&self, resource: &str) -> bool {
        self.lines
            .iter()
            .any(|line| line.resources.reach(Some(resource)))
    }

    /// For which resources the scope is held: what a listing shows to the holder. Empty when it is
    /// not held at all.
    pub fn reach(&self, scope: &Scope) -> Vec<&Resources> {
        let held = |line: &&Line| {
            let together = self
                .lines
                .iter()
                .filter(|other| contains(&other.resources, &line.resources));
            self.algebra
                .covers_among(together.flat_map(|line| &line.scopes), scope)
        };
        self.lines
            .iter()
            .filter(held)
            .map(|line| &line.resources)
            .collect()
    }

    /// Whether `other` has all of these rights, each for all its resources.
    pub fn within(&self, other: &Rights) -> bool {
        self.algebra == other.algebra && self.lines.iter().all(|line| line.within(other))
    }

    /// What both have.
    ///
    /// Where scopes are paths with an access, reading and writing are weighed apart: who reads by
    /// one right and writes by another keeps both.
    #[must_use]
    pub fn intersect(&self, other: &Rights) -> Rights {
        if self.algebra != other.algebra {
            return Rights::none(self.algebra);
        }
        let mut common: Vec<(Resources, Vec<Scope>)> = Vec::new();
        for mine in &self.lines {
            for theirs in &other.lines {
                if let Some(resources) = mine.resources.intersect(&theirs.resources) {
                    common.push((
                        resources,
                        self.algebra.intersect(&mine.scopes, &theirs.scopes),
                    ));
                }
            }
        }
        Self::gather(
            self.algebra,
            common
                .iter()
                .map(|(resources, scopes)| (resources, scopes.as_slice())),
        )
    }

    /// What is in any of them; those of another algebra count for nothing.
    pub fn together(algebra: Algebra, all: &[Rights]) -> Rights {
        let same = all.iter().filter(|rights| rights.algebra == algebra);
        let lines = same.flat_map(|rights| &rights.lines);
        Self::gather(
            algebra,
            lines.map(|line| (&line.resources, line.scopes.as_slice())),
        )
    }

    /// The same rights for no more than these scopes: what a token with a narrower scope is worth.
    #[must_use]
    pub fn narrowed(&self, scopes: &[Scope]) -> Rights {
        self.intersect(&Self::of_scopes(scopes, &Resources::All, self.algebra))
    }

    /// The scopes, sorted, each once, whatever they reach.
    pub fn names(&self) -> Vec<&Scope> {
        let mut names: Vec<&Scope> = self.lines.iter().flat_map(|line| &line.scopes).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How the scopes compare.
    pub fn algebra(&self) -> Algebra {
        self.algebra
    }

    fn gather<'a>(
        algebra: Algebra,
        grants: impl Iterator<Item = (&'a Resources, &'a [Scope])>,
    ) -> Self {
        let mut by_resources: BTreeMap<&Resources, Vec<Scope>> = BTreeMap::new();
        for (resources, scopes) in grants {
            by_resources
                .entry(resources)
                .or_default()
                .extend_from_slice(scopes);
        }
        let lines = by_resources.into_iter().map(|(resources, scopes)| Line {
            resources: resources.clone(),
            scopes: algebra.normalize(&scopes),
        });
        Self {
            algebra,
            lines: lines.filter(|line| !line.scopes.is_empty()).collect(),
        }
    }
}

impl Line {
    fn within(&self, other: &Rights) -> bool {
        let covered_on = |resource: Option<&str>| {
            let reaching = other
                .lines
                .iter()
                .filter(|line| line.resources.reach(resource));
            let held = reaching.flat_map(|line| &line.scopes);
            self.scopes
                .iter()
                .all(|scope| other.algebra.covers_among(held.clone(), scope))
        };
        // Most often one "all" settles it; otherwise each resource is asked for.
        covered_on(None)
            || match &self.resources {
                Resources::All => false,
                Resources::Listed(listed) => listed
                    .ids()
                    .iter()
                    .all(|id| covered_on(Some(&format!("{}:{id}", listed.kind())))),
            }
    }
}

/// Whether everything in `inner` is in `outer`.
fn contains(outer: &Resources, inner: &Resources) -> bool {
    match (outer, inner) {
        (Resources::All, _) => true,
        (Resources::Listed(_), Resources::All) => false,
        (Resources::Listed(outer), Resources::Listed(inner)) => {
            outer.kind() == inner.kind() && outer.ids().is_superset(inner.ids())
        }
    }
}

/// What a caller may give away in one organization, product by product.
///
/// In every product, [`OWN_PRODUCT`] included, that is what the caller itself has there. Beyond it,
/// whoever holds [`GRANT_ANY`] for all resources, or for this organization
/// (`organization:<id>`), may give anything of the *other* products: an administrator makes keys
/// for products it does not use, and still cannot make a stronger administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceiling {
    own: BTreeMap<ProductName, Rights>,
    beyond: Beyond,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beyond {
    Nothing,
    OtherProducts,
    Everything,
}

impl Ceiling {
    /// The ceiling of a caller with these rights, in `organization`.
    pub fn of(
        rights: impl IntoIterator<Item = (ProductName, Rights)>,
        organization: OrganizationId,
    ) -> Self {
        let own: BTreeMap<ProductName, Rights> = rights.into_iter().collect();
        let any = Scope::new(GRANT_ANY);
        let here = format!("{ORGANIZATION_KIND}:{organization}");
        let grants_any = own.iter().any(|(product, rights)| {
            product.as_str() == OWN_PRODUCT
                && any
                    .as_ref()
                    .is_ok_and(|any| rights.allows(any, Some(&here)) == Allowed::Yes)
        });
        Self {
            own,
            beyond: if grants_any {
                Beyond::OtherProducts
            } else {
                Beyond::Nothing
            },
        }
    }

    /// The ceiling of who holds the server's shell, and of the set-up token: none.
    pub const fn unbounded() -> Self {
        Self {
            own: BTreeMap::new(),
            beyond: Beyond::Everything,
        }
    }

    /// Whether the caller may give these rights of this product.
    pub fn admits(&self, product: &ProductName, wanted: &Rights) -> bool {
        self.is_open(product)
            || self.own.get(product).is_some_and(|own| wanted.within(own))
            || wanted.is_empty()
    }

    /// Whether the caller may know of a role: it could give it for at least some resources. A role
    /// without scopes is known to everyone, a deleted one to nobody.
    pub fn shows(&self, role: &Role) -> bool {
        if role.deleted {
            return false;
        }
        if self.is_open(&role.product) || role.scopes.is_empty() {
            return true;
        }
        let Some(own) = self.own.get(&role.product) else {
            return false;
        };
        let grantable =
            |resources: &Resources| Rights::of_role(role, resources, own.algebra).within(own);
        own.lines.iter().any(|line| grantable(&line.resources))
    }

    /// Whether the caller may give anything of this product, rather than what it has itself.
    pub fn is_open(&self, product: &ProductName) -> bool {
        match self.beyond {
            Beyond::Nothing => false,
            Beyond::OtherProducts => product.as_str() != OWN_PRODUCT,
            Beyond::Everything => true,
        }
    }
}

/// The roles that a caller with this ceiling may know of, in the order given.
pub fn visible_roles<'r>(
    ceiling: &Ceiling,
    roles: impl IntoIterator<Item = &'r Role>,
) -> impl Iterator<Item = &'r Role> {
    roles.into_iter().filter(move |role| ceiling.shows(role))
}
