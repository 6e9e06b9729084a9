//! What somebody may in administration, and what they may give away: pure decisions over a world, asked at the door and
//! again inside of a transaction.

use std::collections::HashSet;

use credential::access::{Allowed, Ceiling, ORGANIZATION_KIND, Rights};
use credential::grant::{Grants, Resources};
use credential::id::{OrganizationId, UserId};
use credential::key::Key;
use credential::role::ProductName;
use credential::scope::{Algebra, Scope};

use super::Need;
use crate::catalog::{Administrators, LATCHKEY, Product};
use crate::failure::Refusal;
use crate::world::World;

/// Scopes of `latchkey` that are about people and organizations, and so about no product: where a product's scope
/// administers one of these, its holder has it beside the product too.
const ABOUT_NO_PRODUCT: [&str; 4] = [
    crate::organizations::READ,
    crate::organizations::WRITE,
    crate::users::READ,
    crate::users::WRITE,
];

/// What a key may in administration: its own rights in product `latchkey`, or what its scopes of another product say
/// that they administer, within that product, in the key's organization and those that it manages; a token that acts for
/// one of these may it there and nowhere else.
pub(super) fn permitted(
    world: &World,
    key: &Key,
    carried: Option<&Rights>,
    acts_for: Option<OrganizationId>,
    need: &Need,
) -> Result<(), Refusal> {
    let missing = || Refusal::Forbidden {
        scope: need.scope.to_owned(),
    };
    let Some(product) = world.product(&key.product) else {
        return Err(missing());
    };
    let wanted = Scope::new(need.scope).map_err(|_| missing())?;
    let rights = worth(world, key, carried);
    if product.name.as_str() != LATCHKEY {
        let holds = administered(world, product, key, &rights).contains(&&wanted);
        let here = match acts_for {
            Some(organization) => {
                organization == need.organization && world.may_act_for(key, organization)
            }
            None if product.tokens.for_managed => key.organization == need.organization,
            None => {
                key.organization == need.organization
                    || world.manages(key.organization, need.organization)
            }
        };
        let about = match &need.product {
            Some(product) => *product == key.product,
            None => ABOUT_NO_PRODUCT.contains(&need.scope),
        };
        return match (here, holds && about) {
            (true, true) => Ok(()),
            (true, false) => Err(missing()),
            (false, true) if need.product.is_none() => Err(Refusal::NotFound("organization")),
            (false, _) => Err(missing()),
        };
    }
    if acts_for.is_some() {
        return Err(Refusal::NotFound("organization"));
    }
    allowed(world, key.organization, &rights, &wanted, need)
}

/// What a person may in administration: what their roles in product `latchkey` are worth.
pub(super) fn permitted_person(
    world: &World,
    id: UserId,
    home: OrganizationId,
    need: &Need,
) -> Result<(), Refusal> {
    let missing = || Refusal::Forbidden {
        scope: need.scope.to_owned(),
    };
    let wanted = Scope::new(need.scope).map_err(|_| missing())?;
    let product = ProductName::new(LATCHKEY).map_err(|_| missing())?;
    let product = world.product(&product).ok_or_else(missing)?;
    let rights = world.user_rights(product, id);
    allowed(world, home, &rights, &wanted, need)
}

/// Whether rights in product `latchkey`, of somebody of `home`, suffice.
fn allowed(
    world: &World,
    home: OrganizationId,
    rights: &Rights,
    wanted: &Scope,
    need: &Need,
) -> Result<(), Refusal> {
    if !world.administers(home, need.organization) {
        return Err(Refusal::NotFound("organization"));
    }
    let missing = || Refusal::Forbidden {
        scope: need.scope.to_owned(),
    };
    let there = format!("{ORGANIZATION_KIND}:{}", need.organization);
    match rights.allows(wanted, Some(&there)) {
        Allowed::Yes => Ok(()),
        Allowed::MissingScope => Err(missing()),
        Allowed::ResourceNotAllowed => Err(Refusal::NotFound("organization")),
    }
}

/// What a person has in every product.
pub(super) fn rights_of(world: &World, id: UserId) -> Vec<(ProductName, Rights)> {
    let products = world.products.values();
    products
        .map(|product| (product.name.clone(), world.user_rights(product, id)))
        .collect()
}

fn worth(world: &World, key: &Key, carried: Option<&Rights>) -> Rights {
    let rights = world.worth(key);
    carried.map_or_else(|| rights.clone(), |carried| rights.intersect(carried))
}

/// What rights in another product than `latchkey` administer. Each such scope must be held by its own name: a scope of
/// a whole domain does not reach to its keys.
/// A token that names one which its key has only through the domain administers nothing.
fn administered<'w>(
    world: &World,
    product: &'w Product,
    key: &Key,
    rights: &Rights,
) -> Vec<&'w Scope> {
    let given = named(world, product, key.organization, &key.grants);
    let carried: HashSet<&Scope> = rights.names().into_iter().collect();
    let held = product
        .scopes
        .iter()
        .filter(|(scope, _)| holds(product, &given, scope) && holds(product, &carried, scope));
    held.flat_map(|(_, entry)| &entry.administers).collect()
}

/// Whether a scope that administers is held: by its own name; where scopes are paths, which say themselves what lies below
/// them, by whatever covers it.
fn holds(product: &Product, given: &HashSet<&Scope>, scope: &Scope) -> bool {
    match product.algebra {
        Algebra::Dotted { .. } => given.contains(scope),
        Algebra::Slash => product.algebra.covers_among(given.iter().copied(), scope),
    }
}

/// What grants say word for word: also what a wider scope beside it makes needless.
pub(crate) fn named<'k>(
    world: &'k World,
    product: &Product,
    organization: OrganizationId,
    grants: &'k Grants,
) -> HashSet<&'k Scope> {
    let roles = grants.roles().iter().filter_map(|grant| {
        let role = world.role(grant.role)?;
        let counts = role.product == product.name && role.is_offered_to(organization);
        counts.then_some(&role.scopes)
    });
    let scopes = grants.scopes().iter().map(|grant| &grant.scope);
    roles.flatten().chain(scopes).collect()
}

/// What these scopes of a product administer, in scopes of `latchkey`.
pub(crate) fn administered_among<'w>(
    product: &'w Product,
    given: &HashSet<&Scope>,
) -> Vec<&'w Scope> {
    let held = product
        .scopes
        .iter()
        .filter(|(scope, _)| holds(product, given, scope));
    held.flat_map(|(_, entry)| &entry.administers).collect()
}

/// Whether a scope administers something, or covers one that does.
fn reaches_administration(product: &Product, scope: &Scope) -> bool {
    let mut administering = product
        .scopes
        .iter()
        .filter(|(_, entry)| !entry.administers.is_empty());
    administering.any(|(other, _)| product.algebra.covers(std::slice::from_ref(scope), other))
}

/// Whether a key of another product than `latchkey` administers keys of its product.
pub(crate) fn administers_keys(world: &World, key: &Key) -> bool {
    world.product(&key.product).is_some_and(|product| {
        let given = named(world, product, key.organization, &key.grants);
        !administered_among(product, &given).is_empty()
    })
}

/// A key of `latchkey` gives what it has there, and what the person behind it has in every other product; a token that
/// carries less than its key stands for no person's other rights.
///
/// A key administrator of another product than `latchkey` may give every scope of it that administers nothing; where the
/// product lets administrators administer each other, what it has itself.
pub(super) fn ceiling_of(
    world: &World,
    key: &Key,
    carried: Option<&Rights>,
    organization: OrganizationId,
) -> Ceiling {
    let own = worth(world, key, carried);
    let Some(product) = world.product(&key.product) else {
        return Ceiling::of([], organization);
    };
    if product.name.as_str() == LATCHKEY {
        let person = key.owner.filter(|_| carried.is_none());
        let all = person.map(|person| rights_of(world, person));
        // Of its own product the key gives what it has itself: what comes last counts.
        let all = all.into_iter().flatten();
        return Ceiling::of(all.chain([(key.product.clone(), own)]), organization);
    }
    let administered = administered(world, product, key, &own);
    if administered.is_empty() {
        return Ceiling::of([], organization);
    }
    if product.administrators == Administrators::All {
        let scopes: Vec<Scope> = administered.into_iter().cloned().collect();
        let stands_for = stands_for(world, &scopes, organization);
        return Ceiling::of(
            stands_for
                .into_iter()
                .chain([(key.product.clone(), own.clone())]),
            organization,
        );
    }
    let plain: Vec<Scope> = product
        .scopes
        .iter()
        .filter(|(scope, _)| !reaches_administration(product, scope))
        .map(|(scope, _)| scope.clone())
        .collect();
    let rights = Rights::of_scopes(&plain, &Resources::All, product.algebra);
    Ceiling::of([(key.product.clone(), rights)], organization)
}

/// What scopes of `latchkey` are worth in one organization.
pub(crate) fn stands_for(
    world: &World,
    scopes: &[Scope],
    organization: OrganizationId,
) -> Option<(ProductName, Rights)> {
    let own = ProductName::new(LATCHKEY).ok()?;
    let algebra = world.product(&own)?.algebra;
    let here = Resources::listed(ORGANIZATION_KIND, [organization.to_string()]).ok()?;
    Some((own, Rights::of_scopes(scopes, &here, algebra)))
}
