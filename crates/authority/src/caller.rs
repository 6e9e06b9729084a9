//! Who asks for a change, and what they may.
//!
//! A caller's rights are weighed twice: at the door, against what this replica has at hand, and inside the
//! transaction of the change, against the rows as they then are. A credential that was revoked while its request was
//! under way changes nothing.

mod weigh;

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use credential::access::{Allowed, Ceiling, ORGANIZATION_KIND, Rights};
use credential::event::Actor;
use credential::id::{FamilyId, KeyId, OrganizationId, RoleId, SessionId, TokenId, UserId};
use credential::key::{Ask, Key, Maker, Verdict, decide};
use credential::organization::User;
use credential::role::ProductName;
use credential::scope::Scope;
use credential::time::Instant;
use store::{Fault, Found, View};

use crate::Authority;
use crate::catalog::{Administrators, LATCHKEY};
use crate::failure::{Failure, Refusal};
use crate::verify::{Form, Question, Valid};
use crate::world::World;

pub(crate) use weigh::{administered_among, administers_keys, named, stands_for};
use weigh::{ceiling_of, permitted, permitted_person, rights_of};

/// Somebody whose credential was found good, and what came with the request.
#[derive(Clone)]
pub struct Caller {
    /// Who it is, as changes record it.
    pub maker: Maker,
    /// The organization that they act in: their own, or the one that their token acts for.
    pub organization: OrganizationId,
    /// Where the request comes from.
    pub address: Option<IpAddr>,
    /// The request's id, for the audit trail.
    pub request_id: String,
    power: Power,
}

#[derive(Clone)]
enum Power {
    /// Whoever holds the server's shell.
    Shell,
    /// A key, what the presented credential carries of its rights, and what that credential is.
    Key {
        id: KeyId,
        product: ProductName,
        carried: Option<Arc<Rights>>,
        by: By,
        /// The key's own organization.
        home: OrganizationId,
    },
    /// A person who is signed in, their session, and the organization that they belong to, wherever they act.
    Person {
        id: UserId,
        session: SessionId,
        home: OrganizationId,
    },
}

/// What was presented: it may end before its key does.
#[derive(Clone, Copy)]
enum By {
    /// The key's own secret, of this generation.
    Secret(u32),
    /// A token of a family.
    Family(FamilyId),
    /// A token that was issued for the secret of a generation.
    Token(TokenId, u32),
    /// The secret that the change itself replaces, which its body looks at.
    Replaced,
}

impl Caller {
    /// Whoever holds the server's shell: may everything, in the given organization.
    pub fn shell(organization: OrganizationId) -> Self {
        Self {
            maker: Maker::System,
            organization,
            address: None,
            request_id: String::new(),
            power: Power::Shell,
        }
    }

    /// A person who is signed in; what they may is what their roles are worth when it is asked.
    pub(crate) fn person(
        user: &User,
        session: SessionId,
        address: Option<IpAddr>,
        request_id: &str,
    ) -> Self {
        Self {
            maker: Maker::User(user.id),
            organization: user.organization,
            address,
            request_id: request_id.to_owned(),
            power: Power::Person {
                id: user.id,
                session,
                home: user.organization,
            },
        }
    }

    /// Whether it is whoever holds the server's shell.
    pub fn is_shell(&self) -> bool {
        matches!(self.power, Power::Shell)
    }

    /// The session in which a person calls.
    pub(crate) fn session(&self) -> Option<SessionId> {
        match self.power {
            Power::Person { session, .. } => Some(session),
            Power::Shell | Power::Key { .. } => None,
        }
    }

    /// The organization that they belong to, wherever they act.
    pub fn home(&self) -> OrganizationId {
        match self.power {
            Power::Person { home, .. } | Power::Key { home, .. } => home,
            Power::Shell => self.organization,
        }
    }

    /// The key that called.
    pub fn key(&self) -> Option<KeyId> {
        match self.power {
            Power::Shell | Power::Person { .. } => None,
            Power::Key { id, .. } => Some(id),
        }
    }

    /// The organization that the presented token acts for, where that is not its key's.
    pub(crate) fn acts_for(&self) -> Option<OrganizationId> {
        match self.power {
            Power::Key { home, .. } => {
                Some(self.organization).filter(|organization| *organization != home)
            }
            Power::Shell | Power::Person { .. } => None,
        }
    }

    /// Whether it is a key of this product that called.
    pub(crate) fn is_of(&self, product: &ProductName) -> bool {
        matches!(&self.power, Power::Key { product: own, .. } if own == product)
    }

    /// What the presented credential carries, where that is less than its key's rights.
    pub(crate) fn carried(&self) -> Option<&Rights> {
        match &self.power {
            Power::Shell | Power::Person { .. } => None,
            Power::Key { carried, .. } => carried.as_deref(),
        }
    }

    /// Whether the key itself was presented, and not a token that was issued for it.
    pub(crate) fn is_key_itself(&self) -> bool {
        matches!(
            self.power,
            Power::Key {
                by: By::Secret(_),
                ..
            }
        )
    }

    /// Whether the secret that was presented is one of the key's still.
    pub(crate) fn presented_secret_of(&self, key: &Key, now: Instant) -> bool {
        matches!(self.power, Power::Key { id, by: By::Secret(generation), .. }
            if id == key.id && has_secret(key, generation, now))
    }

    /// The same for a change that replaces the very secret that was presented.
    pub(crate) fn replacing_secret(&self) -> Self {
        let mut caller = self.clone();
        if let Power::Key { by, .. } = &mut caller.power {
            *by = By::Replaced;
        }
        caller
    }

    /// As the trail names them: with their own organization, whichever they act for.
    pub(crate) fn actor(&self) -> Actor {
        let home = Some(self.home());
        Actor::of(self.maker, home, self.address, &self.request_id)
    }
}

/// What a change needs of its caller.
#[derive(Debug, Clone)]
pub(crate) struct Need {
    /// A scope of product `latchkey`.
    pub(crate) scope: &'static str,
    /// The organization it is about.
    pub(crate) organization: OrganizationId,
    /// The product it is about; `None` where it is about no product's keys.
    pub(crate) product: Option<ProductName>,
}

impl Authority {
    /// Finds who calls. The credential must be good; what it may is asked by each use case.
    pub async fn caller(
        &self,
        question: &Question<'_>,
        request_id: &str,
    ) -> Result<(Caller, Valid), Failure> {
        let answer = self.verify(question).await?;
        let valid = answer.verdict.map_err(|denial| match denial {
            credential::key::Denial::Limited { retry_after_ms } => {
                Refusal::Limited { retry_after_ms }
            }
            denial => Refusal::Unauthenticated(denial),
        })?;
        let key = &valid.live.key;
        let maker = match key.owner {
            Some(owner) if key.product.as_str() == LATCHKEY => Maker::User(owner),
            _ => Maker::Key(key.id),
        };
        let caller = Caller {
            maker,
            organization: valid.organization(),
            address: question.from,
            request_id: request_id.to_owned(),
            power: Power::Key {
                id: key.id,
                product: key.product.clone(),
                carried: valid.narrowed_rights(),
                by: match &valid.form {
                    Form::Secret | Form::Signature(_) => By::Secret(valid.generation),
                    Form::Access(family) => By::Family(*family),
                    Form::Jwt(claims) => By::Token(claims.id, claims.generation),
                },
                home: key.organization,
            },
        };
        Ok((caller, valid))
    }

    /// Whether the caller may do this, as far as this replica knows. Someone who may see nothing of the organization
    /// is told that there is no such thing.
    pub(crate) async fn permit(&self, caller: &Caller, need: &Need) -> Result<(), Failure> {
        match &caller.power {
            Power::Shell => Ok(()),
            Power::Key { id, carried, .. } => {
                let live = self.live(*id).await?.map_err(Refusal::Unauthenticated)?;
                let (carried, acts_for) = (carried.as_deref(), caller.acts_for());
                Ok(permitted(
                    &self.world(),
                    &live.key,
                    carried,
                    acts_for,
                    need,
                )?)
            }
            Power::Person { id, home, .. } => {
                Ok(permitted_person(&self.world(), *id, *home, need)?)
            }
        }
    }

    /// Whether somebody who is signed in may do what needs this scope of product `latchkey` where they act now, as far as
    /// this replica knows: what pages offer them. Whether it is then done is asked again.
    pub fn person_may(&self, caller: &Caller, scope: &str) -> bool {
        let Power::Person { id, home, .. } = &caller.power else {
            return false;
        };
        let world = self.world();
        let known = ProductName::new(LATCHKEY).ok();
        let Some((product, wanted)) = known
            .and_then(|name| world.product(&name))
            .zip(Scope::new(scope).ok())
        else {
            return false;
        };
        let there = format!("{ORGANIZATION_KIND}:{}", caller.organization);
        world.administers(*home, caller.organization)
            && world
                .user_rights(product, *id)
                .allows(&wanted, Some(&there))
                == Allowed::Yes
    }

    /// Whether the key is beyond the caller's reach whatever its rights: where a product says so, whom it lets
    /// administer keys does not administer those who do the same.
    pub(crate) async fn is_beyond(&self, caller: &Caller, key: &Key) -> Result<bool, Failure> {
        Ok(self.administers_others_only(caller).await? && administers_keys(&self.world(), key))
    }

    /// Whether the caller's key is of another product than `latchkey` that keeps its administrators from each other.
    pub(crate) async fn administers_others_only(&self, caller: &Caller) -> Result<bool, Failure> {
        let Power::Key { id, .. } = &caller.power else {
            return Ok(false);
        };
        let live = self.live(*id).await?.map_err(Refusal::Unauthenticated)?;
        let world = self.world();
        let administrators = world
            .product(&live.key.product)
            .map_or(Administrators::Others, |product| product.administrators);
        Ok(live.key.product.as_str() != LATCHKEY && administrators == Administrators::Others)
    }

    /// What the caller may give away in `organization`, as far as this replica knows.
    pub(crate) async fn ceiling(
        &self,
        caller: &Caller,
        organization: OrganizationId,
    ) -> Result<Ceiling, Failure> {
        match &caller.power {
            Power::Shell => Ok(Ceiling::unbounded()),
            Power::Key { id, carried, .. } => {
                let live = self.live(*id).await?.map_err(Refusal::Unauthenticated)?;
                let carried = carried.as_deref();
                Ok(ceiling_of(&self.world(), &live.key, carried, organization))
            }
            Power::Person { id, .. } => {
                Ok(Ceiling::of(rights_of(&self.world(), *id), organization))
            }
        }
    }

    /// The second weighing, inside the transaction: the caller's own key, its organization, owner and roles are read
    /// again, and `rule` is asked with the world as these rows tell it.
    pub(crate) fn recheck(
        &self,
        view: &View<'_>,
        caller: &Caller,
        needs: &[Need],
        now: Instant,
        rule: impl Fn(&World, &Ceiling) -> Result<(), Refusal>,
    ) -> Result<(), Failure> {
        let organization = needs
            .first()
            .map_or(caller.organization, |need| need.organization);
        let (id, carried, by) = match &caller.power {
            Power::Shell => return Ok(rule(&self.world(), &Ceiling::unbounded())?),
            Power::Key {
                id, carried, by, ..
            } => (id, carried, by),
            Power::Person { id, session, home } => {
                let world = self.world_of_person(view, *id, *session, *home, needs)?;
                for need in needs {
                    permitted_person(&world, *id, *home, need).map_err(|_| Refusal::Restricted)?;
                }
                let ceiling = Ceiling::of(rights_of(&world, *id), organization);
                return Ok(rule(&world, &ceiling)?);
            }
        };
        let Some(Found::Good(key)) = view.key(*id)? else {
            return Err(Refusal::Restricted.into());
        };
        if !is_good_still(view, &key, *by, now)? {
            return Err(Refusal::Restricted.into());
        }
        let roles = key.grants.roles().iter().map(|grant| grant.role);
        let world = self.world_around(view, key.organization, key.owner, roles, needs)?;
        let rights = world.worth(&key);
        let ask = Ask {
            from: caller.address,
            ..Ask::default()
        };
        if let Verdict::Denied(_) = decide(&key, &rights, world.standing(&key), &ask, now) {
            return Err(Refusal::Restricted.into());
        }
        for need in needs {
            permitted(&world, &key, carried.as_deref(), caller.acts_for(), need)
                .map_err(|_| Refusal::Restricted)?;
        }
        Ok(rule(
            &world,
            &ceiling_of(&world, &key, carried.as_deref(), organization),
        )?)
    }

    /// The world as the transaction sees it around a person whose session is good still.
    fn world_of_person(
        &self,
        view: &View<'_>,
        id: UserId,
        session: SessionId,
        home: OrganizationId,
        needs: &[Need],
    ) -> Result<World, Failure> {
        let Some(Found::Good(_)) = view.session(session)? else {
            return Err(Refusal::Restricted.into());
        };
        let world = self.world_around(view, home, Some(id), [], needs)?;
        if !world.user(id).is_some_and(|user| user.active) || !world.is_in_use(home) {
            return Err(Refusal::Restricted.into());
        }
        Ok(world)
    }

    /// The world with the rows as the transaction sees them on which a key, or a person, of an organization depends.
    fn world_around(
        &self,
        view: &View<'_>,
        organization: OrganizationId,
        owner: Option<UserId>,
        roles: impl IntoIterator<Item = RoleId>,
        needs: &[Need],
    ) -> Result<World, Fault> {
        let mut world = World::clone(&self.world());
        let mut organizations: HashSet<OrganizationId> =
            needs.iter().map(|need| need.organization).collect();
        organizations.insert(organization);
        for id in organizations.clone() {
            organizations.extend(
                world
                    .organization(id)
                    .and_then(|organization| organization.parent),
            );
        }
        for id in organizations {
            match view.organization(id)? {
                Some(Found::Good(organization)) => {
                    world.organizations.insert(id, Arc::new(organization));
                }
                _ => {
                    world.organizations.remove(&id);
                }
            }
        }
        let mut roles: HashSet<RoleId> = roles.into_iter().collect();
        if let Some(owner) = owner {
            match view.user(owner)? {
                Some(Found::Good(user)) => {
                    // Only a group that was known to give the owner something can have taken it away since.
                    let groups: Vec<_> = world
                        .groups_of(&user)
                        .iter()
                        .map(|group| group.id)
                        .collect();
                    for id in groups {
                        let group = view.group(id)?.and_then(Found::good);
                        world.put_group(id, group.map(Arc::new));
                    }
                    let given = world.given_to(&user);
                    roles.extend(given.iter().flatten().map(|grant| grant.role));
                    world.users.insert(owner, Arc::new(user));
                }
                _ => {
                    world.users.remove(&owner);
                }
            }
        }
        for id in roles {
            if world.role(id).is_some_and(|role| role.is_built_in()) {
                continue;
            }
            match view.role(id)? {
                Some(Found::Good(role)) => {
                    world.roles.insert(id, Arc::new(role));
                }
                _ => {
                    world.roles.remove(&id);
                }
            }
        }
        Ok(world)
    }
}

fn has_secret(key: &Key, generation: u32, now: Instant) -> bool {
    key.live(now)
        .any(|credential| credential.generation == generation)
}

/// Whether what was presented is good as the transaction sees it, the key's own state apart.
fn is_good_still(view: &View<'_>, key: &Key, by: By, now: Instant) -> Result<bool, Fault> {
    Ok(match by {
        By::Secret(generation) => has_secret(key, generation, now),
        By::Token(id, generation) => {
            has_secret(key, generation, now) && view.revoked_token(id)?.is_none()
        }
        By::Family(id) => matches!(view.family(id)?,
            Some(Found::Good(family)) if family.key == key.id && family.dead.is_none()),
        By::Replaced => true,
    })
}
