//! People of an organization: seen, renamed, invited, switched off and on, removed.

use authority::Authority;
use authority::users::{CreateUser, UserFilter};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use credential::grant::Resources;
use credential::id::{OrganizationId, RoleId, UserId};
use credential::organization::{Email, User};
use http::StatusCode;

use super::call::{Answer, Call};
use super::errors::No;
use super::roles::{ADMINISTRATOR, MEMBER, built_in};
use super::translate;
use super::wire::{self, Results, UserName, UserOperation, UserOperations, Users};
use crate::dialects::json;

const READ: &str = "platform.users:read";
const WRITE: &str = "platform.users:write";

/// What the state of somebody is called who is of the manager, and here by a group that it shares.
pub(super) const SHARED: &str = "SHARED";

/// People that are read at once.
const PAGE: usize = 1000;
/// Operations of one call; each is a change of its own, and takes some milliseconds.
const MOST_OPERATIONS: usize = 100;

pub(super) async fn list(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, READ).await?;
        let organization = call.organization()?.id;
        let query = call.query()?;
        let status = match query.get("status") {
            None => None,
            // One version of the SDK's documents has this word for the same.
            Some("INACTIVE") => Some("DISABLED"),
            Some(word) => Some(
                ["ACTIVE", "PENDING", "DISABLED", SHARED]
                    .into_iter()
                    .find(|known| *known == word)
                    .ok_or_else(|| {
                        No::bad_request("status: expected ACTIVE, PENDING, DISABLED or SHARED")
                    })?,
            ),
        };
        let world = authority.world();
        let mut users: Vec<wire::User> = every(&call, organization)
            .await?
            .iter()
            .map(|user| translate::user(user, translate::user_status(&world, user)))
            .collect();
        let shared = authority.shared_people(&call.caller, organization).await?;
        users.extend(shared.iter().map(|user| translate::user(user, SHARED)));
        users.retain(|user| status.is_none_or(|status| status == user.status));
        Ok(json(StatusCode::OK, &Users { users }))
    }
    .await;
    answer.into_response()
}

pub(super) async fn read(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, READ).await?;
        let (user, status) = seen(&call).await?;
        Ok(json(StatusCode::OK, &translate::user(&user, status)))
    }
    .await;
    answer.into_response()
}

pub(super) async fn rename(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, WRITE).await?;
        let user = named(&call).await?;
        let wanted: UserName = call.wanted()?;
        let (first, last) = translate::halves(&user.name);
        let name = translate::whole(
            wanted.first_name.as_deref().unwrap_or(first),
            wanted.last_name.as_deref().unwrap_or(last),
        )?;
        let renamed = authority
            .rename_user(&call.caller, user.id, name, Some(user.version))
            .await?;
        one(&authority, &renamed.value)
    }
    .await;
    answer.into_response()
}

pub(super) async fn patch(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, WRITE).await?;
        let organization = call.organization()?.id;
        let operations = match call.wanted()? {
            UserOperations::List { users } => users,
            UserOperations::One(one) => vec![one],
        };
        if operations.is_empty() || operations.len() > MOST_OPERATIONS {
            return Err(No::bad_request(format!(
                "users: expected 1 to {MOST_OPERATIONS} operations"
            )));
        }
        let mut results = Vec::with_capacity(operations.len());
        for operation in operations {
            let done = operate(&call, organization, &operation).await;
            let UserOperation {
                email, operation, ..
            } = operation;
            results.push(translate::result(email, "user", operation, done)?);
        }
        Ok(json(StatusCode::OK, &Results { results }))
    }
    .await;
    answer.into_response()
}

/// One thing that is done to a person.
async fn operate(
    call: &Call<'_>,
    organization: OrganizationId,
    asked: &UserOperation,
) -> Result<(), No> {
    let (authority, caller) = (call.authority, &call.caller);
    let email = Email::new(&asked.email).map_err(|why| No::bad_request(format!("email: {why}")))?;
    if asked.operation == "invite" {
        return invite(call, organization, email, asked).await;
    }
    let user = with_email(call, organization, email).await?;
    let id = user.id;
    match asked.operation.as_str() {
        "enable" => authority.enable_user(caller, id, None).await?,
        "disable" => authority.disable_user(caller, id, None).await?,
        "remove" => authority.remove_user(caller, id, None).await?,
        // Nobody signs in with the old one any more.
        "reset_password" => authority.set_password(caller, id, None, None).await?,
        "resend_email_invite" => {
            return Err(No::bad_request(
                "this server sends no invitations: hand the person a password",
            ));
        }
        "reset_mfa" => return Err(No::bad_request("there is no such factor")),
        _ => return Err(No::bad_request("there is no such operation")),
    };
    match asked.is_admin {
        Some(wanted) if asked.operation != "remove" => set_admin(call, id, wanted).await,
        _ => Ok(()),
    }
}

async fn invite(
    call: &Call<'_>,
    organization: OrganizationId,
    email: Email,
    asked: &UserOperation,
) -> Result<(), No> {
    let role = match asked.is_admin {
        Some(true) => ADMINISTRATOR,
        _ => MEMBER,
    };
    let first = asked.first_name.as_deref().unwrap_or_default();
    let last = asked.last_name.as_deref().unwrap_or_default();
    // Somebody of whom only the address is known is called by it.
    let name = if first.trim().is_empty() && last.trim().is_empty() {
        translate::whole(email.as_str(), "")?
    } else {
        translate::whole(first, last)?
    };
    let command = CreateUser {
        organization: Some(organization),
        email,
        name,
        roles: vec![(built_in(call.authority, role)?, Resources::All)],
    };
    call.authority.create_user(&call.caller, command).await?;
    Ok(())
}

/// Gives or takes the role that administers the organization.
async fn set_admin(call: &Call<'_>, user: UserId, wanted: bool) -> Result<(), No> {
    assign(call, user, built_in(call.authority, ADMINISTRATOR)?, wanted).await
}

/// Gives a person a role, or takes it from them; the others stay.
pub(super) async fn assign(
    call: &Call<'_>,
    user: UserId,
    role: RoleId,
    wanted: bool,
) -> Result<(), No> {
    let user = call.authority.user(&call.caller, user).await?;
    let others = user.roles.iter().filter(|grant| grant.role != role);
    let mut roles: Vec<(RoleId, Resources)> = others
        .map(|grant| (grant.role, grant.resources.clone()))
        .collect();
    if wanted {
        roles.push((role, Resources::All));
    }
    call.authority
        .set_user_roles(&call.caller, user.id, roles, Some(user.version))
        .await?;
    Ok(())
}

/// The person that the path names, of the organization in the path.
pub(super) async fn named(call: &Call<'_>) -> Result<User, No> {
    let (organization, id) = (call.organization()?.id, call.thing::<UserId>()?);
    let user = call.authority.user(&call.caller, id).await?;
    Some(user)
        .filter(|user| user.organization == organization)
        .ok_or_else(No::not_found)
}

/// The person that the path names, of the organization in the path or shared into it, and the word for their state there.
pub(super) async fn seen(call: &Call<'_>) -> Result<(User, &'static str), No> {
    let (organization, id) = (call.organization()?.id, call.thing::<UserId>()?);
    let shared = call
        .authority
        .shared_people(&call.caller, organization)
        .await?;
    if let Some(user) = shared.into_iter().find(|user| user.id == id) {
        return Ok((user, SHARED));
    }
    let user = named(call).await?;
    let status = translate::user_status(&call.authority.world(), &user);
    Ok((user, status))
}

/// A person by id or address, as clients name them in bodies.
pub(super) async fn called(
    call: &Call<'_>,
    organization: OrganizationId,
    name: &str,
) -> Result<User, No> {
    if let Ok(email) = Email::new(name) {
        return with_email(call, organization, email).await;
    }
    let id: UserId = name.parse().map_err(|_| nobody())?;
    let user = call.authority.user(&call.caller, id).await;
    user.ok()
        .filter(|user| user.organization == organization)
        .ok_or_else(nobody)
}

async fn with_email(
    call: &Call<'_>,
    organization: OrganizationId,
    email: Email,
) -> Result<User, No> {
    let filter = UserFilter {
        organization: Some(organization),
        email: Some(email),
        ..UserFilter::default()
    };
    let found = call.authority.users(&call.caller, filter, None, 1).await?;
    found.into_iter().next().ok_or_else(nobody)
}

fn nobody() -> No {
    No::not_found().because("there is no such user here")
}

/// Everybody in the organization, in the order in which they came.
async fn every(call: &Call<'_>, organization: OrganizationId) -> Result<Vec<User>, No> {
    let filter = UserFilter {
        organization: Some(organization),
        ..UserFilter::default()
    };
    let mut all: Vec<User> = Vec::new();
    loop {
        let after = all.last().map(|user| user.id);
        let page = call
            .authority
            .users(&call.caller, filter.clone(), after, PAGE)
            .await?;
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

fn one(authority: &Authority, user: &User) -> Answer {
    let status = translate::user_status(&authority.world(), user);
    Ok(json(StatusCode::OK, &translate::user(user, status)))
}
