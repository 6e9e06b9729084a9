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

    async fn a_password_is_given_changed_and_taken_away(database: testkit::Database) {
        let native = Native::open(&database).await;
        let wish = json!({"email": "ada@example.org", "name": "Ada", "roles": [ADMINISTRATOR]});
        let place = native.post("/api/v1/users", &wish).await.header("location").unwrap().to_owned();
        let password = format!("{place}/password");
        let put = async |text: &str| native.call("PUT", &password, Some(&json!({"password": text}))).await;
        assert_eq!(native.get(&place).await.json()["has_password"], false);
        for (bad, why) in [
            ("short", "must have 12 to 256 characters"),
            ("ADA@example.org", "must not be the e-mail address itself"),
            ("test\thorses only", "must not have control characters"),
        ] {
            let answer = put(bad).await;
            assert_eq!((slug(&answer).slug(), answer.json()["errors"][0]["pointer"].clone()), ("invalid-member", json!("/password")), "{answer:?}");
            assert!(answer.body.contains(why) && !answer.body.contains("horses"), "{answer:?}");
        }
        let given = put("test horses only").await;
        assert_eq!((given.status, given.header("etag"), given.json()["user"]["has_password"].clone()), (200, Some("\"1\""), json!(true)), "{given:?}");
        assert!(!given.body.contains("horses") && !given.body.contains("argon2"));
        assert_eq!(native.get("/api/v1/users?email=ada@example.org").await.json()["items"][0]["has_password"], true);
        let taken = native.call("DELETE", &password, None).await;
        assert_eq!((taken.status, taken.json()["user"]["has_password"].clone()), (200, json!(false)), "{taken:?}");
        let trail = native.get("/api/v1/audit?action=user.password_changed").await;
        assert_eq!(trail.json()["items"].as_array().unwrap().len(), 2, "{trail:?}");
        assert!(!trail.body.contains("horses") && !trail.body.contains("argon2"));
    }
}
