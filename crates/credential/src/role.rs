//! Roles: named sets of scopes of one product.

use serde::{Deserialize, Serialize};

use crate::id::{OrganizationId, RoleId};
pub use crate::name::{Comment, Name, ProductName, RoleName};
use crate::scope::Scope;

/// The most scopes in one role; the largest catalog has 77.
pub const MAX_ROLE_SCOPES: usize = 512;

/// A named set of scopes of one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Its identifier; grants refer to it by this, never by the name.
    pub id: RoleId,
    /// The organization that made it; none for a built-in role, which all organizations share and
    /// nobody edits.
    pub organization: Option<OrganizationId>,
    /// The product whose scopes it bundles.
    pub product: ProductName,
    /// Its name, unique in the product among the built-in roles and those of the organization.
    pub name: RoleName,
    /// What it is for.
    pub description: Comment,
    /// What it permits; aliases are expanded before they get here.
    pub scopes: Vec<Scope>,
    /// A deleted role stays for the record and permits nothing.
    pub deleted: bool,
    /// The number of changes it has seen, from 1.
    pub version: i64,
}

impl Role {
    /// Whether it comes with the product, rather than from an organization.
    pub fn is_built_in(&self) -> bool {
        self.organization.is_none()
    }

    /// Whether an organization can give it to its keys and users.
    pub fn is_offered_to(&self, organization: OrganizationId) -> bool {
        !self.deleted && self.organization.is_none_or(|owner| owner == organization)
    }
}
