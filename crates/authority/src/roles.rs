//! Roles: the built-in ones of each product, and those that an organization makes for itself.
//!
//! Nobody sees, gives or makes a role above their own rights. A custom role can hold no scope that its maker could not
//! give everywhere in the organization, and its name is none of a built-in role's, however it is spelled.

use std::sync::Arc;

use credential::access::{Ceiling, Rights};
use credential::event::Action;
use credential::grant::{Grants, Resources, RoleGrant};
use credential::id::{KeyId, OrganizationId, RoleId, UserId};
use credential::key::Key;
use credential::name::{Comment, ProductName, RoleName};
use credential::role::{MAX_ROLE_SCOPES, Role};
use credential::scope::Scope;
use store::keys::{KeyFilter, KeyOrder, KeyPlace};
use store::roles::ROLE_NAME;
use store::{Change, Found};

use crate::Authority;
use crate::act::{Done, MAX_PAGE, hidden, refuse_stale};
use crate::caller::{Caller, Need};
use crate::catalog::Product;
use crate::failure::{Failure, Refusal};
use crate::keys::admitted;
use crate::keys::place_after;
use crate::world::World;

pub(crate) const READ: &str = "latchkey.roles:read";
pub(crate) const WRITE: &str = "latchkey.roles:write";

/// Keys that one preview looks at: some tens of milliseconds of reading; the next one goes on from there.
pub const MAX_PREVIEW: usize = 10_000;

/// What a new role shall be.
#[derive(Debug, Clone)]
pub struct CreateRole {
    /// Whose; `None` is the caller's own organization.
    pub organization: Option<OrganizationId>,
    /// Whose scopes it bundles.
    pub product: ProductName,
    /// Its name.
    pub name: RoleName,
    /// What it is for.
    pub description: Comment,
    /// What it permits, in any spelling that the product allows.
    pub scopes: Vec<String>,
}

/// Changes to a role; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct EditRole {
    /// A new name.
    pub name: Option<RoleName>,
    /// A new description.
    pub description: Option<Comment>,
    /// New scopes in place of all earlier ones.
    pub scopes: Option<Vec<String>>,
}

/// Which roles a page is about; what is `None` asks nothing.
#[derive(Debug, Clone, Default)]
pub struct RoleFilter {
    /// Roles that this organization is offered; `None` is the caller's own.
    pub organization: Option<OrganizationId>,
    /// Roles of this product.
    pub product: Option<ProductName>,
    /// Built-in roles only, or custom ones only.
    pub built_in: Option<bool>,
}

/// Who would lose what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Keys whose rights would shrink, in the order of their ids.
    pub keys: Vec<Loss<KeyId>>,
    /// Users whose rights would shrink, in the order of their ids; told with the first part only.
    pub users: Vec<Loss<UserId>>,
    /// How many hold the role, whether or not they would lose anything: among the keys that were looked at, and with the
    /// first part the users and groups to whom it was given.
    pub holders: usize,
    /// Where the next part begins, if not all keys were looked at.
    pub next: Option<KeyId>,
}

/// What one holder of a role would lose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss<Id> {
    /// The holder.
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// The scopes that it would have no more, or not everywhere.
    pub scopes: Vec<Scope>,
}

impl Authority {
    /// A page of the roles that the caller may know of and give, in the order of their ids.
    pub async fn roles(
        &self,
        caller: &Caller,
        filter: RoleFilter,
        after: Option<RoleId>,
        limit: usize,
    ) -> Result<Vec<Role>, Failure> {
        let organization = filter.organization.unwrap_or(caller.organization);
        self.permit(caller, &need(READ, organization, filter.product.as_ref()))
            .await?;
        let ceiling = self.ceiling(caller, organization).await?;
        let world = self.world();
        let mut page: Vec<&Arc<Role>> = world
            .roles
            .values()
            .filter(|role| role.is_offered_to(organization) && ceiling.shows(role))
            .filter(|role| {
                filter
                    .product
                    .as_ref()
                    .is_none_or(|product| *product == role.product)
            })
            .filter(|role| {
                filter
                    .built_in
                    .is_none_or(|built_in| built_in == role.is_built_in())
            })
            .filter(|role| after.is_none_or(|after| role.id > after))
            .collect();
        page.sort_by_key(|role| role.id);
        page.truncate(limit.clamp(1, MAX_PAGE));
        Ok(page.into_iter().map(|role| Role::clone(role)).collect())
    }

    /// One role, if the caller may know of it.
    pub async fn role(&self, caller: &Caller, id: RoleId) -> Result<Role, Failure> {
        self.seen_role(caller, READ, id).await
    }

    /// The scopes of a product that the caller can put into a custom role, in catalog order; those that are left out of
    /// lists for people are left out here too.
    pub async fn scopes_to_give(
        &self,
        caller: &Caller,
        product: &ProductName,
    ) -> Result<Vec<Scope>, Failure> {
        let organization = caller.organization;
        self.permit(caller, &need(WRITE, organization, Some(product)))
            .await?;
        let ceiling = self.ceiling(caller, organization).await?;
        let world = self.world();
        let known = world.product(product).ok_or(Refusal::NotFound("product"))?;
        let open = known.scopes.iter().filter(|(_, entry)| !entry.hidden);
        let mine = open.map(|(scope, _)| scope).filter(|scope| {
            let one = std::slice::from_ref(*scope);
            within(&world, &ceiling, product, organization, one).is_ok()
        });
        Ok(mine.cloned().collect())
    }

    /// Makes a custom role.
    pub async fn create_role(
        &self,
        caller: &Caller,
        command: CreateRole,
    ) -> Result<Done<Role>, Failure> {
        let organization = command.organization.unwrap_or(caller.organization);
        let need = need(WRITE, organization, Some(&command.product));
        self.permit(caller, &need).await?;
        let world = self.world();
        let product = world.product(&command.product).ok_or_else(|| {
            Refusal::invalid(
                "product",
                "there is no such product; GET /api/v1/products lists them",
            )
        })?;
        if !product.custom_roles {
            return Err(Refusal::invalid("product", "this product has no custom roles").into());
        }
        let now = self.now();
        let role = Role {
            id: RoleId::mint(now, self.entropy().draw()?),
            organization: Some(organization),
            product: product.name.clone(),
            name: unshadowing(product, command.name)?,
            description: command.description,
            scopes: declared(product, &command.scopes)?,
            deleted: false,
            version: 1,
        };
        let scopes = role.scopes.clone();
        let name = product.name.clone();
        let rule = move |world: &World, ceiling: &Ceiling| {
            within(world, ceiling, &name, organization, &scopes)
        };
        self.act(caller, vec![need], rule, move |change| {
            change
                .insert_role(&role, Action::RoleCreated, "{}")
                .map_err(taken)?;
            Ok(role.clone())
        })
        .await
    }

    /// Changes a custom role; whoever holds it has its new rights at once.
    pub async fn edit_role(
        &self,
        caller: &Caller,
        id: RoleId,
        edit: EditRole,
        version: Option<i64>,
    ) -> Result<Done<Role>, Failure> {
        let seen = self.seen_custom_role(caller, id).await?;
        let world = self.world();
        let product = world
            .product(&seen.product)
            .ok_or(Refusal::NotFound("product"))?;
        let edited = edited(product, &seen, edit)?;
        // Before as after, it is no more than the editor could give: who cannot give a scope cannot take it away.
        let both = [seen.scopes.as_slice(), edited.scopes.as_slice()].concat();
        let (name, organization) = (seen.product.clone(), owner_of(&seen)?);
        let rule = move |world: &World, ceiling: &Ceiling| {
            within(world, ceiling, &name, organization, &both)
        };
        let needs = vec![need(WRITE, organization, Some(&seen.product))];
        self.act(caller, needs, rule, move |change| {
            let role = stored(change, id)?;
            refuse_stale(role.version, version)?;
            // The edit was made from the role as it was read.
            if role.version != seen.version {
                return Err(Refusal::Stale {
                    version: role.version,
                }
                .into());
            }
            change
                .update_role(edited.clone(), Action::RoleEdited, "{}")
                .map_err(taken)
        })
        .await
    }

    /// Who would lose what by an edit, or by deletion (`None`). One call looks at [`MAX_PREVIEW`] keys; `after` is where
    /// the call before says that it goes on.
    pub async fn preview_role(
        &self,
        caller: &Caller,
        id: RoleId,
        edit: Option<EditRole>,
        after: Option<KeyId>,
    ) -> Result<Preview, Failure> {
        let seen = self.seen_custom_role(caller, id).await?;
        let now_is = self.world();
        let product = now_is
            .product(&seen.product)
            .ok_or(Refusal::NotFound("product"))?
            .clone();
        let next_role = match edit {
            Some(edit) => edited(&product, &seen, edit)?,
            None => Role {
                deleted: true,
                ..seen.clone()
            },
        };
        let mut would_be = World::clone(&now_is);
        would_be.roles.insert(id, Arc::new(next_role));
        let organization = owner_of(&seen)?;
        let lost = |grants: &Grants| {
            let before = now_is.rights(&product, organization, grants);
            losses(&before, &would_be.rights(&product, organization, grants))
        };

        let (held, next) = self.holders(organization, id, &product.name, after).await?;
        let mut holders = held.len();
        if after.is_none() {
            let (users, groups) = given(&now_is, organization, id);
            holders += users + groups;
        }
        let keys = held.into_iter().filter_map(|key| {
            let scopes = lost(&key.grants);
            (!scopes.is_empty()).then(|| Loss {
                id: key.id,
                name: key.name.as_str().to_owned(),
                scopes,
            })
        });
        let mut users = Vec::new();
        if after.is_none() {
            for user in now_is
                .users
                .values()
                .filter(|user| user.organization == organization)
            {
                let scopes = losses(
                    &now_is.given_rights(&product, user),
                    &would_be.given_rights(&product, user),
                );
                if !scopes.is_empty() {
                    users.push(Loss {
                        id: user.id,
                        name: user.name.as_str().to_owned(),
                        scopes,
                    });
                }
            }
            users.sort_by_key(|loss| loss.id);
        }
        Ok(Preview {
            keys: keys.collect(),
            users,
            holders,
            next,
        })
    }

    /// Deletes a custom role: whoever holds it has no rights from it any more. A role in use is deleted only with
    /// `force`.
    pub async fn delete_role(
        &self,
        caller: &Caller,
        id: RoleId,
        force: bool,
        version: Option<i64>,
    ) -> Result<Done<Role>, Failure> {
        let seen = self.seen_custom_role(caller, id).await?;
        let organization = owner_of(&seen)?;
        if !force {
            let world = self.world();
            let (users, groups) = given(&world, organization, id);
            let (mut keys, mut after) = (0, None);
            loop {
                let (held, next) = self.holders(organization, id, &seen.product, after).await?;
                keys += held.len();
                after = next;
                if after.is_none() || keys >= MAX_PREVIEW {
                    break;
                }
            }
            if keys + users + groups > 0 {
                let why = format!(
                    "the role is in use by {keys} keys, {users} users and {groups} groups; force deletes it all the same"
                );
                return Err(Refusal::Conflict(why).into());
            }
        }
        let (name, scopes) = (seen.product.clone(), seen.scopes.clone());
        let rule = move |world: &World, ceiling: &Ceiling| {
            within(world, ceiling, &name, organization, &scopes)
        };
        let needs = vec![need(WRITE, organization, Some(&seen.product))];
        self.act(caller, needs, rule, move |change| {
            let role = stored(change, id)?;
            refuse_stale(role.version, version)?;
            Ok(change.update_role(
                Role {
                    deleted: true,
                    ..role
                },
                Action::RoleDeleted,
                "{}",
            )?)
        })
        .await
    }

    /// The keys that are not revoked and hold the role, among the next [`MAX_PREVIEW`] after the given one.
    async fn holders(
        &self,
        organization: OrganizationId,
        role: RoleId,
        product: &ProductName,
        after: Option<KeyId>,
    ) -> Result<(Vec<Key>, Option<KeyId>), Failure> {
        let filter = KeyFilter {
            product: Some(product.clone()),
            unrevoked: true,
            ..KeyFilter::of(organization)
        };
        let mut held = Vec::new();
        let mut place = after.map(|id| KeyPlace {
            id,
            name: String::new(),
        });
        for _ in 0..MAX_PREVIEW / MAX_PAGE {
            let (filter, from) = (filter.clone(), place.clone());
            let page = self
                .store()
                .view(move |view| {
                    view.keys_page(&filter, KeyOrder::Oldest, from.as_ref(), MAX_PAGE)
                })
                .await?;
            let full = page.len() == MAX_PAGE;
            place = place_after(&page);
            for key in page.into_iter().filter_map(Found::good) {
                if key.grants.roles().iter().any(|grant| grant.role == role) {
                    held.push(key);
                }
            }
            if !full || place.is_none() {
                return Ok((held, None));
            }
        }
        Ok((held, place.map(|place| place.id)))
    }

    /// The role as this replica knows it. Who may not know of it is told that there is none.
    async fn seen_role(
        &self,
        caller: &Caller,
        scope: &'static str,
        id: RoleId,
    ) -> Result<Role, Failure> {
        let world = self.world();
        let role = world
            .role(id)
            .filter(|role| !role.deleted)
            .ok_or(Refusal::NotFound("role"))?;
        let organization = role.organization.unwrap_or(caller.organization);
        let read = need(READ, organization, Some(&role.product));
        self.permit(caller, &read)
            .await
            .map_err(|refusal| hidden(refusal, "role"))?;
        if !self.ceiling(caller, organization).await?.shows(role) {
            return Err(Refusal::NotFound("role").into());
        }
        if scope != READ {
            self.permit(caller, &need(scope, organization, Some(&role.product)))
                .await?;
        }
        Ok(Role::clone(role))
    }

    async fn seen_custom_role(&self, caller: &Caller, id: RoleId) -> Result<Role, Failure> {
        let role = self.seen_role(caller, WRITE, id).await?;
        if role.is_built_in() {
            return Err(Refusal::Conflict(
                "built-in roles come with their product and are not changed".to_owned(),
            )
            .into());
        }
        Ok(role)
    }
}

fn need(scope: &'static str, organization: OrganizationId, product: Option<&ProductName>) -> Need {
    Need {
        scope,
        organization,
        product: product.cloned(),
    }
}

/// How many users and groups of the organization were given the role.
fn given(world: &World, organization: OrganizationId, id: RoleId) -> (usize, usize) {
    let here = |roles: &[RoleGrant]| roles.iter().any(|grant| grant.role == id);
    let users = world.users.values();
    let users = users.filter(|user| user.organization == organization && here(&user.roles));
    let groups = world.groups_in(organization);
    (
        users.count(),
        groups.filter(|group| here(&group.roles)).count(),
    )
}

fn owner_of(role: &Role) -> Result<OrganizationId, Refusal> {
    role.organization.ok_or(Refusal::NotFound("role"))
}

fn edited(product: &Product, role: &Role, edit: EditRole) -> Result<Role, Refusal> {
    let name = edit
        .name
        .map(|name| unshadowing(product, name))
        .transpose()?;
    let scopes = edit
        .scopes
        .map(|scopes| declared(product, &scopes))
        .transpose()?;
    Ok(Role {
        name: name.unwrap_or_else(|| role.name.clone()),
        description: edit.description.unwrap_or_else(|| role.description.clone()),
        scopes: scopes.unwrap_or_else(|| role.scopes.clone()),
        ..role.clone()
    })
}

/// A name that no built-in role of the product has in any letter case. (Names have no spaces at their ends and only ASCII
/// letters, so that nothing else looks alike.)
fn unshadowing(product: &Product, name: RoleName) -> Result<RoleName, Refusal> {
    if product
        .roles
        .iter()
        .any(|role| role.name.fold() == name.fold())
    {
        return Err(Refusal::NameTaken("role"));
    }
    Ok(name)
}

/// Scopes in the catalog's spelling, each once, in order.
fn declared(product: &Product, texts: &[String]) -> Result<Vec<Scope>, Refusal> {
    if texts.is_empty() || texts.len() > MAX_ROLE_SCOPES {
        return Err(Refusal::invalid(
            "scopes",
            format!("a role has 1 to {MAX_ROLE_SCOPES} scopes"),
        ));
    }
    let mut scopes = Vec::with_capacity(texts.len());
    for text in texts {
        let scope = product.declared(text);
        scopes.push(scope.ok_or_else(|| {
            Refusal::invalid("scopes", format!("{text:?} is not a scope of this product"))
        })?);
    }
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}

/// Whether the caller may give these scopes for everything in the organization.
fn within(
    world: &World,
    ceiling: &Ceiling,
    product: &ProductName,
    organization: OrganizationId,
    scopes: &[Scope],
) -> Result<(), Refusal> {
    let product = world.product(product).ok_or(Refusal::NotFound("product"))?;
    let wanted = Rights::of_scopes(scopes, &Resources::All, product.algebra);
    let given = scopes.iter().collect();
    admitted(world, ceiling, product, organization, &given, &wanted)
}

/// The scopes of `before` that are not, or not as far, in `after`.
fn losses(before: &Rights, after: &Rights) -> Vec<Scope> {
    let lost = |scope: &&Scope| !before.narrowed(std::slice::from_ref(*scope)).within(after);
    before.names().into_iter().filter(lost).cloned().collect()
}

fn stored(change: &mut Change<'_>, id: RoleId) -> Result<Role, Failure> {
    match change.role(id)? {
        Some(Found::Good(role)) if !role.deleted => Ok(role),
        _ => Err(Refusal::NotFound("role").into()),
    }
}

fn taken(fault: store::Fault) -> Failure {
    if fault.is_conflict_on(ROLE_NAME) {
        Refusal::NameTaken("role").into()
    } else {
        fault.into()
    }
}
