//! A sample API: it knows no keys and believes what the gateway says about the caller.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The pause after a failed accept, so as not to spin when descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener on loopback that only the gateway is told of.
pub(super) struct Upstream {
    listener: TcpListener,
    address: SocketAddr,
}

impl Upstream {
    pub(super) async fn bind() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .context("cannot listen for the sample API")?;
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
                        Ok::<_, Infallible>(answer(request.uri().path(), request.headers()))
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

fn answer(path: &str, headers: &HeaderMap) -> Response<Full<Bytes>> {
    let (status, body) = match content(path, headers) {
        Some(body) => (StatusCode::OK, body),
        None if path.starts_with("/deployments/") => (
            StatusCode::NOT_FOUND,
            json!({"statusCode": 404, "error": "Not Found", "message": "There is no such thing here."}),
        ),
        None => (
            StatusCode::NOT_FOUND,
            json!({"error": "there is no such thing here"}),
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    response
}

fn content(path: &str, headers: &HeaderMap) -> Option<Value> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["sample", "orders"] => Some(json!({"orders": orders(), "asked_by": asker(headers)})),
        ["sample", "orders", id] => orders()
            .as_array()?
            .iter()
            .find(|order| order["id"].as_str() == Some(id))
            .cloned(),
        ["sample", "accounts"] => Some(
            json!({"accounts": [{"id": "7", "name": "Harbour Books"}], "asked_by": asker(headers)}),
        ),
        ["deployments", "v2", "roamingcomputers"] => Some(computers()),
        ["deployments", "v2", "roamingcomputers", "orgInfo"] => Some(
            json!({"organizationId": 1, "fingerprint": "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "userId": 1}),
        ),
        ["deployments", "v2", "roamingcomputers", id] => computers()
            .as_array()?
            .iter()
            .find(|computer| computer["deviceId"].as_str() == Some(id))
            .cloned(),
        _ => None,
    }
}

/// What the gateway says about the caller.
fn asker(headers: &HeaderMap) -> Value {
    let said = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    json!({
        "key_id": said("x-latchkey-key-id"),
        "organization_id": said("x-latchkey-organization-id"),
        "scopes": said("x-latchkey-scopes"),
    })
}

fn orders() -> Value {
    json!([
        {"id": "1001", "account": "7", "item": "sea chart", "pieces": 2},
        {"id": "1002", "account": "7", "item": "brass sextant", "pieces": 1},
    ])
}

/// The shape is the vendor's; every member but the last is required by its strict clients.
fn computers() -> Value {
    let computer = |origin: u64, device: &str, name: &str, version: &str, system: &str| {
        json!({
            "originId": origin, "deviceId": device, "name": name, "type": "anyconnect", "status": "Encrypted",
            "swgStatus": "Protected", "lastSyncStatus": "Encrypted", "lastSyncSwgStatus": "Protected",
            "lastSync": "2026-01-15T08:30:00.000Z", "appliedBundle": 2, "hasIpBlocking": false, "version": version,
            "osVersion": system, "osVersionName": system, "anyconnectDeviceId": format!("{origin:040x}"),
        })
    };
    json!([
        computer(
            618_400_931,
            "AB000C044C87A4F0",
            "harbour-1",
            "5.2.3",
            "Windows 11"
        ),
        computer(
            618_400_932,
            "AB000C044C87A4F1",
            "harbour-2",
            "5.2.3",
            "macOS 15"
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_what_it_has_and_nothing_else() {
        let check = |path: &str, status: u16| {
            assert_eq!(
                answer(path, &HeaderMap::new()).status().as_u16(),
                status,
                "{path}"
            );
        };
        check("/sample/orders", 200);
        check("/sample/orders/1001", 200);
        check("/sample/orders/1", 404);
        check("/deployments/v2/roamingcomputers", 200);
        check("/deployments/v2/roamingcomputers/AB000C044C87A4F0", 200);
        check("/deployments/v2/networks", 404);
        check("/", 404);
    }
}
