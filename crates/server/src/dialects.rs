//! The wire contracts of foreign systems, one folder each: their paths, their JSON, their errors. None of them decides
//! anything, and none knows another; what each promises stands in `contracts/`.

pub mod cortex;
pub mod secure_access;
pub mod securecloud;
pub mod security_cloud_control;
pub mod threat_response;

use std::pin::Pin;
use std::sync::Arc;

use authority::Authority;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use credential::time::Instant;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::response::Parts;
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt, Limited};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::Value;

use crate::config::Config;
use crate::edge::{AUTH_ERROR, AUTH_STATUS, Arrival, AskedPath, Forwarded};
use crate::examples::Writer;
use crate::problem;

/// What a dialect speaks with.
#[derive(Clone)]
pub struct Speaker {
    /// For whom.
    pub authority: Authority,
    /// The settings.
    pub config: Arc<Config>,
}

/// When a request was answered and under which id the log knows it, for dialects whose errors tell that; it lies among the
/// extensions of an answer that is to be dressed.
#[derive(Clone)]
pub(crate) struct Stamp {
    /// The moment.
    pub(crate) at: Instant,
    /// The request's id.
    pub(crate) request_id: String,
}

/// An answer that is being written anew.
pub(crate) type Dressed = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A dialect, as the rest of the server knows it.
pub(crate) struct Dialect {
    /// Its name, as settings and folders have it.
    pub(crate) name: &'static str,
    /// Its paths on every host.
    pub(crate) routes: fn(&Speaker) -> Router,
    /// What it has besides on hosts that are bound to it: paths that are another's elsewhere.
    pub(crate) bound_routes: fn(&Speaker) -> Router,
    /// Whether a path is in its shape, whoever answers it.
    pub(crate) owns: fn(&str) -> bool,
    /// Writes an error of this server in its shape; every other answer stays, but for headers that it promises.
    pub(crate) dress: fn(String, Response) -> Dressed,
}

/// The longest error of ours that is read again to be written anew; they have a few hundred bytes.
const LONGEST_PROBLEM: usize = 64 * 1024;

/// Every dialect.
const ALL: [&Dialect; 5] = [
    &secure_access::DIALECT,
    &security_cloud_control::DIALECT,
    &threat_response::DIALECT,
    &securecloud::DIALECT,
    &cortex::DIALECT,
];

/// The routes of every dialect.
pub fn routes(speaker: &Speaker) -> Router {
    let routes = ALL.iter().map(|dialect| (dialect.routes)(speaker));
    routes.fold(Router::new(), Router::merge)
}

/// Who writes the examples of a product's keys, where they are presented in a foreign way.
const WRITERS: [(&str, Writer); 1] = [(cortex::PRODUCT, cortex::examples::write)];

/// Who writes the examples of this product's keys; nobody where they are presented in this server's own way.
pub fn example_writer(product: &str) -> Option<Writer> {
    let writer = WRITERS.iter().find(|(known, _)| *known == product)?;
    Some(writer.1)
}

/// The dialects by name, as settings name them.
pub fn names() -> [&'static str; ALL.len()] {
    ALL.map(|dialect| dialect.name)
}

/// The routes of one dialect on a host of its own.
pub fn named(name: &str, speaker: &Speaker) -> Option<Router> {
    let dialect = ALL.iter().find(|dialect| dialect.name == name)?;
    Some((dialect.routes)(speaker).merge((dialect.bound_routes)(speaker)))
}

/// A layer around the whole server: errors on a dialect's paths that were not written by the dialect (an unknown path, a
/// refusal of the gateway, an upstream that does not answer) take its shape; so do answers to gateways that ask about
/// such a path.
pub async fn dress(State(authority): State<Authority>, request: Request, next: Next) -> Response {
    let own = request.uri().path().to_owned();
    let arrival = request.extensions().get::<Arc<Arrival>>().cloned();
    let mut response = next.run(request).await;
    let about = response.extensions().get::<AskedPath>();
    let path = about.map_or(own, |path| path.0.clone());
    match ALL.iter().find(|dialect| (dialect.owns)(&path)) {
        Some(dialect) => {
            response.extensions_mut().insert(Stamp {
                at: authority.now(),
                request_id: arrival.map_or_else(String::new, |arrival| arrival.request_id.clone()),
            });
            (dialect.dress)(path, response).await
        }
        None => response,
    }
}

/// Whether a path is another one or lies below it.
fn is_within(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether an answer is an error of this server, and not an upstream's.
fn is_ours(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    response.extensions().get::<Forwarded>().is_none()
        && kind.is_some_and(|kind| kind.as_bytes() == problem::MEDIA_TYPE.as_bytes())
}

/// What such an error says was wrong.
async fn told(body: Body) -> Option<String> {
    let body = Limited::new(body, LONGEST_PROBLEM).collect().await.ok()?;
    let body: Value = serde_json::from_slice(&body.to_bytes()).ok()?;
    Some(body["detail"].as_str()?.to_owned())
}

/// An error that was written anew, with what the one before it carried besides its body.
fn in_place_of(mut head: Parts, mut dressed: Response) -> Response {
    for name in [RETRY_AFTER, ALLOW, AUTH_STATUS, AUTH_ERROR] {
        if let Some(value) = head.headers.remove(&name) {
            dressed.headers_mut().insert(name, value);
        }
    }
    *dressed.extensions_mut() = head.extensions;
    dressed
}

/// JSON that no cache keeps.
fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut response = Response::new(Body::from(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A time as ISO 8601 writes it; without an offset in UTC, a date is the beginning of its day.
fn time(text: &str) -> Option<Instant> {
    let at = text.parse::<Timestamp>().ok().or_else(|| {
        let local = text.parse::<DateTime>().ok()?;
        let zoned = local.to_zoned(TimeZone::UTC).ok()?;
        Some(zoned.timestamp())
    })?;
    Some(Instant::from_millis(at.as_millisecond()))
}
