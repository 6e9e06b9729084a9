//! Organizations: made, seen, renamed, taken out of use.
//!
//! The operator's organization is the one with the number 1; it administers every other. A manager administers the
//! organizations that it manages, and makes new ones of that kind only.

mod region;
pub(crate) mod settings;
mod subscriptions;

use std::sync::Arc;

use credential::event::Action;
use credential::id::OrganizationId;
use credential::name::Name;
use credential::organization::{Organization, OrganizationKind, Region};
use store::{Change, Found, View};

pub(crate) use settings::settings_need;
pub(crate) use settings::settings_of;
pub use settings::{EditSettings, OrganizationSettings};
pub use subscriptions::Turn;

use crate::Authority;
use crate::act::{Done, MAX_PAGE, gives_nothing, hidden, refuse_stale};
use crate::caller::{Caller, Need};
use crate::failure::{Failure, Refusal};
use crate::world::World;

pub(crate) const READ: &str = "latchkey.organizations:read";
pub(crate) const WRITE: &str = "latchkey.organizations:write";

/// The number of the operator's organization: the first one that was made.
pub const OPERATOR: i64 = store::deliveries::OPERATOR;

/// The sequence that numbers organizations.
pub(crate) const NUMBERS: &str = "organization";

/// What a new organization shall be.
#[derive(Debug, Clone)]
pub struct CreateOrganization {
    /// What people call it; unique on the server, letter case apart.
    pub name: Name,
    /// How it stands to others, for good.
    pub kind: OrganizationKind,
    /// Its manager. A managed organization needs one, where the caller's is not meant; others have none.
    pub parent: Option<OrganizationId>,
}

/// Which organizations a page is about; what is `None` asks nothing.
#[derive(Debug, Clone, Default)]
pub struct OrganizationFilter {
    /// Those whose name has this text in it, letter case apart.
    pub name_has: Option<String>,
    /// Those of this kind.
    pub kind: Option<OrganizationKind>,
    /// Those that this one manages.
    pub parent: Option<OrganizationId>,
    /// Those that are, or are not, in use.
    pub active: Option<bool>,
}

impl Authority {
    /// Makes an organization: any by the operator, a managed one by its manager.
    pub async fn create_organization(
        &self,
        caller: &Caller,
        command: CreateOrganization,
    ) -> Result<Done<Organization>, Failure> {
        self.create_organization_in(caller, command, None).await
    }

    /// The same, and says where it is at home.
    pub async fn create_organization_in(
        &self,
        caller: &Caller,
        command: CreateOrganization,
        region: Option<Region>,
    ) -> Result<Done<Organization>, Failure> {
        let need = Need {
            scope: WRITE,
            organization: caller.organization,
            product: None,
        };
        self.permit(caller, &need).await?;
        let parent = parent_of(&self.world(), caller, &command)?;
        let now = self.now();
        let fresh = Organization {
            id: OrganizationId::mint(now, self.entropy().draw()?),
            number: 0,
            name: command.name,
            kind: command.kind,
            parent,
            active: true,
            created_at: now,
            version: 1,
        };
        let by_key = !caller.is_shell();
        let name = fresh.name.clone();
        let law = move |view: &View<'_>| named_once(view, &name);
        let made = self
            .act_guarded(caller, vec![need], gives_nothing, law, move |change| {
                if let Some(parent) = fresh.parent {
                    let manager = stored(change, parent)?;
                    if manager.kind != OrganizationKind::Manager || !manager.active {
                        return Err(Refusal::invalid(
                            "parent_id",
                            "this organization manages no others",
                        )
                        .into());
                    }
                }
                let organization = Organization {
                    number: change.next_number(NUMBERS)?,
                    ..fresh.clone()
                };
                // The operator's number is given once, at the first start: a count that was set back gives it to nobody.
                if organization.number <= OPERATOR && by_key {
                    return Err(Refusal::Conflict(
                        "the count of organizations was set back".to_owned(),
                    )
                    .into());
                }
                change.insert_organization(&organization, Action::OrganizationCreated, "{}")?;
                if let Some(region) = &region {
                    region::settle(change, organization.id, region)?;
                }
                Ok(organization)
            })
            .await?;
        Ok(made)
    }

    /// One organization, if the caller may see it.
    pub async fn organization(
        &self,
        caller: &Caller,
        id: OrganizationId,
    ) -> Result<Organization, Failure> {
        self.seen_organization(caller, READ, id).await
    }

    /// An organization in which the caller may act at all: its own, or one that it manages. What it may do there is asked
    /// by each use case; of any other it is told that there is none.
    pub fn within_reach(
        &self,
        caller: &Caller,
        id: OrganizationId,
    ) -> Result<Arc<Organization>, Failure> {
        let world = self.world();
        let near = caller.organization == id || world.manages(caller.organization, id);
        let known = world.organization(id).filter(|_| near);
        Ok(known.cloned().ok_or(Refusal::NotFound("organization"))?)
    }

    /// A page of the organizations that the caller may see, in the order of their ids; `after` is the last id of the
    /// page before.
    pub async fn organizations(
        &self,
        caller: &Caller,
        filter: OrganizationFilter,
        after: Option<OrganizationId>,
        limit: usize,
    ) -> Result<Vec<Organization>, Failure> {
        let need = |organization| Need {
            scope: READ,
            organization,
            product: None,
        };
        // Who may not see its own may not see any: that is an answer, not an empty page.
        self.permit(caller, &need(caller.home())).await?;
        let world = self.world();
        let mut known: Vec<_> = world
            .organizations
            .values()
            .filter(|organization| after.is_none_or(|after| organization.id > after))
            .filter(|organization| {
                is_operator(&world, caller) || world.administers(caller.home(), organization.id)
            })
            .filter(|organization| filter.fits(organization))
            .collect();
        known.sort_by_key(|organization| organization.id);
        let mut page = Vec::new();
        for organization in known {
            if page.len() == limit.clamp(1, MAX_PAGE) {
                break;
            }
            match self.permit(caller, &need(organization.id)).await {
                Ok(()) => page.push(Organization::clone(organization)),
                Err(Failure::Refused(Refusal::NotFound(_) | Refusal::Forbidden { .. })) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(page)
    }

    /// Gives an organization another name.
    pub async fn rename_organization(
        &self,
        caller: &Caller,
        id: OrganizationId,
        name: Name,
        version: Option<i64>,
    ) -> Result<Done<Organization>, Failure> {
        self.seen_organization(caller, WRITE, id).await?;
        let need = Need {
            scope: WRITE,
            organization: id,
            product: None,
        };
        let law = {
            let name = name.clone();
            move |view: &View<'_>| named_once(view, &name)
        };
        self.act_guarded(caller, vec![need], gives_nothing, law, move |change| {
            let organization = stored(change, id)?;
            refuse_stale(organization.version, version)?;
            if organization.name == name {
                return Ok(organization);
            }
            let renamed = Organization {
                name: name.clone(),
                ..organization
            };
            Ok(change.update_organization(renamed, Action::OrganizationEdited, "{}")?)
        })
        .await
    }

    /// Takes an organization out of use: its keys, and those of organizations that it manages, are all refused. The
    /// operator or its manager does that, not the organization itself.
    pub async fn disable_organization(
        &self,
        caller: &Caller,
        id: OrganizationId,
        version: Option<i64>,
    ) -> Result<Done<Organization>, Failure> {
        self.set_organization_active(caller, id, version, false)
            .await
    }

    /// Brings an organization back into use.
    pub async fn enable_organization(
        &self,
        caller: &Caller,
        id: OrganizationId,
        version: Option<i64>,
    ) -> Result<Done<Organization>, Failure> {
        self.set_organization_active(caller, id, version, true)
            .await
    }

    async fn set_organization_active(
        &self,
        caller: &Caller,
        id: OrganizationId,
        version: Option<i64>,
        active: bool,
    ) -> Result<Done<Organization>, Failure> {
        self.seen_organization(caller, WRITE, id).await?;
        let need = Need {
            scope: WRITE,
            organization: id,
            product: None,
        };
        // Who switched off its own organization could not switch it on again.
        if caller.home() == id && !caller.is_shell() {
            return Err(
                Refusal::Ceiling("switching your own organization on or off".to_owned()).into(),
            );
        }
        self.act(caller, vec![need], gives_nothing, move |change| {
            let organization = stored(change, id)?;
            refuse_stale(organization.version, version)?;
            if organization.number == OPERATOR {
                return Err(Refusal::Conflict(
                    "the operator's organization stays in use".to_owned(),
                )
                .into());
            }
            if organization.active == active {
                return Ok(organization);
            }
            let action = if active {
                Action::OrganizationEnabled
            } else {
                Action::OrganizationDisabled
            };
            Ok(change.update_organization(
                Organization {
                    active,
                    ..organization
                },
                action,
                "{}",
            )?)
        })
        .await
    }

    /// The organization as this replica knows it. Who may not see it is told that there is none.
    async fn seen_organization(
        &self,
        caller: &Caller,
        scope: &'static str,
        id: OrganizationId,
    ) -> Result<Organization, Failure> {
        let need = |scope| Need {
            scope,
            organization: id,
            product: None,
        };
        self.permit(caller, &need(READ))
            .await
            .map_err(|refusal| hidden(refusal, "organization"))?;
        let world = self.world();
        let known = world
            .organization(id)
            .ok_or(Refusal::NotFound("organization"))?;
        if scope != READ {
            self.permit(caller, &need(scope)).await?;
        }
        Ok(Organization::clone(known))
    }
}

impl OrganizationFilter {
    fn fits(&self, organization: &Organization) -> bool {
        self.name_has
            .as_ref()
            .is_none_or(|part| organization.name.fold().contains(&part.to_lowercase()))
            && self.kind.is_none_or(|kind| kind == organization.kind)
            && self
                .parent
                .is_none_or(|parent| organization.parent == Some(parent))
            && self
                .active
                .is_none_or(|active| active == organization.active)
    }
}

/// Whether the caller acts for the whole server: whoever holds its shell, and the operator's organization.
pub(crate) fn is_operator(world: &World, caller: &Caller) -> bool {
    caller.is_shell() || world.is_operator(caller.home())
}

/// Who manages the new organization, if the caller may make it at all.
fn parent_of(
    world: &World,
    caller: &Caller,
    command: &CreateOrganization,
) -> Result<Option<OrganizationId>, Refusal> {
    let own = world.organization(caller.organization);
    let own_manages = own.is_some_and(|own| own.kind == OrganizationKind::Manager);
    if !is_operator(world, caller) {
        let managed_here = command.kind == OrganizationKind::Managed
            && command
                .parent
                .is_none_or(|parent| parent == caller.organization);
        if !(own_manages && managed_here) {
            return Err(Refusal::Ceiling("making such an organization".to_owned()));
        }
    }
    match (command.kind, command.parent) {
        (OrganizationKind::Managed, None) if own_manages => Ok(Some(caller.organization)),
        (OrganizationKind::Managed, None) => Err(Refusal::invalid(
            "parent_id",
            "a managed organization needs the manager it belongs to",
        )),
        (OrganizationKind::Managed, Some(parent)) => Ok(Some(parent)),
        (_, Some(_)) => Err(Refusal::invalid(
            "parent_id",
            "only a managed organization has a manager",
        )),
        (_, None) => Ok(None),
    }
}

fn stored(change: &mut Change<'_>, id: OrganizationId) -> Result<Organization, Failure> {
    match change.organization(id)? {
        Some(Found::Good(organization)) => Ok(organization),
        Some(Found::Tampered(_)) | None => Err(Refusal::NotFound("organization").into()),
    }
}

/// The law of names, asked under the lock where two that race for one name cannot miss each other.
fn named_once(view: &View<'_>, name: &Name) -> Result<(), Failure> {
    if view.organizations_by_name(name, 2)?.len() > 1 {
        return Err(Refusal::NameTaken("organization").into());
    }
    Ok(())
}
