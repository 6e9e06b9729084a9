//! The edge: what every request passes before a handler sees it, and every answer after.
//!
//! A request that is malformed, oversized or slow ends here, before anybody asks who sent it. What
//! gets through carries an [`Arrival`]: who is at the other end of the connection, who the client
//! is, and the id under which the log knows the request.

pub mod authorization;
pub mod body;
pub mod client;
pub mod denied;
pub mod form;
pub mod listener;
pub mod ops;
pub mod standing;
pub mod telemetry;
pub mod tls;

mod strict;
mod wire;

use std::future::Future;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use authority::Spent;
use axum::Router;
use axum::body::Body;
use axum::extract::MatchedPath;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, HOST};
use http::{HeaderName, HeaderValue, Method, Request, Version};
use ipnet::IpNet;
use tokio::time::Instant;
use tower::Service;

use crate::config::{Limits, Server};
use crate::problem::{Kind, Problem};
use body::Reading;
use telemetry::Metrics;

/// The methods that are served; every other is 405 on every path.
pub const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

const ALLOWED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The id of a request, in both directions.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The status that the client of a gateway should see, where the gateway cannot pass it on.
pub const AUTH_STATUS: HeaderName = HeaderName::from_static("x-auth-status");
/// The word of a problem, for gateways that drop the body.
pub const AUTH_ERROR: HeaderName = HeaderName::from_static("x-auth-error");

/// The longest request id that is taken over from a proxy.
const LONGEST_REQUEST_ID: usize = 64;

/// How a request reached this server. Handlers find it among the extensions as `Arc<Arrival>`.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The other end of the connection.
    pub peer: IpAddr,
    /// Whether that is one of the trusted proxies.
    pub trusted: bool,
    /// The client: the peer, or whom a trusted proxy names. Nothing when what it says cannot be
    /// read; a key with an address list is then refused.
    pub client: Option<IpAddr>,
    /// Whether the client spoke TLS, here or with a trusted proxy.
    pub secure: bool,
    /// The host as it was asked for, with its port.
    pub authority: String,
    /// The same in lower case and without a port, to compare with.
    pub host: String,
    /// The id under which the log knows the request.
    pub request_id: String,
    /// What bodies may cost.
    pub reading: Reading,
    /// How the caller's limits stand, for the headers of the answer; told at most once.
    pub limits: OnceLock<Vec<Spent>>,
}

/// Marks an answer that came from an upstream: its headers are the upstream's business.
#[derive(Debug, Clone, Copy)]
pub struct Forwarded;

/// Names the route of an answer in the metrics, where it is not a route of the router.
#[derive(Debug, Clone)]
pub struct RouteName(pub String);

/// Names the path that an answer is about, where that is not the path of its own request: a gateway asked about another.
#[derive(Debug, Clone)]
pub struct AskedPath(pub String);

/// The router behind everything that the edge does.
#[derive(Debug)]
pub struct Edge {
    router: Router,
    limits: Limits,
    trusted: Vec<IpNet>,
    metrics: Arc<Metrics>,
    run: String,
    requests: AtomicU64,
}

impl Edge {
    /// Puts the edge around a router. `run` tells this process from others in request ids.
    pub fn new(
        router: Router,
        server: &Server,
        limits: &Limits,
        metrics: Arc<Metrics>,
        run: u64,
    ) -> Self {
        Self {
            router: name_routes(router),
            limits: limits.clone(),
            trusted: server.trusted_proxies.clone(),
            metrics,
            run: format!("{run:016x}"),
            requests: AtomicU64::new(0),
        }
    }

    /// Answers one request of the peer; `tls` says whether its connection is encrypted.
    pub async fn answer(&self, request: Request<Body>, peer: IpAddr, tls: bool) -> Response {
        let begun = Instant::now();
        let method = telemetry::method(request.method());
        let trusted = client::is_trusted(peer.to_canonical(), &self.trusted);
        let request_id = self.request_id(&request, trusted);
        let mut response = match self.admit(
            request,
            peer.to_canonical(),
            trusted,
            tls,
            request_id.clone(),
        ) {
            Ok((request, arrival)) => {
                let mut response = self.guarded(request, &request_id).await;
                if let Some(limits) = arrival.limits.get() {
                    standing::tell(limits, response.headers_mut());
                }
                response
            }
            Err(problem) => problem.into_response(),
        };
        self.metrics.answered(method, &response, begun.elapsed());
        finish(&mut response, &request_id, tls);
        response
    }

    /// Checks what can be checked without knowing the route, and notes how the request came.
    fn admit(
        &self,
        mut request: Request<Body>,
        peer: IpAddr,
        trusted: bool,
        tls: bool,
        request_id: String,
    ) -> Result<(Request<Body>, Arc<Arrival>), Problem> {
        if !METHODS.contains(request.method()) {
            return Err(Problem::new(Kind::MethodNotAllowed).header(ALLOW, ALLOWED));
        }
        let url = request.uri();
        if url.path().len() + url.query().map_or(0, |query| query.len() + 1) > self.limits.url.0 {
            return Err(Problem::new(Kind::UrlTooLong));
        }
        let count = usize::try_from(self.limits.header_count).unwrap_or(usize::MAX);
        if request.headers().len() > count {
            return Err(Problem::new(Kind::HeadersTooLarge));
        }
        let authority = authority(&request)?;
        let host = host_of(&authority).to_ascii_lowercase();
        let claims = trusted.then(|| client::claims(request.headers(), &self.trusted));
        let arrival = Arrival {
            peer,
            trusted,
            client: match &claims {
                None => Some(peer),
                Some(claims) => claims.address_or(peer),
            },
            secure: tls || claims.is_some_and(|claims| claims.https),
            authority,
            host,
            request_id,
            reading: Reading::from(&self.limits),
            limits: OnceLock::new(),
        };
        let arrival = Arc::new(arrival);
        request.extensions_mut().insert(Arc::clone(&arrival));
        Ok((request, arrival))
    }

    /// Runs the handler. If it panics, this request gets a constant answer and no other notices.
    async fn guarded(&self, request: Request<Body>, request_id: &str) -> Response {
        let mut router = self.router.clone();
        let mut handler = pin!(async move { router.call(request).await });
        let outcome = std::future::poll_fn(|cx| {
            match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx))) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(Ok(response))) => Poll::Ready(Some(response)),
                Err(_) => Poll::Ready(None),
            }
        });
        outcome.await.unwrap_or_else(|| {
            // What a panic says may hold what a client sent; its place is printed by the panic hook.
            tracing::error!(request.id = request_id, "a handler panicked");
            self.metrics.panicked();
            Kind::Internal.into_response()
        })
    }

    /// The id that a trusted proxy gave, if it is harmless, or the next of this process.
    fn request_id(&self, request: &Request<Body>, trusted: bool) -> String {
        let given = request
            .headers()
            .get(REQUEST_ID)
            .filter(|_| trusted)
            .and_then(|id| id.to_str().ok());
        let harmless = |id: &&str| {
            (1..=LONGEST_REQUEST_ID).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        match given.filter(harmless) {
            Some(id) => id.to_owned(),
            None => format!(
                "{}-{:x}",
                self.run,
                self.requests.fetch_add(1, Ordering::Relaxed)
            ),
        }
    }
}

/// The template of the route that was taken, by which usage is counted: a path may hold an identifier, of which there
/// is no end.
pub fn route(parts: &http::request::Parts) -> &str {
    parts
        .extensions
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
}

/// Answers methods that a known path does not have with `method-not-allowed`.
pub fn refuse_methods(router: Router) -> Router {
    router.method_not_allowed_fallback(|| async { Kind::MethodNotAllowed })
}

/// Lets every answer of the router carry the template of its route, for the metrics.
pub fn name_routes(router: Router) -> Router {
    router.layer(from_fn(name_route))
}

/// Leaves the template of the route on the answer, for the metrics.
async fn name_route(request: axum::extract::Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(path) = path
        && response.extensions().get::<RouteName>().is_none()
    {
        response
            .extensions_mut()
            .insert(RouteName(path.as_str().to_owned()));
    }
    response
}

/// The host that the request is for: the same in the request line and in `Host`, given once.
fn authority(request: &Request<Body>) -> Result<String, Problem> {
    let refuse = |why: &str| Problem::new(Kind::InvalidHeader).because(why);
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(refuse("The header Host stands twice."));
    }
    let host = host
        .map(|host| {
            host.to_str()
                .map_err(|_| refuse("The header Host is not a host."))
        })
        .transpose()?;
    let named = request.uri().authority().map(http::uri::Authority::as_str);
    let authority = match (named, host) {
        (Some(named), Some(host)) if !named.eq_ignore_ascii_case(host) => {
            return Err(refuse("The header Host differs from the host in the URL."));
        }
        (Some(named), _) => named,
        (None, Some(host)) => host,
        (None, None) if request.version() < Version::HTTP_11 => "",
        (None, None) => return Err(refuse("The header Host is missing.")),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if !authority.bytes().all(plain) {
        return Err(refuse("The header Host is not a host."));
    }
    Ok(authority.to_owned())
}

/// Milliseconds to wait as the whole seconds of `Retry-After`: at least one, and never too few.
pub fn retry_after(millis: i64) -> i64 {
    (millis.clamp(1, i64::MAX - 999) + 999) / 1000
}

/// The host without its port.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// What every answer carries: the request's id, and for our own answers the headers that keep
/// browsers and caches from doing clever things with them.
fn finish(response: &mut Response, request_id: &str, tls: bool) {
    let ours = response.extensions().get::<Forwarded>().is_none();
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    if !ours {
        return;
    }
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (http::header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (http::header::REFERRER_POLICY, "no-referrer"),
        (
            http::header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if tls {
        let year = HeaderValue::from_static("max-age=31536000");
        headers
            .entry(http::header::STRICT_TRANSPORT_SECURITY)
            .or_insert(year);
    }
}

#[cfg(test)]
pub(crate) mod tests;
