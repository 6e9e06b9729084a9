//! API keys: listed, generated, deleted, taken out of use and brought back. The vendor's console asks on paths of its own,
//! which are about the caller's organization; the handlers are the same.

use authority::Authority;
use authority::keys::{CreateKey, Issued, Outcome, Shown};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use credential::id::KeyId;
use credential::key::{Addresses, Key, Kind};
use http::{HeaderName, HeaderValue, StatusCode};

use super::call::{Answer, Call, nothing, product};
use super::errors::No;
use super::translate::{self, Meant};
use super::wire::{self, Generated};
use crate::dialects::json;

/// The most keys of one answer.
const MOST_KEYS: usize = 1000;
/// How many there are in all: the answer is a bare array, which cannot say that it is cut.
const TOTAL: HeaderName = HeaderName::from_static("x-total-count");

const READ: &str = "platform.apikeys:read";
const CREATE: &str = "platform.apikeys:create";
const UPDATE: &str = "platform.apikeys:update";
const DELETE: &str = "platform.apikeys:delete";

pub(super) async fn list(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, READ).await?;
        let organization = call.organization()?.id;
        let query = call.query()?;
        let number = |name: &str, otherwise: usize| match query.get(name) {
            None => Ok(otherwise),
            Some(text) => text
                .parse::<u32>()
                .map(|number| number as usize)
                .map_err(|_| No::bad_request(format!("{name}: expected a number from 0"))),
        };
        let (offset, most) = (number("offset", 0)?, number("max", MOST_KEYS)?);
        let page = authority
            .managed_keys(
                &call.caller,
                organization,
                &product()?,
                offset,
                most.min(MOST_KEYS),
            )
            .await?;
        let mut response = json(StatusCode::OK, &shown(&authority, &page.keys).await?);
        response
            .headers_mut()
            .insert(TOTAL, HeaderValue::from(page.total));
        Ok(response)
    }
    .await;
    answer.into_response()
}

pub(super) async fn generate(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, CREATE).await?;
        let organization = call.organization()?.id;
        let meant = Meant::read(call.wanted()?)?;
        let command = CreateKey {
            organization: Some(organization),
            product: product()?,
            kind: Kind::TokenPair,
            name: meant.name,
            comment: meant.comment,
            grants: meant.grants,
            addresses: Addresses::default(),
            limits: Vec::new(),
            expiry: meant.expiry,
            owner: None,
        };
        let outcome = authority
            .create_key(&call.caller, command, None, |_| Vec::new())
            .await?;
        generated(&authority, outcome).await
    }
    .await;
    answer.into_response()
}

pub(super) async fn read(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, READ).await?;
        one(&authority, &named(&call).await?).await
    }
    .await;
    answer.into_response()
}

pub(super) async fn delete(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, DELETE).await?;
        let key = named(&call).await?.id;
        authority.revoke_key(&call.caller, key, None).await?;
        Ok(nothing())
    }
    .await;
    answer.into_response()
}

pub(super) async fn disable(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, UPDATE).await?;
        let key = named(&call).await?.id;
        let changed = authority.disable_key(&call.caller, key, None).await?;
        one(&authority, &changed.key).await
    }
    .await;
    answer.into_response()
}

pub(super) async fn enable(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, UPDATE).await?;
        let key = named(&call).await?.id;
        let changed = authority.enable_key(&call.caller, key, None).await?;
        one(&authority, &changed.key).await
    }
    .await;
    answer.into_response()
}

/// The key that the path names: a living one of this product, in the organization of the path.
async fn named(call: &Call<'_>) -> Result<Key, No> {
    let (organization, id) = (call.organization()?.id, call.thing::<KeyId>()?);
    let (key, product) = (call.authority.key(&call.caller, id).await?, product()?);
    let here = key.organization == organization && key.product == product && !key.is_revoked();
    here.then_some(key).ok_or_else(No::not_found)
}

async fn generated(authority: &Authority, outcome: Outcome) -> Answer {
    let Outcome::New(issued) = outcome else {
        return Err(No::of(StatusCode::INTERNAL_SERVER_ERROR));
    };
    let Issued { key, shown, .. } = *issued;
    let Shown::TokenPair {
        access_token,
        refresh_token,
        ..
    } = shown
    else {
        return Err(No::of(StatusCode::INTERNAL_SERVER_ERROR));
    };
    let pairs = authority.pairs(&[key.id]).await?;
    let generated = Generated {
        key: translate::key(&authority.world(), &key, None, pairs.get(&key.id).copied()),
        access_token: access_token.expose(),
        refresh_token: refresh_token.expose(),
    };
    Ok(json(StatusCode::CREATED, &generated))
}

async fn one(authority: &Authority, key: &Key) -> Answer {
    let shown = shown(authority, std::slice::from_ref(key)).await?;
    let one = shown.first().ok_or_else(No::not_found)?;
    Ok(json(StatusCode::OK, one))
}

/// Keys as they are shown, with how their tokens stand.
async fn shown(authority: &Authority, keys: &[Key]) -> Result<Vec<wire::Key>, No> {
    let ids: Vec<KeyId> = keys.iter().map(|key| key.id).collect();
    let (used, pairs) = (
        authority.last_used(&ids).await?,
        authority.pairs(&ids).await?,
    );
    let world = authority.world();
    let show = |key: &Key| {
        let (used, pair) = (used.get(&key.id).copied(), pairs.get(&key.id).copied());
        translate::key(&world, key, used, pair)
    };
    Ok(keys.iter().map(show).collect())
}
