//! Requests that pass the built-in gateway.

use std::sync::atomic::Ordering;

use authority::Caller;
use credential::grant::Resources;
use credential::key::Addresses;
use credential::limit::Limit;
use credential::name::ProductName;
use credential::time::Span;
use testkit::Engine;
use tokio::net::TcpListener;

use super::{ACCOUNTS, CLIENT, Gate, Headers, PROXY, READ, WRITE, everywhere, secret};

#[test]
fn an_allowed_request_goes_on_with_its_identity_and_without_its_credential() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let issued = gate.key("reader", &[READ]).await;
        let key = secret(&issued);
        for (name, value) in [
            ("Authorization", format!("bearer {key}")),
            ("X-API-Key", key.to_owned()),
        ] {
            let headers = [
                (name, value.as_str()),
                ("X-Latchkey-Key-Id", "forged"),
                ("X_Latchkey_Key_Id", "forged"),
                ("X-Latchkey-Roles", "forged"),
                ("X_Latchkey-Scopes", "forged"),
                ("X-Forwarded-For", "6.6.6.6"),
            ];
            let answer = gate.send("GET", "/shop/orders/1?q=2", &headers).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(
                answer.body.starts_with("GET /shop/orders/1?q=2\n"),
                "{answer:?}"
            );
            for line in [
                format!("x-latchkey-key-id={}", issued.key.id),
                format!("x-latchkey-organization-id={}", gate.organization),
                "x-latchkey-kind=static".to_owned(),
                format!("x-latchkey-scopes={READ}"),
                "x-latchkey-roles=-".to_owned(),
                "x-forwarded-for=127.0.0.1".to_owned(),
            ] {
                assert!(
                    answer.body.lines().any(|known| known == line),
                    "{line} in {answer:?}"
                );
            }
            assert!(
                !answer.body.contains("forged") && !answer.body.contains(key),
                "{answer:?}"
            );
            assert!(
                !answer.body.contains("authorization=") && !answer.body.contains("x-api-key="),
                "{answer:?}"
            );
        }
    });
}

#[test]
fn what_is_refused_never_reaches_the_upstream_and_says_why_in_its_status() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let issued = gate.key("reader", &[READ]).await;
        let good = format!("Bearer {}", secret(&issued));
        let bad = format!("Bearer {}x", secret(&issued));
        let in_query = format!("/shop/orders?key={}", secret(&issued));
        let auth = [("Authorization", good.as_str())];
        let tried: [(&str, &str, Headers<'_>, u16, &str); 18] = [
            ("GET", "/shop/orders", &[], 401, "unauthenticated"),
            (
                "GET",
                "/shop/orders",
                &[("Authorization", &bad)],
                401,
                "unauthenticated",
            ),
            (
                "GET",
                "/shop/orders",
                &[("Authorization", "Basic eDp5")],
                401,
                "unauthenticated",
            ),
            (
                "GET",
                "/shop/orders",
                &[("Authorization", "")],
                401,
                "unauthenticated",
            ),
            (
                "GET",
                "/shop/orders",
                &[auth[0], auth[0]],
                401,
                "unauthenticated",
            ),
            (
                "GET",
                "/shop/orders",
                &[auth[0], ("X-API-Key", "x")],
                401,
                "unauthenticated",
            ),
            ("GET", &in_query, &auth, 400, "credential-in-url"),
            ("POST", "/shop/orders", &auth, 403, "forbidden"),
            ("DELETE", "/shop/orders", &auth, 403, "forbidden"),
            ("GET", "/shop/accounts/a1", &auth, 403, "forbidden"),
            ("GET", "/shop/nowhere", &auth, 403, "forbidden"),
            ("GET", "/shop/nowhere", &[], 401, "unauthenticated"),
            (
                "GET",
                "/shop/orders/../accounts/a1",
                &auth,
                400,
                "ambiguous-path",
            ),
            (
                "GET",
                "/shop/orders/%2e%2e/accounts",
                &auth,
                400,
                "ambiguous-path",
            ),
            (
                "GET",
                "/shop/orders%2Faccounts",
                &auth,
                400,
                "ambiguous-path",
            ),
            ("GET", "/shop/orders;x=/a", &auth, 400, "ambiguous-path"),
            ("GET", "/shopping/orders", &auth, 404, "not-found"),
            ("GET", "/", &auth, 404, "not-found"),
        ];
        for (method, path, headers, status, word) in tried {
            let answer = gate.send(method, path, headers).await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (status, word),
                "{method} {path} {headers:?}"
            );
            assert_eq!(
                answer.header("www-authenticate").is_some(),
                status == 401 || { answer.json().get("scope").is_some() }
            );
            assert_eq!(
                answer.header("content-type"),
                Some("application/problem+json")
            );
        }
        let lacks = gate.send("POST", "/shop/orders", &auth).await;
        assert_eq!(lacks.json()["scope"], WRITE);
    });
}

#[test]
fn a_key_of_another_product_is_answered_like_one_that_does_not_exist() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let other = gate
            .make(|command| {
                command.product = ProductName::new("latchkey").unwrap();
                command.grants.scopes = everywhere(&["latchkey.verify"]);
            })
            .await;
        let foreign = gate.get("/shop/ping", secret(&other)).await;
        let unknown = gate.get("/shop/ping", "lk_key_x").await;
        assert_eq!(foreign.status, 401);
        assert_eq!(foreign.body, unknown.body);
        assert_eq!(
            foreign.header("www-authenticate"),
            unknown.header("www-authenticate")
        );
    });
}

#[test]
fn a_resource_in_the_path_must_lie_in_the_reach_of_the_key() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let one = Resources::listed("account", ["a1".to_owned()]).unwrap();
        let issued = gate
            .make(|command| command.grants.scopes = vec![(ACCOUNTS.to_owned(), one)])
            .await;
        for (path, expected) in [
            ("/shop/accounts/a1", 200),
            ("/shop/accounts/%611/x", 200),
            ("/shop/accounts/a2", 403),
            ("/shop/accounts/a1%20", 403),
            ("/shop/accounts", 403),
        ] {
            assert_eq!(
                gate.get(path, secret(&issued)).await.status,
                expected,
                "{path}"
            );
        }
    });
}

#[test]
fn a_revoked_key_is_refused_from_the_moment_its_revocation_returns() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let issued = gate.key("reader", &[READ]).await;
        assert_eq!(gate.get("/shop/orders", secret(&issued)).await.status, 200);
        gate.authority
            .revoke_key(&Caller::shell(gate.organization), issued.key.id, None)
            .await
            .unwrap();
        let answer = gate.get("/shop/orders", secret(&issued)).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (401, "unauthenticated")
        );
    });
}

#[test]
fn a_key_with_allowed_addresses_is_good_from_them_only() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let issued = gate
            .make(|command| {
                command.grants.scopes = everywhere(&[READ]);
                command.addresses = Addresses::parse(["10.0.0.0/8"]).unwrap();
            })
            .await;
        let auth = format!("Bearer {}", secret(&issued));
        for (from, forwarded, expected) in [
            (CLIENT, "10.1.2.3", 403),
            (PROXY, "10.1.2.3", 200),
            (PROXY, "10.1.2.3, 11.1.2.3", 403),
            (PROXY, "11.1.2.3, 10.1.2.3", 200),
            (PROXY, "nonsense", 403),
        ] {
            let headers = [
                ("Authorization", auth.as_str()),
                ("X-Forwarded-For", forwarded),
            ];
            let answer = gate
                .send_from(from, "GET", "/shop/orders", &headers, "")
                .await;
            assert_eq!(answer.status, expected, "{from} {forwarded}");
            if expected == 403 {
                assert_eq!(answer.problem(), "address-not-allowed");
            }
        }
    });
}

#[test]
fn a_used_up_limit_is_told_in_the_headers_of_the_draft() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let issued = gate
            .make(|command| {
                command.grants.scopes = everywhere(&[READ]);
                command.limits = vec![Limit::new("burst", 2, Span::from_secs(60)).unwrap()];
            })
            .await;
        let key = secret(&issued);
        let first = gate.get("/shop/orders", key).await;
        assert_eq!(first.status, 200, "{first:?}");
        assert_eq!(first.header("ratelimit-policy"), Some("\"burst\";q=2;w=60"));
        assert!(
            first
                .header("ratelimit")
                .unwrap()
                .starts_with("\"burst\";r=1;t="),
            "{first:?}"
        );
        assert_eq!(gate.get("/shop/orders", key).await.status, 200);
        let refused = gate.get("/shop/orders", key).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (429, "rate-limited")
        );
        // A window holds both of its ends.
        assert_eq!(refused.header("retry-after"), Some("61"));
        assert_eq!(
            refused.header("ratelimit-policy"),
            Some("\"burst\";q=2;w=60")
        );
        assert!(
            refused
                .header("ratelimit")
                .unwrap()
                .starts_with("\"burst\";r=0;t="),
            "{refused:?}"
        );
        gate.clock.fetch_add(61_000, Ordering::SeqCst);
        gate.authority.poll().await.unwrap();
        assert_eq!(gate.get("/shop/orders", key).await.status, 200);
    });
}

#[test]
fn bodies_pass_as_streams_and_an_upstream_that_is_down_is_a_bad_gateway() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let issued = gate.key("writer", &[READ, WRITE]).await;
        let auth = format!("Bearer {}", secret(&issued));
        // Far above the limit of bodies that this server reads itself.
        let piece = "x".repeat(300_000);
        let chunked = format!("{:x}\r\n{piece}\r\n0\r\n\r\n", piece.len());
        let headers = [
            ("Authorization", auth.as_str()),
            ("Transfer-Encoding", "chunked"),
        ];
        let answer = gate
            .send_from(CLIENT, "POST", "/shop/orders", &headers, &chunked)
            .await;
        assert!(
            answer.status == 200 && answer.body.contains("\nbody=300000\n"),
            "{answer:?}"
        );
    });
    testkit::run(Engine::Sqlite, |database| async move {
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", nobody.local_addr().unwrap());
        drop(nobody);
        let gate = Gate::before(&database, &url, "").await;
        let issued = gate.key("reader", &[READ]).await;
        let answer = gate.get("/shop/orders", secret(&issued)).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (502, "upstream-failed")
        );
    });
}
