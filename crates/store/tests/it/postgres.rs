//! What only PostgreSQL has: a line that breaks, and a server with settings of its own.

use std::sync::Arc;

use store::db::Tx;
use store::{Fault, Store, args};
use testkit::Database;

use crate::seam::{count, probe, read, words, write};

/// Waits until they are gone, in milliseconds at most.
const KILL_OTHERS: &str = "SELECT COUNT(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_of_dead_connections_heals() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let store = Arc::new(words(&database, &["a"]).await);
    let crowd = (0..8).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { count(&store).await })
    });
    for one in crowd.collect::<Vec<_>>() {
        assert_eq!(one.await.expect("no panic"), 1);
    }
    let other = Store::connect(database.url())
        .await
        .expect("it opens twice");
    read(&other, |tx| tx.query(KILL_OTHERS, &[]))
        .await
        .expect("killed");
    for _ in 0..10 {
        assert_eq!(count(&store).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_within_a_transaction_commits_nothing() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let store = probe(&database).await;
    let fault = write(&store, |tx| {
        tx.execute("INSERT INTO probe (id) VALUES (1)", &[])?;
        tx.query("SELECT pg_terminate_backend(pg_backend_pid())", &[])?;
        Ok(())
    });
    let fault = fault.await.expect_err("the line broke");
    assert!(
        matches!(fault, Fault::Unreachable(_)) && fault.retryable(),
        "{fault:?}"
    );
    assert_eq!(count(&store).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_run_again() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let store = Arc::new(words(&database, &["a", "b"]).await);
    let both_hold_one = Arc::new(std::sync::Barrier::new(2));
    let tasks = [(0_i64, 1_i64), (1, 0)].map(|(first, second)| {
        let (store, barrier) = (Arc::clone(&store), Arc::clone(&both_hold_one));
        let mut runs = 0;
        tokio::spawn(async move {
            write(&store, move |tx: &mut Tx<'_>| {
                let add = "UPDATE probe SET amount = amount + 1 WHERE id = $1";
                tx.execute(add, args![first])?;
                runs += 1;
                if runs == 1 {
                    barrier.wait();
                }
                tx.execute(add, args![second])
            })
            .await
        })
    });
    for task in tasks {
        task.await.expect("no panic").expect("both come through");
    }
    let amounts = read(&store, |tx| {
        tx.query_one("SELECT CAST(SUM(amount) AS BIGINT) FROM probe", &[])?
            .int(0)
    });
    assert_eq!(amounts.await.expect("read"), 6);
    assert_eq!(store.db().counts().reruns, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_confirms_too_early_is_refused() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let separator = if database.url().contains('?') {
        '&'
    } else {
        '?'
    };
    let url = format!(
        "{}{separator}options=-c%20synchronous_commit%3Doff",
        database.url()
    );
    let fault = Store::open(&url).await.err().expect("it does not open");
    assert_eq!(
        fault.to_string(),
        "the database is not fit for use: PostgreSQL has synchronous_commit=off; what it confirms may be lost"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let fault = Store::open("postgres://u:hunter2@127.0.0.1:1/d")
        .await
        .err()
        .expect("nobody listens on port 1");
    assert!(
        matches!(fault, Fault::Unreachable(_)) && fault.retryable(),
        "{fault:?}"
    );
    assert!(!format!("{fault:?}").contains("hunter2"), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_own_tools_make_the_backup() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let store = probe(&database).await;
    let fault = store.backup_to("/nonexistent".as_ref()).await;
    assert!(matches!(fault, Err(Fault::Unsupported(_))), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mode_in_the_url_decides_about_tls() {
    const ENCRYPTED: &str = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let Some(database) = Database::postgres() else {
        return;
    };
    let with = |mode: &str| {
        let separator = if database.url().contains('?') {
            '&'
        } else {
            '?'
        };
        format!("{}{separator}sslmode={mode}", database.url())
    };
    let encrypted = async |mode: &str| {
        let store = Store::connect(&with(mode)).await.expect("it opens");
        read(&store, |tx| tx.query_one(ENCRYPTED, &[])?.flag(0))
            .await
            .expect("read")
    };
    assert!(!encrypted("disable").await);
    if !encrypted("prefer").await {
        // A server without TLS, or a Unix socket.
        return;
    }
    assert!(encrypted("require").await);
    let stranger = concat!(
        "verify-full&sslrootcert=",
        env!("CARGO_MANIFEST_DIR"),
        "/tests/it/stranger.pem"
    );
    let fault = Store::connect(&with(stranger))
        .await
        .err()
        .expect("that authority signed nothing");
    assert!(matches!(fault, Fault::Unreachable(_)), "{fault:?}");
}
