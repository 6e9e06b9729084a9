//! `/console/server`

use super::Console;

const PAGE: &str = "/console/server";

testkit::on_each_engine! {
    async fn an_operator_sees_what_the_server_is_made_of_and_runs_its_jobs(database: testkit::Database) {
        let console = Console::open(&database).await;
        let ada = console.browser("ada@example.org", &["Administrator"]).await;
        console.house.authority.roll_signing_keys().await.unwrap();
        let shown = ada.get(PAGE).await;
        let engine = match database.url().starts_with("postgres") {
            true => "PostgreSQL ",
            false => "SQLite ",
        };
        let kid = console.house.authority.jwks()["keys"][0]["kid"].as_str().unwrap().to_owned();
        for text in [engine, "Current</span>", "Last change applied", &kid, "Signs</span>", "checkpoint", "Replicas"] {
            assert!(shown.body.contains(text), "{text}: {shown:?}");
        }
        let run = ada.done("/console/server/jobs/usage", &[]).await;
        assert!(run.body.contains("The job was run"), "{run:?}");
        assert_eq!(ada.post("/console/server/jobs/nonsense", &[]).await.status, 404);
        ada.is_guarded("/console/server/jobs/usage", &[]).await;
    }

    async fn nobody_but_the_operator_sees_the_server(database: testkit::Database) {
        let console = Console::open(&database).await;
        let zoe = console.browser_in(console.other, "zoe@example.org", &["Administrator"]).await;
        assert_eq!(zoe.get(PAGE).await.status, 403);
        assert_eq!(zoe.post("/console/server/jobs/usage", &[]).await.status, 403);
        let nobody = console.browser("fay@example.org", &[]).await;
        assert_eq!(nobody.get(PAGE).await.status, 403);
    }
}
