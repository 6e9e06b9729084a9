//! `POST /oauth2/token`.

use authority::Authority;
use authority::keys::Shown;
use authority::tokens::{NoToken, NotRefreshed, TokenRequest};
use axum::extract::{Request, State};
use axum::response::Response;
use credential::id::KeyId;
use credential::key::Denial;
use http::StatusCode;
use serde::Serialize;

use super::answer::{Refused, json};
use super::client::Client;
use super::request::Asked;

/// The most scopes of one request: as many as a key can hold.
const MOST_SCOPES: usize = credential::grant::MAX_SCOPES;

/// RFC 6749, section 5.1; `refresh_expires_in` is ours.
#[derive(Serialize)]
struct Answer<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_expires_in: Option<i64>,
    scope: String,
}

pub(super) async fn token(
    State(authority): State<Authority>,
    request: Request,
) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let client = Client::of(&asked)?;
    if asked.form.get("resource").is_some() {
        return Err(Refused::new(
            "invalid_target",
            "Tokens are issued for the product of the client only.",
        ));
    }
    match asked.form.get("grant_type") {
        Some("client_credentials") => client_credentials(&authority, &asked, &client).await,
        Some("refresh_token") => refresh_token(&authority, &asked, &client).await,
        Some(_) => Err(Refused::new(
            "unsupported_grant_type",
            "The grant types here are client_credentials and refresh_token.",
        )),
        None => Err(Refused::new("invalid_request", "grant_type is missing.")),
    }
}

async fn client_credentials(
    authority: &Authority,
    asked: &Asked,
    client: &Client,
) -> Result<Response, Refused> {
    let Client::Pair { id, secret } = client else {
        return Err(Refused::client());
    };
    let scopes: Option<Vec<&str>> = asked
        .form
        .get("scope")
        .map(|scopes| scopes.split_ascii_whitespace().collect());
    if scopes
        .as_ref()
        .is_some_and(|scopes| scopes.len() > MOST_SCOPES)
    {
        return Err(Refused::new(
            "invalid_scope",
            "Too many scopes are asked for.",
        ));
    }
    let request = TokenRequest {
        client_id: id,
        client_secret: secret.expose(),
        scopes: scopes.as_deref(),
        lenient: false,
        from: asked.from,
        product: None,
        organization: None,
        request_id: &asked.request_id,
    };
    let issued = authority
        .issue_token(&request, |key, _| key.id.to_string())
        .await?
        .map_err(refusal)?;
    Ok(json(
        StatusCode::OK,
        &Answer {
            access_token: issued.token.expose(),
            token_type: "Bearer",
            expires_in: issued.expires_in,
            refresh_token: None,
            refresh_expires_in: None,
            scope: issued.scopes.join(" "),
        },
    ))
}

fn refusal(no: NoToken) -> Refused {
    match no {
        NoToken::Client(Denial::Limited { retry_after_ms }) => Refused::limited(retry_after_ms),
        NoToken::Client(Denial::Address) => Refused::new(
            "unauthorized_client",
            "The client may not be used from this address.",
        ),
        NoToken::Client(_) | NoToken::Secret | NoToken::Organization => Refused::client(),
        // The asker wrote it; what could break a quoted string is left out (RFC 6749, section 5.2).
        NoToken::Scope(scope) => {
            let shown: String = scope
                .chars()
                .filter(|c| c.is_ascii_graphic() && !"\"\\".contains(*c))
                .take(100)
                .collect();
            Refused::new(
                "invalid_scope",
                format!("The client does not hold the scope {shown}."),
            )
        }
    }
}

/// The refresh token is the proof; the client's id, where it is given, must be that of its key.
async fn refresh_token(
    authority: &Authority,
    asked: &Asked,
    client: &Client,
) -> Result<Response, Refused> {
    let Some(token) = asked.form.get("refresh_token") else {
        return Err(Refused::new("invalid_request", "refresh_token is missing."));
    };
    let of = match client {
        Client::Nobody => None,
        Client::Named(id) => Some(id),
        // Libraries send an empty secret for a client that has none.
        Client::Pair { id, secret } if secret.expose().is_empty() => Some(id),
        Client::Pair { .. } | Client::Bearer(_) => return Err(Refused::client()),
    };
    let of = of
        .map(|id| id.parse::<KeyId>())
        .transpose()
        .map_err(|_| Refused::client())?;
    let pair = authority
        .refresh(token, of, asked.from)
        .await?
        .map_err(not_refreshed)?;
    let Shown::TokenPair {
        access_token,
        refresh_token,
        access_expires_at,
        refresh_expires_at,
    } = &pair.shown
    else {
        return Err(Refused::new("server_error", "Something went wrong here.")
            .status(StatusCode::INTERNAL_SERVER_ERROR));
    };
    let now = authority.now();
    let scopes: Vec<&str> = pair
        .live
        .scopes
        .iter()
        .map(|scope| scope.as_str())
        .collect();
    Ok(json(
        StatusCode::OK,
        &Answer {
            access_token: access_token.expose(),
            token_type: "Bearer",
            expires_in: access_expires_at.since(now).seconds(),
            refresh_token: Some(refresh_token.expose()),
            refresh_expires_in: Some(refresh_expires_at.since(now).seconds()),
            scope: scopes.join(" "),
        },
    ))
}

fn not_refreshed(no: NotRefreshed) -> Refused {
    match no {
        NotRefreshed::Key(Denial::Limited { retry_after_ms }) => Refused::limited(retry_after_ms),
        _ => Refused::new(
            "invalid_grant",
            "The refresh token is unknown, used, lapsed or ended.",
        ),
    }
}
