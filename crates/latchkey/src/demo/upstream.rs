//! Sample APIs behind the gateway, one per dialect: they know no keys and believe what the gateway says about the caller.

mod cortex;
mod sample;
mod secure_access;
mod securecloud;
mod security_cloud_control;
mod threat_response;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The pause after a failed accept, so as not to spin when descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The longest body that is read: the gateway lets through more, and nothing here needs as much.
const LONGEST_BODY: usize = 1024 * 1024;

/// A listener on loopback that only the gateway is told of.
pub(super) struct Upstream {
    listener: TcpListener,
    address: SocketAddr,
}

/// What is asked of a sample API.
struct Asked<'r> {
    method: &'r Method,
    path: &'r str,
    headers: &'r HeaderMap,
    body: &'r [u8],
}

/// An answer that is JSON.
type Answer = (StatusCode, Value);

/// An answer that is more than a status and JSON.
type Plain = Response<Full<Bytes>>;

/// The sample APIs; each says nothing about what it does not have.
const APIS: [fn(&Asked<'_>) -> Option<Answer>; 6] = [
    sample::answer,
    secure_access::answer,
    security_cloud_control::answer,
    threat_response::answer,
    securecloud::answer,
    cortex::answer,
];

/// Those that have such answers; they are asked first.
const PLAIN: [fn(&Asked<'_>) -> Option<Plain>; 1] = [securecloud::plain];

impl Upstream {
    pub(super) async fn bind() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .context("cannot listen for the sample APIs")?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the process ends.
    pub(super) fn serve(self) {
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = self.listener.accept().await else {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                drop(stream.set_nodelay(true));
                tokio::spawn(async move {
                    let service = service_fn(async |request: Request<Incoming>| {
                        Ok::<_, Infallible>(served(request).await)
                    });
                    // How a connection ends is the gateway's business.
                    drop(
                        Builder::new(TokioExecutor::new())
                            .serve_connection(TokioIo::new(stream), service)
                            .await,
                    );
                });
            }
        });
    }
}

async fn served(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LONGEST_BODY).collect().await else {
        return written((
            StatusCode::PAYLOAD_TOO_LARGE,
            json!({ "error": "the body is too long for a sample" }),
        ));
    };
    let body = body.to_bytes();
    let asked = Asked {
        method: &head.method,
        path: head.uri.path(),
        headers: &head.headers,
        body: &body,
    };
    let plain = PLAIN.iter().find_map(|api| api(&asked));
    plain.unwrap_or_else(|| written(answer(&asked)))
}

fn answer(asked: &Asked<'_>) -> Answer {
    let nothing = || {
        (
            StatusCode::NOT_FOUND,
            json!({ "error": "there is no such thing here" }),
        )
    };
    APIS.iter()
        .find_map(|api| api(asked))
        .unwrap_or_else(nothing)
}

fn written((status, body): Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

impl Asked<'_> {
    /// The segments of the path.
    fn segments(&self) -> Vec<&str> {
        self.path.trim_matches('/').split('/').collect()
    }

    /// What the gateway says about the caller, in a header.
    fn said(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Whether something is only looked at.
    fn is_reading(&self) -> bool {
        [Method::GET, Method::HEAD].contains(self.method)
    }

    /// The body, if it is JSON.
    fn json(&self) -> Option<Value> {
        serde_json::from_slice(self.body).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answers_what_it_has_and_nothing_else() {
        let check = |method: Method, path: &str, status: u16| {
            let headers = HeaderMap::new();
            let asked = Asked {
                method: &method,
                path,
                headers: &headers,
                body: b"",
            };
            assert_eq!(answer(&asked).0.as_u16(), status, "{method} {path}");
        };
        check(Method::GET, "/sample/orders", 200);
        check(Method::GET, "/sample/orders/1001", 200);
        check(Method::GET, "/sample/orders/1", 404);
        check(Method::GET, "/deployments/v2/roamingcomputers", 200);
        check(
            Method::GET,
            "/deployments/v2/roamingcomputers/AB000C044C87A4F0",
            200,
        );
        check(Method::GET, "/deployments/v2/networks", 404);
        check(Method::GET, "/", 404);
    }
}
