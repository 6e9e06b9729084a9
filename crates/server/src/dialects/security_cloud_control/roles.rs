//! Roles: those that a caller may see, and who has them. Nobody sees one above their own, but the member's, which is always
//! offered.

use authority::Authority;
use authority::roles::RoleFilter;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use credential::id::{OrganizationId, RoleId};
use credential::role::Role;
use http::StatusCode;

use super::call::{Answer, Call, product};
use super::errors::No;
use super::wire::{Assignment, Assignments, Results, Roles};
use super::{groups, translate, users};
use crate::dialects::json;

const READ: &str = "platform.roles:read";
const WRITE: &str = "platform.roles:write";

/// The built-in role that only reads.
pub(super) const MEMBER: &str = "Member";
/// The built-in role that does everything.
pub(super) const ADMINISTRATOR: &str = "Administrator";

/// Roles that are read at once.
const PAGE: usize = 1000;
/// Assignments of one call; each is a change of its own, and takes some milliseconds.
const MOST_ASSIGNMENTS: usize = 100;

pub(super) async fn list(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, READ).await?;
        let organization = call.organization()?.id;
        let query = call.query()?;
        let mut roles = visible(&call, organization).await?;
        match query.get("type") {
            None => {}
            Some("STATIC") => roles.retain(Role::is_built_in),
            Some("CUSTOM") => roles.retain(|role| !role.is_built_in()),
            // Nothing here is one.
            Some("BUNDLED") => roles.clear(),
            Some(_) => return Err(No::bad_request("type: expected STATIC, CUSTOM or BUNDLED")),
        }
        if let Some(user) = query.get("user") {
            let user = users::called(&call, organization, user).await?;
            let has = groups::roles_of_user(&authority.world(), &user);
            roles.retain(|role| has.contains(&role.id));
        }
        let world = authority.world();
        let roles = roles.iter().map(|role| translate::role(&world, role));
        Ok(json(
            StatusCode::OK,
            &Roles {
                roles: roles.collect(),
            },
        ))
    }
    .await;
    answer.into_response()
}

pub(super) async fn read(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, READ).await?;
        let role = named(&call).await?;
        Ok(json(
            StatusCode::OK,
            &translate::role(&authority.world(), &role),
        ))
    }
    .await;
    answer.into_response()
}

pub(super) async fn assign(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, WRITE).await?;
        let organization = call.organization()?.id;
        let role = named(&call).await?.id;
        let Assignments { users, groups } = call.wanted()?;
        let asked = users.len() + groups.len();
        if asked == 0 || asked > MOST_ASSIGNMENTS {
            return Err(No::bad_request(format!(
                "users, groups: expected 1 to {MOST_ASSIGNMENTS} together"
            )));
        }
        let mut results = Vec::with_capacity(asked);
        for one in users {
            let done = assign_user(&call, organization, role, &one).await;
            results.push(translate::result(one.id, "user", one.operation, done)?);
        }
        for one in groups {
            let done = assign_group(&call, organization, role, &one).await;
            results.push(translate::result(one.id, "group", one.operation, done)?);
        }
        Ok(json(StatusCode::OK, &Results { results }))
    }
    .await;
    answer.into_response()
}

async fn assign_user(
    call: &Call<'_>,
    organization: OrganizationId,
    role: RoleId,
    asked: &Assignment,
) -> Result<(), No> {
    let user = users::called(call, organization, &asked.id).await?;
    users::assign(call, user.id, role, is_addition(&asked.operation)?).await
}

async fn assign_group(
    call: &Call<'_>,
    organization: OrganizationId,
    role: RoleId,
    asked: &Assignment,
) -> Result<(), No> {
    let group = groups::called(call, organization, &asked.id).await?;
    groups::assign(call, &group, role, is_addition(&asked.operation)?).await
}

/// Whether something is added or removed.
pub(super) fn is_addition(operation: &str) -> Result<bool, No> {
    match operation {
        "add" => Ok(true),
        "remove" => Ok(false),
        _ => Err(No::bad_request("operation: expected add or remove")),
    }
}

/// The role that the path names, if the organization is offered it and the caller may see it.
async fn named(call: &Call<'_>) -> Result<Role, No> {
    let (organization, id) = (call.organization()?.id, call.thing::<RoleId>()?);
    let visible = visible(call, organization).await?;
    let role = visible.into_iter().find(|role| role.id == id);
    role.ok_or_else(No::not_found)
}

/// The roles of this product that the caller may see in an organization, and the member's.
pub(super) async fn visible(
    call: &Call<'_>,
    organization: OrganizationId,
) -> Result<Vec<Role>, No> {
    let filter = RoleFilter {
        organization: Some(organization),
        product: Some(product()?),
        built_in: None,
    };
    let mut all: Vec<Role> = Vec::new();
    loop {
        let after = all.last().map(|role| role.id);
        let page = call
            .authority
            .roles(&call.caller, filter.clone(), after, PAGE)
            .await?;
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            break;
        }
    }
    let member = built_in(call.authority, MEMBER)?;
    if all.iter().all(|role| role.id != member)
        && let Some(member) = call.authority.world().role(member)
    {
        all.insert(0, Role::clone(member));
    }
    Ok(all)
}

/// A built-in role of the product by its name.
pub(super) fn built_in(authority: &Authority, name: &str) -> Result<RoleId, No> {
    let world = authority.world();
    let known = world.product(&product()?).and_then(|product| {
        product
            .roles
            .iter()
            .find(|role| role.name.as_str() == name)
            .map(|role| role.id)
    });
    known.ok_or_else(|| No::of(StatusCode::INTERNAL_SERVER_ERROR))
}
