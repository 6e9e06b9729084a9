//! Keys: made, seen, changed, rotated, ended.

mod bulk;
mod managed;
mod mint;

use credential::access::{Ceiling, ORGANIZATION_KIND, Rights};
use credential::event::Action;
use credential::family::Family;
use credential::grant::{Grants, Resources, RoleGrant, ScopeGrant};
use credential::id::{FamilyId, KeyId, OrganizationId, RoleId, UserId};
use credential::key::{Addresses, Credential, Edit, ExpiryChange, Key, Kind, Maker, Proof, State};
use credential::limit::Limit;
use credential::role::{Comment, Name, ProductName};
use credential::time::{Instant, Span};
use store::change::NO_DETAIL;
use store::keys::KEY_NAME;
use store::{Change, Fault, Found, View};

pub use store::keys::{KeyFilter, KeyOrder, KeyPlace};

pub use bulk::{Bulk, BulkAction, BulkCreated, MAX_BULK};
pub use managed::Managed;
pub use mint::Shown;
pub(crate) use mint::pair;

use crate::Authority;
use crate::caller::{Caller, Need, administered, administers_keys};
use crate::catalog::{HandleShape, LATCHKEY, OwnerRule, Product};
use crate::failure::{Failure, Refusal};
use crate::idempotency::Idempotency;
use crate::world::World;

pub(crate) const READ: &str = "latchkey.keys:read";
pub(crate) const CREATE: &str = "latchkey.keys:create";
pub(crate) const UPDATE: &str = "latchkey.keys:update";
pub(crate) const ROTATE: &str = "latchkey.keys:rotate";
pub(crate) const REVOKE: &str = "latchkey.keys:revoke";

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// As long as its product says when nobody says.
    Default,
    /// For good.
    Never,
    /// Until that moment.
    At(Instant),
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
        self.permit_owner(caller, organization, &command).await?;
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
        if self.administers_one_product(caller).await? {
            let world = self.world();
            keys.retain(|key| !administers_keys(&world, key));
        }
        Ok(keys)
    }

    /// Changes name, comment, grants, addresses, limits or expiry.
    pub async fn edit_key(
        &self,
        caller: &Caller,
        id: KeyId,
        edit: EditKey,
        version: Option<i64>,
    ) -> Result<ChangedKey, Failure> {
        let key = self.stored_key(id).await?;
        self.permit_on(caller, UPDATE, &key).await?;
        let world = self.world();
        let product = world
            .product(&key.product)
            .ok_or(Refusal::NotFound("product"))?;
        let edit = Edit {
            name: edit.name,
            comment: edit.comment,
            grants: edit
                .grants
                .map(|wish| granted(&world, product, key.organization, &wish))
                .transpose()?,
            addresses: edit
                .addresses
                .map(|addresses| fits(product, addresses))
                .transpose()?,
            limits: edit.limits,
            expiry: edit.expiry,
        };
        let now = self.now();
        bounded_expiry(product, key.created_at, &edit)?;
        let widened = edit.grants.clone();
        self.change_key(
            caller,
            UPDATE,
            &key,
            version,
            Action::KeyEdited,
            widened,
            move |key| key.edit(edit.clone(), now),
        )
        .await
    }

    /// Takes a key out of use.
    pub async fn disable_key(
        &self,
        caller: &Caller,
        id: KeyId,
        version: Option<i64>,
    ) -> Result<ChangedKey, Failure> {
        let (key, by, now) = (self.stored_key(id).await?, caller.maker, self.now());
        self.change_key(
            caller,
            UPDATE,
            &key,
            version,
            Action::KeyDisabled,
            None,
            move |key| key.disable(by, now),
        )
        .await
    }

    /// Brings a key back into use: it never has more than who enables it may give.
    pub async fn enable_key(
        &self,
        caller: &Caller,
        id: KeyId,
        version: Option<i64>,
    ) -> Result<ChangedKey, Failure> {
        let key = self.stored_key(id).await?;
        self.change_key(
            caller,
            UPDATE,
            &key,
            version,
            Action::KeyEnabled,
            None,
            Key::enable,
        )
        .await
    }

    /// Ends a key for good.
    pub async fn revoke_key(
        &self,
        caller: &Caller,
        id: KeyId,
        version: Option<i64>,
    ) -> Result<ChangedKey, Failure> {
        let (key, by, now) = (self.stored_key(id).await?, caller.maker, self.now());
        self.change_key(
            caller,
            REVOKE,
            &key,
            version,
            Action::KeyRevoked,
            None,
            move |key| key.revoke(by, now),
        )
        .await
    }

    /// Gives a key a new secret; the one before stays good for `overlap`.
    pub async fn rotate_key(
        &self,
        caller: &Caller,
        id: KeyId,
        overlap: Option<Span>,
        version: Option<i64>,
        idempotency: Option<Idempotency>,
        render: impl Fn(&Issued) -> Vec<u8> + Send + Sync + 'static,
    ) -> Result<Outcome, Failure> {
        let key = self.stored_key(id).await?;
        // A key may always replace its own secret; a token that was issued for it is not the key.
        let own = caller.key() == Some(id) && caller.is_key_itself();
        if !own {
            match self.permit_on(caller, ROTATE, &key).await {
                Err(Failure::Refused(Refusal::NotFound(_))) if caller.key() == Some(id) => {
                    let scope = ROTATE.to_owned();
                    return Err(Refusal::Forbidden { scope }.into());
                }
                permitted => permitted?,
            }
            // Whoever gets the new secret has all that the key may.
            let ceiling = self.ceiling(caller, key.organization).await?;
            within(&self.world(), &ceiling, &key)?;
        }
        if let Some(idempotency) = &idempotency
            && let Some(body) = self.repeated(caller, idempotency).await?
        {
            return Ok(Outcome::Repeat(body));
        }
        let world = self.world();
        let product = world
            .product(&key.product)
            .ok_or(Refusal::NotFound("product"))?
            .clone();
        let overlap = overlap.unwrap_or(product.default_overlap);
        if overlap > product.max_overlap {
            let most = product.max_overlap.seconds();
            return Err(Refusal::invalid(
                "overlap_seconds",
                format!("at most {most} for this product"),
            )
            .into());
        }
        let now = self.now();
        let fresh = self.fresh_secret(&product, &key, key.next_generation(), now)?;
        let needs = if own {
            Vec::new()
        } else {
            vec![need_on(ROTATE, &key)]
        };
        let expected = key.version;
        let (authority, who) = (self.clone(), caller.clone());
        let again = idempotency.clone();
        let changed = self
            .store()
            .change(
                caller.actor(),
                now,
                {
                    let (authority, who) = (self.clone(), caller.clone());
                    let who = if own { who.replacing_secret() } else { who };
                    move |view| {
                        let key = match view.key(id)? {
                            Some(Found::Good(key)) if !own => Some(key),
                            _ => None,
                        };
                        authority.recheck(view, &who, &needs, now, |world, ceiling| match &key {
                            Some(key) => within(world, ceiling, key),
                            None => Ok(()),
                        })
                    }
                },
                move |change| -> Result<(Key, Shown, Vec<u8>), Failure> {
                    let key = current(change, id)?;
                    refuse_stale(&key, version)?;
                    if own && !who.presented_secret_of(&key, now) {
                        return Err(Refusal::Restricted.into());
                    }
                    // The secret was made for the generation that followed the key as it was read.
                    if key.version != expected {
                        return Err(Refusal::Stale {
                            version: key.version,
                        }
                        .into());
                    }
                    let key = key.rotate(fresh.minted.clone(), overlap, now)?;
                    let key =
                        change.update_key(key, Action::KeyRotated, &detail_overlap(overlap))?;
                    let shown = fresh.shown.again();
                    let issued = Issued {
                        key: key.clone(),
                        shown: shown.again(),
                        revision: 0,
                    };
                    let body = render(&issued);
                    if let Some(idempotency) = &idempotency {
                        authority.remember(change, &who, idempotency, key.id, &body)?;
                    }
                    Ok((key, shown, body))
                },
            )
            .await;
        let changed = match changed {
            Err(Failure::Refused(Refusal::IdempotencyKeyUsed | Refusal::Stale { .. }))
                if again.is_some() =>
            {
                return self.overtaken(caller, again).await;
            }
            changed => changed?,
        };
        let revision = self.settle(&changed).await?;
        let (key, shown, _) = changed.value;
        Ok(Outcome::New(Box::new(Issued {
            key,
            shown,
            revision,
        })))
    }

    /// The same request was under way twice and the other one was faster: its answer is this one's too.
    async fn overtaken(
        &self,
        caller: &Caller,
        idempotency: Option<Idempotency>,
    ) -> Result<Outcome, Failure> {
        let Some(idempotency) = idempotency else {
            return Err(Refusal::IdempotencyKeyUsed.into());
        };
        match self.repeated(caller, &idempotency).await? {
            Some(body) => Ok(Outcome::Repeat(body)),
            None => Err(Refusal::IdempotencyKeyUsed.into()),
        }
    }

    /// One compare-and-swap of a key through a pure function.
    #[expect(clippy::too_many_arguments, reason = "each is one fact of the change")]
    pub(crate) async fn change_key(
        &self,
        caller: &Caller,
        scope: &'static str,
        key: &Key,
        version: Option<i64>,
        action: Action,
        grants: Option<Grants>,
        transition: impl Fn(Key) -> Result<Key, credential::key::Refusal> + Send + Sync + 'static,
    ) -> Result<ChangedKey, Failure> {
        self.permit_on(caller, scope, key).await?;
        let organization = key.organization;
        // Who edits or enables a key answers for all that it can do afterwards.
        let answers_for_grants = matches!(action, Action::KeyEdited | Action::KeyEnabled);
        if answers_for_grants {
            let ceiling = self.ceiling(caller, organization).await?;
            let mut afterwards = key.clone();
            afterwards.grants = grants.unwrap_or(afterwards.grants);
            within(&self.world(), &ceiling, &afterwards)?;
        }
        let (id, now, need) = (key.id, self.now(), need_on(scope, key));
        let changed = self
            .store()
            .change(
                caller.actor(),
                now,
                {
                    let (authority, who) = (self.clone(), caller.clone());
                    move |view| {
                        let key = match view.key(id)? {
                            Some(Found::Good(key)) if answers_for_grants => Some(key),
                            _ => None,
                        };
                        let needs = std::slice::from_ref(&need);
                        authority.recheck(view, &who, needs, now, |world, ceiling| match &key {
                            Some(key) => within(world, ceiling, key),
                            None => Ok(()),
                        })
                    }
                },
                move |change| -> Result<Key, Failure> {
                    let key = current(change, id)?;
                    refuse_stale(&key, version)?;
                    let key = transition(key)?;
                    change.update_key(key, action, NO_DETAIL).map_err(taken)
                },
            )
            .await?;
        let revision = self.settle(&changed).await?;
        Ok(ChangedKey {
            key: changed.value,
            revision,
        })
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

    /// Whether the caller may make a key that acts in the name of the owner whom the command names: for oneself, and for
    /// others whoever administers users.
    pub(crate) async fn permit_owner(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        command: &CreateKey,
    ) -> Result<(), Failure> {
        let named = command
            .owner
            .filter(|_| command.product.as_str() == LATCHKEY);
        match named {
            Some(owner) if caller.maker != Maker::User(owner) => {
                let need = Need {
                    scope: crate::users::WRITE,
                    organization,
                    product: None,
                };
                self.permit(caller, &need).await
            }
            _ => Ok(()),
        }
    }

    /// Checks a command against its product and mints what it needs.
    pub(crate) fn draft(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        command: CreateKey,
        now: Instant,
    ) -> Result<Draft, Failure> {
        let world = self.world();
        let product = world.product(&command.product).ok_or_else(|| {
            Refusal::invalid(
                "product",
                "there is no such product; GET /api/v1/products lists them",
            )
        })?;
        if !product.kinds.contains(&command.kind) {
            let kinds: Vec<_> = product.kinds.iter().map(|kind| kind.as_str()).collect();
            return Err(
                Refusal::invalid("kind", format!("this product has {}", kinds.join(", "))).into(),
            );
        }
        let grants = granted(&world, product, organization, &command.grants)?;
        let addresses = fits(product, command.addresses)?;
        let expires_at = match command.expiry {
            Expiry::Never => None,
            Expiry::Default => product.default_lifetime.map(|life| now + life),
            Expiry::At(at) if at <= now => {
                return Err(credential::key::Refusal::ExpiryInThePast.into());
            }
            Expiry::At(at) => Some(at),
        };
        bounded(product, now, expires_at)?;
        let owner = match (product.owner, command.owner, caller.maker) {
            (OwnerRule::None, _, _) => None,
            (_, Some(owner), _) => {
                let known = world
                    .user(owner)
                    .is_some_and(|user| user.organization == organization);
                if !known {
                    return Err(Refusal::invalid(
                        "owner_id",
                        "there is no such user in the organization",
                    )
                    .into());
                }
                Some(owner)
            }
            (_, None, Maker::User(user))
                if world
                    .user(user)
                    .is_some_and(|u| u.organization == organization) =>
            {
                Some(user)
            }
            (_, None, _) => None,
        };
        let id = KeyId::mint(now, self.entropy().draw()?);
        let mut key = Key {
            id,
            organization,
            product: command.product,
            kind: command.kind,
            name: command.name,
            comment: command.comment,
            grants,
            addresses,
            limits: command.limits,
            expires_at,
            state: State::Active,
            owner,
            created_at: now,
            created_by: caller.maker,
            edited_at: now,
            rotated_at: None,
            current: Credential {
                generation: 0,
                handle: None,
                proof: Proof::Signature,
                since: now,
            },
            previous: None,
            version: 1,
        };
        let fresh = self.fresh_secret(product, &key, 0, now)?;
        key.current = Credential {
            generation: 0,
            handle: fresh.minted.handle,
            proof: fresh.minted.proof,
            since: now,
        };
        Ok(Draft {
            key,
            shown: fresh.shown,
            family: fresh.family,
            unique_name: product.unique_names,
        })
    }

    /// Writes drafts in one transaction, and answers with what was issued.
    pub(crate) async fn issue_draft(
        &self,
        caller: &Caller,
        drafts: Vec<Draft>,
        need: Need,
        idempotency: Option<Idempotency>,
        render: impl Fn(&Issued) -> Vec<u8> + Send + Sync + 'static,
        now: Instant,
    ) -> Result<Vec<Issued>, Failure> {
        let drafts = std::sync::Arc::new(drafts);
        let changed = self
            .store()
            .change(
                caller.actor(),
                now,
                {
                    let (authority, who, drafts) = (self.clone(), caller.clone(), drafts.clone());
                    move |view| {
                        authority.recheck(
                            view,
                            &who,
                            std::slice::from_ref(&need),
                            now,
                            |world, ceiling| {
                                drafts
                                    .iter()
                                    .try_for_each(|draft| within(world, ceiling, &draft.key))
                            },
                        )
                    }
                },
                {
                    let (authority, who, drafts) = (self.clone(), caller.clone(), drafts.clone());
                    move |change| -> Result<(), Failure> {
                        for draft in drafts.iter() {
                            let key = &draft.key;
                            change
                                .insert_key(key, draft.unique_name, Action::KeyCreated, NO_DETAIL)
                                .map_err(taken)?;
                            if let Some(family) = &draft.family {
                                change.insert_family(family, Action::FamilyStarted, NO_DETAIL)?;
                            }
                            if let Some(idempotency) = &idempotency {
                                let issued = Issued {
                                    key: key.clone(),
                                    shown: draft.shown.again(),
                                    revision: 0,
                                };
                                let body = render(&issued);
                                authority.remember(change, &who, idempotency, key.id, &body)?;
                            }
                        }
                        Ok(())
                    }
                },
            )
            .await?;
        let revision = self.settle(&changed).await?;
        Ok(drafts
            .iter()
            .map(|draft| Issued {
                key: draft.key.clone(),
                shown: draft.shown.again(),
                revision,
            })
            .collect())
    }
}

/// A key that is ready to be written.
pub(crate) struct Draft {
    pub(crate) key: Key,
    pub(crate) shown: Shown,
    pub(crate) family: Option<Family>,
    pub(crate) unique_name: bool,
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

fn current(change: &mut Change<'_>, id: KeyId) -> Result<Key, Failure> {
    match change.key(id)? {
        Some(Found::Good(key)) => Ok(key),
        Some(Found::Tampered(_)) | None => Err(Refusal::NotFound("key").into()),
    }
}

/// A name that is in use is a broken rule, not a broken world.
fn taken(fault: Fault) -> Failure {
    if fault.is_conflict_on(KEY_NAME) {
        Refusal::NameTaken("key").into()
    } else {
        fault.into()
    }
}

fn refuse_stale(key: &Key, version: Option<i64>) -> Result<(), Refusal> {
    match version {
        Some(expected) if expected != key.version => Err(Refusal::Stale {
            version: key.version,
        }),
        _ => Ok(()),
    }
}

/// Spells a wish as the product does; what the product does not declare is refused by name.
pub(crate) fn granted(
    world: &World,
    product: &Product,
    organization: OrganizationId,
    wish: &Wish,
) -> Result<Grants, Refusal> {
    let mut roles = Vec::new();
    for (id, resources) in &wish.roles {
        let known = world.role(*id).filter(|role| {
            !role.deleted && role.product == product.name && role.is_offered_to(organization)
        });
        if known.is_none() {
            return Err(Refusal::invalid(
                "roles",
                format!("there is no role {id} of this product here"),
            ));
        }
        roles.push(RoleGrant {
            role: *id,
            resources: listed(product, resources)?,
        });
    }
    let mut scopes = Vec::new();
    for (text, resources) in &wish.scopes {
        let scope = product.declared(text).ok_or_else(|| {
            Refusal::invalid("scopes", format!("{text:?} is not a scope of this product"))
        })?;
        scopes.push(ScopeGrant {
            scope,
            resources: listed(product, resources)?,
        });
    }
    let grants = Grants::new(roles, scopes).map_err(|error| Refusal::invalid("grants", error))?;
    if grants.is_empty() {
        return Err(Refusal::invalid(
            "scopes",
            "a key needs at least one role or scope",
        ));
    }
    Ok(grants)
}

fn listed(product: &Product, resources: &Resources) -> Result<Resources, Refusal> {
    match resources {
        Resources::Listed(listed) if !product.resource_kinds.contains(listed.kind()) => {
            Err(Refusal::invalid(
                "resources",
                format!("this product has no resources of kind {:?}", listed.kind()),
            ))
        }
        resources => Ok(resources.clone()),
    }
}

fn fits(product: &Product, addresses: Addresses) -> Result<Addresses, Refusal> {
    if addresses.networks().len() > product.max_addresses {
        let most = product.max_addresses;
        return Err(Refusal::invalid(
            "addresses",
            format!("at most {most} for this product"),
        ));
    }
    Ok(addresses)
}

fn bounded(product: &Product, from: Instant, expires_at: Option<Instant>) -> Result<(), Refusal> {
    match product.max_lifetime {
        Some(most) if expires_at.is_none_or(|at| at > from + most) => Err(Refusal::invalid(
            "expires_at",
            format!(
                "keys of this product live at most {} days",
                most.seconds() / 86_400
            ),
        )),
        _ => Ok(()),
    }
}

fn bounded_expiry(product: &Product, created: Instant, edit: &Edit) -> Result<(), Refusal> {
    match edit.expiry {
        None => Ok(()),
        Some(ExpiryChange::Never) => bounded(product, created, None),
        Some(ExpiryChange::At(at)) => bounded(product, created, Some(at)),
    }
}

/// Whether everything that the key may is the ceiling's to give.
pub(crate) fn within(world: &World, ceiling: &Ceiling, key: &Key) -> Result<(), Refusal> {
    let Some(product) = world.product(&key.product) else {
        return Err(Refusal::NotFound("product"));
    };
    let wanted: Rights = world.rights(product, key.organization, &key.grants);
    // What administers keys of its product is given only by who holds what it stands for.
    if product.name.as_str() != LATCHKEY {
        let own = crate::users::latchkey().map_err(|_| Refusal::NotFound("product"))?;
        let algebra = world
            .product(&own)
            .ok_or(Refusal::NotFound("product"))?
            .algebra;
        let here = Resources::listed(ORGANIZATION_KIND, [key.organization.to_string()])
            .map_err(|error| Refusal::invalid("grants", error))?;
        for scope in administered(product, &wanted) {
            let stands_for = Rights::of_scopes(std::slice::from_ref(scope), &here, algebra);
            if !ceiling.admits(&own, &stands_for) {
                return Err(Refusal::Ceiling(scope.as_str().to_owned()));
            }
        }
    }
    if ceiling.admits(&key.product, &wanted) {
        return Ok(());
    }
    let beyond = wanted.names().into_iter().find(|scope| {
        let alone = wanted.narrowed(std::slice::from_ref(*scope));
        !ceiling.admits(&key.product, &alone)
    });
    Err(Refusal::Ceiling(beyond.map_or_else(
        || "this".to_owned(),
        |scope| scope.as_str().to_owned(),
    )))
}

fn detail_overlap(overlap: Span) -> String {
    serde_json::json!({ "overlap_seconds": overlap.seconds() }).to_string()
}

impl Product {
    pub(crate) fn makes_handles(&self) -> bool {
        self.handle == HandleShape::Hex32
    }
}

/// The family of a fresh pair of tokens.
pub(crate) fn new_family(
    key: &Key,
    id: FamilyId,
    seed: [u8; 32],
    product: &Product,
    now: Instant,
) -> Family {
    let until = now + product.tokens.refresh_life();
    Family {
        id,
        organization: key.organization,
        key: key.id,
        generation: 0,
        rotated_at: now,
        previous_at: None,
        used: false,
        refresh_until: key.expires_at.map_or(until, |end| end.min(until)),
        access_life: product.tokens.access_life(),
        refresh_life: product.tokens.refresh_life(),
        dead: None,
        created_at: now,
        version: 1,
        seed,
    }
}
