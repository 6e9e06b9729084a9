//! The gateway over real sockets: a server as `serve` starts it, an upstream that tells what it was sent, and clients
//! at two addresses, of which one is that of a trusted proxy.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use authority::catalog::Product;
use authority::keys::{CreateKey, Expiry, Issued, Outcome, Shown, Wish};
use authority::organizations::CreateOrganization;
use authority::ports::{Clock, Entropy};
use authority::{Authority, Caller, MasterKeys, Opening, Settings};
use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use credential::grant::Resources;
use credential::id::OrganizationId;
use credential::key::{Addresses, Kind};
use credential::limit::Limit;
use credential::name::{Comment, Name, ProductName};
use credential::organization::OrganizationKind;
use credential::seal::MasterKey;
use credential::time::Span;
use http_body_util::BodyExt;
use server::config::{Config, Sources};
use server::edge::listener::Listeners;
use server::{Parts, Running};
use store::Store;
use testkit::{Database, Engine};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

/// When the world begins, in milliseconds; any moment would do.
const START: i64 = 1_800_000_000_000;
/// No answer takes longer; only a hanging test does.
const PATIENCE: Duration = Duration::from_secs(20);
/// A client like any other.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The address of the trusted proxy.
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

const READ: &str = "sample.orders:read";
const WRITE: &str = "sample.orders:write";
const ACCOUNTS: &str = "sample.accounts:read";

const ROUTES: &str = r#"
[[gateway.policies.shop.routes]]
methods = ["GET"]
path = "/shop/orders/**"
scopes = ["sample.orders:read"]
[[gateway.policies.shop.routes]]
methods = ["GET"]
path = "/shop/orders"
scopes = ["sample.orders:read"]
[[gateway.policies.shop.routes]]
methods = ["POST"]
path = "/shop/orders"
scopes = ["sample.orders:write"]
[[gateway.policies.shop.routes]]
path = "/shop/accounts/{account}/**"
scopes = ["sample.accounts:read"]
resource = "account"
[[gateway.policies.shop.routes]]
path = "/shop/ping"
scopes = []
[gateway.policies.vendor]
product = "secure_access"
upstream = "up"
prefixes = ["/deployments/v2"]
[[gateway.policies.vendor.routes]]
path = "/deployments/v2/roamingcomputers"
scopes = ["deployments.roamingcomputers:read"]
"#;

struct Gate {
    authority: Authority,
    running: Running,
    clock: Arc<AtomicI64>,
    organization: OrganizationId,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&str| {
            line.split_once(':')
                .is_some_and(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        self.head
            .lines()
            .find(named)
            .and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim())
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The word of the problem.
    fn problem(&self) -> String {
        let body = self.json();
        body["type"]
            .as_str()
            .unwrap_or_default()
            .rsplit('#')
            .next()
            .unwrap_or_default()
            .to_owned()
    }
}

impl Gate {
    async fn open(database: &Database) -> Self {
        let upstream = upstream().await;
        Self::before(database, &upstream, "").await
    }

    async fn before(database: &Database, upstream: &str, more: &str) -> Self {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\ntrusted_proxies = [\"{PROXY}/32\"]\n{more}\n[gateway.upstreams.up]\n\
             url = \"{upstream}\"\n[gateway.policies.shop]\nproduct = \"sample\"\nupstream = \"up\"\n\
             prefixes = [\"/shop\"]\n{ROUTES}"
        );
        let file = Some((Path::new("test.toml").to_owned(), text));
        let config = Config::load(&Sources {
            file,
            ..Sources::default()
        })
        .unwrap()
        .config;
        let clock = Arc::new(AtomicI64::new(START));
        let authority = Authority::open(Opening {
            store: Store::open(database.url()).await.unwrap(),
            master: MasterKeys {
                current: MasterKey::new([5; 32]),
                earlier: Vec::new(),
            },
            settings: Settings::default(),
            products: Product::built_in().unwrap(),
            clock: Clock::held(Arc::clone(&clock)),
            entropy: Entropy::seeded(1),
        })
        .await
        .unwrap();
        let listeners = Listeners::bind(&config.server, None).await.unwrap();
        let parts = Parts {
            authority: authority.clone(),
            config,
            version: "test",
            run: 7,
        };
        let running = server::start(parts, listeners).await.unwrap();
        let organization = organization(&authority, "Operator").await;
        Self {
            authority,
            running,
            clock,
            organization,
        }
    }

    fn address(&self) -> SocketAddr {
        self.running.addresses().plain.unwrap()
    }

    /// A static key of the sample product.
    async fn key(&self, name: &str, scopes: &[&str]) -> Box<Issued> {
        self.make(|command| {
            command.name = Name::new(name).unwrap();
            command.grants.scopes = everywhere(scopes);
        })
        .await
    }

    async fn make(&self, change: impl FnOnce(&mut CreateKey)) -> Box<Issued> {
        self.make_in(self.organization, change).await
    }

    async fn make_in(
        &self,
        organization: OrganizationId,
        change: impl FnOnce(&mut CreateKey),
    ) -> Box<Issued> {
        let mut command = CreateKey {
            organization: None,
            product: ProductName::new("sample").unwrap(),
            kind: Kind::Static,
            name: Name::new("key").unwrap(),
            comment: Comment::default(),
            grants: Wish::default(),
            addresses: Addresses::default(),
            limits: Vec::new(),
            expiry: Expiry::Default,
            owner: None,
        };
        change(&mut command);
        match self
            .authority
            .create_key(&Caller::shell(organization), command, None, |_| Vec::new())
            .await
            .unwrap()
        {
            Outcome::New(issued) => issued,
            Outcome::Repeat(_) => panic!("nothing was repeated"),
        }
    }

    async fn get(&self, path: &str, key: &str) -> Answer {
        self.send("GET", path, &[("Authorization", &format!("Bearer {key}"))])
            .await
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send_from(CLIENT, method, path, headers, "").await
    }

    async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send_from(PROXY, "GET", path, headers, "").await
    }

    /// One request on a connection of its own, from this address.
    async fn send_from(
        &self,
        from: IpAddr,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let exchange = async {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind((from, 0).into()).unwrap();
            let mut stream = socket.connect(self.address()).await.unwrap();
            let headers: String = headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}\r\n"))
                .collect();
            let text = format!(
                "{method} {path} HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n{headers}\r\n{body}"
            );
            stream.write_all(text.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let answer = tokio::time::timeout(PATIENCE, exchange).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }
}

fn everywhere(scopes: &[&str]) -> Vec<(String, Resources)> {
    scopes
        .iter()
        .map(|scope| ((*scope).to_owned(), Resources::All))
        .collect()
}

async fn organization(authority: &Authority, name: &str) -> OrganizationId {
    let command = CreateOrganization {
        name: Name::new(name).unwrap(),
        kind: OrganizationKind::Standalone,
        parent: None,
    };
    let shell = Caller::shell(OrganizationId::from_bytes([0; 16]));
    authority
        .create_organization(&shell, command)
        .await
        .unwrap()
        .value
        .id
}

fn secret(issued: &Issued) -> &str {
    match &issued.shown {
        Shown::Static { secret, .. } => secret.expose(),
        _ => panic!("not a static key"),
    }
}

/// An upstream that answers with the head that it was sent, one line each in order, and the length of the body.
async fn upstream() -> String {
    let echo = |request: Request| async move {
        let (head, body) = request.into_parts();
        let length = body
            .collect()
            .await
            .map(|body| body.to_bytes().len())
            .unwrap_or_default();
        let mut lines: Vec<String> = head
            .headers
            .iter()
            .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        format!(
            "{} {}\nbody={length}\n{}\n",
            head.method,
            head.uri,
            lines.join("\n")
        )
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(any(echo))).await });
    format!("http://{address}")
}

const IDENTITY: [&str; 6] = [
    "key-id",
    "organization-id",
    "kind",
    "scopes",
    "roles",
    "request-id",
];

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
                "x-latchkey-roles=".to_owned(),
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
        let tried: [(&str, &str, &[(&str, &str)], u16, &str); 18] = [
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
        let tried: [(&[(&str, &str)], u16); 12] = [
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
                let there = answer.header(&format!("x-latchkey-{name}")).is_some();
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

#[test]
fn errors_on_the_paths_of_a_dialect_have_its_shape() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let answer = gate.get("/deployments/v2/roamingcomputers", "x").await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json()["statusCode"], 401, "{answer:?}");
    });
}

#[test]
fn a_host_that_is_bound_to_a_dialect_speaks_nothing_else() {
    testkit::run(Engine::Sqlite, |database| async move {
        let hosts = "[server.hosts]\n\"api.example\" = \"secure_access\"";
        let gate = Gate::before(&database, &upstream().await, hosts).await;
        assert_eq!(gate.send("GET", "/api/v1/whoami", &[]).await.status, 404);
        assert_eq!(gate.send("GET", "/readyz", &[]).await.status, 404);
        assert_eq!(gate.send("GET", "/admin/v2/apiKeys", &[]).await.status, 401);
        let answer = gate
            .send("GET", "/deployments/v2/roamingcomputers", &[])
            .await;
        assert_eq!(
            answer.status, 401,
            "the policies for any host are there too"
        );
    });
}

#[test]
fn a_host_that_is_bound_to_what_is_not_spoken_here_keeps_the_server_from_starting() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let text =
            "[server]\nlisten = \"127.0.0.1:0\"\n[server.hosts]\nx = \"klingon\"\n".to_owned();
        let file = Some((Path::new("test.toml").to_owned(), text));
        let config = Config::load(&Sources {
            file,
            ..Sources::default()
        })
        .unwrap()
        .config;
        let listeners = Listeners::bind(&config.server, None).await.unwrap();
        let parts = Parts {
            authority: gate.authority.clone(),
            config,
            version: "test",
            run: 7,
        };
        let error = server::start(parts, listeners)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("server.hosts.x: there is no dialect \"klingon\""),
            "{error}"
        );
    });
}

#[test]
fn a_server_says_that_it_stops_before_it_stops() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::before(&database, &upstream().await, "drain_delay = \"300ms\"").await;
        let ready = gate.send("GET", "/readyz", &[]).await;
        assert_eq!(
            (ready.status, ready.body.as_str()),
            (200, "{\"ready\":true}")
        );
        let Gate {
            authority,
            running,
            clock,
            organization,
        } = gate;
        let address = running.addresses().plain.unwrap();
        let stopping = tokio::spawn(running.stop());
        let mut seen = String::new();
        // The server goes on answering until the delay is over; the first answers may still be from before.
        while let Ok(mut stream) = tokio::net::TcpStream::connect(address).await {
            stream
                .write_all(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                .await
                .unwrap();
            seen.clear();
            stream.read_to_string(&mut seen).await.unwrap();
            if seen.starts_with("HTTP/1.1 503") {
                break;
            }
        }
        assert!(
            seen.contains("{\"ready\":false,\"reasons\":[\"it is stopping\"]}"),
            "{seen}"
        );
        assert_eq!(stopping.await.unwrap().unwrap().cut_off, 0);
        authority.close().await.unwrap();
        drop((clock, organization));
    });
}

#[test]
fn a_replica_without_its_store_is_not_ready_and_says_valid_to_nobody() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let issued = gate.key("reader", &[READ]).await;
        assert_eq!(gate.get("/shop/orders", secret(&issued)).await.status, 200);
        gate.authority.store().close().await.unwrap();
        gate.clock.fetch_add(2000, Ordering::SeqCst);
        let ready = gate.send("GET", "/readyz", &[]).await;
        assert_eq!(ready.status, 503);
        let reasons = ready.json()["reasons"].to_string();
        assert!(
            reasons.contains("max_staleness") && reasons.contains("the store does not answer"),
            "{reasons}"
        );
        assert_eq!(gate.send("GET", "/livez", &[]).await.status, 200);
        let answer = gate.get("/shop/orders", secret(&issued)).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (503, "not-fresh")
        );
        assert_eq!(answer.header("retry-after"), Some("1"));
    });
}

#[test]
fn verdicts_reads_and_freshness_are_counted() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let issued = gate.key("reader", &[READ]).await;
        for key in [secret(&issued), secret(&issued), "lk_key_x"] {
            gate.get("/shop/orders", key).await;
        }
        let metrics = gate.send("GET", "/metrics", &[]).await.body;
        for line in [
            "latchkey_verdicts_total{code=\"VALID\"} 2",
            "latchkey_verdicts_total{code=\"NOT_FOUND\"} 1",
            "latchkey_verdicts_total{code=\"REVOKED\"} 0",
            "latchkey_keyring_loads_total ",
            "latchkey_freshness_age_seconds 0",
            "latchkey_revision ",
            "latchkey_verification_duration_seconds_count{via=\"proxy\"} 3",
            "latchkey_http_requests_total{method=\"GET\",route=\"gateway:shop\",status=\"200\"} 2",
        ] {
            assert!(metrics.contains(line), "{line} in {metrics}");
        }
    });
}
