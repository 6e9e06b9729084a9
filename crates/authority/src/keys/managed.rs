//! Keys as somebody sees them who administers the keys of one product.

use std::collections::HashMap;

use credential::id::{KeyId, OrganizationId};
use credential::key::Key;
use credential::name::ProductName;
use credential::time::Instant;
use store::keys::{KeyFilter, KeyOrder};
use store::{Fault, Found};

use super::{MAX_PAGE, READ, place_after};
use crate::Authority;
use crate::caller::{Caller, Need, administers_keys};
use crate::failure::Failure;

/// Living families of one key that are looked at; a key has one.
const MAX_FAMILIES: usize = 10;

/// A stretch of the keys that somebody manages.
#[derive(Debug, Default)]
pub struct Managed {
    /// The keys, in the order in which they were made.
    pub keys: Vec<Key>,
    /// How many there are in all.
    pub total: usize,
}

/// How the tokens of a key stand that has a pair of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// When the latest pair was made by a refresh token; `None` where it is the first.
    pub refreshed_at: Option<Instant>,
    /// The access token is good before this moment.
    pub access_until: Instant,
    /// The refresh token is good before this moment.
    pub refresh_until: Instant,
}

impl Authority {
    /// The living keys of a product in an organization, where the product says so only those that administer no
    /// keys themselves: `limit` of them, at most [`MAX_PAGE`], after the first `offset`. To say how many there are, it reads them all.
    pub async fn managed_keys(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        product: &ProductName,
        offset: usize,
        limit: usize,
    ) -> Result<Managed, Failure> {
        let need = Need {
            scope: READ,
            organization,
            product: Some(product.clone()),
        };
        self.permit(caller, &need).await?;
        let filter = KeyFilter {
            product: Some(product.clone()),
            unrevoked: true,
            ..KeyFilter::of(organization)
        };
        let others_only = self.administers_others_only(caller).await?;
        let (world, limit) = (self.world(), limit.min(MAX_PAGE));
        let read = move |view: &store::View<'_>| -> Result<Managed, Fault> {
            let mut managed = Managed::default();
            let mut after = None;
            loop {
                let page = view.keys_page(&filter, KeyOrder::Oldest, after.as_ref(), MAX_PAGE)?;
                let whole = page.len() == MAX_PAGE;
                let last = place_after(&page);
                for key in page.into_iter().filter_map(Found::good) {
                    // A person's own key is theirs, and none of those that are administered.
                    let beyond = others_only && administers_keys(&world, &key);
                    if beyond || world.is_own(&key) {
                        continue;
                    }
                    if managed.total >= offset && managed.keys.len() < limit {
                        managed.keys.push(key);
                    }
                    managed.total += 1;
                }
                match last {
                    Some(place) if whole => after = Some(place),
                    _ => return Ok(managed),
                }
            }
        };
        Ok(self.store().view(read).await?)
    }

    /// When keys were last used, as far as it is written; a key that never was is not in the answer. At most [`MAX_PAGE`]
    /// keys are looked at.
    pub async fn last_used(&self, keys: &[KeyId]) -> Result<HashMap<KeyId, Instant>, Failure> {
        let keys: Vec<KeyId> = keys.iter().take(MAX_PAGE).copied().collect();
        let read = move |view: &store::View<'_>| -> Result<HashMap<KeyId, Instant>, Fault> {
            let mut used = HashMap::new();
            for key in keys {
                let uses = view.usage_of(key, MAX_PAGE)?;
                if let Some(latest) = uses.iter().map(|usage| usage.last_used_at).max() {
                    used.insert(key, latest);
                }
            }
            Ok(used)
        };
        Ok(self.store().view(read).await?)
    }

    /// How the pairs of keys stand; a key whose tokens were ended is not in the answer. At most [`MAX_PAGE`] keys are looked
    /// at.
    pub async fn pairs(&self, keys: &[KeyId]) -> Result<HashMap<KeyId, Pair>, Failure> {
        let keys: Vec<KeyId> = keys.iter().take(MAX_PAGE).copied().collect();
        let read = move |view: &store::View<'_>| -> Result<HashMap<KeyId, Pair>, Fault> {
            let mut pairs = HashMap::new();
            for key in keys {
                let families = view.live_families_of(key, MAX_FAMILIES)?;
                let latest = families
                    .into_iter()
                    .filter_map(Found::good)
                    .max_by_key(|family| family.rotated_at);
                if let Some(family) = latest {
                    let pair = Pair {
                        refreshed_at: (family.generation > 0).then_some(family.rotated_at),
                        access_until: family.rotated_at + family.access_life,
                        refresh_until: family.refresh_until,
                    };
                    pairs.insert(key, pair);
                }
            }
            Ok(pairs)
        };
        Ok(self.store().view(read).await?)
    }
}
