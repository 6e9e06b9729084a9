//! `/api/v1/keys`

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::Engine;

use crate::native::{Native, ORDERS, moment, slug};

testkit::on_each_engine! {
    async fn a_key_is_made_read_edited_and_listed(database: testkit::Database) {
        let native = Native::open(&database).await;
        let wish = json!({
            "product": "sample", "kind": "static", "name": "  Nightly export ", "comment": "for the warehouse",
            "roles": ["00000000-0000-7000-8000-000000020001", {"id": "00000000-0000-7000-8000-000000020003", "resources": {"kind": "account", "ids": ["b", "a"]}}],
            "scopes": [{"scope": ORDERS, "resources": "all"}],
            "addresses": ["192.0.2.7/24", "::ffff:198.51.100.1"],
            "limits": [{"name": "hourly", "quota": 8000, "window_seconds": 3600}],
            "expires_at": "2999-12-31T23:59:59Z",
        });
        let made = native.post("/api/v1/keys", &wish).await;
        assert_eq!((made.status, made.header("cache-control"), made.header("etag")), (201, Some("no-store"), Some("\"1\"")));
        let key = made.json()["key"].clone();
        let place = made.header("location").unwrap();
        assert_eq!(place, format!("/api/v1/keys/{}", key["id"].as_str().unwrap()));
        assert!(made.json()["secret"]["key"].as_str().unwrap().starts_with("lk_key_"));
        assert!(made.json()["revision"].as_i64().is_some_and(|revision| revision > 0));

        let read = native.get(place).await;
        assert_eq!((read.header("etag"), &read.json()), (Some("\"1\""), &key));
        assert_eq!(key["name"], "Nightly export");
        assert_eq!(key["addresses"], json!(["192.0.2.0/24", "198.51.100.1/32"]));
        assert_eq!((&key["state"], &key["status"], &key["expires_at"]), (&json!("active"), &json!("active"), &json!("2999-12-31T23:59:59Z")));
        assert_eq!(key["roles"][1], json!({"id": "00000000-0000-7000-8000-000000020003", "name": "Order Clerk", "resources": {"kind": "account", "ids": ["a", "b"]}}));
        assert!(!read.body.contains("lk_"), "{read:?}");

        let edit = json!({"name": "Export", "scopes": ["sample.reports:read"], "expires_at": null, "addresses": []});
        let stale = native.call_with(Some(&native.admin), "PATCH", place, Some(&edit), &[("If-Match", "\"0\"")]).await;
        assert_eq!((stale.status, stale.json()["version"].clone()), (412, json!(1)));
        let edited = native.call_with(Some(&native.admin), "PATCH", place, Some(&edit), &[("If-Match", "\"1\"")]).await;
        assert_eq!((edited.status, edited.header("etag")), (200, Some("\"2\"")), "{edited:?}");
        let key = edited.json()["key"].clone();
        assert_eq!((&key["roles"], &key["expires_at"], &key["comment"]), (&json!([]), &Value::Null, &json!("for the warehouse")));
        assert_eq!(key["scopes"], json!([{"scope": "sample.reports:read", "resources": "all"}]));
    }

    async fn a_key_that_expires_within_thirty_days_says_so_and_is_found(database: testkit::Database) {
        let native = Native::open(&database).await;
        let day = |days: i64| moment(native.house.authority.now().millis() + days * 86_400_000);
        for (name, end) in [("soon", json!(day(29))), ("later", json!(day(31))), ("never", Value::Null)] {
            native.static_key(&json!({"name": name, "expires_at": end})).await;
        }
        let listed = async |query: &str| {
            let page = native.get(&format!("/api/v1/keys?product=sample&{query}")).await.json();
            let keys = page["items"].as_array().unwrap().iter();
            keys.map(|key| (key["name"].as_str().unwrap().to_owned(), key["expires_soon"] == true)).collect::<Vec<_>>()
        };
        let all = [("later".to_owned(), false), ("never".to_owned(), false), ("soon".to_owned(), true)];
        assert_eq!(listed("order=name").await, all);
        assert_eq!(listed(&format!("expires_before={}", day(30))).await, all[2..]);
    }

    async fn a_page_goes_on_where_the_one_before_ended(database: testkit::Database) {
        let native = Native::open(&database).await;
        for number in 0..5 {
            native.static_key(&json!({"name": format!("key {number}")})).await;
        }
        let mut by_age = Vec::new();
        for order in ["oldest", "newest", "name"] {
            let (mut seen, mut query) = (Vec::new(), format!("product=sample&order={order}&limit=2"));
            loop {
                let page = native.get(&format!("/api/v1/keys?{query}")).await.json();
                seen.extend(page["items"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap().to_owned()));
                let Some(cursor) = page["next_cursor"].as_str() else { break };
                query = format!("product=sample&order={order}&limit=2&cursor={cursor}");
            }
            // Of keys made within one millisecond nobody says which is older; the order is the same both ways.
            match order {
                "oldest" => by_age = seen.clone(),
                "newest" => assert!(seen.iter().rev().eq(&by_age)),
                _ => assert!(seen.is_sorted()),
            }
            assert_eq!(seen.into_iter().collect::<BTreeSet<_>>().len(), 5, "{order}");
        }
        let cursor = native.get("/api/v1/keys?product=sample&limit=2").await.json()["next_cursor"].as_str().unwrap().to_owned();
        let other = native.get(&format!("/api/v1/keys?product=latchkey&limit=2&cursor={cursor}")).await;
        assert_eq!(slug(&other).slug(), "invalid-parameter", "a cursor is tied to its filter");
        let filtered = native.get("/api/v1/keys?name=KEY%203&state=active&kind=static").await.json();
        assert_eq!(filtered["items"].as_array().unwrap().len(), 1);
        assert_eq!(native.get("/api/v1/keys?name=KEY%203&state=revoked").await.json()["items"], json!([]));
    }

    async fn a_repeat_gets_the_same_answer_and_happens_once(database: testkit::Database) {
        let native = Native::open(&database).await;
        let wish = json!({"product": "sample", "kind": "token_pair", "name": "x", "scopes": [ORDERS]});
        let once = [("Idempotency-Key", "8f14e45f")];
        let ask = async |path: &str, body: &Value| native.call_with(Some(&native.admin), "POST", path, Some(body), &once).await;
        let (first, again) = (ask("/api/v1/keys", &wish).await, ask("/api/v1/keys", &wish).await);
        assert_eq!((first.status, again.status), (201, 201));
        assert_eq!(first.body, again.body);
        assert_eq!((first.header("location"), first.header("etag")), (again.header("location"), again.header("etag")));
        assert_eq!(native.get("/api/v1/keys?product=sample").await.json()["items"].as_array().unwrap().len(), 1);
        let other = ask("/api/v1/keys", &json!({"product": "sample", "kind": "jwt", "name": "x", "scopes": [ORDERS]})).await;
        assert_eq!((other.status, slug(&other).slug()), (409, "idempotency-conflict"));
        // Another caller's key of the same text is another key.
        let theirs = native.call_with(Some(&native.stranger), "POST", "/api/v1/keys", Some(&wish), &once).await;
        assert_eq!(theirs.status, 201);

        let (id, _) = native.static_key(&json!({})).await;
        let twice = [("Idempotency-Key", "c9f0f895")];
        let path = format!("/api/v1/keys/{id}/rotate");
        let rotate = async || native.call_with(Some(&native.admin), "POST", &path, None, &twice).await;
        let (first, again) = (rotate().await, rotate().await);
        assert_eq!((first.status, &first.body), (200, &again.body));
    }

    async fn a_rotation_gives_a_new_secret_and_the_old_one_its_overlap(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (id, old) = native.static_key(&json!({})).await;
        let path = format!("/api/v1/keys/{id}/rotate");
        let rotated = native.post(&path, &json!({"overlap_seconds": 600})).await;
        assert_eq!((rotated.status, rotated.header("cache-control")), (200, Some("no-store")));
        let new = rotated.json()["secret"]["key"].as_str().unwrap().to_owned();
        assert_eq!((native.code(&old).await, native.code(&new).await), ("VALID".into(), "VALID".into()));
        assert_eq!(rotated.json()["key"]["secrets"].as_array().unwrap().len(), 2);
        let third = native.post(&path, &json!({"overlap_seconds": 600})).await;
        assert_eq!(slug(&third).slug(), "state-conflict", "at most two secrets are good");
        let third = native.post(&path, &json!({})).await.json()["secret"]["key"].as_str().unwrap().to_owned();
        assert_eq!([native.code(&old).await, native.code(&new).await, native.code(&third).await], ["NOT_FOUND", "NOT_FOUND", "VALID"]);
        assert_eq!(slug(&native.post(&path, &json!({"overlap_seconds": 90_000})).await).slug(), "invalid-member");
    }

    async fn a_key_tells_when_it_was_last_used_once_that_is_written(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (id, key) = native.static_key(&json!({})).await;
        let path = format!("/api/v1/keys/{id}");
        assert_eq!(native.get(&path).await.json()["last_used_at"], Value::Null);
        native.verify(&json!({"credential": key, "ip": "192.0.2.1"})).await;
        native.house.authority.flush_usage().await.unwrap();
        let told = native.get(&path).await.json();
        assert!(told["last_used_at"].is_string(), "{told}");
        assert_eq!(told["secrets"][0]["last_used_from"], "192.0.2.1");
        assert_eq!(told["secrets"][0]["last_used_route"], Value::Null, "a question names no route");
        assert_eq!(native.get("/api/v1/keys?product=sample").await.json()["items"][0], told);
        native.call_as(Some(&key), "GET", "/api/v1/whoami", None).await;
        native.house.authority.flush_usage().await.unwrap();
        assert_eq!(native.get(&path).await.json()["secrets"][0]["last_used_route"], "/api/v1/whoami");
    }

    async fn nobody_gives_more_than_they_have(database: testkit::Database) {
        let native = Native::open(&database).await;
        let maker = native.latchkey(native.home, &["latchkey.keys:create", "latchkey.keys:read"]).await;
        let wish = |product: &str, scope: &str| json!({"product": product, "kind": "static", "name": "x", "scopes": [scope]});
        for (product, scope, status) in [
            ("sample", ORDERS, 403),
            ("latchkey", "latchkey.keys:revoke", 403),
            ("latchkey", "latchkey.keys:read", 201),
        ] {
            let answer = native.call_as(Some(&maker), "POST", "/api/v1/keys", Some(&wish(product, scope))).await;
            assert_eq!(answer.status, status, "{scope}: {answer:?}");
        }
    }

    async fn many_keys_are_made_and_ended_at_once(database: testkit::Database) {
        let native = Native::open(&database).await;
        let items: Vec<Value> = (0..20)
            .map(|number| json!({"product": "sample", "kind": "static", "name": format!("bulk {number}"), "scopes": [ORDERS]}))
            .collect();
        let made = native.post("/api/v1/keys/bulk-create", &json!({"items": items})).await;
        assert_eq!(made.status, 201, "{made:?}");
        let made = made.json();
        let secrets: Vec<&str> = made["items"].as_array().unwrap().iter().map(|item| item["secret"]["key"].as_str().unwrap()).collect();
        assert_eq!(secrets.iter().collect::<BTreeSet<_>>().len(), 20);
        let other = native.static_key(&json!({"name": "other"})).await.1;

        let dry = native.post("/api/v1/keys/bulk-revoke", &json!({"filter": {"name": "bulk"}, "dry_run": true})).await.json();
        assert_eq!((&dry["count"], &dry["more"], &dry["revision"]), (&json!(20), &json!(false), &Value::Null));
        assert_eq!(native.code(secrets[0]).await, "VALID");
        let disabled = native.post("/api/v1/keys/bulk-disable", &json!({"filter": {"name": "bulk 1"}})).await.json();
        assert_eq!(disabled["count"], 11);
        assert_eq!((native.code(secrets[1]).await, native.code(secrets[2]).await), ("DISABLED".into(), "VALID".into()));
        assert_eq!(native.post("/api/v1/keys/bulk-enable", &json!({"filter": {"state": "disabled"}})).await.json()["count"], 11);
        let done = native.post("/api/v1/keys/bulk-revoke", &json!({"filter": {"name": "bulk"}})).await.json();
        assert_eq!((&done["count"], done["revision"].as_i64().is_some()), (&json!(20), true));
        for secret in secrets {
            assert_eq!(native.code(secret).await, "REVOKED");
        }
        assert_eq!(native.code(&other).await, "VALID");
        let all = native.post("/api/v1/keys/bulk-revoke", &json!({"filter": {}})).await;
        assert_eq!(slug(&all).slug(), "invalid-member", "an empty filter is not all keys");
        let more = json!({"items": vec![json!({"product": "sample", "kind": "static", "name": "x", "scopes": [ORDERS]}); 1001]});
        assert_eq!(native.post("/api/v1/keys/bulk-create", &more).await.status, 400);
    }
}

// The clock is held in hand, which PostgreSQL's is not.
#[test]
fn an_idempotency_key_is_remembered_longer_than_its_answer() {
    testkit::run(Engine::Sqlite, |database| async move {
        let native = Native::open(&database).await;
        let wish = json!({"product": "sample", "kind": "static", "name": "x", "scopes": [ORDERS]});
        let ask = async || {
            native
                .call_with(
                    Some(&native.admin),
                    "POST",
                    "/api/v1/keys",
                    Some(&wish),
                    &[("Idempotency-Key", "k")],
                )
                .await
        };
        assert_eq!(ask().await.status, 201);
        native.house.pass(601).await;
        assert_eq!(slug(&ask().await).slug(), "idempotency-conflict");
    });
}

#[test]
fn an_expired_key_says_so_and_keeps_its_state() {
    testkit::run(Engine::Sqlite, |database| async move {
        let native = Native::open(&database).await;
        let end = moment(native.house.authority.now().millis() + 1000);
        let (id, _) = native.static_key(&json!({"expires_at": end})).await;
        native.house.pass(1).await;
        let key = native.get(&format!("/api/v1/keys/{id}")).await.json();
        assert_eq!(
            (&key["state"], &key["status"]),
            (&json!("active"), &json!("expired"))
        );
        let past = json!({"expires_at": "2001-01-01T00:00:00Z"});
        assert_eq!(
            slug(
                &native
                    .call("PATCH", &format!("/api/v1/keys/{id}"), Some(&past))
                    .await
            )
            .slug(),
            "invalid-member"
        );
    });
}
