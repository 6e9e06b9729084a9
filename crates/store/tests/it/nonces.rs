//! Nonces.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use credential::id::KeyId;
use credential::time::Span;
use store::nonces::{Again, SeenNonce};
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after};

fn nonce(key: u8, nonce: u8) -> SeenNonce {
    SeenNonce {
        key: KeyId::from_bytes([key; 16]),
        nonce: vec![nonce; 20],
        seen_at: NOW,
        expires_at: after(300),
        again: None,
    }
}

/// The first nonce of the first key with a request of this number, so many seconds later, from the host of that number.
fn again(request: u8, seconds: i64, host: u8) -> SeenNonce {
    let again = Again {
        request: [request; 32],
        address: IpAddr::from(Ipv4Addr::new(192, 0, 2, host)),
        within: Span::from_secs(60),
        most: 4,
    };
    SeenNonce {
        seen_at: after(seconds),
        again: Some(again),
        ..nonce(1, 1)
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

    async fn a_nonce_comes_again_only_with_another_request_soon_and_from_the_same_address(database: Database) {
        let world = World::new(&database).await;
        for (what, used, expected) in [
            ("the first", again(1, 0, 1), true),
            ("the same", again(1, 0, 1), false),
            ("another", again(2, 60, 1), true),
            ("another from elsewhere", again(3, 1, 2), false),
            ("another too late", again(3, 61, 1), false),
            ("one of which not all is known", nonce(1, 1), false),
            ("one that was refused before", again(3, 1, 1), true),
            ("the last one", again(4, 1, 1), true),
            ("one more", again(5, 1, 1), false),
        ] {
            assert_eq!(world.store.use_nonce(used).await.expect("answered"), expected, "{what}");
        }
    }

    async fn what_was_used_strictly_never_comes_again(database: Database) {
        let world = World::new(&database).await;
        assert!(world.store.use_nonce(nonce(1, 1)).await.expect("answered"));
        assert!(!world.store.use_nonce(again(1, 0, 1)).await.expect("answered"));
        world.store.purge_nonces(after(301), 10).await.expect("purged");
        assert!(world.store.use_nonce(again(1, 301, 1)).await.expect("answered"));
    }

    async fn of_a_crowd_with_one_nonce_each_request_comes_once_and_no_more_than_may(database: Database) {
        let world = World::new(&database).await;
        let users: Vec<_> = (0..60).map(|user| {
            let store = Arc::clone(&world.store);
            tokio::spawn(async move {
                let request = user % 6;
                store.use_nonce(again(request, 0, 1)).await.expect("answered").then_some(request)
            })
        }).collect();
        let mut came = Vec::new();
        for user in users {
            came.extend(user.await.expect("no panic"));
        }
        assert_eq!(came.len(), 4, "{came:?}");
        came.sort_unstable();
        came.dedup();
        assert_eq!(came.len(), 4, "a request came twice: {came:?}");
    }
}
