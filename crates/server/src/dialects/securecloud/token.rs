//! The short token that a person buys with their password, in two places; and the public keys that check tokens.

use std::sync::Arc;

use authority::Authority;
use authority::passwords::NotSignedIn;
use authority::tokens::SignedIn;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use credential::id::OrganizationId;
use credential::organization::Email;
use http::StatusCode;

use super::keys::product_name;
use super::refuse::No;
use super::wire::Token;
use crate::dialects::json;
use crate::edge::Arrival;
use crate::edge::body;
use crate::edge::form::Form;

/// The one client that the vendor names.
const CLIENT: &str = "express";

pub(super) async fn token(State(authority): State<Authority>, request: Request) -> Response {
    bought(&authority, request, None)
        .await
        .unwrap_or_else(|no| no.answer())
}

/// The same among the people of one organization.
pub(super) async fn token_of_tenant(
    State(authority): State<Authority>,
    Path(tenant): Path<String>,
    request: Request,
) -> Response {
    let organization = tenant_named(&authority, &tenant);
    bought(&authority, request, Some(organization))
        .await
        .unwrap_or_else(|no| no.answer())
}

pub(super) async fn certificates(State(authority): State<Authority>) -> Response {
    json(StatusCode::OK, &authority.jwks())
}

/// The organization of that id or number. In one that is not there nobody is found, after the same work.
fn tenant_named(authority: &Authority, tenant: &str) -> OrganizationId {
    let nobody = OrganizationId::from_bytes([0; 16]);
    match tenant.parse::<OrganizationId>() {
        Ok(id) => id,
        Err(_) => tenant
            .parse()
            .ok()
            .and_then(|number| authority.world().organization_numbered(number))
            .unwrap_or(nobody),
    }
}

async fn bought(
    authority: &Authority,
    request: Request,
    organization: Option<OrganizationId>,
) -> Result<Response, No> {
    let (head, payload) = request.into_parts();
    let arrival = head.extensions.get::<Arc<Arrival>>().cloned();
    let arrival = arrival.ok_or_else(|| No::of(StatusCode::INTERNAL_SERVER_ERROR))?;
    body::refuse_encoding(&head.headers)?;
    if !body::is_media_type(&head.headers, "application/x-www-form-urlencoded") {
        return Err(No::of(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let reading = arrival.reading;
    let bytes = body::read(payload, reading.body, reading.time).await;
    let bytes = bytes.map_err(|fault| No::from(fault.problem()))?;
    let form = Form::parse(&bytes).map_err(|error| No::bad_request(error.to_string()))?;
    let needed = |name: &str| {
        form.get(name)
            .ok_or_else(|| No::bad_request(format!("Missing form parameter: {name}")))
    };
    if needed("grant_type")? != "password" {
        return Err(No::of(StatusCode::BAD_REQUEST)
            .code("unsupported_grant_type", "Unsupported grant_type"));
    }
    if needed("client_id")? != CLIENT {
        return Err(
            No::of(StatusCode::UNAUTHORIZED).code("invalid_client", "Invalid client credentials")
        );
    }
    let (username, password) = (needed("username")?, needed("password")?);
    // What is no address is nobody's.
    let email = Email::new(username).map_err(|_| nobody())?;
    let product = product_name()?;
    let asked = SignedIn {
        email: &email,
        password,
        product: &product,
        organization,
        from: arrival.client,
        request_id: &arrival.request_id,
    };
    match authority.issue_token_in_person(asked).await? {
        Ok(issued) => Ok(json(
            StatusCode::OK,
            &Token {
                access_token: issued.token.expose(),
                expires_in: issued.expires_in,
                token_type: "Bearer",
            },
        )),
        Err(NotSignedIn::Wrong) => Err(nobody()),
        Err(NotSignedIn::LockedOut { retry_after }) => Err(No::limited(retry_after.millis())),
    }
}

fn nobody() -> No {
    No::of(StatusCode::UNAUTHORIZED).code("invalid_grant", "Invalid user credentials")
}
