//! The accept loop: connections with a cap, a clock on every wait, and a stop that finishes what
//! was begun.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
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
}

async fn serve<S>(stream: Wire<S>, peer: IpAddr, tls: bool, mut shared: Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let begun = Instant::now();
    let activity = Arc::new(Activity::default());
    let header_time = duration(shared.edge.limits.header_time);
    let service = {
        let (edge, activity) = (Arc::clone(&shared.edge), Arc::clone(&activity));
        service_fn(move |request: Request<Incoming>| {
            let (edge, activity) = (Arc::clone(&edge), Arc::clone(&activity));
            async move {
                activity.running.fetch_add(1, Ordering::Relaxed);
                let response = edge.answer(request.map(Body::new), peer, tls).await;
                let now = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                activity.last.store(now, Ordering::Relaxed);
                activity.served.fetch_add(1, Ordering::Relaxed);
                activity.running.fetch_sub(1, Ordering::Relaxed);
                Ok::<_, Infallible>(response)
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
                if idle && !closing && last + IDLE <= Instant::now() {
                    connection.as_mut().graceful_shutdown();
                    closing = true;
                }
                deadline = (last + IDLE).max(Instant::now() + header_time);
            }
        }
    }
}
