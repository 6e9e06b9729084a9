//! Each code that a credential can be denied with, reached through HTTP.

use std::collections::BTreeSet;

use credential::grant::Resources;
use serde_json::{Value, json};
use testkit::Engine;

use crate::kinds::signed;
use crate::native::{Native, ORDERS};

testkit::on_each_engine! {
    async fn what_somebody_did_to_a_key_is_told_to_who_holds_it(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (id, key) = native.static_key(&json!({})).await;
        assert_eq!(native.code(&key).await, "VALID");
        act(&native, &id, "disable").await;
        assert_eq!(native.code(&key).await, "DISABLED");
        act(&native, &id, "enable").await;
        assert_eq!(native.code(&key).await, "VALID");
        act(&native, &id, "revoke").await;
        assert_eq!(native.code(&key).await, "REVOKED");
    }

    async fn all_that_is_unknown_is_the_same_bytes(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (id, key) = native.static_key(&json!({})).await;
        act(&native, &id, "revoke").await;
        let mut wrong = key.clone();
        let last = wrong.pop().unwrap();
        wrong.push(if last == 'a' { 'b' } else { 'a' });
        let mut bodies = BTreeSet::new();
        for (asker, credential) in [
            (&native.admin, wrong.as_str()),
            (&native.admin, "x"),
            (&native.admin, ""),
            (&native.admin, "eyJhbGciOiJub25lIn0.e30."),
            (&native.admin, "lk_key_"),
            // A revoked key of somebody else is as unknown as one that never was.
            (&native.stranger, key.as_str()),
        ] {
            let question = json!({"credential": credential, "scopes": ["sample.orders:write"], "ip": "192.0.2.1"});
            let answer = native.call_as(Some(asker), "POST", "/api/v1/verify", Some(&question)).await;
            assert_eq!(answer.status, 200);
            bodies.insert(answer.body);
        }
        assert_eq!(bodies.into_iter().collect::<Vec<_>>(), [r#"{"valid":false,"code":"NOT_FOUND"}"#]);
    }

    async fn a_scope_or_a_resource_that_is_not_held_is_told(database: testkit::Database) {
        let native = Native::open(&database).await;
        let reach = json!({"resources": {"kind": "account", "ids": ["a"]}});
        let (_, key) = native.static_key(&reach).await;
        for (scope, resource, code) in [
            (ORDERS, Some("account:a"), "VALID"),
            (ORDERS, Some("account:b"), "RESOURCE_NOT_ALLOWED"),
            (ORDERS, None, "RESOURCE_NOT_ALLOWED"),
            ("sample.orders:write", Some("account:a"), "INSUFFICIENT_SCOPE"),
            ("no scope's grammar", None, "-"),
        ] {
            let question = json!({"credential": key, "scopes": [scope], "resource": resource});
            let answer = native.post("/api/v1/verify", &question).await;
            match code {
                "-" => assert_eq!(answer.status, 400, "{answer:?}"),
                code => assert_eq!(answer.json()["code"], code, "{scope} {resource:?}"),
            }
        }
    }

    async fn a_key_with_an_address_list_needs_an_address_on_it(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (_, key) = native.static_key(&json!({"addresses": ["192.0.2.0/24", "127.0.0.1"]})).await;
        for (ip, code) in [
            (json!("192.0.2.9"), "VALID"),
            (json!("::ffff:192.0.2.9"), "VALID"),
            (json!("198.51.100.1"), "ADDRESS_NOT_ALLOWED"),
            // The asker itself calls from 127.0.0.1, which is on the list: its address says nothing.
            (Value::Null, "ADDRESS_NOT_ALLOWED"),
        ] {
            let verdict = native.verify(&json!({"credential": key, "ip": ip})).await;
            assert_eq!(verdict["code"], code, "{ip}");
        }
    }

    async fn a_limit_is_spent_by_cost_and_looked_at_without(database: testkit::Database) {
        let native = Native::open(&database).await;
        let limit = json!({"limits": [{"name": "burst", "quota": 3, "window_seconds": 60}]});
        let (_, key) = native.static_key(&limit).await;
        let ask = async |cost: u64, consume: bool| {
            native.verify(&json!({"credential": key, "cost": cost, "consume": consume})).await
        };
        let looked = ask(3, false).await;
        assert_eq!((&looked["code"], &looked["limits"][0]["quota"]), (&json!("VALID"), &json!(3)));
        assert_eq!(ask(2, true).await["limits"][0]["remaining"], 1);
        let refused = ask(2, true).await;
        assert_eq!(refused["code"], "RATE_LIMITED");
        assert!(refused["retry_after_ms"].as_i64().is_some_and(|wait| wait > 0), "{refused}");
        assert_eq!(ask(1, true).await["code"], "VALID", "what was refused is not counted");
        assert_eq!(ask(1, false).await["code"], "RATE_LIMITED");
    }

    async fn a_row_that_was_edited_by_hand_is_tampered(database: testkit::Database) {
        let key = {
            let native = Native::open(&database).await;
            let (_, key) = native.static_key(&json!({})).await;
            native.house.authority.close().await.unwrap();
            key
        };
        let store = store::Store::open(database.url()).await.unwrap();
        let forge = "UPDATE api_key SET comment = 'forged' WHERE name = 'a key'";
        store.db().write(move |tx| tx.execute(forge, &[])).await.unwrap();
        store.close().await.unwrap();
        let native = Native::reopen(&database).await;
        assert_eq!(native.code(&key).await, "TAMPERED");
    }

    async fn a_replica_that_is_not_fresh_says_so_and_not_yes(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (_, key) = native.static_key(&json!({})).await;
        native.house.stall(3600);
        let answer = native.post("/api/v1/verify", &json!({"credential": key})).await;
        assert_eq!((answer.status, crate::native::slug(&answer).slug()), (503, "not-fresh"));
        native.house.pass(0).await;
        assert_eq!(native.code(&key).await, "VALID");
    }

    async fn an_asker_may_ask_about_its_own_and_what_its_key_lists(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (_, key) = native.static_key(&json!({})).await;
        let ask = async |asker: &str| {
            let question = json!({"credential": key});
            let answer = native.call_as(Some(asker), "POST", "/api/v1/verify", Some(&question)).await;
            answer.json()["code"].as_str().unwrap_or("-").to_owned()
        };
        assert_eq!(ask(&native.latchkey(native.home, &["latchkey.verify"]).await).await, "VALID");
        assert_eq!(ask(&native.latchkey(native.home, &["latchkey.keys:read"]).await).await, "-");
        // The operator's key reaches others only where it lists them.
        assert_eq!(ask(&native.operator).await, "NOT_FOUND");
        let listing = |organization: &str| Resources::listed("organization", [organization.to_owned()]).unwrap();
        let (home, abroad) = (native.home.to_string(), native.abroad.to_string());
        let operator = native.operator_id;
        assert_eq!(ask(&native.verifier(operator, listing(&home)).await).await, "VALID");
        assert_eq!(ask(&native.verifier(operator, listing(&abroad)).await).await, "NOT_FOUND");
        // A list that names somebody else's organization gives nothing.
        assert_eq!(ask(&native.verifier(native.abroad, listing(&home)).await).await, "NOT_FOUND");
    }

    async fn a_batch_answers_each_question_by_itself(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (_, key) = native.static_key(&json!({})).await;
        let items = json!({"items": [{"credential": key}, {"credential": "x"}, {"credential": key, "scopes": ["sample.orders:write"]}]});
        let answer = native.post("/api/v1/verify/batch", &items).await.json();
        let codes: Vec<&str> = answer["items"].as_array().unwrap().iter().map(|item| item["code"].as_str().unwrap()).collect();
        assert_eq!(codes, ["VALID", "NOT_FOUND", "INSUFFICIENT_SCOPE"]);
        let many = json!({"items": vec![json!({"credential": "x"}); 1001]});
        assert_eq!(native.post("/api/v1/verify/batch", &many).await.status, 400);
    }

    async fn a_question_may_demand_a_revision(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (_, key) = native.static_key(&json!({})).await;
        let revision = native.verify(&json!({"credential": key})).await["revision"].as_i64().unwrap();
        let ask = |revision: i64| json!({"credential": key, "min_revision": revision});
        assert_eq!(native.verify(&ask(revision)).await["code"], "VALID");
        let ahead = native.post("/api/v1/verify", &ask(revision + 1000)).await;
        assert_eq!(crate::native::slug(&ahead).slug(), "invalid-member", "there is no such change");
    }
}

// The clock is held in hand, which PostgreSQL's is not.
#[test]
fn a_key_is_over_at_its_expiry_and_not_before() {
    testkit::run(Engine::Sqlite, |database| async move {
        let native = Native::open(&database).await;
        let end = crate::native::moment(native.house.authority.now().millis() + 60_000);
        let (_, key) = native.static_key(&json!({"expires_at": end})).await;
        native.house.pass(59).await;
        assert_eq!(native.code(&key).await, "VALID");
        native.house.pass(1).await;
        assert_eq!(native.code(&key).await, "EXPIRED");
    });
}

// The clock is held in hand, which PostgreSQL's is not.
#[test]
fn a_signature_is_good_once_and_in_its_time() {
    testkit::run(Engine::Sqlite, |database| async move {
        let native = Native::open(&database).await;
        let (id, secret) = native.key("signed", &json!({})).await;
        let secret = secret["secret"].as_str().unwrap();
        let code = async |proof: &Value| {
            native.verify(&json!({"credential": proof})).await["code"].clone()
        };
        let proof = signed(&native, &id, secret, "0123456789abcdef");
        assert_eq!(code(&proof).await, "VALID");
        assert_eq!(code(&proof).await, "REPLAYED");
        let late = signed(&native, &id, secret, "0123456789abcdeg");
        native.house.pass(301).await;
        assert_eq!(code(&late).await, "REPLAYED");
        assert_eq!(
            code(&signed(&native, &id, "lk_signed_x", "0123456789abcdeh")).await,
            "NOT_FOUND"
        );
    });
}

async fn act(native: &Native, id: &str, action: &str) {
    let answer = native
        .post(&format!("/api/v1/keys/{id}/{action}"), &json!({}))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
