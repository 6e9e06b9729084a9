//! Users: the people who administer an organization. What they may follows from their roles; keys that depend on them
//! follow them.

mod last;

use std::collections::BTreeMap;
use std::sync::Arc;

use credential::access::Ceiling;
use credential::event::Action;
use credential::grant::{Grants, Resources, RoleGrant};
use credential::id::{OrganizationId, RoleId, UserId};
use credential::key::{Addresses, Kind};
use credential::name::{Comment, Name, ProductName};
use credential::organization::{Email, User};
use store::users::USER_EMAIL;
use store::{Change, Found};

use crate::Authority;
use crate::act::{Done, MAX_PAGE, gives_nothing, hidden, refuse_stale};
use crate::caller::{Caller, Need, named};
use crate::catalog::LATCHKEY;
use crate::failure::{Failure, Refusal};
use crate::idempotency::Idempotency;
use crate::keys::{CreateKey, Expiry, Issued, Outcome, Wish, admitted};
use crate::sessions::end_sessions_of;
use crate::world::World;

use last::LastAdministrator;

pub(crate) const READ: &str = "latchkey.users:read";
pub(crate) const WRITE: &str = "latchkey.users:write";

/// The built-in role of product `latchkey` whose last holder in an organization cannot be lost.
pub const ADMINISTRATOR: &str = "Administrator";

/// Who shall be added.
#[derive(Debug, Clone)]
pub struct CreateUser {
    /// Where; `None` is the caller's own organization.
    pub organization: Option<OrganizationId>,
    /// The address; unique in the organization.
    pub email: Email,
    /// What people call them.
    pub name: Name,
    /// Their roles, of any product.
    pub roles: Vec<(RoleId, Resources)>,
}

/// Which users a page is about; what is `None` asks nothing.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// Where; `None` is the caller's own organization.
    pub organization: Option<OrganizationId>,
    /// The one with this address.
    pub email: Option<Email>,
    /// Those whose name has this text in it, letter case apart.
    pub name_has: Option<String>,
    /// Those that may, or may not, act.
    pub active: Option<bool>,
    /// Those that have this role.
    pub role: Option<RoleId>,
}

impl Authority {
    /// Adds a person. Their roles are within what the caller may give.
    pub async fn create_user(
        &self,
        caller: &Caller,
        command: CreateUser,
    ) -> Result<Done<User>, Failure> {
        let organization = command.organization.unwrap_or(caller.organization);
        let need = need(WRITE, organization);
        self.permit(caller, &need).await?;
        let roles = role_grants(&self.world(), organization, &command.roles)?;
        let now = self.now();
        let user = User {
            id: UserId::mint(now, self.entropy().draw()?),
            organization,
            email: command.email,
            name: command.name,
            roles: roles.clone(),
            active: true,
            created_at: now,
            version: 1,
        };
        let rule =
            move |world: &World, ceiling: &Ceiling| may_give(world, ceiling, organization, &roles);
        self.act(caller, vec![need], rule, move |change| {
            change
                .insert_user(&user, Action::UserCreated, "{}")
                .map_err(taken)?;
            Ok(user.clone())
        })
        .await
    }

    /// One person, if the caller may see them.
    pub async fn user(&self, caller: &Caller, id: UserId) -> Result<User, Failure> {
        self.seen_user(caller, READ, id).await
    }

    /// A page of people, in the order of their ids; `after` is the last id of the page before.
    pub async fn users(
        &self,
        caller: &Caller,
        filter: UserFilter,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<User>, Failure> {
        let organization = filter.organization.unwrap_or(caller.organization);
        self.permit(caller, &need(READ, organization)).await?;
        let world = self.world();
        let mut page: Vec<&Arc<User>> = world
            .users
            .values()
            .filter(|user| user.organization == organization && filter.fits(user))
            .filter(|user| after.is_none_or(|after| user.id > after))
            .collect();
        page.sort_by_key(|user| user.id);
        page.truncate(limit.clamp(1, MAX_PAGE));
        Ok(page.into_iter().map(|user| User::clone(user)).collect())
    }

    /// Gives a person another name.
    pub async fn rename_user(
        &self,
        caller: &Caller,
        id: UserId,
        name: Name,
        version: Option<i64>,
    ) -> Result<Done<User>, Failure> {
        let seen = self.seen_user(caller, WRITE, id).await?;
        self.act(
            caller,
            vec![need(WRITE, seen.organization)],
            gives_nothing,
            move |change| {
                let user = stored(change, id)?;
                refuse_stale(user.version, version)?;
                Ok(change.update_user(
                    User {
                        name: name.clone(),
                        ..user
                    },
                    Action::UserEdited,
                    "{}",
                )?)
            },
        )
        .await
    }

    /// Gives a person these roles in place of all earlier ones. Who cannot give a role cannot take it away either.
    pub async fn set_user_roles(
        &self,
        caller: &Caller,
        id: UserId,
        roles: Vec<(RoleId, Resources)>,
        version: Option<i64>,
    ) -> Result<Done<User>, Failure> {
        let seen = self.seen_user(caller, WRITE, id).await?;
        let organization = seen.organization;
        let roles = role_grants(&self.world(), organization, &roles)?;
        let changed = difference(&seen.roles, &roles);
        let rule = move |world: &World, ceiling: &Ceiling| {
            may_give(world, ceiling, organization, &changed)
        };
        let lost = LastAdministrator::watch(self, organization);
        let seen_roles = seen.roles;
        self.act_guarded(
            caller,
            vec![need(WRITE, organization)],
            rule,
            lost.law(),
            move |change| {
                let user = stored(change, id)?;
                refuse_stale(user.version, version)?;
                // What was weighed is the difference to the roles as they were read.
                if user.roles != seen_roles {
                    return Err(Refusal::Stale {
                        version: user.version,
                    }
                    .into());
                }
                lost.note(&user);
                Ok(change.update_user(
                    User {
                        roles: roles.clone(),
                        ..user
                    },
                    Action::UserRolesChanged,
                    "{}",
                )?)
            },
        )
        .await
    }

    /// Ends what a person may, and their sessions; keys that depend on them are refused.
    pub async fn disable_user(
        &self,
        caller: &Caller,
        id: UserId,
        version: Option<i64>,
    ) -> Result<Done<User>, Failure> {
        let seen = self.seen_user(caller, WRITE, id).await?;
        let lost = LastAdministrator::watch(self, seen.organization);
        let own = caller.session();
        let needs = vec![need(WRITE, seen.organization)];
        self.act_guarded(caller, needs, gives_nothing, lost.law(), move |change| {
            let user = stored(change, id)?;
            refuse_stale(user.version, version)?;
            if !user.active {
                return Ok(user);
            }
            lost.note(&user);
            end_sessions_of(change, id, own)?;
            Ok(change.update_user(
                User {
                    active: false,
                    ..user
                },
                Action::UserDisabled,
                "{}",
            )?)
        })
        .await
    }

    /// Lets a person act again; never with more than who enables them may give.
    pub async fn enable_user(
        &self,
        caller: &Caller,
        id: UserId,
        version: Option<i64>,
    ) -> Result<Done<User>, Failure> {
        let seen = self.seen_user(caller, WRITE, id).await?;
        let organization = seen.organization;
        let rule = may_give_all_of(seen.clone());
        let weighed = seen.roles;
        self.act(
            caller,
            vec![need(WRITE, organization)],
            rule,
            move |change| {
                let user = stored(change, id)?;
                refuse_stale(user.version, version)?;
                if user.roles != weighed {
                    return Err(Refusal::Stale {
                        version: user.version,
                    }
                    .into());
                }
                if user.active {
                    return Ok(user);
                }
                Ok(change.update_user(
                    User {
                        active: true,
                        ..user
                    },
                    Action::UserEnabled,
                    "{}",
                )?)
            },
        )
        .await
    }

    /// Removes a person for good, with their sessions. Keys that depend on them are refused from then on.
    pub async fn remove_user(
        &self,
        caller: &Caller,
        id: UserId,
        version: Option<i64>,
    ) -> Result<Done<User>, Failure> {
        let seen = self.seen_user(caller, WRITE, id).await?;
        let lost = LastAdministrator::watch(self, seen.organization);
        let needs = vec![need(WRITE, seen.organization)];
        self.act_guarded(caller, needs, gives_nothing, lost.law(), move |change| {
            let user = stored(change, id)?;
            refuse_stale(user.version, version)?;
            lost.note(&user);
            end_sessions_of(change, id, None)?;
            change.delete_user(&user, Action::UserDeleted, "{}")?;
            Ok(user)
        })
        .await
    }

    /// Makes a user token: a static key of product `latchkey` that the person owns and that has the person's roles
    /// of that product, those of their groups with them.
    pub async fn create_user_token(
        &self,
        caller: &Caller,
        id: UserId,
        name: Name,
        expiry: Expiry,
        idempotency: Option<Idempotency>,
        render: impl Fn(&Issued) -> Vec<u8> + Send + Sync + 'static,
    ) -> Result<Outcome, Failure> {
        let user = self.seen_user(caller, READ, id).await?;
        let world = self.world();
        let mut own = world.given_to(&user).concat();
        own.retain(|grant| {
            world
                .role(grant.role)
                .is_some_and(|role| role.product.as_str() == LATCHKEY && !role.deleted)
        });
        let roles = own
            .into_iter()
            .map(|grant| (grant.role, grant.resources))
            .collect();
        let command = CreateKey {
            organization: Some(user.organization),
            product: latchkey()?,
            kind: Kind::Static,
            name,
            comment: Comment::default(),
            grants: Wish {
                roles,
                scopes: Vec::new(),
            },
            addresses: Addresses::default(),
            limits: Vec::new(),
            expiry,
            owner: Some(user.id),
        };
        self.create_key(caller, command, idempotency, render).await
    }

    /// The person as this replica knows them. Who may not see them is told that there is nobody.
    pub(crate) async fn seen_user(
        &self,
        caller: &Caller,
        scope: &'static str,
        id: UserId,
    ) -> Result<User, Failure> {
        let world = self.world();
        let user = world.user(id).ok_or(Refusal::NotFound("user"))?;
        self.permit(caller, &need(READ, user.organization))
            .await
            .map_err(|refusal| hidden(refusal, "user"))?;
        if scope != READ {
            self.permit(caller, &need(scope, user.organization)).await?;
        }
        Ok(User::clone(user))
    }
}

impl UserFilter {
    fn fits(&self, user: &User) -> bool {
        self.email.as_ref().is_none_or(|email| *email == user.email)
            && self
                .name_has
                .as_ref()
                .is_none_or(|part| user.name.fold().contains(&part.to_lowercase()))
            && self.active.is_none_or(|active| active == user.active)
            && self
                .role
                .is_none_or(|role| user.roles.iter().any(|grant| grant.role == role))
    }
}

/// The built-in role that administers everything.
pub(crate) fn administrator_role(world: &World) -> Option<RoleId> {
    let product = world.product(&latchkey().ok()?)?;
    product
        .roles
        .iter()
        .find(|role| role.name.as_str() == ADMINISTRATOR)
        .map(|role| role.id)
}

pub(crate) fn latchkey() -> Result<ProductName, Failure> {
    Ok(ProductName::new(LATCHKEY).map_err(|error| Refusal::invalid("product", error))?)
}

pub(crate) fn need(scope: &'static str, organization: OrganizationId) -> Need {
    Need {
        scope,
        organization,
        product: None,
    }
}

/// Checks roles as a caller names them: each is one that the organization is offered, for resources that its product
/// has.
pub(crate) fn role_grants(
    world: &World,
    organization: OrganizationId,
    wanted: &[(RoleId, Resources)],
) -> Result<Vec<RoleGrant>, Refusal> {
    let mut grants = Vec::new();
    for (id, resources) in wanted {
        let unknown = || Refusal::invalid("roles", format!("there is no role {id} here"));
        let role = world
            .role(*id)
            .filter(|role| role.is_offered_to(organization))
            .ok_or_else(unknown)?;
        let product = world.product(&role.product).ok_or_else(unknown)?;
        if let Resources::Listed(listed) = resources
            && !product.resource_kinds.contains(listed.kind())
        {
            let why = format!(
                "{} has no resources of kind {:?}",
                product.name,
                listed.kind()
            );
            return Err(Refusal::invalid("roles", why));
        }
        grants.push(RoleGrant {
            role: *id,
            resources: resources.clone(),
        });
    }
    let grants =
        Grants::new(grants, Vec::new()).map_err(|error| Refusal::invalid("roles", error))?;
    Ok(grants.roles().to_vec())
}

/// Whether the caller may give all of these roles.
pub(crate) fn may_give(
    world: &World,
    ceiling: &Ceiling,
    organization: OrganizationId,
    roles: &[RoleGrant],
) -> Result<(), Refusal> {
    let mut by_product: BTreeMap<&ProductName, Vec<RoleGrant>> = BTreeMap::new();
    for grant in roles {
        // A role that is gone is worth nothing to give or to take.
        if let Some(role) = world.role(grant.role) {
            by_product
                .entry(&role.product)
                .or_default()
                .push(grant.clone());
        }
    }
    for (name, grants) in by_product {
        let Some(product) = world.product(name) else {
            continue;
        };
        let grants =
            Grants::new(grants, Vec::new()).map_err(|error| Refusal::invalid("roles", error))?;
        let wanted = world.rights(product, organization, &grants);
        let given = named(world, product, organization, &grants);
        admitted(world, ceiling, product, organization, &given, &wanted)?;
    }
    Ok(())
}

/// The rule that the caller may give all that a person was given: their own roles and those of their groups.
pub(crate) fn may_give_all_of(
    user: User,
) -> impl Fn(&World, &Ceiling) -> Result<(), Refusal> + Send + 'static {
    move |world, ceiling| {
        let mut given = world.given_to(&user).into_iter();
        given.try_for_each(|roles| may_give(world, ceiling, user.organization, &roles))
    }
}

/// The grants that are in one list and not in the other.
pub(crate) fn difference(one: &[RoleGrant], other: &[RoleGrant]) -> Vec<RoleGrant> {
    let lacking = |list: &[RoleGrant], other: &[RoleGrant]| -> Vec<RoleGrant> {
        list.iter()
            .filter(|grant| !other.contains(grant))
            .cloned()
            .collect()
    };
    let mut changed = lacking(one, other);
    changed.extend(lacking(other, one));
    changed
}

/// Where a walk goes on after a page, over edited rows too; `None` where none of them tells its id.
pub(crate) fn last_id(page: &[Found<User>]) -> Option<UserId> {
    page.iter().rev().find_map(|found| match found {
        Found::Good(user) => Some(user.id),
        Found::Tampered(subject) => subject.id.parse().ok(),
    })
}

pub(crate) fn stored(change: &mut Change<'_>, id: UserId) -> Result<User, Failure> {
    match change.user(id)? {
        Some(Found::Good(user)) => Ok(user),
        Some(Found::Tampered(_)) | None => Err(Refusal::NotFound("user").into()),
    }
}

fn taken(fault: store::Fault) -> Failure {
    if fault.is_conflict_on(USER_EMAIL) {
        Refusal::NameTaken("user").into()
    } else {
        fault.into()
    }
}
