//! The gateway: what a request needs, whether it gets it, and how an allowed one reaches its upstream.
//!
//! [`path`] makes a path unambiguous or refuses it, [`route`] says what the path needs, [`door`] asks the authority
//! about the key, [`refuse`] writes its no, and [`forward`] sends an allowed request on. [`subrequest`] answers other
//! gateways that only ask.

pub mod door;
pub mod forward;
pub mod identity;
pub mod path;
pub mod refuse;
pub mod route;
pub mod subrequest;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use authority::catalog::Product;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use credential::name::ProductName;
use http::{HeaderMap, HeaderName, Method, Request};

use crate::config::{self, CredentialForm, GatewaySettings};
use crate::edge::Arrival;
use crate::problem::{Kind, Problem};
use forward::{Forwarder, Outgoing};
use identity::Identity;
use path::CleanPath;
use route::{BadRoutes, Rule, Table};

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
    /// The product whose keys it asks for, and whose scopes its routes name.
    pub product: ProductName,
    /// How a key is presented.
    pub credential: CredentialForm,
    /// The headers in which it is looked for, as the settings have them.
    pub credential_headers: Vec<HeaderName>,
    /// Further headers of the client that do not reach the upstream.
    pub strip_headers: Vec<HeaderName>,
    upstream: Option<String>,
    /// Whether the product's reports tell of each call.
    reports_calls: bool,
    table: Table,
}

/// What a request needs.
#[derive(Debug)]
pub struct Question<'p> {
    /// Its path, in the one form that would be forwarded.
    pub path: String,
    /// The pattern that it fits, as the policy writes it: what usage is counted by, since paths are without number.
    pub route: &'p str,
    /// What the route needs.
    pub rule: &'p Rule,
    /// The resource that the path names, as `kind:id`, where the rule asks for one.
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

/// A gateway that cannot be built from its settings.
#[derive(Debug, thiserror::Error)]
pub enum BadGateway {
    /// A policy for a product that no catalog declares.
    #[error("gateway.policies.{policy}.product: there is no product {product:?}")]
    Product {
        /// The policy.
        policy: String,
        /// What it names.
        product: String,
    },
    /// A route that means nothing, or asks for what the product does not have.
    #[error("gateway.policies.{policy}.routes: {why}")]
    Routes {
        /// The policy.
        policy: String,
        /// Which route, and what is wrong with it.
        why: BadRoutes,
    },
    /// A prefix that is no plain path.
    #[error("gateway.policies.{policy}.prefixes: {prefix:?} is no plain path")]
    Prefix {
        /// The policy.
        policy: String,
        /// What it names.
        prefix: String,
    },
    /// A file of certificates that cannot be read or holds none.
    #[error("gateway.upstreams: {0}")]
    Upstream(#[from] io::Error),
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
    /// Builds the gateway from settings that [`crate::config`] has checked, against the products that their policies
    /// name. `read_file` brings the PEM files of upstreams.
    ///
    /// # Errors
    /// What the settings alone could not tell: a product, scope or kind of resource that does not exist, a file of
    /// certificates that cannot be read.
    pub fn new(
        settings: &GatewaySettings,
        products: &[Arc<Product>],
        read_file: impl Fn(&PathBuf) -> io::Result<Vec<u8>>,
    ) -> Result<Self, BadGateway> {
        let mut policies = BTreeMap::new();
        let mut mounts = Vec::new();
        for (name, policy) in &settings.policies {
            policies.insert(name.clone(), Policy::new(name, policy, products)?);
            if policy.upstream.is_none() {
                continue;
            }
            let any_host = policy.hosts.is_empty().then_some(None);
            let hosts = any_host
                .into_iter()
                .chain(policy.hosts.iter().cloned().map(Some));
            for host in hosts {
                let root = policy.prefixes.is_empty().then(|| "/".to_owned());
                for prefix in policy.prefixes.iter().chain(&root) {
                    let segments = CleanPath::parse(prefix).map_err(|_| BadGateway::Prefix {
                        policy: name.clone(),
                        prefix: prefix.clone(),
                    })?;
                    mounts.push((host.clone(), segments.segments().to_vec(), name.clone()));
                }
            }
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

    /// The policy whose upstream serves this path on this host (in lower case, without a port); with `only_bound`, only
    /// among those that are bound to the host, otherwise also among those for any.
    ///
    /// An ambiguous path of a mounted prefix is found by its raw beginning, so that it is refused
    /// by [`Policy::question`] and not passed to somebody else.
    pub fn mounted(&self, host: &str, raw_path: &str, only_bound: bool) -> Option<&Policy> {
        let clean = CleanPath::parse(raw_path).ok();
        let raw: Vec<&str> = raw_path.split('/').skip(1).collect();
        let (_, _, name) = self.mounts.iter().find(|(bound, prefix, _)| {
            bound.as_deref().map_or(!only_bound, |bound| bound == host)
                && match &clean {
                    Some(clean) => clean.segments().starts_with(prefix),
                    None => {
                        raw.len() >= prefix.len() && raw.iter().zip(prefix).all(|(a, b)| a == b)
                    }
                }
        })?;
        self.policies.get(name)
    }

    /// Sends an allowed request to the policy's upstream. `path` is the path that was decided on.
    pub async fn send(
        &self,
        policy: &Policy,
        path: &str,
        identity: &Identity,
        request: Request<Body>,
        arrival: &Arrival,
    ) -> Response {
        let Some(upstream) = &policy.upstream else {
            return Problem::new(Kind::NotFound)
                .because("This policy has no upstream.")
                .into_response();
        };
        let outgoing = Outgoing {
            upstream,
            path,
            policy,
            identity,
            arrival,
        };
        self.forwarder.forward(request, outgoing).await
    }
}

impl Policy {
    fn new(
        name: &str,
        policy: &config::Policy,
        products: &[Arc<Product>],
    ) -> Result<Self, BadGateway> {
        let product = products
            .iter()
            .find(|product| product.name.as_str() == policy.product)
            .ok_or_else(|| BadGateway::Product {
                policy: name.to_owned(),
                product: policy.product.clone(),
            })?;
        let table = Table::new(&policy.routes, |route| {
            if let Some(kind) = &route.resource
                && !product.resource_kinds.contains(kind)
            {
                return Err(BadRoutes::NoKind(route.path.clone(), kind.clone()));
            }
            let declared = |text: &String| {
                product
                    .declared(text)
                    .ok_or_else(|| BadRoutes::NoScope(route.path.clone(), text.clone()))
            };
            route.scopes.iter().map(declared).collect()
        })
        .map_err(|why| BadGateway::Routes {
            policy: name.to_owned(),
            why,
        })?;
        Ok(Self {
            name: name.to_owned(),
            product: product.name.clone(),
            reports_calls: product.reports_calls,
            credential: policy.credential,
            credential_headers: policy.credential_headers.clone(),
            strip_headers: policy.strip_headers.clone(),
            upstream: policy.upstream.clone(),
            table,
        })
    }

    /// Whether a request presents a signature, so that its body must be known to judge it.
    pub fn is_signed(&self, headers: &HeaderMap) -> bool {
        self.credential == CredentialForm::SignedOrPair
            && self
                .credential_headers
                .iter()
                .skip(2)
                .any(|name| headers.contains_key(name))
    }

    /// What a request needs.
    ///
    /// # Errors
    /// [`NoRoute`] when the path is ambiguous or nothing fits: both are refusals.
    pub fn question(&self, method: &Method, raw_path: &str) -> Result<Question<'_>, NoRoute> {
        let path = CleanPath::parse(raw_path).map_err(|_| NoRoute::Ambiguous)?;
        let found = self.table.find(method, &path).ok_or(NoRoute::NotListed)?;
        Ok(Question {
            resource: found.resource(&path),
            rule: found.rule,
            route: found.pattern,
            path: path.to_string(),
        })
    }
}

#[cfg(test)]
mod tests;
