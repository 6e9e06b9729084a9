//! Nonces.

use std::sync::Arc;

use credential::id::KeyId;
use store::nonces::SeenNonce;
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after};

fn nonce(key: u8, nonce: u8) -> SeenNonce {
    SeenNonce {
        key: KeyId::from_bytes([key; 16]),
        nonce: vec![nonce; 20],
        seen_at: NOW,
        expires_at: after(300),
    }
}

on_each_engine! {
    async fn one_of_those_who_use_a_nonce_at_the_same_time_may(database: Database) {
        let world = World::new(&database).await;
        let users: Vec<_> = (0..30).map(|_| {
            let store = Arc::clone(&world.store);
            tokio::spawn(async move { store.use_nonce(nonce(1, 1)).await.expect("answered") })
        }).collect();
        let mut used = 0;
        for user in users {
            used += usize::from(user.await.expect("no panic"));
        }
        assert_eq!(used, 1);
        assert!(world.store.use_nonce(nonce(2, 1)).await.expect("answered"), "it is another key's");
        world.store.save_nonces(vec![nonce(3, 3), nonce(1, 1), nonce(1, 2)]).await.expect("saved");
        let page = world.view(|view| view.nonces_page(NOW, None, 2)).await;
        assert_eq!(page, vec![nonce(1, 1), nonce(1, 2)]);
        let place = page[1].clone();
        let rest = world.view(move |view| view.nonces_page(NOW, Some(&place), 10)).await;
        assert_eq!(rest, vec![nonce(2, 1), nonce(3, 3)]);
        assert_eq!(world.store.purge_nonces(after(300), 10).await.expect("purged"), 0);
        assert_eq!(world.store.purge_nonces(after(301), 10).await.expect("purged"), 4);
    }
}
