//! Roles: `/api/v1/roles`.

use authority::roles::{CreateRole, EditRole, Loss, RoleFilter};
use axum::extract::State;
use axum::response::Response;
use credential::id::{KeyId, OrganizationId, RoleId};
use credential::name::{Comment, ProductName, RoleName};
use credential::role::Role;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{Says, json};
use super::page::{Page, id};
use super::refusal::problem;
use super::request::{By, Command, Id, IfMatch, Query};
use super::{Api, Served};
use crate::problem::Problem;

pub(super) fn serve(served: Served) -> Served {
    served
        .at(__path_list, list)
        .at(__path_create, create)
        .at(__path_read, read)
        .at(__path_edit, edit)
        .at(__path_remove, remove)
        .at(__path_preview, preview)
}

/// A named set of scopes of one product.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Role)]
pub(super) struct RoleView {
    /// Its identifier.
    #[schema(format = "uuid")]
    id: String,
    /// Whose it is; `null` for one that comes with the product.
    #[schema(required, format = "uuid")]
    organization_id: Option<String>,
    /// The product whose scopes it bundles.
    product: String,
    /// Its name.
    name: String,
    /// What it is for.
    description: String,
    /// What it permits.
    scopes: Vec<String>,
    /// Whether it comes with the product; nobody edits such a role.
    built_in: bool,
    /// Counts its changes: the `ETag`.
    version: i64,
}

impl From<&Role> for RoleView {
    fn from(role: &Role) -> Self {
        Self {
            id: role.id.to_string(),
            organization_id: role
                .organization
                .map(|organization| organization.to_string()),
            product: role.product.as_str().to_owned(),
            name: role.name.as_str().to_owned(),
            description: role.description.as_str().to_owned(),
            scopes: role
                .scopes
                .iter()
                .map(|scope| scope.as_str().to_owned())
                .collect(),
            built_in: role.is_built_in(),
            version: role.version,
        }
    }
}

/// A page of roles.
#[derive(Serialize, ToSchema)]
struct Roles {
    /// The roles, in the order of their ids.
    items: Vec<RoleView>,
    /// Where the next page begins; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// A role that was changed.
#[derive(Serialize, ToSchema)]
struct ChangedRole {
    /// The role as it is now.
    role: RoleView,
    /// The number of the change.
    revision: i64,
}

/// Lists the roles that the caller could give.
#[utoipa::path(get, path = "/api/v1/roles", tag = "roles", operation_id = "listRoles",
    params(
        ("organization_id" = Option<String>, Query, format = "uuid", description = "Roles that this organization is offered; absent, the caller's."),
        ("product" = Option<String>, Query, pattern = "^[a-z0-9_]{1,40}$", description = "Roles of this product."),
        ("built_in" = Option<bool>, Query, description = "Those that come with a product, or those that do not."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "The most in the page; 100 when absent."),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before, with the same filter."),
    ),
    responses((status = 200, description = "A page of roles.", body = Roles)))]
async fn list(
    State(api): State<Api>,
    By(caller): By,
    mut query: Query,
) -> Result<Response, Problem> {
    let page = Page::take(&mut query, &format!("roles of {}", caller.organization))?;
    let filter = RoleFilter {
        organization: query.take("organization_id", "an id")?,
        product: query.word(
            "product",
            |text| ProductName::new(text).ok(),
            "the name of a product",
        )?,
        built_in: query.take("built_in", "true or false")?,
    };
    query.finish()?;
    let after = page.after(id(RoleId::from_bytes))?;
    let mut found = api
        .authority
        .roles(&caller, filter, after, page.limit + 1)
        .await
        .map_err(problem)?;
    let next_cursor = page.cut(&mut found, |role| role.id.as_bytes().to_vec());
    json(
        StatusCode::OK,
        &Roles {
            items: found.iter().map(Into::into).collect(),
            next_cursor,
        },
    )
}

/// A role to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRole {
    /// Whose; absent, the caller's own organization.
    #[schema(value_type = Option<String>, format = "uuid")]
    organization_id: Option<OrganizationId>,
    /// The product whose scopes it bundles.
    #[schema(value_type = String, pattern = "^[a-z0-9_]{1,40}$")]
    product: ProductName,
    /// Its name, unique in the product, letter case apart.
    #[schema(value_type = String, min_length = 1, max_length = 100, pattern = r"^[A-Za-z0-9_./&()+-]+( [A-Za-z0-9_./&()+-]+)*$")]
    name: RoleName,
    /// What it is for.
    #[serde(default)]
    #[schema(value_type = String, max_length = 4000)]
    description: Comment,
    /// What it permits.
    #[schema(min_items = 1, max_items = 512)]
    scopes: Vec<String>,
}

/// Makes a custom role.
#[utoipa::path(post, path = "/api/v1/roles", tag = "roles", operation_id = "createRole", request_body = NewRole,
    responses((status = 201, description = "The role was made.", body = ChangedRole,
        headers(("Location" = String, description = "The role."), ("ETag" = String, description = "Its version.")))))]
async fn create(
    State(api): State<Api>,
    By(caller): By,
    command: Command<NewRole>,
) -> Result<Response, Problem> {
    let NewRole {
        organization_id,
        product,
        name,
        description,
        scopes,
    } = command.body;
    let wish = CreateRole {
        organization: organization_id,
        product,
        name,
        description,
        scopes,
    };
    let made = api
        .authority
        .create_role(&caller, wish)
        .await
        .map_err(problem)?;
    let place = format!("/api/v1/roles/{}", made.value.id);
    Ok(changed(StatusCode::CREATED, &made.value, made.revision)?.location(place))
}

/// One role.
#[utoipa::path(get, path = "/api/v1/roles/{id}", tag = "roles", operation_id = "readRole",
    params(("id" = String, Path, format = "uuid", description = "The role.")),
    responses((status = 200, description = "The role.", body = RoleView, headers(("ETag" = String, description = "Its version.")))))]
async fn read(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<RoleId>,
) -> Result<Response, Problem> {
    let role = api.authority.role(&caller, id).await.map_err(problem)?;
    Ok(json(StatusCode::OK, &RoleView::from(&role))?.version(role.version))
}

/// Changes of a role; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RoleEdit {
    /// A new name.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    name: Option<RoleName>,
    /// A new description.
    #[schema(value_type = Option<String>, max_length = 4000)]
    description: Option<Comment>,
    /// New scopes in place of all earlier ones.
    #[schema(min_items = 1, max_items = 512)]
    scopes: Option<Vec<String>>,
}

impl RoleEdit {
    fn command(self) -> EditRole {
        EditRole {
            name: self.name,
            description: self.description,
            scopes: self.scopes,
        }
    }
}

/// Changes a custom role; whoever holds it has its new rights at once.
#[utoipa::path(patch, path = "/api/v1/roles/{id}", tag = "roles", operation_id = "editRole", request_body = RoleEdit,
    params(("id" = String, Path, format = "uuid", description = "The role."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that the edit was made from.")),
    responses((status = 200, description = "The role as it is now.", body = ChangedRole, headers(("ETag" = String, description = "Its version.")))))]
async fn edit(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<RoleId>,
    IfMatch(version): IfMatch,
    command: Command<RoleEdit>,
) -> Result<Response, Problem> {
    let done = api
        .authority
        .edit_role(&caller, id, command.body.command(), version)
        .await
        .map_err(problem)?;
    changed(StatusCode::OK, &done.value, done.revision)
}

/// Deletes a custom role.
#[utoipa::path(delete, path = "/api/v1/roles/{id}", tag = "roles", operation_id = "deleteRole",
    params(("id" = String, Path, format = "uuid", description = "The role."),
        ("force" = Option<bool>, Query, description = "Delete it although somebody has it."),
        ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that is meant.")),
    responses((status = 200, description = "The role as it last was.", body = ChangedRole)))]
async fn remove(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<RoleId>,
    IfMatch(version): IfMatch,
    mut query: Query,
) -> Result<Response, Problem> {
    let force = query.take("force", "true or false")?.unwrap_or(false);
    query.finish()?;
    let done = api
        .authority
        .delete_role(&caller, id, force, version)
        .await
        .map_err(problem)?;
    json(
        StatusCode::OK,
        &ChangedRole {
            role: (&done.value).into(),
            revision: done.revision,
        },
    )
}

/// What is to be weighed: an edit, or the deletion.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PreviewRequest {
    /// The edit; absent, the deletion.
    edit: Option<RoleEdit>,
    /// Where the part before says that it goes on.
    #[schema(value_type = Option<String>, format = "uuid")]
    after: Option<KeyId>,
}

/// Who would lose what.
#[derive(Serialize, ToSchema)]
struct Losses {
    /// Keys whose rights would shrink.
    keys: Vec<LossView>,
    /// Users whose rights would shrink; told with the first part only.
    users: Vec<LossView>,
    /// Where the next part begins, if not all keys were looked at.
    #[schema(required, format = "uuid")]
    next: Option<String>,
}

/// What one holder of a role would lose.
#[derive(Serialize, ToSchema)]
#[schema(as = Loss)]
struct LossView {
    /// The key or the user.
    #[schema(format = "uuid")]
    id: String,
    /// What people call it.
    name: String,
    /// The scopes that it would have no more, or not everywhere.
    scopes: Vec<String>,
}

impl<Id: ToString> From<&Loss<Id>> for LossView {
    fn from(loss: &Loss<Id>) -> Self {
        Self {
            id: loss.id.to_string(),
            name: loss.name.clone(),
            scopes: loss
                .scopes
                .iter()
                .map(|scope| scope.as_str().to_owned())
                .collect(),
        }
    }
}

/// Tells who would lose what by an edit or by the deletion of a role, and changes nothing.
#[utoipa::path(post, path = "/api/v1/roles/{id}/preview", tag = "roles", operation_id = "previewRole", request_body = PreviewRequest,
    params(("id" = String, Path, format = "uuid", description = "The role.")),
    responses((status = 200, description = "Who would lose what.", body = Losses)))]
async fn preview(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<RoleId>,
    command: Command<PreviewRequest>,
) -> Result<Response, Problem> {
    let PreviewRequest { edit, after } = command.body;
    let edit = edit.map(RoleEdit::command);
    let told = api
        .authority
        .preview_role(&caller, id, edit, after)
        .await
        .map_err(problem)?;
    let body = Losses {
        keys: told.keys.iter().map(Into::into).collect(),
        users: told.users.iter().map(Into::into).collect(),
        next: told.next.map(|next| next.to_string()),
    };
    json(StatusCode::OK, &body)
}

fn changed(status: StatusCode, role: &Role, revision: i64) -> Result<Response, Problem> {
    Ok(json(
        status,
        &ChangedRole {
            role: role.into(),
            revision,
        },
    )?
    .version(role.version))
}
