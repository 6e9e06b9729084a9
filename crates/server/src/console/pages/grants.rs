//! Roles in forms: boxes to tick, grouped by product, only what the person may know of and so may give.

use authority::roles::RoleFilter;
use authority::{Failure, Refusal};
use credential::grant::{Resources, RoleGrant};
use credential::id::RoleId;
use credential::role::Role;
use maud::{Markup, html};

use crate::console::Console;
use crate::console::fields::Fields;
use crate::console::gate::Who;
use crate::console::no::No;
use crate::console::parts::{Choice, grouped};

/// The field.
pub(super) const ROLES: &str = "roles";
/// Roles that are offered at once: every built-in one and some hundred of an organization's own.
const MOST: usize = 500;

/// The roles that somebody may know of; none where they may see no roles at all.
pub(super) async fn offered(console: &Console, who: &Who) -> Result<Vec<Role>, No> {
    let caller = &who.signed_in.caller;
    let found = console
        .authority
        .roles(caller, RoleFilter::default(), None, MOST)
        .await;
    match found {
        Ok(roles) => Ok(roles),
        Err(Failure::Refused(Refusal::Forbidden { .. })) => Ok(Vec::new()),
        Err(other) => Err(other.into()),
    }
}

/// The boxes. What was given before and is beyond the person stays, and is told.
pub(super) fn boxes(
    console: &Console,
    offered: &[Role],
    given: &[RoleGrant],
    ticked: impl Fn(RoleId) -> bool,
    help: &str,
    wrong: &[(String, String)],
) -> Markup {
    let ids: Vec<String> = offered.iter().map(|role| role.id.to_string()).collect();
    let helps: Vec<String> = offered.iter().map(|role| about(role, given)).collect();
    let world = console.authority.world();
    let groups: Vec<(String, Vec<Choice<'_>>)> = world
        .products()
        .iter()
        .map(|product| {
            let all = offered.iter().zip(ids.iter().zip(&helps));
            let of = all
                .filter(|(role, _)| role.product == product.name)
                .map(|(role, (id, help))| Choice {
                    value: id,
                    label: role.name.as_str(),
                    help,
                    chosen: ticked(role.id),
                })
                .collect();
            (product.title.clone(), of)
        })
        .filter(|(_, of): &(String, Vec<Choice<'_>>)| !of.is_empty())
        .collect();
    let kept = names(console, beyond(offered, given));
    html! {
        (grouped(ROLES, "Roles", help, &groups, wrong))
        @if !kept.0.is_empty() {
            p class="soft" { "Beyond your own rights, and so not changed here: " (kept) }
        }
    }
}

/// What was ticked, for as far as it was given before; what was new, for everything.
pub(super) fn wanted(
    console: &Console,
    form: &Fields,
    offered: &[Role],
    given: &[RoleGrant],
) -> Vec<(RoleId, Resources)> {
    let ticked = form.all(ROLES).filter_map(|id| id.parse::<RoleId>().ok());
    let mut wanted: Vec<(RoleId, Resources)> = Vec::new();
    for id in ticked {
        let before: Vec<_> = given.iter().filter(|grant| grant.role == id).collect();
        if before.is_empty() {
            wanted.push((id, Resources::All));
        }
        wanted.extend(before.iter().map(|grant| (id, grant.resources.clone())));
    }
    // A role that is gone is left out, as nobody can be given it again.
    let world = console.authority.world();
    let stays = |grant: &&RoleGrant| world.role(grant.role).is_some_and(|role| !role.deleted);
    let kept = beyond(offered, given).filter(stays);
    wanted.extend(kept.map(|grant| (grant.role, grant.resources.clone())));
    wanted
}

/// The names of roles, with what they are for where that is not everything.
pub(super) fn names<'g>(
    console: &Console,
    grants: impl IntoIterator<Item = &'g RoleGrant>,
) -> Markup {
    let world = console.authority.world();
    let names: Vec<String> = grants
        .into_iter()
        .filter_map(|grant| {
            let role = world.role(grant.role).filter(|role| !role.deleted)?;
            Some(format!("{}{}", role.name, reach(&grant.resources)))
        })
        .collect();
    html! { (names.join(", ")) }
}

/// What of it was given that is not offered: who may not know of a role neither gives nor takes it.
fn beyond<'g>(
    offered: &'g [Role],
    given: &'g [RoleGrant],
) -> impl Iterator<Item = &'g RoleGrant> + 'g {
    given
        .iter()
        .filter(|grant| offered.iter().all(|role| role.id != grant.role))
}

fn about(role: &Role, given: &[RoleGrant]) -> String {
    let mine = given.iter().filter(|grant| grant.role == role.id);
    let reaches: String = mine.map(|grant| reach(&grant.resources)).collect();
    format!("{}{reaches}", role.description)
}

fn reach(resources: &Resources) -> String {
    match resources {
        Resources::All => String::new(),
        Resources::Listed(listed) => {
            let ids: Vec<&str> = listed.ids().iter().map(String::as_str).collect();
            format!(" (for {} {})", listed.kind(), ids.join(", "))
        }
    }
}
