//! What an organization chooses for itself: `/api/v1/organizations/{id}/settings`.

use authority::organizations::{EditSettings, OrganizationSettings};
use authority::reach::Cut;
use axum::extract::State;
use axum::response::Response;
use credential::id::{KeyId, OrganizationId};
use credential::notice::Policy;
use credential::time::Span;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::answer::{Says, json};
use crate::api::refusal::problem;
use crate::api::request::{By, Command, Id, IfMatch, Query};
use crate::api::{Api, Served};
use crate::problem::Problem;

pub(super) fn serve(served: Served) -> Served {
    served
        .at(__path_read, read)
        .at(__path_edit, edit)
        .at(__path_preview, preview)
}

/// When people are told of keys that will end or lie unused.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NoticePolicy {
    /// The longer time before an expiry.
    #[schema(minimum = 0, maximum = 63_244_800)]
    soon_seconds: u32,
    /// The shorter time before an expiry; at most the longer one.
    #[schema(minimum = 0, maximum = 63_244_800)]
    very_soon_seconds: u32,
    /// A refresh token should be used in the last part of its life: the whole divided by this.
    #[schema(minimum = 1)]
    refresh_divisor: u32,
    /// How long a key may lie unused; `null` asks nothing.
    #[schema(required)]
    unused_seconds: Option<u32>,
}

/// The settings of an organization.
#[derive(Debug, Serialize, ToSchema)]
struct Settings {
    /// Notices about keys.
    notices: NoticePolicy,
    /// Whether what keys, people and groups reach among the data of a product is enforced.
    enforce_reach: bool,
    /// Counts the changes; 0 while nobody has chosen anything.
    version: i64,
}

/// Settings that were changed.
#[derive(Debug, Serialize, ToSchema)]
struct ChangedSettings {
    /// The settings as they are now.
    settings: Settings,
    /// The number of the change.
    revision: i64,
}

/// Settings to be chosen.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SettingsEdit {
    /// Notices about keys; absent, they stay.
    notices: Option<NoticePolicy>,
    /// Whether reaches are enforced; absent, that stays.
    enforce_reach: Option<bool>,
}

impl From<&OrganizationSettings> for Settings {
    fn from(settings: &OrganizationSettings) -> Self {
        let seconds = |span: Span| u32::try_from(span.seconds()).unwrap_or(u32::MAX);
        let policy = &settings.notices;
        Self {
            notices: NoticePolicy {
                soon_seconds: seconds(policy.soon),
                very_soon_seconds: seconds(policy.very_soon),
                refresh_divisor: policy.refresh_divisor,
                unused_seconds: policy.unused.map(seconds),
            },
            enforce_reach: settings.enforce_reach,
            version: settings.version,
        }
    }
}

/// The settings of an organization.
#[utoipa::path(get, path = "/api/v1/organizations/{id}/settings", tag = "organizations", operation_id = "readSettings",
    params(("id" = String, Path, format = "uuid", description = "The organization.")),
    responses((status = 200, description = "The settings.", body = Settings, headers(("ETag" = String, description = "Their version.")))))]
async fn read(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<OrganizationId>,
) -> Result<Response, Problem> {
    let settings = api
        .authority
        .organization_settings(&caller, id)
        .await
        .map_err(problem)?;
    Ok(json(StatusCode::OK, &Settings::from(&settings))?.version(settings.version))
}

/// Changes the settings of an organization.
#[utoipa::path(patch, path = "/api/v1/organizations/{id}/settings", tag = "organizations", operation_id = "editSettings", request_body = SettingsEdit,
    params(("id" = String, Path, format = "uuid", description = "The organization."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that the edit was made from.")),
    responses((status = 200, description = "The settings as they are now.", body = ChangedSettings, headers(("ETag" = String, description = "Their version.")))))]
async fn edit(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<OrganizationId>,
    IfMatch(version): IfMatch,
    command: Command<SettingsEdit>,
) -> Result<Response, Problem> {
    let span = |seconds: u32| Span::from_secs(i64::from(seconds));
    let wish = EditSettings {
        notices: command.body.notices.map(|wish| Policy {
            soon: span(wish.soon_seconds),
            very_soon: span(wish.very_soon_seconds),
            refresh_divisor: wish.refresh_divisor,
            unused: wish.unused_seconds.map(span),
        }),
        enforce_reach: command.body.enforce_reach,
    };
    let done = api
        .authority
        .edit_organization_settings(&caller, id, wish, version)
        .await
        .map_err(problem)?;
    let body = ChangedSettings {
        settings: (&done.value).into(),
        revision: done.revision,
    };
    Ok(json(StatusCode::OK, &body)?.version(done.value.version))
}

/// Who would reach less where reaches are enforced.
#[derive(Debug, Serialize, ToSchema)]
struct Cuts {
    /// Keys that would.
    keys: Vec<CutView>,
    /// People who would; told with the first part only.
    users: Vec<CutView>,
    /// Where the next part begins, if not all keys were looked at.
    #[schema(required, format = "uuid")]
    next: Option<String>,
}

/// What one of them would no longer reach, or not all of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cut)]
struct CutView {
    /// The key or the person.
    #[schema(format = "uuid")]
    id: String,
    /// What people call it.
    name: String,
    /// The product.
    product: String,
    /// Kinds of resource of which only the listed ones would be reached.
    limited: Vec<String>,
    /// Kinds of resource of which nothing would be reached.
    lost: Vec<String>,
}

impl<Id: ToString> From<&Cut<Id>> for CutView {
    fn from(cut: &Cut<Id>) -> Self {
        Self {
            id: cut.id.to_string(),
            name: cut.name.clone(),
            product: cut.product.as_str().to_owned(),
            limited: cut.limited.clone(),
            lost: cut.lost.clone(),
        }
    }
}

/// Tells who would reach less if reaches were enforced, and changes nothing.
#[utoipa::path(get, path = "/api/v1/organizations/{id}/settings/reach-preview", tag = "organizations", operation_id = "previewReach",
    params(("id" = String, Path, format = "uuid", description = "The organization."),
        ("after" = Option<String>, Query, format = "uuid", description = "Where the part before says that it goes on.")),
    responses((status = 200, description = "Who would reach less.", body = Cuts)))]
async fn preview(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<OrganizationId>,
    mut query: Query,
) -> Result<Response, Problem> {
    let after = query.take::<KeyId>("after", "the id of a key")?;
    query.finish()?;
    let told = api
        .authority
        .preview_reach(&caller, id, after)
        .await
        .map_err(problem)?;
    let body = Cuts {
        keys: told.keys.iter().map(Into::into).collect(),
        users: told.users.iter().map(Into::into).collect(),
        next: told.next.map(|next| next.to_string()),
    };
    json(StatusCode::OK, &body)
}
