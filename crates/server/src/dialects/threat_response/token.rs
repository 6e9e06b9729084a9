//! `POST /iroh/oauth2/token`: an access token for client credentials, in every form in which clients ask for one.

use std::sync::Arc;

use authority::Authority;
use authority::tokens::{NoToken, TokenRequest};
use axum::extract::{Request, State};
use axum::response::Response;
use credential::key::Denial;
use credential::secret::Secret;
use http::StatusCode;
use http::request::Parts;

use super::claims::OfClient;
use super::errors::{Family, No};
use super::wire::{Token, TokenWish};
use super::{Here, PRODUCT};
use crate::dialects::json;
use crate::edge::Arrival;
use crate::edge::authorization::Authorization;
use crate::edge::body;
use crate::edge::form::Form;

/// The one grant of API clients.
const GRANT: &str = "client_credentials";
/// What stands in no URL: URLs are logged on their way.
const SECRETS: [&str; 2] = ["client_secret", "client_password"];

pub(super) async fn token(State(here): State<Here>, request: Request) -> Response {
    issue(&here.authority, request)
        .await
        .unwrap_or_else(|no| Family::Iroh.answer(no))
}

/// Refreshes what this server never issues: API clients get no refresh token.
pub(super) async fn refresh() -> Response {
    Family::Iroh.answer(unsupported())
}

async fn issue(authority: &Authority, request: Request) -> Result<Response, No> {
    let (head, payload) = request.into_parts();
    let arrival = head.extensions.get::<Arc<Arrival>>().cloned();
    let arrival = arrival.ok_or_else(|| No::of(StatusCode::INTERNAL_SERVER_ERROR))?;
    let url = Form::parse(head.uri.query().unwrap_or_default().as_bytes()).map_err(malformed)?;
    if SECRETS.iter().any(|name| url.get(name).is_some()) {
        return Err(No::bad_request(
            "invalid_request",
            "URLs are logged on their way: send the credentials in a header.",
        ));
    }
    body::refuse_encoding(&head.headers).map_err(|problem| No::of(problem.status()))?;
    let reading = arrival.reading;
    let sent = body::read(payload, reading.body, reading.time).await;
    let sent = sent.map_err(|fault| No::of(fault.problem().status()))?;
    let wish = Wish::read(&head, &sent, reading.depth)?;
    match wish.grant_type.as_deref() {
        Some(GRANT) => {}
        Some(_) => return Err(unsupported()),
        None => {
            return Err(No::bad_request("invalid_request", "grant_type is missing."));
        }
    }
    let (id, secret) = wish.client(&head)?;
    let scopes: Option<Vec<&str>> = wish
        .scope
        .as_deref()
        .map(|scopes| scopes.split_ascii_whitespace().collect());
    let asked = TokenRequest {
        client_id: &id,
        client_secret: secret.expose(),
        scopes: scopes.as_deref(),
        lenient: true,
        from: arrival.client,
        product: Some(PRODUCT),
        organization: None,
        request_id: &arrival.request_id,
    };
    let issued = authority
        .issue_token_with(&asked, &OfClient, None)
        .await?
        .map_err(refused)?;
    let token = Token {
        access_token: issued.token.expose(),
        token_type: "bearer",
        expires_in: issued.expires_in,
        scope: issued.scopes.join(" "),
    };
    Ok(json(StatusCode::OK, &token))
}

/// A token request, whichever way it was written.
struct Wish {
    grant_type: Option<String>,
    scope: Option<String>,
    client_id: Option<String>,
    password: Option<Secret>,
}

impl Wish {
    /// JSON where it says that it is, and otherwise a form.
    fn read(head: &Parts, sent: &[u8], depth: usize) -> Result<Self, No> {
        let (wish, secret, password) = if body::is_media_type(&head.headers, "application/json") {
            let wish: TokenWish = body::parse(sent, depth).map_err(|_| {
                No::bad_request(
                    "invalid_request",
                    "The body is not the JSON of a token request.",
                )
            })?;
            let named = |text: Option<String>| text.filter(|text| !text.is_empty());
            let (secret, password) = (named(wish.client_secret), named(wish.client_password));
            let wish = Self {
                grant_type: named(wish.grant_type),
                scope: named(wish.scope),
                client_id: named(wish.client_id),
                password: None,
            };
            (wish, secret, password)
        } else {
            let form = Form::parse(sent).map_err(malformed)?;
            let named = |name: &str| form.get(name).map(str::to_owned);
            let wish = Self {
                grant_type: named("grant_type"),
                scope: named("scope"),
                client_id: named("client_id"),
                password: None,
            };
            (wish, named("client_secret"), named("client_password"))
        };
        let password = match (secret, password) {
            (Some(_), Some(_)) => {
                let why = "Send client_password or client_secret, not both.";
                return Err(No::bad_request("invalid_request", why));
            }
            (secret, password) => secret.or(password).map(Secret::from),
        };
        Ok(Self { password, ..wish })
    }

    /// The client's id and password: of Basic credentials, or of the body; of both is one too many.
    fn client(&self, head: &Parts) -> Result<(String, Secret), No> {
        let twice = || {
            let why =
                "Send the credentials in the header Authorization or in the body, not in both.";
            No::bad_request("invalid_request", why)
        };
        match (Authorization::of(&head.headers), &self.password) {
            (Authorization::Basic { .. }, Some(_)) => Err(twice()),
            (Authorization::Basic { id, secret }, None) => match &self.client_id {
                Some(other) if *other != id => Err(twice()),
                _ => Ok((id, secret)),
            },
            (Authorization::Nothing, Some(password)) => match &self.client_id {
                Some(id) => Ok((id.clone(), Secret::from(password.expose().to_owned()))),
                None => Err(unknown()),
            },
            _ => Err(unknown()),
        }
    }
}

fn unsupported() -> No {
    No::bad_request(
        "unsupported_grant_type",
        "The only grant type of API clients is client_credentials.",
    )
}

fn unknown() -> No {
    No::bad_request(
        "invalid_client",
        "The client is unknown, or it may not be used.",
    )
}

fn malformed(error: crate::edge::form::BadForm) -> No {
    No::bad_request("invalid_request", error.to_string())
}

fn refused(no: NoToken) -> No {
    match no {
        NoToken::Client(Denial::Limited { retry_after_ms }) => No::limited(retry_after_ms),
        NoToken::Client(Denial::Address) => No::bad_request(
            "unauthorized_client",
            "The client may not be used from this address.",
        ),
        NoToken::Client(_) | NoToken::Organization => unknown(),
        NoToken::Secret => {
            No::bad_request("wrong_client_creds", "The password is not the client's.")
        }
        NoToken::Scope(_) => No::bad_request(
            "invalid_scope",
            "Of the scopes asked for, neither the client nor its owner has any.",
        ),
    }
}
