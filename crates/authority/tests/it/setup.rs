//! The first start.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use authority::setup::{SETUP_LIFE, SetUp};
use authority::users::UserFilter;
use authority::verify::Question;
use authority::{Authority, Refusal};
use credential::key::Denial;
use credential::organization::Email;

use crate::people::{name, refused};
use crate::rig::{START, authority_on, follow_until};

fn first(email: &str) -> SetUp {
    SetUp {
        organization: name("Acme"),
        email: Email::new(email).unwrap(),
        name: name("Ada"),
    }
}

async fn fresh(database: &testkit::Database) -> (Authority, Arc<AtomicI64>) {
    let clock = Arc::new(AtomicI64::new(START));
    (authority_on(database, Arc::clone(&clock), 1).await, clock)
}

testkit::on_each_engine! {
    async fn the_token_makes_one_administrator_with_a_key_that_works(database: testkit::Database) {
        let (authority, _) = fresh(&database).await;
        let token = authority.begin_setup().await.unwrap().unwrap();
        let made = authority.complete_setup(token.expose(), first("ada@example.com"), None, "r").await.unwrap();
        assert_eq!(made.organization.number, 1);
        let authority::keys::Shown::Static { secret } = &made.shown else { panic!("a static key") };
        let (caller, _) = authority.caller(&Question::bearer(secret.expose()), "r").await.unwrap();
        let users = authority.users(&caller, UserFilter::default(), None, 10).await.unwrap();
        assert_eq!(users.len(), 1);
        assert_eq!(made.key.owner, Some(users[0].id));
        // Once used it is of no use, and no other is given out.
        let again = authority.complete_setup(token.expose(), first("eve@example.com"), None, "r").await;
        assert!(matches!(refused(again), Refusal::Conflict(_)));
        assert!(authority.begin_setup().await.unwrap().is_none());
    }

    async fn only_the_latest_token_is_good_and_for_an_hour(database: testkit::Database) {
        let (authority, clock) = fresh(&database).await;
        let earlier = authority.begin_setup().await.unwrap().unwrap();
        let latest = authority.begin_setup().await.unwrap().unwrap();
        let complete = async |token: &str| authority.complete_setup(token, first("ada@example.com"), None, "r").await;
        let unknown = Refusal::Unauthenticated(Denial::Unknown);
        assert_eq!(refused(complete(earlier.expose()).await), unknown);
        assert_eq!(refused(complete("lk_setup_junk").await), unknown);
        let mut wrong = latest.expose().to_owned();
        wrong.replace_range(60..61, if &wrong[60..61] == "x" { "y" } else { "x" });
        assert_eq!(refused(complete(&wrong).await), unknown);
        clock.fetch_add(SETUP_LIFE.millis(), std::sync::atomic::Ordering::SeqCst);
        authority.poll().await.unwrap();
        assert_eq!(refused(complete(latest.expose()).await), Refusal::Unauthenticated(Denial::Expired));
    }

    async fn of_two_replicas_that_race_one_makes_the_administrator(database: testkit::Database) {
        let (one, clock) = fresh(&database).await;
        let two = authority_on(&database, clock, 2).await;
        let token = one.begin_setup().await.unwrap().unwrap();
        let race = async {
            tokio::join!(
                one.complete_setup(token.expose(), first("ada@example.com"), None, "r"),
                two.complete_setup(token.expose(), first("bob@example.com"), None, "r")
            )
        };
        let (by_one, by_two) = follow_until(&one, follow_until(&two, race)).await;
        assert_eq!([by_one.is_ok(), by_two.is_ok()].into_iter().filter(|won| *won).count(), 1);
        let users = one.store().view(|view| view.users_page(None, None, 10)).await.unwrap();
        assert_eq!(users.len(), 1);
        let organizations = one.store().view(|view| view.organizations_count()).await.unwrap();
        assert_eq!(organizations, 1);
    }
}
