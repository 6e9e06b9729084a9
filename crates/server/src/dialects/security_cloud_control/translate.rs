//! Between their words and ours.

use authority::World;
use authority::catalog::Product;
use authority::keys::{Expiry, Pair, Wish};
use credential::grant::Resources;
use credential::id::RoleId;
use credential::key::{Key, Maker, State};
use credential::name::{Comment, Name};
use credential::role::Role;
use credential::time::Instant;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::errors::No;
use super::wire;

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
            Some(text) => Expiry::At(moment(text).ok_or_else(|| {
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

/// A time as ISO 8601 writes it; without an offset in UTC, a day is its beginning.
fn moment(text: &str) -> Option<Instant> {
    let at = text.parse::<Timestamp>().ok().or_else(|| {
        let local = text.parse::<DateTime>().ok()?;
        local
            .to_zoned(TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp())
    })?;
    Some(Instant::from_millis(at.as_millisecond()))
}

/// A moment in whole seconds.
pub(super) fn seconds(at: Instant) -> String {
    Timestamp::from_second(at.seconds())
        .map(|at| at.to_string())
        .unwrap_or_default()
}
