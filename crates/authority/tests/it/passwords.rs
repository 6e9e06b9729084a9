//! Passwords: who sets whose, and who gets in with one.

use authority::audit::AuditQuery;
use authority::passwords::{NotSignedIn, SignIn};
use authority::{Authority, Caller, Refusal};
use credential::event::Action;
use credential::grant::Resources;
use credential::id::{OrganizationId, UserId};
use credential::key::Kind;
use credential::organization::{Email, OrganizationKind, User};
use credential::password::Password;
use credential::time::Span;
use store::args;

use crate::people::{ADMINISTRATOR, VERIFIER, VIEWER, organization, person, refused, role};
use crate::rig::{Rig, secret};

const GOOD: &str = "test horses only";
const BAD: &str = "test horses wrong";

fn sign_in(email: &str, password: &str, organization: Option<OrganizationId>) -> SignIn {
    SignIn {
        email: Email::new(email).unwrap(),
        password: Password::from(password.to_owned()),
        organization,
        from: Some("192.0.2.1".parse().unwrap()),
        request_id: "request".to_owned(),
    }
}

async fn try_with(
    authority: &Authority,
    email: &str,
    password: &str,
    organization: Option<OrganizationId>,
) -> Result<Vec<UserId>, NotSignedIn> {
    let ids = |users: Vec<User>| users.into_iter().map(|user| user.id).collect();
    authority
        .check_password(sign_in(email, password, organization))
        .await
        .unwrap()
        .map(ids)
}

async fn give(rig: &Rig, caller: &Caller, id: UserId, password: &str) -> Result<(), Refusal> {
    let given = rig
        .authority
        .set_password(caller, id, Some(Password::from(password.to_owned())), None)
        .await;
    match given {
        Ok(_) => Ok(()),
        refusal => Err(refused(refusal)),
    }
}

/// How many events of the kind there are in the whole trail.
async fn told(rig: &Rig, action: Action) -> usize {
    let query = AuditQuery {
        everywhere: true,
        filter: store::audit::AuditFilter {
            action: Some(action),
            ..Default::default()
        },
    };
    rig.authority
        .audit(&rig.shell(), query, None, 1000)
        .await
        .unwrap()
        .len()
}

testkit::on_each_engine! {
    async fn who_knows_the_password_gets_in_and_nobody_else(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (ada, _) = person(&rig, "ada@example.com", rig.organization, &[VIEWER]).await;
        let (bob, _) = person(&rig, "bob@example.com", rig.organization, &[VIEWER]).await;
        give(&rig, &rig.shell(), ada.id, GOOD).await.unwrap();
        let wrong = Err(NotSignedIn::Wrong);
        assert_eq!(try_with(&rig.authority, "ADA@example.com", GOOD, None).await, Ok(vec![ada.id]));
        assert_eq!(try_with(&rig.authority, "ada@example.com", BAD, None).await, wrong);
        assert_eq!(try_with(&rig.authority, "bob@example.com", GOOD, None).await, wrong, "has none");
        assert_eq!(try_with(&rig.authority, "bob@example.com", "", None).await, wrong, "has none");
        assert_eq!(try_with(&rig.authority, "eve@example.com", GOOD, None).await, wrong, "is nobody");
        assert_eq!(try_with(&rig.authority, "ada@example.com", &"x".repeat(10_000), None).await, wrong);
        assert_eq!(told(&rig, Action::UserLoggedIn).await, 1);
        assert_eq!(told(&rig, Action::AuthenticationDenied).await, 5);
        assert!(!rig.authority.world().has_password(bob.id) && rig.authority.world().has_password(ada.id));

        rig.authority.set_password(&rig.shell(), ada.id, None, None).await.unwrap();
        assert_eq!(try_with(&rig.authority, "ada@example.com", GOOD, None).await, wrong);
        assert_eq!(try_with(&rig.authority, "ada@example.com", "", None).await, wrong, "no password is not an empty one");
        give(&rig, &rig.shell(), ada.id, BAD).await.unwrap();
        assert_eq!(try_with(&rig.authority, "ada@example.com", BAD, None).await, Ok(vec![ada.id]));
        assert_eq!(rig.authority.store().compare_all(10).await.unwrap(), vec![]);
    }

    async fn whoever_may_not_act_is_answered_like_nobody(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let manager = organization(&rig, "Manager", OrganizationKind::Manager).await;
        let managed = rig.authority.create_organization(&Caller::shell(manager.id), authority::organizations::CreateOrganization {
            name: crate::people::name("Managed"), kind: OrganizationKind::Managed, parent: Some(manager.id),
        }).await.unwrap().value;
        let (ada, _) = person(&rig, "ada@example.com", managed.id, &[VIEWER]).await;
        give(&rig, &rig.shell(), ada.id, GOOD).await.unwrap();
        let tried = async || try_with(&rig.authority, "ada@example.com", GOOD, None).await;
        assert_eq!(tried().await, Ok(vec![ada.id]));
        rig.authority.disable_user(&rig.shell(), ada.id, None).await.unwrap();
        assert_eq!(tried().await, Err(NotSignedIn::Wrong));
        rig.authority.enable_user(&rig.shell(), ada.id, None).await.unwrap();
        assert_eq!(tried().await, Ok(vec![ada.id]));
        rig.authority.disable_organization(&rig.shell(), manager.id, None).await.unwrap();
        assert_eq!(tried().await, Err(NotSignedIn::Wrong), "a managed one follows its manager");
        rig.authority.remove_user(&rig.shell(), ada.id, None).await.unwrap();
        assert_eq!(tried().await, Err(NotSignedIn::Wrong));
        assert!(!rig.authority.world().has_password(ada.id));
    }

    async fn an_address_is_looked_for_everywhere_or_in_one_organization(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let other = organization(&rig, "Other", OrganizationKind::Standalone).await;
        let (here, _) = person(&rig, "ada@example.com", rig.organization, &[VIEWER]).await;
        let (there, _) = person(&rig, "ada@example.com", other.id, &[VIEWER]).await;
        give(&rig, &rig.shell(), here.id, GOOD).await.unwrap();
        give(&rig, &rig.shell(), there.id, BAD).await.unwrap();
        assert_eq!(try_with(&rig.authority, "ada@example.com", GOOD, None).await, Ok(vec![here.id]));
        assert_eq!(try_with(&rig.authority, "ada@example.com", BAD, None).await, Ok(vec![there.id]));
        assert_eq!(try_with(&rig.authority, "ada@example.com", GOOD, Some(other.id)).await, Err(NotSignedIn::Wrong));
        give(&rig, &rig.shell(), there.id, GOOD).await.unwrap();
        let mut both = vec![here.id, there.id];
        both.sort();
        assert_eq!(try_with(&rig.authority, "ada@example.com", GOOD, None).await, Ok(both));
    }

    async fn after_five_wrong_tries_an_address_rests(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (ada, _) = person(&rig, "ada@example.com", rig.organization, &[VIEWER]).await;
        give(&rig, &rig.shell(), ada.id, GOOD).await.unwrap();
        for email in ["ada@example.com", "nobody@example.com"] {
            for _ in 0..5 {
                assert_eq!(try_with(&rig.authority, email, BAD, None).await, Err(NotSignedIn::Wrong));
                rig.pass(Span::from_minutes(1)).await;
            }
            let refused = try_with(&rig.authority, email, GOOD, None).await;
            assert_eq!(refused, Err(NotSignedIn::LockedOut { retry_after: Span::from_minutes(10) }), "{email}");
        }
        assert_eq!(told(&rig, Action::AuthenticationDenied).await, 10, "what was not looked at is not told of");
        rig.pass(Span::from_minutes(5)).await;
        assert_eq!(try_with(&rig.authority, "ada@example.com", GOOD, None).await, Ok(vec![ada.id]));
    }

    async fn another_persons_password_takes_the_right_to_give_their_roles(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (ada, of_ada) = person(&rig, "ada@example.com", rig.organization, &[ADMINISTRATOR]).await;
        let (vi, of_vi) = person(&rig, "vi@example.com", rig.organization, &[VERIFIER]).await;
        let helper = rig.admin(&["latchkey.users:read", "latchkey.users:write", "latchkey.verify", "latchkey.introspect"]).await;
        assert!(matches!(give(&rig, &helper, ada.id, GOOD).await, Err(Refusal::Ceiling(_))));
        assert_eq!(give(&rig, &helper, vi.id, GOOD).await, Ok(()));
        assert_eq!(give(&rig, &of_vi, vi.id, BAD).await, Ok(()), "one's own");
        assert!(matches!(give(&rig, &of_vi, ada.id, GOOD).await, Err(Refusal::NotFound("user"))));
        assert_eq!(give(&rig, &of_ada, ada.id, GOOD).await, Ok(()));
        assert!(matches!(give(&rig, &of_ada, ada.id, "ada@example.com").await, Err(Refusal::Invalid { member: "password", .. })));
        // A key that has less than its owner does not become its owner.
        let command = authority::keys::CreateKey {
            product: credential::name::ProductName::new("latchkey").unwrap(),
            owner: Some(ada.id),
            ..rig.command(Kind::Static, "narrow", &["latchkey.verify"])
        };
        let issued = rig.create_with(command).await.unwrap();
        let question = authority::verify::Question::bearer(secret(&issued));
        let narrow = rig.authority.caller(&question, "request").await.unwrap().0;
        assert!(matches!(give(&rig, &narrow, ada.id, BAD).await, Err(Refusal::Ceiling(_))));
        assert_eq!(try_with(&rig.authority, "ada@example.com", GOOD, None).await, Ok(vec![ada.id]));
        // What was read has changed since.
        rig.authority.set_user_roles(&rig.shell(), vi.id, vec![(role(VIEWER), Resources::All)], None).await.unwrap();
        let stale = rig.authority.set_password(&rig.shell(), vi.id, None, Some(1)).await;
        assert_eq!(refused(stale), Refusal::Stale { version: 2 });
    }

    async fn a_hash_opens_for_its_own_person_only(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (ada, _) = person(&rig, "ada@example.com", rig.organization, &[VIEWER]).await;
        let (eve, _) = person(&rig, "eve@example.com", rig.organization, &[VIEWER]).await;
        give(&rig, &rig.shell(), ada.id, GOOD).await.unwrap();
        give(&rig, &rig.shell(), eve.id, BAD).await.unwrap();
        const COPY: &str = "UPDATE person SET password = (SELECT password FROM person WHERE email = 'eve@example.com')";
        rig.authority.store().db().write(|tx| tx.execute(COPY, args![])).await.unwrap();
        assert_eq!(try_with(&rig.authority, "ada@example.com", BAD, None).await, Err(NotSignedIn::Wrong));
        assert_eq!(try_with(&rig.authority, "eve@example.com", BAD, None).await, Ok(vec![eve.id]));
    }
}
