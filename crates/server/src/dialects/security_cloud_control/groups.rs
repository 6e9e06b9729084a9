//! Admin groups: people of an organization who have roles together. A manager's groups can be shared into organizations
//! that it manages, whose administrators see them and who is in them.

use std::collections::BTreeSet;

use authority::groups::{CreateGroup, EditGroup, GroupFilter};
use authority::organizations::OrganizationFilter;
use authority::{Authority, World};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use credential::grant::Resources;
use credential::group::{Group, Reach};
use credential::id::{GroupId, OrganizationId, RoleId};
use credential::name::{Comment, Name};
use credential::organization::{OrganizationKind, User};
use http::StatusCode;

use super::call::{Answer, Call, nothing};
use super::errors::No;
use super::roles::{is_addition, visible};
use super::wire::{
    Assignment, GroupChanges, GroupEdit, Groups, NewGroup, Organizations, Results, Roles, Users,
};
use super::{organizations, translate, users};
use crate::dialects::json;

const READ: &str = "platform.groups:read";
const WRITE: &str = "platform.groups:write";

/// Groups in one answer, when nobody says, and at most.
const IN_AN_ANSWER: (usize, usize) = (100, 500);
/// Changes of one call; each is a change of its own, and takes some milliseconds.
const MOST_CHANGES: usize = 100;

pub(super) async fn list(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, READ).await?;
        let filter = GroupFilter {
            organization: Some(call.organization()?.id),
            ..GroupFilter::default()
        };
        page(&call, filter).await
    }
    .await;
    answer.into_response()
}

/// The groups that have a person as a member themselves.
pub(super) async fn of_user(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, READ).await?;
        let (user, _) = users::seen(&call).await?;
        let filter = GroupFilter {
            organization: Some(call.organization()?.id),
            member: Some(user.id),
            ..GroupFilter::default()
        };
        page(&call, filter).await
    }
    .await;
    answer.into_response()
}

pub(super) async fn create(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, WRITE).await?;
        let organization = call.organization()?;
        let wanted: NewGroup = call.wanted()?;
        let reach = match wanted.applies_to.as_deref() {
            Some(_) if organization.kind != OrganizationKind::Manager => {
                let why = "appliesTo: only the groups of a manager apply to other organizations";
                return Err(No::bad_request(why));
            }
            Some(word) => translate::applies_to(word)?,
            None => Reach::Own,
        };
        let command = CreateGroup {
            organization: Some(organization.id),
            name: name(&wanted.name)?,
            description: description(&wanted.description)?,
            roles: Vec::new(),
            members: BTreeSet::new(),
            nested: BTreeSet::new(),
            reach,
        };
        let made = authority.create_group(&call.caller, command).await?;
        Ok(one(&authority, StatusCode::CREATED, &made.value))
    }
    .await;
    answer.into_response()
}

pub(super) async fn read(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, READ).await?;
        Ok(one(&authority, StatusCode::OK, &seen(&call).await?))
    }
    .await;
    answer.into_response()
}

pub(super) async fn edit(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, WRITE).await?;
        let group = own(&call).await?;
        let wanted: GroupEdit = call.wanted()?;
        let edit = EditGroup {
            name: wanted.name.as_deref().map(name).transpose()?,
            description: wanted.description.as_deref().map(description).transpose()?,
            ..EditGroup::default()
        };
        let edited = authority
            .edit_group(&call.caller, group.id, edit, None)
            .await?;
        Ok(one(&authority, StatusCode::OK, &edited.value))
    }
    .await;
    answer.into_response()
}

pub(super) async fn patch(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, WRITE).await?;
        let group = own(&call).await?;
        let GroupChanges { users, managed_org } = call.wanted()?;
        let asked = users.len() + managed_org.len();
        if asked == 0 || asked > MOST_CHANGES {
            return Err(No::bad_request(format!(
                "users, managedOrg: expected 1 to {MOST_CHANGES} together"
            )));
        }
        let mut results = Vec::with_capacity(asked);
        for one in users {
            let done = put_user(&call, group.id, &one).await;
            results.push(translate::result(one.id, "user", one.operation, done)?);
        }
        for one in managed_org {
            let done = put_organization(&call, group.id, &one).await;
            let kind = "managedOrg";
            results.push(translate::result(one.id, kind, one.operation, done)?);
        }
        Ok(json(StatusCode::OK, &Results { results }))
    }
    .await;
    answer.into_response()
}

pub(super) async fn delete(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, WRITE).await?;
        let group = own(&call).await?;
        authority.delete_group(&call.caller, group.id, None).await?;
        Ok(nothing())
    }
    .await;
    answer.into_response()
}

pub(super) async fn users_of(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, READ).await?;
        let (here, group) = (call.organization()?.id, seen(&call).await?);
        let people = authority.people_of(&call.caller, group.id).await?;
        let world = authority.world();
        let show = |user: &User| {
            let status = match user.organization == here {
                true => translate::user_status(&world, user),
                false => users::SHARED,
            };
            translate::user(user, status)
        };
        let users = people.iter().map(show).collect();
        Ok(json(StatusCode::OK, &Users { users }))
    }
    .await;
    answer.into_response()
}

/// The roles of a group, of those that the caller may see.
pub(super) async fn roles_of(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, READ).await?;
        let group = seen(&call).await?;
        let mut roles = visible(&call, call.organization()?.id).await?;
        roles.retain(|role| group.roles.iter().any(|grant| grant.role == role.id));
        let world = authority.world();
        let roles = roles.iter().map(|role| translate::role(&world, role));
        let roles = Roles {
            roles: roles.collect(),
        };
        Ok(json(StatusCode::OK, &roles))
    }
    .await;
    answer.into_response()
}

/// The organizations that a group is shared into, of those that the caller may see.
pub(super) async fn organizations_of(
    State(authority): State<Authority>,
    request: Request,
) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, READ).await?;
        let group = seen(&call).await?;
        let near = organizations::every(&call, OrganizationFilter::default()).await?;
        let shared = near
            .iter()
            .filter(|one| one.parent == Some(group.organization) && group.is_shared_into(one.id));
        let shared: Vec<_> = shared.collect();
        let regions = authority
            .regions(shared.iter().map(|one| one.id).collect())
            .await?;
        let shown = shared
            .iter()
            .map(|one| translate::organization(one, regions.get(&one.id)));
        let organizations = Organizations {
            organizations: shown.collect(),
            next_cursor: None,
        };
        Ok(json(StatusCode::OK, &organizations))
    }
    .await;
    answer.into_response()
}

/// One answer of the groups wanted; the cursor is the id of the last one before.
async fn page(call: &Call<'_>, filter: GroupFilter) -> Answer {
    let query = call.query()?;
    let (usual, most) = IN_AN_ANSWER;
    let limit = match query.get("max") {
        None => usual,
        Some(text) => text
            .parse()
            .ok()
            .filter(|wanted| (1..=most).contains(wanted))
            .ok_or_else(|| No::bad_request(format!("max: expected a number from 1 to {most}")))?,
    };
    let after: Option<GroupId> = query
        .get("cursor")
        .map(str::parse)
        .transpose()
        .map_err(|_| No::bad_request("cursor: it is none of this list"))?;
    let mut found = call
        .authority
        .groups(&call.caller, filter, after, limit + 1)
        .await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let world = call.authority.world();
    let groups = Groups {
        next_cursor: found
            .last()
            .map(|last| last.id.to_string())
            .filter(|_| more),
        groups: found
            .iter()
            .map(|group| translate::group(&world, group))
            .collect(),
    };
    Ok(json(StatusCode::OK, &groups))
}

/// The group that the path names, of the organization in the path or shared into it.
async fn seen(call: &Call<'_>) -> Result<Group, No> {
    let (organization, id) = (call.organization()?, call.thing::<GroupId>()?);
    let group = call.authority.group(&call.caller, id).await?;
    let shared =
        organization.parent == Some(group.organization) && group.is_shared_into(organization.id);
    let here = shared || group.organization == organization.id;
    here.then_some(group).ok_or_else(No::not_found)
}

/// The group that the path names, of the organization in the path: whom it is shared with does not change it.
async fn own(call: &Call<'_>) -> Result<Group, No> {
    let group = seen(call).await?;
    if group.organization != call.organization()?.id {
        return Err(No::of(StatusCode::FORBIDDEN).because("the group is the manager's to change"));
    }
    Ok(group)
}

/// A group by its id, as clients name it in bodies.
pub(super) async fn called(
    call: &Call<'_>,
    organization: OrganizationId,
    name: &str,
) -> Result<Group, No> {
    let nothing = || No::not_found().because("there is no such group here");
    let id: GroupId = name.parse().map_err(|_| nothing())?;
    let group = call.authority.group(&call.caller, id).await;
    group
        .ok()
        .filter(|group| group.organization == organization)
        .ok_or_else(nothing)
}

/// Gives a group a role, or takes it from it; the others stay.
pub(super) async fn assign(
    call: &Call<'_>,
    group: &Group,
    role: RoleId,
    wanted: bool,
) -> Result<(), No> {
    let others = group.roles.iter().filter(|grant| grant.role != role);
    let mut roles: Vec<(RoleId, Resources)> = others
        .map(|grant| (grant.role, grant.resources.clone()))
        .collect();
    if wanted {
        roles.push((role, Resources::All));
    }
    let edit = EditGroup {
        roles: Some(roles),
        ..EditGroup::default()
    };
    change(call, group, edit).await
}

/// The roles that a person has, by themselves and by their groups.
pub(super) fn roles_of_user(world: &World, user: &User) -> BTreeSet<RoleId> {
    let groups = world.groups_of(user);
    let given = groups.iter().flat_map(|group| &group.roles);
    user.roles
        .iter()
        .chain(given)
        .map(|grant| grant.role)
        .collect()
}

async fn put_user(call: &Call<'_>, group: GroupId, asked: &Assignment) -> Result<(), No> {
    let group = call.authority.group(&call.caller, group).await?;
    let user = users::called(call, group.organization, &asked.id).await?.id;
    let mut members = group.members.clone();
    if is_addition(&asked.operation)? {
        members.insert(user);
    } else if !members.remove(&user) {
        return Err(No::not_found().because("there is no such member of the group"));
    }
    let edit = EditGroup {
        members: Some(members),
        ..EditGroup::default()
    };
    change(call, &group, edit).await
}

async fn put_organization(call: &Call<'_>, group: GroupId, asked: &Assignment) -> Result<(), No> {
    let group = call.authority.group(&call.caller, group).await?;
    let id = translate::organization_id(&asked.id);
    let world = call.authority.world();
    let id = id.filter(|id| world.manages(group.organization, *id));
    let none = || No::not_found().because("there is no such managed organization");
    let id = id.ok_or_else(none)?;
    let mut listed = match &group.reach {
        Reach::Listed(listed) => listed.clone(),
        // From here on it applies to those that are named.
        Reach::Own => BTreeSet::new(),
        Reach::Managed => {
            let why = "the group applies to all managed organizations";
            return Err(No::of(StatusCode::CONFLICT).because(why));
        }
    };
    if is_addition(&asked.operation)? {
        listed.insert(id);
    } else if !listed.remove(&id) {
        return Err(none());
    }
    let edit = EditGroup {
        reach: Some(Reach::Listed(listed)),
        ..EditGroup::default()
    };
    change(call, &group, edit).await
}

async fn change(call: &Call<'_>, group: &Group, edit: EditGroup) -> Result<(), No> {
    call.authority
        .edit_group(&call.caller, group.id, edit, Some(group.version))
        .await?;
    Ok(())
}

fn name(text: &str) -> Result<Name, No> {
    Name::new(text).map_err(|why| No::bad_request(format!("name: {why}")))
}

fn description(text: &str) -> Result<Comment, No> {
    Comment::new(text).map_err(|why| No::bad_request(format!("description: {why}")))
}

fn one(authority: &Authority, status: StatusCode, group: &Group) -> Response {
    json(status, &translate::group(&authority.world(), group))
}
