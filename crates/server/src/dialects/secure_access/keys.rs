//! The six operations under `/admin/v2/apiKeys`.

use std::sync::Arc;

use authority::keys::{CreateKey, Issued, Outcome, Shown};
use authority::verify::{self, Presented, Question, Valid};
use authority::{Authority, Call, Caller};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use credential::id::KeyId;
use credential::key::{Key, Kind};
use credential::name::ProductName;
use credential::scope::Scope;
use credential::time::Span;
use http::StatusCode;
use http::request::Parts;

use super::PRODUCT;
use super::areas::{Area, No};
use super::translate::{self, Meant};
use super::wire::{List, One, SUCCESS, Wanted};
use crate::dialects::json;
use crate::edge::authorization::Authorization;
use crate::edge::body;
use crate::edge::form::Form;
use crate::edge::{self, Arrival};

/// The most keys of one answer.
const MOST_KEYS: usize = 1000;

pub(super) async fn list(State(authority): State<Authority>, request: Request) -> Response {
    answer(async {
        let admin = Admin::of(&authority, request, "admin.apikeys:read").await?;
        let (offset, limit) = admin.page()?;
        admin.list(offset, limit).await
    })
    .await
}

pub(super) async fn create(State(authority): State<Authority>, request: Request) -> Response {
    answer(async {
        let admin = Admin::of(&authority, request, "admin.apikeys:create").await?;
        let meant = Meant::read(admin.wanted()?)?;
        let command = CreateKey {
            organization: None,
            product: product()?,
            kind: Kind::Client,
            expiry: meant.expiry(),
            name: meant.name,
            comment: meant.comment.unwrap_or_default(),
            grants: meant.grants,
            addresses: meant.addresses.unwrap_or_default(),
            limits: Vec::new(),
            // The person behind the administering key answers for what it makes; in an organization that the key's own
            // manages, the key does, since the person is none of its people.
            owner: (admin.valid.live.key.organization == admin.valid.organization())
                .then_some(admin.valid.live.key.owner)
                .flatten(),
        };
        let outcome = authority
            .create_key(&admin.caller, command, None, |_| Vec::new())
            .await?;
        admin.issued(StatusCode::CREATED, outcome).await
    })
    .await
}

pub(super) async fn read(State(authority): State<Authority>, request: Request) -> Response {
    answer(async {
        let admin = Admin::of(&authority, request, "admin.apikeys:read").await?;
        let key = admin.key().await?;
        admin.one(StatusCode::OK, &key, None).await
    })
    .await
}

pub(super) async fn patch(State(authority): State<Authority>, request: Request) -> Response {
    answer(async {
        let admin = Admin::of(&authority, request, "admin.apikeys:update").await?;
        let id = admin.id()?;
        let meant = Meant::read(admin.wanted()?)?;
        if let Some(expires_at) = meant.expires_at {
            translate::same_expiry(&admin.key().await?, expires_at)?;
        }
        let changed = authority
            .edit_key(&admin.caller, id, meant.edit(), None)
            .await?;
        admin.one(StatusCode::OK, &changed.key, None).await
    })
    .await
}

pub(super) async fn delete(State(authority): State<Authority>, request: Request) -> Response {
    answer(async {
        let admin = Admin::of(&authority, request, "admin.apikeys:delete").await?;
        authority
            .revoke_key(&admin.caller, admin.id()?, None)
            .await?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    })
    .await
}

pub(super) async fn refresh(State(authority): State<Authority>, request: Request) -> Response {
    answer(async {
        let admin = Admin::of(&authority, request, "admin.apikeys:refresh").await?;
        // The pair before ends at once.
        let overlap = Some(Span::ZERO);
        let outcome = authority
            .rotate_key(&admin.caller, admin.id()?, overlap, None, None, |_| {
                Vec::new()
            })
            .await?;
        admin.issued(StatusCode::OK, outcome).await
    })
    .await
}

/// A request of a key administrator, read and weighed.
struct Admin<'a> {
    authority: &'a Authority,
    caller: Caller,
    valid: Valid,
    head: Parts,
    body: Bytes,
    depth: usize,
}

impl<'a> Admin<'a> {
    /// Finds the caller before anything of the request is looked at; then reads its body. A body must be JSON; a request
    /// without one needs no type.
    async fn of(authority: &'a Authority, request: Request, scope: &str) -> Result<Self, No> {
        let (head, payload) = request.into_parts();
        let arrival = head.extensions.get::<Arc<Arrival>>().cloned();
        let arrival = arrival.ok_or_else(|| No::of(StatusCode::INTERNAL_SERVER_ERROR))?;
        let (caller, valid) = caller(authority, &head, &arrival, scope).await?;
        body::refuse_encoding(&head.headers).map_err(|problem| No::of(problem.status()))?;
        let reading = arrival.reading;
        let body = body::read(payload, reading.body, reading.time).await;
        let body = body.map_err(|fault| No::of(fault.problem().status()))?;
        if !body.is_empty() && !body::is_media_type(&head.headers, "application/json") {
            return Err(translate::not_json());
        }
        Ok(Self {
            authority,
            caller,
            valid,
            head,
            body,
            depth: reading.depth,
        })
    }

    /// The key that the path names. The caller's own is none of those that this API manages.
    fn id(&self) -> Result<KeyId, No> {
        let path = self.head.uri.path();
        let segment = path.split('/').nth(4).unwrap_or_default();
        let id = segment
            .parse::<KeyId>()
            .ok()
            .filter(|id| self.caller.key() != Some(*id));
        id.ok_or_else(|| No::of(StatusCode::NOT_FOUND))
    }

    async fn key(&self) -> Result<Key, No> {
        let key = self.authority.key(&self.caller, self.id()?).await?;
        if key.is_revoked() {
            Err(No::of(StatusCode::NOT_FOUND))
        } else {
            Ok(key)
        }
    }

    fn wanted(&self) -> Result<Wanted, No> {
        body::parse(&self.body, self.depth).map_err(|problem| {
            let detail = problem.body()["detail"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            No::bad_request(detail)
        })
    }

    /// `offset` and `limit`; a limit of 0 is none.
    fn page(&self) -> Result<(usize, usize), No> {
        let query = Form::parse(self.head.uri.query().unwrap_or_default().as_bytes());
        let query = query.map_err(|error| No::bad_request(error.to_string()))?;
        let number = |name: &str| match query.get(name) {
            None => Ok(0),
            Some(text) => text
                .parse::<u32>()
                .map(|number| number as usize)
                .map_err(|_| No::bad_request(format!("{name}: expected a number from 0"))),
        };
        Ok((number("offset")?, number("limit")?))
    }

    async fn list(&self, offset: usize, limit: usize) -> Result<Response, No> {
        let most = if limit == 0 {
            MOST_KEYS
        } else {
            limit.min(MOST_KEYS)
        };
        let product = product()?;
        let page = self
            .authority
            .managed_keys(
                &self.caller,
                self.caller.organization,
                &product,
                offset,
                most,
            )
            .await?;
        let world = self.authority.world();
        let ids: Vec<KeyId> = page.keys.iter().map(|key| key.id).collect();
        let used = self.authority.last_used(&ids).await?;
        let keys: Vec<_> = page
            .keys
            .iter()
            .map(|key| translate::key(&world, key, used.get(&key.id).copied(), None))
            .collect();
        // What is left out must show.
        let cut = offset + keys.len() < page.total && (limit == 0 || limit > MOST_KEYS);
        let limit = if cut { MOST_KEYS } else { limit };
        Ok(json(
            StatusCode::OK,
            &List {
                message: SUCCESS,
                offset,
                limit,
                total: page.total,
                keys,
            },
        ))
    }

    async fn issued(&self, status: StatusCode, outcome: Outcome) -> Result<Response, No> {
        let Outcome::New(issued) = outcome else {
            return Err(No::of(StatusCode::INTERNAL_SERVER_ERROR));
        };
        let Issued { key, shown, .. } = *issued;
        let Shown::Client { client_secret, .. } = shown else {
            return Err(No::of(StatusCode::INTERNAL_SERVER_ERROR));
        };
        self.one(status, &key, Some(client_secret.expose().to_owned()))
            .await
    }

    async fn one(
        &self,
        status: StatusCode,
        key: &Key,
        secret: Option<String>,
    ) -> Result<Response, No> {
        let used = self.authority.last_used(&[key.id]).await?;
        let world = self.authority.world();
        let key = translate::key(&world, key, used.get(&key.id).copied(), secret);
        Ok(json(
            status,
            &One {
                message: SUCCESS,
                key,
            },
        ))
    }
}

/// Who calls: the bearer of an access token of this product that holds the scope.
pub(super) async fn caller(
    authority: &Authority,
    head: &Parts,
    arrival: &Arrival,
    scope: &str,
) -> Result<(Caller, Valid), No> {
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
        call: head.extensions.get::<Arc<Call>>().map(|call| &**call),
        ..Question::bearer("")
    };
    let (caller, valid) = authority.caller(&question, &arrival.request_id).await?;
    // A key's own secret opens the token endpoint only.
    if matches!(valid.form, verify::Form::Secret) {
        Err(unknown())
    } else {
        Ok((caller, valid))
    }
}

fn product() -> Result<ProductName, No> {
    ProductName::new(PRODUCT).map_err(|_| No::of(StatusCode::INTERNAL_SERVER_ERROR))
}

async fn answer(work: impl Future<Output = Result<Response, No>>) -> Response {
    work.await.unwrap_or_else(|no| Area::Admin.answer(no))
}
