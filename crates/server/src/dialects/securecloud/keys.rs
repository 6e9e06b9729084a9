//! The management of API access keys under `/api/v1/rome`, which only Global Admins may.

use std::sync::Arc;

use authority::catalog::Product;
use authority::keys::{CreateKey, EditKey, Issued, Outcome, Shown};
use authority::verify::{Presented, Question};
use authority::{Authority, Caller};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use credential::id::KeyId;
use credential::key::{Addresses, Key, Kind};
use credential::name::{Comment, ProductName};
use credential::scope::Scope;
use credential::time::Term;
use http::StatusCode;
use http::request::Parts;

use super::PRODUCT;
use super::refuse::No;
use super::translate::{self, Meant};
use super::wire::{List, Period, Periods, Role, Roles, Wanted};
use crate::dialects::json;
use crate::edge::authorization::Authorization;
use crate::edge::body;
use crate::edge::form::Form;
use crate::edge::{self, Arrival};

/// The most keys of one answer.
const MOST_KEYS: usize = 1000;

const CREATE: &str = "admin.apikeys:create";
const READ: &str = "admin.apikeys:read";
const UPDATE: &str = "admin.apikeys:update";
const DELETE: &str = "admin.apikeys:delete";

pub(super) async fn list(State(authority): State<Authority>, request: Request) -> Response {
    answer(async {
        let admin = Admin::of(&authority, request, READ).await?;
        let (offset, limit) = admin.page()?;
        let page = authority
            .managed_keys(
                &admin.caller,
                admin.caller.organization,
                &product_name()?,
                offset,
                limit,
            )
            .await?;
        let world = authority.world();
        let keys = page
            .keys
            .iter()
            .map(|key| translate::key(&world, key, None));
        let body = List {
            total: page.total,
            keys: keys.collect(),
        };
        Ok(json(StatusCode::OK, &body))
    })
    .await
}

pub(super) async fn create(State(authority): State<Authority>, request: Request) -> Response {
    answer(async {
        let admin = Admin::of(&authority, request, CREATE).await?;
        let meant = admin.meant()?;
        let command = CreateKey {
            organization: None,
            product: product_name()?,
            kind: Kind::Jwt,
            name: meant
                .name
                .ok_or_else(|| No::bad_request("name: is missing"))?,
            comment: Comment::default(),
            grants: meant
                .grants
                .ok_or_else(|| No::bad_request("roles: are missing"))?,
            addresses: Addresses::default(),
            limits: Vec::new(),
            expiry: meant
                .until
                .map_or(authority::keys::Expiry::Default, translate::Until::expiry),
            owner: None,
        };
        let made = authority
            .create_key(&admin.caller, command, None, |_| Vec::new())
            .await?;
        let Outcome::New(issued) = made else {
            return Err(No::of(StatusCode::INTERNAL_SERVER_ERROR));
        };
        let Issued { key, shown, .. } = *issued;
        let Shown::Jwt { token } = shown else {
            return Err(No::of(StatusCode::INTERNAL_SERVER_ERROR));
        };
        let jwt = Some(token.expose().to_owned());
        Ok(admin.one(StatusCode::CREATED, &key, jwt))
    })
    .await
}

pub(super) async fn read(State(authority): State<Authority>, request: Request) -> Response {
    answer(async {
        let admin = Admin::of(&authority, request, READ).await?;
        let key = admin.key().await?;
        Ok(admin.one(StatusCode::OK, &key, None))
    })
    .await
}

pub(super) async fn edit(State(authority): State<Authority>, request: Request) -> Response {
    answer(async {
        let admin = Admin::of(&authority, request, UPDATE).await?;
        let meant = admin.meant()?;
        let key = admin.key().await?;
        let edit = EditKey {
            name: meant.name,
            grants: meant.grants,
            expiry: meant.until.map(|until| until.change(authority.now())),
            ..EditKey::default()
        };
        let changed = authority
            .edit_key(&admin.caller, key.id, edit, None)
            .await?;
        Ok(admin.one(StatusCode::OK, &changed.key, None))
    })
    .await
}

pub(super) async fn remove(State(authority): State<Authority>, request: Request) -> Response {
    answer(async {
        let admin = Admin::of(&authority, request, DELETE).await?;
        let key = admin.key().await?;
        authority.revoke_key(&admin.caller, key.id, None).await?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    })
    .await
}

pub(super) async fn roles(State(authority): State<Authority>, request: Request) -> Response {
    answer(async {
        let admin = Admin::of(&authority, request, READ).await?;
        let roles = admin.product.roles.iter().map(|role| Role {
            role: translate::word_of(role),
            name: role.name.as_str().to_owned(),
            description: role.description.as_str().to_owned(),
            needs_accounts: admin.product.named_reach.contains(&role.id),
        });
        let roles = roles.collect();
        Ok(json(StatusCode::OK, &Roles { roles }))
    })
    .await
}

pub(super) async fn periods(State(authority): State<Authority>, request: Request) -> Response {
    answer(async {
        let admin = Admin::of(&authority, request, READ).await?;
        let periods = admin.product.periods.iter().map(|period| {
            let (days, months) = match period.term {
                Term::Days(days) => (Some(days), None),
                Term::Months(months) => (None, Some(months)),
            };
            Period {
                period: period.name.clone(),
                days,
                months,
                default: period.default,
            }
        });
        let periods = periods.collect();
        Ok(json(StatusCode::OK, &Periods { periods }))
    })
    .await
}

/// A request of a Global Admin, read and weighed.
struct Admin<'a> {
    authority: &'a Authority,
    product: Arc<Product>,
    caller: Caller,
    head: Parts,
    body: Bytes,
    depth: usize,
}

impl<'a> Admin<'a> {
    /// Finds the caller before anything of the request is looked at; then reads its body. A body must be JSON; a request
    /// without one needs no type.
    async fn of(authority: &'a Authority, request: Request, scope: &str) -> Result<Self, No> {
        let broken = || No::of(StatusCode::INTERNAL_SERVER_ERROR);
        let (head, payload) = request.into_parts();
        let arrival = head
            .extensions
            .get::<Arc<Arrival>>()
            .cloned()
            .ok_or_else(broken)?;
        let caller = caller(authority, &head, &arrival, scope).await?;
        body::refuse_encoding(&head.headers)?;
        let reading = arrival.reading;
        let body = body::read(payload, reading.body, reading.time).await;
        let body = body.map_err(|fault| No::from(fault.problem()))?;
        if !body.is_empty() && !body::is_media_type(&head.headers, "application/json") {
            return Err(No::of(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let product = authority.world().product(&product_name()?).cloned();
        Ok(Self {
            authority,
            product: product.ok_or_else(broken)?,
            caller,
            head,
            body,
            depth: reading.depth,
        })
    }

    /// The key that the path names. A person's own is none of those that are managed.
    async fn key(&self) -> Result<Key, No> {
        let nothing = || No::of(StatusCode::NOT_FOUND);
        let segment = self.head.uri.path().rsplit('/').next().unwrap_or_default();
        let id = segment.parse::<KeyId>().map_err(|_| nothing())?;
        let key = self.authority.key(&self.caller, id).await?;
        let managed = key.product == self.product.name
            && !key.is_revoked()
            && !self.authority.world().is_own(&key);
        managed.then_some(key).ok_or_else(nothing)
    }

    fn meant(&self) -> Result<Meant, No> {
        let wanted: Wanted = body::parse(&self.body, self.depth)?;
        Meant::read(wanted, &self.product)
    }

    /// `offset` and `limit`.
    fn page(&self) -> Result<(usize, usize), No> {
        let query = Form::parse(self.head.uri.query().unwrap_or_default().as_bytes());
        let query = query.map_err(|error| No::bad_request(error.to_string()))?;
        let number = |name: &str, default: usize| match query.get(name) {
            None => Ok(default),
            Some(text) => text
                .parse::<u32>()
                .map(|number| number as usize)
                .map_err(|_| No::bad_request(format!("{name}: expected a number from 0"))),
        };
        Ok((
            number("offset", 0)?,
            number("limit", MOST_KEYS)?.min(MOST_KEYS),
        ))
    }

    fn one(&self, status: StatusCode, key: &Key, jwt: Option<String>) -> Response {
        json(status, &translate::key(&self.authority.world(), key, jwt))
    }
}

/// Who calls: the bearer of a key of this product, or of a token that a person bought, that holds the scope.
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
    let product = product_name()?;
    let question = Question {
        credential: Presented::Bearer(token.expose()),
        product: Some(&product),
        scopes: &scopes,
        from: arrival.client,
        route: edge::route(head),
        ..Question::bearer("")
    };
    let (caller, _) = authority.caller(&question, &arrival.request_id).await?;
    Ok(caller)
}

pub(super) fn product_name() -> Result<ProductName, No> {
    ProductName::new(PRODUCT).map_err(|_| No::of(StatusCode::INTERNAL_SERVER_ERROR))
}

async fn answer(work: impl Future<Output = Result<Response, No>>) -> Response {
    work.await.unwrap_or_else(|no| no.answer())
}
