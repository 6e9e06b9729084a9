//! `POST /oauth2/revoke`: ends a token.

use authority::Authority;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::REVOKE;
use super::answer::{self, Refused};
use super::client::Client;
use super::request::Asked;

/// A client ends its own tokens. A key that has no client secret (a token pair) proves itself by the token alone, as a
/// public client does. A token that is not known, not good any more or somebody else's is a success that changes
/// nothing (RFC 7009, section 2.2).
pub(super) async fn revoke(
    State(authority): State<Authority>,
    request: Request,
) -> Result<Response, Refused> {
    let asked = Asked::read(request).await?;
    let client = Client::of(&asked)?;
    let Some(token) = asked.form.get("token") else {
        return Err(Refused::new("invalid_request", "token is missing."));
    };
    match &client {
        Client::Pair { secret, .. } if secret.expose().is_empty() => {
            authority
                .revoke_held_token(token, asked.from, &asked.request_id)
                .await?;
        }
        Client::Pair { .. } | Client::Bearer(_) => {
            let question = client.question(&asked, REVOKE)?;
            let caller = authority.caller(&question, &asked.request_id).await;
            let (caller, valid) = caller.map_err(|failure| client.refused(failure))?;
            authority
                .revoke_token(&caller, &valid.live.key, token)
                .await?;
        }
        Client::Nobody | Client::Named(_) => {
            authority
                .revoke_held_token(token, asked.from, &asked.request_id)
                .await?;
        }
    }
    Ok(answer::json(StatusCode::OK, &json!({})))
}
