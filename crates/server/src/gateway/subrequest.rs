//! The endpoints for other gateways that ask before they let a request through: forward-auth (Caddy, Traefik, nginx)
//! and the HTTP form of Envoy's ext_authz. `docs/gateways.md` tells how each is set up.
//!
//! They answer trusted proxy addresses, and callers with a gateway credential of their own; everybody else is refused
//! before anything is looked up. Allowed is always 200, and it always names every identity header, so that no forged
//! one survives in a gateway that only replaces what it is given.

use std::net::IpAddr;
use std::sync::Arc;

use authority::verify::Question;
use authority::{Asker, Authority, Failure, Refusal};
use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use ipnet::IpNet;
use tokio::time::Instant;

use super::door::{self, Asked, Passed};
use super::{Gateway, Policy, identity, refuse};
use crate::edge::telemetry::Metrics;
use crate::edge::{AUTH_ERROR, AUTH_STATUS, Arrival, AskedPath, client};
use crate::problem::{Kind, Problem};

const FORWARD_AUTH: &str = "/gateway/forward-auth/";
const EXT_AUTHZ: &str = "/gateway/ext-authz/";

/// The header in which a gateway presents its own credential; the client's stands in the usual ones.
pub const GATEWAY_KEY: HeaderName = HeaderName::from_static("x-latchkey-gateway-key");

/// Asks for answers that nginx can pass on: it knows 401 and 403, and turns every other refusal into a 500.
pub const AUTH_MODE: HeaderName = HeaderName::from_static("x-auth-mode");
/// The headers that Envoy removes from an allowed request.
const ENVOY_REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");

/// The names under which gateways tell the method and the URL of the client's request.
const METHODS: [&str; 2] = ["x-forwarded-method", "x-original-method"];
const URLS: [&str; 3] = ["x-forwarded-uri", "x-original-uri", "x-original-url"];

/// What the endpoints need.
#[derive(Clone)]
pub struct Desk {
    gateway: Arc<Gateway>,
    authority: Authority,
    trusted: Arc<[IpNet]>,
    metrics: Arc<Metrics>,
}

impl Desk {
    /// Answers for the policies of `gateway`; `trusted` are the networks of trusted proxies.
    pub fn new(
        gateway: Arc<Gateway>,
        authority: Authority,
        trusted: &[IpNet],
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            gateway,
            authority,
            trusted: trusted.into(),
            metrics,
        }
    }
}

/// The two endpoints, with any method.
pub fn routes(desk: Desk) -> Router {
    Router::new()
        .route("/gateway/forward-auth/{policy}", any(forward_auth))
        .route("/gateway/ext-authz/{policy}", any(ext_authz))
        .route("/gateway/ext-authz/{policy}/", any(ext_authz))
        .route("/gateway/ext-authz/{policy}/{*path}", any(ext_authz))
        .with_state(desk)
}

/// The request is told in headers.
async fn forward_auth(
    State(desk): State<Desk>,
    Extension(arrival): Extension<Arc<Arrival>>,
    request: Request,
) -> Response {
    let begun = Instant::now();
    let (head, _) = request.into_parts();
    let headers = &head.headers;
    let nginx = wants_nginx(&head);
    let mut about = None;
    let outcome = async {
        let asker = desk.admit(headers, &arrival).await?;
        let name = head
            .uri
            .path()
            .strip_prefix(FORWARD_AUTH)
            .unwrap_or_default();
        let told = Told::of(headers)?;
        let asked = Asked {
            method: &told.method,
            path: told.path,
            query: told.query,
            headers,
            body: None,
            client: desk.client(headers),
            asker: asker.as_ref(),
        };
        about = Some(asked.path.to_owned());
        desk.answer(name, asked).await
    }
    .await;
    let response = desk.finish(outcome, &arrival, "forward_auth", begun, nginx);
    speak_of(response, about)
}

/// The request is this one, behind a prefix.
async fn ext_authz(
    State(desk): State<Desk>,
    Extension(arrival): Extension<Arc<Arrival>>,
    request: Request,
) -> Response {
    let begun = Instant::now();
    let (head, _) = request.into_parts();
    let headers = &head.headers;
    let mut about = None;
    let outcome = async {
        let asker = desk.admit(headers, &arrival).await?;
        let rest = head.uri.path().strip_prefix(EXT_AUTHZ).unwrap_or_default();
        let (name, path) = rest
            .find('/')
            .map_or((rest, "/"), |slash| rest.split_at(slash));
        let asked = Asked {
            method: &head.method,
            path,
            query: head.uri.query(),
            headers,
            body: None,
            client: desk.client(headers),
            asker: asker.as_ref(),
        };
        about = Some(asked.path.to_owned());
        desk.answer(name, asked).await
    }
    .await;
    let removed = outcome.as_ref().ok().map(|(policy, _)| to_remove(policy));
    let mut response = desk.finish(outcome, &arrival, "ext_authz", begun, false);
    if let Some(Ok(removed)) = removed.map(|names| HeaderValue::from_str(&names)) {
        response.headers_mut().insert(ENVOY_REMOVE, removed);
    }
    speak_of(response, about)
}

/// Notes which path the answer is about.
fn speak_of(mut response: Response, path: Option<String>) -> Response {
    if let Some(path) = path {
        response.extensions_mut().insert(AskedPath(path));
    }
    response
}

impl Desk {
    /// Who asks: a gateway with a credential of its own, or nobody in particular at a trusted address.
    async fn admit(
        &self,
        headers: &HeaderMap,
        arrival: &Arrival,
    ) -> Result<Option<Asker>, Problem> {
        if arrival.trusted {
            return Ok(None);
        }
        let mut keys = headers.get_all(GATEWAY_KEY).iter();
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return Err(Kind::NotAGateway.into());
        };
        let question = Question {
            from: Some(arrival.peer),
            route: "/gateway",
            ..Question::bearer(key.to_str().map_err(|_| Kind::NotAGateway)?)
        };
        match self.authority.gateway(&question).await {
            Ok(asker) => Ok(Some(asker)),
            Err(Failure::Refused(Refusal::NotFresh)) => {
                Err(refuse::failed(Refusal::NotFresh.into()))
            }
            Err(Failure::Refused(_)) => Err(Kind::NotAGateway.into()),
            Err(fault) => Err(refuse::failed(fault)),
        }
    }

    /// The client as the gateway names it. One that names nobody is not taken for the client itself: it stands for
    /// all of its clients.
    fn client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        client::claims(headers, &self.trusted).address()
    }

    async fn answer(&self, name: &str, asked: Asked<'_>) -> Result<(&Policy, Passed), Problem> {
        let policy = self.gateway.policy(name).ok_or(Kind::NotFound)?;
        let passed = door::ask(&self.authority, policy, asked).await?;
        if let Some(call) = &passed.call {
            // What the API itself will answer is not told here.
            self.authority.note_call(call, StatusCode::OK.as_u16());
        }
        Ok((policy, passed))
    }

    fn finish(
        &self,
        outcome: Result<(&Policy, Passed), Problem>,
        arrival: &Arrival,
        via: &'static str,
        begun: Instant,
        nginx: bool,
    ) -> Response {
        self.metrics.verdict_took(via, begun.elapsed());
        match outcome {
            Ok((_, passed)) => allow(&passed, &arrival.request_id),
            Err(problem) => deny(problem, nginx),
        }
    }
}

/// Exactly 200, since some gateways take nothing else for a yes, with every identity header.
fn allow(passed: &Passed, request_id: &str) -> Response {
    let mut response = Response::new(Body::from("ok\n"));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    passed.identity.write(request_id, headers);
    door::tell_limits(&passed.valid, &mut response);
    response
}

fn deny(problem: Problem, nginx: bool) -> Response {
    let word = HeaderValue::from_static(problem.kind().slug());
    let status = problem.status();
    let mut response = problem.into_response();
    response.headers_mut().insert(AUTH_ERROR, word);
    if nginx {
        response
            .headers_mut()
            .insert(AUTH_STATUS, HeaderValue::from(status.as_u16()));
        if status != StatusCode::UNAUTHORIZED {
            *response.status_mut() = StatusCode::FORBIDDEN;
        }
    }
    response
}

/// The query may be the client's own where a gateway passes it on; all that it can ask for here is another shape of a no.
fn wants_nginx(head: &Parts) -> bool {
    let asked = head
        .uri
        .query()
        .is_some_and(|query| query.split('&').any(|pair| pair == "nginx=1"));
    asked
        || head
            .headers
            .get(AUTH_MODE)
            .is_some_and(|mode| mode == "nginx")
}

/// The credential, and the identity headers spelled with `_`, which many programs read as `-`.
fn to_remove(policy: &Policy) -> String {
    let credentials = policy
        .credential_headers
        .iter()
        .chain(&policy.strip_headers)
        .map(HeaderName::to_string);
    let aliases = identity::ALL
        .into_iter()
        .map(|name| name.as_str().replace('-', "_"));
    credentials
        .chain([GATEWAY_KEY.to_string()])
        .chain(aliases)
        .collect::<Vec<_>>()
        .join(",")
}

/// A request that a gateway tells about.
#[derive(Debug, PartialEq, Eq)]
struct Told<'h> {
    method: Method,
    path: &'h str,
    query: Option<&'h str>,
}

impl<'h> Told<'h> {
    /// Reads the headers that the gateways write. One that the gateway did not write may be the client's: where two
    /// differ nobody can tell which is which.
    fn of(headers: &'h HeaderMap) -> Result<Self, Problem> {
        let method = one_of(headers, &METHODS)?;
        let method = method
            .parse()
            .map_err(|_| bad(METHODS[0], "is no method"))?;
        let url = one_of(headers, &URLS)?;
        let url = match url.split_once("://") {
            // ingress-nginx tells the whole URL.
            Some(("http" | "https", rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
            _ => url,
        };
        let (path, query) = url
            .split_once('?')
            .map_or((url, None), |(path, query)| (path, Some(query)));
        if path.parse::<Uri>().is_err() {
            return Err(bad(URLS[0], "is no URL"));
        }
        Ok(Self {
            method,
            path,
            query,
        })
    }
}

/// What these headers say, each at most once and all the same.
fn one_of<'h>(headers: &'h HeaderMap, names: &[&'static str]) -> Result<&'h str, Problem> {
    let mut found: Option<&str> = None;
    for name in names {
        for value in headers.get_all(*name) {
            let text = value
                .to_str()
                .map_err(|_| bad(name, "has characters that it may not have"))?;
            match found {
                Some(other) if other != text => {
                    return Err(bad(name, "differs from another that says the same"));
                }
                _ => found = Some(text),
            }
        }
    }
    found.ok_or_else(|| bad(names[0], "is missing"))
}

fn bad(name: &str, why: &str) -> Problem {
    Problem::new(Kind::InvalidHeader).because(format!("The header {name} {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&'static str, &'static str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        match Told::of(&headers) {
            Ok(told) => format!(
                "{} {} {}",
                told.method,
                told.path,
                told.query.unwrap_or("-")
            ),
            Err(problem) => problem.body()["detail"].as_str().unwrap().to_owned(),
        }
    }

    #[test]
    fn each_gateway_tells_the_request_in_its_own_headers() {
        for (pairs, expected) in [
            (
                &[
                    ("x-forwarded-method", "GET"),
                    ("x-forwarded-uri", "/a/b?c=1"),
                ][..],
                "GET /a/b c=1",
            ),
            (
                &[
                    ("x-original-method", "PUT"),
                    ("x-original-uri", "/a%2Fb/../c"),
                ],
                "PUT /a%2Fb/../c -",
            ),
            (
                &[
                    ("x-original-method", "GET"),
                    ("x-original-url", "https://h:1/a?b"),
                ],
                "GET /a b",
            ),
            (
                &[
                    ("x-original-method", "GET"),
                    ("x-original-url", "https://h"),
                ],
                "GET / -",
            ),
            (
                &[
                    ("x-forwarded-method", "GET"),
                    ("x-forwarded-uri", "/a"),
                    ("x-original-uri", "/a"),
                ],
                "GET /a -",
            ),
        ] {
            assert_eq!(told(pairs), expected);
        }
    }

    #[test]
    fn a_request_that_is_told_in_two_ways_or_in_none_is_refused() {
        for (pairs, expected) in [
            (&[][..], "The header x-forwarded-method is missing."),
            (
                &[("x-forwarded-method", "GET")],
                "The header x-forwarded-uri is missing.",
            ),
            (
                &[("x-forwarded-uri", "/a")],
                "The header x-forwarded-method is missing.",
            ),
            (
                &[
                    ("x-forwarded-method", "GET"),
                    ("x-original-method", "POST"),
                    ("x-forwarded-uri", "/a"),
                ],
                "The header x-original-method differs from another that says the same.",
            ),
            (
                &[
                    ("x-forwarded-method", "GET"),
                    ("x-forwarded-uri", "/a"),
                    ("x-forwarded-uri", "/b"),
                ],
                "The header x-forwarded-uri differs from another that says the same.",
            ),
            (
                &[("x-forwarded-method", "G T"), ("x-forwarded-uri", "/a")],
                "The header x-forwarded-method is no method.",
            ),
        ] {
            assert_eq!(told(pairs), expected);
        }
    }
}
