//! `/api/v1/users`

use serde_json::json;

use crate::native::{ADMINISTRATOR, Native, slug};

testkit::on_each_engine! {
    async fn a_user_is_added_changed_and_removed(database: testkit::Database) {
        let native = Native::open(&database).await;
        let wish = json!({"email": "Ada@Example.org", "name": "Ada", "roles": [ADMINISTRATOR]});
        let made = native.post("/api/v1/users", &wish).await;
        assert_eq!((made.status, made.json()["user"]["email"].clone()), (201, json!("ada@example.org")), "{made:?}");
        assert_eq!(made.json()["user"]["roles"][0]["name"], "Administrator");
        let place = made.header("location").unwrap().to_owned();
        assert_eq!(slug(&native.post("/api/v1/users", &wish).await).slug(), "name-taken");

        let second = json!({"email": "bob@example.org", "name": "Bob", "roles": [ADMINISTRATOR]});
        assert_eq!(native.post("/api/v1/users", &second).await.status, 201);
        let renamed = native.call("PATCH", &place, Some(&json!({"name": "Ada Lovelace"}))).await;
        assert_eq!((renamed.status, renamed.header("etag")), (200, Some("\"2\"")));
        assert_eq!(native.call("PATCH", &place, Some(&json!({"roles": []}))).await.json()["user"]["roles"], json!([]));
        let both = json!({"name": "A", "roles": []});
        assert_eq!(slug(&native.call("PATCH", &place, Some(&both)).await).slug(), "invalid-member");
        assert_eq!(native.post(&format!("{place}/disable"), &json!({})).await.json()["user"]["active"], false);
        assert_eq!(native.post(&format!("{place}/enable"), &json!({})).await.json()["user"]["active"], true);
        let found = native.get("/api/v1/users?email=ADA@example.org&active=true").await.json();
        assert_eq!(found["items"].as_array().unwrap().len(), 1);
        assert_eq!(native.call("DELETE", &place, None).await.status, 200);
        assert_eq!(native.get(&place).await.status, 404);
    }

    async fn the_last_administrator_stays(database: testkit::Database) {
        let native = Native::open(&database).await;
        let wish = json!({"email": "ada@example.org", "name": "Ada", "roles": [ADMINISTRATOR]});
        let place = native.post("/api/v1/users", &wish).await.header("location").unwrap().to_owned();
        assert_eq!(slug(&native.call("DELETE", &place, None).await).slug(), "state-conflict");
    }
}
