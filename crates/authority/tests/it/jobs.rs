//! The jobs: each does its work when it is called once, and all end when they are told.

use authority::Settings;
use authority::jobs::Job;
use credential::key::Kind;
use credential::time::Span;
use store::db::Db;
use tokio::sync::watch;

use crate::rig::{Rig, ask, secret};

const READ: &str = "sample.orders:read";

async fn count(db: &Db, sql: &'static str) -> i64 {
    db.read(move |tx| tx.query_one(sql, &[])?.int(0))
        .await
        .unwrap()
}

testkit::on_each_engine! {
    async fn every_job_runs_on_a_fresh_store_and_on_a_busy_one(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        for _ in 0..2 {
            for job in Job::ALL {
                rig.authority.run_job(job).await.unwrap_or_else(|error| panic!("{}: {error}", job.as_str()));
            }
            rig.create(Kind::TokenPair, "pair", &[READ]).await;
            rig.pass(Span::from_days(1)).await;
        }
    }

    async fn what_is_over_is_removed_in_its_time(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let keep = Settings::default().retention;
        let pair = rig.create(Kind::TokenPair, "pair", &[READ]).await;
        let key = rig.create(Kind::Static, "key", &[READ]).await;
        let db = rig.authority.store().db();
        rig.pass(Span::from_days(60)).await;
        rig.authority.run_job(Job::Purge).await.unwrap();
        assert_eq!(count(db, "SELECT COUNT(*) FROM family").await, 1, "it lapsed just now");
        assert_eq!(count(db, "SELECT COUNT(*) FROM feed").await, 1, "the last entry stays");
        rig.pass(keep.families).await;
        rig.pass(Span::from_secs(1)).await;
        rig.authority.run_job(Job::Purge).await.unwrap();
        assert_eq!(count(db, "SELECT COUNT(*) FROM family").await, 0);
        assert_eq!(rig.authority.compare_everything().await.unwrap(), []);
        let report = rig.authority.verify_audit(&rig.shell()).await.unwrap();
        assert!(report.is_good(), "{report:?}");
        assert_eq!(ask(&rig.authority, secret(&key), &[READ]).await, Ok(()));
        assert_eq!(rig.authority.key(&rig.shell(), pair.key.id).await.unwrap().id, pair.key.id);
    }

    async fn rows_are_sealed_anew_and_credentials_stay_good(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let key = rig.create(Kind::Static, "key", &[READ]).await;
        rig.authority.rotate_keyring().await.unwrap();
        rig.authority.run_job(Job::Rekey).await.unwrap();
        let db = rig.authority.store().db();
        let rows = db
            .read(|tx| tx.query("SELECT sealed FROM api_key", &[])?.iter().map(|row| Ok(row.blob(0)?[0])).collect())
            .await;
        let versions: Vec<u8> = rows.unwrap();
        assert_eq!(versions, [2]);
        assert_eq!(ask(&rig.authority, secret(&key), &[READ]).await, Ok(()));
        assert_eq!(rig.authority.compare_everything().await.unwrap(), []);
    }

    async fn jobs_end_when_they_are_told(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (stop, stopped) = watch::channel(false);
        let jobs = tokio::spawn({
            let authority = rig.authority.clone();
            async move { authority.run_jobs(stopped).await }
        });
        stop.send(true).unwrap();
        jobs.await.unwrap();
        // And when whoever could tell them is gone.
        let (gone, stopped) = watch::channel(false);
        drop(gone);
        rig.authority.run_jobs(stopped).await;
    }
}

#[test]
fn the_word_of_a_job_is_its_own() {
    let words: std::collections::BTreeSet<_> = Job::ALL.iter().map(|job| job.as_str()).collect();
    assert_eq!(words.len(), Job::ALL.len());
}
