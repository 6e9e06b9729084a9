//! `/api/v1/whoami`

use serde_json::json;

use crate::native::{Native, ORDERS};

testkit::on_each_engine! {
    async fn any_key_is_told_who_it_is(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (id, key) = native.static_key(&json!({"name": "Ada's"})).await;
        let told = native.call_as(Some(&key), "GET", "/api/v1/whoami", None).await;
        assert_eq!(told.status, 200);
        let told = told.json();
        assert_eq!((&told["key_id"], &told["name"], &told["product"]), (&json!(id), &json!("Ada's"), &json!("sample")));
        assert_eq!((&told["organization_name"], &told["scopes"]), (&json!("Home"), &json!([ORDERS])));
        assert_eq!(native.get("/api/v1/whoami").await.json()["roles"], json!(["Administrator"]));
    }

    async fn any_key_may_replace_its_own_secret_and_nothing_else(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (id, key) = native.static_key(&json!({})).await;
        let (other, _) = native.static_key(&json!({})).await;
        let rotate = async |key: &str, path: &str| native.call_as(Some(key), "POST", path, None).await;
        assert_eq!(rotate(&key, &format!("/api/v1/keys/{other}/rotate")).await.status, 404);
        let new = rotate(&key, "/api/v1/whoami/rotate").await;
        assert_eq!(new.status, 200, "{new:?}");
        let new = new.json()["secret"]["key"].as_str().unwrap().to_owned();
        assert_eq!(rotate(&key, "/api/v1/whoami/rotate").await.status, 401);
        assert_eq!(rotate(&new, &format!("/api/v1/keys/{id}/rotate")).await.status, 200);
    }

    async fn whoever_asks_is_told_how_its_limits_stand(database: testkit::Database) {
        let native = Native::open(&database).await;
        let limits = json!([{"name": "few", "quota": 2, "window_seconds": 60}]);
        let (_, key) = native.static_key(&json!({"limits": limits})).await;
        let mut told = Vec::new();
        for _ in 0..3 {
            let answer = native.call_as(Some(&key), "GET", "/api/v1/whoami", None).await;
            assert_eq!(answer.header("ratelimit-policy"), Some("\"few\";q=2;w=60"));
            let standing = answer.header("ratelimit").unwrap();
            told.push((answer.status, standing.split(";t=").next().unwrap().to_owned()));
        }
        assert_eq!(told, [(200, "\"few\";r=1".to_owned()), (200, "\"few\";r=0".to_owned()), (429, "\"few\";r=0".to_owned())]);
        assert_eq!(native.get("/api/v1/whoami").await.header("ratelimit"), None, "no limits, no headers");

        let wish = json!({"product": "latchkey", "kind": "static", "name": "asker", "scopes": ["latchkey.verify"], "limits": limits});
        let asker = native.post("/api/v1/keys", &wish).await.json()["secret"]["key"].as_str().unwrap().to_owned();
        for (status, standing) in [(200, "\"few\";r=1;"), (200, "\"few\";r=0;"), (429, "\"few\";r=0;")] {
            let answer = native.call_as(Some(&asker), "POST", "/api/v1/verify", Some(&json!({"credential": "x"}))).await;
            assert_eq!(answer.status, status);
            assert!(answer.header("ratelimit").unwrap().starts_with(standing), "{answer:?}");
        }
    }

    async fn a_key_may_be_sent_as_x_api_key(database: testkit::Database) {
        let native = Native::open(&database).await;
        let key = native.admin.clone();
        let told = native.call_with(None, "GET", "/api/v1/whoami", None, &[("X-API-Key", &key)]).await;
        assert_eq!(told.status, 200);
    }
}
