//! Each error of the native API is a problem of the catalogue, and each problem that it can have is reached.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use server::problem::Kind;

use crate::native::{Native, ORDERS, slug};

/// What the native API never answers: the gateway's problems, those of the framing below the routes (which have tests
/// of their own beside the edge), and what only a broken world brings about.
const ELSEWHERE: &[&str] = &[
    "ambiguous-path",
    "not-a-gateway",
    "too-slow",
    "url-too-long",
    "headers-too-large",
    "internal",
    "upstream-failed",
    "upstream-timeout",
    "unavailable",
];

/// A request, in the words of the test.
struct Case {
    key: Option<String>,
    method: &'static str,
    path: String,
    body: Value,
    headers: Vec<(&'static str, String)>,
}

testkit::on_each_engine! {
    async fn every_problem_of_the_native_api_is_reached(database: testkit::Database) {
        let native = Native::open(&database).await;
        let mut reached = BTreeSet::new();
        for (expected, case) in cases(&native).await {
            let headers: Vec<(&str, &str)> = case.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let body = (!case.body.is_null()).then_some(&case.body);
            let answer = native.call_with(case.key.as_deref(), case.method, &case.path, body, &headers).await;
            assert!(answer.status >= 400, "{expected}: {answer:?}");
            assert_eq!(slug(&answer).slug(), expected, "{answer:?}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            match answer.status {
                401 => assert!(answer.header("www-authenticate").is_some_and(|it| it.starts_with("Bearer"))),
                429 | 503 => assert!(answer.header("retry-after").is_some(), "{answer:?}"),
                _ => {}
            }
            reached.insert(expected);
        }
        native.house.stall(3600);
        let stale = native.get("/api/v1/whoami").await;
        reached.insert(slug(&stale).slug());
        let native_problems: BTreeSet<&str> =
            Kind::ALL.iter().map(|kind| kind.slug()).filter(|slug| !ELSEWHERE.contains(slug)).collect();
        assert_eq!(reached, native_problems);
    }
}

async fn cases(native: &Native) -> Vec<(&'static str, Case)> {
    let admin = native.admin.clone();
    let case = |method, path: &str, body: Value| Case {
        key: Some(admin.clone()),
        method,
        path: path.to_owned(),
        body,
        headers: Vec::new(),
    };
    let wish = json!({"product": "sample", "kind": "static", "name": "x", "scopes": [ORDERS]});
    let (id, _) = native.static_key(&json!({})).await;
    let place = format!("/api/v1/keys/{id}");
    let clerk = json!({"product": "sample", "name": "Clerk", "scopes": [ORDERS]});
    let role = native.post("/api/v1/roles", &clerk).await.json()["role"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let user = json!({"email": "ada@example.org", "name": "Ada", "roles": [role]});
    assert_eq!(native.post("/api/v1/users", &user).await.status, 201);
    let keeper = native
        .latchkey(native.home, &["latchkey.keys:read", "latchkey.keys:create"])
        .await;
    let homebound = {
        let limits = json!({"product": "latchkey", "kind": "static", "name": "homebound", "scopes": ["latchkey.keys:read"],
            "addresses": ["192.0.2.1"]});
        native.post("/api/v1/keys", &limits).await.json()["secret"]["key"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let busy = {
        let limits = json!({"product": "latchkey", "kind": "static", "name": "busy", "scopes": ["latchkey.keys:read"],
            "limits": [{"name": "few", "quota": 1, "window_seconds": 3600}]});
        native.post("/api/v1/keys", &limits).await.json()["secret"]["key"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        native
            .call_as(Some(&busy), "GET", "/api/v1/whoami", None)
            .await
            .status,
        200
    );
    let again = vec![("Idempotency-Key", "one".to_owned())];
    let first = native
        .call_with(
            Some(&admin),
            "POST",
            "/api/v1/keys",
            Some(&wish),
            &[("Idempotency-Key", "one")],
        )
        .await;
    assert_eq!(first.status, 201);
    let mut other = wish.clone();
    other["name"] = json!("y");
    let mut misspelled = wish.clone();
    misspelled["nmae"] = json!("y");
    let long = "x".repeat(70 * 1024);

    vec![
        (
            "malformed-body",
            Case {
                headers: vec![("Content-Type", "application/json".into())],
                ..case("POST", "/api/v1/keys", Value::Null)
            },
        ),
        ("invalid-member", case("POST", "/api/v1/keys", misspelled)),
        (
            "invalid-member",
            case(
                "POST",
                "/api/v1/keys",
                json!({"product": "sample", "kind": "static", "name": "x", "scopes": ["no.such"]}),
            ),
        ),
        (
            "invalid-parameter",
            case("GET", "/api/v1/keys?limit=0", Value::Null),
        ),
        (
            "invalid-parameter",
            case("GET", "/api/v1/keys?colour=red", Value::Null),
        ),
        (
            "invalid-parameter",
            case("GET", "/api/v1/keys?cursor=AAAA", Value::Null),
        ),
        (
            "invalid-header",
            Case {
                headers: vec![("X-API-Key", "x".into())],
                ..case("GET", "/api/v1/keys", Value::Null)
            },
        ),
        (
            "invalid-header",
            Case {
                headers: vec![("If-Match", "7".into())],
                ..case("PATCH", &place, json!({"name": "z"}))
            },
        ),
        (
            "credential-in-url",
            case("GET", "/api/v1/keys?access_token=x", Value::Null),
        ),
        (
            "unauthenticated",
            Case {
                key: None,
                ..case("GET", "/api/v1/keys", Value::Null)
            },
        ),
        (
            "unauthenticated",
            Case {
                key: Some("lk_key_x".into()),
                ..case("GET", "/api/v1/keys", Value::Null)
            },
        ),
        (
            "forbidden",
            Case {
                key: Some(keeper.clone()),
                ..case("GET", "/api/v1/users", Value::Null)
            },
        ),
        (
            "address-not-allowed",
            Case {
                key: Some(homebound),
                ..case("GET", "/api/v1/keys", Value::Null)
            },
        ),
        (
            "above-ceiling",
            Case {
                key: Some(keeper),
                ..case("POST", "/api/v1/keys", wish.clone())
            },
        ),
        (
            "not-found",
            case(
                "GET",
                "/api/v1/keys/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
                Value::Null,
            ),
        ),
        ("not-found", case("GET", "/api/v1/keys/x", Value::Null)),
        ("not-found", case("GET", "/api/v1/nothing", Value::Null)),
        ("method-not-allowed", case("PUT", &place, json!({}))),
        ("name-taken", case("POST", "/api/v1/roles", clerk)),
        (
            "state-conflict",
            case("POST", &format!("{place}/enable"), json!({})),
        ),
        (
            "state-conflict",
            case("DELETE", &format!("/api/v1/roles/{role}"), Value::Null),
        ),
        (
            "idempotency-conflict",
            Case {
                headers: again,
                ..case("POST", "/api/v1/keys", other)
            },
        ),
        (
            "edited-meanwhile",
            Case {
                headers: vec![("If-Match", "\"7\"".into())],
                ..case("PATCH", &place, json!({"name": "z"}))
            },
        ),
        (
            "body-too-large",
            case("POST", "/api/v1/verify", json!({"credential": long})),
        ),
        (
            "unsupported-media-type",
            Case {
                headers: vec![("Content-Type", "text/plain".into())],
                ..case("POST", "/api/v1/keys", Value::Null)
            },
        ),
        (
            "encoded-body",
            Case {
                headers: vec![("Content-Encoding", "gzip".into())],
                ..case("POST", "/api/v1/keys", wish)
            },
        ),
        (
            "rate-limited",
            Case {
                key: Some(busy),
                ..case("GET", "/api/v1/whoami", Value::Null)
            },
        ),
    ]
}
