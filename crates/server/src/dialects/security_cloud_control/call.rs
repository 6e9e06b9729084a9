//! A request as the handlers see it: who calls, about which organization, with what.

use std::sync::Arc;

use authority::verify::{self, Presented, Question};
use authority::{Authority, Caller};
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use credential::id::OrganizationId;
use credential::name::ProductName;
use credential::organization::Organization;
use credential::scope::Scope;
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::PRODUCT;
use super::errors::No;
use crate::edge::authorization::Authorization;
use crate::edge::body;
use crate::edge::form::Form;
use crate::edge::{self, Arrival};

/// What every handler gives: an answer, or a refusal that is written by whoever dresses answers.
pub(super) type Answer = Result<Response, No>;

/// A request with a good access token, read whole.
pub(super) struct Call<'a> {
    pub(super) authority: &'a Authority,
    pub(super) caller: Caller,
    head: Parts,
    body: Bytes,
    depth: usize,
}

impl<'a> Call<'a> {
    /// Finds the caller before anything of the request is looked at; then reads its body.
    pub(super) async fn of(
        authority: &'a Authority,
        request: Request,
        scope: &str,
    ) -> Result<Self, No> {
        let (head, payload) = request.into_parts();
        let arrival = arrival(&head)?;
        let caller = caller(authority, &head, &arrival, scope).await?;
        let body = read(&head, &arrival, payload).await?;
        Ok(Self {
            authority,
            caller,
            head,
            body,
            depth: arrival.reading.depth,
        })
    }

    /// A segment of the path by its place, `v1` being the first.
    fn segment(&self, place: usize) -> &str {
        self.head
            .uri
            .path()
            .split('/')
            .nth(place)
            .unwrap_or_default()
    }

    /// The organization that the path names, if the caller may act in it at all; the caller's own where it names none.
    pub(super) fn organization(&self) -> Result<Arc<Organization>, No> {
        let id: OrganizationId = match self.segment(2) {
            "organizations" => self.named(3)?,
            _ => self.caller.organization,
        };
        Ok(self.authority.within_reach(&self.caller, id)?)
    }

    /// The thing that the path names below the organization.
    pub(super) fn thing<T: std::str::FromStr>(&self) -> Result<T, No> {
        self.named(5)
    }

    /// The id at a place of the path; what cannot be one names nothing.
    pub(super) fn named<T: std::str::FromStr>(&self, place: usize) -> Result<T, No> {
        self.segment(place).parse().map_err(|_| No::not_found())
    }

    /// The parameters of the query. Those that nobody knows are left alone, as the vendor's clients may send more.
    pub(super) fn query(&self) -> Result<Form, No> {
        let query = self.head.uri.query().unwrap_or_default();
        Form::parse(query.as_bytes()).map_err(|error| No::bad_request(error.to_string()))
    }

    /// The JSON body.
    pub(super) fn wanted<T: DeserializeOwned>(&self) -> Result<T, No> {
        if !body::is_media_type(&self.head.headers, "application/json") {
            return Err(No::of(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        Ok(body::parse(&self.body, self.depth)?)
    }
}

/// How the request arrived.
pub(super) fn arrival(head: &Parts) -> Result<Arc<Arrival>, No> {
    let arrival = head.extensions.get::<Arc<Arrival>>().cloned();
    arrival.ok_or_else(|| No::of(StatusCode::INTERNAL_SERVER_ERROR))
}

/// The whole body, within the limits.
pub(super) async fn read(head: &Parts, arrival: &Arrival, payload: Body) -> Result<Bytes, No> {
    body::refuse_encoding(&head.headers)?;
    let reading = arrival.reading;
    let bytes = body::read(payload, reading.body, reading.time).await;
    Ok(bytes.map_err(body::BodyFault::problem)?)
}

/// Who calls: the bearer of an access token of this product that holds the scope.
async fn caller(
    authority: &Authority,
    head: &Parts,
    arrival: &Arrival,
    scope: &str,
) -> Result<Caller, No> {
    let unknown = || No::of(StatusCode::UNAUTHORIZED);
    let Authorization::Bearer(token) = Authorization::of(&head.headers) else {
        return Err(unknown());
    };
    let scopes = [Scope::new(scope).map_err(|_| unknown())?];
    let product = product()?;
    let question = Question {
        credential: Presented::Bearer(token.expose()),
        product: Some(&product),
        scopes: &scopes,
        from: arrival.client,
        route: edge::route(head),
        ..Question::bearer("")
    };
    let (caller, valid) = authority.caller(&question, &arrival.request_id).await?;
    // Keys of this product have a pair of tokens and no secret of their own; anything else is none of them.
    if matches!(valid.form, verify::Form::Access(_)) {
        Ok(caller)
    } else {
        Err(unknown())
    }
}

/// The product that this dialect speaks for.
pub(super) fn product() -> Result<ProductName, No> {
    ProductName::new(PRODUCT).map_err(|_| No::of(StatusCode::INTERNAL_SERVER_ERROR))
}

/// It is done, and there is nothing to tell.
pub(super) fn nothing() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
