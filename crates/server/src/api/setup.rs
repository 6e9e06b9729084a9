//! The first administrator: `/api/v1/setup`, opened by the token that a first start prints.

use authority::keys::Issued;
use authority::setup::SetUp;
use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use credential::name::Name;
use credential::organization::Email;
use http::StatusCode;
use http::request::Parts;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::raw;
use super::keys::wire::{KeyView, SecretShape, write_issued};
use super::organizations::OrganizationView;
use super::refusal::problem;
use super::request::{Command, arrival, credential};
use super::users::UserView;
use super::{Api, Served};
use crate::problem::{Kind as ProblemKind, Problem};

pub(super) fn serve(served: Served) -> Served {
    served.at(__path_complete, complete)
}

/// What the first administrator says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FirstSetUp {
    /// The name of the operator's organization.
    #[schema(value_type = String, min_length = 1, max_length = 256)]
    organization: Name,
    /// The administrator's e-mail address.
    #[schema(value_type = String, format = Email, min_length = 3, max_length = 254)]
    email: Email,
    /// The administrator's name.
    #[schema(value_type = String, min_length = 1, max_length = 256)]
    name: Name,
}

/// The first administrator with a first key.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes")]
struct SetUpDone {
    /// The operator's organization.
    organization: OrganizationView,
    /// The administrator.
    user: UserView,
    /// The first key.
    key: KeyView,
    /// Its secret, shown this once.
    #[schema(value_type = SecretShape)]
    secret: (),
    /// The number of the change.
    revision: i64,
}

/// The set-up token, from the header.
struct Token {
    text: String,
    address: Option<std::net::IpAddr>,
    request_id: String,
}

impl FromRequestParts<Api> for Token {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let text = credential(&parts.uri, &parts.headers)?.to_owned();
        let arrival = arrival(parts)?;
        Ok(Self {
            text,
            address: arrival.client,
            request_id: arrival.request_id.clone(),
        })
    }
}

/// Makes the first organization, its administrator and their key.
#[utoipa::path(post, path = "/api/v1/setup", tag = "setup", operation_id = "setUp", request_body = FirstSetUp,
    responses((status = 201, description = "The server is set up.", body = SetUpDone)))]
async fn complete(
    State(api): State<Api>,
    token: Token,
    command: Command<FirstSetUp>,
) -> Result<Response, Problem> {
    let FirstSetUp {
        organization,
        email,
        name,
    } = command.body;
    let wish = SetUp {
        organization,
        email,
        name,
    };
    let made = api
        .authority
        .complete_setup(&token.text, wish, token.address, &token.request_id)
        .await
        .map_err(problem)?;
    let json = |value: Result<String, serde_json::Error>| {
        value.map_err(|_| Problem::from(ProblemKind::Internal))
    };
    let organization = json(serde_json::to_string(&OrganizationView::from(
        &made.organization,
    )))?;
    let user = json(serde_json::to_string(&UserView::of(
        &made.user,
        &api.authority.world(),
    )))?;
    let revision = made.revision;
    let issued = Issued {
        key: made.key,
        shown: made.shown,
        revision,
    };
    let mut body = format!("{{\"organization\":{organization},\"user\":{user},").into_bytes();
    body.extend_from_slice(&write_issued(&issued, &api.authority.world()));
    body.extend_from_slice(format!(",\"revision\":{revision}}}").as_bytes());
    Ok(raw(StatusCode::CREATED, body))
}
