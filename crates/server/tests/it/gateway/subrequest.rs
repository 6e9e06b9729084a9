//! Gateways of others that ask.

use credential::key::Addresses;
use credential::limit::Limit;
use credential::name::ProductName;
use credential::time::Span;
use testkit::Engine;

use super::{Gate, Headers, IDENTITY, PROXY, READ, everywhere, organization, secret};

#[test]
fn only_trusted_addresses_and_gateway_credentials_are_answered_and_others_before_any_look_up() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let issued = gate.key("reader", &[READ]).await;
        let auth = format!("Bearer {}", secret(&issued));
        let told = [
            ("Authorization", auth.as_str()),
            ("X-Forwarded-Method", "GET"),
            ("X-Forwarded-Uri", "/shop/orders/1"),
        ];
        let loads = gate.authority.keyring_loads();
        for path in [
            "/gateway/forward-auth/shop",
            "/gateway/forward-auth/no",
            "/gateway/ext-authz/shop/shop/orders",
        ] {
            let answer = gate.send("GET", path, &told).await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (403, "not-a-gateway"),
                "{path}"
            );
        }
        assert_eq!(gate.authority.keyring_loads(), loads);

        let gateway_key = |organization, scope: &'static str| {
            gate.make_in(organization, move |command| {
                command.product = ProductName::new("latchkey").unwrap();
                command.grants.scopes = everywhere(&[scope]);
            })
        };
        let own = gateway_key(gate.organization, "latchkey.gateway").await;
        let verifier = gateway_key(gate.organization, "latchkey.verify").await;
        let elsewhere = organization(&gate.authority, "Elsewhere").await;
        let stranger = gateway_key(elsewhere, "latchkey.gateway").await;
        for (key, expected) in [
            (secret(&own), 200),
            (secret(&verifier), 403),
            (secret(&issued), 403),
            ("lk_key_x", 403),
            // It may ask, but not about keys of others.
            (secret(&stranger), 401),
        ] {
            let headers = [told[0], told[1], told[2], ("X-Latchkey-Gateway-Key", key)];
            let answer = gate
                .send("GET", "/gateway/forward-auth/shop", &headers)
                .await;
            assert_eq!(answer.status, expected, "{answer:?}");
        }
        // What the key lacks is not told either.
        let post = ("X-Forwarded-Method", "POST");
        for (key, expected) in [(secret(&own), 403), (secret(&stranger), 401)] {
            let headers = [told[0], post, told[2], ("X-Latchkey-Gateway-Key", key)];
            let answer = gate
                .send("GET", "/gateway/forward-auth/shop", &headers)
                .await;
            assert_eq!(answer.status, expected, "{answer:?}");
        }
    });
}

#[test]
fn forward_auth_answers_each_gateway_as_it_asks() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let issued = gate.key("reader", &[READ]).await;
        let auth = format!("Bearer {}", secret(&issued));
        let key = ("Authorization", auth.as_str());
        let get = ("X-Forwarded-Method", "GET");
        let orders = ("X-Forwarded-Uri", "/shop/orders/1?a=b");
        let tried: [(Headers<'_>, u16); 12] = [
            (&[key, get, orders], 200),
            (
                &[
                    key,
                    ("X-Original-Method", "GET"),
                    ("X-Original-URI", "/shop/orders"),
                ],
                200,
            ),
            (
                &[
                    key,
                    ("X-Original-Method", "GET"),
                    ("X-Original-URL", "https://api.example/shop/orders"),
                ],
                200,
            ),
            (&[get, orders], 401),
            (&[("Authorization", "Bearer x"), get, orders], 401),
            (&[key, ("X-Forwarded-Method", "POST"), orders], 403),
            (&[key, get, ("X-Forwarded-Uri", "/shop/accounts/a1")], 403),
            (
                &[
                    key,
                    get,
                    ("X-Forwarded-Uri", "/shop/orders%2F..%2Faccounts"),
                ],
                400,
            ),
            (
                &[key, get, ("X-Forwarded-Uri", "/shop/orders/../accounts")],
                400,
            ),
            (&[key, orders], 400),
            (&[key, get], 400),
            (&[key, get, orders, ("X-Original-URI", "/shop/ping")], 400),
        ];
        for (headers, expected) in tried {
            let answer = gate.ask("/gateway/forward-auth/shop", headers).await;
            assert_eq!(answer.status, expected, "{headers:?}: {answer:?}");
            for name in IDENTITY {
                // The key has no role: some gateways take an empty header for none, and keep the client's.
                let told = answer.header(&format!("x-latchkey-{name}"));
                let there = told.is_some_and(|told| !told.is_empty());
                assert_eq!(there, expected == 200, "{name} {headers:?}");
            }
            assert_eq!(answer.header("x-auth-error").is_some(), expected != 200);

            let nginx = gate
                .ask("/gateway/forward-auth/shop?nginx=1", headers)
                .await;
            let shown = if matches!(expected, 200 | 401) {
                expected
            } else {
                403
            };
            assert_eq!(nginx.status, shown, "{headers:?}");
            let status = (expected != 200).then(|| expected.to_string());
            assert_eq!(
                nginx.header("x-auth-status"),
                status.as_deref(),
                "{headers:?}"
            );
        }
        let unknown = gate
            .ask("/gateway/forward-auth/nothing", &[key, get, orders])
            .await;
        assert_eq!(
            (unknown.status, unknown.problem().as_str()),
            (404, "not-found")
        );
        // Any method asks, and a body is not waited for.
        let head = gate
            .send_from(
                PROXY,
                "HEAD",
                "/gateway/forward-auth/shop",
                &[key, get, orders],
                "",
            )
            .await;
        assert_eq!((head.status, head.body.as_str()), (200, ""));
    });
}

#[test]
fn forward_auth_takes_the_client_from_the_proxy_and_from_nowhere_else() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let issued = gate
            .make(|command| {
                command.grants.scopes = everywhere(&[READ]);
                command.addresses = Addresses::parse(["10.0.0.0/8", "127.0.0.0/8"]).unwrap();
            })
            .await;
        let auth = format!("Bearer {}", secret(&issued));
        let told = [
            ("Authorization", auth.as_str()),
            ("X-Forwarded-Method", "GET"),
            ("X-Forwarded-Uri", "/shop/orders"),
        ];
        assert_eq!(
            gate.ask("/gateway/forward-auth/shop", &told).await.status,
            403,
            "the proxy is not the client"
        );
        for (client, expected) in [
            ("10.1.2.3", 200),
            ("11.1.2.3", 403),
            ("10.1.2.3, 11.1.2.3", 403),
            ("x", 403),
        ] {
            let headers = [told[0], told[1], told[2], ("X-Forwarded-For", client)];
            let answer = gate.ask("/gateway/forward-auth/shop", &headers).await;
            assert_eq!(answer.status, expected, "{client}");
        }
    });
}

#[test]
fn nginx_is_told_the_real_status_and_when_to_come_back() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let issued = gate
            .make(|command| {
                command.grants.scopes = everywhere(&[READ]);
                command.limits = vec![Limit::new("burst", 1, Span::from_secs(30)).unwrap()];
            })
            .await;
        let auth = format!("Bearer {}", secret(&issued));
        let told = [
            ("Authorization", auth.as_str()),
            ("X-Original-Method", "GET"),
            ("X-Original-URI", "/shop/orders"),
            ("X-Auth-Mode", "nginx"),
        ];
        let allowed = gate.ask("/gateway/forward-auth/shop", &told).await;
        assert_eq!(
            (allowed.status, allowed.header("ratelimit-policy")),
            (200, Some("\"burst\";q=1;w=30"))
        );
        let refused = gate.ask("/gateway/forward-auth/shop", &told).await;
        let told = ["x-auth-status", "retry-after", "x-auth-error"]
            .map(|name| refused.header(name).unwrap_or("-"));
        assert_eq!((refused.status, told), (403, ["429", "31", "rate-limited"]));
    });
}

#[test]
fn ext_authz_decides_on_the_request_behind_the_prefix() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let issued = gate.key("reader", &[READ]).await;
        let auth = format!("Bearer {}", secret(&issued));
        let key = [("Authorization", auth.as_str())];
        for (method, path, headers, expected) in [
            ("GET", "/shop/orders/1?nginx=1", &key[..], 200),
            ("HEAD", "/shop/orders", &key, 200),
            ("POST", "/shop/orders", &key, 403),
            ("GET", "/shop/orders", &[], 401),
            ("GET", "/shop/orders/../accounts", &key, 400),
            ("GET", "/shop//orders", &key, 400),
            ("GET", "/", &key, 403),
            ("GET", "", &key, 403),
        ] {
            let path = format!("/gateway/ext-authz/shop{path}");
            let answer = gate.send_from(PROXY, method, &path, headers, "").await;
            assert_eq!(answer.status, expected, "{method} {path}: {answer:?}");
            for name in IDENTITY {
                assert_eq!(
                    answer.header(&format!("x-latchkey-{name}")).is_some(),
                    expected == 200,
                    "{name}"
                );
            }
            let removed = answer.header("x-envoy-auth-headers-to-remove");
            assert_eq!(
                removed.is_some_and(|names| names.starts_with("authorization,x-api-key,")),
                expected == 200
            );
        }
    });
}
