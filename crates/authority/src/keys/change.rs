//! A key changes: edited, taken out of use, brought back, ended, given a new secret.

use credential::event::Action;
use credential::grant::Grants;
use credential::id::KeyId;
use credential::key::{Edit, ExpiryChange, Key};
use credential::time::{Instant, Span};
use store::change::NO_DETAIL;
use store::{Change, Found};

use super::draft::{bounded, fits, granted, taken, within};
use super::{ChangedKey, EditKey, Issued, Outcome, REVOKE, ROTATE, Shown, UPDATE, need_on};
use crate::Authority;
use crate::caller::Caller;
use crate::catalog::{Fixed, Product};
use crate::failure::{Failure, Refusal};
use crate::idempotency::Idempotency;

impl Authority {
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
        refuse_fixed(product, &key, &edit)?;
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
            self.permit_owner(caller, key.organization, &key.product, key.owner)
                .await?;
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
    pub(super) async fn overtaken(
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
        // After a key has ended itself it may nothing: it is weighed before.
        let ends_itself =
            caller.key() == Some(id) && matches!(action, Action::KeyDisabled | Action::KeyRevoked);
        let (weighing, whose, needed) = (self.clone(), caller.clone(), need.clone());
        let changed = self
            .store()
            .change(
                caller.actor(),
                now,
                {
                    let (authority, who) = (self.clone(), caller.clone());
                    move |view| {
                        if ends_itself {
                            return Ok(());
                        }
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
                    if ends_itself {
                        let needs = std::slice::from_ref(&needed);
                        weighing.recheck(change, &whose, needs, now, |_, _| Ok(()))?;
                    }
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
}

fn current(change: &mut Change<'_>, id: KeyId) -> Result<Key, Failure> {
    match change.key(id)? {
        Some(Found::Good(key)) => Ok(key),
        Some(Found::Tampered(_)) | None => Err(Refusal::NotFound("key").into()),
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

/// Refuses to change what the product fixes when a key is made; to say it once more is no change.
fn refuse_fixed(product: &Product, key: &Key, edit: &Edit) -> Result<(), Refusal> {
    let name = edit.name.as_ref().is_some_and(|name| *name != key.name);
    let grants = edit
        .grants
        .as_ref()
        .is_some_and(|grants| *grants != key.grants);
    for (fixed, member, changes) in [
        (Fixed::Name, "name", name),
        (Fixed::Grants, "grants", grants),
    ] {
        if changes && product.fixed.contains(&fixed) {
            let why = "keys of this product keep what they were made with; make a new key";
            return Err(Refusal::invalid(member, why));
        }
    }
    Ok(())
}

fn bounded_expiry(product: &Product, created: Instant, edit: &Edit) -> Result<(), Refusal> {
    match edit.expiry {
        None => Ok(()),
        Some(ExpiryChange::Never) => bounded(product.max_lifetime, created, None),
        Some(ExpiryChange::At(at)) => bounded(product.max_lifetime, created, Some(at)),
    }
}

fn detail_overlap(overlap: Span) -> String {
    serde_json::json!({ "overlap_seconds": overlap.seconds() }).to_string()
}
