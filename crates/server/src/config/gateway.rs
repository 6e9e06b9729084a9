//! The upstreams and policies of the gateway: what `[gateway]` holds under names.

use std::path::PathBuf;

use http::{HeaderName, Method, Uri};

use super::CredentialForm;
use super::layer::{Node, Value};
use super::read::{Fields, Misfit, Setting, misfit};

/// An API behind the gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// Its address; a path in it is put before the path of each request.
    pub url: Uri,
    /// A PEM file with the authorities its certificate may come from, instead of the web's.
    pub ca: Option<PathBuf>,
}

/// What requests need.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The product whose scopes the routes name.
    pub product: String,
    /// Where allowed requests go; without one the policy only decides.
    pub upstream: Option<String>,
    /// The host names it answers for, in lower case; any when empty.
    pub hosts: Vec<String>,
    /// The paths it answers for.
    pub prefixes: Vec<String>,
    /// How a key is presented.
    pub credential: CredentialForm,
    /// The headers in which it is looked for: any one of them, or, signed or as a pair, those of identifier, secret or hash,
    /// nonce, and timestamp.
    pub credential_headers: Vec<HeaderName>,
    /// Further headers of the client that do not reach the upstream.
    pub strip_headers: Vec<HeaderName>,
    /// What each route needs.
    pub routes: Vec<RouteRule>,
}

/// What one route needs.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteRule {
    /// The methods it is for; any when empty.
    pub methods: Vec<Method>,
    /// The pattern of its path, as [`crate::gateway::route`] reads it.
    pub path: String,
    /// The scopes that a key must hold, all of them.
    pub scopes: Vec<String>,
    /// The `{name}` in the path whose value must lie in the key's resource scope; it is the kind of resource.
    pub resource: Option<String>,
    /// How much of the key's resource scope must hold the scopes, where that need not be all of it.
    pub resources: Option<Enough>,
    /// The units of the limits that a request spends.
    pub cost: u32,
}

/// Which resources are enough for a route that names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enough {
    /// Some, whichever: the upstream is told which, and keeps its answer to them.
    Some,
}

impl Setting for Enough {
    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        match String::read(node)?.as_str() {
            "some" => Ok(Enough::Some),
            _ => misfit("expected \"some\""),
        }
    }
}

impl Setting for Upstream {
    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        let mut fields = Fields::of(node)?;
        let url = fields.required::<Uri>("url");
        let ca = fields.optional("ca");
        fields.finish(url.map(|url| Upstream { url, ca }))
    }
}

impl Setting for Policy {
    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        let mut fields = Fields::of(node)?;
        let product = fields.required("product");
        let upstream = fields.optional("upstream");
        let hosts: Vec<String> = fields.optional("hosts").unwrap_or_default();
        let prefixes: Vec<String> = fields.optional("prefixes").unwrap_or_default();
        let credential = fields
            .optional("credential")
            .unwrap_or(CredentialForm::Bearer);
        let credential_headers: Vec<HeaderName> =
            fields.optional("credential_headers").unwrap_or_else(|| {
                vec![
                    http::header::AUTHORIZATION,
                    HeaderName::from_static("x-api-key"),
                ]
            });
        if credential == CredentialForm::SignedOrPair && credential_headers.len() != 4 {
            fields.refuse(
                "credential_headers",
                "names four headers here: of identifier, secret or hash, nonce, and timestamp",
            );
        }
        let strip_headers = fields.optional("strip_headers").unwrap_or_default();
        let routes = fields.required("routes");
        for prefix in prefixes.iter().filter(|prefix| !prefix.starts_with('/')) {
            fields.refuse(
                "prefixes",
                format!("{prefix:?} does not begin with a slash"),
            );
        }
        let policy = product.zip(routes).map(|(product, routes)| Policy {
            product,
            upstream,
            hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            prefixes,
            credential,
            credential_headers,
            strip_headers,
            routes,
        });
        fields.finish(policy)
    }
}

impl Setting for RouteRule {
    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        let mut fields = Fields::of(node)?;
        let methods = fields.optional("methods").unwrap_or_default();
        let path = fields.required("path");
        let scopes = fields.required("scopes");
        let resource = fields.optional("resource");
        let resources = fields.optional("resources");
        if resource.is_some() && resources.is_some() {
            fields.refuse(
                "resources",
                "a route names one resource, or is content with some",
            );
        }
        let cost = fields.optional("cost").unwrap_or(1);
        if cost == 0 {
            fields.refuse("cost", "a request costs at least 1");
        }
        let rule = path.zip(scopes).map(|(path, scopes)| RouteRule {
            methods,
            path,
            scopes,
            resource,
            resources,
            cost,
        });
        fields.finish(rule)
    }
}

impl Setting for Uri {
    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        const EXPECTED: &str =
            "expected a URL such as http://127.0.0.1:9000 or https://api.example.com/v2";
        let Ok(url) = String::read(node)?.parse::<Uri>() else {
            return misfit(EXPECTED);
        };
        match (url.scheme_str(), url.authority()) {
            (Some("http" | "https"), Some(authority)) if !authority.as_str().contains('@') => {
                if url.query().is_some() {
                    misfit("a URL of an upstream has no query")
                } else {
                    Ok(url)
                }
            }
            (Some("http" | "https"), Some(_)) => {
                misfit("a URL of an upstream carries no user name")
            }
            _ => misfit(EXPECTED),
        }
    }
}

impl Setting for HeaderName {
    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        String::read(node)?
            .parse()
            .or_else(|_| misfit("expected the name of a header"))
    }
}

impl Setting for Method {
    fn read(node: &Node) -> Result<Self, Vec<Misfit>> {
        match &node.value {
            Value::Text(text) => crate::edge::METHODS
                .iter()
                .find(|method| method.as_str() == text)
                .cloned()
                .map_or_else(
                    || {
                        misfit(format!(
                            "{text:?} is not a method that is served, such as \"GET\""
                        ))
                    },
                    Ok,
                ),
            other => misfit(format!("expected a method, found {}", other.what())),
        }
    }
}
