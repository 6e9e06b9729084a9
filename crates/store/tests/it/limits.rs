//! Limits: turns at a meter, and what the blocks of others tell.

use std::sync::Arc;

use credential::limit::Block;
use credential::time::{Instant, Span};
use store::Store;
use store::limits::{Settled, Turn, Turned};
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after};

const MINUTE: Span = Span::from_secs(60);

on_each_engine! {
    async fn a_turn_tells_what_the_others_have_once(database: Database) {
        let world = World::new(&database).await;
        let store = &world.store;
        let one = take(store, turn("m", "one", 10), NOW).await;
        assert_eq!(one.others, Some(vec![]));
        let alone = take(store, Turn { last: Some(one.number), ..turn("m", "one", 12) }, NOW).await;
        assert_eq!(alone, Turned { number: one.number + 1, others: None });
        let two = take(store, turn("m", "two", 5), NOW).await;
        assert_eq!(two.others, Some(vec![block(12, 30)]), "the block as it was opened last");
        let spent = Turn { spent: block(4, 7), last: Some(alone.number), ..turn("m", "one", 8) };
        assert_eq!(take(store, spent, NOW).await.others, Some(vec![block(5, 30)]));
        let two = take(store, Turn { last: Some(two.number), ..turn("m", "two", 5) }, NOW).await;
        assert_eq!(sorted(two.others), [block(4, 7), block(8, 30)]);
        assert_eq!(take(store, turn("another", "two", 5), NOW).await.others, Some(vec![]));
    }

    async fn what_is_spent_adds_up_by_the_slice_and_counts_a_window_long(database: Database) {
        let world = World::new(&database).await;
        let store = &world.store;
        for (holder, seconds, units) in [("one", 1, 3), ("one", 4, 5), ("two", 2, 7), ("two", 12, 1)] {
            let spent = Turn { spent: block(units, seconds), slice: Span::from_secs(10), ..turn("m", holder, 0) };
            take(store, spent, NOW).await;
        }
        let at_first = take(store, turn("m", "late", 0), NOW).await;
        assert_eq!(sorted(at_first.others), [block(15, 4), block(1, 12)]);
        // A slice is one block of whoever: it counts as long as its last unit, and those of others end by themselves.
        let later = take(store, turn("m", "late", 0), after(64)).await;
        assert_eq!(sorted(later.others), [block(8, 4), block(1, 12)]);
        let last = take(store, turn("m", "late", 0), after(73)).await;
        assert_eq!(last.others, Some(vec![]));
    }

    async fn a_block_of_nothing_is_none(database: Database) {
        let world = World::new(&database).await;
        take(&world.store, turn("m", "one", 10), NOW).await;
        take(&world.store, turn("m", "one", 0), NOW).await;
        assert_eq!(take(&world.store, turn("m", "two", 0), NOW).await.others, Some(vec![]));
    }

    async fn a_settled_meter_says_exactly_what_it_is_told(database: Database) {
        let world = World::new(&database).await;
        let store = &world.store;
        take(store, Turn { spent: block(9, 3), ..turn("m", "one", 10) }, NOW).await;
        let settled = Settled {
            meter: "m".to_owned(), holder: "one".to_owned(), window: MINUTE, slice: Span::from_secs(1),
            blocks: vec![block(2, 1), block(3, 2)],
        };
        store.settle_meters(vec![settled], NOW).await.expect("settled");
        let two = take(store, turn("m", "two", 0), NOW).await;
        assert_eq!(sorted(two.others), [block(2, 1), block(3, 2)]);
    }

    async fn what_counts_no_more_is_removed_and_its_meter_with_it(database: Database) {
        let world = World::new(&database).await;
        let store = &world.store;
        let before = take(store, Turn { spent: block(1, 3), ..turn("m", "one", 0) }, NOW).await;
        assert_eq!(store.purge_meters(after(63), 10).await.expect("purged"), 0, "a window after the last moment");
        assert_eq!(store.purge_meters(after(64), 10).await.expect("purged"), 1);
        let again = take(store, turn("m", "one", 0), after(64)).await;
        assert!(again.number > before.number + 1, "nobody takes the turns of the new row for those of the old one");
    }

    async fn turns_at_one_time_come_one_after_the_other(database: Database) {
        let world = World::new(&database).await;
        let tasks: Vec<_> = (0..40).map(|task| {
            let store = Arc::clone(&world.store);
            tokio::spawn(async move {
                // Told in two orders, which must not wait for each other in a circle.
                let holder = format!("holder {task}");
                let meters = if task % 2 == 0 { ["a", "b"] } else { ["b", "a"] };
                let turns = meters.map(|meter| turn(meter, &holder, 1)).to_vec();
                let turned = store.take_turns(turns, NOW).await.expect("taken");
                let known = |turned: &Turned| turned.others.iter().flatten().map(|block| block.units).sum::<u64>();
                [known(&turned[0]), known(&turned[1])]
            })
        }).collect();
        let mut known = Vec::new();
        for task in tasks {
            let both = task.await.expect("no panic");
            assert_eq!(both[0], both[1], "the order is the same at both");
            known.push(both[0]);
        }
        known.sort_unstable();
        assert_eq!(known, (0..40).collect::<Vec<_>>(), "whoever comes later knows of one more");
    }
}

async fn take(store: &Store, turn: Turn, now: Instant) -> Turned {
    store
        .take_turns(vec![turn], now)
        .await
        .expect("taken")
        .swap_remove(0)
}

fn turn(meter: &str, holder: &str, open: u64) -> Turn {
    Turn {
        meter: meter.to_owned(),
        holder: holder.to_owned(),
        window: MINUTE,
        spent: block(0, 0),
        slice: Span::from_secs(1),
        open,
        until: after(30),
        last: None,
    }
}

fn block(units: u64, seconds: i64) -> Block {
    Block {
        units,
        closed: Some(after(seconds)),
    }
}

fn sorted(others: Option<Vec<Block>>) -> Vec<Block> {
    let mut others = others.expect("others");
    others.sort_by_key(|block| block.closed);
    others
}
