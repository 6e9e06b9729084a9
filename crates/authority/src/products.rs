//! Products as a caller sees them: everything of the catalog, and the roles that are not above the caller's own.

use std::sync::Arc;

use credential::access::visible_roles;
use credential::id::OrganizationId;
use credential::name::ProductName;
use credential::role::Role;

use crate::Authority;
use crate::caller::{Caller, Need};
use crate::catalog::Product;
use crate::failure::{Failure, Refusal};

pub(crate) const READ: &str = "latchkey.products:read";

/// A product, and what of it the caller may know.
#[derive(Debug, Clone)]
pub struct SeenProduct {
    /// The product; its own list of roles is not for the caller.
    pub product: Arc<Product>,
    /// The built-in roles that the caller may know of, in catalog order.
    pub roles: Vec<Role>,
}

impl Authority {
    /// Every product that the caller may see, by name. An administrator of one product's keys sees that one.
    pub async fn products_seen(&self, caller: &Caller) -> Result<Vec<SeenProduct>, Failure> {
        let mut seen = Vec::new();
        let mut refused = None;
        for product in self.world().products() {
            match self.product_seen(caller, &product.name).await {
                Ok(product) => seen.push(product),
                Err(Failure::Refused(refusal)) => refused = Some(refusal),
                Err(other) => return Err(other),
            }
        }
        match refused {
            Some(refusal) if seen.is_empty() => Err(refusal.into()),
            _ => Ok(seen),
        }
    }

    /// One product.
    pub async fn product_seen(
        &self,
        caller: &Caller,
        name: &ProductName,
    ) -> Result<SeenProduct, Failure> {
        let organization: OrganizationId = caller.organization;
        self.permit(
            caller,
            &Need {
                scope: READ,
                organization,
                product: Some(name.clone()),
            },
        )
        .await?;
        let world = self.world();
        let product = world
            .product(name)
            .ok_or(Refusal::NotFound("product"))?
            .clone();
        let ceiling = self.ceiling(caller, organization).await?;
        let roles = visible_roles(&ceiling, &product.roles).cloned().collect();
        Ok(SeenProduct { product, roles })
    }
}
