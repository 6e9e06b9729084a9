//! What verdicts depend on besides the key: products, organizations, users, groups, roles, revoked tokens. One value, swapped
//! whole, so that no verdict reads a mix of two versions.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use credential::access::Rights;
use credential::grant::{Grants, RoleGrant};
use credential::group::{Group, belonging};
use credential::id::{GroupId, OrganizationId, RoleId, TokenId, UserId};
use credential::key::{Key, Standing};
use credential::organization::{Organization, User};
use credential::role::{ProductName, Role};

use crate::catalog::{OwnerRule, Product};

/// See the module's text.
#[derive(Clone, Default)]
pub struct World {
    pub(crate) products: HashMap<ProductName, Arc<Product>>,
    pub(crate) organizations: HashMap<OrganizationId, Arc<Organization>>,
    pub(crate) users: HashMap<UserId, Arc<User>>,
    pub(crate) roles: HashMap<RoleId, Arc<Role>>,
    pub(crate) groups: HashMap<GroupId, Arc<Group>>,
    /// Which of the groups are an organization's.
    pub(crate) grouped: HashMap<OrganizationId, BTreeSet<GroupId>>,
    pub(crate) revoked: Arc<HashSet<TokenId>>,
    /// Who has a password; no verdict asks.
    pub(crate) with_password: Arc<HashSet<UserId>>,
    /// Counts the changes of what rights are compiled from: roles, and users as owners with their groups.
    pub(crate) rights_version: u64,
}

impl World {
    /// The product of that name.
    pub fn product(&self, name: &ProductName) -> Option<&Arc<Product>> {
        self.products.get(name)
    }

    /// Every product, by name.
    pub fn products(&self) -> Vec<Arc<Product>> {
        let mut products: Vec<_> = self.products.values().cloned().collect();
        products.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
        products
    }

    /// The organization of that id.
    pub fn organization(&self, id: OrganizationId) -> Option<&Arc<Organization>> {
        self.organizations.get(&id)
    }

    /// The role of that id, deleted or not.
    pub fn role(&self, id: RoleId) -> Option<&Arc<Role>> {
        self.roles.get(&id)
    }

    /// The user of that id.
    pub fn user(&self, id: UserId) -> Option<&Arc<User>> {
        self.users.get(&id)
    }

    /// The group of that id.
    pub fn group(&self, id: GroupId) -> Option<&Arc<Group>> {
        self.groups.get(&id)
    }

    /// Puts a group in the place of what is known under its id, or takes that out.
    pub(crate) fn put_group(&mut self, id: GroupId, group: Option<Arc<Group>>) {
        if let Some(old) = self.groups.remove(&id)
            && let Some(grouped) = self.grouped.get_mut(&old.organization)
        {
            grouped.remove(&id);
        }
        if let Some(group) = group {
            self.grouped
                .entry(group.organization)
                .or_default()
                .insert(id);
            self.groups.insert(id, group);
        }
    }

    /// The groups of an organization.
    pub(crate) fn groups_in(&self, organization: OrganizationId) -> impl Iterator<Item = &Group> {
        let ids = self.grouped.get(&organization).into_iter().flatten();
        ids.filter_map(|id| self.groups.get(id))
            .map(|group| &**group)
    }

    /// The groups that a user belongs to, by way of nested ones too, in the order of their ids.
    pub fn groups_of(&self, user: &User) -> Vec<&Arc<Group>> {
        let groups: Vec<&Group> = self.groups_in(user.organization).collect();
        let belonging = belonging(groups.iter().copied(), user.id);
        belonging
            .iter()
            .filter_map(|id| self.groups.get(id))
            .collect()
    }

    /// Everything that a user was given: their own roles, and those of each of their groups.
    pub(crate) fn given_to(&self, user: &User) -> Vec<Vec<RoleGrant>> {
        let groups = self.groups_of(user);
        let of_groups = groups.iter().map(|group| group.roles.clone());
        std::iter::once(user.roles.clone())
            .chain(of_groups)
            .collect()
    }

    /// What all that a user was given is worth in a product, whether or not they may act.
    pub(crate) fn given_rights(&self, product: &Product, user: &User) -> Rights {
        let given = self.given_to(user).into_iter();
        let rights: Vec<Rights> = given
            .filter_map(|roles| Grants::new(roles, Vec::new()).ok())
            .map(|grants| self.rights(product, user.organization, &grants))
            .collect();
        Rights::together(product.algebra, &rights)
    }

    /// Whether the user has a password to sign in with.
    pub fn has_password(&self, id: UserId) -> bool {
        self.with_password.contains(&id)
    }

    /// Whether it is the operator's organization, the first one that was made.
    pub fn is_operator(&self, organization: OrganizationId) -> bool {
        self.organizations
            .get(&organization)
            .is_some_and(|known| known.number == crate::organizations::OPERATOR)
    }

    /// Whether `manager` administers `organization`: itself, or one that it manages; the operator's administers all.
    pub fn administers(&self, manager: OrganizationId, organization: OrganizationId) -> bool {
        manager == organization
            || (self.is_operator(manager) && self.organizations.contains_key(&organization))
            || self.manages(manager, organization)
    }

    /// Whether the organization is in use, and whoever manages it.
    pub fn is_in_use(&self, organization: OrganizationId) -> bool {
        let active = |id: &OrganizationId| self.organizations.get(id).filter(|found| found.active);
        active(&organization)
            .is_some_and(|own| own.parent.is_none_or(|parent| active(&parent).is_some()))
    }

    /// Whether `organization` is one that `manager` manages.
    pub fn manages(&self, manager: OrganizationId, organization: OrganizationId) -> bool {
        self.organizations
            .get(&organization)
            .is_some_and(|managed| managed.parent == Some(manager))
    }

    /// What grants are worth in a product.
    pub fn rights(
        &self,
        product: &Product,
        organization: OrganizationId,
        grants: &Grants,
    ) -> Rights {
        let role = |id: &RoleId| {
            let role = self.roles.get(id).map(|role| &**role)?;
            (role.product == product.name && role.is_offered_to(organization)).then_some(role)
        };
        Rights::of(grants, role, product.algebra)
    }

    /// What a key is worth: its grants, and where its product asks for it, no more than its owner's now.
    pub(crate) fn worth(&self, key: &Key) -> Rights {
        let Some(product) = self.products.get(&key.product) else {
            return Rights::none(credential::scope::Algebra::Slash);
        };
        let granted = self.rights(product, key.organization, &key.grants);
        match (product.owner, key.owner) {
            (OwnerRule::Live, Some(owner)) => granted.intersect(&self.user_rights(product, owner)),
            _ => granted,
        }
    }

    /// What a user may in a product: by their own roles and by those of their groups.
    pub fn user_rights(&self, product: &Product, user: UserId) -> Rights {
        match self.users.get(&user).filter(|user| user.active) {
            Some(user) => self.given_rights(product, user),
            None => Rights::none(product.algebra),
        }
    }

    /// How those stand on whom the key depends. An organization that is not known is not active; a managed one
    /// follows its manager.
    pub(crate) fn standing(&self, key: &Key) -> Standing {
        let organization = self.is_in_use(key.organization);
        let depends = self
            .products
            .get(&key.product)
            .is_none_or(|product| product.owner != OwnerRule::None);
        let owner = match key.owner {
            Some(owner) if depends => self.users.get(&owner).is_some_and(|user| user.active),
            _ => true,
        };
        Standing {
            organization,
            owner,
        }
    }
}
