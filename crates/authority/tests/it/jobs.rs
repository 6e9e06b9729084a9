//! The jobs: each does its work when it is called once, and all end when they are told.

use std::sync::Arc;

use authority::Settings;
use authority::audit::{AuditQuery, Trust, verify_export};
use authority::jobs::Job;
use credential::key::Kind;
use credential::time::Span;
use store::Store;
use store::db::Db;
use tokio::sync::watch;

use crate::rig::{Rig, ask, follow_until, open_with, secret};

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

    async fn old_events_are_closed_at_a_signed_place_and_the_rest_verifies(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let kept = rig.create(Kind::Static, "kept", &[READ]).await;
        let changed = rig.create(Kind::Static, "changed", &[READ]).await;
        rig.authority.sign_checkpoint().await.unwrap().unwrap();
        rig.pass(Span::from_days(2)).await;
        rig.authority.disable_key(&rig.shell(), changed.key.id, None).await.unwrap();
        rig.authority.sign_checkpoint().await.unwrap().unwrap();

        let mut settings = Settings::default();
        settings.retention.audit = Some(Span::from_days(1));
        let store = Store::open(database.url()).await.unwrap();
        let closing = open_with(store, Arc::clone(&rig.clock), 5, [5; 32], settings).await.unwrap();
        let before = closing.verify_audit(&rig.shell()).await.unwrap();
        follow_until(&rig.authority, closing.run_job(Job::Purge)).await.unwrap();
        closing.sign_checkpoint().await.unwrap();
        let after = closing.verify_audit(&rig.shell()).await.unwrap();
        assert!(after.is_good(), "{after:?}");
        assert!(after.events < before.events + 10 && after.head > before.head);
        let seqs = count(rig.authority.store().db(), "SELECT MIN(seq) FROM audit").await;
        assert!(seqs > 1, "the first events are gone");
        // The last word on a row that nobody changed since is told again.
        assert_eq!(closing.compare_everything().await.unwrap(), []);
        assert_eq!(ask(&closing, secret(&kept), &[READ]).await, Ok(()));
        // The file begins where the trail was closed, and verifies from there.
        let query = AuditQuery { everywhere: true, ..AuditQuery::default() };
        let mut export = closing.export_audit(&rig.shell(), query).await.unwrap();
        let mut text = String::new();
        while let Some(lines) = export.next_lines().await.unwrap() {
            text.push_str(&lines);
        }
        let trust = Trust { public_key: Some(closing.audit_public_key().1), checkpoint: None };
        assert!(verify_export(text.as_bytes(), &trust).is_ok());
    }

    async fn a_trail_with_a_flaw_is_not_closed(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        rig.create(Kind::Static, "one", &[READ]).await;
        rig.authority.sign_checkpoint().await.unwrap().unwrap();
        rig.pass(Span::from_days(2)).await;
        let edit = |tx: &mut store::db::Tx<'_>| -> Result<u64, store::Fault> {
            tx.execute("UPDATE audit SET detail = '{\"x\":1}' WHERE seq = 2", &[])
        };
        rig.authority.store().db().write(edit).await.unwrap();
        let mut settings = Settings::default();
        settings.retention.audit = Some(Span::from_days(1));
        let store = Store::open(database.url()).await.unwrap();
        let closing = open_with(store, Arc::clone(&rig.clock), 5, [5; 32], settings).await.unwrap();
        closing.run_job(Job::Purge).await.unwrap();
        assert_eq!(count(rig.authority.store().db(), "SELECT MIN(seq) FROM audit").await, 1);
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
