//! The gateway: what a request needs, and how an allowed one reaches its upstream.
//!
//! [`path`] makes a path unambiguous or refuses it, [`route`] says what the path needs, and
//! [`forward`] sends the request on. Whether a key is good enough is asked of whoever is handed in
//! as `decide`; this module knows no keys.

pub mod forward;
pub mod identity;
pub mod path;
pub mod route;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::PathBuf;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, Method, Request};

use crate::config::GatewaySettings;
use crate::edge::Arrival;
use crate::problem::{Kind, Problem};
use forward::{Forwarder, Outgoing};
use identity::Identity;
use path::CleanPath;
use route::{Rule, Table};

/// The policies and upstreams of the configuration, ready for use.
#[derive(Debug)]
pub struct Gateway {
    policies: BTreeMap<String, Policy>,
    forwarder: Forwarder,
    /// Host (or any), prefix as whole segments, policy; the most specific first.
    mounts: Vec<(Option<String>, Vec<String>, String)>,
}

/// One policy, ready for use.
#[derive(Debug)]
pub struct Policy {
    /// Its name in the configuration and in paths.
    pub name: String,
    /// The product whose scopes its routes name.
    pub product: String,
    /// The headers in which a key is looked for.
    pub credential_headers: Vec<HeaderName>,
    /// Further headers of the client that do not reach the upstream.
    pub strip_headers: Vec<HeaderName>,
    upstream: Option<String>,
    table: Table,
}

/// What is asked before a request goes on.
#[derive(Debug)]
pub struct Question {
    /// The policy's name.
    pub policy: String,
    /// The product whose scopes are meant.
    pub product: String,
    /// The method of the request.
    pub method: Method,
    /// Its path, as it would be forwarded.
    pub path: String,
    /// What the route needs.
    pub rule: Rule,
    /// The resource that the path names, where the rule asks for one.
    pub resource: Option<String>,
}

/// Why a path opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoute {
    /// The path can be read in more than one way.
    Ambiguous,
    /// No route of the policy fits.
    NotListed,
}

impl From<NoRoute> for Problem {
    fn from(reason: NoRoute) -> Self {
        match reason {
            NoRoute::Ambiguous => Problem::new(Kind::AmbiguousPath),
            NoRoute::NotListed => Problem::new(Kind::Forbidden)
                .because("No route of the policy fits this method and path."),
        }
    }
}

impl Gateway {
    /// Builds the gateway from settings that [`crate::config`] has checked. `read_file` brings the
    /// PEM files of upstreams.
    ///
    /// # Errors
    /// When a file of certificates cannot be read or holds none.
    pub fn new(
        settings: &GatewaySettings,
        read_file: impl Fn(&PathBuf) -> io::Result<Vec<u8>>,
    ) -> io::Result<Self> {
        let mut policies = BTreeMap::new();
        let mut mounts = Vec::new();
        for (name, policy) in &settings.policies {
            let table = Table::new(&policy.routes).map_err(io::Error::other)?;
            if policy.upstream.is_some() {
                let any_host = policy.hosts.is_empty().then_some(None);
                let hosts = any_host
                    .into_iter()
                    .chain(policy.hosts.iter().cloned().map(Some));
                for host in hosts {
                    let root = policy.prefixes.is_empty().then(|| "/".to_owned());
                    for prefix in policy.prefixes.iter().chain(&root) {
                        let segments = CleanPath::parse(prefix).map_err(|_| {
                            io::Error::other(format!("{prefix:?} is no plain path"))
                        })?;
                        mounts.push((host.clone(), segments.segments().to_vec(), name.clone()));
                    }
                }
            }
            policies.insert(
                name.clone(),
                Policy {
                    name: name.clone(),
                    product: policy.product.clone(),
                    credential_headers: policy.credential_headers.clone(),
                    strip_headers: policy.strip_headers.clone(),
                    upstream: policy.upstream.clone(),
                    table,
                },
            );
        }
        // A policy bound to a host beats one for any; then the longer prefix.
        mounts.sort_by_key(|(host, prefix, name)| {
            (host.is_none(), usize::MAX - prefix.len(), name.clone())
        });
        Ok(Self {
            policies,
            forwarder: Forwarder::new(settings, read_file)?,
            mounts,
        })
    }

    /// The policy of this name.
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.get(name)
    }

    /// Every policy, in order of name.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.policies.values()
    }

    /// The policy whose upstream serves this path on this host (in lower case, without a port).
    ///
    /// An ambiguous path of a mounted prefix is found by its raw beginning, so that it is refused
    /// by [`Gateway::pass`] and not passed to somebody else.
    pub fn mounted(&self, host: &str, raw_path: &str) -> Option<&Policy> {
        let clean = CleanPath::parse(raw_path).ok();
        let raw: Vec<&str> = raw_path.split('/').skip(1).collect();
        let (_, _, name) = self.mounts.iter().find(|(bound, prefix, _)| {
            bound.as_deref().is_none_or(|bound| bound == host)
                && match &clean {
                    Some(clean) => clean.segments().starts_with(prefix),
                    None => {
                        raw.len() >= prefix.len() && raw.iter().zip(prefix).all(|(a, b)| a == b)
                    }
                }
        })?;
        self.policies.get(name)
    }

    /// Asks `decide` about the request and, if it names an identity, sends the request to the
    /// policy's upstream; otherwise the refusal that `decide` wrote is the answer.
    pub async fn pass<F, D>(
        &self,
        policy: &Policy,
        request: Request<Body>,
        arrival: &Arrival,
        decide: D,
    ) -> Response
    where
        D: FnOnce(Question) -> F,
        F: Future<Output = Result<Identity, Response>>,
    {
        let question = match policy.question(request.method(), request.uri().path()) {
            Ok(question) => question,
            Err(reason) => return Problem::from(reason).into_response(),
        };
        let path = question.path.clone();
        let identity = match decide(question).await {
            Ok(identity) => identity,
            Err(refusal) => return refusal,
        };
        let Some(upstream) = &policy.upstream else {
            return Problem::new(Kind::NotFound)
                .because("This policy has no upstream.")
                .into_response();
        };
        let outgoing = Outgoing {
            upstream,
            path: &path,
            policy,
            identity: &identity,
            arrival,
        };
        self.forwarder.forward(request, outgoing).await
    }
}

impl Policy {
    /// What a request needs.
    ///
    /// # Errors
    /// [`NoRoute`] when the path is ambiguous or nothing fits: both are refusals.
    pub fn question(&self, method: &Method, raw_path: &str) -> Result<Question, NoRoute> {
        let path = CleanPath::parse(raw_path).map_err(|_| NoRoute::Ambiguous)?;
        let found = self.table.find(method, &path).ok_or(NoRoute::NotListed)?;
        Ok(Question {
            policy: self.name.clone(),
            product: self.product.clone(),
            method: method.clone(),
            resource: found.resource(&path),
            rule: found.rule.clone(),
            path: path.to_string(),
        })
    }
}

#[cfg(test)]
mod tests;
