//! People who are signed in: how long, as whom, and what ends it.

use authority::Refusal;
use authority::sessions::{IDLE, LIFE, PROVEN, SignedIn};
use authority::users::UserFilter;
use credential::organization::User;
use credential::password::Password;
use credential::time::Span;
use store::args;
use testkit::Database;

use crate::people::{ADMINISTRATOR, VIEWER, name, person, refused, wanted};
use crate::rig::Rig;

async fn signed_in(rig: &Rig, token: &str) -> Option<SignedIn> {
    rig.authority
        .signed_in(token, None, "request")
        .await
        .unwrap()
}

async fn begin(rig: &Rig, user: &User) -> String {
    let begun = rig
        .authority
        .begin_session(user, None, "a browser", "request")
        .await
        .unwrap();
    begun.token.expose().to_owned()
}

testkit::on_each_engine! {
    async fn who_is_signed_in_may_what_their_roles_are_worth_now(database: Database) {
        let rig = Rig::open(&database).await;
        let (ada, _) = person(&rig, "ada@example.com", rig.organization, &[ADMINISTRATOR]).await;
        person(&rig, "eve@example.com", rig.organization, &[ADMINISTRATOR]).await;
        let token = begin(&rig, &ada).await;
        let caller = signed_in(&rig, &token).await.unwrap().caller;
        assert!(!caller.is_shell());
        let bea = rig.authority.create_user(&caller, wanted("bea@example.com", rig.organization, &[VIEWER])).await.unwrap();

        let roles = vec![(VIEWER.parse().unwrap(), credential::grant::Resources::All)];
        rig.authority.set_user_roles(&rig.shell(), ada.id, roles, None).await.unwrap();
        let rename = rig.authority.rename_user(&caller, bea.value.id, name("Beatrix"), None).await;
        assert!(matches!(refused(rename), Refusal::Forbidden { .. }));
        // What a viewer sees is still seen.
        rig.authority.users(&caller, UserFilter::default(), None, 10).await.unwrap();

        rig.authority.disable_user(&rig.shell(), ada.id, None).await.unwrap();
        assert!(signed_in(&rig, &token).await.is_none());
    }

    async fn a_session_ends_unused_or_in_any_case_and_only_by_its_own_token(database: Database) {
        let rig = Rig::open(&database).await;
        let (ada, _) = person(&rig, "ada@example.com", rig.organization, &[VIEWER]).await;
        let token = begin(&rig, &ada).await;
        let other = begin(&rig, &ada).await;
        assert_eq!(rig.authority.sessions_of(&signed_in(&rig, &token).await.unwrap()).await.unwrap().len(), 2);
        for wrong in ["", "x", &token[..token.len() - 1], &format!("{token}x"), &format!("{}.{}", &token[..22], &other[23..])] {
            assert!(signed_in(&rig, wrong).await.is_none(), "{wrong}");
        }

        assert!(signed_in(&rig, &token).await.unwrap().is_proven);
        rig.pass(PROVEN).await;
        assert!(!signed_in(&rig, &token).await.unwrap().is_proven);

        // Whoever goes on using it stays, up to its end.
        let step = Span::from_secs(IDLE.seconds() - 1);
        let mut passed = PROVEN;
        while passed.seconds() + step.seconds() < LIFE.seconds() {
            rig.pass(step).await;
            passed = Span::from_secs(passed.seconds() + step.seconds());
            assert!(signed_in(&rig, &token).await.is_some(), "after {} s", passed.seconds());
        }
        assert!(signed_in(&rig, &other).await.is_none());
        rig.pass(step).await;
        assert!(signed_in(&rig, &token).await.is_none());
    }

    async fn a_session_that_was_ended_is_over_at_once_even_for_a_change_under_way(database: Database) {
        let rig = Rig::open(&database).await;
        let (ada, _) = person(&rig, "ada@example.com", rig.organization, &[ADMINISTRATOR]).await;
        let (token, other) = (begin(&rig, &ada).await, begin(&rig, &ada).await);
        let here = signed_in(&rig, &token).await.unwrap();
        rig.authority.end_sessions(&here, true).await.unwrap();
        assert!(signed_in(&rig, &other).await.is_none());
        assert!(signed_in(&rig, &token).await.is_some());
        rig.authority.end_sessions(&here, false).await.unwrap();
        assert!(signed_in(&rig, &token).await.is_none());
        // The request that was on its way with it finds it gone under the lock.
        let late = rig.authority.create_user(&here.caller, wanted("bea@example.com", rig.organization, &[VIEWER])).await;
        assert_eq!(refused(late), Refusal::Restricted);
    }

    async fn another_password_and_being_disabled_end_sessions_for_good(database: Database) {
        let rig = Rig::open(&database).await;
        let (ada, _) = person(&rig, "ada@example.com", rig.organization, &[VIEWER]).await;
        let (token, other) = (begin(&rig, &ada).await, begin(&rig, &ada).await);
        rig.authority.disable_user(&rig.shell(), ada.id, None).await.unwrap();
        rig.authority.enable_user(&rig.shell(), ada.id, None).await.unwrap();
        assert!(signed_in(&rig, &token).await.is_none() && signed_in(&rig, &other).await.is_none());

        let (token, other) = (begin(&rig, &ada).await, begin(&rig, &ada).await);
        let here = signed_in(&rig, &token).await.unwrap();
        let fresh = || Some(Password::from("test horses only".to_owned()));
        rig.authority.set_password(&here.caller, ada.id, fresh(), None).await.unwrap();
        assert!(signed_in(&rig, &token).await.is_some(), "the session in which it was changed goes on");
        assert!(signed_in(&rig, &other).await.is_none());
        rig.authority.set_password(&rig.shell(), ada.id, fresh(), None).await.unwrap();
        assert!(signed_in(&rig, &token).await.is_none());
    }

    async fn a_session_row_that_was_edited_or_put_back_is_found(database: Database) {
        let rig = Rig::open(&database).await;
        let (ada, _) = person(&rig, "ada@example.com", rig.organization, &[VIEWER]).await;
        let (eve, _) = person(&rig, "eve@example.com", rig.organization, &[ADMINISTRATOR]).await;
        let token = begin(&rig, &ada).await;
        let whose = eve.id.to_string();
        rig.authority.store().db().write(move |tx| tx.execute("UPDATE session SET person = $1", args![whose.clone()])).await.unwrap();
        assert!(signed_in(&rig, &token).await.is_none());
        let found = rig.authority.store().compare_all(10).await.unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
    }

    async fn what_is_over_is_removed_and_the_trail_says_so(database: Database) {
        let rig = Rig::open(&database).await;
        let (ada, _) = person(&rig, "ada@example.com", rig.organization, &[VIEWER]).await;
        let user = ada.id;
        begin(&rig, &ada).await;
        rig.pass(LIFE).await;
        rig.pass(Span::from_secs(1)).await;
        rig.authority.purge().await.unwrap();
        let left = rig.authority.store().view::<_, store::Fault>(move |view| view.sessions_of(user, 10)).await.unwrap();
        assert!(left.is_empty());
        assert_eq!(rig.authority.store().compare_all(10).await.unwrap(), []);
    }
}
