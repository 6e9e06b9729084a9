//! The server put together: every room's routes behind one edge, and the life of the whole from start to stop.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use authority::Authority;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle};
use tower::ServiceExt;

use crate::config::{Config, Server};
use crate::edge::body;
use crate::edge::listener::{Addresses, Listeners, Stopped};
use crate::edge::ops::{self, Readiness};
use crate::edge::telemetry::Metrics;
use crate::edge::tls::{Tls, duration};
use crate::edge::{Arrival, Edge, RouteName, name_routes, refuse_methods};
use crate::gateway::door::{self, Asked};
use crate::gateway::subrequest::{self, Desk};
use crate::gateway::{BadGateway, Gateway, Policy};
use crate::notify::Notify;
use crate::problem::Kind;
use crate::{api, console, dialects, oauth2};

/// What a server is made of.
#[derive(Clone)]
pub struct Parts {
    /// Whom it speaks for.
    pub authority: Authority,
    /// The settings.
    pub config: Config,
    /// The program's version.
    pub version: &'static str,
    /// A number that tells this process from others in the ids of requests.
    pub run: u64,
}

/// A server that did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The gateway's settings name what does not exist.
    #[error(transparent)]
    Gateway(#[from] BadGateway),
    /// Notices could not be sent with these settings.
    #[error("{0}")]
    Notify(io::Error),
    /// A host is bound to a dialect that is not spoken here.
    #[error("server.hosts.{host}: there is no dialect {dialect:?}; there are {known}")]
    Dialect {
        /// The host.
        host: String,
        /// What it is bound to.
        dialect: String,
        /// The dialects that there are.
        known: String,
    },
}

/// The whole as one router: what the edge stands before.
///
/// A request goes to the policy that is bound to its host, then to the dialect that is bound to its host, and otherwise
/// to whoever has its path; what nobody has goes to the policies for any host.
///
/// # Errors
/// When the settings name products, scopes, dialects or files that do not exist.
pub fn router(
    parts: &Parts,
    metrics: &Arc<Metrics>,
    readiness: &Readiness,
) -> Result<Router, StartError> {
    let Parts {
        authority,
        config,
        version,
        ..
    } = parts;
    let products = authority.world().products();
    let gateway = Arc::new(Gateway::new(&config.gateway, &products, |path| {
        std::fs::read(path)
    })?);
    let mounted = Mounted {
        gateway: Arc::clone(&gateway),
        authority: authority.clone(),
        metrics: Arc::clone(metrics),
    };
    let desk = Desk::new(
        gateway,
        authority.clone(),
        &config.server.trusted_proxies,
        Arc::clone(metrics),
    );

    let speaker = dialects::Speaker {
        authority: authority.clone(),
        config: Arc::new(config.clone()),
    };
    let mut bound = BTreeMap::new();
    for (host, name) in &config.server.hosts {
        let dialect = dialects::named(name, &speaker).ok_or_else(|| StartError::Dialect {
            host: host.clone(),
            dialect: name.clone(),
            known: dialects::names().join(", "),
        })?;
        bound.insert(
            host.clone(),
            name_routes(refuse_methods(mounted.clone().below(dialect))),
        );
    }
    let all = api::routes(api::Api {
        authority: authority.clone(),
        version,
        examples: dialects::example_writer,
    })
    .merge(oauth2::routes(authority.clone()))
    .merge(dialects::routes(&speaker))
    .merge(console::routes(console::Console {
        authority: authority.clone(),
        version,
    }))
    .merge(subrequest::routes(desk))
    .merge(readiness.clone().routes())
    .merge(ops::routes(
        Arc::clone(metrics),
        config.server.metrics_from.clone(),
    ));
    let by_host = ByHost {
        mounted: mounted.clone(),
        bound: Arc::new(bound),
    };
    Ok(refuse_methods(mounted.below(all))
        .layer(from_fn_with_state(by_host, ByHost::route))
        .layer(from_fn_with_state(authority.clone(), dialects::dress)))
}

/// The policies that have an upstream here.
#[derive(Clone)]
struct Mounted {
    gateway: Arc<Gateway>,
    authority: Authority,
    metrics: Arc<Metrics>,
}

impl Mounted {
    /// Answers what a router does not know.
    fn below(self, router: Router) -> Router {
        router.fallback(move |request: Request| async move {
            match self.policy(&request, false) {
                Some((policy, arrival)) => self.pass(policy, request, &arrival).await,
                None => Kind::NotFound.into_response(),
            }
        })
    }

    fn policy(&self, request: &Request, bound: bool) -> Option<(&Policy, Arc<Arrival>)> {
        let arrival = Arc::clone(request.extensions().get::<Arc<Arrival>>()?);
        let policy = self
            .gateway
            .mounted(&arrival.host, request.uri().path(), bound)?;
        Some((policy, arrival))
    }

    /// Verdict first; then the request goes on.
    async fn pass(&self, policy: &Policy, request: Request, arrival: &Arrival) -> Response {
        let begun = tokio::time::Instant::now();
        let (head, mut body) = request.into_parts();
        // A body that is not needed for the verdict is not read before it.
        let mut known = None;
        if policy.is_signed(&head.headers) {
            let reading = arrival.reading;
            match body::read(body, reading.admin_body, reading.time).await {
                Ok(bytes) => {
                    body = Body::from(bytes.clone());
                    known = Some(bytes);
                }
                Err(fault) => return fault.problem().into_response(),
            }
        }
        let asked = Asked {
            method: &head.method,
            path: head.uri.path(),
            query: head.uri.query(),
            headers: &head.headers,
            body: known.as_deref(),
            client: arrival.client,
            asker: None,
        };
        let outcome = door::ask(&self.authority, policy, asked).await;
        self.metrics.verdict_took("proxy", begun.elapsed());
        let mut response = match outcome {
            Err(problem) => problem.into_response(),
            Ok(passed) => {
                let request = Request::from_parts(head, body);
                let sent =
                    self.gateway
                        .send(policy, &passed.path, &passed.identity, request, arrival);
                let mut response = sent.await;
                door::tell_limits(&passed.valid, &mut response);
                if let Some(call) = &passed.call {
                    self.authority.note_call(call, response.status().as_u16());
                }
                response
            }
        };
        response
            .extensions_mut()
            .insert(RouteName(format!("gateway:{}", policy.name)));
        response
    }
}

/// Whom the host of a request belongs to.
#[derive(Clone)]
struct ByHost {
    mounted: Mounted,
    /// One dialect for each of these hosts.
    bound: Arc<BTreeMap<String, Router>>,
}

impl ByHost {
    async fn route(State(this): State<Self>, request: Request, next: Next) -> Response {
        if let Some((policy, arrival)) = this.mounted.policy(&request, true) {
            return this.mounted.pass(policy, request, &arrival).await;
        }
        let host = request
            .extensions()
            .get::<Arc<Arrival>>()
            .map(|arrival| arrival.host.as_str());
        match host.and_then(|host| this.bound.get(host)) {
            Some(dialect) => match dialect.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
            None => next.run(request).await,
        }
    }
}

/// A server that is being served.
#[derive(Debug)]
pub struct Running {
    addresses: Addresses,
    stopping: Stopping,
    certificate: Option<Certificate>,
}

/// The certificate in use, and where it was read.
#[derive(Debug)]
struct Certificate {
    tls: Tls,
    chain: PathBuf,
    key: PathBuf,
}

struct Stopping {
    readiness: Readiness,
    drain_delay: std::time::Duration,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Stopped>,
    stop_jobs: watch::Sender<bool>,
    jobs: JoinHandle<()>,
}

impl std::fmt::Debug for Stopping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stopping")
    }
}

/// Reads the certificate of `server.tls_listen`; nothing when there is none to serve.
///
/// # Errors
/// When a file cannot be read, is no PEM, or the two do not belong together; the message names it.
pub fn tls(server: &Server) -> io::Result<Option<Tls>> {
    match (&server.tls_listen, &server.tls_certificate, &server.tls_key) {
        (Some(_), Some(chain), Some(key)) => Ok(Some(Tls::new(&read(chain)?, &read(key)?)?)),
        _ => Ok(None),
    }
}

fn read(path: &PathBuf) -> io::Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot read {}: {error}", path.display()),
        )
    })
}

/// Serves on sockets that are bound, and runs the authority's jobs beside.
///
/// # Errors
/// As [`router`]; nothing is served then.
pub async fn start(parts: Parts, listeners: Listeners) -> Result<Running, StartError> {
    let mut metrics = Metrics::new(parts.version);
    metrics.watch(parts.authority.clone());
    let metrics = Arc::new(metrics);
    let readiness = Readiness::new(parts.authority.clone());
    let router = router(&parts, &metrics, &readiness)?;
    let server = &parts.config.server;
    let edge = Arc::new(Edge::new(
        router,
        server,
        &parts.config.limits,
        metrics,
        parts.run,
    ));

    let addresses = listeners.addresses();
    let own = [addresses.plain, addresses.tls].into_iter().flatten();
    let notify = Notify::new(&parts.config, own.collect(), |path| std::fs::read(path));
    parts
        .authority
        .appoint(Arc::new(notify.map_err(StartError::Notify)?));
    let certificate = match (listeners.tls(), &server.tls_certificate, &server.tls_key) {
        (Some(tls), Some(chain), Some(key)) => Some(Certificate {
            tls: tls.clone(),
            chain: chain.clone(),
            key: key.clone(),
        }),
        _ => None,
    };
    let (stop_jobs, jobs_stop) = watch::channel(false);
    let jobs = {
        let authority = parts.authority.clone();
        tokio::spawn(async move { authority.run_jobs(jobs_stop).await })
    };
    let (stop, stopped) = oneshot::channel();
    let until = async move {
        // Whoever dropped the other end cannot ask for a stop any more: that is one.
        let _ = stopped.await;
    };
    let served = tokio::spawn(listeners.serve(edge, duration(server.stop_timeout), until));
    let drain_delay = duration(server.drain_delay);
    let stopping = Stopping {
        readiness,
        drain_delay,
        stop,
        served,
        stop_jobs,
        jobs,
    };
    Ok(Running {
        addresses,
        stopping,
        certificate,
    })
}

impl Running {
    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Reads the certificate again, for SIGHUP; on an error the old one stays. Nothing happens without HTTPS.
    ///
    /// # Errors
    /// As [`tls`].
    pub fn reload_certificate(&self) -> io::Result<()> {
        match &self.certificate {
            Some(Certificate { tls, chain, key }) => tls.replace(&read(chain)?, &read(key)?),
            None => Ok(()),
        }
    }

    /// Stops in order: `/readyz` says no, requests are still served for `server.drain_delay`, then nothing new is
    /// accepted and what runs may finish for `server.stop_timeout`; the jobs end last. The authority stays open: whoever
    /// opened it closes it.
    ///
    /// # Errors
    /// When a task of the server panicked.
    pub async fn stop(self) -> Result<Stopped, JoinError> {
        let Stopping {
            readiness,
            drain_delay,
            stop,
            served,
            stop_jobs,
            jobs,
        } = self.stopping;
        readiness.drain();
        tokio::time::sleep(drain_delay).await;
        // It may have ended already.
        let _ = stop.send(());
        let stopped = served.await?;
        stop_jobs.send_replace(true);
        jobs.await?;
        Ok(stopped)
    }
}
