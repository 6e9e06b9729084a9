//! What somebody does to the rows behind the server's back is found: by the load, or by the comparison with the trail; and
//! what was not touched goes on.

use credential::event::{Action, Actor, Checkpoint};
use credential::family::Family;
use credential::id::{KeyId, TokenId};
use credential::key::{Key, Maker};
use credential::organization::Organization;
use store::catalogs::Catalog;
use store::change::NO_DETAIL;
use store::compare::Wrong;
use store::settings::Setting;
use store::signing::SigningKey;
use store::tokens::RevokedToken;
use store::vault::VaultKey;
use store::{Fault, Found, args};
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after, organization, product};

/// One row of everything that a verdict reads.
struct Populated {
    world: World,
    key: Key,
    family: Family,
    second: Organization,
}

const TOKEN: TokenId = TokenId::from_bytes([4; 16]);

async fn populated(database: &Database) -> Populated {
    let world = World::new(database).await;
    let mut key = world.key("key");
    key.current.handle = Some("handle".to_owned());
    key.owner = Some(world.user("x@example.com").id);
    world.write_key(&key).await;
    let family = world.family(&key);
    let (user, role, second) = (
        world.user("ada@example.com"),
        world.role("Operator"),
        organization(2, "Second"),
    );
    let group = world.group("Operators");
    let (owner, new_family, new_second) = (key.clone(), family.clone(), second.clone());
    world
        .change(move |change| {
            change.insert_organization(&new_second, Action::OrganizationCreated, NO_DETAIL)?;
            change.insert_family(&new_family, Action::FamilyStarted, NO_DETAIL)?;
            change.insert_user(&user, Action::UserCreated, NO_DETAIL)?;
            change.set_password(user.id, "a hash")?;
            change.insert_role(&role, Action::RoleCreated, NO_DETAIL)?;
            change.insert_group(&group, Action::GroupCreated, NO_DETAIL)?;
            let token = RevokedToken {
                id: TOKEN,
                organization: owner.organization,
                key: owner.id,
                expires_at: after(60),
                at: NOW,
            };
            change.revoke_token(&token, NO_DETAIL)?;
            let setting = |organization| Setting {
                name: "grace".to_owned(),
                organization,
                value: "60".to_owned(),
                version: 0,
            };
            change.put_setting(setting(None), NO_DETAIL)?;
            change.put_setting(setting(Some(owner.organization)), NO_DETAIL)?;
            let catalog = Catalog {
                product: product("demo"),
                digest: "d".to_owned(),
                body: "b".to_owned(),
                version: 0,
            };
            change.put_catalog(catalog, NO_DETAIL)?;
            change.insert_signing_key(&signing_key(), Action::SigningKeyPublished, NO_DETAIL)?;
            change.insert_vault_key(&VaultKey {
                purpose: "rows".to_owned(),
                version: 1,
                wrapped: vec![1],
                created_at: NOW,
                retired_at: None,
            })
        })
        .await;
    Populated {
        world,
        key,
        family,
        second,
    }
}

fn signing_key() -> SigningKey {
    SigningKey {
        kid: "kid-1".to_owned(),
        algorithm: "ES256".to_owned(),
        public: vec![1, 2, 3],
        private: vec![4, 5, 6].into(),
        created_at: NOW,
        published_at: Some(NOW),
        active_at: None,
        retired_at: None,
        revoked_at: None,
        not_after: None,
        version: 1,
    }
}

/// Edits of one column, each with the kind of the row that they are found in.
const EDITS: &[(&str, &str)] = &[
    (
        "key",
        "UPDATE api_key SET organization = (SELECT MAX(id) FROM organization)",
    ),
    ("key", "UPDATE api_key SET product = 'other'"),
    ("key", "UPDATE api_key SET kind = 'client'"),
    (
        "key",
        "UPDATE api_key SET name = 'another', name_fold = 'another'",
    ),
    ("key", "UPDATE api_key SET name_fold = 'another'"),
    ("key", "UPDATE api_key SET comment = 'another'"),
    (
        "key",
        "UPDATE api_key SET grants = REPLACE(grants, 'a:read', 'a:write')",
    ),
    ("key", "UPDATE api_key SET grants = 'no JSON'"),
    ("key", "UPDATE api_key SET addresses = '[]'"),
    ("key", "UPDATE api_key SET limits = '[]'"),
    ("key", "UPDATE api_key SET expires_at = expires_at + 1"),
    ("key", "UPDATE api_key SET expires_at = NULL"),
    (
        "key",
        "UPDATE api_key SET state = 'disabled', state_at = 1, state_by = 'system'",
    ),
    ("key", "UPDATE api_key SET state = 'unheard of'"),
    ("key", "UPDATE api_key SET owner = NULL"),
    ("key", "UPDATE api_key SET created_at = 1"),
    ("key", "UPDATE api_key SET created_by = 'nobody'"),
    (
        "key",
        "UPDATE api_key SET created_by = 'user:01010101-0101-0101-0101-010101010101'",
    ),
    ("key", "UPDATE api_key SET edited_at = 1"),
    ("key", "UPDATE api_key SET rotated_at = 1"),
    ("key", "UPDATE api_key SET current_generation = 1"),
    ("key", "UPDATE api_key SET current_generation = -1"),
    ("key", "UPDATE api_key SET current_handle = 'another'"),
    ("key", "UPDATE api_key SET current_since = 1"),
    (
        "key",
        "UPDATE api_key SET previous_generation = 5, previous_since = 1, previous_until = 9000000000000",
    ),
    ("key", "UPDATE api_key SET previous_until = 9000000000000"),
    ("key", "UPDATE api_key SET version = 2"),
    ("key", "UPDATE handle SET handle = 'another'"),
    ("family", "UPDATE family SET organization = 'another'"),
    ("family", "UPDATE family SET generation = 7"),
    ("family", "UPDATE family SET rotated_at = 1"),
    ("family", "UPDATE family SET previous_at = 1"),
    ("family", "UPDATE family SET used = 1"),
    ("family", "UPDATE family SET refresh_until = 9000000000000"),
    ("family", "UPDATE family SET access_life = 9000000000000"),
    ("family", "UPDATE family SET access_life = -1"),
    ("family", "UPDATE family SET refresh_life = 9000000000000"),
    (
        "family",
        "UPDATE family SET dead_at = 1, dead_why = 'revoked'",
    ),
    ("family", "UPDATE family SET created_at = 1"),
    ("family", "UPDATE family SET version = 2"),
    (
        "organization",
        "UPDATE organization SET number = 7 WHERE number = 2",
    ),
    (
        "organization",
        "UPDATE organization SET name = 'another', name_fold = 'another' WHERE number = 2",
    ),
    (
        "organization",
        "UPDATE organization SET name_fold = 'another' WHERE number = 2",
    ),
    (
        "organization",
        "UPDATE organization SET kind = 'manager' WHERE number = 2",
    ),
    (
        "organization",
        "UPDATE organization SET parent = '01010101-0101-0101-0101-010101010101' WHERE number = 2",
    ),
    (
        "organization",
        "UPDATE organization SET active = 0 WHERE number = 2",
    ),
    (
        "organization",
        "UPDATE organization SET created_at = 1 WHERE number = 2",
    ),
    (
        "organization",
        "UPDATE organization SET version = 2 WHERE number = 2",
    ),
    (
        "user",
        "UPDATE person SET organization = (SELECT MAX(id) FROM organization)",
    ),
    ("user", "UPDATE person SET email = 'eve@example.com'"),
    ("user", "UPDATE person SET name = 'Eve'"),
    (
        "user",
        "UPDATE person SET roles = '[{\"role\":\"01010101-0101-0101-0101-010101010101\",\"resources\":\"all\"}]'",
    ),
    ("user", "UPDATE person SET active = 0"),
    ("user", "UPDATE person SET created_at = 1"),
    ("user", "UPDATE person SET version = 2"),
    ("user", "UPDATE person SET password_version = 2"),
    ("user", "UPDATE person SET password = mac"),
    (
        "group",
        "UPDATE user_group SET organization = (SELECT MAX(id) FROM organization)",
    ),
    (
        "group",
        "UPDATE user_group SET name = 'another', name_fold = 'another'",
    ),
    ("group", "UPDATE user_group SET name_fold = 'another'"),
    ("group", "UPDATE user_group SET description = 'another'"),
    ("group", "UPDATE user_group SET roles = '[]'"),
    (
        "group",
        "UPDATE user_group SET members = '[\"01010101-0101-0101-0101-010101010101\"]'",
    ),
    ("group", "UPDATE user_group SET nested = '[]'"),
    ("group", "UPDATE user_group SET reach = '\"own\"'"),
    ("group", "UPDATE user_group SET created_at = 1"),
    (
        "group",
        "UPDATE user_group SET created_by = 'user:01010101-0101-0101-0101-010101010101'",
    ),
    ("group", "UPDATE user_group SET edited_at = 1"),
    ("group", "UPDATE user_group SET version = 2"),
    ("role", "UPDATE role SET organization = NULL"),
    ("role", "UPDATE role SET product = 'other'"),
    ("role", "UPDATE role SET name = 'Another'"),
    ("role", "UPDATE role SET description = 'another'"),
    (
        "role",
        "UPDATE role SET scopes = '[\"a:read\",\"b:write\",\"c:write\"]'",
    ),
    ("role", "UPDATE role SET deleted = 1"),
    ("role", "UPDATE role SET version = 2"),
    (
        "token",
        "UPDATE revoked_token SET organization = '01010101-0101-0101-0101-010101010101'",
    ),
    (
        "token",
        "UPDATE revoked_token SET key_id = '01010101-0101-0101-0101-010101010101'",
    ),
    ("token", "UPDATE revoked_token SET expires_at = 1"),
    ("token", "UPDATE revoked_token SET at = 1"),
    (
        "settings",
        "UPDATE setting SET value = '9000000' WHERE scope = ''",
    ),
    (
        "settings",
        "UPDATE setting SET version = 2 WHERE scope = ''",
    ),
    ("catalog", "UPDATE catalog SET digest = 'another'"),
    ("catalog", "UPDATE catalog SET body = 'another'"),
    ("catalog", "UPDATE catalog SET version = 2"),
    ("signing_key", "UPDATE signing_key SET algorithm = 'RS256'"),
    ("signing_key", "UPDATE signing_key SET public = sealed"),
    ("signing_key", "UPDATE signing_key SET created_at = 1"),
    ("signing_key", "UPDATE signing_key SET published_at = NULL"),
    ("signing_key", "UPDATE signing_key SET active_at = 1"),
    ("signing_key", "UPDATE signing_key SET retired_at = 1"),
    ("signing_key", "UPDATE signing_key SET revoked_at = 1"),
    ("signing_key", "UPDATE signing_key SET not_after = 1"),
    ("signing_key", "UPDATE signing_key SET version = 2"),
];

/// Rows that are removed, or moved to another id.
const REMOVALS: &[(&str, &str)] = &[
    ("family", "DELETE FROM family"),
    ("organization", "DELETE FROM organization WHERE number = 2"),
    ("user", "DELETE FROM person"),
    ("group", "DELETE FROM user_group"),
    ("role", "DELETE FROM role"),
    ("token", "DELETE FROM revoked_token"),
    ("settings", "DELETE FROM setting WHERE scope <> ''"),
    ("catalog", "DELETE FROM catalog"),
    ("signing_key", "DELETE FROM signing_key"),
    ("server", "DELETE FROM vault_key"),
    (
        "token",
        "UPDATE revoked_token SET id = '01010101-0101-0101-0101-010101010101'",
    ),
    ("role", "UPDATE role SET id = 'no id at all'"),
];

on_each_engine! {
    async fn what_the_server_wrote_agrees_with_the_trail(database: Database) {
        let populated = populated(&database).await;
        assert_eq!(populated.world.mismatches().await, vec![]);
    }

    async fn every_edit_of_a_column_is_found(database: Database) {
        let populated = populated(&database).await;
        for (kind, edit) in EDITS {
            let found = edited(&populated.world, edit).await;
            let is_found = found.iter().any(|(found, _, wrong)| found == kind && *wrong == Wrong::Edited);
            assert!(is_found, "{edit}: {found:?}");
            assert!(found.iter().all(|(found, _, _)| found == kind), "{edit} spoils others: {found:?}");
        }
        assert_eq!(populated.world.mismatches().await, vec![], "each edit was undone");
    }

    async fn every_removed_row_is_found(database: Database) {
        let populated = populated(&database).await;
        for (kind, removal) in REMOVALS {
            let found = edited(&populated.world, removal).await;
            let is_found = found.iter().any(|(found, _, wrong)| found == kind && *wrong == Wrong::Deleted);
            assert!(is_found, "{removal}: {found:?}");
        }
    }

    async fn an_edited_row_is_not_loaded_and_the_others_are(database: Database) {
        let Populated { world, key, family, second } = populated(&database).await;
        let good = world.written_key("good").await;
        world.sql("UPDATE api_key SET expires_at = NULL WHERE id = $1", args![key.id.to_string()]).await;
        world.sql("UPDATE family SET used = 1", args![]).await;
        world.sql("UPDATE organization SET active = 0 WHERE number = 2", args![]).await;
        assert!(matches!(world.read_key(key.id).await, Some(Found::Tampered(subject)) if subject.id == key.id.to_string()));
        assert_eq!(world.read_key(good.id).await, Some(Found::Good(good)));
        assert!(matches!(world.view(move |view| view.family(family.id)).await, Some(Found::Tampered(_))));
        assert!(matches!(world.view(move |view| view.organization(second.id)).await, Some(Found::Tampered(_))));
        let first = world.organization.clone();
        assert_eq!(world.view(move |view| view.organization(first.id)).await, Some(Found::Good(world.organization.clone())));
        let page = world.view(|view| view.keys_page(&Default::default(), Default::default(), None, 10)).await;
        assert!(matches!(page[..], [Found::Tampered(_), Found::Good(_)]), "a list has both");
        let revoke = |key: Key| key.revoke(Maker::System, NOW).map_err(|_| Fault::Unsupported("refused"));
        let changed = world.store.change_key(Actor::SYSTEM, NOW, key.id, Action::KeyRevoked, NO_DETAIL, revoke).await;
        assert!(matches!(changed, Err(Fault::Tampered { kind: "key", .. })), "nothing is built on it: {changed:?}");
    }

    async fn a_copied_verifier_opens_nothing(database: Database) {
        let Populated { world, key, family, .. } = populated(&database).await;
        let mut twin = key.clone();
        twin.id = KeyId::from_bytes([0xEE; 16]);
        twin.current.handle = None;
        twin.name = crate::world::name_of("twin");
        world.write_key(&twin).await;
        const COPY: &str = "UPDATE api_key SET sealed = (SELECT sealed FROM api_key WHERE id = $1) WHERE id = $2";
        assert_eq!(world.sql(COPY, args![twin.id.to_string(), key.id.to_string()]).await, 1);
        assert!(matches!(world.read_key(key.id).await, Some(Found::Tampered(_))));
        assert!(matches!(world.read_key(twin.id).await, Some(Found::Good(_))));

        let other = world.family(&key);
        let insert = other.clone();
        world.change(move |change| change.insert_family(&insert, Action::FamilyStarted, NO_DETAIL)).await;
        const COPY_SEED: &str = "UPDATE family SET sealed = (SELECT sealed FROM family WHERE id = $1) WHERE id = $2";
        assert_eq!(world.sql(COPY_SEED, args![other.id.to_string(), family.id.to_string()]).await, 1);
        assert!(matches!(world.view(move |view| view.family(family.id)).await, Some(Found::Tampered(_))));
    }

    async fn yesterdays_row_put_back_is_found(database: Database) {
        let Populated { world, key, family, second } = populated(&database).await;
        world.sql("CREATE TABLE yesterday_key AS SELECT * FROM api_key", args![]).await;
        world.sql("CREATE TABLE yesterday_family AS SELECT * FROM family", args![]).await;
        world.sql("CREATE TABLE yesterday_organization AS SELECT * FROM organization WHERE number = 2", args![]).await;
        world.sql("CREATE TABLE yesterday_person AS SELECT id, password, password_version FROM person", args![]).await;

        let revoke = |key: Key| key.revoke(Maker::System, NOW).map_err(|_| Fault::Unsupported("refused"));
        world.store.change_key(Actor::SYSTEM, NOW, key.id, Action::KeyRevoked, NO_DETAIL, revoke).await.expect("revoked");
        let refreshed = family.clone();
        world.store.issue::<_, Fault>(Actor::SYSTEM, NOW, move |issue| {
            issue.update_family(refreshed.clone().mark_used(), Action::KeyRefreshed, NO_DETAIL)
        }).await.expect("refreshed");
        let disabled = Organization { active: false, ..second.clone() };
        world.change(move |change| {
            change.update_organization(disabled.clone(), Action::OrganizationDisabled, NO_DETAIL)?;
            let user = change.users_page(None, None, 1)?.remove(0).trusted()?;
            change.set_password(user.id, "another hash")
        }).await;
        assert_eq!(world.mismatches().await, vec![]);

        for put_back in [
            "UPDATE api_key SET (state, state_at, state_by, version, sealed) =
                (SELECT state, state_at, state_by, version, sealed FROM yesterday_key) WHERE id = (SELECT id FROM yesterday_key)",
            "UPDATE family SET (used, version, sealed) = (SELECT used, version, sealed FROM yesterday_family)",
            "UPDATE organization SET (active, version, mac) = (SELECT active, version, mac FROM yesterday_organization)
                WHERE number = 2",
            "UPDATE person SET (password, password_version) = (SELECT password, password_version FROM yesterday_person)",
        ] {
            assert_eq!(world.sql(put_back, args![]).await, 1);
        }
        let loaded = world.read_key(key.id).await;
        assert!(matches!(loaded, Some(Found::Good(_))), "it is genuine by itself");
        let found = world.mismatches().await;
        let put_back: Vec<_> = found.iter().map(|(kind, _, wrong)| (kind.as_str(), *wrong)).collect();
        let expected = ["family", "key", "organization", "user"].map(|kind| (kind, Wrong::PutBack));
        assert_eq!(put_back, expected);
    }

    async fn a_row_of_another_database_is_found(database: Database) {
        let world = World::new(&database).await;
        let key = world.written_key("genuine").await;
        // As a copy of an older, genuine row would look under an id that the trail does not know.
        world.sql("DELETE FROM audit WHERE subject_kind = 'key'", args![]).await;
        assert_eq!(world.mismatches().await, vec![("key".to_owned(), key.id.to_string(), Wrong::Unknown)]);
    }

    async fn what_is_deleted_through_the_server_is_not_missed(database: Database) {
        let Populated { world, key, family, .. } = populated(&database).await;
        world.change(move |change| {
            change.delete_family(&family, Action::KeyPurged, NO_DETAIL)?;
            change.delete_key(&key, Action::KeyPurged, NO_DETAIL)?;
            let token = change.revoked_token(TOKEN)?.expect("it is there").trusted()?;
            change.delete_revoked_token(&token, Action::KeyPurged, NO_DETAIL)?;
            let user = change.users_page(None, None, 1)?.remove(0).trusted()?;
            change.delete_user(&user, Action::UserDeleted, NO_DETAIL)?;
            let group = change.groups_page(None, None, 1)?.remove(0).trusted()?;
            change.delete_group(&group, Action::GroupDeleted, NO_DETAIL)?;
            change.delete_signing_key(&signing_key(), Action::SigningKeyRevoked, NO_DETAIL)
        }).await;
        assert_eq!(world.mismatches().await, vec![]);
    }

    async fn what_the_trail_said_before_it_was_closed_is_not_forgotten(database: Database) {
        let Populated { world, key, .. } = populated(&database).await;
        for round in 0..3 {
            let sign = |checkpoint: &mut Checkpoint| {
                checkpoint.key_id = "k".to_owned();
                Ok::<_, Fault>(())
            };
            world.store.checkpoint(after(round), sign).await.expect("signed").expect("something happened");
            world.written_key(&format!("round {round}")).await;
        }
        let mut told_again = 0;
        while let Some(closed) = world.store.close_audit(after(10), after(2)).await.expect("closed") {
            told_again += closed.told_again;
            assert!(closed.removed > 0);
        }
        assert!(told_again > 10, "{told_again}");
        assert_eq!(world.mismatches().await, vec![]);
        world.sql("DELETE FROM handle", args![]).await;
        world.sql("DELETE FROM family", args![]).await;
        world.sql("DELETE FROM api_key WHERE id = $1", args![key.id.to_string()]).await;
        let kinds: Vec<_> = world.mismatches().await.into_iter().map(|(kind, _, wrong)| (kind, wrong)).collect();
        assert_eq!(kinds, vec![("family".to_owned(), Wrong::Deleted), ("key".to_owned(), Wrong::Deleted)]);
    }

    async fn batches_of_a_comparison_are_together_the_whole(database: Database) {
        let world = World::new(&database).await;
        let mut keys = Vec::new();
        for number in 0..11 {
            keys.push(world.written_key(&format!("key {number}")).await);
        }
        world.sql("DELETE FROM api_key WHERE id = $1", args![keys[4].id.to_string()]).await;
        world.sql("UPDATE api_key SET comment = '' WHERE id = $1", args![keys[9].id.to_string()]).await;
        let (mut place, mut looked_at, mut found) = (None, 0, Vec::new());
        loop {
            let compared = world.store.compare(credential::event::SubjectKind::Key, place, 3).await.expect("compared");
            looked_at += compared.looked_at;
            found.extend(compared.mismatches.into_iter().map(|mismatch| (mismatch.subject.id, mismatch.wrong)));
            place = compared.next;
            if place.is_none() {
                break;
            }
        }
        assert_eq!(looked_at, 10 + 11, "ten rows, eleven subjects");
        let expected = vec![(keys[9].id.to_string(), Wrong::Edited), (keys[4].id.to_string(), Wrong::Deleted)];
        assert_eq!(found, expected);
    }
}

/// What a comparison finds while an edit is in force, which is undone afterwards.
async fn edited(world: &World, edit: &'static str) -> Vec<(String, String, Wrong)> {
    const TABLES: [[&str; 3]; 12] = tables();
    for [save, _, _] in TABLES {
        world.sql(save, args![]).await;
    }
    assert!(
        world.sql(edit, args![]).await > 0,
        "{edit} changes something"
    );
    let found = world.mismatches().await;
    for [_, clear, _] in TABLES {
        world.sql(clear, args![]).await;
    }
    for [_, _, restore] in TABLES.iter().rev() {
        world.sql(restore, args![]).await;
    }
    found
}

macro_rules! table {
    ($name:literal) => {
        [
            concat!(
                "CREATE TABLE IF NOT EXISTS kept_",
                $name,
                " AS SELECT * FROM ",
                $name
            ),
            concat!("DELETE FROM ", $name),
            concat!("INSERT INTO ", $name, " SELECT * FROM kept_", $name),
        ]
    };
}

/// In the order in which they can be emptied.
const fn tables() -> [[&'static str; 3]; 12] {
    [
        table!("handle"),
        table!("family"),
        table!("api_key"),
        table!("user_group"),
        table!("person"),
        table!("role"),
        table!("organization"),
        table!("revoked_token"),
        table!("setting"),
        table!("catalog"),
        table!("signing_key"),
        table!("vault_key"),
    ]
}
