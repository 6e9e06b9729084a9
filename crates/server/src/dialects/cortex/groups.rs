//! Groups of people: `/platform/iam/v1/user-group…`.

use std::collections::BTreeSet;

use authority::groups::{CreateGroup, EditGroup, GroupFilter};
use authority::{Authority, World};
use axum::extract::{Request, State};
use axum::response::Response;
use credential::grant::Resources;
use credential::group::{Group, Reach};
use credential::id::{GroupId, RoleId, UserId};
use credential::key::Maker;
use credential::name::{Comment, Name};
use credential::organization::User;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::areas::{Area, No};
use super::call::{Call, json};
use super::roles::ACCOUNT_ADMIN;
use super::users::account_admin;
use super::wire::{Data, Message};
use super::{PRODUCT, answer};

/// Groups of one page of the authority's.
const PAGE: usize = 100;

/// A group as another thing names it; its id is a text to strict clients.
#[derive(Serialize)]
pub(super) struct Named {
    group_id: String,
    pub(super) group_name: String,
}

impl Named {
    /// The groups of a person, by name.
    pub(super) fn of_user(world: &World, user: &User) -> Vec<Self> {
        let mut groups = world.groups_of(user);
        groups.sort_by(|one, other| one.name.cmp(&other.name));
        groups.into_iter().map(|group| Named::of(group)).collect()
    }

    fn of(group: &Group) -> Self {
        Self {
            group_id: group.id.to_string(),
            group_name: group.name.as_str().to_owned(),
        }
    }
}

/// A group.
#[derive(Serialize)]
struct Shown {
    group_id: String,
    group_name: String,
    description: String,
    role_id: Option<String>,
    pretty_role_name: Option<String>,
    created_by: String,
    created_ts: i64,
    updated_ts: i64,
    users: Vec<String>,
    group_type: &'static str,
    nested_groups: Vec<Named>,
    idp_groups: Vec<String>,
}

/// What a group shall be. Of one that is there, what is absent stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    group_name: Option<String>,
    role_id: Option<String>,
    description: Option<String>,
    users: Option<Vec<String>>,
    nested_group_ids: Option<Vec<String>>,
    idp_groups: Option<Vec<String>>,
}

pub(super) async fn list(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Platform, async {
        let call = Call::of(&authority, request).await?;
        let world = authority.world();
        let groups = call.groups().await?;
        let shown: Vec<Shown> = groups.iter().map(|group| shown(&world, group)).collect();
        let count = shown.len();
        Ok(json(&Data::list(shown, count)))
    })
    .await
}

pub(super) async fn create(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Platform, async {
        let call = Call::of(&authority, request).await?;
        let meant = call.meant(call.wanted()?).await?;
        let command = CreateGroup {
            organization: None,
            name: meant
                .name
                .ok_or_else(|| No::invalid("group_name: is needed"))?,
            description: meant.description.unwrap_or_default(),
            roles: meant.role.into_iter().map(everywhere).collect(),
            members: meant.members.unwrap_or_default(),
            nested: meant.nested.unwrap_or_default(),
            reach: Reach::Own,
        };
        let made = authority.create_group(&call.caller, command).await?.value;
        Ok(done(&made, "created"))
    })
    .await
}

pub(super) async fn edit(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Platform, async {
        let call = Call::of(&authority, request).await?;
        let meant = call.meant(call.wanted()?).await?;
        let group = call.group().await?;
        let world = authority.world();
        let roles = meant.role.map(|role| {
            let elsewhere = group.roles.iter().filter(|grant| {
                let role = world.role(grant.role);
                role.is_some_and(|role| role.product.as_str() != PRODUCT)
            });
            elsewhere
                .map(|grant| (grant.role, grant.resources.clone()))
                .chain([everywhere(role)])
                .collect()
        });
        let edit = EditGroup {
            name: meant.name,
            description: meant.description,
            roles,
            members: meant.members,
            nested: meant.nested,
            reach: None,
        };
        let edited = authority.edit_group(&call.caller, group.id, edit, None);
        Ok(done(&edited.await?.value, "updated"))
    })
    .await
}

pub(super) async fn delete(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Platform, async {
        let call = Call::of(&authority, request).await?;
        let group = call.group().await?;
        let gone = authority.delete_group(&call.caller, group.id, None).await?;
        Ok(done(&gone.value, "deleted"))
    })
    .await
}

/// What a body means, in our words.
struct Meant {
    name: Option<Name>,
    role: Option<RoleId>,
    description: Option<Comment>,
    members: Option<BTreeSet<UserId>>,
    nested: Option<BTreeSet<GroupId>>,
}

impl Call<'_> {
    /// Every group that the caller may see, by name.
    pub(super) async fn groups(&self) -> Result<Vec<Group>, No> {
        let (mut groups, mut after) = (Vec::new(), None);
        loop {
            let filter = GroupFilter::default();
            let page = self.authority.groups(&self.caller, filter, after, PAGE);
            let page = page.await?;
            let full = page.len() == PAGE;
            after = page.last().map(|group| group.id);
            groups.extend(page);
            if !full {
                groups.sort_by(|one, other| one.name.cmp(&other.name));
                return Ok(groups);
            }
        }
    }

    async fn group(&self) -> Result<Group, No> {
        let id = self.names.first().map(String::as_str).unwrap_or_default();
        let id: GroupId = id.parse().map_err(|_| No::of(StatusCode::NOT_FOUND))?;
        Ok(self.authority.group(&self.caller, id).await?)
    }

    async fn meant(&self, wanted: Wanted) -> Result<Meant, No> {
        if wanted.idp_groups.is_some_and(|list| !list.is_empty()) {
            let why = "idp_groups: no identity provider is asked for groups here";
            return Err(No::invalid(why));
        }
        let name = wanted.group_name.as_deref().map(Name::new).transpose();
        let description = wanted.description.as_deref().map(Comment::new).transpose();
        let role = match wanted.role_id.filter(|role| !role.is_empty()) {
            Some(role) => Some(self.role_of_id(&role).await?),
            None => None,
        };
        let members = match wanted.users {
            Some(addresses) => {
                let mut members = BTreeSet::new();
                for address in &addresses {
                    let user = self.person_at(address).await?;
                    let user =
                        user.ok_or_else(|| No::invalid(format!("users: there is no {address}")))?;
                    members.insert(user.id);
                }
                Some(members)
            }
            None => None,
        };
        let nested = wanted.nested_group_ids.map(|ids| {
            let parsed = ids.iter().map(|id| {
                let unknown = |_| No::invalid(format!("nested_group_ids: there is no {id}"));
                id.parse().map_err(unknown)
            });
            parsed.collect::<Result<BTreeSet<GroupId>, No>>()
        });
        Ok(Meant {
            name: name.map_err(|why| No::invalid(format!("group_name: {why}")))?,
            role,
            description: description.map_err(|why| No::invalid(format!("description: {why}")))?,
            members,
            nested: nested.transpose()?,
        })
    }

    /// The role of this product with this id, if the caller may give it.
    pub(super) async fn role_of_id(&self, id: &str) -> Result<RoleId, No> {
        let id = id.parse().ok();
        let known = self.roles(None).await?;
        let role = known.iter().find(|role| Some(role.id) == id);
        let role = role.ok_or_else(|| No::invalid("role_id: there is no such role"))?;
        match role.name.as_str() {
            ACCOUNT_ADMIN => Err(account_admin()),
            _ => Ok(role.id),
        }
    }

    /// Puts a person into these groups, and out of every other.
    pub(super) async fn put_into(&self, user: UserId, wanted: &[String]) -> Result<(), No> {
        let known = self.groups().await?;
        let is_wanted = |group: &Group| wanted.contains(&group.id.to_string());
        if wanted
            .iter()
            .any(|id| !known.iter().any(|group| group.id.to_string() == *id))
        {
            return Err(No::invalid("user_groups: there is no such group"));
        }
        for group in known {
            let mut members = group.members.clone();
            let changes = match is_wanted(&group) {
                true => members.insert(user),
                false => members.remove(&user),
            };
            if changes {
                let edit = EditGroup {
                    members: Some(members),
                    ..EditGroup::default()
                };
                self.authority
                    .edit_group(&self.caller, group.id, edit, Some(group.version))
                    .await?;
            }
        }
        Ok(())
    }
}

fn everywhere(role: RoleId) -> (RoleId, Resources) {
    (role, Resources::All)
}

/// Clients take the id out of these words by their number.
fn done(group: &Group, what: &str) -> Response {
    json(&Data::of(Message {
        message: format!("user group with group id {} {what} successfully", group.id),
    }))
}

fn shown(world: &World, group: &Group) -> Shown {
    let mut roles = group
        .roles
        .iter()
        .filter_map(|grant| world.role(grant.role));
    let role = roles.find(|role| role.product.as_str() == PRODUCT && !role.deleted);
    let members = group.members.iter().filter_map(|id| world.user(*id));
    let nested = group.nested.iter().filter_map(|id| world.group(*id));
    let created_by = match group.created_by {
        Maker::User(id) => world.user(id).map(|user| user.email.as_str().to_owned()),
        Maker::Key(_) | Maker::System => None,
    };
    Shown {
        group_id: group.id.to_string(),
        group_name: group.name.as_str().to_owned(),
        description: group.description.as_str().to_owned(),
        role_id: role.map(|role| role.id.to_string()),
        pretty_role_name: role.map(|role| role.name.as_str().to_owned()),
        created_by: created_by.unwrap_or_default(),
        created_ts: group.created_at.millis(),
        updated_ts: group.edited_at.millis(),
        users: members.map(|user| user.email.as_str().to_owned()).collect(),
        group_type: "custom",
        nested_groups: nested.map(|group| Named::of(group)).collect(),
        idp_groups: Vec::new(),
    }
}
