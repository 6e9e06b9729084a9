//! For whom the limits of a product are others than its catalog says.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use credential::id::OrganizationId;
use credential::key::Key;
use credential::limit::{BadLimit, Limit};
use credential::name::ProductName;

use crate::Authority;
use crate::catalog::{Per, Product, ProductLimit};
use crate::settings::ProductLimits;

/// The exceptions of the settings, as spending needs them.
#[derive(Default)]
pub(crate) struct Exceptions {
    exempt: HashSet<String>,
    limits: HashMap<OrganizationId, HashMap<ProductName, Vec<ProductLimit>>>,
}

/// An exception that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum BadException {
    /// There is no such product, or its keys share no window in an organization.
    #[error(
        "product_limits.organizations.{organization}.{product}: its keys share no limit in an organization"
    )]
    NothingShared {
        /// Whose exception it is.
        organization: OrganizationId,
        /// What it names.
        product: String,
    },
    /// The quota is none.
    #[error("product_limits.organizations.{organization}.{product}: {why}")]
    Quota {
        /// Whose exception it is.
        organization: OrganizationId,
        /// For which product.
        product: String,
        /// What is wrong with it.
        why: BadLimit,
    },
}

impl Exceptions {
    pub(crate) fn new(
        settings: &ProductLimits,
        products: &[Arc<Product>],
    ) -> Result<Self, BadException> {
        let mut limits: HashMap<_, HashMap<_, _>> = HashMap::new();
        for (organization, quotas) in &settings.organizations {
            for (name, quota) in quotas {
                let shared = |limit: &ProductLimit| limit.per == Per::Organization;
                let product = products
                    .iter()
                    .find(|product| product.name.as_str() == name)
                    .filter(|product| product.limits.iter().any(shared));
                let product = product.ok_or_else(|| BadException::NothingShared {
                    organization: *organization,
                    product: name.clone(),
                })?;
                let others = with_quota(product, *quota).map_err(|why| BadException::Quota {
                    organization: *organization,
                    product: name.clone(),
                    why,
                })?;
                let of = limits.entry(*organization).or_default();
                of.insert(product.name.clone(), others);
            }
        }
        let exempt = settings.exempt.clone();
        Ok(Self { exempt, limits })
    }

    /// What limits a key of the product, besides its own limits.
    pub(super) fn limits<'a>(&'a self, key: &Key, product: &'a Product) -> &'a [ProductLimit] {
        if self.exempts(key) {
            return &[];
        }
        let others = self.limits.get(&key.organization);
        others
            .and_then(|of| of.get(&product.name))
            .unwrap_or(&product.limits)
    }

    fn exempts(&self, key: &Key) -> bool {
        if self.exempt.is_empty() {
            return false;
        }
        let named = key.current.handle.as_ref();
        named.is_some_and(|handle| self.exempt.contains(handle))
            || self.exempt.contains(&key.id.to_string())
    }
}

/// The product's limits, with another quota where an organization shares them.
fn with_quota(product: &Product, quota: u64) -> Result<Vec<ProductLimit>, BadLimit> {
    let other = |limit: &ProductLimit| -> Result<ProductLimit, BadLimit> {
        if limit.per != Per::Organization {
            return Ok(limit.clone());
        }
        let windows = limit.windows.iter();
        let windows = windows.map(|window| Limit::new(window.name(), quota, window.window()));
        Ok(ProductLimit {
            windows: windows.collect::<Result<_, _>>()?,
            ..limit.clone()
        })
    };
    product.limits.iter().map(other).collect()
}

impl ProductLimits {
    /// Whether the products have the limits from which these are exceptions.
    pub fn fit(&self, products: &[Arc<Product>]) -> Result<(), BadException> {
        Exceptions::new(self, products).map(drop)
    }
}

impl Authority {
    /// Puts other exceptions from product limits in the place of those that hold. What was counted stays counted.
    pub fn except_limits(&self, exceptions: &ProductLimits) -> Result<(), BadException> {
        let exceptions = Exceptions::new(exceptions, &self.products())?;
        self.0.exceptions.store(Arc::new(exceptions));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_from_what_is_not_there_is_refused() {
        let products: Vec<_> = Product::built_in()
            .unwrap()
            .into_iter()
            .map(Arc::new)
            .collect();
        let check = |product: &str, quota: u64, expected: &str| {
            let of = HashMap::from([(product.to_owned(), quota)]);
            let settings = ProductLimits {
                exempt: HashSet::new(),
                organizations: HashMap::from([(OrganizationId::from_bytes([1; 16]), of)]),
            };
            let told = settings
                .fit(&products)
                .map_or_else(|bad| bad.to_string(), |()| "good".to_owned());
            assert!(told.contains(expected), "{product}: {told}");
        };
        check("threat_response", 3, "good");
        check("threat_response", 0, "a quota is from 1");
        check("sample", 3, "share no limit");
        check("nothing", 3, "share no limit");
    }

    #[test]
    fn only_what_an_organization_shares_has_another_quota() {
        let products = Product::built_in().unwrap();
        let product = products
            .iter()
            .find(|product| product.name.as_str() == "threat_response")
            .unwrap();
        let others = with_quota(product, 3).unwrap();
        for (other, limit) in others.iter().zip(&product.limits) {
            let shared = limit.per == Per::Organization;
            let quota = |limit: &ProductLimit| limit.windows[0].quota();
            assert_eq!(
                quota(other),
                if shared { 3 } else { quota(limit) },
                "{}",
                limit.name
            );
            assert_eq!(other.windows[0].window(), limit.windows[0].window());
        }
    }
}
