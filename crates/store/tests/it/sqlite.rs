//! What only SQLite has: a file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use store::{Fault, Store, args};
use testkit::Database;

use crate::seam::{count, probe, read, words, write};

#[tokio::test]
async fn only_its_owner_reads_the_files() {
    let database = Database::sqlite();
    let store = words(&database, &["a"]).await;
    let home = file(&database).parent().expect("a directory").to_owned();
    store
        .backup_to(&home.join("copy.db"))
        .await
        .expect("copied");
    let mut names = Vec::new();
    for entry in fs::read_dir(home).expect("read") {
        let entry = entry.expect("read");
        names.push(entry.file_name().into_string().expect("UTF-8"));
        assert_eq!(
            entry.metadata().expect("read").permissions().mode() & 0o777,
            0o600,
            "{names:?}"
        );
    }
    names.sort();
    assert_eq!(
        names,
        [
            "copy.db",
            "latchkey.db",
            "latchkey.db-open",
            "latchkey.db-shm",
            "latchkey.db-wal"
        ]
    );
}

#[tokio::test]
async fn a_clean_stop_is_remembered_and_an_unclean_one_leads_to_a_check() {
    let database = Database::sqlite();
    let open = async || Store::open(database.url()).await.expect("it opens");
    let first = open().await;
    assert!(!first.db().was_unclean(), "a new database");
    first.close().await.expect("it closes");
    let second = open().await;
    assert!(!second.db().was_unclean(), "after a clean stop");
    drop(second);
    let third = open().await;
    assert!(third.db().was_unclean(), "after a drop without close");
    let beside = open().await;
    assert!(!beside.db().was_unclean(), "the third is alive and well");
    third.close().await.expect("it closes");
    drop(beside);
    let fourth = open().await;
    assert!(fourth.db().was_unclean(), "the last to leave did not close");
    fourth.close().await.expect("it closes");
    assert!(!open().await.db().was_unclean());
}

#[tokio::test]
async fn a_damaged_file_is_found_after_an_unclean_stop() {
    let database = Database::sqlite();
    let store = probe(&database).await;
    write(&store, |tx| {
        let fill = "INSERT INTO probe (id, word) VALUES ($1, $2)";
        (0..2000).try_for_each(|id| {
            tx.execute(fill, args![id, format!("a word of some length {id}")])
                .map(drop)
        })
    })
    .await
    .expect("filled");
    store.close().await.expect("it closes");
    let path = file(&database);
    fs::remove_file(beside(&path, "-open")).expect("as if it had never been closed");
    let mut bytes = fs::read(&path).expect("read");
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0x5a);
    fs::write(&path, bytes).expect("written");
    let fault = Store::open(database.url())
        .await
        .err()
        .expect("it does not open");
    assert!(matches!(fault, Fault::Damaged(_)), "{fault:?}");
}

#[tokio::test]
async fn a_file_of_another_program_is_left_alone() {
    let database = Database::sqlite();
    fs::write(
        file(&database),
        "not a database, but a text that is longer than a header".repeat(40),
    )
    .expect("written");
    let before = fs::read(file(&database)).expect("read");
    let fault = Store::open(database.url())
        .await
        .err()
        .expect("it does not open");
    assert_eq!(
        fault.to_string(),
        "the database is not fit for use: the file is not a SQLite database"
    );
    assert_eq!(fs::read(file(&database)).expect("read"), before);

    let database = Database::sqlite();
    let foreign = rusqlite::Connection::open(file(&database)).expect("opened");
    foreign
        .execute_batch("CREATE TABLE theirs (id)")
        .expect("made");
    let fault = Store::open(database.url())
        .await
        .err()
        .expect("it does not open");
    assert_eq!(
        fault.to_string(),
        "the database is not fit for use: the file is a database of another program"
    );
}

#[tokio::test]
async fn a_missing_directory_is_a_fault_that_names_the_file() {
    let fault = Store::open("sqlite:/nonexistent/latchkey.db")
        .await
        .err()
        .expect("it does not open");
    assert_eq!(
        fault.to_string(),
        "the file /nonexistent/latchkey.db cannot be used"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_of_one_moment_while_others_write() {
    let database = Database::sqlite();
    let store = Arc::new(words(&database, &["left", "right"]).await);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        async move {
            // Both rows always hold the same amount.
            for amount in 2.. {
                if stop.load(Ordering::Relaxed) {
                    return amount;
                }
                write(&store, move |tx| {
                    tx.execute("UPDATE probe SET amount = $1 WHERE id = 0", args![amount])?;
                    tx.execute("UPDATE probe SET amount = $1 WHERE id = 1", args![amount])
                })
                .await
                .expect("written");
            }
            0
        }
    });
    for number in 0..5 {
        let copy = beside(&file(&database), &format!(".copy{number}"));
        store.backup_to(&copy).await.expect("copied");
        let restored = Store::open(&format!("sqlite:{}", copy.display()))
            .await
            .expect("a copy opens");
        let amounts = read(&restored, |tx| {
            tx.query("SELECT amount FROM probe ORDER BY id", &[])?
                .iter()
                .map(|row| row.int(0))
                .collect::<Result<Vec<_>, _>>()
        });
        let amounts = amounts.await.expect("read");
        assert!(
            amounts.len() == 2 && amounts[0] == amounts[1],
            "{amounts:?}"
        );
    }
    stop.store(true, Ordering::Relaxed);
    assert!(writer.await.expect("no panic") > 2);
}

#[tokio::test]
async fn a_backup_never_replaces_a_file() {
    let database = Database::sqlite();
    let store = probe(&database).await;
    let copy = beside(&file(&database), ".copy");
    fs::write(&copy, "mine").expect("written");
    let fault = store.backup_to(&copy).await.expect_err("it is refused");
    assert!(matches!(fault, Fault::File { .. }), "{fault:?}");
    assert_eq!(fs::read(&copy).expect("read"), b"mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_file_write_in_turn() {
    let database = Database::sqlite();
    let stores = [
        probe(&database).await,
        Store::open(database.url()).await.expect("it opens twice"),
    ]
    .map(Arc::new);
    let tasks = (0..40_i64).map(|id| {
        let store = Arc::clone(&stores[usize::from(id % 2 == 0)]);
        tokio::spawn(async move {
            write(&store, move |tx| {
                tx.execute("INSERT INTO probe (id) VALUES ($1)", args![id])
            })
            .await
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("no panic").expect("written");
    }
    assert_eq!((count(&stores[0]).await, count(&stores[1]).await), (40, 40));
}

fn file(database: &Database) -> PathBuf {
    PathBuf::from(database.url().trim_start_matches("sqlite:"))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}
