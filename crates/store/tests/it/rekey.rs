//! Rolling the vault over.

use credential::event::{Action, SubjectKind};
use credential::id::TokenId;
use store::catalogs::Catalog;
use store::change::NO_DETAIL;
use store::rekey::KINDS;
use store::settings::Setting;
use store::signing::SigningKey;
use store::tokens::RevokedToken;
use store::{Found, args};
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after, entropy, product, vault};

on_each_engine! {
    async fn every_row_is_made_anew_and_nothing_else_changes(database: Database) {
        let world = World::new(&database).await;
        let key = world.written_key("key").await;
        let tampered = world.written_key("tampered").await;
        world.sql("UPDATE api_key SET comment = '' WHERE id = $1", args![tampered.id.to_string()]).await;
        let (family, user, role) = (world.family(&key), world.user("a@x.org"), world.role("Role"));
        let group = world.group("Group");
        let token = RevokedToken {
            id: TokenId::from_bytes([2; 16]), organization: key.organization, key: key.id, expires_at: after(9), at: NOW,
        };
        let (kept, person) = (family.clone(), user.id);
        let own = Some(key.organization);
        world.change(move |change| {
            change.insert_family(&family, Action::FamilyStarted, NO_DETAIL)?;
            change.insert_user(&user, Action::UserCreated, NO_DETAIL)?;
            change.set_password(user.id, "hash")?;
            change.insert_role(&role, Action::RoleCreated, NO_DETAIL)?;
            change.insert_group(&group, Action::GroupCreated, NO_DETAIL)?;
            change.revoke_token(&token, NO_DETAIL)?;
            for organization in [None, own] {
                let value = "1".to_owned();
                change.put_setting(Setting { name: "x".to_owned(), organization, value, version: 0 }, NO_DETAIL)?;
            }
            let (digest, body) = ("d".to_owned(), "b".to_owned());
            change.put_catalog(Catalog { product: product("demo"), digest, body, version: 0 }, NO_DETAIL)?;
            let signing = SigningKey {
                kid: "k".to_owned(), algorithm: "ES256".to_owned(), public: vec![], private: vec![1].into(),
                created_at: NOW, published_at: None, active_at: None, retired_at: None, revoked_at: None,
                not_after: None, version: 1,
            };
            change.insert_signing_key(&signing, Action::SigningKeyPublished, NO_DETAIL)
        }).await;
        let (feed, audit) = world.view(|view| Ok((view.feed_head()?, view.audit_head()?))).await;
        let before = world.mismatches().await;
        assert_eq!(before.len(), 1, "the tampered one");

        world.store.unlock(vault(&[1, 2]), entropy());
        let mut tampered_rows = 0;
        for kind in KINDS {
            let (mut place, mut rows) = (None, 0);
            loop {
                let batch = world.store.rekey(kind, place, 1).await.expect("made anew");
                rows += batch.rows;
                tampered_rows += batch.tampered;
                place = batch.next;
                if place.is_none() {
                    break;
                }
            }
            assert_eq!(rows, if kind == SubjectKind::Settings { 2 } else { 1 }, "{kind}");
            assert_eq!(world.store.rekey(kind, None, 100).await.expect("asked").rows, 0, "{kind} is done");
        }
        assert_eq!(tampered_rows, 1);

        // Only the new key is left.
        world.store.unlock(vault(&[2]), entropy());
        assert_eq!(world.mismatches().await, before);
        assert_eq!(world.read_key(key.id).await, Some(Found::Good(key)));
        assert_eq!(world.view(move |view| view.family(kept.id)).await, Some(Found::Good(kept)));
        assert_eq!(world.view(move |view| view.password(person)).await, Some(Found::Good("hash".to_owned())));
        assert_eq!(world.view(|view| Ok((view.feed_head()?, view.audit_head()?))).await, (feed, audit));
    }
}
