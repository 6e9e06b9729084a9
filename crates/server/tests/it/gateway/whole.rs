//! The server as a whole: whom a host belongs to, what operators see, how it stops.

use std::path::Path;
use std::sync::atomic::Ordering;

use server::Parts;
use server::config::{Config, Sources};
use server::edge::listener::Listeners;
use testkit::Engine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Gate, READ, secret, upstream};

#[test]
fn errors_on_the_paths_of_a_dialect_have_its_shape() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let answer = gate.get("/deployments/v2/roamingcomputers", "x").await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json()["statusCode"], 401, "{answer:?}");
        let asked = gate
            .ask(
                "/gateway/forward-auth/vendor?nginx=1",
                &[
                    ("X-Original-Method", "GET"),
                    ("X-Original-URI", "/deployments/v2/nowhere/.."),
                ],
            )
            .await;
        assert_eq!(asked.status, 403);
        assert_eq!(asked.json()["statusCode"], 403, "{asked:?}");
        assert_eq!(asked.header("x-auth-status"), Some("400"));
        assert_eq!(asked.header("x-auth-error"), Some("ambiguous-path"));
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

#[test]
fn a_certificate_is_read_again_and_a_bad_one_is_named() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let directory = tempfile::tempdir().unwrap();
        let (chain, key) = (
            directory.path().join("chain.pem"),
            directory.path().join("key.pem"),
        );
        let renew = || {
            let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            std::fs::write(&chain, issued.cert.pem()).unwrap();
            std::fs::write(&key, issued.signing_key.serialize_pem()).unwrap();
        };
        renew();
        let text = format!(
            "[server]\nlisten = \"\"\ntls_listen = \"127.0.0.1:0\"\ntls_certificate = {chain:?}\ntls_key = {key:?}\n"
        );
        let file = Some((Path::new("test.toml").to_owned(), text));
        let config = Config::load(&Sources {
            file,
            ..Sources::default()
        })
        .unwrap()
        .config;
        let tls = server::assembly::tls(&config.server).unwrap();
        let listeners = Listeners::bind(&config.server, tls).await.unwrap();
        let parts = Parts {
            authority: gate.authority.clone(),
            config,
            version: "test",
            run: 7,
        };
        let running = server::start(parts, listeners).await.unwrap();
        assert!(running.addresses().tls.is_some() && running.addresses().plain.is_none());
        renew();
        running.reload_certificate().unwrap();
        std::fs::write(&key, "nothing").unwrap();
        assert!(running.reload_certificate().is_err());
        std::fs::remove_file(&chain).unwrap();
        let error = running.reload_certificate().unwrap_err().to_string();
        assert!(error.contains("chain.pem"), "{error}");
        running.stop().await.unwrap();
    });
}
