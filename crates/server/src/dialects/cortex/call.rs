//! A request of this family: who sent it, and what it says.

use std::sync::Arc;

use authority::signed::{Covered, Signature};
use authority::verify::{Presented, Question, Valid};
use authority::{Authority, Caller};
use axum::RequestPartsExt;
use axum::extract::{MatchedPath, Path, Request};
use axum::response::Response;
use bytes::Bytes;
use credential::name::ProductName;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::PRODUCT;
use super::areas::{ALIAS, No};
use crate::edge::{self, Arrival, body};
use crate::problem::Kind;

const KEY_ID: HeaderName = HeaderName::from_static("x-xdr-auth-id");
const NONCE: HeaderName = HeaderName::from_static("x-xdr-nonce");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-xdr-timestamp");

/// See the module's text.
pub(super) struct Call<'a> {
    pub(super) authority: &'a Authority,
    pub(super) caller: Caller,
    pub(super) valid: Valid,
    pub(super) product: ProductName,
    /// What the path names, decoded.
    pub(super) names: Vec<String>,
    body: Bytes,
    depth: usize,
}

/// What every body has; other members beside it are none of ours.
#[derive(Deserialize)]
struct Envelope<T> {
    request_data: Option<T>,
}

impl<'a> Call<'a> {
    /// Reads the request and finds who sent it. The body comes first: a signature may come again with another one only.
    pub(super) async fn of(authority: &'a Authority, request: Request) -> Result<Self, No> {
        let (mut head, payload) = request.into_parts();
        let arrival = head.extensions.get::<Arc<Arrival>>().cloned();
        let arrival = arrival.ok_or_else(|| No::of(StatusCode::INTERNAL_SERVER_ERROR))?;
        body::refuse_encoding(&head.headers).map_err(|problem| No::of(problem.status()))?;
        let reading = arrival.reading;
        let body = body::read(payload, reading.body, reading.time).await;
        let body = body.map_err(|fault| No::of(fault.problem().status()))?;
        let names = head.extract::<Path<Vec<String>>>().await;
        let names = names.map(|Path(names)| names).unwrap_or_default();
        let product =
            ProductName::new(PRODUCT).map_err(|_| No::of(StatusCode::INTERNAL_SERVER_ERROR))?;
        let path = one_spelling(&head, &names);
        let covered = Covered::of(head.method.as_str(), &path, &body);
        let question = Question {
            credential: presented(&head.headers, covered)?,
            product: Some(&product),
            from: arrival.client,
            route: edge::route(&head),
            ..Question::bearer("")
        };
        let (caller, valid) = authority.caller(&question, &arrival.request_id).await?;
        Ok(Self {
            authority,
            caller,
            valid,
            product,
            names,
            body,
            depth: reading.depth,
        })
    }

    /// `request_data`; a body without it, or none at all, is one that is empty.
    pub(super) fn wanted<T: DeserializeOwned>(&self) -> Result<T, No> {
        let empty = self.body.is_empty();
        let bytes: &[u8] = if empty { b"{}" } else { &self.body };
        match self.parsed::<Envelope<T>>(bytes)?.request_data {
            Some(wanted) => Ok(wanted),
            None => self.parsed(b"{}"),
        }
    }

    fn parsed<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, No> {
        body::parse(bytes, self.depth).map_err(|problem| {
            let detail = problem.body()["detail"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            match problem.kind() {
                Kind::InvalidMember => No::invalid(detail),
                _ => No::malformed(detail),
            }
        })
    }
}

/// The path and query as they are the same for every spelling of one request.
fn one_spelling(head: &Parts, names: &[String]) -> String {
    let template = head.extensions.get::<MatchedPath>();
    let template = template.map_or_else(|| head.uri.path(), MatchedPath::as_str);
    let template = template.strip_prefix(ALIAS).unwrap_or(template);
    let mut path = template.trim_end_matches('/').to_owned();
    for name in names {
        path.push('\n');
        path.push_str(name);
    }
    if let Some(query) = head.uri.query() {
        path.push('?');
        path.push_str(query);
    }
    path
}

/// A key itself, or a signature: whoever sends a nonce or a timestamp means to sign.
fn presented<'h>(headers: &'h HeaderMap, covered: Covered<'h>) -> Result<Presented<'h>, No> {
    let id = once(headers, &KEY_ID)?.ok_or_else(No::unknown)?;
    // Keys have numbers here, whatever else names them elsewhere.
    if !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(No::unknown());
    }
    let secret = once(headers, &AUTHORIZATION)?.ok_or_else(No::unknown)?;
    Ok(match (once(headers, &NONCE)?, once(headers, &TIMESTAMP)?) {
        (None, None) => Presented::Pair { id, secret },
        (nonce, timestamp) => Presented::Signed(Signature {
            id,
            nonce: nonce.unwrap_or_default(),
            timestamp: timestamp.unwrap_or_default(),
            hash: secret,
            request: Some(covered),
        }),
    })
}

/// A header that stands there once, if at all.
fn once<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, No> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| No::unknown()),
        (Some(_), Some(_)) => Err(No::unknown()),
    }
}

/// A good answer.
pub(super) fn json(body: &impl Serialize) -> Response {
    crate::dialects::json(StatusCode::OK, body)
}
