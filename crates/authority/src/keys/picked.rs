//! Keys as foreign systems look for them: by the identifier that they have there, and by what only the asker can weigh.

use credential::key::Key;
use credential::name::ProductName;
use store::keys::{KeyFilter, KeyOrder};
use store::{Fault, Found, View};

use super::{MAX_PAGE, READ, place_after};
use crate::Authority;
use crate::caller::{Caller, Need, administers_keys};
use crate::failure::{Failure, Refusal};

/// What was picked from the living keys of a product.
#[derive(Debug)]
pub struct Picked<T> {
    /// What was picked, in the order in which the keys were made.
    pub picked: Vec<T>,
    /// How many keys there are in all.
    pub total: usize,
}

impl Authority {
    /// Shows each living key of a product in the caller's organization that the caller may see to `pick`, and keeps what it
    /// makes of them: at most one small thing per key.
    pub async fn pick_keys<T: Send + 'static>(
        &self,
        caller: &Caller,
        product: &ProductName,
        pick: impl Fn(Key) -> Option<T> + Send + Sync + 'static,
    ) -> Result<Picked<T>, Failure> {
        let organization = caller.organization;
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
        let (others_only, world) = (self.administers_others_only(caller).await?, self.world());
        let read = move |view: &View<'_>| -> Result<Picked<T>, Fault> {
            let (mut picked, mut total, mut after) = (Vec::new(), 0, None);
            loop {
                let page = view.keys_page(&filter, KeyOrder::Oldest, after.as_ref(), MAX_PAGE)?;
                let whole = page.len() == MAX_PAGE;
                let last = place_after(&page);
                for key in page.into_iter().filter_map(Found::good) {
                    if others_only && administers_keys(&world, &key) {
                        continue;
                    }
                    total += 1;
                    picked.extend(pick(key));
                }
                match last {
                    Some(place) if whole => after = Some(place),
                    _ => return Ok(Picked { picked, total }),
                }
            }
        };
        Ok(self.store().view(read).await?)
    }

    /// The living key of a product that has this identifier there, if the caller may see it.
    pub async fn key_called(
        &self,
        caller: &Caller,
        product: &ProductName,
        handle: &str,
    ) -> Result<Key, Failure> {
        let id = self.key_named(handle).await?;
        let key = self
            .key(caller, id.ok_or(Refusal::NotFound("key"))?)
            .await?;
        let there = key.product == *product
            && !key.is_revoked()
            && key.current.handle.as_deref() == Some(handle);
        match there {
            true => Ok(key),
            false => Err(Refusal::NotFound("key").into()),
        }
    }
}
