//! Organizations: `/api/v1/organizations`.

use authority::organizations::{CreateOrganization, OrganizationFilter};
use axum::extract::State;
use axum::response::Response;
use credential::id::OrganizationId;
use credential::name::Name;
use credential::organization::{Organization, OrganizationKind};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{Says, json};
use super::page::{Page, id};
use super::refusal::problem;
use super::request::{Brief, By, Command, Id, IfMatch, Nothing, Query};
use super::wire::Time;
use super::{Api, Served};
use crate::problem::Problem;

mod settings;

pub(super) fn serve(served: Served) -> Served {
    served
        .at(__path_list, list)
        .at(__path_create, create)
        .at(__path_read, read)
        .at(__path_rename, rename)
        .at(__path_disable, disable)
        .at(__path_enable, enable)
        .group(settings::serve)
}

/// How an organization stands to others.
#[derive(ToSchema)]
#[schema(as = OrganizationKind)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it only describes")]
enum KindShape {
    /// By itself.
    Standalone,
    /// It administers its managed organizations.
    Manager,
    /// Its manager administers it too.
    Managed,
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Organization)]
pub(super) struct OrganizationView {
    /// Its identifier, for good.
    #[schema(format = "uuid")]
    id: String,
    /// A small number that some foreign systems show.
    number: i64,
    /// What people call it.
    name: String,
    /// How it stands to others.
    #[schema(value_type = KindShape)]
    kind: &'static str,
    /// Its manager.
    #[schema(required, format = "uuid")]
    parent_id: Option<String>,
    /// Whether it is in use: the keys of one that is not are all refused.
    active: bool,
    /// When it was made.
    created_at: Time,
    /// Counts its changes: the `ETag`.
    version: i64,
}

impl From<&Organization> for OrganizationView {
    fn from(organization: &Organization) -> Self {
        Self {
            id: organization.id.to_string(),
            number: organization.number,
            name: organization.name.as_str().to_owned(),
            kind: organization.kind.as_str(),
            parent_id: organization.parent.map(|parent| parent.to_string()),
            active: organization.active,
            created_at: Time(organization.created_at),
            version: organization.version,
        }
    }
}

/// A page of organizations.
#[derive(Serialize, ToSchema)]
struct Organizations {
    /// The organizations, in the order they were made.
    items: Vec<OrganizationView>,
    /// Where the next page begins; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// An organization that was changed.
#[derive(Serialize, ToSchema)]
struct ChangedOrganization {
    /// The organization as it is now.
    organization: OrganizationView,
    /// The number of the change.
    revision: i64,
}

/// Lists the organizations that the caller administers.
#[utoipa::path(get, path = "/api/v1/organizations", tag = "organizations", operation_id = "listOrganizations",
    params(
        ("name" = Option<String>, Query, description = "Those with this text in their name, letter case apart."),
        ("kind" = Option<KindShape>, Query, description = "Those of this kind."),
        ("parent_id" = Option<String>, Query, format = "uuid", description = "Those that this one manages."),
        ("active" = Option<bool>, Query, description = "Those that are, or are not, in use."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "The most in the page; 100 when absent."),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before, with the same filter."),
    ),
    responses((status = 200, description = "A page of organizations.", body = Organizations)))]
async fn list(
    State(api): State<Api>,
    By(caller): By,
    mut query: Query,
) -> Result<Response, Problem> {
    let page = Page::take(&mut query, "organizations")?;
    let filter = OrganizationFilter {
        name_has: query.text("name")?,
        kind: query.word(
            "kind",
            OrganizationKind::from_word,
            "standalone, manager or managed",
        )?,
        parent: query.take("parent_id", "an id")?,
        active: query.take("active", "true or false")?,
    };
    query.finish()?;
    let after = page.after(id(OrganizationId::from_bytes))?;
    let mut found = api
        .authority
        .organizations(&caller, filter, after, page.limit + 1)
        .await
        .map_err(problem)?;
    let next_cursor = page.cut(&mut found, |organization| {
        organization.id.as_bytes().to_vec()
    });
    json(
        StatusCode::OK,
        &Organizations {
            items: found.iter().map(Into::into).collect(),
            next_cursor,
        },
    )
}

/// An organization to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewOrganization {
    /// What people call it; unique on the server, letter case apart.
    #[schema(value_type = String, min_length = 1, max_length = 256)]
    name: Name,
    /// How it stands to others, for good; standalone when absent.
    #[schema(value_type = Option<KindShape>)]
    kind: Option<OrganizationKind>,
    /// Its manager, for a managed organization; absent, the caller's own if that manages others.
    #[schema(value_type = Option<String>, format = "uuid")]
    parent_id: Option<OrganizationId>,
}

/// Makes an organization.
#[utoipa::path(post, path = "/api/v1/organizations", tag = "organizations", operation_id = "createOrganization", request_body = NewOrganization,
    responses((status = 201, description = "It was made.", body = ChangedOrganization,
        headers(("Location" = String, description = "The organization."), ("ETag" = String, description = "Its version.")))))]
async fn create(
    State(api): State<Api>,
    By(caller): By,
    command: Command<NewOrganization>,
) -> Result<Response, Problem> {
    let NewOrganization {
        name,
        kind,
        parent_id,
    } = command.body;
    let wish = CreateOrganization {
        name,
        kind: kind.unwrap_or(OrganizationKind::Standalone),
        parent: parent_id,
    };
    let made = api
        .authority
        .create_organization(&caller, wish)
        .await
        .map_err(problem)?;
    let place = format!("/api/v1/organizations/{}", made.value.id);
    Ok(changed(StatusCode::CREATED, &made.value, made.revision)?.location(place))
}

/// One organization.
#[utoipa::path(get, path = "/api/v1/organizations/{id}", tag = "organizations", operation_id = "readOrganization",
    params(("id" = String, Path, format = "uuid", description = "The organization.")),
    responses((status = 200, description = "The organization.", body = OrganizationView, headers(("ETag" = String, description = "Its version.")))))]
async fn read(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<OrganizationId>,
) -> Result<Response, Problem> {
    let organization = api
        .authority
        .organization(&caller, id)
        .await
        .map_err(problem)?;
    Ok(json(StatusCode::OK, &OrganizationView::from(&organization))?.version(organization.version))
}

/// Changes of an organization.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrganizationEdit {
    /// A new name.
    #[schema(value_type = String, min_length = 1, max_length = 256)]
    name: Name,
}

/// Gives an organization another name.
#[utoipa::path(patch, path = "/api/v1/organizations/{id}", tag = "organizations", operation_id = "editOrganization", request_body = OrganizationEdit,
    params(("id" = String, Path, format = "uuid", description = "The organization."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that the edit was made from.")),
    responses((status = 200, description = "The organization as it is now.", body = ChangedOrganization, headers(("ETag" = String, description = "Its version.")))))]
async fn rename(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<OrganizationId>,
    IfMatch(version): IfMatch,
    command: Command<OrganizationEdit>,
) -> Result<Response, Problem> {
    let done = api
        .authority
        .rename_organization(&caller, id, command.body.name, version)
        .await
        .map_err(problem)?;
    changed(StatusCode::OK, &done.value, done.revision)
}

/// Takes an organization out of use: its keys are all refused.
#[utoipa::path(post, path = "/api/v1/organizations/{id}/disable", tag = "organizations", operation_id = "disableOrganization",
    request_body(content = Option<Nothing>),
    params(("id" = String, Path, format = "uuid", description = "The organization."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that is meant.")),
    responses((status = 200, description = "The organization as it is now.", body = ChangedOrganization, headers(("ETag" = String, description = "Its version.")))))]
async fn disable(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<OrganizationId>,
    IfMatch(version): IfMatch,
    _: Brief<Nothing>,
) -> Result<Response, Problem> {
    let done = api
        .authority
        .disable_organization(&caller, id, version)
        .await
        .map_err(problem)?;
    changed(StatusCode::OK, &done.value, done.revision)
}

/// Brings an organization back into use.
#[utoipa::path(post, path = "/api/v1/organizations/{id}/enable", tag = "organizations", operation_id = "enableOrganization",
    request_body(content = Option<Nothing>),
    params(("id" = String, Path, format = "uuid", description = "The organization."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that is meant.")),
    responses((status = 200, description = "The organization as it is now.", body = ChangedOrganization, headers(("ETag" = String, description = "Its version.")))))]
async fn enable(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<OrganizationId>,
    IfMatch(version): IfMatch,
    _: Brief<Nothing>,
) -> Result<Response, Problem> {
    let done = api
        .authority
        .enable_organization(&caller, id, version)
        .await
        .map_err(problem)?;
    changed(StatusCode::OK, &done.value, done.revision)
}

fn changed(
    status: StatusCode,
    organization: &Organization,
    revision: i64,
) -> Result<Response, Problem> {
    let body = ChangedOrganization {
        organization: organization.into(),
        revision,
    };
    Ok(json(status, &body)?.version(organization.version))
}
