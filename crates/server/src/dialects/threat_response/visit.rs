//! Whoever calls with a token, and what they sent.

use std::sync::Arc;

use authority::verify::{Question, Valid};
use authority::{Authority, Caller, Failure, Refusal};
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use credential::name::ProductName;
use credential::scope::Scope;
use http::StatusCode;
use http::request::Parts;
use serde_json::{Map, Value};

use super::errors::{Family, No};
use super::{Here, PRODUCT};
use crate::edge::authorization::Authorization;
use crate::edge::denied::Denied;
use crate::edge::standing::Spending;
use crate::edge::{self, Arrival, body};

/// A request of a client whose token holds the scopes.
pub(super) struct Visit {
    pub(super) authority: Authority,
    pub(super) caller: Caller,
    pub(super) valid: Valid,
    pub(super) head: Parts,
    pub(super) sent: Bytes,
    depth: usize,
}

/// Answers a request that needs what `scopes` says of its body: finds who asks before anything else of it is told.
pub(super) async fn answer<W>(
    here: &Here,
    request: Request,
    scopes: impl Fn(&[u8]) -> &'static [&'static str],
    work: impl FnOnce(Visit) -> W,
) -> Response
where
    W: Future<Output = Result<Response, No>>,
{
    match Visit::of(&here.authority, request, scopes).await {
        Err(no) => Family::Iroh.answer(no),
        Ok(visit) => {
            let spending = Spending(visit.valid.limits.clone());
            let answer = work(visit).await;
            let mut response = answer.unwrap_or_else(|no| Family::Iroh.answer(no));
            spending.leave_on(&mut response);
            response
        }
    }
}

impl Visit {
    async fn of(
        authority: &Authority,
        request: Request,
        scopes: impl Fn(&[u8]) -> &'static [&'static str],
    ) -> Result<Self, No> {
        let (head, payload) = request.into_parts();
        let arrival = head.extensions.get::<Arc<Arrival>>().cloned();
        let arrival = arrival.ok_or_else(|| No::of(StatusCode::INTERNAL_SERVER_ERROR))?;
        let reading = arrival.reading;
        let sent = match body::refuse_encoding(&head.headers) {
            Ok(()) => body::read(payload, reading.body, reading.time)
                .await
                .map_err(|fault| No::of(fault.problem().status())),
            Err(problem) => Err(No::of(problem.status())),
        };
        let needed = scopes(sent.as_deref().unwrap_or_default());
        let (caller, valid) = caller(authority, &head, &arrival, needed).await?;
        if !valid.limits.is_empty() {
            // One request asks for its caller once.
            let _ = arrival.limits.set(valid.limits.clone());
        }
        Ok(Self {
            authority: authority.clone(),
            caller,
            valid,
            sent: sent?,
            depth: reading.depth,
            head,
        })
    }

    /// The body as an object whose members are all among `known`.
    pub(super) fn members(&self, known: &[&str]) -> Result<Map<String, Value>, No> {
        let sent: Map<String, Value> = body::parse(&self.sent, self.depth)
            .map_err(|_| No::bad_request("invalid_request", "The body is no JSON object."))?;
        let unknown = sent.keys().filter(|name| !known.contains(&name.as_str()));
        let unknown: Map<String, Value> = unknown
            .map(|name| (name.clone(), "disallowed-key".into()))
            .collect();
        if unknown.is_empty() {
            Ok(sent)
        } else {
            Err(No::members(unknown.into()))
        }
    }
}

async fn caller(
    authority: &Authority,
    head: &Parts,
    arrival: &Arrival,
    scopes: &[&str],
) -> Result<(Caller, Valid), No> {
    let Authorization::Bearer(token) = Authorization::of(&head.headers) else {
        return Err(No::from(&Denied::nothing(authority)));
    };
    let internal = || No::of(StatusCode::INTERNAL_SERVER_ERROR);
    let product = ProductName::new(PRODUCT).map_err(|_| internal())?;
    let scopes: Vec<Scope> = scopes
        .iter()
        .map(|scope| Scope::new(scope))
        .collect::<Result<_, _>>()
        .map_err(|_| internal())?;
    let question = Question {
        product: Some(&product),
        scopes: &scopes,
        from: arrival.client,
        route: edge::route(head),
        ..Question::bearer(token.expose())
    };
    match authority.caller(&question, &arrival.request_id).await {
        Ok(found) => Ok(found),
        Err(Failure::Refused(Refusal::Unauthenticated(denial))) => {
            Err(No::from(&Denied::of(authority, &question, &denial).await))
        }
        Err(failure) => Err(failure.into()),
    }
}
