//! The accept loop: connections with a cap, a clock on every wait, and a stop that finishes what
//! was begun.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Version};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Edge;
use super::tls::{Tls, duration};
use super::wire::Wire;
use crate::config::{Limits, Server};

/// The pause after a failed accept, such as when descriptors have run out: long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Requests at a time on one HTTP/2 connection: what a gateway multiplexes, not a flood.
const STREAMS: u32 = 200;
/// Streams that a client reset before they were accepted; more is the rapid-reset attack.
const PENDING_RESETS: usize = 20;
/// Resets that a client provoked from this side; more is one of its variants.
const LOCAL_RESETS: usize = 256;
/// Answer bytes held per HTTP/2 stream while its client is slow.
const STREAM_BUFFER: usize = 64 * 1024;
/// How long an HTTP/2 connection may stand without a request; HTTP/1.1 has `limits.header_time`.
const IDLE: Duration = Duration::from_secs(75);
/// How long an HTTP/2 client that asks for nothing more may leave an answer lying: it can close its window and still
/// answer every ping.
const UNTAKEN: Duration = Duration::from_secs(150);
/// How long HTTP/2 waits before it asks whether the other end is there, and for the answer.
const PING: Duration = Duration::from_secs(20);
/// How many connections may wait to be accepted before the kernel refuses.
const BACKLOG: u32 = 1024;

/// Sockets that are bound, before anything is served.
#[derive(Debug)]
pub struct Listeners {
    plain: Option<TcpListener>,
    tls: Option<(TcpListener, Tls)>,
    addresses: Addresses,
}

/// Where the server can be reached; the real ports where 0 was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// Plain HTTP.
    pub plain: Option<SocketAddr>,
    /// HTTPS.
    pub tls: Option<SocketAddr>,
}

/// How a stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Connections that were not done in time and were cut off.
    pub cut_off: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    Draining,
    Cut,
}

impl Listeners {
    /// Binds the sockets of the settings. `tls` is needed when `tls_listen` is set.
    ///
    /// # Errors
    /// When an address is in use or not ours, with the address in the message.
    pub async fn bind(server: &Server, tls: Option<Tls>) -> io::Result<Self> {
        let plain = match server.listen {
            Some(address) => Some(listen(address)?),
            None => None,
        };
        let tls = match (server.tls_listen, tls) {
            (Some(address), Some(tls)) => Some((listen(address)?, tls)),
            (Some(_), None) => return Err(io::Error::other("HTTPS needs a certificate")),
            (None, _) => None,
        };
        let addresses = Addresses {
            plain: plain.as_ref().map(TcpListener::local_addr).transpose()?,
            tls: tls
                .as_ref()
                .map(|(listener, _)| listener.local_addr())
                .transpose()?,
        };
        Ok(Self {
            plain,
            tls,
            addresses,
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The certificate of the HTTPS socket, to replace it while it is served.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref().map(|(_, tls)| tls)
    }

    /// Serves until `stop` is done; then accepts no more, lets running requests finish for
    /// `drain`, and cuts off the rest. Whoever wants load balancers to look away first lets
    /// `/readyz` fail before `stop`.
    pub async fn serve(
        self,
        edge: Arc<Edge>,
        drain: Duration,
        stop: impl Future<Output = ()>,
    ) -> Stopped {
        let most = usize::try_from(edge.limits.connections)
            .unwrap_or(usize::MAX)
            .min(Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(most));
        let (phase, watcher) = watch::channel(Phase::Serving);
        let shared = Shared {
            engine: Arc::new(engine(&edge.limits)),
            edge,
            slots: Arc::clone(&slots),
            phase: watcher,
            idle: IDLE,
            untaken: UNTAKEN,
        };
        if let Some(listener) = self.plain {
            tokio::spawn(accept(listener, None, shared.clone()));
        }
        if let Some((listener, tls)) = self.tls {
            tokio::spawn(accept(listener, Some(tls), shared.clone()));
        }
        drop(shared);
        stop.await;
        phase.send_replace(Phase::Draining);
        // Every connection and accept loop holds a slot until it is done.
        let all = u32::try_from(most).unwrap_or(u32::MAX);
        let cut_off = match timeout(drain, slots.acquire_many(all)).await {
            Ok(_) => 0,
            Err(_) => most - slots.available_permits(),
        };
        phase.send_replace(Phase::Cut);
        Stopped { cut_off }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let bind = || {
        let socket = if address.is_ipv4() {
            tokio::net::TcpSocket::new_v4()
        } else {
            tokio::net::TcpSocket::new_v6()
        }?;
        // A restart must not wait for the connections of the last run to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bind().map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}

#[derive(Clone)]
struct Shared {
    edge: Arc<Edge>,
    engine: Arc<Builder<TokioExecutor>>,
    slots: Arc<Semaphore>,
    phase: watch::Receiver<Phase>,
    idle: Duration,
    untaken: Duration,
}

/// The engine with its limits. Whatever it counts in bytes or headers it refuses with 431 itself.
fn engine(limits: &Limits) -> Builder<TokioExecutor> {
    let mut engine = Builder::new(TokioExecutor::new());
    let header_bytes = limits.header_bytes.0;
    engine
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(duration(limits.header_time))
        .max_buf_size(header_bytes);
    // Up to its own default of 100 the engine keeps headers on the stack.
    if limits.header_count != 100 {
        engine
            .http1()
            .max_headers(usize::try_from(limits.header_count).unwrap_or(usize::MAX));
    }
    engine
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(LOCAL_RESETS)
        .max_send_buf_size(STREAM_BUFFER)
        .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX));
    engine
}

async fn accept(listener: TcpListener, tls: Option<Tls>, mut shared: Shared) {
    loop {
        let slots = Arc::clone(&shared.slots);
        let next = async {
            let slot = slots.acquire_owned().await.ok()?;
            Some((slot, listener.accept().await))
        };
        let (slot, accepted) = tokio::select! {
            biased;
            _ = shared.phase.changed() => return,
            next = next => match next {
                Some(next) => next,
                None => return,
            },
        };
        match accepted {
            Ok((stream, peer)) => {
                let (tls, shared) = (tls.clone(), shared.clone());
                tokio::spawn(async move {
                    connection(stream, peer.ip(), tls, shared).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(error = %error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: IpAddr, tls: Option<Tls>, shared: Shared) {
    // Answers are written whole; waiting for more to send only delays them.
    let _ = stream.set_nodelay(true);
    let limits = &shared.edge.limits;
    let patience = duration(limits.body_time);
    let Some(tls) = tls else {
        return serve(Wire::new(stream, false, patience), peer, false, shared).await;
    };
    let handshake = timeout(duration(limits.header_time), tls.acceptor().accept(stream));
    if let Ok(Ok(stream)) = handshake.await {
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2".as_slice());
        serve(Wire::new(stream, http2, patience), peer, true, shared).await;
    }
}

/// What a connection is doing, for the clock that closes idle ones.
#[derive(Default)]
struct Activity {
    running: AtomicUsize,
    served: AtomicUsize,
    /// When the last request was done, in milliseconds since the connection began.
    last: AtomicU64,
    /// Whether it speaks HTTP/2.
    http2: AtomicBool,
    /// HTTP/2: the bodies of answers that wait for whoever makes them, and not for the client.
    waiting: AtomicUsize,
    /// HTTP/2: when the client last had room for more of an answer, in milliseconds since the connection began.
    taken: AtomicU64,
}

/// The body of an answer; over HTTP/2 it notes when it is taken. HTTP/1.1 has the patience of [`Wire`].
struct Watched {
    body: Body,
    over: Option<(Arc<Activity>, Instant)>,
    waiting: bool,
}

impl Watched {
    fn is_waiting(&mut self, waiting: bool) {
        if let Some((activity, _)) = &self.over
            && self.waiting != waiting
        {
            self.waiting = waiting;
            if waiting {
                activity.waiting.fetch_add(1, Ordering::Relaxed);
            } else {
                activity.waiting.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let outcome = Pin::new(&mut self.body).poll_frame(cx);
        if let Some((activity, begun)) = &self.over {
            activity.taken.store(since(*begun), Ordering::Relaxed);
        }
        self.is_waiting(outcome.is_pending());
        outcome
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.is_waiting(false);
    }
}

/// Whole milliseconds from then to now.
fn since(then: Instant) -> u64 {
    u64::try_from(then.elapsed().as_millis()).unwrap_or(u64::MAX)
}

async fn serve<S>(stream: Wire<S>, peer: IpAddr, tls: bool, mut shared: Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let begun = Instant::now();
    let activity = Arc::new(Activity::default());
    let header_time = duration(shared.edge.limits.header_time);
    let (idle_time, untaken) = (shared.idle, shared.untaken);
    let service = {
        let (edge, activity) = (Arc::clone(&shared.edge), Arc::clone(&activity));
        service_fn(move |request: Request<Incoming>| {
            let (edge, activity) = (Arc::clone(&edge), Arc::clone(&activity));
            async move {
                activity.running.fetch_add(1, Ordering::Relaxed);
                let http2 = request.version() == Version::HTTP_2;
                activity.http2.store(http2, Ordering::Relaxed);
                let response = edge.answer(request.map(Body::new), peer, tls).await;
                activity.last.store(since(begun), Ordering::Relaxed);
                activity.served.fetch_add(1, Ordering::Relaxed);
                activity.running.fetch_sub(1, Ordering::Relaxed);
                Ok::<_, Infallible>(response.map(|body| Watched {
                    body,
                    over: http2.then_some((activity, begun)),
                    waiting: false,
                }))
            }
        })
    };
    let engine = Arc::clone(&shared.engine);
    let mut connection = pin!(engine.serve_connection(TokioIo::new(stream), service));
    let mut closing = false;
    let mut deadline = begun + header_time;
    loop {
        tokio::select! {
            biased;
            // How a connection ends is the client's business; what the server did is logged elsewhere.
            _ = connection.as_mut() => return,
            _ = shared.phase.changed() => match *shared.phase.borrow_and_update() {
                Phase::Cut => return,
                Phase::Draining | Phase::Serving => {
                    connection.as_mut().graceful_shutdown();
                    closing = true;
                    if activity.served.load(Ordering::Relaxed) == 0 && activity.running.load(Ordering::Relaxed) == 0 {
                        // Nothing has been asked yet, and the engine may still wait for the version.
                        deadline = deadline.min(Instant::now() + header_time);
                    }
                }
            },
            () = sleep_until(deadline) => {
                let idle = activity.running.load(Ordering::Relaxed) == 0;
                let served = activity.served.load(Ordering::Relaxed) > 0;
                let last = begun + Duration::from_millis(activity.last.load(Ordering::Relaxed));
                if idle && !served {
                    return;
                }
                let taken = begun + Duration::from_millis(activity.taken.load(Ordering::Relaxed));
                let waits = activity.waiting.load(Ordering::Relaxed) > 0;
                let http2 = activity.http2.load(Ordering::Relaxed);
                if http2 && idle && closing && !waits && last.max(taken) + untaken <= Instant::now() {
                    return;
                }
                if idle && !closing && last + idle_time <= Instant::now() {
                    connection.as_mut().graceful_shutdown();
                    closing = true;
                }
                deadline = (last + idle_time).max(Instant::now() + header_time);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::Router;
    use axum::routing::get;
    use http_body_util::Empty;

    use super::*;
    use crate::config::{Config, Sources};
    use crate::edge::telemetry::Metrics;

    /// Stands for the minutes of the real thing.
    const SHORT: Duration = Duration::from_millis(20);
    /// A connection that is kept for that long is kept.
    const LONG: Duration = Duration::from_secs(1);

    /// A body whose maker is in no hurry.
    struct Endless;

    impl HttpBody for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    /// Whether an HTTP/2 client that answers every ping and takes nothing keeps its connection with an answer of this
    /// path.
    async fn is_kept(path: &str) -> bool {
        let config = Config::load(&Sources {
            flags: BTreeMap::from([("limits.header_time".to_owned(), "10ms".to_owned())]),
            ..Sources::default()
        })
        .unwrap()
        .config;
        let router = Router::new()
            .route("/long", get(|| async { vec![b'x'; 4 << 20] }))
            .route("/endless", get(|| async { Body::new(Endless) }));
        let metrics = Arc::new(Metrics::new("test"));
        let edge = Arc::new(Edge::new(
            router,
            &config.server,
            &config.limits,
            metrics,
            7,
        ));
        let (_phase, phase) = watch::channel(Phase::Serving);
        let shared = Shared {
            engine: Arc::new(engine(&config.limits)),
            edge,
            slots: Arc::new(Semaphore::new(1)),
            phase,
            idle: SHORT,
            untaken: SHORT,
        };
        let (near, far) = tokio::io::duplex(64 * 1024);
        let patience = duration(config.limits.body_time);
        let served = tokio::spawn(serve(
            Wire::new(near, true, patience),
            [127, 0, 0, 1].into(),
            true,
            shared,
        ));
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(far))
                .await
                .unwrap();
        tokio::spawn(connection);
        let request = Request::get(format!("https://localhost{path}"))
            .body(Empty::<Bytes>::new())
            .unwrap();
        let _untaken = client.send_request(request).await.unwrap();
        timeout(LONG, served).await.is_err()
    }

    #[tokio::test]
    async fn an_answer_that_nobody_takes_does_not_keep_its_connection() {
        assert!(!is_kept("/long").await);
    }

    #[tokio::test]
    async fn an_answer_whose_maker_takes_time_keeps_its_connection() {
        assert!(is_kept("/endless").await);
    }
}
