//! Roles: seen, made, shrunk, deleted, never above one's own.

use authority::Refusal;
use authority::roles::{CreateRole, EditRole, RoleFilter};
use credential::grant::Resources;
use credential::id::RoleId;
use credential::key::{Denial, Kind};
use credential::name::{Comment, ProductName, RoleName};
use credential::organization::OrganizationKind;
use credential::role::Role;
use credential::scope::Scope;

use crate::people::{
    ADMINISTRATOR, KEY_MANAGER, VERIFIER, organization, person, refused, role, wanted,
};
use crate::rig::{Rig, ask, secret};

const READ: &str = "sample.orders:read";
const WRITE: &str = "sample.orders:write";

fn custom(product: &str, called: &str, scopes: &[&str]) -> CreateRole {
    CreateRole {
        organization: None,
        product: ProductName::new(product).unwrap(),
        name: RoleName::new(called).unwrap(),
        description: Comment::default(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    }
}

async fn made(rig: &Rig, called: &str, scopes: &[&str]) -> Role {
    rig.authority
        .create_role(&rig.shell(), custom("sample", called, scopes))
        .await
        .unwrap()
        .value
}

fn shrunk(scopes: &[&str]) -> EditRole {
    EditRole {
        scopes: Some(scopes.iter().map(|scope| (*scope).to_owned()).collect()),
        ..EditRole::default()
    }
}

testkit::on_each_engine! {
    async fn no_name_passes_for_a_built_in_one(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        for called in ["Reader", "READER", "reader", " Reader ", "rEADER"] {
            let shadow = rig.authority.create_role(&rig.shell(), custom("sample", called, &[READ])).await;
            assert_eq!(refused(shadow), Refusal::NameTaken("role"), "{called:?}");
        }
        // Letters that merely look the same are no letters of role names.
        assert!(RoleName::new("R\u{435}ader").is_err());
        made(&rig, "Buyer", &[READ]).await;
        let again = rig.authority.create_role(&rig.shell(), custom("sample", "BUYER", &[READ])).await;
        assert_eq!(refused(again), Refusal::NameTaken("role"));
        let seller = made(&rig, "Seller", &[READ]).await;
        for called in ["buyer", "EDITOR"] {
            let edit = EditRole { name: Some(RoleName::new(called).unwrap()), ..EditRole::default() };
            let taken = rig.authority.edit_role(&rig.shell(), seller.id, edit, None).await;
            assert_eq!(refused(taken), Refusal::NameTaken("role"), "{called:?}");
        }
    }

    async fn a_role_has_declared_scopes_within_the_makers_rights(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (_, admin) = person(&rig, "ada@example.com", rig.organization, &[ADMINISTRATOR]).await;
        let manager = rig.admin(&["latchkey.roles:read", "latchkey.roles:write", "latchkey.verify"]).await;
        let make = async |caller, command| rig.authority.create_role(caller, command).await;
        let unknown = make(&admin, custom("sample", "A", &["sample.orders:raed"])).await;
        assert!(matches!(refused(unknown), Refusal::Invalid { member: "scopes", .. }));
        assert!(matches!(refused(make(&admin, custom("sample", "A", &[])).await), Refusal::Invalid { .. }));
        // An administrator gives scopes of other products beyond its own; a lesser one only its own.
        make(&admin, custom("sample", "A", &[READ])).await.unwrap();
        make(&admin, custom("latchkey", "B", &["latchkey.verify", "latchkey.keys:read"])).await.unwrap();
        make(&manager, custom("latchkey", "C", &["latchkey.verify"])).await.unwrap();
        for beyond in [
            custom("sample", "D", &[READ]),
            custom("latchkey", "D", &["latchkey.verify", "latchkey.keys:read"]),
            custom("latchkey", "D", &["latchkey.grant.any"]),
            custom("secure_access", "D", &["admin.apikeys:write"]),
        ] {
            let refusal = refused(make(&manager, beyond).await);
            assert!(matches!(refusal, Refusal::Ceiling(_) | Refusal::Invalid { member: "product" | "scopes", .. }), "{refusal}");
        }
    }

    async fn nobody_sees_a_role_above_their_own(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (_, keys) = person(&rig, "kay@example.com", rig.organization, &[KEY_MANAGER]).await;
        let (_, verifier) = person(&rig, "vi@example.com", rig.organization, &[VERIFIER]).await;
        let page = rig.authority.roles(&keys, RoleFilter::default(), None, 100).await.unwrap();
        let seen: Vec<RoleId> = page.iter().map(|role| role.id).collect();
        assert_eq!(seen, [role(KEY_MANAGER)]);
        for hidden in [role(ADMINISTRATOR), role(VERIFIER), RoleId::from_bytes([9; 16])] {
            assert_eq!(refused(rig.authority.role(&keys, hidden).await), Refusal::NotFound("role"));
            assert_eq!(refused(rig.authority.role(&verifier, hidden).await), Refusal::NotFound("role"));
        }
        let products = rig.authority.products_seen(&keys).await.unwrap();
        assert!(products.len() >= 3);
        let roles = products.iter().flat_map(|seen| &seen.roles).count();
        assert_eq!(roles, 1);
        assert!(matches!(refused(rig.authority.products_seen(&verifier).await), Refusal::Forbidden { .. }));
    }

    async fn an_edit_is_in_force_at_once_and_its_preview_is_right(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let both = made(&rig, "Both", &[READ, WRITE]).await;
        let mut command = rig.command(Kind::Static, "by role", &[]);
        command.grants.roles.push((both.id, Resources::All));
        let by_role = rig.create_with(command).await.unwrap();
        let mut command = rig.command(Kind::Static, "both ways", &[WRITE]);
        command.grants.roles.push((both.id, Resources::All));
        let both_ways = rig.create_with(command).await.unwrap();
        rig.create(Kind::Static, "neither", &[READ]).await;
        let mut bob = wanted("bob@example.com", rig.organization, &[]);
        bob.roles.push((both.id, Resources::All));
        let bob = rig.authority.create_user(&rig.shell(), bob).await.unwrap().value;

        let preview = rig.authority.preview_role(&rig.shell(), both.id, Some(shrunk(&[READ])), None).await.unwrap();
        let lost: Vec<_> = preview.keys.iter().map(|loss| (loss.id, loss.scopes.clone())).collect();
        assert_eq!(lost, [(by_role.key.id, vec![Scope::new(WRITE).unwrap()])]);
        assert_eq!(preview.users.iter().map(|loss| loss.id).collect::<Vec<_>>(), [bob.id]);
        assert_eq!(preview.next, None);
        let deletion = rig.authority.preview_role(&rig.shell(), both.id, None, None).await.unwrap();
        assert_eq!(deletion.keys.len(), 2);
        // A preview changes nothing.
        assert_eq!(ask(&rig.authority, secret(&by_role), &[WRITE]).await, Ok(()));

        let edited = rig.authority.edit_role(&rig.shell(), both.id, shrunk(&[READ]), Some(1)).await.unwrap();
        assert_eq!(edited.value.version, 2);
        let lacks = Denial::Scope(Scope::new(WRITE).unwrap());
        assert_eq!(ask(&rig.authority, secret(&by_role), &[WRITE]).await, Err(lacks));
        assert_eq!(ask(&rig.authority, secret(&by_role), &[READ]).await, Ok(()));
        assert_eq!(ask(&rig.authority, secret(&both_ways), &[WRITE]).await, Ok(()));
        let stale = rig.authority.edit_role(&rig.shell(), both.id, shrunk(&[WRITE]), Some(1)).await;
        assert_eq!(refused(stale), Refusal::Stale { version: 2 });
    }

    async fn a_role_in_use_is_deleted_only_by_force(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let reader = made(&rig, "Mine", &[READ]).await;
        let unused = made(&rig, "Unused", &[READ]).await;
        let mut command = rig.command(Kind::Static, "key", &[]);
        command.grants.roles.push((reader.id, Resources::All));
        let key = rig.create_with(command).await.unwrap();
        let shell = rig.shell();
        rig.authority.delete_role(&shell, unused.id, false, None).await.unwrap();
        let refusal = refused(rig.authority.delete_role(&shell, reader.id, false, None).await);
        assert!(matches!(&refusal, Refusal::Conflict(why) if why.contains("1 keys, 0 users and 0 groups")), "{refusal}");
        rig.authority.delete_role(&shell, reader.id, true, None).await.unwrap();
        assert!(matches!(ask(&rig.authority, secret(&key), &[READ]).await, Err(Denial::Scope(_))));
        assert_eq!(refused(rig.authority.role(&shell, reader.id).await), Refusal::NotFound("role"));
        // The name is free again, and built-in roles stay.
        made(&rig, "Mine", &[READ]).await;
        let built_in = rig.authority.delete_role(&shell, role(KEY_MANAGER), true, None).await;
        assert!(matches!(refused(built_in), Refusal::Conflict(_)));
    }

    async fn a_custom_role_is_its_organizations_own(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let other = organization(&rig, "Other", OrganizationKind::Standalone).await;
        let (_, stranger) = person(&rig, "cy@example.com", other.id, &[ADMINISTRATOR]).await;
        let mine = made(&rig, "Mine", &[READ]).await;
        assert_eq!(refused(rig.authority.role(&stranger, mine.id).await), Refusal::NotFound("role"));
        let edit = EditRole { description: Some(Comment::new("x").unwrap()), ..EditRole::default() };
        let edited = rig.authority.edit_role(&stranger, mine.id, edit, None).await;
        assert_eq!(refused(edited), Refusal::NotFound("role"));
        let page = rig.authority.roles(&stranger, RoleFilter::default(), None, 100).await.unwrap();
        assert!(page.iter().all(|role| role.id != mine.id));
        let mut command = rig.command(Kind::Static, "key", &[]);
        command.grants.roles.push((mine.id, Resources::All));
        let given = rig.create_as(&stranger, command).await;
        assert!(matches!(refused(given), Refusal::Invalid { member: "roles", .. }));
        // The same name in another organization is another role.
        rig.authority.create_role(&stranger, custom("sample", "Mine", &[READ])).await.unwrap();
    }
}
