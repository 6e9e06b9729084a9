//! Many keys in one change: one transaction, one number in the feed.

use std::sync::Arc;

use credential::event::Action;
use credential::id::KeyId;
use credential::key::Key;
use store::keys::{KeyFilter, KeyOrder, KeyPlace};
use store::{Fault, Found};

use super::{CREATE, CreateKey, Issued, REVOKE, UPDATE, place_after, within};
use crate::Authority;
use crate::caller::{Caller, Need, administers_keys};
use crate::failure::{Failure, Refusal};

/// The most keys of one bulk change: one transaction holds them all.
pub const MAX_BULK: usize = 1000;

/// What shall become of many keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkAction {
    /// Each is revoked.
    Revoke,
    /// Each is disabled.
    Disable,
    /// Each is enabled.
    Enable,
}

/// What became, or would become, of many keys.
#[derive(Debug)]
pub struct Bulk {
    /// The keys that were changed, or would be.
    pub keys: Vec<KeyId>,
    /// Whether more keys match than one change may hold; ask again.
    pub more: bool,
    /// The number of the change; `None` for a dry run.
    pub revision: Option<i64>,
}

/// Keys that were made together.
pub struct BulkCreated {
    /// In the order of the commands.
    pub issued: Vec<Issued>,
    /// The number of the change.
    pub revision: i64,
}

impl Authority {
    /// Makes many keys of one organization and product, all or none.
    pub async fn create_keys(
        &self,
        caller: &Caller,
        commands: Vec<CreateKey>,
    ) -> Result<BulkCreated, Failure> {
        let Some(first) = commands.first() else {
            return Err(Refusal::invalid("keys", "at least one").into());
        };
        if commands.len() > MAX_BULK {
            return Err(Refusal::invalid("keys", format!("at most {MAX_BULK} at a time")).into());
        }
        let organization = first.organization.unwrap_or(caller.organization);
        let product = first.product.clone();
        let apart = commands.iter().any(|command| {
            command.organization.unwrap_or(caller.organization) != organization
                || command.product != product
        });
        if apart {
            return Err(Refusal::invalid("keys", "all of one organization and one product").into());
        }
        let need = Need {
            scope: CREATE,
            organization,
            product: Some(product),
        };
        self.permit(caller, &need).await?;
        for command in &commands {
            self.permit_owner(caller, organization, &command.product, command.owner)
                .await?;
        }
        let now = self.now();
        let ceiling = self.ceiling(caller, organization).await?;
        let world = self.world();
        let mut drafts = Vec::with_capacity(commands.len());
        for command in commands {
            let draft = self.draft(caller, organization, command, now)?;
            within(&world, &ceiling, &draft.key)?;
            drafts.push(draft);
        }
        let issued = self
            .issue_draft(caller, drafts, need, None, |_| Vec::new(), now)
            .await?;
        let revision = issued.first().map_or(0, |issued| issued.revision);
        Ok(BulkCreated { issued, revision })
    }

    /// Changes every key that the filter finds, up to [`MAX_BULK`]; a dry run only tells which. Keys that are in the
    /// wanted state already are not among them.
    pub async fn change_keys(
        &self,
        caller: &Caller,
        filter: KeyFilter,
        action: BulkAction,
        dry_run: bool,
    ) -> Result<Bulk, Failure> {
        let scope = if action == BulkAction::Revoke {
            REVOKE
        } else {
            UPDATE
        };
        let organization = filter.organization.unwrap_or(caller.organization);
        let filter = KeyFilter {
            organization: Some(organization),
            ..filter
        };
        let need = Need {
            scope,
            organization,
            product: filter.product.clone(),
        };
        self.permit(caller, &need).await?;
        let now = self.now();
        let by = caller.maker;
        let turn = move |key: Key| match action {
            BulkAction::Revoke => key.revoke(by, now),
            BulkAction::Disable => key.disable(by, now),
            BulkAction::Enable => key.enable(),
        };
        // Whom a product lets administer keys does not administer those who do the same.
        let (others_only, known) = (self.administers_others_only(caller).await?, self.world());
        let within_reach = |key: &Key| !(others_only && administers_keys(&known, key));
        let (keys, more) = self.matching(&filter, within_reach, &turn).await?;
        if dry_run || keys.is_empty() {
            let revision = None;
            return Ok(Bulk {
                keys: keys.iter().map(|key| key.id).collect(),
                more,
                revision,
            });
        }
        let world = self.world();
        let ceiling = self.ceiling(caller, organization).await?;
        if action == BulkAction::Enable {
            keys.iter()
                .try_for_each(|key| within(&world, &ceiling, key))?;
        }
        let ids: Arc<[KeyId]> = keys.iter().map(|key| key.id).collect();
        let word = match action {
            BulkAction::Revoke => Action::KeyRevoked,
            BulkAction::Disable => Action::KeyDisabled,
            BulkAction::Enable => Action::KeyEnabled,
        };
        let changed = self
            .store()
            .change(
                caller.actor(),
                now,
                {
                    let (authority, who, ids) = (self.clone(), caller.clone(), Arc::clone(&ids));
                    move |view| {
                        let enabled = match action {
                            BulkAction::Enable => ids
                                .iter()
                                .filter_map(|id| view.key(*id).transpose())
                                .collect(),
                            BulkAction::Revoke | BulkAction::Disable => Ok(Vec::new()),
                        };
                        let enabled: Vec<Found<Key>> = enabled?;
                        authority.recheck(
                            view,
                            &who,
                            std::slice::from_ref(&need),
                            now,
                            |world, ceiling| {
                                enabled.iter().try_for_each(|found| match found {
                                    Found::Good(key) => within(world, ceiling, key),
                                    Found::Tampered(_) => Ok(()),
                                })
                            },
                        )
                    }
                },
                move |change| {
                    let mut turned = Vec::new();
                    for id in ids.iter() {
                        let Some(Found::Good(key)) = change.key(*id)? else {
                            continue;
                        };
                        if let Ok(key) = turn(key) {
                            change.update_key(key, word, "{\"bulk\":true}")?;
                            turned.push(*id);
                        }
                    }
                    Ok::<_, Failure>(turned)
                },
            )
            .await?;
        let revision = Some(self.settle(&changed).await?);
        Ok(Bulk {
            keys: changed.value,
            more,
            revision,
        })
    }

    async fn matching(
        &self,
        filter: &KeyFilter,
        within_reach: impl Fn(&Key) -> bool,
        turn: impl Fn(Key) -> Result<Key, credential::key::Refusal>,
    ) -> Result<(Vec<Key>, bool), Failure> {
        let mut keys = Vec::new();
        let mut after: Option<KeyPlace> = None;
        loop {
            let (filter, place) = (filter.clone(), after.clone());
            let page: Vec<Found<Key>> = self
                .store()
                .view::<_, Fault>(move |view| {
                    view.keys_page(&filter, KeyOrder::Oldest, place.as_ref(), super::MAX_PAGE)
                })
                .await?;
            let full = page.len() == super::MAX_PAGE;
            after = place_after(&page);
            for key in page.into_iter().filter_map(Found::good) {
                if within_reach(&key) && turn(key.clone()).is_ok() {
                    if keys.len() == MAX_BULK {
                        return Ok((keys, true));
                    }
                    keys.push(key);
                }
            }
            if !full || after.is_none() {
                return Ok((keys, false));
            }
        }
    }
}
