//! Subscriptions: what an organization has claimed of what is offered, and what a manager shares of it with those that it
//! manages. They say what was bought; no verdict reads them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::{OrganizationId, SubscriptionId};
use crate::organization::Region;
use crate::time::Instant;

/// The most subscriptions of one organization: some kilobytes each, in one row.
pub const MAX_SUBSCRIPTIONS: usize = 100;
/// The most entitlements that one call shares: more than any offer has.
pub const MAX_SHARED: usize = 100;
/// The longest name of an instance that is used further, in bytes: identifiers are shorter.
pub const MAX_INSTANCE: usize = 200;

/// What can be claimed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// What claims it: whoever knows the code may.
    pub code: String,
    /// For people.
    pub name: String,
    /// Since when it is offered, in seconds since 1970.
    pub since: i64,
    /// Whether it is to be tried, and not bought.
    #[serde(default)]
    pub trial: bool,
    /// What is in it.
    pub products: Vec<OfferedProduct>,
}

/// A product in an offer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferedProduct {
    /// Its identifier, for good.
    pub id: String,
    /// For people.
    pub name: String,
    /// How much of what may be used.
    pub entitlements: Vec<Entitlement>,
    /// Where it can be used; never empty.
    pub regions: Vec<Region>,
}

/// So many of something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entitlement {
    /// Of what: the seller's identifier.
    pub id: String,
    /// For people.
    pub name: String,
    /// How many.
    pub quantity: u32,
}

/// What was claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its identifier, for good.
    pub id: SubscriptionId,
    /// Who claimed it.
    pub organization: OrganizationId,
    /// The code that it was claimed by.
    pub code: String,
    /// When.
    pub claimed_at: Instant,
    /// Whether it is to be tried, and not bought.
    pub trial: bool,
    /// What is in it.
    pub products: Vec<Held>,
    /// What managed organizations have of it.
    #[serde(default)]
    pub shared: BTreeMap<OrganizationId, Share>,
}

/// A product that was claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its identifier.
    pub id: String,
    /// For people.
    pub name: String,
    /// How much of what may be used.
    pub entitlements: Vec<Entitlement>,
    /// Where it can be used.
    pub regions: Vec<Region>,
    /// Whether it is in use.
    pub active: bool,
    /// Where it is used, or was.
    pub region: Option<Region>,
    /// The instance that there was before, where one is used further.
    pub instance: Option<String>,
}

/// What a managed organization has of a subscription of its manager.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Share {
    /// How many of each entitlement.
    pub quantities: BTreeMap<String, u32>,
    /// The products for which the organization goes on with an instance of its own.
    pub own_instances: BTreeSet<String>,
}

/// How a product is taken into use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The product.
    pub product: String,
    /// Where; `None` is where it was before, or the first place that is allowed.
    pub region: Option<Region>,
    /// The instance that there is already.
    pub instance: Option<String>,
}

/// Why a subscription cannot be as it was wished.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSubscription {
    /// The product is not in it.
    #[error("the product {0} is not in it")]
    Product(String),
    /// The product is not to be had there.
    #[error("{product} is not to be had in {region}")]
    Place {
        /// The product.
        product: String,
        /// Where it was wanted.
        region: String,
    },
    /// No such name of an instance.
    #[error("an instance is named by 1 to {MAX_INSTANCE} characters")]
    Instance,
    /// Nothing, or too much at once.
    #[error("expected 1 to {MAX_SHARED} entitlements")]
    Count,
    /// The entitlement is not in it.
    #[error("the entitlement {0} is not in it")]
    Entitlement(String),
    /// More than there is.
    #[error("of {id} there are {left} left")]
    Quantity {
        /// Of what.
        id: String,
        /// How many nobody else has.
        left: u32,
    },
}

impl Offer {
    /// Claims it. Products that are placed are in use from then on, the others can be taken into use later.
    pub fn claim(
        &self,
        id: SubscriptionId,
        organization: OrganizationId,
        placements: &[Placement],
        now: Instant,
    ) -> Result<Subscription, BadSubscription> {
        let held = |offered: &OfferedProduct| Held {
            id: offered.id.clone(),
            name: offered.name.clone(),
            entitlements: offered.entitlements.clone(),
            regions: offered.regions.clone(),
            active: false,
            region: None,
            instance: None,
        };
        let mut claimed = Subscription {
            id,
            organization,
            code: self.code.clone(),
            claimed_at: now,
            trial: self.trial,
            products: self.products.iter().map(held).collect(),
            shared: BTreeMap::new(),
        };
        for placement in placements {
            claimed = claimed.activate(placement)?;
        }
        Ok(claimed)
    }
}

impl Subscription {
    /// The same with a product in use.
    pub fn activate(mut self, placement: &Placement) -> Result<Self, BadSubscription> {
        let product = self.product(&placement.product)?;
        let region = placement.region.clone();
        let region = region
            .or_else(|| product.region.clone())
            .or_else(|| product.regions.first().cloned());
        if let Some(wanted) = &region
            && !product.regions.contains(wanted)
        {
            return Err(BadSubscription::Place {
                product: product.id.clone(),
                region: wanted.as_str().to_owned(),
            });
        }
        if let Some(instance) = &placement.instance {
            if instance.is_empty() || instance.len() > MAX_INSTANCE {
                return Err(BadSubscription::Instance);
            }
            product.instance = Some(instance.clone());
        }
        product.region = region;
        product.active = true;
        Ok(self)
    }

    /// The same with a product out of use; where it was used stays known.
    pub fn deactivate(mut self, product: &str) -> Result<Self, BadSubscription> {
        self.product(product)?.active = false;
        Ok(self)
    }

    /// The same with these quantities for a managed organization, in place of those that it had of the same entitlements.
    /// All together have at most what was claimed.
    pub fn share(
        mut self,
        with: OrganizationId,
        quantities: &BTreeMap<String, u32>,
        own_instances: &BTreeSet<String>,
    ) -> Result<Self, BadSubscription> {
        if quantities.is_empty() || quantities.len() > MAX_SHARED {
            return Err(BadSubscription::Count);
        }
        for product in own_instances {
            self.product(product)?;
        }
        for (id, wanted) in quantities {
            let claimed = self.entitlements().find(|one| one.id == *id);
            let claimed = claimed.ok_or_else(|| BadSubscription::Entitlement(id.clone()))?;
            let others = self.shared.iter().filter(|(other, _)| **other != with);
            let taken = others
                .filter_map(|(_, share)| share.quantities.get(id))
                .fold(0_u32, |sum, one| sum.saturating_add(*one));
            let left = claimed.quantity.saturating_sub(taken);
            if *wanted > left {
                return Err(BadSubscription::Quantity {
                    id: id.clone(),
                    left,
                });
            }
        }
        let share = self.shared.entry(with).or_default();
        share.quantities.extend(quantities.clone());
        share.quantities.retain(|_, quantity| *quantity > 0);
        share.own_instances.extend(own_instances.clone());
        if share.quantities.is_empty() {
            self.shared.remove(&with);
        }
        Ok(self)
    }

    /// What an organization sees of it: whoever claimed it everything, whom it is shared with their part, others nothing.
    pub fn seen_by(&self, organization: OrganizationId) -> Option<Self> {
        if organization == self.organization {
            return Some(self.clone());
        }
        let share = self.shared.get(&organization)?;
        let part = |product: &Held| {
            let mut part = product.clone();
            part.instance = None;
            part.entitlements
                .retain(|one| share.quantities.contains_key(&one.id));
            for one in &mut part.entitlements {
                one.quantity = share.quantities.get(&one.id).copied().unwrap_or_default();
            }
            part
        };
        let products = self.products.iter().map(part);
        Some(Self {
            products: products
                .filter(|product| !product.entitlements.is_empty())
                .collect(),
            shared: BTreeMap::new(),
            code: String::new(),
            ..self.clone()
        })
    }

    fn product(&mut self, id: &str) -> Result<&mut Held, BadSubscription> {
        let mut products = self.products.iter_mut();
        let product = products.find(|product| product.id == id);
        product.ok_or_else(|| BadSubscription::Product(id.to_owned()))
    }

    fn entitlements(&self) -> impl Iterator<Item = &Entitlement> {
        self.products
            .iter()
            .flat_map(|product| &product.entitlements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_used_where_it_is_to_be_had() {
        let check = |region: Option<&str>, expected: Result<&str, &str>| {
            let placed = claim(&[placement("firewall", region)]);
            let got = placed
                .as_ref()
                .map(|held| held.products[0].region.as_ref().unwrap().as_str());
            assert_eq!(
                got.map_err(ToString::to_string),
                expected.map_err(str::to_owned),
                "{region:?}"
            );
        };
        check(None, Ok("NAM"));
        check(Some("EMEA"), Ok("EMEA"));
        check(Some("APJC"), Err("firewall is not to be had in APJC"));
        assert_eq!(
            claim(&[placement("router", None)]),
            Err(BadSubscription::Product("router".to_owned()))
        );
    }

    #[test]
    fn what_is_not_placed_is_taken_into_use_later_and_out_of_it_again() {
        let claimed = claim(&[]).unwrap();
        assert!(!claimed.products[0].active);
        let used = claimed
            .activate(&placement("firewall", Some("EMEA")))
            .unwrap();
        assert!(used.products[0].active);
        let out = used.deactivate("firewall").unwrap();
        assert!(!out.products[0].active);
        // It comes back where it was.
        let back = out.activate(&placement("firewall", None)).unwrap();
        assert_eq!(back.products[0].region, Region::new("EMEA").ok());
        assert!(back.deactivate("router").is_err());
    }

    #[test]
    fn all_together_have_at_most_what_was_claimed() {
        let [one, other] = [2, 3].map(|byte| OrganizationId::from_bytes([byte; 16]));
        let wanted = |count| BTreeMap::from([("FW".to_owned(), count)]);
        let none = BTreeSet::new();
        let shared = claim(&[]).unwrap().share(one, &wanted(7), &none).unwrap();
        let left = |id: &str, left| {
            Err(BadSubscription::Quantity {
                id: id.to_owned(),
                left,
            })
        };
        assert_eq!(
            shared.clone().share(other, &wanted(4), &none),
            left("FW", 3)
        );
        assert_eq!(
            shared.clone().share(one, &wanted(11), &none),
            left("FW", 10)
        );
        let shared = shared.share(other, &wanted(3), &none).unwrap();
        let part = shared.seen_by(other).unwrap();
        assert_eq!(part.products[0].entitlements[0].quantity, 3);
        assert_eq!((part.shared.len(), part.code.as_str()), (0, ""));
        // Nothing of it is no share any more.
        let back = shared.share(other, &wanted(0), &none).unwrap();
        assert_eq!(back.seen_by(other), None);
        assert_eq!(
            back.clone().share(one, &BTreeMap::new(), &none),
            Err(BadSubscription::Count)
        );
        let unknown = BTreeMap::from([("XX".to_owned(), 1)]);
        assert!(back.share(one, &unknown, &none).is_err());
    }

    fn placement(product: &str, region: Option<&str>) -> Placement {
        Placement {
            product: product.to_owned(),
            region: region.map(|code| Region::new(code).unwrap()),
            instance: None,
        }
    }

    fn claim(placements: &[Placement]) -> Result<Subscription, BadSubscription> {
        let offer = Offer {
            code: "CODE".to_owned(),
            name: "An offer".to_owned(),
            since: 0,
            trial: false,
            products: vec![OfferedProduct {
                id: "firewall".to_owned(),
                name: "Firewall".to_owned(),
                entitlements: vec![Entitlement {
                    id: "FW".to_owned(),
                    name: "Firewalls".to_owned(),
                    quantity: 10,
                }],
                regions: ["NAM", "EMEA"]
                    .map(|code| Region::new(code).unwrap())
                    .to_vec(),
            }],
        };
        offer.claim(
            SubscriptionId::from_bytes([9; 16]),
            OrganizationId::from_bytes([1; 16]),
            placements,
            Instant::from_millis(0),
        )
    }
}
