//! Who may ask about other people's credentials, and about whose.

use std::fmt;
use std::sync::LazyLock;

use credential::access::{Allowed, ORGANIZATION_KIND};
use credential::grant::Resources;
use credential::id::OrganizationId;
use credential::scope::{BadScope, Scope};

use crate::Authority;
use crate::catalog::LATCHKEY;
use crate::failure::{Failure, Refusal};
use crate::limits::Spent;
use crate::verify::{Question, Valid};
use crate::world::World;

/// What lets ask whether credentials are good.
static VERIFY: Needed = LazyLock::new(|| Scope::new("latchkey.verify"));
/// What lets ask about tokens.
static INTROSPECT: Needed = LazyLock::new(|| Scope::new("latchkey.introspect"));
/// What lets ask on behalf of a gateway.
static GATEWAY: Needed = LazyLock::new(|| Scope::new("latchkey.gateway"));

type Needed = LazyLock<Result<Scope, BadScope>>;

/// Somebody who may ask whether credentials are good: of its own organization, and of those that its key lists.
pub struct Asker {
    valid: Valid,
    scope: &'static Scope,
    /// Whether the scope is held for everything, so that the own organization needs no listing.
    everywhere: bool,
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Asker({})", self.valid.live.key.id)
    }
}

impl Authority {
    /// Finds who asks, by its own credential: a key of product `latchkey` with the scope `latchkey.verify`.
    pub async fn asker(&self, question: &Question<'_>) -> Result<Asker, Failure> {
        self.asker_holding(question, &VERIFY).await
    }

    /// Finds who asks about tokens: a key of product `latchkey` with the scope `latchkey.introspect`.
    pub async fn introspector(&self, question: &Question<'_>) -> Result<Asker, Failure> {
        self.asker_holding(question, &INTROSPECT).await
    }

    /// Finds the gateway that asks: a key of product `latchkey` with the scope `latchkey.gateway`.
    pub async fn gateway(&self, question: &Question<'_>) -> Result<Asker, Failure> {
        self.asker_holding(question, &GATEWAY).await
    }

    async fn asker_holding(
        &self,
        question: &Question<'_>,
        needed: &'static Needed,
    ) -> Result<Asker, Failure> {
        let scope = needed
            .as_ref()
            .map_err(|bad| Refusal::Conflict(bad.to_string()))?;
        let valid = self
            .verify(question)
            .await?
            .verdict
            .map_err(Refusal::Unauthenticated)?;
        let missing = || Refusal::Forbidden {
            scope: scope.as_str().to_owned(),
        };
        if valid.live.key.product.as_str() != LATCHKEY {
            return Err(missing().into());
        }
        match valid.rights().allows(scope, None) {
            Allowed::Yes => Ok(Asker {
                valid,
                scope,
                everywhere: true,
            }),
            Allowed::ResourceNotAllowed => Ok(Asker {
                valid,
                scope,
                everywhere: false,
            }),
            Allowed::MissingScope => Err(missing().into()),
        }
    }
}

impl Asker {
    /// How the limits of its own key stand after asking.
    pub fn limits(&self) -> &[Spent] {
        &self.valid.limits
    }

    /// Whether this one may ask about credentials of the organization. Of another than its own only by name, and
    /// only where its own administers it: a list that somebody wrote gives no more than the writer had.
    pub(crate) fn may_ask(&self, world: &World, organization: OrganizationId) -> bool {
        let own = self.valid.live.key.organization;
        if own == organization && self.everywhere {
            return true;
        }
        let there = format!("{ORGANIZATION_KIND}:{organization}");
        let listed = |resources: &&Resources| {
            matches!(resources, Resources::Listed(_)) && resources.reach(Some(&there))
        };
        self.valid.rights().reach(self.scope).iter().any(listed)
            && world.administers(own, organization)
    }
}
