//! People.

use credential::event::Action;
use credential::grant::{Resources, RoleGrant};
use credential::id::RoleId;
use credential::organization::{Email, User};
use store::Found;
use store::change::NO_DETAIL;
use store::users::USER_EMAIL;
use testkit::{Database, on_each_engine};

use crate::world::{World, name_of, organization};

on_each_engine! {
    async fn a_person_comes_back_as_they_were_written(database: Database) {
        let world = World::new(&database).await;
        let ada = world.user("Ada@Example.com");
        let id = ada.id;
        let insert = ada.clone();
        world.change(move |change| change.insert_user(&insert, Action::UserCreated, NO_DETAIL)).await;
        assert_eq!(world.view(move |view| view.user(id)).await, Some(Found::Good(ada.clone())));
        let email = Email::new("ADA@example.com").expect("an address");
        let (organization, same) = (ada.organization, email.clone());
        let found = world.view(move |view| view.user_by_email(organization, &same)).await;
        assert_eq!(found, Some(Found::Good(ada.clone())));

        let grant = RoleGrant { role: RoleId::from_bytes([1; 16]), resources: Resources::All };
        let edit = User { name: name_of("Ada L."), roles: vec![grant], active: false, ..ada.clone() };
        let edited = world.change(move |change| change.update_user(edit.clone(), Action::UserEdited, NO_DETAIL)).await.value;
        assert_eq!(edited.version, 2);
        let page = world.view(move |view| view.users_page(Some(organization), None, 10)).await;
        assert_eq!(page, vec![Found::Good(edited.clone())]);
        assert_eq!(world.view(|view| view.users_page(None, None, 10)).await, page);
        assert_eq!(world.view(move |view| view.users_by_email(&email, 10)).await, page);
        let gone = edited.clone();
        world.change(move |change| change.delete_user(&gone, Action::UserDeleted, NO_DETAIL)).await;
        assert_eq!(world.view(move |view| view.user(id)).await, None);
        assert_eq!(world.mismatches().await, vec![]);
    }

    async fn an_address_is_taken_within_its_organization(database: Database) {
        let world = World::new(&database).await;
        let (ada, twin, other) = (world.user("ada@x.org"), world.user("ADA@x.org"), organization(2, "Other"));
        let abroad = User { organization: other.id, ..world.user("ada@x.org") };
        world.change(move |change| {
            change.insert_organization(&other, Action::OrganizationCreated, NO_DETAIL)?;
            change.insert_user(&ada, Action::UserCreated, NO_DETAIL)?;
            change.insert_user(&abroad, Action::UserCreated, NO_DETAIL)
        }).await;
        let taken = world.try_change(move |change| change.insert_user(&twin, Action::UserCreated, NO_DETAIL)).await;
        assert!(taken.expect_err("taken").is_conflict_on(USER_EMAIL));
    }

    async fn a_password_is_sealed_for_its_person_and_its_turn(database: Database) {
        let world = World::new(&database).await;
        let (ada, eve) = (world.user("ada@x.org"), world.user("eve@x.org"));
        let (of_ada, of_eve) = (ada.id, eve.id);
        world.change(move |change| {
            for user in [&ada, &eve] {
                change.insert_user(user, Action::UserCreated, NO_DETAIL)?;
            }
            Ok(())
        }).await;
        assert_eq!(world.view(move |view| view.password(of_ada)).await, None);
        world.change(move |change| change.set_password(of_ada, "hash 1")).await;
        world.change(move |change| change.set_password(of_ada, "hash 2")).await;
        world.change(move |change| change.set_password(of_eve, "hash of Eve")).await;
        assert_eq!(world.view(move |view| view.password(of_ada)).await, Some(Found::Good("hash 2".to_owned())));
        assert_eq!(world.mismatches().await, vec![]);
        const COPY: &str = "UPDATE person SET password = (SELECT password FROM person WHERE email = 'eve@x.org')";
        world.sql(COPY, store::args![]).await;
        assert!(matches!(world.view(move |view| view.password(of_ada)).await, Some(Found::Tampered(_))));
    }

    async fn a_password_that_was_taken_away_does_not_come_back(database: Database) {
        let world = World::new(&database).await;
        let ada = world.user("ada@x.org");
        let of_ada = ada.id;
        world.change(move |change| {
            change.insert_user(&ada, Action::UserCreated, NO_DETAIL)?;
            change.set_password(of_ada, "hash 1")
        }).await;
        assert_eq!(world.view(|view| view.users_with_password()).await, vec![of_ada]);
        world.sql("CREATE TABLE yesterday AS SELECT password, password_version FROM person", store::args![]).await;
        world.change(move |change| change.remove_password(of_ada)).await;
        assert_eq!(world.view(move |view| view.password(of_ada)).await, None);
        assert_eq!(world.view(|view| view.users_with_password()).await, vec![]);
        assert_eq!(world.mismatches().await, vec![]);
        world.sql("UPDATE person SET password = (SELECT password FROM yesterday)", store::args![]).await;
        assert!(matches!(world.view(move |view| view.password(of_ada)).await, Some(Found::Tampered(_))));
        world.sql("UPDATE person SET password_version = 1", store::args![]).await;
        let wrong: Vec<_> = world.mismatches().await.into_iter().map(|(_, _, wrong)| wrong).collect();
        assert_eq!(wrong, vec![store::compare::Wrong::PutBack]);
        world.sql("UPDATE person SET password = NULL", store::args![]).await;
        let wrong: Vec<_> = world.mismatches().await.into_iter().map(|(_, _, wrong)| wrong).collect();
        assert_eq!(wrong, vec![store::compare::Wrong::Deleted]);
    }

    async fn a_new_password_follows_one_that_was_taken_away(database: Database) {
        let world = World::new(&database).await;
        let ada = world.user("ada@x.org");
        let of_ada = ada.id;
        world.change(move |change| {
            change.insert_user(&ada, Action::UserCreated, NO_DETAIL)?;
            change.set_password(of_ada, "hash 1")
        }).await;
        world.change(move |change| change.remove_password(of_ada)).await;
        world.change(move |change| change.set_password(of_ada, "hash 3")).await;
        assert_eq!(world.view(move |view| view.password(of_ada)).await, Some(Found::Good("hash 3".to_owned())));
        assert_eq!(world.mismatches().await, vec![]);
    }
}
