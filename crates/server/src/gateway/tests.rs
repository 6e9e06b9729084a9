//! The gateway over real sockets: a client, the edge with a gateway behind it, and an upstream that
//! tells what it was sent.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::{any, get};
use http_body_util::BodyExt;
use tokio::net::TcpListener;

use super::*;
use crate::config::{Config, Sources};
use crate::edge::tests::Running;

const POLICY: &str = r#"
    prefixes = ["/api"]
    strip_headers = ["X-Internal"]
    [[gateway.policies.demo.routes]]
    path = "/api/{account}/**"
    scopes = ["sample.orders:read"]
    resource = "account"
    [[gateway.policies.demo.routes]]
    methods = ["POST"]
    path = "/api/upload"
    scopes = ["sample.orders:write"]
"#;

fn settings(upstream: &str, more: &str) -> GatewaySettings {
    let text = format!(
        "[gateway]\n{more}\n[gateway.upstreams.up]\nurl = \"{upstream}\"\n\
         [gateway.policies.demo]\nproduct = \"sample\"\nupstream = \"up\"\n{POLICY}"
    );
    let file = Some((Path::new("test.toml").to_owned(), text));
    Config::load(&Sources {
        file,
        ..Sources::default()
    })
    .unwrap()
    .config
    .gateway
}

fn products() -> Vec<Arc<Product>> {
    let products = Product::built_in().unwrap();
    products.into_iter().map(Arc::new).collect()
}

fn no_file(_: &PathBuf) -> io::Result<Vec<u8>> {
    Err(io::ErrorKind::NotFound.into())
}

fn gateway(upstream: &str, more: &str) -> Arc<Gateway> {
    Arc::new(Gateway::new(&settings(upstream, more), &products(), no_file).unwrap())
}

/// Lets every request that has a route through as key `k1`, except those of the account `denied`.
fn decide(question: &Question<'_>) -> Result<Identity, Problem> {
    if question.resource.as_deref() == Some("account:denied") {
        return Err(Kind::Forbidden.into());
    }
    let scopes = question.rule.scopes.iter();
    Ok(Identity {
        key_id: "k1".to_owned(),
        scopes: scopes.map(|scope| scope.as_str().to_owned()).collect(),
        ..Identity::default()
    })
}

/// A server whose every path goes through the gateway.
async fn front(gateway: Arc<Gateway>) -> Running {
    let router = Router::new().fallback(any(move |request: Request| async move {
        let arrival = Arc::clone(request.extensions().get::<Arc<Arrival>>().unwrap());
        let Some(policy) = gateway.mounted(&arrival.host, request.uri().path(), false) else {
            return Kind::NotFound.into_response();
        };
        let decided = policy
            .question(request.method(), request.uri().path())
            .map_err(Problem::from)
            .and_then(|question| Ok((decide(&question)?, question.path)));
        match decided {
            Ok((identity, path)) => {
                gateway
                    .send(policy, &path, &identity, request, &arrival)
                    .await
            }
            Err(problem) => problem.into_response(),
        }
    }));
    Running::start(router, &[], None).await
}

/// An upstream that answers with the head it was sent, one line each, and the length of the body.
async fn upstream() -> String {
    let echo = |request: Request| async move {
        let (head, body) = request.into_parts();
        let length = body.collect().await.map(|body| body.to_bytes().len());
        let mut lines: BTreeMap<String, String> = head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        lines.insert("body".to_owned(), format!("{length:?}"));
        let lines: String = lines
            .iter()
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        (
            [
                ("connection", "close, x-hop"),
                ("x-hop", "1"),
                ("x-end", "2"),
            ],
            format!("{} {}\n{lines}", head.method, head.uri),
        )
    };
    let router = Router::new()
        .fallback(any(echo))
        .route("/api/hang/1", get(std::future::pending::<()>));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn request(line: &str, headers: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n{headers}\r\n")
}

#[tokio::test]
async fn an_allowed_request_arrives_with_its_identity_and_without_its_credential() {
    let front = front(gateway(&format!("{}/base/", upstream().await), "")).await;
    let sent = "Authorization: Bearer lk_secret\r\nX-API-Key: lk_secret\r\nX_Api_Key: lk_secret\r\nX-Internal: lk_secret\r\n\
        X-Latchkey-Key-Id: forged\r\nX_Latchkey_Roles: forged\r\nX-Latchkey-Other: forged\r\nX-Forwarded-For: 6.6.6.6\r\n\
        Forwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX-HTTP-Method-Override: DELETE\r\nX-Original-URL: /admin\r\n\
        Connection: X-Named\r\nX-Named: 1\r\nTE: trailers\r\nAccept: text/plain\r\n";
    let answer = front
        .send(request("GET /api/%61cme/x%20y/?q=1&q=%2F", sent))
        .await;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    insta::assert_snapshot!(body.replace(&host(body), "UPSTREAM").replace("k1", "KEY"), @r"
    GET /base/api/acme/x%20y/?q=1&q=%2F
    accept=text/plain
    body=Ok(0)
    host=UPSTREAM
    x-forwarded-for=127.0.0.1
    x-forwarded-host=api.example
    x-forwarded-proto=http
    x-latchkey-key-id=KEY
    x-latchkey-kind=-
    x-latchkey-organization-id=-
    x-latchkey-request-id=0000000000000007-0
    x-latchkey-resources=-
    x-latchkey-roles=-
    x-latchkey-scopes=sample.orders:read
    ");
    assert!(
        answer.contains("x-end: 2\r\n") && !answer.contains("x-hop"),
        "{answer}"
    );
    assert!(
        !answer.contains("x-content-type-options"),
        "the headers of the upstream are its own: {answer}"
    );
    assert!(
        answer.contains("x-request-id: 0000000000000007-0\r\n"),
        "{answer}"
    );
}

/// The value of the line `host=`.
fn host(body: &str) -> String {
    body.lines()
        .find_map(|line| line.strip_prefix("host="))
        .unwrap_or("?")
        .to_owned()
}

#[tokio::test]
async fn bodies_pass_with_a_length_and_in_chunks_beyond_any_limit_of_our_own() {
    let front = front(gateway(&upstream().await, "")).await;
    let body = "x".repeat(300_000);
    let whole = request("POST /api/upload", "Content-Length: 300000\r\n") + &body;
    let answer = front.send(whole).await;
    assert!(
        answer.contains("content-length=300000\n") && answer.contains("body=Ok(300000)"),
        "{answer}"
    );
    let chunked = request("POST /api/upload", "Transfer-Encoding: chunked\r\n")
        + &format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let answer = front.send(chunked).await;
    assert!(
        answer.contains("transfer-encoding=chunked\n") && answer.contains("body=Ok(300000)"),
        "{answer}"
    );
}

#[tokio::test]
async fn what_is_not_allowed_never_reaches_the_upstream() {
    let front = front(gateway(&upstream().await, "")).await;
    for (line, expected) in [
        ("GET /api/acme/1", "200"),
        ("GET /api/denied/1", "403"),
        ("GET /api/%64enied/1", "403"),
        ("GET /api/acme/../denied/1", "400"),
        ("GET /api/acme%2F1", "400"),
        ("GET /api//acme", "400"),
        ("GET /api/acme;x/1", "400"),
        ("GET /api", "403"),
        ("GET /api/upload", "403"),
        ("GET /apiary/acme", "404"),
        ("GET /%61pi/acme/1", "200"),
    ] {
        let answer = front.send(request(line, "")).await;
        assert_eq!(answer.split(' ').nth(1), Some(expected), "{line}: {answer}");
        assert_eq!(
            answer.contains("x-latchkey-key-id="),
            expected == "200",
            "{line}: {answer}"
        );
    }
}

#[tokio::test]
async fn an_upstream_that_fails_is_a_problem_without_its_address() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let down = front(gateway(&url, "")).await;
    let answer = down.send(request("GET /api/acme/1", "")).await;
    assert!(
        answer.starts_with("HTTP/1.1 502") && answer.contains("#upstream-failed"),
        "{answer}"
    );
    assert!(!answer.contains("refused"), "{answer}");
    let slow = front(gateway(&upstream().await, "answer_timeout = \"50ms\"")).await;
    let answer = slow.send(request("GET /api/hang/1", "")).await;
    assert!(
        answer.starts_with("HTTP/1.1 504") && answer.contains("#upstream-timeout"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_client_that_stops_in_the_middle_of_its_body_is_to_blame_itself() {
    let front = front(gateway(&upstream().await, "idle_timeout = \"50ms\"")).await;
    let head = request("POST /api/upload", "Content-Length: 9\r\n");
    let answer = front.send(head + "half").await;
    assert!(
        answer.starts_with("HTTP/1.1 408") && answer.contains("#too-slow"),
        "{answer}"
    );
}

#[test]
fn a_policy_for_the_host_and_then_the_longer_prefix_is_asked() {
    let policy = |name: &str, more: &str| {
        format!(
            "[gateway.policies.{name}]\nproduct = \"sample\"\nupstream = \"up\"\nroutes = []\n{more}\n"
        )
    };
    let text = "[gateway.upstreams.up]\nurl = \"http://127.0.0.1:1\"\n".to_owned()
        + &policy("wide", "prefixes = [\"/a\"]")
        + &policy("long", "prefixes = [\"/a/b\", \"/c/\"]")
        + &policy("bound", "hosts = [\"API.example\"]")
        + &policy("asked", "prefixes = [\"/a\"]\nhosts = [\"other\"]");
    let file = Some((Path::new("test.toml").to_owned(), text));
    let config = Config::load(&Sources {
        file,
        ..Sources::default()
    })
    .unwrap()
    .config;
    let gateway = Gateway::new(&config.gateway, &products(), no_file).unwrap();
    for (host, path, expected) in [
        ("x", "/a/1", Some("wide")),
        ("x", "/a/b", Some("long")),
        ("x", "/a/b/c", Some("long")),
        ("x", "/%61/b", Some("long")),
        ("x", "/a/../z", Some("wide")),
        ("x", "/c", Some("long")),
        ("x", "/ab", None),
        ("api.example", "/a/b", Some("bound")),
        ("other", "/a/b", Some("asked")),
    ] {
        let found = gateway
            .mounted(host, path, false)
            .map(|policy| policy.name.as_str());
        assert_eq!(found, expected, "{host} {path}");
    }
}

#[test]
fn a_policy_that_is_bound_to_a_host_is_found_before_all_others_on_it() {
    let config = config(
        "[gateway.upstreams.up]\nurl = \"http://127.0.0.1:1\"\n\
         [gateway.policies.bound]\nproduct = \"sample\"\nupstream = \"up\"\nroutes = []\nhosts = [\"shop\"]\n\
         [gateway.policies.any]\nproduct = \"sample\"\nupstream = \"up\"\nroutes = []\nprefixes = [\"/a\"]\n",
    );
    let gateway = Gateway::new(&config.gateway, &products(), no_file).unwrap();
    for (host, path, only_bound, expected) in [
        ("shop", "/api/v1/keys", true, Some("bound")),
        ("shop", "/a/../b", true, Some("bound")),
        ("other", "/a", true, None),
        ("other", "/a", false, Some("any")),
    ] {
        let found = gateway.mounted(host, path, only_bound);
        let found = found.map(|policy| policy.name.as_str());
        assert_eq!(found, expected, "{host} {path} {only_bound}");
    }
}

fn config(text: &str) -> Config {
    let file = Some((Path::new("test.toml").to_owned(), text.to_owned()));
    Config::load(&Sources {
        file,
        ..Sources::default()
    })
    .unwrap()
    .config
}

#[test]
fn a_policy_that_asks_for_what_its_product_does_not_have_names_the_route() {
    let told = |product: &str, route: &str| {
        let config = config(&format!(
            "[gateway.policies.p]\nproduct = \"{product}\"\n[[gateway.policies.p.routes]]\n{route}\n"
        ));
        Gateway::new(&config.gateway, &products(), no_file)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        told("nothing", "path = \"/\"\nscopes = []"),
        "gateway.policies.p.product: there is no product \"nothing\""
    );
    assert_eq!(
        told("sample", "path = \"/x\"\nscopes = [\"sample.orders:raed\"]"),
        "gateway.policies.p.routes: the route \"/x\" asks for the scope \"sample.orders:raed\", which the product does not declare"
    );
    assert_eq!(
        told(
            "sample",
            "path = \"/{shop}\"\nscopes = []\nresource = \"shop\""
        ),
        "gateway.policies.p.routes: the route \"/{shop}\" names a resource \"shop\", a kind that the product does not declare"
    );
}
