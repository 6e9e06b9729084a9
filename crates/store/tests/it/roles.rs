//! Custom roles.

use credential::event::Action;
use credential::id::RoleId;
use credential::role::Role;
use store::Found;
use store::change::NO_DETAIL;
use store::roles::ROLE_NAME;
use testkit::{Database, on_each_engine};

use crate::world::{World, scope};

on_each_engine! {
    async fn a_role_comes_back_as_it_was_written(database: Database) {
        let world = World::new(&database).await;
        let (one, two) = (world.role("Reader"), world.role("Writer"));
        let insert = [one.clone(), two.clone()];
        world.change(move |change| insert.iter().try_for_each(|role| {
            change.insert_role(role, Action::RoleCreated, NO_DETAIL)
        })).await;
        let edit = Role { scopes: vec![scope("c")], ..one.clone() };
        let edited = world.change(move |change| change.update_role(edit.clone(), Action::RoleEdited, NO_DETAIL)).await;
        let (id, organization) = (one.id, one.organization);
        assert_eq!(world.view(move |view| view.role(id)).await, Some(Found::Good(edited.value.clone())));
        let deleted = Role { deleted: true, ..edited.value };
        let deleted = world.change(move |change| change.update_role(deleted.clone(), Action::RoleDeleted, NO_DETAIL)).await;
        assert_eq!(deleted.value.version, 3);
        let living = world.view(move |view| view.roles_page(organization, None, 10)).await;
        assert_eq!(living, vec![Found::Good(two.clone())]);
        let all = world.view(|view| view.roles_page(None, None, 10)).await;
        assert_eq!(all, vec![Found::Good(deleted.value), Found::Good(two)]);
    }

    async fn a_name_is_taken_while_its_role_lives(database: Database) {
        let world = World::new(&database).await;
        let (one, twin) = (world.role("Reader"), world.role("READER"));
        let shared = Role { organization: None, ..world.role("Reader") };
        let insert = [one.clone(), shared];
        world.change(move |change| insert.iter().try_for_each(|role| {
            change.insert_role(role, Action::RoleCreated, NO_DETAIL)
        })).await;
        let insert = {
            let twin = twin.clone();
            move |change: &mut store::Change<'_>| change.insert_role(&twin, Action::RoleCreated, NO_DETAIL)
        };
        assert!(world.try_change(insert.clone()).await.expect_err("taken").is_conflict_on(ROLE_NAME));
        let deleted = Role { deleted: true, ..one };
        world.change(move |change| change.update_role(deleted.clone(), Action::RoleDeleted, NO_DETAIL)).await;
        world.change(insert).await;
        assert!(world.view(move |view| view.role(RoleId::from_bytes([1; 16]))).await.is_none());
    }
}
