//! Groups of people.

use std::collections::BTreeSet;

use credential::event::Action;
use credential::group::{Group, Reach};
use credential::id::{OrganizationId, UserId};
use store::Found;
use store::change::NO_DETAIL;
use store::groups::GROUP_NAME;
use testkit::{Database, on_each_engine};

use crate::world::{World, after, name_of, organization};

on_each_engine! {
    async fn a_group_comes_back_as_it_was_written(database: Database) {
        let world = World::new(&database).await;
        let (one, two) = (world.group("Readers"), world.group("Writers"));
        let insert = [one.clone(), two.clone()];
        world.change(move |change| insert.iter().try_for_each(|group| {
            change.insert_group(group, Action::GroupCreated, NO_DETAIL)
        })).await;
        let (id, own) = (one.id, one.organization);
        assert_eq!(world.view(move |view| view.group(id)).await, Some(Found::Good(one.clone())));
        let edit = Group {
            name: name_of("Editors"), roles: Vec::new(), nested: BTreeSet::new(), edited_at: after(1),
            members: (0..1000_u128).map(|number| UserId::from_bytes(number.to_be_bytes())).collect(),
            reach: Reach::Listed(BTreeSet::from([OrganizationId::from_bytes([9; 16])])),
            ..one
        };
        let edited = world.change(move |change| {
            change.update_group(edit.clone(), Action::GroupMembersChanged, NO_DETAIL)
        }).await.value;
        assert_eq!(edited.version, 2);
        let page = world.view(move |view| view.groups_page(Some(own), None, 10)).await;
        assert_eq!(page, vec![Found::Good(edited.clone()), Found::Good(two.clone())]);
        let rest = world.view(move |view| view.groups_page(None, Some(id), 10)).await;
        assert_eq!(rest, vec![Found::Good(two)]);
        assert_eq!(world.mismatches().await, vec![]);
        world.change(move |change| change.delete_group(&edited, Action::GroupDeleted, NO_DETAIL)).await;
        assert_eq!(world.view(move |view| view.group(id)).await, None);
        assert_eq!(world.mismatches().await, vec![]);
    }

    async fn a_name_is_taken_within_its_organization_while_its_group_is_there(database: Database) {
        let world = World::new(&database).await;
        let (one, twin, other) = (world.group("Readers"), world.group("READERS"), organization(2, "Other"));
        let abroad = Group { organization: other.id, ..world.group("Readers") };
        let insert = one.clone();
        world.change(move |change| {
            change.insert_organization(&other, Action::OrganizationCreated, NO_DETAIL)?;
            change.insert_group(&insert, Action::GroupCreated, NO_DETAIL)?;
            change.insert_group(&abroad, Action::GroupCreated, NO_DETAIL)
        }).await;
        let insert = move |change: &mut store::Change<'_>| change.insert_group(&twin, Action::GroupCreated, NO_DETAIL);
        assert!(world.try_change(insert.clone()).await.expect_err("taken").is_conflict_on(GROUP_NAME));
        world.change(move |change| change.delete_group(&one, Action::GroupDeleted, NO_DETAIL)).await;
        world.change(insert).await;
    }

    async fn a_group_that_was_put_back_is_found(database: Database) {
        let world = World::new(&database).await;
        let group = world.group("Readers");
        let insert = group.clone();
        world.change(move |change| change.insert_group(&insert, Action::GroupCreated, NO_DETAIL)).await;
        world.sql("CREATE TABLE yesterday AS SELECT * FROM user_group", store::args![]).await;
        let edit = Group { members: BTreeSet::new(), ..group };
        world.change(move |change| change.update_group(edit.clone(), Action::GroupMembersChanged, NO_DETAIL)).await;
        const BACK: &str = "UPDATE user_group SET (members, version, mac) = (SELECT members, version, mac FROM yesterday)";
        world.sql(BACK, store::args![]).await;
        let wrong: Vec<_> = world.mismatches().await.into_iter().map(|(kind, _, wrong)| (kind, wrong)).collect();
        assert_eq!(wrong, vec![("group".to_owned(), store::compare::Wrong::PutBack)]);
    }
}
