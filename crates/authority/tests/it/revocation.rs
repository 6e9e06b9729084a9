//! Revoked means revoked, on every process.

use std::sync::atomic::Ordering;

use authority::verify::Question;
use authority::{Failure, Refusal};
use credential::key::{Denial, Kind};
use credential::time::Span;

use crate::rig::{Rig, ask, follow_until, secret};

const READ: &str = "sample.orders:read";

testkit::on_each_engine! {
    async fn when_a_revocation_returns_every_replica_refuses(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let other = rig.another(&database).await;
        for round in 0..20 {
            let issued = created_while_followed(&rig, &other, round).await;
            assert_eq!(ask(&other, secret(&issued), &[]).await, Ok(()));
            let shell = rig.shell();
            let revoke = rig.authority.revoke_key(&shell, issued.key.id, None);
            follow_until(&other, revoke).await.unwrap();
            assert_eq!(ask(&other, secret(&issued), &[]).await, Err(Denial::Revoked), "round {round}");
        }
    }

    async fn a_replica_that_cannot_know_refuses(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let issued = rig.create(Kind::Static, "one", &[READ]).await;
        assert_eq!(ask(&rig.authority, secret(&issued), &[]).await, Ok(()));
        rig.clock.fetch_add(1001, Ordering::SeqCst);
        let question = Question::bearer(secret(&issued));
        let refused = rig.authority.verify(&question).await.map(drop);
        assert!(matches!(refused, Err(Failure::Refused(Refusal::NotFresh))), "{refused:?}");
        rig.authority.poll().await.unwrap();
        assert_eq!(ask(&rig.authority, secret(&issued), &[]).await, Ok(()));
    }

    async fn a_silent_replica_delays_a_change_by_the_bound_and_is_fenced(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let issued = rig.create(Kind::Static, "one", &[READ]).await;
        let silent = rig.another(&database).await;
        assert_eq!(ask(&silent, secret(&issued), &[]).await, Ok(()));
        let shell = rig.shell();
        let revoke = rig.authority.revoke_key(&shell, issued.key.id, None);
        let wait = async {
            loop {
                rig.clock.fetch_add(100, Ordering::SeqCst);
                rig.authority.poll().await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        tokio::select! { done = revoke => { done.unwrap(); } () = wait => {} }
        // It did not hear, and it does not say valid: its knowledge is older than the bound.
        let question = Question::bearer(secret(&issued));
        assert!(silent.verify(&question).await.is_err());
        silent.poll().await.unwrap();
        assert_eq!(ask(&silent, secret(&issued), &[]).await, Err(Denial::Revoked));
    }

    async fn a_question_may_demand_a_revision(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let issued = rig.create(Kind::Static, "one", &[READ]).await;
        let question = Question::bearer(secret(&issued));
        let answer = rig.authority.verify_since(&question, issued.revision).await.unwrap();
        assert!(answer.revision >= issued.revision);
        let ahead = rig.authority.verify_since(&question, issued.revision + 1).await.map(drop);
        assert!(
            matches!(ahead, Err(Failure::Refused(Refusal::Invalid { member: "min_revision", .. }))),
            "{ahead:?}"
        );
    }

    async fn time_never_goes_back(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let before = rig.authority.now();
        rig.clock.fetch_sub(Span::from_hours(1).millis(), Ordering::SeqCst);
        rig.authority.poll().await.unwrap();
        assert!(rig.authority.now() >= before);
    }
}

async fn created_while_followed(
    rig: &Rig,
    other: &authority::Authority,
    round: usize,
) -> authority::keys::Issued {
    let command = rig.command(Kind::Static, &format!("key {round}"), &[READ]);
    follow_until(other, rig.create_with(command)).await.unwrap()
}
