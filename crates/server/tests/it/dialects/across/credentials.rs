//! What proves somebody, and how it is presented.

use authority::keys::{Issued, Shown};
use credential::id::OrganizationId;
use credential::key::{Key, Kind};
use credential::secret::Digest;
use credential::time::Instant;

use super::places::strongest;
use crate::house::{House, basic};

/// What a system has in one organization.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) of: &'static str,
    pub(super) credentials: Vec<Credential>,
    /// The organization, for paths that name it.
    pub(super) organization: String,
    /// A key that its endpoints name.
    pub(super) victim: String,
    /// What nobody else may be told.
    pub(super) facts: Vec<String>,
}

impl Place {
    /// The same with a key that never was.
    pub(super) fn invented(&self) -> Self {
        Self {
            victim: changed(&self.victim),
            ..self.clone()
        }
    }
}

/// By whom a credential is known that is no other's: the house's own doors serve every product.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    /// The native API, as a bearer's.
    pub(super) bearer: bool,
    /// The OAuth endpoints, as a client's id and secret.
    pub(super) client: bool,
    /// The same, as the number and the secret of a key.
    pub(super) numbered: bool,
}

/// What proves somebody, as the parts that it is presented by.
#[derive(Debug, Clone)]
pub(super) struct Credential {
    pub(super) of: &'static str,
    pub(super) name: &'static str,
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) known: Known,
    pub(super) facts: Vec<String>,
}

impl Credential {
    pub(super) fn title(&self) -> String {
        format!("{} of {}", self.name, self.of)
    }

    /// One of the same looks that nobody has.
    pub(super) fn invented(&self) -> Self {
        Self {
            id: changed(&self.id),
            secret: changed(&self.secret),
            ..self.clone()
        }
    }
}

/// The same text with another digit or letter in its middle.
fn changed(text: &str) -> String {
    let middle = text.len() / 2;
    let fits = |byte: &u8| byte.is_ascii_alphanumeric();
    let place = text.as_bytes()[middle..].iter().position(fits);
    let mut bytes = text.as_bytes().to_vec();
    if let Some(place) = place {
        let byte = &mut bytes[middle + place];
        *byte = if *byte == b'7' { b'8' } else { b'7' };
    }
    String::from_utf8(bytes).unwrap()
}

/// How an endpoint takes credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// `Authorization: Bearer`.
    Bearer,
    /// `X-API-Key`.
    ApiKey,
    /// `Authorization: Basic`.
    Basic,
    /// `client_id` and `client_secret` in a form.
    Form,
    /// A gateway's own credential.
    GatewayKey,
    /// The secret and its number, as Cortex takes standard keys.
    CortexStandard,
    /// A hash over secret, nonce and time, as Cortex takes advanced keys.
    CortexAdvanced,
}

impl Takes {
    /// The headers, and what stands in the form.
    pub(super) fn present(
        self,
        credential: &Credential,
        now: Instant,
    ) -> (Vec<(String, String)>, String) {
        let (id, secret) = (&credential.id, &credential.secret);
        let header = |name: &str, value: String| (name.to_owned(), value);
        let headers = match self {
            Takes::Bearer => vec![header("Authorization", format!("Bearer {secret}"))],
            Takes::ApiKey => vec![header("X-API-Key", secret.clone())],
            Takes::Basic => vec![header(
                "Authorization",
                basic(&(id.clone(), secret.clone())),
            )],
            Takes::Form => {
                return (Vec::new(), format!("client_id={id}&client_secret={secret}"));
            }
            Takes::GatewayKey => vec![header("X-Latchkey-Gateway-Key", secret.clone())],
            Takes::CortexStandard => vec![
                header("Authorization", secret.clone()),
                header("x-xdr-auth-id", id.clone()),
            ],
            Takes::CortexAdvanced => {
                let (nonce, timestamp) = ("0123456789abcdef0123456789abcdef", now.millis());
                let hash = Digest::of(&format!("{secret}{nonce}{timestamp}"));
                let hash = hash.as_bytes().iter().map(|byte| format!("{byte:02x}"));
                vec![
                    header("Authorization", hash.collect()),
                    header("x-xdr-auth-id", id.clone()),
                    header("x-xdr-nonce", nonce.to_owned()),
                    header("x-xdr-timestamp", timestamp.to_string()),
                ]
            }
        };
        (headers, String::new())
    }
}

impl Place {
    pub(super) fn of(of: &'static str, organization: &str) -> Self {
        Self {
            of,
            credentials: Vec::new(),
            organization: String::new(),
            victim: String::new(),
            facts: vec![format!("{of} victim {organization}")],
        }
    }

    /// The key that the endpoints name.
    pub(super) async fn victim_of(
        &mut self,
        house: &House,
        organization: OrganizationId,
        product: &str,
        kind: Kind,
    ) {
        let weak = match product {
            "sample" => vec!["sample.orders:read".to_owned()],
            "secure_access" => vec!["deployments.networks:read".to_owned()],
            _ => strongest(house, product),
        };
        let weak: Vec<&str> = weak.iter().map(String::as_str).collect();
        let called = self.facts[0].clone();
        let victim = house.key(organization, product, kind, &called, &weak).await;
        let called = victim.key.current.handle.clone();
        self.victim = match product {
            // They name keys by what stands beside the secret.
            "threat_response" | "cortex" => called.unwrap(),
            _ => victim.key.id.to_string(),
        };
        self.organization = organization.to_string();
    }

    /// What is shown of a key that is no client, each string by itself.
    pub(super) fn add(&mut self, name: &'static str, issued: &Issued) {
        let key = &issued.key;
        let handle = key.current.handle.clone();
        let id = handle.unwrap_or_else(|| key.id.to_string());
        let nobody = Known::default();
        let bearer = Known {
            bearer: true,
            ..nobody
        };
        let numbered = Known {
            numbered: true,
            ..nobody
        };
        let of_static = if key.current.handle.is_some() {
            numbered
        } else {
            bearer
        };
        let shown = match &issued.shown {
            Shown::Static { secret } => vec![(name, secret, of_static)],
            Shown::Signed { secret } => vec![("a signing key", secret, nobody)],
            Shown::Jwt { token } => vec![(name, token, bearer)],
            Shown::TokenPair {
                access_token,
                refresh_token,
                ..
            } => vec![
                ("an access token", access_token, bearer),
                ("a refresh token", refresh_token, nobody),
            ],
            Shown::Client { .. } => panic!("a client has a token besides"),
        };
        for (name, secret, known) in shown {
            let secret = secret.expose().to_owned();
            self.push(name, key, (id.clone(), secret), known);
        }
    }

    /// A client's id and secret, and a token that they buy.
    pub(super) async fn add_client(
        &mut self,
        house: &House,
        name: &'static str,
        token: &'static str,
        issued: &Issued,
    ) {
        let key = &issued.key;
        let (id, secret) = crate::house::client(issued);
        let grant = "grant_type=client_credentials";
        let bought = house
            .post(
                "/oauth2/token",
                Some(&basic(&(id.clone(), secret.clone()))),
                grant,
            )
            .await
            .json();
        let bought = bought["access_token"].as_str().unwrap().to_owned();
        let client = Known {
            client: true,
            ..Known::default()
        };
        let bearer = Known {
            bearer: true,
            ..Known::default()
        };
        self.push(name, key, (id.clone(), secret), client);
        self.push(token, key, (id, bought), bearer);
    }

    /// A token that a person bought.
    pub(super) fn add_token(&mut self, name: &'static str, email: String, token: String) {
        self.credentials.push(Credential {
            of: self.of,
            name,
            facts: vec![email.clone(), token.clone()],
            id: email,
            secret: token,
            known: Known {
                bearer: true,
                ..Known::default()
            },
        });
    }

    fn push(
        &mut self,
        name: &'static str,
        key: &Key,
        (id, secret): (String, String),
        known: Known,
    ) {
        let facts = vec![
            key.id.to_string(),
            key.name.as_str().to_owned(),
            secret.clone(),
        ];
        self.credentials.push(Credential {
            of: self.of,
            name,
            id,
            secret,
            known,
            facts,
        });
    }
}
