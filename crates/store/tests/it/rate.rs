//! How many small durable transactions each engine makes in a second; for people, run by hand:
//! `cargo test -p store --test it -- --ignored --nocapture rate`.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use store::args;
use testkit::{Database, on_each_engine};

use crate::seam::{words, write};

on_each_engine! {
    #[ignore = "a measurement"]
    async fn durable_writes_per_second(database: Database) {
        let store = Arc::new(words(&database, &["a"]).await);
        for callers in [1, 8, 64] {
            let before = store.db().counts();
            let start = now();
            let tasks = (0..callers).map(|caller| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let mut number: i64 = 0;
                    while start.elapsed() < Duration::from_secs(3) {
                        number += 1;
                        let id = 1_000_000_000 * callers + 1_000_000 * caller + number;
                        let row = "INSERT INTO probe (id, word, amount) VALUES ($1, $2, $3)";
                        write(&store, move |tx| tx.execute(row, args![id, id.to_string(), 1])).await.expect("written");
                    }
                })
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await.expect("no panic");
            }
            let (after, seconds) = (store.db().counts(), start.elapsed().as_secs_f64());
            let writes = (after.writes - before.writes) as f64;
            let commits = (after.commits - before.commits) as f64;
            writeln!(io::stdout(), "{:?} {callers} callers: {:.0} writes/s, {:.1} per commit", database.engine(), writes / seconds, writes / commits).expect("printed");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement measures time")]
fn now() -> Instant {
    Instant::now()
}
