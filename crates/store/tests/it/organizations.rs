//! Organizations.

use credential::event::Action;
use credential::organization::{Organization, OrganizationKind};
use store::change::NO_DETAIL;
use store::{Fault, Found};
use testkit::{Database, on_each_engine};

use crate::world::{World, name_of, organization};

on_each_engine! {
    async fn an_organization_comes_back_as_it_was_written(database: Database) {
        let world = World::new(&database).await;
        let manager = Organization { kind: OrganizationKind::Manager, ..organization(2, "Manager") };
        let managed = Organization {
            kind: OrganizationKind::Managed, parent: Some(manager.id), ..organization(3, "Managed")
        };
        let insert = [manager.clone(), managed.clone()];
        world.change(move |change| insert.iter().try_for_each(|new| {
            change.insert_organization(new, Action::OrganizationCreated, NO_DETAIL)
        })).await;
        let (id, parent) = (managed.id, manager.id);
        assert_eq!(world.view(move |view| view.organization(id)).await, Some(Found::Good(managed.clone())));
        assert_eq!(world.view(|view| view.organization_by_number(2)).await, Some(Found::Good(manager.clone())));
        let below = world.view(move |view| view.managed_organizations(parent, None, 10)).await;
        assert_eq!(below, vec![Found::Good(managed.clone())]);
        let all = world.view(|view| view.organizations_page(None, 10)).await;
        let everyone = [world.organization.clone(), manager, managed.clone()].map(Found::Good);
        assert_eq!(all, everyone);
        let first = world.organization.id;
        assert_eq!(world.view(move |view| view.organizations_page(Some(first), 10)).await, everyone[1..]);
        let named = world.view(|view| view.organizations_by_name(&name_of("MANAGED"), 10)).await;
        assert_eq!(named, vec![Found::Good(managed.clone())]);
        assert_eq!(world.view(|view| view.organizations_count()).await, 3);

        let edit = Organization { active: false, name: name_of("Renamed"), ..managed.clone() };
        let edited = world.change(move |change| {
            change.update_organization(edit.clone(), Action::OrganizationDisabled, NO_DETAIL)
        }).await.value;
        assert_eq!((edited.version, edited.active), (2, false));
        assert_eq!(world.view(move |view| view.organization(id)).await, Some(Found::Good(edited)));
        let stale = world.try_change(move |change| {
            change.update_organization(managed.clone(), Action::OrganizationEnabled, NO_DETAIL)
        });
        assert!(matches!(stale.await, Err(Fault::Outrun)), "an old version is never written over a newer one");
    }

    async fn a_number_is_of_one_organization(database: Database) {
        let world = World::new(&database).await;
        let mut twin = organization(9, "Twin");
        twin.number = 1;
        let insert = world.try_change(move |change| {
            change.insert_organization(&twin, Action::OrganizationCreated, NO_DETAIL)
        });
        assert!(insert.await.expect_err("taken").is_conflict_on("organization.number"));
    }
}
