//! A person's own key of a product: at most one, made when they first ask for a token with their password. It has no secret
//! and is never shown; tokens are issued for it. It is worth what the person is worth now, and ends with them.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use credential::event::{Action, Actor};
use credential::grant::{Grants, Resources, ScopeGrant};
use credential::id::{KeyId, UserId};
use credential::key::{Addresses, Credential, Key, Kind, Maker, Proof, State};
use credential::name::{Comment, Name, ProductName};
use credential::organization::User;
use credential::time::Instant;
use store::change::NO_DETAIL;
use store::keys::{KEY_ID, KeyFilter, KeyOrder};
use store::{Change, Found, View};

use super::MAX_PAGE;
use crate::Authority;
use crate::catalog::Product;
use crate::failure::{Failure, Refusal};
use crate::world::World;

/// What people read in a list of keys.
const NAME: &str = "In person";
const COMMENT: &str = "Tokens that this person buys with their password are issued for it. It has no secret, is worth what \
    the person is worth, and ends with them; to revoke it keeps them from such tokens for good.";

impl Authority {
    /// Makes a person's own key of a product, unless it is there with all that the product has; `actor` is the person.
    pub(crate) async fn make_own_key(
        &self,
        actor: Actor,
        user: &User,
        product: &Product,
        now: Instant,
    ) -> Result<(), Failure> {
        let fresh = own_key(user, product, now)?;
        let home = user.clone();
        // The person is read again under the lock.
        let still_there = move |view: &View<'_>| match view.user(home.id)? {
            Some(Found::Good(user)) if user.active => Ok(()),
            _ => Err(Failure::from(Refusal::Restricted)),
        };
        let changed = self
            .store()
            .change(actor, now, still_there, move |change| {
                match change.key(fresh.id)? {
                    None => change.insert_key(&fresh, false, Action::KeyCreated, NO_DETAIL)?,
                    Some(Found::Good(key)) if key.grants != fresh.grants => {
                        let grants = fresh.grants.clone();
                        let widened = Key { grants, ..key };
                        change.update_key(widened, Action::KeyEdited, NO_DETAIL)?;
                    }
                    Some(_) => {}
                }
                Ok::<(), Failure>(())
            })
            .await;
        let changed = match changed {
            // Of several that make it at once one does, and the others find it made.
            Err(Failure::Fault(fault)) if fault.is_conflict_on(KEY_ID) => {
                return self.poll().await;
            }
            changed => changed?,
        };
        if !changed.subjects.is_empty() {
            self.settle(&changed).await?;
        }
        Ok(())
    }
}

/// The id of a person's own key of a product: it follows from both, so that there is one however many ask at once.
pub(crate) fn own_key_id(user: &User, product: &ProductName) -> KeyId {
    let mut text = b"latchkey own key".to_vec();
    text.extend_from_slice(user.id.as_bytes());
    text.extend_from_slice(product.as_str().as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest(&SHA256, &text).as_ref()[..16]);
    KeyId::mint(user.created_at, bytes)
}

/// It is granted all that the product has, since it is worth no more of that than the person.
pub(crate) fn own_grants(product: &Product) -> Result<Grants, Refusal> {
    let all = product.scopes.keys().map(|scope| ScopeGrant {
        scope: scope.clone(),
        resources: Resources::All,
    });
    Grants::new(Vec::new(), all.collect()).map_err(|error| Refusal::invalid("grants", error))
}

fn own_key(user: &User, product: &Product, now: Instant) -> Result<Key, Refusal> {
    let good = |error: &dyn std::fmt::Display| Refusal::invalid("name", error);
    let name = format!("{NAME}: {}", user.email.as_str());
    let name = Name::new(&name).or_else(|_| Name::new(NAME));
    Ok(Key {
        id: own_key_id(user, &product.name),
        organization: user.organization,
        product: product.name.clone(),
        kind: Kind::Jwt,
        name: name.map_err(|error| good(&error))?,
        comment: Comment::new(COMMENT).map_err(|error| good(&error))?,
        grants: own_grants(product)?,
        addresses: Addresses::default(),
        limits: Vec::new(),
        expires_at: None,
        state: State::Active,
        owner: Some(user.id),
        created_at: now,
        created_by: Maker::User(user.id),
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
    })
}

/// Ends every token that was issued for a person's own keys: the password that bought them is no longer theirs.
pub(crate) fn begin_own_keys_anew(
    change: &mut Change<'_>,
    world: &Arc<World>,
    user: &User,
    now: Instant,
) -> Result<(), Failure> {
    let id: UserId = user.id;
    let filter = KeyFilter {
        owner: Some(id),
        kind: Some(Kind::Jwt),
        unrevoked: true,
        ..KeyFilter::of(user.organization)
    };
    // One key for each product at most: a page holds them all.
    let keys = change.keys_page(&filter, KeyOrder::Oldest, None, MAX_PAGE)?;
    for key in keys.into_iter().filter_map(Found::good) {
        if world.is_own(&key) {
            change.update_key(key.begin_anew(now)?, Action::KeyRotated, NO_DETAIL)?;
        }
    }
    Ok(())
}
