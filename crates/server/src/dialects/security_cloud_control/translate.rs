//! Between their words and ours.

use std::collections::BTreeSet;

use authority::World;
use authority::catalog::Product;
use authority::keys::{Expiry, Pair, Wish};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use credential::grant::Resources;
use credential::group::{Group, Reach};
use credential::id::{OrganizationId, RoleId, SubscriptionId};
use credential::key::{Key, Maker, State};
use credential::name::{Comment, Name};
use credential::organization::{Organization, OrganizationKind, Region, User};
use credential::role::Role;
use credential::subscription::{Entitlement, Held, Offer, OfferedProduct, Subscription};
use credential::time::Instant;
use jiff::Timestamp;

use super::errors::No;
use super::wire;
use crate::dialects::time;

/// How the platform itself is called among the products whose roles there are.
pub(super) const PRODUCT_KEY: &str = "enterprise";
/// Its one instance.
const INSTANCE: &str = "enterprise-default-instance";

/// What a role is called in lists: the built-in ones are the organization's own.
pub(super) fn display_name(role: &Role) -> String {
    if role.is_built_in() {
        format!("Organization {}", role.name)
    } else {
        role.name.as_str().to_owned()
    }
}

/// The roles of a key, in the order of their ids. A role that is deleted is worth nothing and is not told.
pub(super) fn permissions(world: &World, key: &Key) -> Vec<wire::Permission> {
    let Some(product) = world.product(&key.product) else {
        return Vec::new();
    };
    let grants = key.grants.roles().iter();
    let roles = grants.filter_map(|grant| world.role(grant.role));
    roles
        .filter(|role| role.is_offered_to(key.organization))
        .map(|role| permission(product, role))
        .collect()
}

fn permission(product: &Product, role: &Role) -> wire::Permission {
    wire::Permission {
        role_id: role.id.to_string(),
        role_name: format!("{} - {}", product.title, role.name),
        product: product.title.clone(),
        product_key: PRODUCT_KEY,
        role_display_name: display_name(role),
        product_instance_id: INSTANCE,
        role_type: if role.is_built_in() {
            "static"
        } else {
            "custom"
        },
        application_scope_ids: Vec::new(),
    }
}

/// What a new key shall be, in our words; every member is checked.
pub(super) struct Meant {
    pub(super) name: Name,
    pub(super) comment: Comment,
    pub(super) grants: Wish,
    pub(super) expiry: Expiry,
}

impl Meant {
    /// Reads a body.
    pub(super) fn read(wanted: wire::NewKey) -> Result<Self, No> {
        let wrong =
            |member: &str, why: &dyn std::fmt::Display| No::bad_request(format!("{member}: {why}"));
        let name = Name::new(&wanted.api_key_name).map_err(|why| wrong("apiKeyName", &why))?;
        let comment =
            Comment::new(&wanted.description).map_err(|why| wrong("description", &why))?;
        if wanted.permissions.is_empty() {
            return Err(wrong("permissions", &"a key needs at least one role"));
        }
        let mut roles = Vec::with_capacity(wanted.permissions.len());
        for role in wanted.permissions {
            if role.product_key.is_some_and(|key| key != PRODUCT_KEY) {
                return Err(wrong(
                    "permissions",
                    &format_args!("keys have roles of the product {PRODUCT_KEY}"),
                ));
            }
            let id: RoleId = role
                .role_id
                .parse()
                .map_err(|_| wrong("permissions", &"there is no such role here"))?;
            roles.push((id, Resources::All));
        }
        let expiry = match wanted.expires_at.as_deref() {
            None | Some("") => Expiry::Never,
            Some(text) => Expiry::At(time(text).ok_or_else(|| {
                wrong(
                    "expiresAt",
                    &"expected a time such as 2030-01-31T00:00:00Z, or nothing for never",
                )
            })?),
        };
        Ok(Self {
            name,
            comment,
            grants: Wish {
                roles,
                scopes: Vec::new(),
            },
            expiry,
        })
    }
}

/// A key as they show it.
pub(super) fn key(
    world: &World,
    key: &Key,
    used: Option<Instant>,
    pair: Option<Pair>,
) -> wire::Key {
    let creator = match key.created_by {
        Maker::User(id) => world.user(id),
        Maker::Key(_) | Maker::System => None,
    };
    let told = |at: Option<Instant>| at.map(seconds).unwrap_or_default();
    // A token does not outlive its key.
    let capped = |end: Instant| key.expires_at.map_or(end, |expiry| end.min(expiry));
    wire::Key {
        cui_machine_account_id: key.id.to_string(),
        cui_machine_account_name: key.name.as_str().to_owned(),
        description: key.comment.as_str().to_owned(),
        creator_user_email: creator
            .map(|user| user.email.as_str().to_owned())
            .unwrap_or_default(),
        created_date: seconds(key.created_at),
        last_modified_date: seconds(key.edited_at),
        last_refreshed: told(pair.and_then(|pair| pair.refreshed_at)),
        last_used: told(used),
        key_expires_at: told(key.expires_at),
        refresh_expires_at: told(pair.map(|pair| capped(pair.refresh_until))),
        token_expires_at: told(pair.map(|pair| capped(pair.access_until))),
        piam_org_id: key.organization.to_string(),
        status: match key.state {
            State::Active => "enabled",
            State::Disabled { .. } => "disabled",
            State::Revoked { .. } => "deleted",
        },
        permissions: permissions(world, key),
    }
}

/// What regions are called.
const REGIONS: [(&str, &str); 4] = [
    ("NAM", "North America"),
    ("EMEA", "Europe, Middle East and Africa"),
    ("APJC", "Asia Pacific, Japan and China"),
    ("GLOBAL", "Global"),
];

/// Where an organization is at home of which nobody said it.
pub(super) const HOME: &str = "NAM";

/// A region of the vendor's.
pub(super) fn region(code: &str) -> Result<Region, No> {
    let known = REGIONS.iter().find(|(known, _)| *known == code);
    let region = known.and_then(|(known, _)| Region::new(known).ok());
    region.ok_or_else(|| No::bad_request("regionCode: expected NAM, EMEA, APJC or GLOBAL"))
}

/// The kind of an organization by their word.
pub(super) fn organization_kind(word: &str) -> Result<OrganizationKind, No> {
    [
        OrganizationKind::Standalone,
        OrganizationKind::Manager,
        OrganizationKind::Managed,
    ]
    .into_iter()
    .find(|kind| kind_word(*kind) == word)
    .ok_or_else(|| No::bad_request("type: expected STANDALONE, MANAGER or MANAGED"))
}

fn kind_word(kind: OrganizationKind) -> &'static str {
    match kind {
        OrganizationKind::Standalone => "STANDALONE",
        OrganizationKind::Manager => "MANAGER",
        OrganizationKind::Managed => "MANAGED",
    }
}

/// An organization as lists show it.
pub(super) fn organization(
    organization: &Organization,
    region: Option<&Region>,
) -> wire::Organization {
    let code = region.map_or(HOME, Region::as_str);
    wire::Organization {
        id: organization.id.to_string(),
        name: organization.name.as_str().to_owned(),
        region_code: code.to_owned(),
        region_description: region_description(code),
        created: seconds(organization.created_at),
        kind: kind_word(organization.kind),
        managed_org_ids: None,
        manager_org_ids: None,
    }
}

/// What the state of a person is called: nobody signs in who has no password yet.
pub(super) fn user_status(world: &World, user: &User) -> &'static str {
    match user.active {
        false => "DISABLED",
        true if world.has_password(user.id) => "ACTIVE",
        true => "PENDING",
    }
}

/// A person as they show them, with this word for the state.
pub(super) fn user(user: &User, status: &'static str) -> wire::User {
    let (first_name, last_name) = halves(&user.name);
    wire::User {
        id: user.id.to_string(),
        email: user.email.as_str().to_owned(),
        first_name: first_name.to_owned(),
        last_name: last_name.to_owned(),
        status,
    }
}

/// A name in two, at its first space.
pub(super) fn halves(name: &Name) -> (&str, &str) {
    name.as_str().split_once(' ').unwrap_or((name.as_str(), ""))
}

/// A name of two halves, either of which may be empty.
pub(super) fn whole(first: &str, last: &str) -> Result<Name, No> {
    Name::new(format!("{} {}", first.trim(), last.trim()).trim())
        .map_err(|why| No::bad_request(format!("firstName: {why}")))
}

/// A role as they show it.
pub(super) fn role(world: &World, role: &Role) -> wire::Role {
    let product = world.product(&role.product);
    wire::Role {
        id: role.id.to_string(),
        display_name: display_name(role),
        description: role.description.as_str().to_owned(),
        kind: if role.is_built_in() {
            "STATIC"
        } else {
            "CUSTOM"
        },
        products: vec![wire::Product {
            key: PRODUCT_KEY,
            name: product.map_or_else(String::new, |product| product.title.clone()),
        }],
    }
}

/// What came of one operation; a fault that would meet the others too ends the call.
pub(super) fn result(
    id: String,
    kind: &'static str,
    operation: String,
    done: Result<(), No>,
) -> Result<wire::OperationResult, No> {
    let (status, message) = match done {
        Ok(()) => ("success", None),
        Err(no) if no.ends_the_call() => return Err(no),
        Err(no) => ("failed", Some(no.told())),
    };
    Ok(wire::OperationResult {
        id,
        kind,
        operation,
        status,
        message,
    })
}

/// A moment in whole seconds.
pub(super) fn seconds(at: Instant) -> String {
    Timestamp::from_second(at.seconds())
        .map(|at| at.to_string())
        .unwrap_or_default()
}

/// What a subscription is called: `Sub` and 15 digits, always the same for the same one.
fn subscription_name(id: SubscriptionId) -> String {
    let id = u128::from_be_bytes(*id.as_bytes());
    format!("Sub{:015}", id % 1_000_000_000_000_000)
}

/// A subscription as the answer to its claim has it.
pub(super) fn claimed(subscription: &Subscription) -> wire::Claimed {
    wire::Claimed {
        id: subscription.id.to_string(),
        name: subscription_name(subscription.id),
        created: seconds(subscription.claimed_at),
        is_trial: subscription.trial,
    }
}

/// A subscription as they show it.
pub(super) fn subscription(subscription: &Subscription) -> wire::Subscription {
    let product = |held: &Held| wire::SubscribedProduct {
        id: held.id.clone(),
        name: held.name.clone(),
        status: if held.active { "ACTIVE" } else { "INACTIVE" },
        region_code: held
            .region
            .as_ref()
            .map(|region| region.as_str().to_owned()),
        region_description: held
            .region
            .as_ref()
            .map(|region| region_description(region.as_str())),
        entitlements: entitlements(&held.entitlements),
        allowed_regions: allowed(&held.regions),
    };
    wire::Subscription {
        claimed: claimed(subscription),
        products: subscription.products.iter().map(product).collect(),
    }
}

/// What a code would claim.
pub(super) fn offer(offer: &Offer) -> wire::ClaimInfo {
    let product = |offered: &OfferedProduct| wire::SubscribedProduct {
        id: offered.id.clone(),
        name: offered.name.clone(),
        status: "INACTIVE",
        region_code: None,
        region_description: None,
        entitlements: entitlements(&offered.entitlements),
        allowed_regions: allowed(&offered.regions),
    };
    wire::ClaimInfo {
        name: offer.name.clone(),
        created: seconds(Instant::from_millis(offer.since * 1000)),
        products: offer.products.iter().map(product).collect(),
    }
}

fn entitlements(all: &[Entitlement]) -> Vec<wire::Entitlement> {
    let shown = all.iter().map(|one| wire::Entitlement {
        id: one.id.clone(),
        name: one.name.clone(),
        quantity: one.quantity,
    });
    shown.collect()
}

fn allowed(regions: &[Region]) -> Vec<wire::AllowedRegion> {
    let shown = regions.iter().map(|region| wire::AllowedRegion {
        region_code: region.as_str().to_owned(),
        region_description: region_description(region.as_str()),
    });
    shown.collect()
}

fn region_description(code: &str) -> String {
    let known = REGIONS.iter().find(|(known, _)| *known == code);
    known.map_or(code, |(_, name)| *name).to_owned()
}

/// To whom a group applies, by their words.
pub(super) fn applies_to(word: &str) -> Result<Reach, No> {
    Ok(match word {
        "all" => Reach::Managed,
        "manager" => Reach::Own,
        "selected_managed" => Reach::Listed(BTreeSet::new()),
        _ => {
            let why = "appliesTo: expected all, manager or selected_managed";
            return Err(No::bad_request(why));
        }
    })
}

/// A group as they show it. All of them are made here: none comes from a directory.
pub(super) fn group(world: &World, group: &Group) -> wire::Group {
    let of = world.organization(group.organization);
    let of_manager = of.is_some_and(|of| of.kind == OrganizationKind::Manager);
    let applies_to = match group.reach {
        Reach::Managed => "all",
        Reach::Own => "manager",
        Reach::Listed(_) => "selected_managed",
    };
    wire::Group {
        id: group.id.to_string(),
        name: group.name.as_str().to_owned(),
        description: group.description.as_str().to_owned(),
        org_id: group.organization.to_string(),
        created: seconds(group.created_at),
        kind: "Local",
        applies_to: Some(applies_to).filter(|_| of_manager),
    }
}

/// An organization's id as clients write it in bodies: as it is, or as the vendor's directory names it, which is the
/// base64 of a `ciscospark` address that ends with the id.
pub(super) fn organization_id(text: &str) -> Option<OrganizationId> {
    if let Ok(id) = text.parse() {
        return Some(id);
    }
    let decoded = STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
    let address = String::from_utf8(decoded).ok()?;
    let id = address.strip_prefix("ciscospark://us/ORGANIZATION/")?;
    id.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organization_is_named_by_its_id_or_as_the_directory_names_it() {
        let id = "96abc2aa-3dcc-11e5-a152-fe34819cdc9a";
        let directory = "Y2lzY29zcGFyazovL3VzL09SR0FOSVpBVElPTi85NmFiYzJhYS0zZGNjLTExZTUtYTE1Mi1mZTM0ODE5Y2RjOWE";
        let known = id.parse().ok();
        for text in [id, directory, &format!("{directory}=")] {
            assert_eq!(organization_id(text), known, "{text}");
        }
        for text in ["", "x", "Y2lzY28", "96abc2aa"] {
            assert_eq!(organization_id(text), None, "{text}");
        }
    }

    #[test]
    fn a_subscription_is_called_by_fifteen_digits_of_its_id() {
        for (byte, name) in [(0, "Sub000000000000000"), (1, "Sub625911497130241")] {
            assert_eq!(
                subscription_name(SubscriptionId::from_bytes([byte; 16])),
                name
            );
        }
    }
}
