//! Groups: people of an organization who have roles together. Who puts somebody into a group gives them its roles, and those of
//! every group it is nested in; who takes them out takes these away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use credential::access::Ceiling;
use credential::event::Action;
use credential::grant::{Resources, RoleGrant};
use credential::group::{Group, MAX_GROUPS, MAX_REACH, Reach, belonging, fits_among, with_outer};
use credential::id::{GroupId, OrganizationId, RoleId, UserId};
use credential::name::{Comment, Name};
use credential::organization::{OrganizationKind, User};
use store::groups::GROUP_NAME;
use store::{Change, Found, View};

use crate::Authority;
use crate::act::{Done, MAX_PAGE, hidden, refuse_stale};
use crate::caller::Caller;
use crate::failure::{Failure, Refusal};
use crate::users::{READ, WRITE, difference, may_give, need, role_grants};
use crate::world::World;

/// What a new group shall be.
#[derive(Debug, Clone)]
pub struct CreateGroup {
    /// Where; `None` is the caller's own organization.
    pub organization: Option<OrganizationId>,
    /// Its name; unique in the organization.
    pub name: Name,
    /// What it is for.
    pub description: Comment,
    /// What its members shall have, of any product.
    pub roles: Vec<(RoleId, Resources)>,
    /// Its members.
    pub members: BTreeSet<UserId>,
    /// Groups whose members belong too.
    pub nested: BTreeSet<GroupId>,
    /// Where else it is seen.
    pub reach: Reach,
}

/// Changes to a group; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct EditGroup {
    /// A new name.
    pub name: Option<Name>,
    /// A new description.
    pub description: Option<Comment>,
    /// New roles in place of all earlier ones.
    pub roles: Option<Vec<(RoleId, Resources)>>,
    /// New members in place of all earlier ones.
    pub members: Option<BTreeSet<UserId>>,
    /// New nested groups in place of all earlier ones.
    pub nested: Option<BTreeSet<GroupId>>,
    /// Where else it is seen from now on.
    pub reach: Option<Reach>,
}

/// Which groups a page is about; what is `None` asks nothing.
#[derive(Debug, Clone, Default)]
pub struct GroupFilter {
    /// Those of this organization, and those that its manager shares into it; `None` is the caller's own.
    pub organization: Option<OrganizationId>,
    /// Those whose name has this text in it, letter case apart.
    pub name_has: Option<String>,
    /// Those that have this person as a member themselves.
    pub member: Option<UserId>,
    /// Those that have this role themselves.
    pub role: Option<RoleId>,
}

impl Authority {
    /// Makes a group. Its roles are within what the caller may give.
    pub async fn create_group(
        &self,
        caller: &Caller,
        command: CreateGroup,
    ) -> Result<Done<Group>, Failure> {
        let organization = command.organization.unwrap_or(caller.organization);
        self.permit(caller, &need(WRITE, organization)).await?;
        let world = self.world();
        let now = self.now();
        let group = Group {
            id: GroupId::mint(now, self.entropy().draw()?),
            organization,
            name: command.name,
            description: command.description,
            roles: role_grants(&world, organization, &command.roles)?,
            members: command.members,
            nested: command.nested,
            reach: command.reach,
            created_at: now,
            created_by: caller.maker,
            edited_at: now,
            version: 1,
        };
        is_of_its_organization(&world, &group)?;
        let plan = Plan::of(&world, None, Some(&group));
        let needs = vec![need(WRITE, organization)];
        self.act_guarded(caller, needs, plan.rule(), plan.law(), move |change| {
            change
                .insert_group(&group, Action::GroupCreated, "{}")
                .map_err(taken)?;
            Ok(group.clone())
        })
        .await
    }

    /// One group, if the caller may see it.
    pub async fn group(&self, caller: &Caller, id: GroupId) -> Result<Group, Failure> {
        self.seen_group(caller, READ, id).await
    }

    /// A page of groups, in the order of their ids; `after` is the last id of the page before.
    pub async fn groups(
        &self,
        caller: &Caller,
        filter: GroupFilter,
        after: Option<GroupId>,
        limit: usize,
    ) -> Result<Vec<Group>, Failure> {
        let organization = filter.organization.unwrap_or(caller.organization);
        self.permit(caller, &need(READ, organization)).await?;
        let world = self.world();
        let mut page: Vec<&Arc<Group>> = world
            .groups
            .values()
            .filter(|group| world.sees_group(organization, group) && filter.fits(group))
            .filter(|group| after.is_none_or(|after| group.id > after))
            .collect();
        page.sort_by_key(|group| group.id);
        page.truncate(limit.clamp(1, MAX_PAGE));
        Ok(page.into_iter().map(|group| Group::clone(group)).collect())
    }

    /// Changes a group; its members have what it gives from then on, and no more what it gave. Who cannot give a role can
    /// neither take it away nor put anybody in or out.
    pub async fn edit_group(
        &self,
        caller: &Caller,
        id: GroupId,
        edit: EditGroup,
        version: Option<i64>,
    ) -> Result<Done<Group>, Failure> {
        let seen = self.seen_group(caller, WRITE, id).await?;
        let organization = seen.organization;
        let world = self.world();
        let roles = match &edit.roles {
            Some(roles) => role_grants(&world, organization, roles)?,
            None => seen.roles.clone(),
        };
        // Who is gone since is not somebody that the edit takes out.
        let before = Group {
            members: there(&seen.members, &world.users),
            nested: there(&seen.nested, &world.groups),
            ..seen.clone()
        };
        let next = Group {
            name: edit.name.unwrap_or_else(|| seen.name.clone()),
            description: edit.description.unwrap_or_else(|| seen.description.clone()),
            roles,
            members: edit.members.unwrap_or_else(|| before.members.clone()),
            nested: edit.nested.unwrap_or_else(|| before.nested.clone()),
            reach: edit.reach.unwrap_or_else(|| seen.reach.clone()),
            edited_at: self.now(),
            ..seen.clone()
        };
        is_of_its_organization(&world, &next)?;
        let action = if next.members == before.members && next.nested == before.nested {
            Action::GroupEdited
        } else {
            Action::GroupMembersChanged
        };
        let plan = Plan::of(&world, Some(&before), Some(&next));
        let needs = vec![need(WRITE, organization)];
        self.act_guarded(caller, needs, plan.rule(), plan.law(), move |change| {
            let group = stored(change, id)?;
            refuse_stale(group.version, version)?;
            // What was weighed is the edit of the group as it was read.
            refuse_stale(group.version, Some(seen.version))?;
            change
                .update_group(next.clone(), action, "{}")
                .map_err(taken)
        })
        .await
    }

    /// Removes a group for good; its members have its roles no more.
    pub async fn delete_group(
        &self,
        caller: &Caller,
        id: GroupId,
        version: Option<i64>,
    ) -> Result<Done<Group>, Failure> {
        let seen = self.seen_group(caller, WRITE, id).await?;
        let plan = Plan::of(&self.world(), Some(&seen), None);
        let needs = vec![need(WRITE, seen.organization)];
        self.act_guarded(caller, needs, plan.rule(), plan.law(), move |change| {
            let group = stored(change, id)?;
            refuse_stale(group.version, version)?;
            refuse_stale(group.version, Some(seen.version))?;
            change.delete_group(&group, Action::GroupDeleted, "{}")?;
            Ok(group)
        })
        .await
    }

    /// The people who are members of a group themselves, in the order of their ids, for whoever may see the group: its
    /// members may be of an organization whose other people the caller does not see.
    pub async fn people_of(&self, caller: &Caller, id: GroupId) -> Result<Vec<User>, Failure> {
        let group = self.seen_group(caller, READ, id).await?;
        let world = self.world();
        let members = group.members.iter().filter_map(|id| world.user(*id));
        Ok(members.map(|user| User::clone(user)).collect())
    }

    /// The people of its manager who belong to a group that is shared into an organization, in the order of their ids.
    pub async fn shared_people(
        &self,
        caller: &Caller,
        organization: OrganizationId,
    ) -> Result<Vec<User>, Failure> {
        self.permit(caller, &need(READ, organization)).await?;
        let world = self.world();
        let known = world.organization(organization);
        let Some(manager) = known.and_then(|known| known.parent) else {
            return Ok(Vec::new());
        };
        let groups: Vec<&Group> = world.groups_in(manager).collect();
        let shared: BTreeSet<GroupId> = groups
            .iter()
            .filter(|group| world.sees_group(organization, group))
            .map(|group| group.id)
            .collect();
        let people: BTreeSet<UserId> = groups
            .iter()
            .flat_map(|group| &group.members)
            .filter(|id| !belonging(groups.iter().copied(), **id).is_disjoint(&shared))
            .copied()
            .collect();
        let people = people.into_iter().filter_map(|id| world.user(id));
        Ok(people.map(|user| User::clone(user)).collect())
    }

    /// The group as this replica knows it. Who may not see it is told that there is none.
    async fn seen_group(
        &self,
        caller: &Caller,
        scope: &'static str,
        id: GroupId,
    ) -> Result<Group, Failure> {
        let world = self.world();
        let group = world.group(id).ok_or(Refusal::NotFound("group"))?;
        // Whom it is shared with asks in their own organization.
        let place = if world.sees_group(caller.organization, group) {
            caller.organization
        } else {
            group.organization
        };
        self.permit(caller, &need(READ, place))
            .await
            .map_err(|refusal| hidden(refusal, "group"))?;
        if scope != READ {
            self.permit(caller, &need(scope, group.organization))
                .await?;
        }
        Ok(Group::clone(group))
    }
}

impl World {
    /// Whether those who administer an organization see the group: it is theirs, or their manager shares it with them.
    fn sees_group(&self, organization: OrganizationId, group: &Group) -> bool {
        group.organization == organization
            || self.organization(organization).is_some_and(|known| {
                known.parent == Some(group.organization) && group.is_shared_into(organization)
            })
    }
}

impl GroupFilter {
    fn fits(&self, group: &Group) -> bool {
        self.name_has
            .as_ref()
            .is_none_or(|part| group.name.fold().contains(&part.to_lowercase()))
            && self
                .member
                .is_none_or(|member| group.members.contains(&member))
            && self
                .role
                .is_none_or(|role| group.roles.iter().any(|grant| grant.role == role))
    }
}

/// What a change of a group gives or takes, and among which groups it was found so.
#[derive(Clone)]
struct Plan {
    id: GroupId,
    organization: OrganizationId,
    /// Lists of roles that the caller must be able to give.
    weighed: Arc<Vec<Vec<RoleGrant>>>,
    /// The groups that it is nested in, at these versions.
    outer: Arc<BTreeMap<GroupId, i64>>,
    /// As it shall be; `None` where it goes.
    next: Option<Arc<Group>>,
}

impl Plan {
    fn of(world: &World, before: Option<&Group>, next: Option<&Group>) -> Self {
        let id = before.or(next).map(|group| group.id);
        let organization = before.or(next).map(|group| group.organization);
        let (Some(id), Some(organization)) = (id, organization) else {
            unreachable!("a change of a group has it before or after")
        };
        let groups: Vec<&Group> = world.groups_in(organization).collect();
        let outer = outer_of(id, &groups);
        let above = groups
            .iter()
            .filter(|group| outer.contains_key(&group.id))
            .map(|group| group.roles.clone());
        let weighed = match (before, next) {
            (Some(before), Some(next))
                if before.members == next.members && before.nested == next.nested =>
            {
                vec![difference(&before.roles, &next.roles)]
            }
            _ => {
                let own = [before, next].into_iter().flatten();
                own.map(|group| group.roles.clone()).chain(above).collect()
            }
        };
        Self {
            id,
            organization,
            weighed: Arc::new(weighed),
            outer: Arc::new(outer),
            next: next.map(|group| Arc::new(group.clone())),
        }
    }

    fn rule(&self) -> impl Fn(&World, &Ceiling) -> Result<(), Refusal> + Send + 'static {
        let plan = self.clone();
        move |world, ceiling| {
            plan.weighed
                .iter()
                .try_for_each(|roles| may_give(world, ceiling, plan.organization, roles))
        }
    }

    /// Under the lock: it stands well among the groups as they are, and is nested in those that were weighed.
    fn law(&self) -> impl Fn(&View<'_>) -> Result<(), Failure> + Send + 'static {
        let plan = self.clone();
        move |view| {
            let groups = groups_of(view, plan.organization)?;
            if groups.len() > MAX_GROUPS {
                return Err(Refusal::Conflict(format!(
                    "an organization has at most {MAX_GROUPS} groups"
                ))
                .into());
            }
            let others: Vec<&Group> = groups.iter().filter(|group| group.id != plan.id).collect();
            if outer_of(plan.id, &others) != *plan.outer {
                return Err(Refusal::Restricted.into());
            }
            match &plan.next {
                Some(next) => fits_among(next, others)
                    .map_err(|error| Refusal::invalid("nested", error).into()),
                None => Ok(()),
            }
        }
    }
}

/// The groups, at their versions, that a group is nested in.
fn outer_of(id: GroupId, groups: &[&Group]) -> BTreeMap<GroupId, i64> {
    let outer = with_outer(groups.iter().copied(), BTreeSet::from([id]));
    groups
        .iter()
        .filter(|group| group.id != id && outer.contains(&group.id))
        .map(|group| (group.id, group.version))
        .collect()
}

/// The genuine groups of an organization.
fn groups_of(view: &View<'_>, organization: OrganizationId) -> Result<Vec<Group>, Failure> {
    let (mut groups, mut after) = (Vec::new(), None);
    loop {
        let page = view.groups_page(Some(organization), after, MAX_PAGE)?;
        let full = page.len() == MAX_PAGE;
        after = page.iter().rev().find_map(|found| match found {
            Found::Good(group) => Some(group.id),
            Found::Tampered(subject) => subject.id.parse().ok(),
        });
        groups.extend(page.into_iter().filter_map(Found::good));
        if !full || after.is_none() {
            return Ok(groups);
        }
    }
}

/// Those of a set that are there still.
fn there<I: Copy + Ord + std::hash::Hash, T>(
    ids: &BTreeSet<I>,
    known: &std::collections::HashMap<I, T>,
) -> BTreeSet<I> {
    ids.iter()
        .filter(|id| known.contains_key(id))
        .copied()
        .collect()
}

/// Whether members and nested groups are of the group's own organization, and where it is shared is its to share into.
fn is_of_its_organization(world: &World, group: &Group) -> Result<(), Refusal> {
    let own = group.organization;
    for id in &group.members {
        if world.user(*id).is_none_or(|user| user.organization != own) {
            let why = format!("there is no user {id} here");
            return Err(Refusal::invalid("members", why));
        }
    }
    for id in &group.nested {
        if world
            .group(*id)
            .is_none_or(|nested| nested.organization != own)
        {
            let why = format!("there is no group {id} here");
            return Err(Refusal::invalid("nested", why));
        }
    }
    let refuse = |why: String| Err(Refusal::invalid("reach", why));
    if group.reach == Reach::Own {
        return Ok(());
    }
    let manages = world
        .organization(own)
        .is_some_and(|known| known.kind == OrganizationKind::Manager);
    if !manages {
        return refuse("only a manager shares its groups into other organizations".to_owned());
    }
    if let Reach::Listed(listed) = &group.reach {
        if listed.len() > MAX_REACH {
            return refuse(format!("expected at most {MAX_REACH} organizations"));
        }
        let foreign = listed.iter().find(|id| {
            world
                .organization(**id)
                .is_none_or(|known| known.parent != Some(own))
        });
        if let Some(id) = foreign {
            return refuse(format!("there is no managed organization {id} here"));
        }
    }
    // The bounds on members and nested groups are held against the others under the lock.
    Ok(())
}

fn stored(change: &mut Change<'_>, id: GroupId) -> Result<Group, Failure> {
    match change.group(id)? {
        Some(Found::Good(group)) => Ok(group),
        Some(Found::Tampered(_)) | None => Err(Refusal::NotFound("group").into()),
    }
}

fn taken(fault: store::Fault) -> Failure {
    if fault.is_conflict_on(GROUP_NAME) {
        Refusal::NameTaken("group").into()
    } else {
        fault.into()
    }
}
