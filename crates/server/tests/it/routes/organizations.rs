//! `/api/v1/organizations`

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::native::{Native, slug};

testkit::on_each_engine! {
    async fn the_operator_makes_organizations_and_others_see_their_own(database: testkit::Database) {
        let native = Native::open(&database).await;
        let ask = async |key: &str, method: &str, path: &str, body: Option<&Value>| {
            native.call_as(Some(key), method, path, body).await
        };
        let made = ask(&native.operator, "POST", "/api/v1/organizations", Some(&json!({"name": "Fourth", "kind": "manager"}))).await;
        assert_eq!((made.status, made.header("etag")), (201, Some("\"1\"")), "{made:?}");
        let place = made.header("location").unwrap().to_owned();
        assert_eq!(made.json()["organization"]["kind"], "manager");
        let twice = ask(&native.operator, "POST", "/api/v1/organizations", Some(&json!({"name": "FOURTH"}))).await;
        assert_eq!(slug(&twice).slug(), "name-taken");
        let names = async |key: &str| {
            let page = ask(key, "GET", "/api/v1/organizations", None).await.json();
            page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
        };
        let known = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(names(&native.admin).await, known(&["Home"]));
        assert_eq!(names(&native.operator).await, known(&["Operator", "Home", "Abroad", "Fourth"]));
        let renamed = ask(&native.operator, "PATCH", &place, Some(&json!({"name": "4th"}))).await;
        assert_eq!((renamed.status, renamed.header("etag")), (200, Some("\"2\"")));
        assert_eq!(ask(&native.operator, "GET", &place, None).await.json()["name"], "4th");
    }

    async fn the_keys_of_an_organization_out_of_use_are_refused(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (_, key) = native.static_key(&json!({})).await;
        let turn = async |word: &str| {
            let path = format!("/api/v1/organizations/{}/{word}", native.home);
            assert_eq!(native.call_as(Some(&native.operator), "POST", &path, None).await.status, 200);
            native.call_as(Some(&key), "GET", "/api/v1/whoami", None).await.status
        };
        assert_eq!(turn("disable").await, 401);
        assert_eq!(turn("enable").await, 200);
    }

    async fn settings_are_read_and_chosen(database: testkit::Database) {
        let native = Native::open(&database).await;
        let path = format!("/api/v1/organizations/{}/settings", native.home);
        let before = native.get(&path).await;
        assert_eq!((before.header("etag"), &before.json()["notices"]["refresh_divisor"]), (Some("\"0\""), &json!(6)));
        let wish = json!({"notices": {"soon_seconds": 100, "very_soon_seconds": 10, "refresh_divisor": 2, "unused_seconds": null}});
        let chosen = native.call("PATCH", &path, Some(&wish)).await;
        assert_eq!(chosen.status, 200, "{chosen:?}");
        assert_eq!(native.get(&path).await.json()["notices"], wish["notices"]);
        let wrong = json!({"notices": {"soon_seconds": 1, "very_soon_seconds": 10, "refresh_divisor": 2, "unused_seconds": null}});
        assert_eq!(native.call("PATCH", &path, Some(&wrong)).await.status, 400);
    }
}
