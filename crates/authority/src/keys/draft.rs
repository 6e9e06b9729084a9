//! A key before it is written: checked against its product and against what its maker may give away.

use std::collections::HashSet;

use credential::access::{Ceiling, Rights};
use credential::event::Action;
use credential::family::Family;
use credential::grant::{Grants, Resources, RoleGrant, ScopeGrant};
use credential::id::{FamilyId, KeyId, OrganizationId, UserId};
use credential::key::{Addresses, Credential, Key, Maker, Proof, State};
use credential::role::ProductName;
use credential::scope::Scope;
use credential::time::{Instant, Span, Term};
use store::Fault;
use store::change::NO_DETAIL;
use store::keys::KEY_NAME;

use super::{CreateKey, Expiry, Issued, KEY_NUMBERS, Shown, Wish};
use crate::Authority;
use crate::caller::{Caller, Need, administered_among, named, stands_for};
use crate::catalog::{HandleShape, LATCHKEY, OwnerRule, Product};
use crate::failure::{Failure, Refusal};
use crate::idempotency::Idempotency;
use crate::world::World;

impl Authority {
    /// Whether the caller may have the secret of a key that acts in the name of `owner`: one's own, and those of others
    /// whoever administers users.
    pub(crate) async fn permit_owner(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        product: &ProductName,
        owner: Option<UserId>,
    ) -> Result<(), Failure> {
        match owner.filter(|_| product.as_str() == LATCHKEY) {
            Some(owner) if caller.maker != Maker::User(owner) => {
                let need = Need {
                    scope: crate::users::WRITE,
                    organization,
                    product: None,
                };
                self.permit(caller, &need).await
            }
            _ => Ok(()),
        }
    }

    /// Checks a command against its product and mints what it needs.
    pub(crate) fn draft(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        command: CreateKey,
        now: Instant,
    ) -> Result<Draft, Failure> {
        let world = self.world();
        let product = world.product(&command.product).ok_or_else(|| {
            Refusal::invalid(
                "product",
                "there is no such product; GET /api/v1/products lists them",
            )
        })?;
        if !product.kinds.contains(&command.kind) {
            let kinds: Vec<_> = product.kinds.iter().map(|kind| kind.as_str()).collect();
            return Err(
                Refusal::invalid("kind", format!("this product has {}", kinds.join(", "))).into(),
            );
        }
        let grants = granted(&world, product, organization, &command.grants)?;
        let addresses = fits(product, command.addresses)?;
        let by_key = caller.is_of(&product.name);
        let (default_lifetime, max_lifetime) = product.lifetimes(by_key);
        let expires_at = match command.expiry {
            Expiry::Never => None,
            // Keys that are made by keys may have lives of their own.
            Expiry::Default if by_key && product.made_by_keys.is_some() => {
                default_lifetime.map(|life| now + life)
            }
            Expiry::Default => product.default_expiry(now),
            Expiry::In(term) => Some(term.after(now)),
            Expiry::Period(name) => Some(named_period(product, &name)?.after(now)),
            Expiry::At(at) => Some(at),
        };
        if expires_at.is_some_and(|at| at <= now) {
            return Err(credential::key::Refusal::ExpiryInThePast.into());
        }
        bounded(max_lifetime, now, expires_at)?;
        let owner = match (product.owner, command.owner, caller.maker) {
            (OwnerRule::None, _, _) => None,
            (_, Some(owner), _) => {
                let known = world
                    .user(owner)
                    .is_some_and(|user| user.organization == organization);
                if !known {
                    return Err(Refusal::invalid(
                        "owner_id",
                        "there is no such user in the organization",
                    )
                    .into());
                }
                Some(owner)
            }
            (_, None, Maker::User(user))
                if world
                    .user(user)
                    .is_some_and(|u| u.organization == organization) =>
            {
                Some(user)
            }
            (_, None, _) => None,
        };
        let id = KeyId::mint(now, self.entropy().draw()?);
        let mut key = Key {
            id,
            organization,
            product: command.product,
            kind: command.kind,
            name: command.name,
            comment: command.comment,
            grants,
            addresses,
            limits: command.limits,
            expires_at,
            state: State::Active,
            owner,
            created_at: now,
            created_by: caller.maker,
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
        };
        let fresh = self.fresh_secret(product, &key, 0, now)?;
        key.current = Credential {
            generation: 0,
            handle: fresh.minted.handle,
            proof: fresh.minted.proof,
            since: now,
        };
        Ok(Draft {
            key,
            shown: fresh.shown,
            family: fresh.family,
            unique_name: product.unique_names,
            numbered: product.handle == HandleShape::Number,
        })
    }

    /// Writes drafts in one transaction, and answers with what was issued.
    pub(crate) async fn issue_draft(
        &self,
        caller: &Caller,
        drafts: Vec<Draft>,
        need: Need,
        idempotency: Option<Idempotency>,
        render: impl Fn(&Issued) -> Vec<u8> + Send + Sync + 'static,
        now: Instant,
    ) -> Result<Vec<Issued>, Failure> {
        let drafts = std::sync::Arc::new(drafts);
        let changed = self
            .store()
            .change(
                caller.actor(),
                now,
                {
                    let (authority, who, drafts) = (self.clone(), caller.clone(), drafts.clone());
                    move |view| {
                        authority.recheck(
                            view,
                            &who,
                            std::slice::from_ref(&need),
                            now,
                            |world, ceiling| {
                                drafts
                                    .iter()
                                    .try_for_each(|draft| within(world, ceiling, &draft.key))
                            },
                        )
                    }
                },
                {
                    let (authority, who, drafts) = (self.clone(), caller.clone(), drafts.clone());
                    move |change| -> Result<Vec<Key>, Failure> {
                        let mut keys = Vec::with_capacity(drafts.len());
                        for draft in drafts.iter() {
                            let mut key = draft.key.clone();
                            if draft.numbered {
                                key.current.handle =
                                    Some(change.next_number(KEY_NUMBERS)?.to_string());
                            }
                            change
                                .insert_key(&key, draft.unique_name, Action::KeyCreated, NO_DETAIL)
                                .map_err(taken)?;
                            if let Some(family) = &draft.family {
                                change.insert_family(family, Action::FamilyStarted, NO_DETAIL)?;
                            }
                            if let Some(idempotency) = &idempotency {
                                let issued = Issued {
                                    key: key.clone(),
                                    shown: draft.shown.again(),
                                    revision: 0,
                                };
                                let body = render(&issued);
                                authority.remember(change, &who, idempotency, key.id, &body)?;
                            }
                            keys.push(key);
                        }
                        Ok(keys)
                    }
                },
            )
            .await?;
        let revision = self.settle(&changed).await?;
        Ok(drafts
            .iter()
            .zip(changed.value)
            .map(|(draft, key)| Issued {
                key,
                shown: draft.shown.again(),
                revision,
            })
            .collect())
    }
}

/// A key that is ready to be written.
pub(crate) struct Draft {
    pub(crate) key: Key,
    pub(crate) shown: Shown,
    pub(crate) family: Option<Family>,
    pub(crate) unique_name: bool,
    pub(crate) numbered: bool,
}

/// The period of that name; what there is instead is told.
fn named_period(product: &Product, name: &str) -> Result<Term, Refusal> {
    match product.period(name) {
        Some(period) => Ok(period.term),
        None => {
            let known: Vec<_> = product.periods.iter().map(|period| &*period.name).collect();
            let known = known.join(", ");
            let why = format!("this product has no such period; it has: {known}");
            Err(Refusal::invalid("expires_in", why))
        }
    }
}

/// A name that is in use is a broken rule, not a broken world.
pub(super) fn taken(fault: Fault) -> Failure {
    if fault.is_conflict_on(KEY_NAME) {
        Refusal::NameTaken("key").into()
    } else {
        fault.into()
    }
}

/// Spells a wish as the product does; what the product does not declare is refused by name.
pub(crate) fn granted(
    world: &World,
    product: &Product,
    organization: OrganizationId,
    wish: &Wish,
) -> Result<Grants, Refusal> {
    let mut roles = Vec::new();
    for (id, resources) in &wish.roles {
        let known = world.role(*id).filter(|role| {
            !role.deleted && role.product == product.name && role.is_offered_to(organization)
        });
        if known.is_none() {
            return Err(Refusal::invalid(
                "roles",
                format!("there is no role {id} of this product here"),
            ));
        }
        roles.push(RoleGrant {
            role: *id,
            resources: listed(product, resources)?,
        });
    }
    let mut scopes = Vec::new();
    for (text, resources) in &wish.scopes {
        let meant = product.meant(text).ok_or_else(|| {
            Refusal::invalid("scopes", format!("{text:?} is not a scope of this product"))
        })?;
        let resources = listed(product, resources)?;
        scopes.extend(meant.into_iter().map(|scope| ScopeGrant {
            scope,
            resources: resources.clone(),
        }));
    }
    let grants = Grants::new(roles, scopes).map_err(|error| Refusal::invalid("grants", error))?;
    if grants.is_empty() {
        return Err(Refusal::invalid(
            "scopes",
            "a key needs at least one role or scope",
        ));
    }
    if product.administers_only {
        let given = named(world, product, organization, &grants);
        let administering = administered_among(product, &given).len();
        if administering > 0 && administering < given.len() {
            return Err(Refusal::invalid(
                "scopes",
                "a key of this product that administers keys does nothing else",
            ));
        }
    }
    Ok(grants)
}

fn listed(product: &Product, resources: &Resources) -> Result<Resources, Refusal> {
    match resources {
        Resources::Listed(listed) if !product.resource_kinds.contains(listed.kind()) => {
            Err(Refusal::invalid(
                "resources",
                format!("this product has no resources of kind {:?}", listed.kind()),
            ))
        }
        resources => Ok(resources.clone()),
    }
}

pub(super) fn fits(product: &Product, addresses: Addresses) -> Result<Addresses, Refusal> {
    if addresses.networks().len() > product.max_addresses {
        let most = product.max_addresses;
        return Err(Refusal::invalid(
            "addresses",
            format!("at most {most} for this product"),
        ));
    }
    Ok(addresses)
}

pub(super) fn bounded(
    max_lifetime: Option<Span>,
    from: Instant,
    expires_at: Option<Instant>,
) -> Result<(), Refusal> {
    match max_lifetime {
        Some(most) if expires_at.is_none_or(|at| at > from + most) => Err(Refusal::invalid(
            "expires_at",
            format!(
                "keys of this product live at most {} days",
                most.seconds() / 86_400
            ),
        )),
        _ => Ok(()),
    }
}

/// Whether everything that the key may is the ceiling's to give.
pub(crate) fn within(world: &World, ceiling: &Ceiling, key: &Key) -> Result<(), Refusal> {
    let Some(product) = world.product(&key.product) else {
        return Err(Refusal::NotFound("product"));
    };
    let wanted: Rights = world.rights(product, key.organization, &key.grants);
    let given = named(world, product, key.organization, &key.grants);
    admitted(world, ceiling, product, key.organization, &given, &wanted)
}

/// Whether these rights of a product, and the scopes that were `given` for them word for word, are the ceiling's to give in
/// an organization: to a key, to a person, in a role.
pub(crate) fn admitted(
    world: &World,
    ceiling: &Ceiling,
    product: &Product,
    organization: OrganizationId,
    given: &HashSet<&Scope>,
    wanted: &Rights,
) -> Result<(), Refusal> {
    if !ceiling.admits(&product.name, wanted) {
        let beyond = wanted.names().into_iter().find(|scope| {
            let alone = wanted.narrowed(std::slice::from_ref(*scope));
            !ceiling.admits(&product.name, &alone)
        });
        return Err(Refusal::Ceiling(beyond.map_or_else(
            || "this".to_owned(),
            |scope| scope.as_str().to_owned(),
        )));
    }
    // What administers keys of its product is given only by who holds what it stands for.
    if product.name.as_str() != LATCHKEY {
        for scope in administered_among(product, given) {
            let (own, stands_for) = stands_for(world, std::slice::from_ref(scope), organization)
                .ok_or(Refusal::NotFound("product"))?;
            if !ceiling.admits(&own, &stands_for) {
                return Err(Refusal::Ceiling(scope.as_str().to_owned()));
            }
        }
    }
    Ok(())
}

/// The family of a fresh pair of tokens.
pub(crate) fn new_family(
    key: &Key,
    id: FamilyId,
    seed: [u8; 32],
    product: &Product,
    now: Instant,
) -> Family {
    let until = now + product.tokens.refresh_life();
    Family {
        id,
        organization: key.organization,
        key: key.id,
        generation: 0,
        rotated_at: now,
        previous_at: None,
        used: false,
        refresh_until: key.expires_at.map_or(until, |end| end.min(until)),
        access_life: product.tokens.access_life(),
        refresh_life: product.tokens.refresh_life(),
        dead: None,
        created_at: now,
        version: 1,
        seed,
    }
}
