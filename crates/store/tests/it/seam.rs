//! The seam: one text and one behaviour on both engines.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Waker};

use store::db::{Arg, Engine, Kind, Tx};
use store::{Fault, Store, args};
use testkit::{Database, on_each_engine, with_seed};

const INSERT: &str = "INSERT INTO probe (id, word, bytes, amount) VALUES ($1, $2, $3, $4)";
const SELECT: &str = "SELECT word, bytes, amount FROM probe WHERE id = $1";
const COUNT: &str = "SELECT COUNT(*) FROM probe";

on_each_engine! {
    async fn values_come_back_as_they_went_in(database: Database) {
        let store = probe(&database).await;
        let long = "é".repeat(100_000);
        let cases: Vec<(&str, Vec<u8>, i64)> = vec![
            ("", vec![], 0),
            ("word", vec![0, 255, 0], 1),
            ("Ünïcödé 🗝 \u{1}\u{10ffff}'\"\\$1", (0..=255).collect(), -1),
            (&long, vec![7; 1 << 20], i64::MAX),
            ("x", vec![1], i64::MIN),
        ];
        for (id, (word, bytes, amount)) in cases.into_iter().enumerate() {
            let (id, word, stored) = (id as i64, word.to_owned(), bytes.clone());
            let row = {
                let word = word.clone();
                write(&store, move |tx| {
                    tx.execute(INSERT, args![id, &word, &stored, amount])?;
                    tx.query_one(SELECT, args![id])
                })
                .await
                .expect("it is stored")
            };
            assert_eq!(row.text(0).expect("text"), word);
            assert_eq!(row.blob(1).expect("bytes"), bytes);
            assert_eq!(row.int(2).expect("a number"), amount);
        }
    }

    async fn random_values_come_back_as_they_went_in(database: Database) {
        let store = probe(&database).await;
        let world: Vec<(String, Vec<u8>, i64)> = with_seed(|random| {
            (0..50)
                .map(|place| {
                    let letters = (0..random.below(40)).map(|_| char::from_u32(1 + random.below(0xd000) as u32));
                    let word = letters.flatten().chain(place.to_string().chars()).collect();
                    let bytes = (0..random.below(40)).map(|_| random.number() as u8).collect();
                    (word, bytes, random.number() as i64)
                })
                .collect()
        });
        let stored = world.clone();
        write(&store, move |tx| {
            for (id, (word, bytes, amount)) in stored.iter().enumerate() {
                tx.execute(INSERT, args![id as i64, word, bytes, *amount])?;
            }
            Ok(())
        })
        .await
        .expect("they are stored");
        for (id, (word, bytes, amount)) in world.iter().enumerate() {
            let row = read(&store, move |tx| tx.query_one(SELECT, args![id as i64])).await.expect("it is there");
            assert_eq!(row.text(0).expect("text"), word);
            assert_eq!(row.blob(1).expect("bytes"), bytes);
            assert_eq!(row.int(2).expect("a number"), *amount);
        }
    }

    async fn nothing_is_null_and_null_is_nothing_else(database: Database) {
        let store = probe(&database).await;
        write(&store, |tx| {
            tx.execute(INSERT, args![1, None::<&str>, None::<Vec<u8>>, None::<i64>])?;
            tx.execute(INSERT, &[Arg::from(2), Arg::Null(Kind::Text), Arg::Null(Kind::Blob), Arg::Null(Kind::Int)])?;
            tx.execute(INSERT, args![3, Some("w"), Some(&[1, 2]), Some(3)])
        })
        .await
        .expect("they are stored");
        for id in [1, 2] {
            let row = read(&store, move |tx| tx.query_one(SELECT, args![id])).await.expect("it is there");
            assert_eq!((row.opt_text(0).ok(), row.opt_blob(1).ok(), row.opt_int(2).ok()), (Some(None), Some(None), Some(None)));
            assert_eq!(shape(row.text(0)), "column 0 holds NULL instead of text");
            assert_eq!(shape(row.blob(1)), "column 1 holds NULL instead of bytes");
            assert_eq!(shape(row.int(2)), "column 2 holds NULL instead of a number");
        }
        let row = read(&store, |tx| tx.query_one(SELECT, args![3])).await.expect("it is there");
        assert_eq!(row.array::<2>(1).expect("two bytes"), [1, 2]);
        assert_eq!(shape(row.int(0)), "column 0 holds text instead of a number");
        assert_eq!(shape(row.text(1)), "column 1 holds bytes instead of text");
        assert_eq!(shape(row.array::<3>(1)), "column 1 holds bytes instead of bytes of another length");
        assert_eq!(shape(row.int(3)), "there is no column 3 among 3");
        assert_eq!(format!("{row:?}"), "[\"Text\", \"Blob\", \"Int\"]", "a row never shows what it holds");
    }

    async fn an_optional_filter_is_one_text(database: Database) {
        let store = words(&database, &["a", "b"]).await;
        const FILTER: &str = "SELECT COUNT(*) FROM probe WHERE (CAST($1 AS BIGINT) IS NULL OR id = $1)";
        let count = |id: Option<i64>| read(&store, move |tx| tx.query_one(FILTER, args![id])?.int(0));
        assert_eq!((count(None).await.expect("2"), count(Some(1)).await.expect("1")), (2, 1));
    }

    async fn parameters_are_bound_by_their_number(database: Database) {
        let store = probe(&database).await;
        const REVERSED: &str = "SELECT $2, $1, $2 WHERE $3 = $3";
        let row = read(&store, |tx| tx.query_one(REVERSED, args!["one", 2, 3])).await.expect("a row");
        assert_eq!((row.int(0).ok(), row.text(1).ok(), row.int(2).ok()), (Some(2), Some("one"), Some(2)));
    }

    async fn too_many_or_too_few_arguments_are_a_fault(database: Database) {
        let store = probe(&database).await;
        for fault in [
            read(&store, |tx| tx.query("SELECT id FROM probe WHERE id = $1", &[])).await,
            read(&store, |tx| tx.query("SELECT id FROM probe WHERE id = $1", args![1, 2])).await,
        ] {
            assert!(matches!(fault, Err(Fault::Engine(_))), "{fault:?}");
        }
    }

    async fn text_without_meaning_elsewhere_is_refused(database: Database) {
        let store = probe(&database).await;
        let fault = write(&store, |tx| tx.execute(INSERT, args![1, "a\0b", None::<&[u8]>, 1])).await;
        assert_eq!(shape(fault), "text with U+0000");
    }

    async fn text_is_ordered_byte_by_byte_and_null_where_the_text_says(database: Database) {
        let store = words(&database, &["b", "B", "a", "é", "_", "A", "z"]).await;
        write(&store, |tx| tx.execute(INSERT, args![100, None::<&str>, None::<&[u8]>, 0])).await.expect("stored");
        let sorted = read(&store, |tx| {
            let rows = tx.query("SELECT word FROM probe ORDER BY word NULLS LAST", &[])?;
            rows.iter().map(|row| Ok(row.opt_text(0)?.unwrap_or("NULL").to_owned())).collect::<Result<Vec<_>, _>>()
        });
        assert_eq!(sorted.await.expect("sorted"), ["A", "B", "_", "a", "b", "z", "é", "NULL"]);
    }

    async fn an_error_rolls_back_all_of_its_transaction(database: Database) {
        let store = probe(&database).await;
        let refused: Result<(), Refused> = store
            .db()
            .write(|tx| {
                tx.execute(INSERT, args![1, "a", None::<&[u8]>, 1])?;
                tx.execute(INSERT, args![2, "b", None::<&[u8]>, 1])?;
                Err(Refused::Rule)
            })
            .await;
        assert!(matches!(refused, Err(Refused::Rule)));
        assert_eq!(count(&store).await, 0);
    }

    async fn a_panic_rolls_back_and_the_store_goes_on(database: Database) {
        let store = probe(&database).await;
        let fault: Result<(), Fault> = write(&store, |tx| {
            tx.execute(INSERT, args![1, "a", None::<&[u8]>, 1])?;
            panic!("this panic is part of a test")
        })
        .await;
        assert!(matches!(fault, Err(Fault::Panicked)), "{fault:?}");
        let fault: Result<(), Fault> = read(&store, |_| panic!("this panic is part of a test")).await;
        assert!(matches!(fault, Err(Fault::Panicked)), "{fault:?}");
        assert_eq!(count(&store).await, 0);
        store.health().await.expect("it goes on");
    }

    async fn a_second_row_alike_is_told_from_other_faults(database: Database) {
        let store = words(&database, &["taken"]).await;
        let check = async |id: i64, word: &'static str, expected: &str| {
            let fault = write(&store, move |tx| tx.execute(INSERT, args![id, word, None::<&[u8]>, 1])).await;
            let fault = fault.expect_err("a row is in the way");
            assert!(fault.is_conflict_on(expected), "{fault:?}");
            assert!(!fault.retryable());
        };
        check(0, "free", "probe.id").await;
        check(9, "taken", "probe.word").await;

        let pair = async |group: i64, place: i64| {
            let insert = "INSERT INTO pair (left_half, right_half, probe_id) VALUES ($1, $2, $3)";
            write(&store, move |tx| tx.execute(insert, args![group, "x, y (z)=(", place])).await
        };
        pair(1, 0).await.expect("the first");
        assert!(pair(1, 0).await.expect_err("the second").is_conflict_on("pair.left_half, pair.right_half"));
        let orphan = pair(2, 77).await;
        assert!(matches!(orphan, Err(Fault::Constraint(_))), "no parent: {orphan:?}");
        let negative = pair(-1, 0).await;
        assert!(matches!(negative, Err(Fault::Constraint(_))), "a check: {negative:?}");
        let half = "INSERT INTO pair (left_half, right_half, probe_id) VALUES (9, $1, 0)";
        let nothing = write(&store, move |tx| tx.execute(half, args![None::<&str>])).await;
        assert!(matches!(nothing, Err(Fault::Constraint(_))), "a missing value: {nothing:?}");
    }

    async fn on_conflict_does_nothing_or_updates_as_it_says(database: Database) {
        let store = words(&database, &["taken"]).await;
        let changed = write(&store, |tx| {
            let skip = "INSERT INTO probe (id, word) VALUES ($1, $2) ON CONFLICT DO NOTHING";
            let put = "INSERT INTO probe (id, word) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET word = excluded.word";
            let returning = "UPDATE probe SET amount = $2 WHERE id = $1 RETURNING word, amount";
            let row_changed = tx.query_one(returning, args![0, 5]);
            Ok((tx.execute(skip, args![1, "taken"])?, tx.execute(put, args![0, "put"])?, row_changed?.text(0)?.to_owned()))
        });
        assert_eq!(changed.await.expect("no fault"), (0, 1, "taken".to_owned()));
    }

    async fn a_transaction_with_a_failed_statement_never_commits(database: Database) {
        let store = words(&database, &["taken"]).await;
        let after = write(&store, |tx| {
            drop(tx.execute(INSERT, args![5, "taken", None::<&[u8]>, 1]));
            tx.execute(INSERT, args![6, "free", None::<&[u8]>, 1])
        });
        assert!(matches!(after.await, Err(Fault::AlreadyFailed)));
        let hidden = write(&store, |tx| {
            tx.execute(INSERT, args![6, "free", None::<&[u8]>, 1])?;
            drop(tx.execute(INSERT, args![5, "taken", None::<&[u8]>, 1]));
            Ok(())
        });
        assert!(matches!(hidden.await, Err(Fault::AlreadyFailed)));
        assert_eq!(count(&store).await, 1);
    }

    async fn a_read_cannot_write(database: Database) {
        let store = probe(&database).await;
        let fault = read(&store, |tx| tx.execute(INSERT, args![1, "a", None::<&[u8]>, 1])).await;
        assert!(matches!(fault, Err(Fault::Engine(_))), "{fault:?}");
        assert_eq!(count(&store).await, 0);
    }

    async fn a_read_sees_a_committed_write_at_once(database: Database) {
        let store = words(&database, &["counter"]).await;
        for amount in 1..=200 {
            write(&store, move |tx| tx.execute("UPDATE probe SET amount = $1 WHERE id = 0", args![amount]))
                .await
                .expect("written");
            let seen = read(&store, |tx| tx.query_one("SELECT amount FROM probe WHERE id = 0", &[])?.int(0)).await;
            assert_eq!(seen.expect("read"), amount);
        }
    }

    async fn a_read_sees_one_state_throughout(database: Database) {
        let store = Arc::new(words(&database, &["a"]).await);
        let (started, has_started) = mpsc::channel();
        let (written, was_written) = mpsc::channel();
        let reader = tokio::spawn({
            let store = Arc::clone(&store);
            async move {
                read(&store, move |tx| {
                    let before = tx.query_one(COUNT, &[])?.int(0)?;
                    started.send(()).expect("the test waits");
                    was_written.recv().expect("the test writes");
                    Ok((before, tx.query_one(COUNT, &[])?.int(0)?))
                })
                .await
            }
        });
        tokio::task::spawn_blocking(move || has_started.recv()).await.expect("no panic").expect("it starts");
        write(&store, |tx| tx.execute(INSERT, args![9, "b", None::<&[u8]>, 1])).await.expect("writes do not wait for reads");
        written.send(()).expect("the reader waits");
        assert_eq!(reader.await.expect("no panic").expect("read"), (1, 1));
        assert_eq!(count(&store).await, 2);
    }

    async fn of_fifty_that_race_for_a_row_exactly_one_wins(database: Database) {
        let store = Arc::new(words(&database, &["prize"]).await);
        let runs = (1..=50).map(|runner| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                store
                    .db()
                    .write(move |tx| {
                        let row = tx.query_one("SELECT word, amount FROM probe WHERE id = 0", &[])?;
                        if row.text(0)? != "prize" {
                            return Err(Refused::Rule);
                        }
                        let taken = format!("taken by {runner}");
                        tx.swap(TAKE, args![taken, row.int(1)?])?;
                        Ok(())
                    })
                    .await
            })
        });
        let mut won = 0;
        for run in runs.collect::<Vec<_>>() {
            match run.await.expect("no panic") {
                Ok(()) => won += 1,
                Err(Refused::Rule) => {}
                Err(Refused::Fault(fault)) => panic!("nobody meets a fault: {fault}"),
            }
        }
        assert_eq!(won, 1);
        let version = read(&store, |tx| tx.query_one("SELECT amount FROM probe WHERE id = 0", &[])?.int(0)).await;
        assert_eq!(version.expect("read"), 2);
    }

    async fn fifty_that_change_one_row_all_come_through(database: Database) {
        let store = Arc::new(words(&database, &["tally"]).await);
        let runs = (0..50).map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                write(&store, |tx| {
                    let version = tx.query_one("SELECT amount FROM probe WHERE id = 0", &[])?.int(0)?;
                    tx.swap(TAKE, args!["tally", version])
                })
                .await
            })
        });
        for run in runs.collect::<Vec<_>>() {
            run.await.expect("no panic").expect("everyone comes through in the end");
        }
        let version = read(&store, |tx| tx.query_one("SELECT amount FROM probe WHERE id = 0", &[])?.int(0)).await;
        assert_eq!(version.expect("read"), 51);
    }

    async fn a_swap_that_can_never_be_made_ends(database: Database) {
        let store = words(&database, &["a"]).await;
        let fault = write(&store, |tx| tx.swap(TAKE, args!["b", 99])).await;
        assert!(matches!(fault, Err(Fault::Outrun)), "{fault:?}");
        assert!(fault.expect_err("a fault").retryable());
    }

    async fn the_database_tells_the_time(database: Database) {
        let store = probe(&database).await;
        let (first, second) = write(&store, |tx| Ok((tx.now()?, tx.now()?))).await.expect("told");
        assert!(first.millis() > 1_700_000_000_000 && first <= second, "{first:?} {second:?}");
    }

    async fn a_closed_store_says_so(database: Database) {
        let store = probe(&database).await;
        store.close().await.expect("it closes");
        assert!(matches!(read(&store, |tx| tx.query(COUNT, &[])).await, Err(Fault::Closed)));
        assert!(matches!(write(&store, |tx| tx.query(COUNT, &[])).await, Err(Fault::Closed)));
        assert!(matches!(store.health().await, Err(Fault::Closed)));
        drop(store);
        Store::open(database.url()).await.expect("it opens again").health().await.expect("and works");
    }
}

#[tokio::test]
async fn writes_that_come_together_share_a_commit_and_fail_alone() {
    let database = Database::sqlite();
    let store = probe(&database).await;
    let before = store.db().counts();
    let (release, gate) = mpsc::channel::<()>();
    let mut gate = Some(gate);

    let mut writes = Vec::new();
    writes.push(Box::pin(write(&store, move |tx| {
        // Holds the writer until all others wait behind it.
        if let Some(gate) = gate.take() {
            gate.recv().expect("the test releases");
        }
        tx.execute(INSERT, args![0, "0", None::<&[u8]>, 1])
    })) as Pin<Box<dyn Future<Output = Result<u64, Fault>>>>);
    for id in 1..=20_i64 {
        writes.push(Box::pin(write(&store, move |tx| {
            let changed = tx.execute(INSERT, args![id, id.to_string(), None::<&[u8]>, 1])?;
            match id {
                7 => panic!("this panic is part of a test"),
                13 => tx.execute(INSERT, args![0, "conflict", None::<&[u8]>, 1]),
                _ => Ok(changed),
            }
        })));
    }
    let mut context = Context::from_waker(Waker::noop());
    for write in &mut writes {
        assert!(
            write.as_mut().poll(&mut context).is_pending(),
            "it waits in the queue"
        );
    }
    let mut left = Box::pin(write(&store, |tx| {
        tx.execute(INSERT, args![99, "99", None::<&[u8]>, 1])
    }));
    assert!(left.as_mut().poll(&mut context).is_pending());
    drop(left);
    release.send(()).expect("the writer waits");

    for (id, write) in writes.into_iter().enumerate() {
        match (id, write.await) {
            (7, Err(Fault::Panicked)) => {}
            (13, Err(fault)) if fault.is_conflict_on("probe.id") => {}
            (_, Ok(1)) => {}
            (id, other) => panic!("{id}: {other:?}"),
        }
    }
    let after = store.db().counts();
    assert_eq!(
        after.writes - before.writes,
        21,
        "nobody waits for the one that was left"
    );
    assert_eq!(after.commits - before.commits, 1);
    let ids = read(&store, |tx| {
        tx.query("SELECT id FROM probe ORDER BY id", &[])?
            .iter()
            .map(|row| row.int(0))
            .collect::<Result<Vec<_>, _>>()
    });
    let expected: Vec<i64> = (0..=20).filter(|id| ![7, 13].contains(id)).collect();
    assert_eq!(ids.await.expect("read"), expected);
}

const TAKE: &str = "UPDATE probe SET word = $1, amount = amount + 1 WHERE id = 0 AND amount = $2";

enum Refused {
    Rule,
    Fault(Fault),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A store with tables of the suite's own.
pub(crate) async fn probe(database: &Database) -> Store {
    let store = Store::open(database.url())
        .await
        .expect("the test's database opens");
    let (probe, pair) = match store.db().engine() {
        Engine::Sqlite => (
            "CREATE TABLE probe (id INTEGER NOT NULL PRIMARY KEY, word TEXT UNIQUE, bytes BLOB, amount INTEGER) STRICT",
            "CREATE TABLE pair (left_half INTEGER NOT NULL CHECK (left_half > 0), right_half TEXT NOT NULL,
             probe_id INTEGER NOT NULL REFERENCES probe (id), PRIMARY KEY (left_half, right_half)) STRICT",
        ),
        Engine::Postgres => (
            "CREATE TABLE probe (id BIGINT NOT NULL PRIMARY KEY, word TEXT COLLATE \"C\" UNIQUE, bytes BYTEA, amount BIGINT)",
            "CREATE TABLE pair (left_half BIGINT NOT NULL CHECK (left_half > 0), right_half TEXT COLLATE \"C\" NOT NULL,
             probe_id BIGINT NOT NULL REFERENCES probe (id), PRIMARY KEY (left_half, right_half))",
        ),
    };
    write(&store, move |tx| {
        tx.execute(probe, &[])?;
        tx.execute(pair, &[])
    })
    .await
    .expect("the tables are made");
    store
}

/// A store whose rows have these words, ids from 0, and amount 1.
pub(crate) async fn words(database: &Database, words: &'static [&'static str]) -> Store {
    let store = probe(database).await;
    let insert = move |tx: &mut Tx<'_>| {
        words.iter().enumerate().try_for_each(|(id, word)| {
            tx.execute(INSERT, args![id as i64, *word, None::<&[u8]>, 1])
                .map(drop)
        })
    };
    write(&store, insert).await.expect("the rows are stored");
    store
}

pub(crate) async fn write<T: Send + 'static>(
    store: &Store,
    f: impl FnMut(&mut Tx<'_>) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    store.db().write(f).await
}

pub(crate) async fn read<T: Send + 'static>(
    store: &Store,
    f: impl FnOnce(&mut Tx<'_>) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    store.db().read(f).await
}

pub(crate) async fn count(store: &Store) -> i64 {
    read(store, |tx| tx.query_one(COUNT, &[])?.int(0))
        .await
        .expect("counted")
}

/// What a fault of shape says.
fn shape<T>(outcome: Result<T, Fault>) -> String {
    match outcome {
        Err(Fault::Shape(what)) => what,
        Err(other) => format!("another fault: {other:?}"),
        Ok(_) => "no fault".to_owned(),
    }
}
