//! The edge over real sockets, on ports that the system chooses.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::Extension;
use axum::routing::{get, post};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::body::Json;
use super::listener::{Addresses, Listeners, Stopped};
use super::tls::Tls;
use super::*;
use crate::config::{Config, Sources};

/// No answer takes longer; only a hanging test does.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Running {
    pub(crate) at: Addresses,
    pub(crate) metrics: Arc<Metrics>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Stopped>,
}

impl Running {
    /// Serves a router with these settings on ports of the system's choice.
    pub(crate) async fn start(
        router: Router,
        settings: &[(&str, &str)],
        tls: Option<Tls>,
    ) -> Running {
        let mut flags: BTreeMap<String, String> = settings
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        flags.insert("server.listen".to_owned(), "127.0.0.1:0".to_owned());
        let mut config = Config::load(&Sources {
            flags,
            ..Sources::default()
        })
        .unwrap()
        .config;
        if tls.is_some() {
            config.server.tls_listen = Some("127.0.0.1:0".parse().unwrap());
        }
        let metrics = Arc::new(Metrics::new("test"));
        let ops = ops::routes(Arc::clone(&metrics), config.server.metrics_from.clone());
        let router = refuse_methods(router.merge(ops));
        let edge = Edge::new(
            router,
            &config.server,
            &config.limits,
            Arc::clone(&metrics),
            7,
        );
        let listeners = Listeners::bind(&config.server, tls).await.unwrap();
        let at = listeners.addresses();
        let (stop, stopped) = oneshot::channel();
        let drain = tls::duration(config.server.stop_timeout);
        let served = tokio::spawn(listeners.serve(Arc::new(edge), drain, async {
            let _ = stopped.await;
        }));
        Running {
            at,
            metrics,
            stop,
            served,
        }
    }

    pub(crate) fn plain(&self) -> SocketAddr {
        self.at.plain.unwrap()
    }

    pub(crate) async fn stop(self) -> Stopped {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.served)
            .await
            .expect("it stops")
            .unwrap()
    }

    /// What comes back for these bytes until the server closes the connection.
    pub(crate) async fn send(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = TcpStream::connect(self.plain()).await.unwrap();
        let _ = stream.write_all(bytes.as_ref()).await;
        read_to_end(&mut stream).await
    }
}

pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    // A reset after the answer is a way to close, too.
    let _ = read.expect("the server closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Greeting {
    name: String,
}

fn router() -> Router {
    let router = Router::new()
        .route(
            "/greet",
            post(|Json(greeting): Json<Greeting>| async move { greeting.name }),
        )
        .route(
            "/panic",
            get(|Extension(arrival): Extension<Arc<Arrival>>| async move {
                assert!(arrival.host.is_empty(), "a defect");
            }),
        )
        .route(
            "/who/{id}",
            get(|Extension(arrival): Extension<Arc<Arrival>>| async move {
                let client = arrival
                    .client
                    .map_or("-".to_owned(), |client| client.to_string());
                format!(
                    "{client} {} {} {}",
                    arrival.secure, arrival.host, arrival.request_id
                )
            }),
        );
    router.fallback(|| async { Kind::NotFound })
}

async fn server(settings: &[(&str, &str)]) -> Running {
    Running::start(router(), settings, None).await
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("closed")
}

fn slug(answer: &str) -> &str {
    answer
        .split("/docs/problems#")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap_or("no problem")
}

fn get_close(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n")
}

#[tokio::test]
async fn an_answer_has_an_id_and_is_neither_stored_nor_sniffed() {
    let server = server(&[]).await;
    let answer = server
        .send(get_close("/livez", "X-Request-Id: mine\r\n"))
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok\n"),
        "{answer}"
    );
    for header in [
        "x-request-id: 0000000000000007-0\r\n",
        "cache-control: no-store\r\n",
        "x-content-type-options: nosniff\r\n",
        "referrer-policy: no-referrer\r\n",
    ] {
        assert!(answer.contains(header), "{header} in {answer}");
    }
    assert!(
        !answer.contains("strict-transport-security"),
        "only over TLS"
    );
}

#[tokio::test]
async fn what_could_be_framed_differently_is_answered_400_and_closed() {
    let server = server(&[]).await;
    let next = "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
    for head in [
        "POST /greet HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /greet HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "POST /greet HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /greet HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "GET /livez HTTP/1.1\nHost: a\n\n",
        "GET /livez HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        let answer = server.send(format!("{head}{next}")).await;
        assert_eq!(status(&answer), "400", "{head:?}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1").count(),
            1,
            "nothing after it is answered: {head:?}: {answer}"
        );
    }
    // Nobody waits for the end of a head that was spoiled.
    for head in [
        "GET /livez HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\nHost: a\r\n",
    ] {
        let answer = server.send(head).await;
        assert_eq!(status(&answer), "400", "{head:?}: {answer}");
    }
    let after = server
        .send(format!(
            "{next}GET /livez HTTP/1.1\r\nHost: a\nX: b\r\n\r\n{next}"
        ))
        .await;
    let statuses: Vec<_> = after
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| &answer[..3])
        .collect();
    assert_eq!(statuses, ["200", "400"], "what came before is answered");
}

#[tokio::test]
async fn a_host_is_one_host() {
    let server = server(&[]).await;
    for (head, expected) in [
        ("GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n", "400"),
        (
            "GET /livez HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n",
            "400",
        ),
        (
            "GET /livez HTTP/1.1\r\nHost: a@b\r\nConnection: close\r\n\r\n",
            "400",
        ),
        (
            "GET http://other/livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "400",
        ),
        (
            "GET http://a/livez HTTP/1.1\r\nHost: A\r\nConnection: close\r\n\r\n",
            "200",
        ),
        ("GET /livez HTTP/1.0\r\n\r\n", "200"),
    ] {
        assert_eq!(status(&server.send(head).await), expected, "{head}");
    }
}

#[tokio::test]
async fn oversized_requests_are_refused_before_they_are_read() {
    let server = server(&[]).await;
    let many: String = (0..101).map(|n| format!("X-{n}: 1\r\n")).collect();
    let announced = "POST /greet HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 65537\r\n\r\n";
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    let chunked = format!(
        "POST /greet HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}{chunk}"
    );
    for (request, expected) in [
        (get_close("/livez", &many), "431"),
        (
            get_close("/livez", &format!("X: {}\r\n", "x".repeat(17 * 1024))),
            "431",
        ),
        (
            get_close(&format!("/livez?{}", "x".repeat(8 * 1024)), ""),
            "414",
        ),
        (announced.to_owned(), "413"),
        (chunked, "413"),
    ] {
        let answer = server.send(request).await;
        assert_eq!(status(&answer), expected, "{answer}");
    }
}

#[tokio::test]
async fn every_refusal_of_the_edge_is_in_the_catalogue() {
    let server = server(&[]).await;
    let post = |headers: &str, body: &str| {
        format!(
            "POST /greet HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let json = "Content-Type: application/json; charset=utf-8\r\n";
    for (request, expected) in [
        (post(json, "{\"name\": \"ada\"}"), "200 no problem"),
        (post(json, "{\"name\": 1}"), "400 invalid-member"),
        (
            post(json, "{\"name\": \"ada\", \"admin\": true}"),
            "400 invalid-member",
        ),
        (post(json, "{"), "400 malformed-body"),
        (post("", "{}"), "415 unsupported-media-type"),
        (
            post("Content-Type: text/plain\r\n", "{}"),
            "415 unsupported-media-type",
        ),
        (
            post(&format!("{json}Content-Encoding: gzip\r\n"), "{}"),
            "415 encoded-body",
        ),
        (get_close("/greet", ""), "405 method-not-allowed"),
        (get_close("/nowhere", ""), "404 not-found"),
        (
            get_close("/livez", "").replace("GET", "TRACE"),
            "405 method-not-allowed",
        ),
        (
            get_close("/livez", "").replace("GET", "CONNECTED"),
            "405 method-not-allowed",
        ),
        (get_close("/panic", ""), "500 internal"),
    ] {
        let answer = server.send(&request).await;
        assert_eq!(
            format!("{} {}", status(&answer), slug(&answer)),
            expected,
            "{request}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_panic_is_the_end_of_one_request_only() {
    let server = server(&[]).await;
    let answer = server
        .send(format!(
            "GET /panic HTTP/1.1\r\nHost: a\r\n\r\n{}",
            get_close("/livez", "")
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert!(
        answer.ends_with("\r\n\r\nok\n"),
        "the next on the same connection is answered: {answer}"
    );
    assert!(
        !answer.contains("defect"),
        "what the panic said stays inside: {answer}"
    );
    assert!(
        server.metrics.text().contains("latchkey_panics_total 1"),
        "{}",
        server.metrics.text()
    );
}

#[tokio::test]
async fn slow_clients_are_not_waited_for() {
    let server = server(&[("limits.header_time", "50ms"), ("limits.body_time", "50ms")]).await;
    for (bytes, expected) in [
        ("", "closed"),
        ("P", "closed"),
        ("PRI * HTT", "closed"),
        ("GET /livez HTTP/1.1\r\nHost: a\r\nX: ", "closed"),
        ("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n", "200"),
        (
            "POST /greet HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
            "408",
        ),
    ] {
        let answer = server.send(bytes).await;
        assert_eq!(status(&answer), expected, "{bytes:?}: {answer}");
    }
}

#[tokio::test]
async fn only_a_trusted_proxy_says_who_the_client_is() {
    let claims = "X-Forwarded-For: 9.9.9.9, 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Request-Id: from-the-proxy\r\n";
    let server_alone = server(&[]).await;
    let answer = server_alone.send(get_close("/who/1", claims)).await;
    assert!(
        answer.ends_with("127.0.0.1 false a 0000000000000007-0"),
        "{answer}"
    );
    let behind = server(&[("server.trusted_proxies", "127.0.0.0/8")]).await;
    let answer = behind.send(get_close("/who/1", claims)).await;
    assert!(
        answer.ends_with("1.2.3.4 true a from-the-proxy"),
        "{answer}"
    );
    let answer = behind
        .send(get_close("/who/1", "X-Forwarded-For: 1.2.3\r\n"))
        .await;
    assert!(answer.contains("\r\n\r\n- false a "), "{answer}");
}

#[tokio::test]
async fn requests_are_counted_by_route_and_shown_to_neighbours_only() {
    let server = server(&[]).await;
    server.send(get_close("/who/1", "")).await;
    server.send(get_close("/who/2", "")).await;
    server.send(get_close("/nowhere/3", "")).await;
    server
        .metrics
        .verdict_took("forward_auth", Duration::from_micros(3));
    let answer = server.send(get_close("/metrics", "")).await;
    for line in [
        "latchkey_http_requests_total{method=\"GET\",route=\"/who/{id}\",status=\"200\"} 2",
        "latchkey_http_requests_total{method=\"GET\",route=\"unmatched\",status=\"404\"} 1",
        "latchkey_http_request_duration_seconds_count{method=\"GET\",route=\"/who/{id}\"} 2",
        "latchkey_verification_duration_seconds_count{via=\"forward_auth\"} 1",
        "latchkey_build_info{version=\"test\"} 1",
    ] {
        assert!(answer.contains(line), "{line} in {answer}");
    }
    let elsewhere = self::server(&[("server.metrics_from", "10.0.0.0/8")]).await;
    assert_eq!(
        status(&elsewhere.send(get_close("/metrics", "")).await),
        "404"
    );
}

#[tokio::test]
async fn a_stop_lets_running_requests_finish() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (entered, release) = (Arc::clone(&entered), Arc::clone(&release));
        move || async move {
            entered.notify_one();
            release.notified().await;
            "done"
        }
    };
    let server = Running::start(Router::new().route("/wait", get(handler)), &[], None).await;
    let address = server.plain();
    let mut waiting = TcpStream::connect(address).await.unwrap();
    waiting
        .write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    entered.notified().await;
    let stopping = tokio::spawn(server.stop());
    // The listening socket is gone once the stop has begun.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    release.notify_one();
    let answer = read_to_end(&mut waiting).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"),
        "{answer}"
    );
    assert_eq!(stopping.await.unwrap(), Stopped { cut_off: 0 });
}

#[tokio::test]
async fn a_stop_cuts_off_what_does_not_finish() {
    let entered = Arc::new(Notify::new());
    let handler = {
        let entered = Arc::clone(&entered);
        move || async move {
            entered.notify_one();
            std::future::pending::<()>().await;
        }
    };
    let router = Router::new().route("/wait", get(handler));
    let server = Running::start(router, &[("server.stop_timeout", "20ms")], None).await;
    let mut waiting = TcpStream::connect(server.plain()).await.unwrap();
    waiting
        .write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    entered.notified().await;
    assert_eq!(server.stop().await, Stopped { cut_off: 1 });
    assert_eq!(read_to_end(&mut waiting).await, "");
}

#[tokio::test]
async fn connections_above_the_cap_wait_for_a_place() {
    let server = server(&[("limits.connections", "1")]).await;
    let first = TcpStream::connect(server.plain()).await.unwrap();
    let mut second = TcpStream::connect(server.plain()).await.unwrap();
    second
        .write_all(get_close("/livez", "").as_bytes())
        .await
        .unwrap();
    drop(first);
    assert!(read_to_end(&mut second).await.ends_with("ok\n"));
}

#[tokio::test]
async fn http_2_is_spoken_without_tls_to_who_begins_it() {
    let server = server(&[]).await;
    let client: Client<_, Empty<bytes::Bytes>> = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let url = format!("http://{}/who/1", server.plain());
    let answer = client.get(url.parse().unwrap()).await.unwrap();
    assert_eq!(answer.version(), Version::HTTP_2);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(body.starts_with(b"127.0.0.1 false 127.0.0.1 "), "{body:?}");
}

/// A certificate for `localhost` with its key, PEM, and what trusts it.
fn certificate() -> (String, String) {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (issued.cert.pem(), issued.signing_key.serialize_pem())
}

#[tokio::test]
async fn https_offers_http_2_and_takes_a_new_certificate_while_it_runs() {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;

    let (first, second) = (certificate(), certificate());
    let tls = Tls::new(first.0.as_bytes(), first.1.as_bytes()).unwrap();
    assert!(
        Tls::new(first.0.as_bytes(), second.1.as_bytes()).is_err(),
        "a key that belongs to another"
    );
    let server = Running::start(router(), &[], Some(tls.clone())).await;
    let url: http::Uri = format!("https://localhost:{}/who/1", server.at.tls.unwrap().port())
        .parse()
        .unwrap();
    let ask = async |trusted: &str| {
        let mut roots = tokio_rustls::rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap())
            .unwrap();
        let settings =
            tokio_rustls::rustls::ClientConfig::builder_with_provider(Arc::clone(tls::provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(settings)
            .https_only()
            .enable_all_versions()
            .build();
        let client: Client<_, Empty<bytes::Bytes>> =
            Client::builder(TokioExecutor::new()).build(connector);
        client.get(url.clone()).await
    };
    let answer = ask(&first.0).await.unwrap();
    assert_eq!(answer.version(), Version::HTTP_2);
    assert_eq!(
        answer.headers()["strict-transport-security"],
        "max-age=31536000"
    );
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(body.starts_with(b"127.0.0.1 true localhost "), "{body:?}");

    assert!(ask(&second.0).await.is_err());
    assert!(tls.replace(b"nothing", b"nothing").is_err());
    assert!(
        ask(&first.0).await.is_ok(),
        "the old one stays when the new one is bad"
    );
    tls.replace(second.0.as_bytes(), second.1.as_bytes())
        .unwrap();
    assert!(ask(&second.0).await.is_ok());
    assert!(ask(&first.0).await.is_err());
}
