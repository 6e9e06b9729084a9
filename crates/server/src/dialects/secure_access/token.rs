//! `POST` and `GET /auth/v2/token`: an access token for client credentials, as leniently as official material needs it.

use std::sync::Arc;

use authority::tokens::{NoToken, OfSubject, TokenRequest};
use authority::{Authority, Call};
use axum::extract::{Request, State};
use axum::response::Response;
use credential::secret::Secret;
use http::{HeaderMap, HeaderName, Method, StatusCode};

use super::PRODUCT;
use super::areas::{Area, No};
use super::wire::Token;
use crate::dialects::json;
use crate::edge::Arrival;
use crate::edge::authorization::Authorization;
use crate::edge::body;
use crate::edge::form::Form;

/// The number of the organization that the token shall be for.
const ORGANIZATION: HeaderName = HeaderName::from_static("x-umbrella-orgid");

pub(super) async fn token(State(authority): State<Authority>, request: Request) -> Response {
    match issue(&authority, request).await {
        Ok(response) => response,
        Err(no) => Area::Token.answer(no),
    }
}

async fn issue(authority: &Authority, request: Request) -> Result<Response, No> {
    let (head, payload) = request.into_parts();
    // GET is answered because official material uses it; HEAD comes with it, and would buy a token that nobody sees.
    if head.method == Method::HEAD {
        return Err(No::of(StatusCode::METHOD_NOT_ALLOWED));
    }
    let arrival = head.extensions.get::<Arc<Arrival>>().cloned();
    let arrival = arrival.ok_or_else(|| No::of(StatusCode::INTERNAL_SERVER_ERROR))?;
    let url = form(head.uri.query().unwrap_or_default().as_bytes())?;
    if url.get("client_secret").is_some() || url.get("client_id").is_some() {
        return Err(No::bad_request(
            "URLs are logged on their way: send the credentials in a header.",
        ));
    }
    body::refuse_encoding(&head.headers).map_err(|problem| No::of(problem.status()))?;
    let reading = arrival.reading;
    let bytes = body::read(payload, reading.body, reading.time).await;
    let sent = form(&bytes.map_err(|fault| No::of(fault.problem().status()))?)?;
    let parameter = |name: &str| sent.get(name).or_else(|| url.get(name));
    if parameter("grant_type").is_some_and(|grant| grant != "client_credentials") {
        return Err(
            No::bad_request("The only grant type is client_credentials.")
                .code("unsupported_grant_type"),
        );
    }
    let (id, secret) = client(&head.headers, &sent)?;
    let scopes: Option<Vec<&str>> =
        parameter("scope").map(|scopes| scopes.split_ascii_whitespace().collect());
    let asked = TokenRequest {
        client_id: &id,
        client_secret: secret.expose(),
        scopes: scopes.as_deref(),
        lenient: true,
        from: arrival.client,
        product: Some(PRODUCT),
        organization: organization(&head.headers)?,
        request_id: &arrival.request_id,
    };
    let subject =
        |key: &credential::key::Key, number: i64| format!("org/{number}/client/{}", key.id);
    let issued = authority
        .issue_token_with(
            &asked,
            &OfSubject(subject),
            head.extensions.get::<Arc<Call>>().map(|call| &**call),
        )
        .await?
        .map_err(|no| match no {
            NoToken::Client(denial) => (&denial).into(),
            NoToken::Secret => No::of(StatusCode::UNAUTHORIZED),
            NoToken::Organization => No::of(StatusCode::FORBIDDEN),
            NoToken::Scope(_) => {
                No::bad_request("The key does not hold this scope.").code("invalid_scope")
            }
        })?;
    let token = Token {
        token_type: "bearer",
        access_token: issued.token.expose(),
        expires_in: issued.expires_in,
    };
    Ok(json(StatusCode::OK, &token))
}

/// Basic, or else the form: Go's OAuth library tries one and then the other.
fn client(headers: &HeaderMap, sent: &Form) -> Result<(String, Secret), No> {
    let unknown = || No::of(StatusCode::UNAUTHORIZED);
    match Authorization::of(headers) {
        Authorization::Basic { id, secret } => Ok((id, secret)),
        Authorization::Nothing => match (sent.get("client_id"), sent.get("client_secret")) {
            (Some(id), Some(secret)) => Ok((id.to_owned(), Secret::from(secret.to_owned()))),
            _ => Err(unknown()),
        },
        Authorization::Bearer(_) | Authorization::Unreadable => Err(unknown()),
    }
}

/// The number in the header, if it is there; one that cannot be is nobody's.
fn organization(headers: &HeaderMap) -> Result<Option<i64>, No> {
    let mut values = headers.get_all(ORGANIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let number = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok());
    match (number, values.next()) {
        (Some(number), None) => Ok(Some(number)),
        _ => Err(No::of(StatusCode::FORBIDDEN)),
    }
}

fn form(text: &[u8]) -> Result<Form, No> {
    Form::parse(text).map_err(|error| No::bad_request(error.to_string()))
}
