//! Notices as signed requests, after the convention of Standard Webhooks (standardwebhooks.com): the headers `webhook-id`,
//! `webhook-timestamp` and `webhook-signature`, an HMAC-SHA256 over `id.timestamp.body`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use authority::notices::courier::{Outcome, Parcel};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use credential::notice::channel::SigningSecret;
use credential::notice::url::{HookUrl, Host};
use credential::time::Span;
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;

use super::reach::{OutOfReach, Reach};
use super::words;

/// How long one request may take, the look-up of the name and the reading of the answer included. Receivers put what they
/// get into a queue of their own; Standard Webhooks recommends 15 to 30 s, and what hangs here holds up others.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read, so that the receiver can send it; nothing of it is kept.
const MAX_ANSWER: usize = 16 * 1024;
/// Addresses of a name that are tried one after the other; the patience is for all together.
const MAX_TRIES: usize = 4;
/// Connecting to one address must leave time for the next.
const CONNECT: Duration = Duration::from_secs(4);

/// Sends signed requests.
pub(super) struct Hooks {
    reach: Reach,
    tls: TlsConnector,
}

/// What stood in the way of an answer.
type Obstacle = String;

impl Hooks {
    pub(super) fn new(reach: Reach, trust: Arc<ClientConfig>) -> Self {
        Self {
            reach,
            tls: TlsConnector::from(trust),
        }
    }

    /// Whether this could be reached now. A name that nobody knows yet may be known later.
    pub(super) async fn admits(&self, url: &HookUrl) -> Result<(), String> {
        match tokio::time::timeout(PATIENCE, self.reach.addresses(url)).await {
            Ok(Ok(_)) | Ok(Err(OutOfReach::NoAddress)) | Err(_) => Ok(()),
            Ok(Err(out_of_reach)) => Err(out_of_reach.to_string()),
        }
    }

    pub(super) async fn send(
        &self,
        parcel: &Parcel,
        url: &HookUrl,
        secrets: &[SigningSecret],
    ) -> Outcome {
        let answer = tokio::time::timeout(PATIENCE, self.exchange(parcel, url, secrets)).await;
        match answer {
            Ok(Ok((status, headers))) => outcome(status, &headers),
            Ok(Err(words)) => Outcome::Unreachable { words },
            Err(_) => Outcome::Unreachable {
                words: "no answer in time".to_owned(),
            },
        }
    }

    async fn exchange(
        &self,
        parcel: &Parcel,
        url: &HookUrl,
        secrets: &[SigningSecret],
    ) -> Result<(StatusCode, HeaderMap), Obstacle> {
        let addresses = self
            .reach
            .addresses(url)
            .await
            .map_err(|error| error.to_string())?;
        let stream = connect(&addresses).await?;
        let request = request(parcel, url, secrets)?;
        if !url.is_secure() {
            return ask(stream, request).await;
        }
        let name = match url.host() {
            Host::Name(name) => ServerName::try_from(name.clone())
                .map_err(|_| "the name of the host cannot stand in a certificate".to_owned())?,
            Host::Address(address) => ServerName::from(*address),
        };
        let stream = self.tls.connect(name, stream).await.map_err(|_| {
            "TLS failed: its certificate is not trusted here, or it speaks another".to_owned()
        })?;
        ask(stream, request).await
    }
}

/// Connects to one of the addresses, which were checked; no name is looked up here.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Obstacle> {
    for address in addresses.iter().take(MAX_TRIES) {
        if let Ok(Ok(stream)) = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    Err("the connection could not be made".to_owned())
}

fn request(
    parcel: &Parcel,
    url: &HookUrl,
    secrets: &[SigningSecret],
) -> Result<Request<Full<Bytes>>, Obstacle> {
    let body = body(parcel);
    let (id, timestamp) = (parcel.id.to_string(), parcel.at.seconds().to_string());
    let request = Request::builder()
        .method(Method::POST)
        .uri(url.target())
        .header(HOST, url.authority())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, "latchkey")
        .header(
            "webhook-signature",
            signature(&id, &timestamp, &body, secrets),
        )
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .body(Full::new(Bytes::from(body)));
    request.map_err(|_| "the request cannot be written".to_owned())
}

/// `v1,` and the signature, for each secret, the newest first.
fn signature(id: &str, timestamp: &str, body: &str, secrets: &[SigningSecret]) -> String {
    let message = format!("{id}.{timestamp}.{body}");
    let each = secrets
        .iter()
        .map(|secret| format!("v1,{}", STANDARD.encode(secret.sign(message.as_bytes()))));
    each.collect::<Vec<_>>().join(" ")
}

/// What is told; at every try the same bytes.
fn body(parcel: &Parcel) -> String {
    let notice = &parcel.notice;
    let kind = if parcel.is_test {
        "test"
    } else {
        notice.kind.as_str()
    };
    let detail: serde_json::Value = serde_json::from_str(&notice.body).unwrap_or_default();
    json!({
        "type": format!("notice.{kind}"),
        "timestamp": words::moment(notice.created_at),
        "data": {
            "id": notice.id.to_string(),
            "organization_id": notice.organization.map(|id| id.to_string()),
            "organization_name": parcel.organization,
            "kind": kind,
            "subject_kind": notice.subject.kind.as_str(),
            "subject_id": notice.subject.id,
            "detail": detail,
            "created_at": words::moment(notice.created_at),
            "server": parcel.server,
        },
    })
    .to_string()
}

/// Sends over a connection that is made, reads the head of the answer, and lets go of its body. Redirects are answers.
async fn ask<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, HeaderMap), Obstacle>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |_| "the receiver broke the connection off".to_owned();
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(100)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(broken)?;
        let (head, body) = answer.into_parts();
        // Whoever cuts the receiver off in the middle of its answer may count as not having got it.
        let _ = Limited::new(body, MAX_ANSWER).collect().await;
        Ok((head.status, head.headers))
    };
    tokio::pin!(connection);
    tokio::pin!(exchange);
    tokio::select! {
        biased;
        answered = &mut exchange => answered,
        // The connection may end before the answer was taken out of it.
        _ = &mut connection => exchange.as_mut().await,
    }
}

fn outcome(status: StatusCode, headers: &HeaderMap) -> Outcome {
    let words = format!("answered {}xx", status.as_u16() / 100);
    match status {
        _ if status.is_success() => Outcome::Delivered { words },
        StatusCode::GONE => Outcome::Gone {
            words: "answered 410: it wants nothing more".to_owned(),
        },
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Outcome::Refused {
            words,
            permanent: false,
            retry_after: retry_after(headers),
        },
        // Whatever else a receiver answers may be mended while it is tried again.
        _ => Outcome::Refused {
            words,
            permanent: false,
            retry_after: None,
        },
    }
}

/// The seconds of `Retry-After`; its other form, a date, would need the receiver's clock.
fn retry_after(headers: &HeaderMap) -> Option<Span> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let seconds: u32 = seconds.trim().parse().ok()?;
    Some(Span::from_secs(i64::from(seconds)))
}
