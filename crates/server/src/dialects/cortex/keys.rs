//! Key management: `/public_api/v1/api_keys/…`, `/platform/iam/v1/api-key/{id}` and `/api_keys/validate`.

use std::collections::HashMap;

use authority::keys::{CreateKey, EditKey, Outcome, Shown, Wish};
use authority::{Authority, Failure, Refusal};
use axum::extract::{Request, State};
use axum::response::Response;
use credential::grant::Resources;
use credential::id::{KeyId, RoleId};
use credential::key::{Addresses, Key, Maker};
use http::StatusCode;

use super::answer;
use super::areas::{Area, No};
use super::call::{Call, json};
use super::translate::{self, Order, Wanted};
use super::wire::{
    Data, Delete, Deleted, Edit, Generate, Generated, Keys, Message, Nothing, Reply, Search,
};

/// The most keys of one answer; the rest is asked for by `search_from`.
const MOST_KEYS: usize = 1000;
/// The most keys that one call deletes: each is a change of its own, in force everywhere before the next.
const MOST_DELETED: usize = 100;

pub(super) async fn list(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Public, async {
        let call = Call::of(&authority, request).await?;
        let search = call.wanted::<Search>()?;
        Ok(json(&Reply {
            reply: call.found(search).await?,
        }))
    })
    .await
}

pub(super) async fn generate(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Public, async {
        let call = Call::of(&authority, request).await?;
        let wanted = call.wanted::<Generate>()?;
        let kind = translate::kind(&wanted.security_level)?;
        let comment = translate::comment(wanted.comment.as_deref().unwrap_or_default())?;
        let command = CreateKey {
            organization: None,
            product: call.product.clone(),
            kind,
            name: translate::name(&comment)?,
            comment,
            grants: call.grants(&wanted.roles).await?,
            addresses: Addresses::default(),
            limits: Vec::new(),
            expiry: translate::expiry(wanted.expiration.as_ref())?,
            owner: None,
        };
        let made = authority.create_key(&call.caller, command, None, |_| Vec::new());
        let Outcome::New(issued) = made.await? else {
            return Err(No::of(StatusCode::INTERNAL_SERVER_ERROR));
        };
        let (Shown::Static { secret } | Shown::Signed { secret }) = &issued.shown else {
            return Err(No::of(StatusCode::INTERNAL_SERVER_ERROR));
        };
        Ok(json(&Reply {
            reply: Generated {
                id: translate::number(&issued.key),
                key: secret.expose(),
            },
        }))
    })
    .await
}

pub(super) async fn delete(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Public, async {
        let call = Call::of(&authority, request).await?;
        let wanted = call.wanted::<Delete>()?;
        let numbers = translate::numbers(&wanted.filters)?;
        if numbers.len() > MOST_DELETED {
            let why = format!("filters: at most {MOST_DELETED} ids at a time");
            return Err(No::invalid(why));
        }
        let mut update_count = 0;
        for number in numbers {
            let number = number.to_string();
            let found = authority.key_called(&call.caller, &call.product, &number);
            let Some(key) = there(found.await)? else {
                continue;
            };
            let revoked = authority.revoke_key(&call.caller, key.id, None).await;
            update_count += usize::from(there(revoked)?.is_some());
        }
        Ok(json(&Reply {
            reply: Deleted { update_count },
        }))
    })
    .await
}

pub(super) async fn read(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Platform, async {
        let call = Call::of(&authority, request).await?;
        let key = call.key().await?;
        let mut shown = call.shown(std::slice::from_ref(&key)).await?;
        let one = shown.pop();
        one.map(|key| json(&Data::of(key)))
            .ok_or_else(|| No::of(StatusCode::NOT_FOUND))
    })
    .await
}

pub(super) async fn edit(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Platform, async {
        let call = Call::of(&authority, request).await?;
        let wanted = call.wanted::<Edit>()?;
        let key = call.key().await?;
        if let Some(level) = &wanted.security_level
            && translate::kind(level)? != key.kind
        {
            return Err(No::invalid(
                "security_level: it is chosen when a key is made",
            ));
        }
        let grants = match &wanted.roles {
            Some(roles) => Some(call.grants(roles).await?),
            None => None,
        };
        let comment = wanted.comment.as_deref().map(translate::comment);
        let edit = EditKey {
            grants,
            comment: comment.transpose()?,
            ..EditKey::default()
        };
        authority.edit_key(&call.caller, key.id, edit, None).await?;
        let number = translate::number(&key);
        Ok(json(&Data::of(Message {
            message: format!("API key {number} updated successfully"),
        })))
    })
    .await
}

/// Any good key is told so, by a string.
pub(super) async fn validate(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Public, async {
        let call = Call::of(&authority, request).await?;
        call.wanted::<Nothing>()?;
        Ok(json(&"true"))
    })
    .await
}

impl Call<'_> {
    /// Two walks over the keys: the first finds and sorts, the second fetches the stretch that is shown.
    async fn found(&self, search: Search) -> Result<Keys, No> {
        let wanted = Wanted::read(search.filters.unwrap_or_default())?;
        let order = search.sort.map(Order::read).transpose()?;
        let from = search.search_from.unwrap_or(0) as usize;
        let to = search
            .search_to
            .map_or(usize::MAX, |to| to as usize)
            .min(from.saturating_add(MOST_KEYS));
        let world = self.authority.world();
        let placed = move |key: Key| {
            let roles = translate::role_names(&world, &key.grants);
            let place = order.as_ref().map(|order| order.place(&key, &roles));
            wanted.fits(&key, &roles).then_some((place, key.id))
        };
        let found = self
            .authority
            .pick_keys(&self.caller, &self.product, placed)
            .await?;
        let mut places = found.picked;
        places.sort();
        let filter_count = places.len();
        let page: Vec<KeyId> = places
            .into_iter()
            .skip(from)
            .take(to.saturating_sub(from))
            .map(|(_, id)| id)
            .collect();
        let ranks: HashMap<KeyId, usize> = page.iter().copied().zip(0..).collect();
        let ranked = move |key: Key| ranks.get(&key.id).map(|rank| (*rank, key));
        let fetched = self
            .authority
            .pick_keys(&self.caller, &self.product, ranked)
            .await?;
        let mut keys = fetched.picked;
        keys.sort_by_key(|(rank, _)| *rank);
        let keys: Vec<Key> = keys.into_iter().map(|(_, key)| key).collect();
        Ok(Keys {
            data: self.shown(&keys).await?,
            filter_count,
            total_count: found.total,
        })
    }

    /// The key that the path names.
    async fn key(&self) -> Result<Key, No> {
        let number = self.names.first().map(String::as_str).unwrap_or_default();
        let key = self
            .authority
            .key_called(&self.caller, &self.product, number);
        Ok(key.await?)
    }

    /// Keys as they show them; a key that was made by a key names its number.
    async fn shown(&self, keys: &[Key]) -> Result<Vec<super::wire::Key>, No> {
        let world = self.authority.world();
        let mut makers = HashMap::new();
        for key in keys {
            if let Maker::Key(id) = key.created_by
                && !makers.contains_key(&id)
            {
                let maker = there(self.authority.key(&self.caller, id).await)?;
                makers.insert(id, maker.and_then(|key| key.current.handle.clone()));
            }
        }
        let shown = keys
            .iter()
            .map(|key| translate::key(&world, key, &makers))
            .collect();
        Ok(shown)
    }

    /// Roles by their names, everywhere.
    async fn grants(&self, names: &[String]) -> Result<Wish, No> {
        if names.is_empty() {
            return Err(No::invalid("roles: at least one"));
        }
        let roles: Vec<RoleId> = self.roles_called(names).await?;
        Ok(Wish {
            roles: roles
                .into_iter()
                .map(|role| (role, Resources::All))
                .collect(),
            scopes: Vec::new(),
        })
    }
}

/// What is there, or nothing.
fn there<T>(found: Result<T, Failure>) -> Result<Option<T>, No> {
    use credential::key::Refusal::{Already, Revoked};
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Failure::Refused(Refusal::NotFound(_) | Refusal::Key(Revoked | Already(_)))) => {
            Ok(None)
        }
        Err(failure) => Err(failure.into()),
    }
}
