//! Limits: who counts alone, and blocks that are set aside.

use std::sync::Arc;

use credential::time::Span;
use store::limits::{Reserved, Wish};
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after};

fn block(meter: &str, seconds: i64, units: u64) -> Reserved {
    Reserved {
        meter: meter.to_owned(),
        slice_at: after(seconds),
        holder: "one".to_owned(),
        units,
        window: Span::from_secs(60),
        closed_at: None,
    }
}

on_each_engine! {
    async fn one_holds_a_lease_at_a_time(database: Database) {
        let world = World::new(&database).await;
        let store = &world.store;
        let first = store.take_lease("counter", "one", after(10), NOW).await.expect("asked").expect("it is free");
        assert_eq!((first.token, first.until), (1, after(10)));
        assert_eq!(store.take_lease("counter", "two", after(19), after(9)).await.expect("asked"), None);
        let renewed = store.take_lease("counter", "one", after(20), after(9)).await.expect("asked").expect("renewed");
        assert_eq!((renewed.token, renewed.until), (1, after(20)));
        let second = store.take_lease("counter", "two", after(30), after(20)).await.expect("asked").expect("it ended");
        assert_eq!(second.token, 2);
        assert!(!store.reserve(&renewed, vec![block("m", 0, 5)], after(19)).await.expect("asked"), "it was lost");
        assert_eq!(world.view(|view| view.blocks_of("m", 10)).await, vec![]);
        assert!(!store.end_lease(&renewed, after(21)).await.expect("asked"));
        assert!(store.end_lease(&second, after(21)).await.expect("ended"));
        assert_eq!(world.view(|view| view.lease("counter")).await.expect("there").until, after(21));
        assert!(store.take_lease("counter", "one", after(40), after(21)).await.expect("asked").is_some());
    }

    async fn blocks_come_back_after_a_crash(database: Database) {
        let world = World::new(&database).await;
        let store = &world.store;
        let lease = store.take_lease("counter", "one", after(10), NOW).await.expect("asked").expect("it is free");
        let blocks = vec![block("b", 1, 5), block("a", 2, 7), block("a", 1, 3)];
        assert!(store.reserve(&lease, blocks, NOW).await.expect("reserved"));
        assert!(store.reserve(&lease, vec![block("a", 1, 4)], NOW).await.expect("reserved"));
        let all = world.view(|view| view.blocks_page(None, 2)).await;
        assert_eq!(all, vec![block("a", 1, 7), block("a", 2, 7)]);
        let place = all[1].clone();
        assert_eq!(world.view(move |view| view.blocks_page(Some(&place), 10)).await, vec![block("b", 1, 5)]);
        let closed = Reserved { closed_at: Some(after(3)), ..block("a", 1, 7) };
        store.close_blocks(vec![closed.clone()]).await.expect("closed");
        assert_eq!(store.close_blocks_of("one", after(5)).await.expect("closed"), 2, "those that were open");
        assert_eq!(world.view(|view| view.blocks_of("a", 1)).await, vec![closed]);
        assert_eq!(store.purge_blocks(after(63), 10).await.expect("purged"), 0, "a window after the last moment");
        assert_eq!(store.purge_blocks(after(64), 10).await.expect("purged"), 1);
        assert!(store.reserve(&lease, vec![block("c", 6, 1)], NOW).await.expect("reserved"));
        assert_eq!(store.close_blocks_of_others("two", after(7)).await.expect("closed"), 1);
    }

    async fn those_who_lease_at_the_same_time_get_no_more_than_the_quota(database: Database) {
        let world = World::new(&database).await;
        let tasks: Vec<_> = (0..40).map(|task| {
            let store = Arc::clone(&world.store);
            tokio::spawn(async move {
                let wish = Wish {
                    meter: "m".to_owned(), quota: 100, window: Span::from_secs(60), units: 7,
                    holder: format!("holder {task}"), until: after(10),
                };
                store.lease_units(wish, after(task % 3)).await.expect("answered")
            })
        }).collect();
        let mut granted = 0;
        for task in tasks {
            granted += task.await.expect("no panic");
        }
        assert_eq!(granted, 100);
        let wish = Wish {
            meter: "m".to_owned(), quota: 100, window: Span::from_secs(60), units: 7,
            holder: "late".to_owned(), until: after(90),
        };
        assert_eq!(world.store.lease_units(wish.clone(), after(70)).await.expect("answered"), 0, "they still count");
        assert_eq!(world.store.lease_units(wish, after(71)).await.expect("answered"), 7);
    }
}
