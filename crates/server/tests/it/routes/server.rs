//! `/api/v1/server`

use serde_json::json;

use crate::native::Native;

testkit::on_each_engine! {
    async fn the_operator_sees_and_operates_the_server(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (_, key) = native.static_key(&json!({})).await;
        let ask = async |method: &str, path: &str| native.call_as(Some(&native.operator), method, path, None).await;
        let state = ask("GET", "/api/v1/server").await;
        assert_eq!(state.status, 200, "{state:?}");
        assert_eq!((&state.json()["fresh"], &state.json()["version"]), (&json!(true), &json!("test")));
        let rotated = ask("POST", "/api/v1/server/keyring/rotate").await;
        assert_eq!((rotated.status, &rotated.json()["version"]), (200, &json!(2)), "{rotated:?}");
        assert_eq!(native.code(&key).await, "VALID", "no issued credential changes");
        assert_eq!(ask("POST", "/api/v1/server/jobs/rekey/run").await.json()["name"], "rekey");
        assert_eq!(ask("POST", "/api/v1/server/jobs/nothing/run").await.status, 404);
        assert_eq!(native.code(&key).await, "VALID");
    }
}
