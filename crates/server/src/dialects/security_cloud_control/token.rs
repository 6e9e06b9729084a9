//! The refresh operation: a refresh token for the next pair. It is the one operation that a refresh token opens, and the
//! refresh token is the one credential that opens it.

use authority::Authority;
use authority::keys::Shown;
use authority::tokens::{NotRefreshed, RefreshedPair, Whose};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use credential::id::{KeyId, OrganizationId};
use credential::key::Denial;
use credential::time::{Instant, Span};
use http::StatusCode;

use super::call::{Answer, arrival, product, read};
use super::errors::No;
use super::translate;
use super::wire::{Renewed, Token};
use crate::dialects::json;
use crate::edge::authorization::Authorization;
use crate::edge::body;
use crate::edge::form::Form;

const FORM: &str = "application/x-www-form-urlencoded";

/// `POST /v1/organizations/{organization}/apiKeys/{key}/token`.
pub(super) async fn refresh(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let (head, payload) = request.into_parts();
        let arrival = arrival(&head)?;
        let Authorization::Bearer(token) = Authorization::of(&head.headers) else {
            return Err(No::of(StatusCode::UNAUTHORIZED));
        };
        let bytes = read(&head, &arrival, payload).await?;
        if !body::is_media_type(&head.headers, FORM) {
            return Err(No::of(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let form = Form::parse(&bytes).map_err(|error| No::bad_request(error.to_string()))?;
        // What stands in the form beside the grant type counts for nothing: the header is the proof.
        if form.get("grant_type") != Some("refresh_token") {
            return Err(No::bad_request("grant_type: expected refresh_token"));
        }
        let mut path = head.uri.path().split('/').skip(3).step_by(2);
        let organization: Option<OrganizationId> = path.next().and_then(|id| id.parse().ok());
        let key: Option<KeyId> = path.next().and_then(|id| id.parse().ok());
        let (Some(_), Some(_)) = (organization, key) else {
            return Err(not_valid());
        };
        let product = product()?;
        let whose = Whose {
            key,
            organization,
            product: Some(&product),
        };
        let pair = authority
            .refresh(token.expose(), whose, arrival.client)
            .await?
            .map_err(refused)?;
        renewed(&authority, &pair)
    }
    .await;
    answer.into_response()
}

/// `POST /v1/api/applications/access_token`: the same with everything in the form, as the vendor's console asks for it.
pub(super) async fn by_form(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let (head, payload) = request.into_parts();
        let arrival = arrival(&head)?;
        let bytes = read(&head, &arrival, payload).await?;
        if !body::is_media_type(&head.headers, FORM) {
            return Err(No::of(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let form = Form::parse(&bytes).map_err(|error| No::bad_request(error.to_string()))?;
        let needed = |name: &str| {
            form.get(name)
                .ok_or_else(|| No::bad_request(format!("{name}: it is missing")))
        };
        if needed("grantType")? != "refresh_token" {
            return Err(No::bad_request("grantType: expected refresh_token"));
        }
        let (token, key) = (needed("refreshToken")?, needed("apiKeyId")?);
        let product = product()?;
        let whose = Whose {
            key: Some(key.parse().map_err(|_| not_valid())?),
            organization: None,
            product: Some(&product),
        };
        let pair = authority
            .refresh(token, whose, arrival.client)
            .await?
            .map_err(refused)?;
        let Shown::TokenPair {
            access_token,
            refresh_token,
            ..
        } = &pair.shown
        else {
            return Err(No::of(StatusCode::INTERNAL_SERVER_ERROR));
        };
        let renewed = Renewed {
            access_token: access_token.expose(),
            refresh_token: refresh_token.expose(),
        };
        Ok(json(StatusCode::OK, &renewed))
    }
    .await;
    answer.into_response()
}

fn renewed(authority: &Authority, pair: &RefreshedPair) -> Answer {
    let Shown::TokenPair {
        access_token,
        refresh_token,
        access_expires_at,
        refresh_expires_at,
    } = &pair.shown
    else {
        return Err(No::of(StatusCode::INTERNAL_SERVER_ERROR));
    };
    let (key, now) = (&pair.live.key, authority.now());
    // A token does not outlive its key.
    let until = |end: Instant| key.expires_at.map_or(end, |expiry| end.min(expiry));
    let token = Token {
        permissions: translate::permissions(&authority.world(), key),
        access_token: access_token.expose(),
        expires_in: last_second(until(*access_expires_at), now),
        refresh_token: refresh_token.expose(),
        refresh_token_expires_in: last_second(until(*refresh_expires_at), now),
        token_type: "Bearer",
    };
    Ok(json(StatusCode::OK, &token))
}

/// Seconds to the last whole one in which a token is good: the vendor tells a life of 18 hours as 64799.
fn last_second(end: Instant, now: Instant) -> i64 {
    (end.since(now).millis() - 1).max(0) / Span::from_secs(1).millis()
}

/// Which of the many reasons it is is told to nobody who may have found the token.
fn refused(no: NotRefreshed) -> No {
    match no {
        NotRefreshed::Key(denial @ (Denial::Address | Denial::Limited { .. })) => (&denial).into(),
        NotRefreshed::Unknown
        | NotRefreshed::Key(_)
        | NotRefreshed::Lapsed
        | NotRefreshed::Ended(_) => not_valid(),
    }
}

fn not_valid() -> No {
    No::of(StatusCode::UNAUTHORIZED).because("refresh token is not valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_told_by_its_last_whole_second() {
        let now = Instant::from_millis(1_700_000_000_000);
        for (life, told) in [
            (Span::from_hours(18), 64_799),
            (Span::from_days(60), 5_183_999),
            (Span::from_millis(1500), 1),
            (Span::from_secs(1), 0),
            (Span::ZERO, 0),
        ] {
            assert_eq!(last_second(now + life, now), told, "{life:?}");
        }
    }
}
