//! Data keys and counters.

use std::collections::BTreeSet;
use std::sync::Arc;

use credential::event::Actor;
use store::vault::VaultKey;
use store::{Fault, Store};
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after};

on_each_engine! {
    async fn data_keys_are_kept_before_the_vault_is_open(database: Database) {
        let store = Store::open(database.url()).await.expect("it opens");
        let key = |version| VaultKey {
            purpose: "rows".to_owned(), version, wrapped: vec![version], created_at: NOW, retired_at: None,
        };
        let change = |key: VaultKey, rewrap: bool| {
            store.change::<_, Fault>(Actor::SYSTEM, NOW, |_| Ok(()), move |change| {
                if rewrap { change.rewrap_vault_key(&key) } else { change.insert_vault_key(&key) }
            })
        };
        change(key(1), false).await.expect("kept");
        change(key(2), false).await.expect("kept");
        assert!(matches!(change(key(2), false).await, Err(Fault::Conflict { .. })), "two first starts make one key");
        let retired = VaultKey { wrapped: vec![9], retired_at: Some(after(1)), ..key(1) };
        change(retired.clone(), true).await.expect("rewrapped");
        let keys = store.view::<_, Fault>(|view| view.vault_keys()).await.expect("read");
        assert_eq!(keys, vec![retired, key(2)]);
        assert_eq!(store.compare_all(10).await.expect("compared"), vec![]);
    }

    async fn a_sequence_gives_each_number_once(database: Database) {
        let world = World::new(&database).await;
        let takers: Vec<_> = (0..20).map(|_| {
            let store = Arc::clone(&world.store);
            tokio::spawn(async move {
                store.change::<_, Fault>(Actor::SYSTEM, NOW, |_| Ok(()), |change| change.next_number("cortex")).await
            })
        }).collect();
        let mut numbers = BTreeSet::new();
        for taker in takers {
            numbers.insert(taker.await.expect("no panic").expect("a number").value);
        }
        assert_eq!(numbers, (1..=20).collect());
        assert_eq!(world.change(|change| change.next_number("other")).await.value, 1);
    }
}
