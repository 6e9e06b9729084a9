//! The native API, `/api/v1/…`: one file per noun, each handler a translation in three moves: read the request, ask the
//! authority, write the answer. What a caller may is the authority's business; what an answer looks like is said here, and
//! `openapi.json` is made from the same lines.

mod answer;
mod audit;
mod docs;
mod document;
mod groups;
mod keys;
mod notices;
mod organizations;
mod page;
mod products;
mod refusal;
mod request;
mod roles;
mod server;
mod setup;
mod users;
mod verify;
mod whoami;
mod wire;

use authority::Authority;
use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use utoipa::__dev::{SchemaReferences, Tags};
use utoipa::Path;
use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::{Paths, RefOr, Schema};

use crate::examples::Writer;

pub(crate) use audit::lines as audit_lines;
pub use refusal::problem;

/// What the handlers share.
#[derive(Clone)]
pub struct Api {
    /// Whom they ask.
    pub authority: Authority,
    /// The program's version, as `/openapi.json` and the operator's page name it.
    pub version: &'static str,
    /// Who writes the examples of a product's keys, where they are presented in a foreign way.
    pub examples: fn(&str) -> Option<Writer>,
}

/// The native API over an authority.
pub fn routes(api: Api) -> Router {
    let mut served = Served::all();
    let router = std::mem::take(&mut served.router);
    let document = document::finish(served, api.version);
    router.with_state(api).merge(docs::routes(&document))
}

/// The text of `openapi.json`, as it is served and checked in.
pub fn openapi(version: &str) -> String {
    docs::text(&document::finish(Served::all(), version))
}

/// Routes and their descriptions, growing together: one cannot be served without the other.
#[derive(Default)]
struct Served {
    router: Router<Api>,
    paths: Paths,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Served {
    /// Every operation.
    fn all() -> Self {
        Self::default()
            .group(keys::serve)
            .group(verify::serve)
            .group(whoami::serve)
            .group(organizations::serve)
            .group(users::serve)
            .group(groups::serve)
            .group(roles::serve)
            .group(products::serve)
            .group(notices::serve)
            .group(audit::serve)
            .group(setup::serve)
            .group(server::serve)
    }

    fn group(self, serve: fn(Served) -> Served) -> Served {
        serve(self)
    }

    /// Serves `handler` where its description says.
    fn at<D, T: 'static>(mut self, _: D, handler: impl Handler<T, Api>) -> Self
    where
        D: Path + SchemaReferences + for<'t> Tags<'t>,
    {
        let methods = D::methods();
        if let Some(filter) = methods.iter().map(filter).reduce(MethodFilter::or) {
            self.router = self.router.route(&D::path(), on(filter, handler));
        }
        D::schemas(&mut self.schemas);
        let mut operation = D::operation();
        operation.tags = Some(D::tags().into_iter().map(str::to_owned).collect());
        self.paths.add_path_operation(D::path(), methods, operation);
        self
    }
}

fn filter(method: &HttpMethod) -> MethodFilter {
    match method {
        HttpMethod::Get => MethodFilter::GET,
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Put => MethodFilter::PUT,
        HttpMethod::Patch => MethodFilter::PATCH,
        HttpMethod::Delete => MethodFilter::DELETE,
        HttpMethod::Head => MethodFilter::HEAD,
        HttpMethod::Options => MethodFilter::OPTIONS,
        HttpMethod::Trace => MethodFilter::TRACE,
    }
}
