//! How a client says who it is.

use authority::verify::{Presented, Question};
use authority::{Authority, Caller};
use credential::name::ProductName;
use credential::scope::Scope;
use credential::secret::Secret;

use super::answer::Refused;
use super::request::Asked;
use crate::edge::authorization::Authorization;

/// What a client presents.
pub(super) enum Client {
    /// Nothing at all.
    Nobody,
    /// Only its id, in the body.
    Named(String),
    /// Its id and its secret, as Basic or in the body.
    Pair {
        /// The id.
        id: String,
        /// The secret.
        secret: Secret,
    },
    /// A bearer credential.
    Bearer(Secret),
}

/// What a client must be to call an endpoint.
#[derive(Clone, Copy, Default)]
pub(super) struct Needed<'a> {
    /// The product whose key it is; `None` is any.
    pub(super) product: Option<&'a ProductName>,
    /// What it holds.
    pub(super) scopes: &'a [Scope],
}

impl Client {
    /// Reads it. One way at a time (RFC 6749, section 2.3); an id in the body beside Basic must be the same.
    pub(super) fn of(asked: &Asked) -> Result<Self, Refused> {
        let (id, secret) = (asked.form.get("client_id"), asked.form.get("client_secret"));
        let twice = || Refused::new("invalid_request", "The client presents itself in more than one way.");
        if asked.form.get("client_assertion").is_some() {
            return Err(Refused::client());
        }
        match Authorization::of(&asked.headers) {
            Authorization::Unreadable => Err(Refused::client()),
            Authorization::Bearer(_) | Authorization::Basic { .. } if secret.is_some() => Err(twice()),
            Authorization::Basic { id: ref basic, .. } if id.is_some_and(|id| id != basic) => Err(twice()),
            Authorization::Basic { id, secret } => Ok(Client::Pair { id, secret }),
            Authorization::Bearer(token) => Ok(Client::Bearer(token)),
            Authorization::Nothing => Ok(match (id, secret) {
                (Some(id), Some(secret)) => {
                    Client::Pair { id: id.to_owned(), secret: Secret::from(secret.to_owned()) }
                }
                (Some(id), None) => Client::Named(id.to_owned()),
                (None, None) => Client::Nobody,
                (None, Some(_)) => return Err(Refused::new("invalid_request", "client_id is missing.")),
            }),
        }
    }

    /// The caller, if the client proves itself with what it presents and is what is needed.
    pub(super) async fn caller(
        &self,
        authority: &Authority,
        asked: &Asked,
        needed: Needed<'_>,
        route: &str,
    ) -> Result<(Caller, authority::verify::Valid), Refused> {
        let (credential, refused): (_, fn() -> Refused) = match self {
            Client::Pair { id, secret } => (Presented::Pair { id, secret: secret.expose() }, Refused::client),
            Client::Bearer(token) => (Presented::Bearer(token.expose()), Refused::token),
            Client::Nobody | Client::Named(_) => return Err(Refused::client()),
        };
        let Needed { product, scopes } = needed;
        let question = Question { credential, product, scopes, from: asked.from, route, ..Question::bearer("") };
        authority.caller(&question, &asked.request_id).await.map_err(|failure| {
            use authority::{Failure, Refusal};
            use credential::key::Denial;
            match failure {
                Failure::Refused(Refusal::Unauthenticated(Denial::Scope(_) | Denial::Resource)) => Refused::scope(),
                Failure::Refused(Refusal::Unauthenticated(_)) => refused(),
                other => other.into(),
            }
        })
    }
}
