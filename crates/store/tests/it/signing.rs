//! Signing keys.

use credential::event::Action;
use store::change::NO_DETAIL;
use store::signing::SigningKey;
use store::{Found, args};
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after};

on_each_engine! {
    async fn a_signing_key_comes_back_with_its_private_half(database: Database) {
        let world = World::new(&database).await;
        let key = SigningKey {
            kid: "kid-1".to_owned(),
            algorithm: "ES256".to_owned(),
            public: vec![1, 2],
            private: b"the private half".to_vec().into(),
            created_at: NOW,
            published_at: Some(NOW),
            active_at: None,
            retired_at: None,
            revoked_at: None,
            not_after: None,
            version: 1,
        };
        let insert = key.clone();
        world.change(move |change| change.insert_signing_key(&insert, Action::SigningKeyPublished, NO_DETAIL)).await;
        assert_eq!(world.view(|view| view.signing_key("kid-1")).await, Some(Found::Good(key.clone())));
        let active = SigningKey { active_at: Some(after(1)), not_after: Some(after(9)), ..key };
        let active = world.change(move |change| {
            change.update_signing_key(active.clone(), Action::SigningKeyActivated, NO_DETAIL)
        }).await.value;
        assert_eq!(world.view(|view| view.signing_keys_page(None, 10)).await, vec![Found::Good(active.clone())]);
        let clear = "SELECT COUNT(*) FROM signing_key WHERE sealed = $1";
        let clear = world.store.db().read(move |tx| tx.query_one(clear, args![b"the private half".as_slice()])?.int(0));
        assert_eq!(clear.await.expect("read"), 0);
        world.change(move |change| change.delete_signing_key(&active, Action::SigningKeyRetired, NO_DETAIL)).await;
        assert_eq!(world.view(|view| view.signing_key("kid-1")).await, None);
        assert_eq!(world.mismatches().await, vec![]);
    }
}
