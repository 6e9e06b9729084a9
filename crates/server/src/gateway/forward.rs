//! Sending an allowed request to its upstream, and its answer back, both as streams.
//!
//! What the client may not decide is removed first: headers of the connection (RFC 9110, section
//! 7.6.1), its credential, every header that looks like one of ours, what proxies claim about where
//! a request came from, and headers that would change the method after it was checked.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, EXPECT, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, Version};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::Policy;
use super::identity::{self, Identity};
use crate::config::{GatewaySettings, Upstream};
use crate::edge::body::{BodyFault, Paced};
use crate::edge::{Arrival, Forwarded, tls};
use crate::problem::{Kind, Problem};

/// Headers of one connection, never of the next.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authorization"),
    HeaderName::from_static("proxy-connection"),
    http::header::TE,
    http::header::TRAILER,
    http::header::TRANSFER_ENCODING,
    http::header::UPGRADE,
];

/// What others claim about where a request came from and what it asked for, as names with `-`.
/// They are written anew, or not at all.
const CLAIMS: [&str; 18] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "x-forwarded-uri",
    "x-forwarded-method",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The pooled clients of all upstreams.
#[derive(Debug)]
pub struct Forwarder {
    targets: BTreeMap<String, Target>,
    answer_timeout: Duration,
    idle_timeout: Duration,
}

#[derive(Debug)]
struct Target {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    url: Uri,
}

/// Where a request goes and what is said about it.
#[derive(Debug)]
pub struct Outgoing<'r> {
    /// The name of the upstream.
    pub upstream: &'r str,
    /// The path in the form that was decided on.
    pub path: &'r str,
    /// The policy, for the headers it removes.
    pub policy: &'r Policy,
    /// Who was allowed.
    pub identity: &'r Identity,
    /// How the request reached this server.
    pub arrival: &'r Arrival,
}

impl Forwarder {
    /// One pooled client for each upstream.
    ///
    /// # Errors
    /// When a file of certificates cannot be read or holds none.
    pub fn new(
        settings: &GatewaySettings,
        read_file: impl Fn(&PathBuf) -> io::Result<Vec<u8>>,
    ) -> io::Result<Self> {
        let mut targets = BTreeMap::new();
        for (name, upstream) in &settings.upstreams {
            let mut connector = HttpConnector::new();
            connector.enforce_http(false);
            connector.set_nodelay(true);
            connector.set_connect_timeout(Some(tls::duration(settings.connect_timeout)));
            let connector = HttpsConnectorBuilder::new()
                .with_tls_config(trust(upstream, &read_file)?)
                .https_or_http()
                .enable_all_versions()
                .wrap_connector(connector);
            let client = Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(tls::duration(settings.pool_idle_timeout))
                .pool_max_idle_per_host(usize::try_from(settings.pool_size).unwrap_or(usize::MAX))
                .build(connector);
            targets.insert(
                name.clone(),
                Target {
                    client,
                    url: upstream.url.clone(),
                },
            );
        }
        Ok(Self {
            targets,
            answer_timeout: tls::duration(settings.answer_timeout),
            idle_timeout: tls::duration(settings.idle_timeout),
        })
    }

    /// Sends the request on and gives back the upstream's answer, or the problem that kept it away.
    pub async fn forward(&self, request: Request<Body>, outgoing: Outgoing<'_>) -> Response {
        let Some(target) = self.targets.get(outgoing.upstream) else {
            return Problem::new(Kind::UpstreamFailed).into_response();
        };
        let request = match self.prepare(request, target, &outgoing) {
            Ok(request) => request,
            Err(problem) => return problem.into_response(),
        };
        let id = &outgoing.arrival.request_id;
        let answer = match tokio::time::timeout(self.answer_timeout, target.client.request(request))
            .await
        {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return refused(&error, outgoing.upstream, id).into_response(),
            Err(_) => {
                tracing::warn!(upstream = outgoing.upstream, request.id = %id, "the upstream did not answer in time");
                return Problem::new(Kind::UpstreamTimeout).into_response();
            }
        };
        let (mut head, body) = answer.into_parts();
        strip_hop_by_hop(&mut head.headers);
        head.version = Version::default();
        head.extensions.insert(Forwarded);
        Response::from_parts(head, Body::new(Paced::new(body, self.idle_timeout)))
    }

    fn prepare(
        &self,
        request: Request<Body>,
        target: &Target,
        outgoing: &Outgoing<'_>,
    ) -> Result<Request<Body>, Problem> {
        let (mut head, body) = request.into_parts();
        let base = target.url.path().trim_end_matches('/');
        let path = match head.uri.query() {
            Some(query) => format!("{base}{}?{query}", outgoing.path),
            None => format!("{base}{}", outgoing.path),
        };
        let path = PathAndQuery::try_from(path).map_err(|_| Problem::new(Kind::AmbiguousPath))?;
        let mut uri = target.url.clone().into_parts();
        uri.path_and_query = Some(path);
        head.uri = Uri::from_parts(uri).map_err(|_| Problem::new(Kind::AmbiguousPath))?;
        head.version = Version::default();
        clean(&mut head.headers, outgoing.policy);
        announce(&mut head.headers, outgoing);
        head.extensions.clear();
        Ok(Request::from_parts(
            head,
            Body::new(Paced::new(body, self.idle_timeout)),
        ))
    }
}

/// The TLS settings towards one upstream.
fn trust(
    upstream: &Upstream,
    read_file: impl Fn(&PathBuf) -> io::Result<Vec<u8>>,
) -> io::Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(tls::provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let Some(path) = &upstream.ca else {
        return Ok(builder.with_webpki_roots().with_no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&read_file(path)?) {
        roots
            .add(certificate.map_err(io::Error::other)?)
            .map_err(io::Error::other)?;
    }
    if roots.is_empty() {
        return Err(io::Error::other(format!(
            "{} holds no certificate",
            path.display()
        )));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Removes what belongs to the connection, the names in `Connection` included.
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Removes everything that the client may not tell the upstream.
fn clean(headers: &mut HeaderMap, policy: &Policy) {
    strip_hop_by_hop(headers);
    headers.remove(HOST);
    // The client is answered by this server's own `100 Continue` as soon as the body is asked for.
    headers.remove(EXPECT);
    let hidden = || {
        policy
            .credential_headers
            .iter()
            .chain(&policy.strip_headers)
            .map(HeaderName::as_str)
    };
    let doomed: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            identity::is_forgeable(name)
                || CLAIMS.iter().any(|claim| alike(name.as_str(), claim))
                || ["authorization", "x-api-key"]
                    .into_iter()
                    .chain(hidden())
                    .any(|hidden| alike(name.as_str(), hidden))
        })
        .cloned()
        .collect();
    for name in doomed {
        headers.remove(name);
    }
}

/// Whether two lower-case names are the same to a program that reads `_` as `-`.
fn alike(name: &str, other: &str) -> bool {
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte };
    name.len() == other.len() && name.bytes().map(plain).eq(other.bytes().map(plain))
}

/// Says who was allowed and where the request came from.
fn announce(headers: &mut HeaderMap, outgoing: &Outgoing<'_>) {
    let arrival = outgoing.arrival;
    outgoing.identity.write(&arrival.request_id, headers);
    let client = arrival.client.unwrap_or(arrival.peer);
    if let Ok(client) = HeaderValue::from_str(&client.to_string()) {
        headers.insert(FORWARDED_FOR, client);
    }
    headers.insert(
        FORWARDED_PROTO,
        HeaderValue::from_static(if arrival.secure { "https" } else { "http" }),
    );
    if let Ok(host) = HeaderValue::from_str(&arrival.authority) {
        headers.insert(FORWARDED_HOST, host);
    }
}

/// The problem behind a failed attempt: the client's body may be to blame, or the upstream.
fn refused(error: &(dyn Error + 'static), upstream: &str, id: &str) -> Problem {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(fault) = inner.downcast_ref::<BodyFault>() {
            return fault.problem();
        }
        if inner
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
        {
            tracing::warn!(upstream, request.id = %id, "the upstream could not be reached in time");
            return Problem::new(Kind::UpstreamTimeout);
        }
        cause = inner.source();
    }
    tracing::warn!(upstream, request.id = %id, error = %error, "the upstream could not be reached");
    Problem::new(Kind::UpstreamFailed)
}
