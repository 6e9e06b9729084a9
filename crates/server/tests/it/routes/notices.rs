//! `/api/v1/notices`

use serde_json::json;

use crate::native::Native;

testkit::on_each_engine! {
    async fn a_notice_is_told_once_and_read_once(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (id, _) = native.static_key(&json!({})).await;
        let at_once = json!({"notices": {"soon_seconds": 60, "very_soon_seconds": 30, "refresh_divisor": 6, "unused_seconds": 0}});
        native.call("PATCH", &format!("/api/v1/organizations/{}/settings", native.home), Some(&at_once)).await;
        for _ in 0..2 {
            native.house.authority.raise_due_notices(None).await.unwrap();
        }
        let page = native.get("/api/v1/notices?unread=true").await.json();
        let about: Vec<&serde_json::Value> = page["items"].as_array().unwrap().iter().filter(|notice| notice["subject_id"] == id.as_str()).collect();
        assert_eq!(about.len(), 1, "{page}");
        assert_eq!((&about[0]["kind"], &about[0]["subject_kind"], &about[0]["read_at"]), (&json!("unused"), &json!("key"), &json!(null)));
        let path = format!("/api/v1/notices/{}/read", about[0]["id"].as_str().unwrap());
        let read = native.post(&path, &json!({})).await.json();
        assert!(read["read_at"].is_string() && read["read_by"].is_string(), "{read}");
        assert_eq!(native.post(&path, &json!({})).await.json(), read);
        let unread = native.get("/api/v1/notices?unread=true").await.body;
        assert!(!unread.contains(&id), "{unread}");
    }
}
