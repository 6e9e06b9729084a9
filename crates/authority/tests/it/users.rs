//! People: added, given roles, switched off; and the last of them.

use authority::Refusal;
use authority::users::UserFilter;
use credential::grant::Resources;
use credential::organization::OrganizationKind;

use crate::people::{
    ADMINISTRATOR, KEY_MANAGER, VERIFIER, VIEWER, name, organization, person, refused, role, wanted,
};
use crate::rig::Rig;

testkit::on_each_engine! {
    async fn an_address_is_one_person_in_an_organization(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let other = organization(&rig, "Other", OrganizationKind::Standalone).await;
        let shell = rig.shell();
        let add = async |email: &str, organization| {
            rig.authority.create_user(&shell, wanted(email, organization, &[VIEWER])).await
        };
        add("ada@example.com", rig.organization).await.unwrap();
        assert_eq!(refused(add("ADA@example.com", rig.organization).await), Refusal::NameTaken("user"));
        add("ada@example.com", other.id).await.unwrap();
        let unknown = wanted("eve@example.com", other.id, &["00000000-0000-7000-8000-0000000fffff"]);
        let unknown = rig.authority.create_user(&shell, unknown).await;
        assert!(matches!(refused(unknown), Refusal::Invalid { member: "roles", .. }));
    }

    async fn nobody_gives_or_takes_a_role_above_their_own(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (ada, _) = person(&rig, "ada@example.com", rig.organization, &[ADMINISTRATOR]).await;
        let manager = rig.admin(&["latchkey.users:read", "latchkey.users:write", "latchkey.verify", "latchkey.introspect"]).await;
        let above = rig.authority.create_user(&manager, wanted("eve@example.com", rig.organization, &[ADMINISTRATOR])).await;
        assert!(matches!(refused(above), Refusal::Ceiling(_)));
        let within = wanted("vi@example.com", rig.organization, &[VERIFIER]);
        let vi = rig.authority.create_user(&manager, within).await.unwrap().value;
        let up = vec![(role(KEY_MANAGER), Resources::All)];
        let up = rig.authority.set_user_roles(&manager, vi.id, up, None).await;
        assert!(matches!(refused(up), Refusal::Ceiling(_)));
        let down = rig.authority.set_user_roles(&manager, ada.id, Vec::new(), None).await;
        assert!(matches!(refused(down), Refusal::Ceiling(_)));
        let none = rig.authority.set_user_roles(&manager, vi.id, Vec::new(), Some(1)).await.unwrap();
        assert_eq!((none.value.roles.len(), none.value.version), (0, 2));
        // Who is switched on again has what whoever does it could give.
        rig.authority.set_user_roles(&rig.shell(), vi.id, vec![(role(VIEWER), Resources::All)], None).await.unwrap();
        rig.authority.disable_user(&manager, vi.id, None).await.unwrap();
        assert!(matches!(refused(rig.authority.enable_user(&manager, vi.id, None).await), Refusal::Ceiling(_)));
        rig.authority.enable_user(&rig.shell(), vi.id, None).await.unwrap();
    }

    async fn a_token_follows_its_person(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        person(&rig, "root@example.com", rig.organization, &[ADMINISTRATOR]).await;
        let (ada, caller) = person(&rig, "ada@example.com", rig.organization, &[ADMINISTRATOR]).await;
        let key = caller.key().unwrap();
        assert!(rig.authority.users(&caller, UserFilter::default(), None, 10).await.is_ok());
        rig.authority.set_user_roles(&rig.shell(), ada.id, vec![(role(VERIFIER), Resources::All)], None).await.unwrap();
        let lost = rig.authority.users(&caller, UserFilter::default(), None, 10).await;
        assert!(matches!(refused(lost), Refusal::Forbidden { .. }));
        rig.authority.disable_user(&rig.shell(), ada.id, None).await.unwrap();
        let off = rig.authority.create_user(&caller, wanted("eve@example.com", rig.organization, &[])).await;
        assert!(off.is_err());
        rig.authority.enable_user(&rig.shell(), ada.id, None).await.unwrap();
        let removed = rig.authority.remove_user(&rig.shell(), ada.id, None).await.unwrap();
        assert_eq!(removed.value.id, ada.id);
        assert_eq!(refused(rig.authority.user(&rig.shell(), ada.id).await), Refusal::NotFound("user"));
        let key = rig.authority.key(&rig.shell(), key).await.unwrap();
        assert_eq!(key.owner, Some(ada.id));
    }

    async fn the_last_administrator_stays(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (ada, _) = person(&rig, "ada@example.com", rig.organization, &[ADMINISTRATOR]).await;
        let (bob, _) = person(&rig, "bob@example.com", rig.organization, &[ADMINISTRATOR, VIEWER]).await;
        let shell = rig.shell();
        rig.authority.disable_user(&shell, ada.id, None).await.unwrap();
        for refusal in [
            refused(rig.authority.disable_user(&shell, bob.id, None).await),
            refused(rig.authority.remove_user(&shell, bob.id, None).await),
            refused(rig.authority.set_user_roles(&shell, bob.id, vec![(role(VIEWER), Resources::All)], None).await),
        ] {
            assert!(matches!(refusal, Refusal::Conflict(_)), "{refusal}");
        }
        let less = vec![(role(ADMINISTRATOR), Resources::All)];
        rig.authority.set_user_roles(&shell, bob.id, less, None).await.unwrap();
        // One who is not an administrator can always go.
        let (vi, _) = person(&rig, "vi@example.com", rig.organization, &[VIEWER]).await;
        rig.authority.remove_user(&shell, vi.id, None).await.unwrap();
        rig.authority.enable_user(&shell, ada.id, None).await.unwrap();
        rig.authority.disable_user(&shell, bob.id, None).await.unwrap();
    }

    async fn of_two_administrators_who_switch_each_other_off_one_stays(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        for round in 0..5 {
            let there = organization(&rig, &format!("Round {round}"), OrganizationKind::Standalone).await;
            let (ada, _) = person(&rig, "ada@example.com", there.id, &[ADMINISTRATOR]).await;
            let (bob, _) = person(&rig, "bob@example.com", there.id, &[ADMINISTRATOR]).await;
            let shell = rig.shell();
            let (one, other) = tokio::join!(
                rig.authority.disable_user(&shell, ada.id, None),
                rig.authority.disable_user(&shell, bob.id, None)
            );
            assert_eq!([one.is_ok(), other.is_ok()].into_iter().filter(|won| *won).count(), 1);
        }
    }

    async fn others_people_are_not_there(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let other = organization(&rig, "Other", OrganizationKind::Standalone).await;
        let (ada, _) = person(&rig, "ada@example.com", rig.organization, &[ADMINISTRATOR]).await;
        let (_, stranger) = person(&rig, "cy@example.com", other.id, &[ADMINISTRATOR]).await;
        let (_, verifier) = person(&rig, "vi@example.com", rig.organization, &[VERIFIER]).await;
        let nobody = credential::id::UserId::from_bytes([9; 16]);
        for caller in [&stranger, &verifier] {
            for id in [ada.id, nobody] {
                assert_eq!(refused(rig.authority.user(caller, id).await), Refusal::NotFound("user"));
                let rename = rig.authority.rename_user(caller, id, name("Eve"), None).await;
                assert_eq!(refused(rename), Refusal::NotFound("user"));
                let remove = rig.authority.remove_user(caller, id, None).await;
                assert_eq!(refused(remove), Refusal::NotFound("user"));
            }
        }
        let filter = UserFilter { organization: Some(rig.organization), ..UserFilter::default() };
        let all = rig.authority.users(&stranger, filter, None, 10).await;
        assert_eq!(refused(all), Refusal::NotFound("organization"));
    }

    async fn a_person_is_renamed_and_found(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (ada, caller) = person(&rig, "ada@example.com", rig.organization, &[ADMINISTRATOR]).await;
        person(&rig, "bob@example.com", rig.organization, &[VIEWER]).await;
        let renamed = rig.authority.rename_user(&caller, ada.id, name("Countess"), Some(1)).await.unwrap();
        assert_eq!(renamed.value.version, 2);
        let find = async |filter| -> Vec<String> {
            let page = rig.authority.users(&caller, filter, None, 10).await.unwrap();
            page.into_iter().map(|user| user.name.as_str().to_owned()).collect()
        };
        let has = |part: &str| UserFilter { name_has: Some(part.to_owned()), ..UserFilter::default() };
        assert_eq!(find(has("count")).await, ["Countess"]);
        assert_eq!(find(UserFilter { role: Some(role(VIEWER)), ..UserFilter::default() }).await, ["bob"]);
        assert_eq!(find(UserFilter::default()).await.len(), 2);
    }
}
