//! What an organization has claimed of what is offered for a product: one row per organization and product.

use std::collections::{BTreeMap, BTreeSet};

use credential::id::{OrganizationId, SubscriptionId};
use credential::name::ProductName;
use credential::subscription::{
    BadSubscription, MAX_SUBSCRIPTIONS, Offer, Placement, Subscription,
};
use serde_json::json;
use store::settings::Setting;
use store::{Change, Fault, Found, View};

use super::settings::{READ, WRITE};
use crate::Authority;
use crate::act::{Done, gives_nothing};
use crate::caller::{Caller, Need};
use crate::failure::{Failure, Refusal};

/// How the names of the rows begin.
const PREFIX: &str = "subscriptions:";

/// What shall become of a product that was claimed.
#[derive(Debug, Clone)]
pub enum Turn {
    /// It is taken into use.
    On(Placement),
    /// It is taken out of use.
    Off(String),
}

impl Authority {
    /// What an organization has claimed, and what its manager shares with it, in the order in which it was claimed.
    pub async fn subscriptions(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        product: &ProductName,
    ) -> Result<Vec<Subscription>, Failure> {
        self.permit(caller, &need(READ, organization, product))
            .await?;
        let world = self.world();
        let known = world.organization(organization);
        let manager = known.and_then(|known| known.parent);
        let product = product.clone();
        let read = move |view: &View<'_>| -> Result<_, Fault> {
            let own = claimed(view, organization, &product)?;
            let shared = manager
                .map(|manager| claimed(view, manager, &product))
                .transpose()?;
            Ok((own, shared))
        };
        let (own, shared) = self.store().view(read).await?;
        let shared = match shared {
            Some(found) => found.genuine()?,
            None => Vec::new(),
        };
        let all = own.genuine()?.into_iter().chain(shared);
        let mut seen: Vec<Subscription> = all.filter_map(|one| one.seen_by(organization)).collect();
        seen.sort_by_key(|one| one.id);
        Ok(seen)
    }

    /// Claims an offer, once for each organization.
    pub async fn claim(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        product: &ProductName,
        offer: &Offer,
        placements: &[Placement],
    ) -> Result<Done<Subscription>, Failure> {
        let now = self.now();
        let id = SubscriptionId::mint(now, self.entropy().draw()?);
        let claimed = offer
            .claim(id, organization, placements, now)
            .map_err(wrong)?;
        let needs = vec![need(WRITE, organization, product)];
        let said = json!({"subscription": id, "claimed": true}).to_string();
        self.change_claims(
            caller,
            needs,
            organization,
            product.clone(),
            said,
            move |all| {
                if all.iter().any(|one| one.code == claimed.code) {
                    return Err(Refusal::Conflict("it was claimed already".to_owned()));
                }
                if all.len() == MAX_SUBSCRIPTIONS {
                    return Err(Refusal::Conflict(format!(
                        "an organization has at most {MAX_SUBSCRIPTIONS} subscriptions"
                    )));
                }
                all.push(claimed.clone());
                Ok(claimed.clone())
            },
        )
        .await
    }

    /// Takes a product that the organization itself has claimed into use, or out of it.
    pub async fn turn_claimed(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        product: &ProductName,
        id: SubscriptionId,
        turn: Turn,
    ) -> Result<Done<Subscription>, Failure> {
        let needs = vec![need(WRITE, organization, product)];
        let said = match &turn {
            Turn::On(placement) => json!({"subscription": id, "activated": placement.product}),
            Turn::Off(product) => json!({"subscription": id, "deactivated": product}),
        };
        self.change_claims(
            caller,
            needs,
            organization,
            product.clone(),
            said.to_string(),
            move |all| {
                let one = with_id(all, id)?;
                let turned = match &turn {
                    Turn::On(placement) => one.clone().activate(placement),
                    Turn::Off(product) => one.clone().deactivate(product),
                };
                *one = turned.map_err(wrong)?;
                Ok(one.clone())
            },
        )
        .await
    }

    /// Gives a managed organization a part of what its manager has claimed. The caller must administer both.
    pub async fn share_claimed(
        &self,
        caller: &Caller,
        managed: OrganizationId,
        product: &ProductName,
        id: SubscriptionId,
        quantities: BTreeMap<String, u32>,
        own_instances: BTreeSet<String>,
    ) -> Result<Done<Subscription>, Failure> {
        let here = need(WRITE, managed, product);
        self.permit(caller, &here).await?;
        let world = self.world();
        let known = world.organization(managed);
        let manager = known.and_then(|known| known.parent).ok_or_else(|| {
            let why = "a part of a subscription is shared with an organization that is managed";
            Refusal::invalid("organization", why)
        })?;
        let needs = vec![need(WRITE, manager, product), here];
        let said = json!({"subscription": id, "shared_with": managed}).to_string();
        self.change_claims(caller, needs, manager, product.clone(), said, move |all| {
            let one = with_id(all, id)?;
            let shared = one.clone().share(managed, &quantities, &own_instances);
            *one = shared.map_err(wrong)?;
            // Who has nothing of it any more is told what there was to have.
            Ok(one.seen_by(managed).unwrap_or_else(|| Subscription {
                products: Vec::new(),
                shared: BTreeMap::new(),
                code: String::new(),
                ..one.clone()
            }))
        })
        .await
    }

    async fn change_claims(
        &self,
        caller: &Caller,
        needs: Vec<Need>,
        organization: OrganizationId,
        product: ProductName,
        said: String,
        change_all: impl Fn(&mut Vec<Subscription>) -> Result<Subscription, Refusal> + Send + 'static,
    ) -> Result<Done<Subscription>, Failure> {
        let body = move |change: &mut Change<'_>| -> Result<Subscription, Failure> {
            let found = claimed(change, organization, &product)?;
            let version = found.version();
            let mut all = found.genuine()?;
            let value = change_all(&mut all)?;
            let text =
                serde_json::to_string(&all).map_err(|error| Fault::Shape(error.to_string()))?;
            let setting = Setting {
                name: name(&product),
                organization: Some(organization),
                value: text,
                version,
            };
            change.put_setting(setting, &said)?;
            Ok(value)
        };
        self.act(caller, needs, gives_nothing, body).await
    }
}

/// The row of an organization.
enum Claimed {
    /// What it says, and its version.
    Genuine(Vec<Subscription>, i64),
    /// It was edited by hand: nobody knows what was claimed.
    Tampered,
}

impl Claimed {
    fn genuine(self) -> Result<Vec<Subscription>, Refusal> {
        match self {
            Claimed::Genuine(all, _) => Ok(all),
            Claimed::Tampered => Err(Refusal::Conflict(
                "what was claimed was changed by other means than this server".to_owned(),
            )),
        }
    }

    fn version(&self) -> i64 {
        match self {
            Claimed::Genuine(_, version) => *version,
            Claimed::Tampered => 0,
        }
    }
}

fn claimed(
    view: &View<'_>,
    organization: OrganizationId,
    product: &ProductName,
) -> Result<Claimed, Fault> {
    Ok(match view.setting(&name(product), Some(organization))? {
        None => Claimed::Genuine(Vec::new(), 0),
        Some(Found::Tampered(_)) => Claimed::Tampered,
        Some(Found::Good(setting)) => {
            let all = serde_json::from_str(&setting.value);
            let all = all.map_err(|error| Fault::Shape(error.to_string()))?;
            Claimed::Genuine(all, setting.version)
        }
    })
}

fn with_id(all: &mut [Subscription], id: SubscriptionId) -> Result<&mut Subscription, Refusal> {
    let found = all.iter_mut().find(|one| one.id == id);
    found.ok_or(Refusal::NotFound("subscription"))
}

fn name(product: &ProductName) -> String {
    format!("{PREFIX}{}", product.as_str())
}

fn wrong(bad: BadSubscription) -> Refusal {
    let member = match &bad {
        BadSubscription::Product(_) => "product",
        BadSubscription::Place { .. } => "region",
        BadSubscription::Instance => "instance",
        BadSubscription::Count
        | BadSubscription::Entitlement(_)
        | BadSubscription::Quantity { .. } => "entitlements",
    };
    Refusal::invalid(member, bad)
}

fn need(scope: &'static str, organization: OrganizationId, product: &ProductName) -> Need {
    Need {
        scope,
        organization,
        product: Some(product.clone()),
    }
}
