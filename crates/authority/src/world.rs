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
use credential::reach::Reach;
use credential::role::{ProductName, Role};

use crate::catalog::{OwnerRule, Product};
use crate::reach::Reacher;

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
    /// What keys, people and groups reach, where somebody gave them a reach.
    pub(crate) reaches: Arc<HashMap<Reacher, Arc<Reach>>>,
    /// Organizations that enforce it.
    pub(crate) enforcing: Arc<HashSet<OrganizationId>>,
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

    /// The organization of that number.
    pub fn organization_numbered(&self, number: i64) -> Option<OrganizationId> {
        let numbered = |known: &&Arc<Organization>| known.number == number;
        self.organizations
            .values()
            .find(numbered)
            .map(|known| known.id)
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

    /// Whether tokens of a key may act for an organization: an active one that the key's organization manages, where the
    /// product has such tokens.
    pub(crate) fn may_act_for(&self, key: &Key, organization: OrganizationId) -> bool {
        let product = self.products.get(&key.product);
        let known = self.organizations.get(&organization);
        product.is_some_and(|product| product.tokens.for_managed)
            && known.is_some_and(|found| found.active && found.parent == Some(key.organization))
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

    /// Whether it is a person's own: the one in whose name they act in a product whose other keys owe nothing to anybody.
    pub fn is_own(&self, key: &Key) -> bool {
        let owes_nothing = |product: &Arc<Product>| product.owner == OwnerRule::None;
        key.owner.is_some() && self.products.get(&key.product).is_some_and(owes_nothing)
    }

    /// The names of the roles that a key has; a person's own has those of the person and of their groups.
    pub(crate) fn role_names(&self, key: &Key) -> Vec<String> {
        let name = |role: RoleId| {
            let role = self.role(role).filter(|role| !role.deleted)?;
            (role.product == key.product).then(|| role.name.as_str().to_owned())
        };
        let owner = key.owner.filter(|_| self.is_own(key));
        let Some(owner) = owner else {
            let granted = key.grants.roles().iter();
            return granted.filter_map(|grant| name(grant.role)).collect();
        };
        let user = self.users.get(&owner);
        let given = user.map(|user| self.given_to(user)).unwrap_or_default();
        let roles: BTreeSet<RoleId> = given.iter().flatten().map(|grant| grant.role).collect();
        roles.into_iter().filter_map(name).collect()
    }

    /// What a key is worth: its grants; and where its product asks for it, or it is a person's own, no more than its
    /// owner's now.
    pub(crate) fn worth(&self, key: &Key) -> Rights {
        let Some(product) = self.products.get(&key.product) else {
            return Rights::none(credential::scope::Algebra::Slash);
        };
        let granted = self.rights(product, key.organization, &key.grants);
        match (product.owner, key.owner) {
            (OwnerRule::Live | OwnerRule::None, Some(owner)) => {
                granted.intersect(&self.user_rights(product, owner))
            }
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
        // A key without an owner depends on nobody; where a product's keys owe nothing, only a person's own has one.
        let owner = key
            .owner
            .is_none_or(|owner| self.users.get(&owner).is_some_and(|user| user.active));
        Standing {
            organization,
            owner,
        }
    }
}

#[cfg(test)]
mod tests {
    use credential::grant::Resources;
    use credential::grant::{Grants, ScopeGrant};
    use credential::id::KeyId;
    use credential::key::{Addresses, Credential, Kind, Maker, Proof, State};
    use credential::name::{Comment, Name};
    use credential::organization::OrganizationKind;
    use credential::scope::Scope;
    use credential::time::Instant;

    use super::*;

    #[test]
    fn a_key_acts_for_an_organization_while_that_is_managed_and_active() {
        let [manager, child] = [1, 2].map(|number| OrganizationId::from_bytes([number; 16]));
        let check = |product: &str, parent: Option<OrganizationId>, active: bool| {
            let mut world = World::default();
            for product in Product::built_in().unwrap() {
                world
                    .products
                    .insert(product.name.clone(), Arc::new(product));
            }
            let organization = Organization {
                id: child,
                number: 2,
                name: Name::new("Child").unwrap(),
                kind: OrganizationKind::Managed,
                parent,
                active,
                created_at: Instant::from_millis(0),
                version: 1,
            };
            world.organizations.insert(child, Arc::new(organization));
            world.may_act_for(&key(manager, product), child)
        };
        assert!(check("secure_access", Some(manager), true));
        assert!(!check("secure_access", Some(manager), false), "disabled");
        assert!(!check("secure_access", None, true), "detached");
        assert!(!check("secure_access", Some(child), true), "another's");
        assert!(
            !check("latchkey", Some(manager), true),
            "a product without such tokens"
        );
    }

    fn key(organization: OrganizationId, product: &str) -> Key {
        let scope = ScopeGrant {
            scope: Scope::new("a.b:read").unwrap(),
            resources: Resources::All,
        };
        Key {
            id: KeyId::from_bytes([3; 16]),
            organization,
            product: ProductName::new(product).unwrap(),
            kind: Kind::Client,
            name: Name::new("A key").unwrap(),
            comment: Comment::default(),
            grants: Grants::new(Vec::new(), vec![scope]).unwrap(),
            addresses: Addresses::default(),
            limits: Vec::new(),
            expires_at: None,
            state: State::Active,
            owner: None,
            created_at: Instant::from_millis(0),
            created_by: Maker::System,
            edited_at: Instant::from_millis(0),
            rotated_at: None,
            current: Credential {
                generation: 0,
                handle: None,
                proof: Proof::Signature,
                since: Instant::from_millis(0),
            },
            previous: None,
            version: 1,
        }
    }
}
