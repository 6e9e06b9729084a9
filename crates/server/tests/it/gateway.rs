//! The gateway over real sockets: a server as `serve` starts it, an upstream that tells what it was sent, and clients
//! at two addresses, of which one is that of a trusted proxy.

mod proxy;
mod resources;
mod subrequest;
mod whole;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
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
use credential::name::{Comment, Name, ProductName};
use credential::organization::OrganizationKind;
use credential::seal::MasterKey;
use http_body_util::BodyExt;
use server::config::{Config, Sources};
use server::edge::listener::Listeners;
use server::{Parts, Running};
use store::Store;
use testkit::Database;
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
path = "/shop/reach"
scopes = ["sample.accounts:read"]
resources = "some"
[[gateway.policies.shop.routes]]
path = "/shop/export"
scopes = ["sample.accounts:read", "sample.orders:read"]
resources = "some"
[[gateway.policies.shop.routes]]
path = "/shop/export/{account}"
scopes = ["sample.accounts:read", "sample.orders:read"]
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

/// Headers of a request, by name.
type Headers<'h> = &'h [(&'h str, &'h str)];

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

const IDENTITY: [&str; 7] = [
    "key-id",
    "organization-id",
    "kind",
    "scopes",
    "roles",
    "resources",
    "request-id",
];
