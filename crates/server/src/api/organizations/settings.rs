//! What an organization chooses for itself: `/api/v1/organizations/{id}/settings`.

use authority::organizations::OrganizationSettings;
use axum::extract::State;
use axum::response::Response;
use credential::id::OrganizationId;
use credential::notice::Policy;
use credential::time::Span;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::answer::{Says, json};
use crate::api::refusal::problem;
use crate::api::request::{By, Command, Id, IfMatch};
use crate::api::{Api, Served};
use crate::problem::Problem;

pub(super) fn serve(served: Served) -> Served {
    served.at(__path_read, read).at(__path_edit, edit)
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
    /// Notices about keys.
    notices: NoticePolicy,
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
    let wish = command.body.notices;
    let span = |seconds: u32| Span::from_secs(i64::from(seconds));
    let policy = Policy {
        soon: span(wish.soon_seconds),
        very_soon: span(wish.very_soon_seconds),
        refresh_divisor: wish.refresh_divisor,
        unused: wish.unused_seconds.map(span),
    };
    let done = api
        .authority
        .set_notice_policy(&caller, id, policy, version)
        .await
        .map_err(problem)?;
    let body = ChangedSettings {
        settings: (&done.value).into(),
        revision: done.revision,
    };
    Ok(json(StatusCode::OK, &body)?.version(done.value.version))
}
