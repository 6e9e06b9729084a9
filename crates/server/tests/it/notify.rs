//! Notices on real wires: a receiver of webhooks and a mail server, both in the test, and the API before them.

mod mail;
mod receiver;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use authority::jobs::Job;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use credential::notice::channel::SigningSecret;
use serde_json::{Value, json};
use server::config::{Config, Sources};
use server::notify::{Notify, Resolve};
use testkit::Database;

use crate::native::{Native, ORDERS};
use mail::MailServer;
use receiver::{Receiver, Reply, Request, certificates};

const CHANNELS: &str = "/api/v1/notices/channels";

fn config(text: &str) -> Config {
    let sources = Sources {
        file: Some(("test.toml".into(), text.to_owned())),
        ..Sources::default()
    };
    Config::load(&sources).unwrap().config
}

/// Settings under which a receiver of the test can be reached.
fn open_to(receiver: &Receiver) -> String {
    format!(
        "[notices]\nwebhook_allow = [\"127.0.0.0/8\"]\nwebhook_ports = [{}]\nwebhook_http = true\n",
        receiver.address.port()
    )
}

/// Appoints the real courier. Every name leads to this machine.
fn appoint(native: &Native, settings: &str) {
    appoint_resolving(
        native,
        settings,
        Arc::new(|_, port| {
            Box::pin(async move { Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]) })
        }),
    );
}

fn appoint_resolving(native: &Native, settings: &str, resolve: Resolve) {
    let read = |path: &std::path::PathBuf| std::fs::read(path);
    let notify = Notify::resolving(&config(settings), Vec::new(), read, resolve).unwrap();
    native.house.authority.appoint(Arc::new(notify));
}

/// Opens a channel; gives its id and the secret that was shown.
async fn opened(native: &Native, wish: Value) -> (String, String) {
    let answer = native.post(CHANNELS, &wish).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let body = answer.json();
    let id = body["channel"]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        answer.header("location"),
        Some(format!("{CHANNELS}/{id}").as_str())
    );
    (id, body["secret"].as_str().unwrap_or_default().to_owned())
}

fn webhook(url: &str) -> Value {
    json!({"name": "Hook", "kind": "webhook", "url": url})
}

/// A key that ends within the hour, and so a notice; then everything that is due goes out.
async fn tell(native: &Native, name: &str) {
    // The world begins at 22:13:20; a life longer than the time ahead is told of.
    let wish = json!({"product": "sample", "kind": "static", "name": name, "scopes": [ORDERS], "expires_at": "2023-11-14T23:13:20Z"});
    let made = native.post("/api/v1/keys", &wish).await;
    assert_eq!(made.status, 201, "{made:?}");
    let notices = json!({"notices": {"soon_seconds": 3599, "very_soon_seconds": 1, "refresh_divisor": 6, "unused_seconds": null}});
    let settings = format!("/api/v1/organizations/{}/settings", native.home);
    let set = native.call("PATCH", &settings, Some(&notices)).await;
    assert_eq!(set.status, 200, "{set:?}");
    native.house.pass(2).await;
    for job in [Job::Notices, Job::Deliveries] {
        native.house.authority.run_job(job).await.unwrap();
    }
}

async fn deliveries(native: &Native, id: &str) -> Vec<Value> {
    let page = native.get(&format!("{CHANNELS}/{id}/deliveries")).await;
    page.json()["items"].as_array().unwrap().clone()
}

async fn test(native: &Native, id: &str) -> (bool, String) {
    let answer = native
        .post(&format!("{CHANNELS}/{id}/test"), &json!({}))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    (
        body["delivered"] == true,
        body["outcome"].as_str().unwrap().to_owned(),
    )
}

/// Whether a request is signed with a secret, as its receiver finds out.
fn is_signed(request: &Request, secret: &str) -> bool {
    let key = BASE64
        .decode(secret.strip_prefix("whsec_").unwrap())
        .unwrap();
    let key = SigningSecret::from_bytes(key.try_into().unwrap());
    let header = |name| request.headers[name].to_str().unwrap().to_owned();
    let message = format!(
        "{}.{}.{}",
        header("webhook-id"),
        header("webhook-timestamp"),
        request.body
    );
    let expected = format!("v1,{}", BASE64.encode(key.sign(message.as_bytes())));
    header("webhook-signature")
        .split(' ')
        .any(|signature| signature == expected)
}

testkit::on_each_engine! {
    async fn a_notice_arrives_over_tls_signed_and_once(database: Database) {
        let native = Native::open(&database).await;
        let (ca, chain, key) = certificates("hooks.example");
        let receiver = Receiver::over_tls(&chain, &key).await;
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, ca).unwrap();
        appoint(&native, &format!("{}webhook_ca = \"{}\"\n", open_to(&receiver), ca_file.display()));
        let url = format!("https://hooks.example:{}/in?x=1", receiver.address.port());
        let (id, secret) = opened(&native, webhook(&url)).await;
        tell(&native, "CI deploy").await;
        native.house.authority.run_job(Job::Deliveries).await.unwrap();
        let [request] = &receiver.taken()[..] else { panic!("one request") };
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/in?x=1"));
        assert_eq!(request.headers["host"], format!("hooks.example:{}", receiver.address.port()).as_str());
        assert!(is_signed(request, &secret));
        let other = format!("whsec_{}", BASE64.encode([7; 32]));
        assert!(!is_signed(request, &other));
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let listed = native.get("/api/v1/notices").await.json()["items"][0].clone();
        assert_eq!(request.headers["webhook-id"], listed["id"].as_str().unwrap());
        assert_eq!((&body["type"], &body["data"]["id"]), (&json!("notice.expires_soon"), &listed["id"]));
        assert_eq!(body["data"]["detail"]["key_name"], "CI deploy");
        assert_eq!(body["data"]["organization_id"], native.home.to_string());
        let [delivery] = &deliveries(&native, &id).await[..] else { panic!("one delivery") };
        assert_eq!((&delivery["state"], &delivery["tries"], &delivery["outcome"]), (&json!("delivered"), &json!(1), &json!("answered 2xx")));
    }

    async fn a_receiver_whose_certificate_is_not_trusted_gets_nothing(database: Database) {
        let native = Native::open(&database).await;
        let (_, chain, key) = certificates("hooks.example");
        let receiver = Receiver::over_tls(&chain, &key).await;
        appoint(&native, &open_to(&receiver));
        let (id, _) = opened(&native, webhook(&format!("https://hooks.example:{}/", receiver.address.port()))).await;
        let (delivered, outcome) = test(&native, &id).await;
        assert!(!delivered && outcome.starts_with("TLS failed"), "{outcome}");
        assert!(receiver.taken().is_empty());
    }

    async fn the_secret_is_shown_once_and_both_sign_after_a_rotation(database: Database) {
        let native = Native::open(&database).await;
        let receiver = Receiver::plain().await;
        appoint(&native, &open_to(&receiver));
        let (id, first) = opened(&native, webhook(&receiver.url("/"))).await;
        let path = format!("{CHANNELS}/{id}");
        let rotate = format!("{path}/rotate");
        let key = [("Idempotency-Key", "one")];
        let answer = native.call_with(Some(&native.admin), "POST", &rotate, Some(&json!({})), &key).await;
        let again = native.call_with(Some(&native.admin), "POST", &rotate, Some(&json!({})), &key).await;
        assert_eq!((answer.status, &answer.body), (again.status, &again.body));
        assert_eq!(answer.header("etag"), Some("\"2\""));
        let second = answer.json()["secret"].as_str().unwrap().to_owned();
        assert_ne!(first, second);
        for look in [native.get(&path).await, native.get(CHANNELS).await] {
            assert!(look.status == 200 && !look.body.contains("whsec_"), "{look:?}");
        }
        assert_eq!(test(&native, &id).await, (true, "answered 2xx".to_owned()));
        let [request] = &receiver.taken()[..] else { panic!("one request") };
        assert!(is_signed(request, &first) && is_signed(request, &second));
        assert_eq!(serde_json::from_str::<Value>(&request.body).unwrap()["type"], "notice.test");
        native.house.pass(24 * 3600).await;
        test(&native, &id).await;
        let [request] = &receiver.taken()[..] else { panic!("one request") };
        assert!(!is_signed(request, &first) && is_signed(request, &second));
    }

    async fn redirects_are_not_followed_and_answers_are_not_told(database: Database) {
        let native = Native::open(&database).await;
        let (receiver, inside) = (Receiver::plain().await, Receiver::plain().await);
        let ports = format!("[{}, {}]", receiver.address.port(), inside.address.port());
        appoint(&native, &format!("[notices]\nwebhook_allow = [\"127.0.0.0/8\"]\nwebhook_ports = {ports}\nwebhook_http = true\n"));
        let (id, _) = opened(&native, webhook(&receiver.url("/"))).await;
        receiver.reply(Reply { status: 307, header: Some(("location", inside.url("/"))), body: "a secret of the inside".to_owned() });
        assert_eq!(test(&native, &id).await, (false, "answered 3xx".to_owned()));
        assert!(inside.taken().is_empty());
        // What a receiver says at length is read to a limit, and not kept.
        receiver.reply(Reply { status: 200, header: None, body: "x".repeat(5_000_000) });
        assert_eq!(test(&native, &id).await, (true, "answered 2xx".to_owned()));
    }

    async fn a_busy_receiver_is_left_alone_and_one_that_is_gone_for_good(database: Database) {
        let native = Native::open(&database).await;
        let receiver = Receiver::plain().await;
        appoint(&native, &open_to(&receiver));
        let (id, _) = opened(&native, webhook(&receiver.url("/"))).await;
        receiver.reply(Reply { status: 503, header: Some(("retry-after", "40".to_owned())), body: String::new() });
        tell(&native, "one").await;
        let [delivery] = &deliveries(&native, &id).await[..] else { panic!("one delivery") };
        assert_eq!((&delivery["state"], &delivery["outcome"]), (&json!("pending"), &json!("answered 5xx")));
        native.house.pass(39).await;
        native.house.authority.run_job(Job::Deliveries).await.unwrap();
        assert_eq!(receiver.taken().len(), 1, "it asked for 40 seconds");
        receiver.reply(Reply { status: 410, header: None, body: String::new() });
        native.house.pass(6).await;
        native.house.authority.run_job(Job::Deliveries).await.unwrap();
        assert_eq!(receiver.taken().len(), 1);
        let channel = native.get(&format!("{CHANNELS}/{id}")).await.json();
        assert_eq!((&channel["active"], &channel["version"]), (&json!(false), &json!(2)));
        let trail = native.get(&format!("/api/v1/audit?subject_id={id}")).await;
        assert!(trail.body.contains("notice_channel.disabled"), "{trail:?}");
        assert_eq!(deliveries(&native, &id).await[0]["state"], "failed");
    }

    async fn nothing_but_the_public_internet_can_be_named(database: Database) {
        let native = Native::open(&database).await;
        appoint(&native, "");
        for url in [
            "https://127.0.0.1/",
            "https://localhost/",
            "https://10.0.0.1/",
            "https://192.168.1.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://[fd00:ec2::254]/",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://[::ffff:127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2002:7f00:1::]/",
            "http://a@127.0.0.1/",
            "http://93.184.216.34/",
            "https://93.184.216.34:22/",
            "https://93.184.216.34:6379/",
            "gopher://93.184.216.34/",
            "file:///etc/passwd",
            "unix:/run/x",
        ] {
            let answer = native.post(CHANNELS, &webhook(url)).await;
            assert_eq!(answer.status, 400, "{url}: {answer:?}");
            assert!(answer.body.contains("invalid-member"), "{url}: {answer:?}");
        }
        // The names of the test lead to this machine, which is no public address either.
        assert_eq!(native.post(CHANNELS, &webhook("https://inside.example/")).await.status, 400);
        let fine = native.post(CHANNELS, &webhook("https://93.184.216.34/")).await;
        assert_eq!(fine.status, 201);
        let id = fine.json()["channel"]["id"].as_str().unwrap().to_owned();
        let path = format!("{CHANNELS}/{id}");
        let edit = json!({"url": "https://10.0.0.1/"});
        assert_eq!(native.call("PATCH", &path, Some(&edit)).await.status, 400);
        assert_eq!(native.post(CHANNELS, &json!({"name": "x", "kind": "email", "recipients": ["a@example.org"]})).await.status, 400, "no mail server is set");
    }

    async fn a_name_that_turns_inside_is_not_followed(database: Database) {
        let native = Native::open(&database).await;
        let receiver = Receiver::plain().await;
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        // Public when the channel is opened, this machine ever after.
        let turning: Resolve = Arc::new(move |_, port| {
            let ip = if count.fetch_add(1, Ordering::SeqCst) == 0 { [93, 184, 216, 34] } else { [127, 0, 0, 1] };
            Box::pin(async move { Ok(vec![SocketAddr::from((ip, port))]) })
        });
        let settings = format!("[notices]\nwebhook_ports = [{}]\nwebhook_http = true\n", receiver.address.port());
        appoint_resolving(&native, &settings, turning);
        let (id, _) = opened(&native, webhook(&format!("http://turns.example:{}/", receiver.address.port()))).await;
        assert_eq!(test(&native, &id).await, (false, "the address is not public".to_owned()));
        assert_eq!(asked.load(Ordering::SeqCst), 2, "one look-up for each try");
        assert!(receiver.taken().is_empty());
    }

    async fn channels_are_listed_edited_and_deleted(database: Database) {
        let native = Native::open(&database).await;
        let receiver = Receiver::plain().await;
        appoint(&native, &open_to(&receiver));
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(opened(&native, webhook(&receiver.url("/"))).await.0);
            native.house.pass(1).await;
        }
        let first = native.get(&format!("{CHANNELS}?limit=2")).await.json();
        let cursor = first["next_cursor"].as_str().unwrap();
        let second = native.get(&format!("{CHANNELS}?limit=2&cursor={cursor}")).await.json();
        let listed: Vec<&Value> = [&first, &second].iter().flat_map(|page| page["items"].as_array().unwrap()).map(|item| &item["id"]).collect();
        assert_eq!(listed, ids.iter().map(|id| json!(id)).collect::<Vec<_>>().iter().collect::<Vec<_>>());
        let path = format!("{CHANNELS}/{}", ids[0]);
        for (body, member) in [
            (json!({"recipients": ["a@example.org"]}), "recipients"),
            (json!({"notice_kinds": ["unheard_of"]}), "notice_kinds"),
            (json!({"notice_kinds": []}), "notice_kinds"),
            (json!({"kind": "email"}), "kind"),
            (json!({"secret": "whsec_x"}), "secret"),
        ] {
            let answer = native.call("PATCH", &path, Some(&body)).await;
            assert!(answer.status == 400 && answer.body.contains(member), "{body}: {answer:?}");
        }
        let edit = json!({"name": "Other", "notice_kinds": ["tampering"], "active": false});
        let stale = [("If-Match", "\"7\"")];
        assert_eq!(native.call_with(Some(&native.admin), "PATCH", &path, Some(&edit), &stale).await.status, 412);
        let edited = native.call("PATCH", &path, Some(&edit)).await.json();
        let channel = &edited["channel"];
        assert_eq!((&channel["name"], &channel["notice_kinds"], &channel["active"], &channel["version"]), (&json!("Other"), &json!(["tampering"]), &json!(false), &json!(2)));
        let all = native.call("PATCH", &path, Some(&json!({"notice_kinds": null}))).await.json();
        assert_eq!((&all["channel"]["notice_kinds"], &all["channel"]["active"]), (&Value::Null, &json!(false)));
        assert_eq!(native.call("DELETE", &path, None).await.status, 200);
        assert_eq!(native.get(&path).await.status, 404);
    }

    async fn a_notice_is_given_to_the_mail_server(database: Database) {
        let native = Native::open(&database).await;
        let mail = MailServer::plain().await;
        appoint(&native, &format!("{}user = \"latchkey\"\npassword = \"not a real one\"\n", mail.settings("none")));
        let (_, none) = opened(&native, json!({"name": "Mail", "kind": "email", "recipients": ["ada@example.org", "bo@example.org"]})).await;
        assert_eq!(none, "");
        tell(&native, "Schlüssel . für \"CI\"").await;
        let [letter] = &mail.taken()[..] else { panic!("one letter") };
        assert_eq!(letter.login.as_deref(), Some("\0latchkey\0not a real one"));
        assert_eq!((letter.from.as_str(), &letter.to[..]), ("latchkey@example.com", &["ada@example.org".to_owned(), "bo@example.org".to_owned()][..]));
        let listed = native.get("/api/v1/notices").await.json()["items"][0].clone();
        let id = listed["id"].as_str().unwrap();
        let message_id = letter.header("Message-ID").unwrap();
        assert!(message_id.starts_with(&format!("<{id}.")) && message_id.ends_with("@example.com>"), "{message_id}");
        assert_eq!(letter.header("From").as_deref(), Some("Latchkey <latchkey@example.com>"));
        assert!(letter.header("Content-Type").unwrap().starts_with("text/plain; charset=utf-8"));
        let text = letter.text();
        assert!(text.contains("The key \"Schlüssel . für \"CI\"\" expires soon."), "{text}");
        assert!(text.contains(listed["subject_id"].as_str().unwrap()) && text.contains(crate::house::ISSUER), "{text}");
    }

    async fn a_mail_server_may_refuse_for_now_or_for_good(database: Database) {
        let native = Native::open(&database).await;
        let mail = MailServer::plain().await;
        appoint(&native, &mail.settings("none"));
        let (id, _) = opened(&native, json!({"name": "Mail", "kind": "email", "recipients": ["ada@example.org"]})).await;
        mail.refuse(Some("451 4.3.0 later"));
        tell(&native, "one").await;
        let state = async || deliveries(&native, &id).await[0].clone();
        assert_eq!((&state().await["state"], &state().await["outcome"]), (&json!("pending"), &json!("the mail server refused it for now (4xx)")));
        mail.refuse(Some("550 5.1.1 nobody here"));
        native.house.pass(60).await;
        native.house.authority.run_job(Job::Deliveries).await.unwrap();
        assert_eq!((&state().await["state"], &state().await["tries"]), (&json!("failed"), &json!(2)));
        mail.refuse(None);
        assert!(test(&native, &id).await.0);
        assert_eq!(mail.taken().len(), 1);
    }

    async fn a_mail_server_without_its_tls_gets_nothing(database: Database) {
        let native = Native::open(&database).await;
        let mail = MailServer::plain().await;
        appoint(&native, &mail.settings("starttls"));
        let (id, _) = opened(&native, json!({"name": "Mail", "kind": "email", "recipients": ["ada@example.org"]})).await;
        assert!(!test(&native, &id).await.0);
        assert!(mail.taken().is_empty());
    }

    async fn a_mail_server_is_spoken_to_over_tls(database: Database) {
        let native = Native::open(&database).await;
        let (ca, chain, key) = certificates("localhost");
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, ca).unwrap();
        let mail = MailServer::with_starttls(&chain, &key).await;
        let settings = mail.settings("starttls").replace("127.0.0.1", "localhost");
        appoint(&native, &format!("{settings}ca = \"{}\"\n", ca_file.display()));
        let (id, _) = opened(&native, json!({"name": "Mail", "kind": "email", "recipients": ["ada@example.org"]})).await;
        assert_eq!(test(&native, &id).await, (true, "the mail server took it".to_owned()));
        let [letter] = &mail.taken()[..] else { panic!("one letter") };
        assert!(letter.secure);
    }
}
