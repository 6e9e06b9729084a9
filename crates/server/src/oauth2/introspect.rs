//! `POST /oauth2/introspect`: whether a token is good, told to whoever may ask about it.

use authority::Authority;
use authority::verify::{Form, Valid};
use axum::extract::{Request, State};
use axum::response::Response;
use credential::scope::Scope;
use http::StatusCode;
use serde::Serialize;

use super::INTROSPECT;
use super::answer::{Refused, json};
use super::client::Client;
use super::request::Asked;

/// RFC 7662, section 2.2; `key_id` and `organization_id` are ours. Of a token that is not good, or not the asker's to
/// know about, `active` is all that is said.
#[derive(Default, Serialize)]
struct Answer {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_id: Option<String>,
}

pub(super) async fn introspect(
    State(authority): State<Authority>,
    request: Request,
) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let client = Client::of(&asked)?;
    let question = client.question(&asked, INTROSPECT)?;
    let asker = authority
        .introspector(&question)
        .await
        .map_err(|failure| client.refused(failure))?;
    let Some(token) = asked.form.get("token") else {
        return Err(Refused::new("invalid_request", "token is missing."));
    };
    let found = authority.introspect(&asker, token).await?;
    let answer = found
        .map(|valid| active(&authority, &valid))
        .unwrap_or_default();
    Ok(json(StatusCode::OK, &answer))
}

fn active(authority: &Authority, valid: &Valid) -> Answer {
    let key = &valid.live.key;
    let scopes: Vec<&str> = valid.scopes().into_iter().map(Scope::as_str).collect();
    let client = key
        .current
        .handle
        .clone()
        .unwrap_or_else(|| key.id.to_string());
    let answer = Answer {
        active: true,
        scope: Some(scopes.join(" ")),
        client_id: Some(client),
        token_type: Some("Bearer"),
        exp: valid.expires_at.map(|at| at.seconds()),
        sub: Some(key.id.to_string()),
        aud: Some(key.product.as_str().to_owned()),
        iss: Some(authority.settings().issuer.clone()),
        key_id: Some(key.id.to_string()),
        organization_id: Some(valid.organization().to_string()),
        ..Answer::default()
    };
    match &valid.form {
        Form::Jwt(claims) => Answer {
            iat: Some(claims.issued_at.seconds()),
            sub: Some(claims.subject.clone()),
            aud: Some(claims.audience.clone()),
            jti: Some(claims.id.to_string()),
            ..answer
        },
        _ => answer,
    }
}
