//! Usage.

use std::sync::Arc;

use credential::id::KeyId;
use credential::time::Span;
use store::usage::{HourlyUsage, Usage};
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after};

fn use_of(key: u8, generation: u32, seconds: i64, uses: u64) -> Usage {
    Usage {
        key: KeyId::from_bytes([key; 16]),
        generation,
        last_used_at: after(seconds),
        address: Some(format!("192.0.2.{seconds}").parse().expect("an address")),
        route: Some(format!("/{seconds}")),
        uses,
    }
}

on_each_engine! {
    async fn uses_add_up_and_the_latest_is_told(database: Database) {
        let world = World::new(&database).await;
        let key = KeyId::from_bytes([1; 16]);
        for batch in [
            vec![use_of(1, 0, 5, 2), use_of(2, 0, 5, 1)],
            vec![use_of(1, 1, 3, 1), use_of(1, 0, 9, 3)],
            vec![use_of(1, 0, 7, 10)],
        ] {
            world.store.note_usage(batch, vec![]).await.expect("noted");
        }
        let of_key = world.view(move |view| view.usage_of(key, 10)).await;
        assert_eq!(of_key, vec![use_of(1, 1, 3, 1), use_of(1, 0, 9, 15)], "one that comes late counts and tells nothing");
        let last = KeyId::from_bytes([2; 16]);
        let between = world.view(move |view| view.usage_between(key, last, 10)).await;
        assert_eq!(between, vec![use_of(2, 0, 5, 1)]);
    }

    async fn replicas_note_at_the_same_time(database: Database) {
        let world = Arc::new(World::new(&database).await);
        let writers: Vec<_> = (0..10).map(|writer| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let mut batch: Vec<_> = (1..20).map(|key| use_of(key, 0, i64::from(key), 1)).collect();
                if writer % 2 == 0 {
                    batch.reverse();
                }
                world.store.note_usage(batch, vec![]).await.expect("noted");
            })
        }).collect();
        for writer in writers {
            writer.await.expect("noted");
        }
        let used = world.view(|view| view.usage_of(KeyId::from_bytes([7; 16]), 10)).await;
        assert_eq!(used[0].uses, 10);
    }

    async fn hours_are_counted_and_purged(database: Database) {
        let world = World::new(&database).await;
        let key = KeyId::from_bytes([1; 16]);
        let hour = |hours: i64, uses| HourlyUsage {
            key,
            hour: HourlyUsage::hour_of(NOW + Span::from_hours(hours)),
            route: "verify".to_owned(),
            outcome: "VALID".to_owned(),
            uses,
        };
        world.store.note_usage(vec![], vec![hour(0, 1), hour(1, 2)]).await.expect("noted");
        world.store.note_usage(vec![], vec![hour(1, 3), hour(2, 1)]).await.expect("noted");
        let (from, before) = (hour(1, 0).hour, hour(2, 0).hour);
        assert_eq!(world.view(move |view| view.hourly_usage(key, from, before, 10)).await, vec![hour(1, 5)]);
        assert_eq!(world.store.purge_hourly_usage(before, 1).await.expect("purged"), 1);
        assert_eq!(world.store.purge_hourly_usage(before, 10).await.expect("purged"), 1);
        let left = world.view(move |view| view.hourly_usage(key, NOW - Span::from_hours(2), before + Span::from_hours(1), 9));
        assert_eq!(left.await, vec![hour(2, 1)]);
    }
}
