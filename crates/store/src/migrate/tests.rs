use testkit::{Database, on_each_engine};

use super::*;

const FIRST: Step = Step {
    number: 1,
    name: "0001_first",
    sqlite: "CREATE TABLE first (id INTEGER NOT NULL PRIMARY KEY) STRICT; INSERT INTO first VALUES (1)",
    postgres: "CREATE TABLE first (id BIGINT NOT NULL PRIMARY KEY); INSERT INTO first VALUES (1)",
};

const SECOND: Step = Step {
    number: 2,
    name: "0002_second",
    sqlite: "CREATE TABLE second (id INTEGER NOT NULL PRIMARY KEY) STRICT; INSERT INTO second VALUES (2)",
    postgres: "CREATE TABLE second (id BIGINT NOT NULL PRIMARY KEY); INSERT INTO second VALUES (2)",
};

const BROKEN: Step = Step {
    number: 2,
    name: "0002_broken",
    sqlite: "CREATE TABLE second (id INTEGER NOT NULL PRIMARY KEY) STRICT; INSERT INTO nowhere VALUES (2)",
    postgres: "CREATE TABLE second (id BIGINT NOT NULL PRIMARY KEY); INSERT INTO nowhere VALUES (2)",
};

on_each_engine! {
    async fn steps_are_taken_once_and_in_order(database: Database) {
        let db = open(&database).await;
        assert_eq!(taken(&db, &[FIRST]).await, "0 to 1");
        assert_eq!(taken(&db, &[FIRST]).await, "1 to 1");
        assert_eq!(taken(&db, &[FIRST, SECOND]).await, "1 to 2");
        assert_eq!(taken(&db, &[FIRST, SECOND]).await, "2 to 2");
    }

    async fn a_broken_step_leaves_nothing(database: Database) {
        let db = open(&database).await;
        assert_eq!(taken(&db, &[FIRST, BROKEN]).await, "the database refused a statement");
        assert_eq!(taken(&db, &[FIRST, SECOND]).await, "0 to 2");
    }

    async fn a_newer_schema_is_refused(database: Database) {
        let db = open(&database).await;
        assert_eq!(taken(&db, &[FIRST, SECOND]).await, "0 to 2");
        assert_eq!(
            taken(&db, &[FIRST]).await,
            "the schema does not fit: the database has step 2 (0002_second) and this program knows 1; a newer Latchkey was here"
        );
    }

    async fn a_changed_step_is_refused(database: Database) {
        let db = open(&database).await;
        assert_eq!(taken(&db, &[FIRST]).await, "0 to 1");
        const CHANGED: Step = Step { sqlite: SECOND.sqlite, postgres: SECOND.postgres, ..FIRST };
        assert_eq!(
            taken(&db, &[CHANGED]).await,
            "the schema does not fit: step 1 (0001_first) in the database is not the step 1 (0001_first) of this program"
        );
    }

    async fn processes_that_start_together_migrate_once(database: Database) {
        let (mut starts, mut migrated) = (Vec::new(), 0);
        for _ in 0..5 {
            let url = database.url().to_owned();
            starts.push(tokio::spawn(async move { migrate(&Db::open(&url).await?).await }));
        }
        for start in starts {
            let step = start.await.expect("no panic").expect("it migrates or waits for who does");
            assert_eq!(step.to, STEPS.len() as i64);
            migrated += i64::from(step.from == 0);
        }
        assert_eq!(migrated, 1);
    }
}

#[test]
fn the_steps_are_numbered_without_gaps_and_named_by_their_number() {
    for (at, step) in STEPS.iter().enumerate() {
        assert_eq!(step.number, at as i64 + 1);
        assert!(
            step.name.starts_with(&format!("{:04}_", step.number)),
            "{}",
            step.name
        );
    }
}

async fn open(database: &Database) -> Db {
    Db::open(database.url())
        .await
        .expect("the test's database opens")
}

/// What came of migrating to `known`, in words.
async fn taken(db: &Db, known: &'static [Step]) -> String {
    let engine = db.engine();
    match db.write(move |tx| steps(tx, engine, known)).await {
        Ok(Migrated { from, to }) => format!("{from} to {to}"),
        Err(fault) => fault.to_string(),
    }
}
