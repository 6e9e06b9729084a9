//! Users: `/api/v1/users`.

use authority::World;
use authority::users::{CreateUser, UserFilter};
use axum::extract::State;
use axum::response::Response;
use credential::grant::Resources;
use credential::id::{OrganizationId, RoleId, UserId};
use credential::name::Name;
use credential::organization::{Email, User};
use credential::password::Password;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{Says, json};
use super::keys::wire::{GrantedRole, granted_role};
use super::keys::wish::RoleWish;
use super::page::{Page, id};
use super::refusal::problem;
use super::request::{Brief, By, Command, Id, IfMatch, Nothing, Query};
use super::wire::Time;
use super::{Api, Served};
use crate::problem::{Kind as ProblemKind, Problem};

pub(super) fn serve(served: Served) -> Served {
    served
        .at(__path_list, list)
        .at(__path_create, create)
        .at(__path_read, read)
        .at(__path_edit, edit)
        .at(__path_disable, disable)
        .at(__path_enable, enable)
        .at(__path_remove, remove)
        .at(__path_set_password, set_password)
        .at(__path_remove_password, remove_password)
}

/// A person who administers an organization.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct UserView {
    /// The identifier, for good.
    #[schema(format = "uuid")]
    id: String,
    /// The organization.
    #[schema(format = "uuid")]
    organization_id: String,
    /// The e-mail address, in lower case.
    email: String,
    /// What people call them.
    name: String,
    /// Their roles, of any product.
    roles: Vec<GrantedRole>,
    /// Whether they may act; keys that depend on them follow.
    active: bool,
    /// Whether they have a password to sign in with.
    has_password: bool,
    /// When they were added.
    created_at: Time,
    /// Counts the changes: the `ETag`.
    version: i64,
}

impl UserView {
    pub(super) fn of(user: &User, world: &World) -> Self {
        Self {
            id: user.id.to_string(),
            organization_id: user.organization.to_string(),
            email: user.email.as_str().to_owned(),
            name: user.name.as_str().to_owned(),
            roles: user
                .roles
                .iter()
                .map(|grant| granted_role(grant, world))
                .collect(),
            active: user.active,
            has_password: world.has_password(user.id),
            created_at: Time(user.created_at),
            version: user.version,
        }
    }
}

/// A page of users.
#[derive(Serialize, ToSchema)]
struct Users {
    /// The users, in the order they were added.
    items: Vec<UserView>,
    /// Where the next page begins; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// A user who was changed.
#[derive(Serialize, ToSchema)]
struct ChangedUser {
    /// The user as they are now.
    user: UserView,
    /// The number of the change.
    revision: i64,
}

/// Lists the users of one organization.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", operation_id = "listUsers",
    params(
        ("organization_id" = Option<String>, Query, format = "uuid", description = "Whose users; absent, those of the caller's organization."),
        ("email" = Option<String>, Query, format = Email, description = "The one with this address."),
        ("name" = Option<String>, Query, description = "Those with this text in their name, letter case apart."),
        ("active" = Option<bool>, Query, description = "Those who may, or may not, act."),
        ("role_id" = Option<String>, Query, format = "uuid", description = "Those who have this role."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "The most in the page; 100 when absent."),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before, with the same filter."),
    ),
    responses((status = 200, description = "A page of users.", body = Users)))]
async fn list(
    State(api): State<Api>,
    By(caller): By,
    mut query: Query,
) -> Result<Response, Problem> {
    let page = Page::take(&mut query, &format!("users of {}", caller.organization))?;
    let filter = UserFilter {
        organization: query.take("organization_id", "an id")?,
        email: query.word("email", |text| Email::new(text).ok(), "an e-mail address")?,
        name_has: query.text("name")?,
        active: query.take("active", "true or false")?,
        role: query.take("role_id", "an id")?,
    };
    query.finish()?;
    let after = page.after(id(UserId::from_bytes))?;
    let mut found = api
        .authority
        .users(&caller, filter, after, page.limit + 1)
        .await
        .map_err(problem)?;
    let next_cursor = page.cut(&mut found, |user| user.id.as_bytes().to_vec());
    let world = api.authority.world();
    json(
        StatusCode::OK,
        &Users {
            items: found
                .iter()
                .map(|user| UserView::of(user, &world))
                .collect(),
            next_cursor,
        },
    )
}

/// A user to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    /// Where; absent, the caller's own organization.
    #[schema(value_type = Option<String>, format = "uuid")]
    organization_id: Option<OrganizationId>,
    /// The e-mail address; unique in the organization.
    #[schema(value_type = String, format = Email, min_length = 3, max_length = 254)]
    email: Email,
    /// What people call them.
    #[schema(value_type = String, min_length = 1, max_length = 256)]
    name: Name,
    /// Their roles, of any product.
    #[serde(default)]
    #[schema(max_items = 64)]
    roles: Vec<RoleWish>,
}

pub(super) fn wishes(roles: Vec<RoleWish>) -> Vec<(RoleId, Resources)> {
    roles
        .into_iter()
        .map(|wish| (wish.id, wish.resources.unwrap_or_default().0))
        .collect()
}

/// Adds a user.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", operation_id = "createUser", request_body = NewUser,
    responses((status = 201, description = "The user was added.", body = ChangedUser,
        headers(("Location" = String, description = "The user."), ("ETag" = String, description = "Their version.")))))]
async fn create(
    State(api): State<Api>,
    By(caller): By,
    command: Command<NewUser>,
) -> Result<Response, Problem> {
    let NewUser {
        organization_id,
        email,
        name,
        roles,
    } = command.body;
    let wish = CreateUser {
        organization: organization_id,
        email,
        name,
        roles: wishes(roles),
    };
    let made = api
        .authority
        .create_user(&caller, wish)
        .await
        .map_err(problem)?;
    let place = format!("/api/v1/users/{}", made.value.id);
    Ok(api
        .changed_user(StatusCode::CREATED, &made.value, made.revision)?
        .location(place))
}

/// One user.
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "users", operation_id = "readUser",
    params(("id" = String, Path, format = "uuid", description = "The user.")),
    responses((status = 200, description = "The user.", body = UserView, headers(("ETag" = String, description = "Their version.")))))]
async fn read(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<UserId>,
) -> Result<Response, Problem> {
    let user = api.authority.user(&caller, id).await.map_err(problem)?;
    Ok(json(StatusCode::OK, &UserView::of(&user, &api.authority.world()))?.version(user.version))
}

/// Changes of a user: the name or the roles, one at a time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserEdit {
    /// A new name.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256)]
    name: Option<Name>,
    /// New roles in place of all earlier ones.
    #[schema(max_items = 64)]
    roles: Option<Vec<RoleWish>>,
}

/// Changes the name or the roles of a user.
#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "users", operation_id = "editUser", request_body = UserEdit,
    params(("id" = String, Path, format = "uuid", description = "The user."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that the edit was made from.")),
    responses((status = 200, description = "The user as they are now.", body = ChangedUser, headers(("ETag" = String, description = "Their version.")))))]
async fn edit(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<UserId>,
    IfMatch(version): IfMatch,
    command: Command<UserEdit>,
) -> Result<Response, Problem> {
    // Each is a change of its own, with rights of its own: both in one call could be half done.
    let done = match (command.body.name, command.body.roles) {
        (Some(name), None) => api.authority.rename_user(&caller, id, name, version).await,
        (None, Some(roles)) => {
            api.authority
                .set_user_roles(&caller, id, wishes(roles), version)
                .await
        }
        _ => {
            return Err(Problem::new(ProblemKind::InvalidMember)
                .because("The body: expected name or roles, one at a time.")
                .at("", "expected name or roles, one at a time"));
        }
    };
    let done = done.map_err(problem)?;
    api.changed_user(StatusCode::OK, &done.value, done.revision)
}

/// Ends what a user may; keys that depend on them are refused.
#[utoipa::path(post, path = "/api/v1/users/{id}/disable", tag = "users", operation_id = "disableUser",
    request_body(content = Option<Nothing>),
    params(("id" = String, Path, format = "uuid", description = "The user."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that is meant.")),
    responses((status = 200, description = "The user as they are now.", body = ChangedUser, headers(("ETag" = String, description = "Their version.")))))]
async fn disable(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<UserId>,
    IfMatch(version): IfMatch,
    _: Brief<Nothing>,
) -> Result<Response, Problem> {
    let done = api
        .authority
        .disable_user(&caller, id, version)
        .await
        .map_err(problem)?;
    api.changed_user(StatusCode::OK, &done.value, done.revision)
}

/// Lets a user act again.
#[utoipa::path(post, path = "/api/v1/users/{id}/enable", tag = "users", operation_id = "enableUser",
    request_body(content = Option<Nothing>),
    params(("id" = String, Path, format = "uuid", description = "The user."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that is meant.")),
    responses((status = 200, description = "The user as they are now.", body = ChangedUser, headers(("ETag" = String, description = "Their version.")))))]
async fn enable(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<UserId>,
    IfMatch(version): IfMatch,
    _: Brief<Nothing>,
) -> Result<Response, Problem> {
    let done = api
        .authority
        .enable_user(&caller, id, version)
        .await
        .map_err(problem)?;
    api.changed_user(StatusCode::OK, &done.value, done.revision)
}

/// Removes a user for good; keys that depend on them are refused.
#[utoipa::path(delete, path = "/api/v1/users/{id}", tag = "users", operation_id = "deleteUser",
    params(("id" = String, Path, format = "uuid", description = "The user."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that is meant.")),
    responses((status = 200, description = "The user as they last were.", body = ChangedUser)))]
async fn remove(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<UserId>,
    IfMatch(version): IfMatch,
) -> Result<Response, Problem> {
    let done = api
        .authority
        .remove_user(&caller, id, version)
        .await
        .map_err(problem)?;
    let body = ChangedUser {
        user: UserView::of(&done.value, &api.authority.world()),
        revision: done.revision,
    };
    json(StatusCode::OK, &body)
}

/// A person's new password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// The password; it must not be the e-mail address, and has no control characters. There are no rules of composition.
    #[schema(value_type = String, format = Password, min_length = 12, max_length = 256, write_only)]
    password: Password,
}

/// Gives a user a password, in place of any earlier one. One's own needs no scope, but a key with all of one's rights here;
/// another's needs the right to give all of their roles.
#[utoipa::path(put, path = "/api/v1/users/{id}/password", tag = "users", operation_id = "setPassword", request_body = NewPassword,
    params(("id" = String, Path, format = "uuid", description = "The user."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version of the user that is meant.")),
    responses((status = 200, description = "The user as they are now; the password is no part of their version.", body = ChangedUser, headers(("ETag" = String, description = "Their version.")))))]
async fn set_password(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<UserId>,
    IfMatch(version): IfMatch,
    command: Command<NewPassword>,
) -> Result<Response, Problem> {
    let done = api
        .authority
        .set_password(&caller, id, Some(command.body.password), version)
        .await
        .map_err(problem)?;
    api.changed_user(StatusCode::OK, &done.value, done.revision)
}

/// Takes a user's password away; they sign in with none from then on.
#[utoipa::path(delete, path = "/api/v1/users/{id}/password", tag = "users", operation_id = "deletePassword",
    params(("id" = String, Path, format = "uuid", description = "The user."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version of the user that is meant.")),
    responses((status = 200, description = "The user as they are now.", body = ChangedUser, headers(("ETag" = String, description = "Their version.")))))]
async fn remove_password(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<UserId>,
    IfMatch(version): IfMatch,
) -> Result<Response, Problem> {
    let done = api
        .authority
        .set_password(&caller, id, None, version)
        .await
        .map_err(problem)?;
    api.changed_user(StatusCode::OK, &done.value, done.revision)
}

impl Api {
    fn changed_user(
        &self,
        status: StatusCode,
        user: &User,
        revision: i64,
    ) -> Result<Response, Problem> {
        let body = ChangedUser {
            user: UserView::of(user, &self.authority.world()),
            revision,
        };
        Ok(json(status, &body)?.version(user.version))
    }
}
