//! Keys: made, seen, changed, rotated, ended.

mod bulk;
mod change;
mod draft;
mod managed;
mod mint;
mod own;
mod picked;

use credential::grant::Resources;
use credential::id::{KeyId, OrganizationId, RoleId, UserId};
use credential::key::{Addresses, ExpiryChange, Key, Kind};
use credential::limit::Limit;
use credential::role::{Comment, Name, ProductName};
use credential::time::{Instant, Term};
use store::{Fault, Found, View};

pub use store::keys::{KeyFilter, KeyOrder, KeyPlace};

pub use bulk::{Bulk, BulkAction, BulkCreated, MAX_BULK};
pub(crate) use draft::{admitted, new_family, within};
pub use managed::{Managed, Pair};
pub use mint::Shown;
pub(crate) use mint::pair;
pub(crate) use own::{begin_own_keys_anew, own_grants, own_key_id};
pub use picked::Picked;

use crate::Authority;
use crate::caller::{Caller, Need, administers_keys};
use crate::failure::{Failure, Refusal};
use crate::idempotency::Idempotency;

pub(crate) const READ: &str = "latchkey.keys:read";
pub(crate) const CREATE: &str = "latchkey.keys:create";
pub(crate) const UPDATE: &str = "latchkey.keys:update";
pub(crate) const ROTATE: &str = "latchkey.keys:rotate";
pub(crate) const REVOKE: &str = "latchkey.keys:revoke";

/// The sequence that numbers the keys of products whose handles are numbers.
pub(crate) const KEY_NUMBERS: &str = "key";

/// The most keys in one page.
pub const MAX_PAGE: usize = 1000;

/// What a new key shall be.
#[derive(Debug, Clone)]
pub struct CreateKey {
    /// Whose it is; `None` is the caller's own organization.
    pub organization: Option<OrganizationId>,
    /// What it opens.
    pub product: ProductName,
    /// How it is proven.
    pub kind: Kind,
    /// What people call it.
    pub name: Name,
    /// What people say of it.
    pub comment: Comment,
    /// What it may do.
    pub grants: Wish,
    /// From where.
    pub addresses: Addresses,
    /// How often.
    pub limits: Vec<Limit>,
    /// Until when.
    pub expiry: Expiry,
    /// The person it depends on, where the product asks for one; `None` is the caller, if a person.
    pub owner: Option<UserId>,
}

/// Until when a new key is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expiry {
    /// As long as its product says when nobody says.
    Default,
    /// For good.
    Never,
    /// Until that moment.
    At(Instant),
    /// For that long from when it is made.
    In(Term),
    /// For the period that its product has under this name.
    Period(String),
}

/// Grants as a caller spells them: scopes as text, in any case that the product allows.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Roles by id.
    pub roles: Vec<(RoleId, Resources)>,
    /// Scopes by name.
    pub scopes: Vec<(String, Resources)>,
}

/// Changes to a key as a caller spells them; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct EditKey {
    /// A new name.
    pub name: Option<Name>,
    /// A new comment.
    pub comment: Option<Comment>,
    /// New grants in place of all earlier ones.
    pub grants: Option<Wish>,
    /// New allowed addresses in place of all earlier ones.
    pub addresses: Option<Addresses>,
    /// New limits in place of all earlier ones.
    pub limits: Option<Vec<Limit>>,
    /// A new expiry.
    pub expiry: Option<ExpiryChange>,
}

/// A key that was made or got a new secret; the secret is in `shown`, and nowhere else.
pub struct Issued {
    /// The key as it is now.
    pub key: Key,
    /// What is shown once.
    pub shown: Shown,
    /// The number of the change.
    pub revision: i64,
}

/// A key that was changed.
#[derive(Debug)]
pub struct ChangedKey {
    /// The key as it is now.
    pub key: Key,
    /// The number of the change.
    pub revision: i64,
}

/// What came of a command that can be repeated.
pub enum Outcome {
    /// It happened now.
    New(Box<Issued>),
    /// It happened before; this is the very answer that was given then.
    Repeat(Vec<u8>),
}

/// Turns what was issued into the answer's body, which the idempotency record keeps.
pub type Render<'r> = dyn Fn(&Issued) -> Vec<u8> + Send + Sync + 'r;

impl Authority {
    /// Makes a key. Its grants are within the caller's rights, at the door and again in the transaction.
    pub async fn create_key(
        &self,
        caller: &Caller,
        command: CreateKey,
        idempotency: Option<Idempotency>,
        render: impl Fn(&Issued) -> Vec<u8> + Send + Sync + 'static,
    ) -> Result<Outcome, Failure> {
        let organization = command.organization.unwrap_or(caller.organization);
        let need = Need {
            scope: CREATE,
            organization,
            product: Some(command.product.clone()),
        };
        self.permit(caller, &need).await?;
        self.permit_owner(caller, organization, &command.product, command.owner)
            .await?;
        if let Some(idempotency) = &idempotency
            && let Some(body) = self.repeated(caller, idempotency).await?
        {
            return Ok(Outcome::Repeat(body));
        }
        let now = self.now();
        let draft = self.draft(caller, organization, command, now)?;
        let ceiling = self.ceiling(caller, organization).await?;
        within(&self.world(), &ceiling, &draft.key)?;

        let again = idempotency.clone();
        let issued = match self
            .issue_draft(caller, vec![draft], need, idempotency, render, now)
            .await
        {
            Err(Failure::Refused(Refusal::IdempotencyKeyUsed)) => {
                return self.overtaken(caller, again).await;
            }
            issued => issued?,
        };
        issued
            .into_iter()
            .next()
            .map(|issued| Outcome::New(Box::new(issued)))
            .ok_or_else(|| {
                Failure::Fault(Fault::Shape("a key was made and is not there".to_owned()))
            })
    }

    /// One key, if the caller may see it.
    pub async fn key(&self, caller: &Caller, id: KeyId) -> Result<Key, Failure> {
        let key = self.stored_key(id).await?;
        self.permit_on(caller, READ, &key).await?;
        Ok(key)
    }

    /// The id of the key that a public identifier names. That there is one is told to everybody who may see it only:
    /// ask [`Authority::key`] next.
    pub async fn key_of(&self, handle: &str) -> Result<Option<KeyId>, Failure> {
        Ok(self.key_named(handle).await?)
    }

    /// A page of keys of one organization (the caller's own when the filter names none); `after` is the place of the
    /// last key of the page before.
    pub async fn keys(
        &self,
        caller: &Caller,
        filter: KeyFilter,
        order: KeyOrder,
        after: Option<KeyPlace>,
        limit: usize,
    ) -> Result<Vec<Key>, Failure> {
        let organization = filter.organization.unwrap_or(caller.organization);
        let filter = KeyFilter {
            organization: Some(organization),
            ..filter
        };
        let need = Need {
            scope: READ,
            organization,
            product: filter.product.clone(),
        };
        self.permit(caller, &need).await?;
        let limit = limit.clamp(1, MAX_PAGE);
        let page = move |view: &View<'_>| view.keys_page(&filter, order, after.as_ref(), limit);
        let found: Vec<Found<Key>> = self.store().view::<_, Fault>(page).await?;
        let mut keys: Vec<Key> = found.into_iter().filter_map(Found::good).collect();
        if self.administers_others_only(caller).await? {
            let world = self.world();
            keys.retain(|key| !administers_keys(&world, key));
        }
        Ok(keys)
    }

    /// The key as the store has it. A tampered row is told apart only to those who may see the key, which nobody can
    /// know of a row that was changed; so it is not found.
    pub(crate) async fn stored_key(&self, id: KeyId) -> Result<Key, Failure> {
        match self
            .store()
            .view::<_, Fault>(move |view| view.key(id))
            .await?
        {
            Some(Found::Good(key)) => Ok(key),
            Some(Found::Tampered(_)) | None => Err(Refusal::NotFound("key").into()),
        }
    }

    /// Whether the caller may do this to the key; otherwise there is no such key, unless the caller may see it.
    pub(crate) async fn permit_on(
        &self,
        caller: &Caller,
        scope: &'static str,
        key: &Key,
    ) -> Result<(), Failure> {
        if self.is_beyond(caller, key).await? {
            return Err(Refusal::NotFound("key").into());
        }
        match self.permit(caller, &need_on(scope, key)).await {
            // Who may not even see it does not learn that it is there.
            Err(Failure::Refused(Refusal::NotFound(_) | Refusal::Forbidden { .. }))
                if self.permit(caller, &need_on(READ, key)).await.is_err() =>
            {
                Err(Refusal::NotFound("key").into())
            }
            other => other,
        }
    }
}

/// Where a walk in the order of ids goes on after a page, over edited rows too; `None` where none of them tells its id.
pub(crate) fn place_after(page: &[Found<Key>]) -> Option<KeyPlace> {
    page.iter().rev().find_map(|found| match found {
        Found::Good(key) => Some(KeyPlace::of(key)),
        Found::Tampered(subject) => subject.id.parse().ok().map(|id| KeyPlace {
            id,
            name: String::new(),
        }),
    })
}

pub(crate) fn need_on(scope: &'static str, key: &Key) -> Need {
    Need {
        scope,
        organization: key.organization,
        product: Some(key.product.clone()),
    }
}
