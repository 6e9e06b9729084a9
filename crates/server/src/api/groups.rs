//! Groups: `/api/v1/groups`.

use std::collections::BTreeSet;

use authority::World;
use authority::groups::{CreateGroup, EditGroup, GroupFilter};
use axum::extract::State;
use axum::response::Response;
use credential::group::{Group, Reach};
use credential::id::{GroupId, OrganizationId, RoleId, UserId};
use credential::name::{Comment, Name};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{Says, json};
use super::keys::wire::{GrantedRole, granted_role};
use super::keys::wish::RoleWish;
use super::page::{Page, id};
use super::refusal::problem;
use super::request::{By, Command, Id, IfMatch, Query};
use super::users::wishes;
use super::wire::Time;
use super::{Api, Served};
use crate::problem::Problem;

pub(super) fn serve(served: Served) -> Served {
    served
        .at(__path_list, list)
        .at(__path_create, create)
        .at(__path_read, read)
        .at(__path_edit, edit)
        .at(__path_remove, remove)
}

/// Into which managed organizations a manager's group is shared: who administers there can see it. What its members may
/// follows from its roles and their resources alone.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = GroupReach)]
enum ReachShape {
    /// Into none.
    Own,
    /// Into all that the organization manages.
    Managed,
    /// Into the organizations with these ids.
    #[schema(value_type = Vec<String>)]
    Listed(BTreeSet<OrganizationId>),
}

impl From<ReachShape> for Reach {
    fn from(shape: ReachShape) -> Self {
        match shape {
            ReachShape::Own => Reach::Own,
            ReachShape::Managed => Reach::Managed,
            ReachShape::Listed(listed) => Reach::Listed(listed),
        }
    }
}

impl From<&Reach> for ReachShape {
    fn from(reach: &Reach) -> Self {
        match reach {
            Reach::Own => ReachShape::Own,
            Reach::Managed => ReachShape::Managed,
            Reach::Listed(listed) => ReachShape::Listed(listed.clone()),
        }
    }
}

/// People of an organization who have roles together.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Group)]
pub(super) struct GroupView {
    /// Its identifier, for good.
    #[schema(format = "uuid")]
    id: String,
    /// The organization.
    #[schema(format = "uuid")]
    organization_id: String,
    /// Its name; unique in the organization, letter case apart.
    name: String,
    /// What it is for.
    description: String,
    /// What its members have, of any product.
    roles: Vec<GrantedRole>,
    /// The ids of its members.
    members: Vec<String>,
    /// The ids of groups whose members are members here too.
    nested: Vec<String>,
    /// Where else it is seen.
    reach: ReachShape,
    /// When it was made.
    created_at: Time,
    /// When it was last changed.
    edited_at: Time,
    /// Counts its changes: the `ETag`.
    version: i64,
}

impl GroupView {
    /// Who is gone since is not shown.
    fn of(group: &Group, world: &World) -> Self {
        let members = group.members.iter().filter(|id| world.user(**id).is_some());
        let nested = group.nested.iter().filter(|id| world.group(**id).is_some());
        Self {
            id: group.id.to_string(),
            organization_id: group.organization.to_string(),
            name: group.name.as_str().to_owned(),
            description: group.description.as_str().to_owned(),
            roles: group
                .roles
                .iter()
                .map(|grant| granted_role(grant, world))
                .collect(),
            members: members.map(ToString::to_string).collect(),
            nested: nested.map(ToString::to_string).collect(),
            reach: (&group.reach).into(),
            created_at: Time(group.created_at),
            edited_at: Time(group.edited_at),
            version: group.version,
        }
    }
}

/// A page of groups.
#[derive(Serialize, ToSchema)]
struct Groups {
    /// The groups, in the order in which they were made.
    items: Vec<GroupView>,
    /// Where the next page begins; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// A group that was changed.
#[derive(Serialize, ToSchema)]
struct ChangedGroup {
    /// The group as it is now.
    group: GroupView,
    /// The number of the change.
    revision: i64,
}

/// Lists the groups of one organization, and those that its manager shares into it.
#[utoipa::path(get, path = "/api/v1/groups", tag = "groups", operation_id = "listGroups",
    params(
        ("organization_id" = Option<String>, Query, format = "uuid", description = "Whose groups; absent, those of the caller's organization."),
        ("name" = Option<String>, Query, description = "Those with this text in their name, letter case apart."),
        ("user_id" = Option<String>, Query, format = "uuid", description = "Those that have this user as a member themselves."),
        ("role_id" = Option<String>, Query, format = "uuid", description = "Those that have this role themselves."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "The most in the page; 100 when absent."),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before, with the same filter."),
    ),
    responses((status = 200, description = "A page of groups.", body = Groups)))]
async fn list(
    State(api): State<Api>,
    By(caller): By,
    mut query: Query,
) -> Result<Response, Problem> {
    let page = Page::take(&mut query, &format!("groups of {}", caller.organization))?;
    let filter = GroupFilter {
        organization: query.take("organization_id", "an id")?,
        name_has: query.text("name")?,
        member: query.take("user_id", "an id")?,
        role: query.take::<RoleId>("role_id", "an id")?,
    };
    query.finish()?;
    let after = page.after(id(GroupId::from_bytes))?;
    let mut found = api
        .authority
        .groups(&caller, filter, after, page.limit + 1)
        .await
        .map_err(problem)?;
    let next_cursor = page.cut(&mut found, |group| group.id.as_bytes().to_vec());
    let world = api.authority.world();
    let items = found.iter().map(|group| GroupView::of(group, &world));
    json(
        StatusCode::OK,
        &Groups {
            items: items.collect(),
            next_cursor,
        },
    )
}

/// A group to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewGroup {
    /// Where; absent, the caller's own organization.
    #[schema(value_type = Option<String>, format = "uuid")]
    organization_id: Option<OrganizationId>,
    /// Its name; unique in the organization, letter case apart.
    #[schema(value_type = String, min_length = 1, max_length = 256)]
    name: Name,
    /// What it is for.
    #[serde(default)]
    #[schema(value_type = String, max_length = 4000)]
    description: Comment,
    /// What its members shall have, of any product.
    #[serde(default)]
    #[schema(max_items = 64)]
    roles: Vec<RoleWish>,
    /// The ids of its members, of the same organization.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 1000)]
    members: BTreeSet<UserId>,
    /// The ids of groups of the same organization whose members shall be members here too.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 50)]
    nested: BTreeSet<GroupId>,
    /// Where else it is seen; absent, nowhere.
    reach: Option<ReachShape>,
}

/// Makes a group.
#[utoipa::path(post, path = "/api/v1/groups", tag = "groups", operation_id = "createGroup", request_body = NewGroup,
    responses((status = 201, description = "The group was made.", body = ChangedGroup,
        headers(("Location" = String, description = "The group."), ("ETag" = String, description = "Its version.")))))]
async fn create(
    State(api): State<Api>,
    By(caller): By,
    command: Command<NewGroup>,
) -> Result<Response, Problem> {
    let NewGroup {
        organization_id,
        name,
        description,
        roles,
        members,
        nested,
        reach,
    } = command.body;
    let wish = CreateGroup {
        organization: organization_id,
        name,
        description,
        roles: wishes(roles),
        members,
        nested,
        reach: reach.map(Reach::from).unwrap_or_default(),
    };
    let made = api
        .authority
        .create_group(&caller, wish)
        .await
        .map_err(problem)?;
    let place = format!("/api/v1/groups/{}", made.value.id);
    Ok(api
        .changed_group(StatusCode::CREATED, &made.value, made.revision)?
        .location(place))
}

/// One group.
#[utoipa::path(get, path = "/api/v1/groups/{id}", tag = "groups", operation_id = "readGroup",
    params(("id" = String, Path, format = "uuid", description = "The group.")),
    responses((status = 200, description = "The group.", body = GroupView, headers(("ETag" = String, description = "Its version.")))))]
async fn read(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<GroupId>,
) -> Result<Response, Problem> {
    let group = api.authority.group(&caller, id).await.map_err(problem)?;
    let view = GroupView::of(&group, &api.authority.world());
    Ok(json(StatusCode::OK, &view)?.version(group.version))
}

/// Changes of a group; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GroupEdit {
    /// A new name.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256)]
    name: Option<Name>,
    /// A new description.
    #[schema(value_type = Option<String>, max_length = 4000)]
    description: Option<Comment>,
    /// New roles in place of all earlier ones.
    #[schema(max_items = 64)]
    roles: Option<Vec<RoleWish>>,
    /// New members in place of all earlier ones.
    #[schema(value_type = Option<Vec<String>>, max_items = 1000)]
    members: Option<BTreeSet<UserId>>,
    /// New nested groups in place of all earlier ones.
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    nested: Option<BTreeSet<GroupId>>,
    /// Where else it is seen from now on.
    reach: Option<ReachShape>,
}

/// Changes a group; its members have at once what it gives, and no more what it gave.
#[utoipa::path(patch, path = "/api/v1/groups/{id}", tag = "groups", operation_id = "editGroup", request_body = GroupEdit,
    params(("id" = String, Path, format = "uuid", description = "The group."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that the edit was made from.")),
    responses((status = 200, description = "The group as it is now.", body = ChangedGroup, headers(("ETag" = String, description = "Its version.")))))]
async fn edit(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<GroupId>,
    IfMatch(version): IfMatch,
    command: Command<GroupEdit>,
) -> Result<Response, Problem> {
    let GroupEdit {
        name,
        description,
        roles,
        members,
        nested,
        reach,
    } = command.body;
    let edit = EditGroup {
        name,
        description,
        roles: roles.map(wishes),
        members,
        nested,
        reach: reach.map(Reach::from),
    };
    let done = api
        .authority
        .edit_group(&caller, id, edit, version)
        .await
        .map_err(problem)?;
    api.changed_group(StatusCode::OK, &done.value, done.revision)
}

/// Removes a group for good; its members have its roles no more.
#[utoipa::path(delete, path = "/api/v1/groups/{id}", tag = "groups", operation_id = "deleteGroup",
    params(("id" = String, Path, format = "uuid", description = "The group."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that is meant.")),
    responses((status = 200, description = "The group as it last was.", body = ChangedGroup)))]
async fn remove(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<GroupId>,
    IfMatch(version): IfMatch,
) -> Result<Response, Problem> {
    let done = api
        .authority
        .delete_group(&caller, id, version)
        .await
        .map_err(problem)?;
    let body = ChangedGroup {
        group: GroupView::of(&done.value, &api.authority.world()),
        revision: done.revision,
    };
    json(StatusCode::OK, &body)
}

impl Api {
    fn changed_group(
        &self,
        status: StatusCode,
        group: &Group,
        revision: i64,
    ) -> Result<Response, Problem> {
        let body = ChangedGroup {
            group: GroupView::of(group, &self.authority.world()),
            revision,
        };
        Ok(json(status, &body)?.version(group.version))
    }
}
