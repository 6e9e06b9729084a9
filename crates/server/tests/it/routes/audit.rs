//! `/api/v1/audit`

use serde_json::{Value, json};

use crate::native::Native;

testkit::on_each_engine! {
    async fn what_was_done_is_told_by_whom_and_to_what(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (id, _) = native.static_key(&json!({})).await;
        native.post(&format!("/api/v1/keys/{id}/revoke"), &json!({})).await;
        let page = native.get(&format!("/api/v1/audit?subject_id={id}")).await.json();
        let actions: Vec<&str> = page["items"].as_array().unwrap().iter().map(|event| event["action"].as_str().unwrap()).collect();
        assert_eq!(actions, ["key.revoked", "key.created"]);
        let actor = &page["items"][0]["actor"];
        assert_eq!((&actor["kind"], &actor["address"]), (&json!("key"), &json!("127.0.0.1")));
        let first = native.get("/api/v1/audit?limit=1").await.json();
        let next = native.get(&format!("/api/v1/audit?limit=1&cursor={}", first["next_cursor"].as_str().unwrap())).await.json();
        assert!(next["items"][0]["seq"].as_i64() < first["items"][0]["seq"].as_i64());
        assert_eq!(native.get("/api/v1/audit?everywhere=true").await.status, 403);
        assert_eq!(native.get("/api/v1/audit?action=key.eaten").await.status, 400);
    }

    async fn the_trail_is_verified_and_exported(database: testkit::Database) {
        let native = Native::open(&database).await;
        native.static_key(&json!({})).await;
        let ask = async |path: &str| native.call_as(Some(&native.operator), "GET", path, None).await;
        let report = ask("/api/v1/audit/verify").await.json();
        assert_eq!((&report["ok"], &report["first_bad"], &report["mismatches"]), (&json!(true), &Value::Null, &json!([])), "{report}");
        assert!(report["events"].as_u64().is_some_and(|events| events > 3));
        let export = ask("/api/v1/audit/export?everywhere=true").await;
        assert_eq!((export.status, export.header("content-type")), (200, Some("application/x-ndjson")));
        let lines: Vec<Value> = export.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.len() > 3, "{export:?}");
        assert_eq!(native.get("/api/v1/audit/verify").await.status, 403, "the whole trail is the operator's");
        assert!(native.get("/api/v1/audit/export").await.body.contains("key.created"));
    }
}
