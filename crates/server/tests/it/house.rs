//! A whole server in process: an authority on a fresh database with a clock held in hand, and the edge around the routes.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use authority::catalog::Product;
use authority::keys::{CreateKey, Expiry, Issued, Outcome, Shown, Wish};
use authority::organizations::CreateOrganization;
use authority::ports::{Clock, Entropy};
use authority::settings::PasswordCost;
use authority::{Authority, Caller, MasterKeys, Opening, Settings};
use axum::Router;
use axum::body::Body;
use axum::routing::any;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use credential::grant::Resources;
use credential::id::{OrganizationId, RoleId};
use credential::key::{Addresses, Kind};
use credential::name::{Comment, Name, ProductName};
use credential::organization::OrganizationKind;
use credential::seal::MasterKey;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use server::config::{Config, Sources};
use server::edge::Edge;
use server::edge::ops::Readiness;
use server::edge::telemetry::Metrics;
use server::{Parts, assembly};
use store::Store;
use tokio::net::TcpListener;

/// When the world begins, in milliseconds. It lies in the past, since PostgreSQL brings a clock of its own and time never
/// goes back.
const START: i64 = 1_700_000_000_000;

pub(crate) const ISSUER: &str = "https://keys.example";

/// Two APIs behind the gateway, one of which does not answer.
const GATEWAY: &str = r#"
[gateway.upstreams.products]
url = "http://UPSTREAM"

[gateway.upstreams.sample]
url = "http://UPSTREAM"

[gateway.upstreams.down]
url = "http://NOWHERE"

[gateway.policies.products]
product = "secure_access"
upstream = "products"
prefixes = ["/deployments/v2/roamingcomputers"]

[[gateway.policies.products.routes]]
methods = ["GET"]
path = "/deployments/v2/roamingcomputers"
scopes = ["deployments.roamingcomputers:read"]

[[gateway.policies.products.routes]]
methods = ["GET"]
path = "/deployments/v2/roamingcomputers/{id}"
scopes = ["deployments.roamingcomputers:read"]

[gateway.policies.down]
product = "secure_access"
upstream = "down"
prefixes = ["/policies/v2/rules"]

[[gateway.policies.down.routes]]
methods = ["GET"]
path = "/policies/v2/rules"
scopes = ["policies.rules:read"]
"#;

/// What the keys of SecureCloud open in the demo, with the same upstream.
const SECURECLOUD: &str = include_str!("../../../latchkey/src/demo/settings/securecloud.toml");

/// See the module's text.
pub(crate) struct House {
    pub(crate) authority: Authority,
    edge: Edge,
    clock: Arc<AtomicI64>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// A header that stands there once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} stands twice");
        value
    }

    /// Every value of a header.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let values = self.headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

impl House {
    pub(crate) async fn open(database: &testkit::Database) -> Self {
        Self::furnished(database, "", |text| text).await
    }

    /// A house with more settings, and with catalogs that `amend` has changed.
    pub(crate) async fn furnished(
        database: &testkit::Database,
        settings: &str,
        amend: impl Fn(String) -> String,
    ) -> Self {
        let catalogs = authority::catalog::BUILT_IN.iter();
        let products = catalogs
            .map(|(file, text)| Product::parse(file, &amend((*text).to_owned())).unwrap())
            .collect();
        let file = format!("{GATEWAY}\n{SECURECLOUD}\n{settings}")
            .replace("UPSTREAM", &upstream().await)
            .replace("NOWHERE", &nowhere().await);
        let sources = Sources {
            file: Some(("test.toml".into(), file)),
            ..Sources::default()
        };
        let config = Config::load(&sources).unwrap().config;
        let clock = Arc::new(AtomicI64::new(START));
        let told = server::settings::settings(&config, ISSUER.to_owned(), "test");
        let authority = Authority::open(Opening {
            store: Store::open(database.url()).await.unwrap(),
            master: MasterKeys {
                current: MasterKey::new([5; 32]),
                earlier: Vec::new(),
            },
            settings: Settings {
                issuer: ISSUER.to_owned(),
                replay: told.replay,
                password_cost: PasswordCost::FOR_TESTS,
                ..Settings::default()
            },
            products,
            clock: Clock::held(Arc::clone(&clock)),
            entropy: Entropy::seeded(1),
        })
        .await
        .unwrap();
        let parts = Parts {
            authority: authority.clone(),
            config,
            version: "test",
            run: 1,
        };
        let metrics = Arc::new(Metrics::new("test"));
        let router =
            assembly::router(&parts, &metrics, &Readiness::new(authority.clone())).unwrap();
        let edge = Edge::new(
            router,
            &parts.config.server,
            &parts.config.limits,
            metrics,
            parts.run,
        );
        Self {
            authority,
            edge,
            clock,
        }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        body: &str,
        from: Option<IpAddr>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(target);
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            request = request.header("Host", "keys.example");
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self
            .edge
            .answer(request, from.unwrap_or(Ipv4Addr::LOCALHOST.into()), false)
            .await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// Sends a form.
    pub(crate) async fn post(&self, path: &str, authorization: Option<&str>, form: &str) -> Answer {
        let mut headers = vec![(
            "Content-Type".to_owned(),
            "application/x-www-form-urlencoded".to_owned(),
        )];
        headers.extend(authorization.map(|value| ("Authorization".to_owned(), value.to_owned())));
        self.ask("POST", path, &headers, form, None).await
    }

    /// Lets seconds pass, and the feed be read after them.
    pub(crate) async fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1000, Ordering::SeqCst);
        self.authority.poll().await.unwrap();
    }

    /// Lets seconds pass without a look at the feed.
    pub(crate) fn stall(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// A new organization.
    pub(crate) async fn organization(&self, name: &str) -> OrganizationId {
        self.organization_of(name, OrganizationKind::Standalone, None)
            .await
    }

    /// A new organization of a kind.
    pub(crate) async fn organization_of(
        &self,
        name: &str,
        kind: OrganizationKind,
        parent: Option<OrganizationId>,
    ) -> OrganizationId {
        let command = CreateOrganization {
            name: Name::new(name).unwrap(),
            kind,
            parent,
        };
        let shell = Caller::shell(OrganizationId::from_bytes([0; 16]));
        self.authority
            .create_organization(&shell, command)
            .await
            .unwrap()
            .value
            .id
    }

    /// A new key.
    pub(crate) async fn key(
        &self,
        organization: OrganizationId,
        product: &str,
        kind: Kind,
        name: &str,
        scopes: &[&str],
    ) -> Box<Issued> {
        let everywhere = |scope: &&str| ((*scope).to_owned(), Resources::All);
        let command = CreateKey {
            organization: None,
            product: ProductName::new(product).unwrap(),
            kind,
            name: Name::new(name).unwrap(),
            comment: Comment::default(),
            grants: Wish {
                roles: Vec::new(),
                scopes: scopes.iter().map(everywhere).collect(),
            },
            addresses: Addresses::default(),
            limits: Vec::new(),
            expiry: Expiry::Default,
            owner: None,
        };
        let shell = Caller::shell(organization);
        self.issue(&shell, command).await
    }

    /// The new key that a command asks for.
    pub(crate) async fn issue(&self, caller: &Caller, command: CreateKey) -> Box<Issued> {
        let made = self
            .authority
            .create_key(caller, command, None, |_| Vec::new());
        match made.await.unwrap() {
            Outcome::New(issued) => issued,
            Outcome::Repeat(_) => panic!("nothing was repeated"),
        }
    }

    /// A new static key with one role.
    pub(crate) async fn key_of_role(
        &self,
        organization: OrganizationId,
        product: &str,
        name: &str,
        role: RoleId,
        resources: Resources,
    ) -> Box<Issued> {
        let command = CreateKey {
            organization: None,
            product: ProductName::new(product).unwrap(),
            kind: Kind::Static,
            name: Name::new(name).unwrap(),
            comment: Comment::default(),
            grants: Wish {
                roles: vec![(role, resources)],
                scopes: Vec::new(),
            },
            addresses: Addresses::default(),
            limits: Vec::new(),
            expiry: Expiry::Default,
            owner: None,
        };
        let shell = Caller::shell(organization);
        self.issue(&shell, command).await
    }
}

/// The credentials of a client.
pub(crate) fn client(issued: &Issued) -> (String, String) {
    match &issued.shown {
        Shown::Client {
            client_id,
            client_secret,
        } => (client_id.clone(), client_secret.expose().to_owned()),
        _ => panic!("not a client"),
    }
}

/// The value of a header with Basic credentials.
pub(crate) fn basic((id, secret): &(String, String)) -> String {
    format!("Basic {}", BASE64.encode(format!("{id}:{secret}")))
}

/// An API that tells which key and organization it was told of, and whether it saw a credential; gives its address.
async fn upstream() -> String {
    let tell = async |headers: HeaderMap| {
        let told = |name: &str| {
            let value = headers.get(format!("x-latchkey-{name}"));
            let value = value.and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let body = serde_json::json!({
            "key": told("key-id"),
            "organization": told("organization-id"),
            "credential": headers.contains_key("authorization"),
        });
        let told = ["resources", "roles"].map(|name| (format!("told-{name}"), told(name)));
        (axum::response::AppendHeaders(told), body.to_string())
    };
    let router = Router::new().fallback(any(tell));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address.to_string()
}

/// An address on which nobody listens any more.
async fn nowhere() -> String {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}
