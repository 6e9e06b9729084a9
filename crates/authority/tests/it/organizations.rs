//! Organizations, and who stands above whom.

use authority::organizations::{CreateOrganization, OrganizationFilter};
use authority::{Caller, Refusal};
use credential::id::OrganizationId;
use credential::key::{Denial, Kind};
use credential::notice::Policy;
use credential::organization::OrganizationKind;
use credential::time::Span;

use crate::people::{ADMINISTRATOR, KEY_MANAGER, VERIFIER, name, organization, person, refused};
use crate::rig::{Rig, ask, secret};

testkit::on_each_engine! {
    async fn the_operator_makes_any_and_a_manager_its_own(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (_, operator) = person(&rig, "ada@example.com", rig.organization, &[ADMINISTRATOR]).await;
        let wanted = |called: &str, kind, parent| CreateOrganization { name: name(called), kind, parent };
        let make = async |caller: &Caller, wanted| rig.authority.create_organization(caller, wanted).await;

        let manager = make(&operator, wanted("Manager", OrganizationKind::Manager, None)).await.unwrap().value;
        let other = make(&operator, wanted("Other", OrganizationKind::Standalone, None)).await.unwrap().value;
        assert_eq!((manager.number, other.number), (2, 3));
        let (_, boss) = person(&rig, "bob@example.com", manager.id, &[ADMINISTRATOR]).await;
        let managed = make(&boss, wanted("Managed", OrganizationKind::Managed, None)).await.unwrap().value;
        assert_eq!(managed.parent, Some(manager.id));
        for bad in [
            wanted("Mine", OrganizationKind::Standalone, None),
            wanted("Mine", OrganizationKind::Manager, None),
            wanted("Mine", OrganizationKind::Managed, Some(other.id)),
        ] {
            assert!(matches!(refused(make(&boss, bad).await), Refusal::Ceiling(_)));
        }
        let (_, plain) = person(&rig, "cy@example.com", other.id, &[ADMINISTRATOR]).await;
        let mine = wanted("Mine", OrganizationKind::Managed, None);
        assert!(matches!(refused(make(&plain, mine).await), Refusal::Ceiling(_)));
        let wrong = wanted("Wrong", OrganizationKind::Managed, Some(other.id));
        assert!(matches!(refused(make(&operator, wrong).await), Refusal::Invalid { member: "parent_id", .. }));
    }

    async fn each_sees_its_own_and_what_it_administers(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let manager = organization(&rig, "Manager", OrganizationKind::Manager).await;
        let other = organization(&rig, "Other", OrganizationKind::Standalone).await;
        let (_, boss) = person(&rig, "bob@example.com", manager.id, &[ADMINISTRATOR]).await;
        let command = CreateOrganization { name: name("Managed"), kind: OrganizationKind::Managed, parent: None };
        let managed = rig.authority.create_organization(&boss, command).await.unwrap().value;
        let (_, operator) = person(&rig, "ada@example.com", rig.organization, &[ADMINISTRATOR]).await;
        let (_, plain) = person(&rig, "cy@example.com", other.id, &[ADMINISTRATOR]).await;
        let (_, verifier) = person(&rig, "vi@example.com", other.id, &[VERIFIER]).await;

        let seen = async |caller: &Caller| -> Vec<OrganizationId> {
            let page = rig.authority.organizations(caller, OrganizationFilter::default(), None, 10).await;
            page.unwrap().into_iter().map(|organization| organization.id).collect()
        };
        assert_eq!(seen(&operator).await.len(), 4);
        let mut of_boss = vec![manager.id, managed.id];
        of_boss.sort();
        assert_eq!(seen(&boss).await, of_boss);
        assert_eq!(seen(&plain).await, [other.id]);
        let nowhere = OrganizationId::from_bytes([9; 16]);
        for hidden in [manager.id, nowhere] {
            assert_eq!(
                refused(rig.authority.organization(&plain, hidden).await),
                Refusal::NotFound("organization")
            );
        }
        // With too small a role the own one is as little there as any.
        assert_eq!(refused(rig.authority.organization(&verifier, other.id).await), Refusal::NotFound("organization"));
        assert_eq!(refused(rig.authority.organization(&verifier, nowhere).await), Refusal::NotFound("organization"));
        let all = rig.authority.organizations(&verifier, OrganizationFilter::default(), None, 10).await;
        assert!(matches!(refused(all), Refusal::Forbidden { .. }));
    }

    async fn pages_follow_one_another(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        for number in 0..5 {
            organization(&rig, &format!("No {number}"), OrganizationKind::Standalone).await;
        }
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let filter = OrganizationFilter { name_has: Some("nO".to_owned()), ..OrganizationFilter::default() };
            let page = rig.authority.organizations(&rig.shell(), filter, after, 2).await.unwrap();
            assert!(page.len() <= 2);
            after = page.last().map(|organization| organization.id);
            if page.is_empty() {
                break;
            }
            seen.extend(page.into_iter().map(|organization| organization.id));
        }
        assert_eq!(seen.len(), 5);
        assert!(seen.is_sorted());
    }

    async fn a_name_is_given_once(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let one = organization(&rig, "One", OrganizationKind::Standalone).await;
        let two = organization(&rig, "Two", OrganizationKind::Standalone).await;
        let again = CreateOrganization { name: name("oNE"), kind: OrganizationKind::Standalone, parent: None };
        let again = rig.authority.create_organization(&rig.shell(), again).await;
        assert_eq!(refused(again), Refusal::NameTaken("organization"));
        let shell = rig.shell();
        let renamed = rig.authority.rename_organization(&shell, two.id, name("ONE"), None).await;
        assert_eq!(refused(renamed), Refusal::NameTaken("organization"));
        let same = rig.authority.rename_organization(&shell, one.id, name("ONE"), Some(1)).await.unwrap();
        assert_eq!((same.value.name.as_str(), same.value.version), ("ONE", 2));
        let stale = rig.authority.rename_organization(&shell, one.id, name("Uno"), Some(1)).await;
        assert_eq!(refused(stale), Refusal::Stale { version: 2 });
    }

    async fn of_many_who_want_a_name_one_gets_it(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let (authority, shell) = (rig.authority.clone(), rig.shell());
            racing.spawn(async move {
                let command = CreateOrganization { name: name("Same"), kind: OrganizationKind::Standalone, parent: None };
                authority.create_organization(&shell, command).await.is_ok()
            });
        }
        let won = racing.join_all().await.into_iter().filter(|won| *won).count();
        assert_eq!(won, 1);
    }

    async fn a_disabled_organization_is_refused_with_all_that_it_manages(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let manager = organization(&rig, "Manager", OrganizationKind::Manager).await;
        let (_, boss) = person(&rig, "bob@example.com", manager.id, &[ADMINISTRATOR]).await;
        let command = CreateOrganization { name: name("Managed"), kind: OrganizationKind::Managed, parent: None };
        let managed = rig.authority.create_organization(&boss, command).await.unwrap().value;
        let command = authority::keys::CreateKey {
            organization: Some(managed.id),
            ..rig.command(Kind::Static, "key", &["sample.orders:read"])
        };
        let key = rig.create_as(&boss, command).await.unwrap();
        assert_eq!(ask(&rig.authority, secret(&key), &[]).await, Ok(()));

        // Not by itself, and never the operator's own.
        let own = rig.authority.disable_organization(&boss, manager.id, None).await;
        assert!(matches!(refused(own), Refusal::Ceiling(_)));
        let operators = rig.authority.disable_organization(&rig.shell(), rig.organization, None).await;
        assert!(matches!(refused(operators), Refusal::Conflict(_)));

        rig.authority.disable_organization(&rig.shell(), manager.id, None).await.unwrap();
        assert_eq!(ask(&rig.authority, secret(&key), &[]).await, Err(Denial::Disabled));
        let caller_lost = rig.authority.disable_organization(&boss, managed.id, None).await;
        assert!(caller_lost.is_err());
        rig.authority.enable_organization(&rig.shell(), manager.id, None).await.unwrap();
        assert_eq!(ask(&rig.authority, secret(&key), &[]).await, Ok(()));
        rig.authority.disable_organization(&boss, managed.id, None).await.unwrap();
        assert_eq!(ask(&rig.authority, secret(&key), &[]).await, Err(Denial::Disabled));
    }

    async fn an_organization_chooses_when_it_is_told(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (_, admin) = person(&rig, "ada@example.com", rig.organization, &[ADMINISTRATOR]).await;
        let (_, keys) = person(&rig, "kay@example.com", rig.organization, &[KEY_MANAGER]).await;
        let before = rig.authority.organization_settings(&admin, rig.organization).await.unwrap();
        assert_eq!((before.notices, before.version), (Policy::default(), 0));
        let policy = Policy { soon: Span::from_days(30), ..Policy::default() };
        let set = rig.authority.set_notice_policy(&admin, rig.organization, policy.clone(), Some(0)).await.unwrap();
        assert_eq!((&set.value.notices, set.value.version), (&policy, 1));
        assert_eq!(rig.authority.organization_settings(&admin, rig.organization).await.unwrap(), set.value);
        let stale = rig.authority.set_notice_policy(&admin, rig.organization, policy.clone(), Some(0)).await;
        assert_eq!(refused(stale), Refusal::Stale { version: 1 });
        let senseless = Policy { very_soon: Span::from_days(60), ..policy.clone() };
        let senseless = rig.authority.set_notice_policy(&admin, rig.organization, senseless, None).await;
        assert!(matches!(refused(senseless), Refusal::Invalid { member: "notices", .. }));
        let not_his = rig.authority.set_notice_policy(&keys, rig.organization, policy, None).await;
        assert!(matches!(refused(not_his), Refusal::Forbidden { .. }));
    }
}
