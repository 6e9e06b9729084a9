//! How a client says who it is.

use authority::verify::{Presented, Question};
use authority::{Failure, Refusal};
use credential::key::Denial;
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

impl Client {
    /// Reads it. One way at a time (RFC 6749, section 2.3); an id in the body beside Basic must be the same.
    pub(super) fn of(asked: &Asked) -> Result<Self, Refused> {
        let (id, secret) = (asked.form.get("client_id"), asked.form.get("client_secret"));
        let twice = || {
            Refused::new(
                "invalid_request",
                "The client presents itself in more than one way.",
            )
        };
        if asked.form.get("client_assertion").is_some() {
            return Err(Refused::client());
        }
        match Authorization::of(&asked.headers) {
            Authorization::Unreadable => Err(Refused::client()),
            Authorization::Bearer(_) | Authorization::Basic { .. } if secret.is_some() => {
                Err(twice())
            }
            Authorization::Basic { id: ref basic, .. } if id.is_some_and(|id| id != basic) => {
                Err(twice())
            }
            Authorization::Basic { id, secret } => Ok(Client::Pair { id, secret }),
            Authorization::Bearer(token) => Ok(Client::Bearer(token)),
            Authorization::Nothing => Ok(match (id, secret) {
                (Some(id), Some(secret)) => Client::Pair {
                    id: id.to_owned(),
                    secret: Secret::from(secret.to_owned()),
                },
                (Some(id), None) => Client::Named(id.to_owned()),
                (None, None) => Client::Nobody,
                (None, Some(_)) => {
                    return Err(Refused::new("invalid_request", "client_id is missing."));
                }
            }),
        }
    }

    /// The question whether the client is who it says.
    pub(super) fn question<'a>(
        &'a self,
        asked: &Asked,
        route: &'a str,
    ) -> Result<Question<'a>, Refused> {
        let credential = match self {
            Client::Pair { id, secret } => Presented::Pair {
                id,
                secret: secret.expose(),
            },
            Client::Bearer(token) => Presented::Bearer(token.expose()),
            Client::Nobody | Client::Named(_) => return Err(Refused::client()),
        };
        Ok(Question {
            credential,
            from: asked.from,
            route,
            ..Question::bearer("")
        })
    }

    /// What a client is told whose question was not answered with a yes.
    pub(super) fn refused(&self, failure: Failure) -> Refused {
        match failure {
            Failure::Refused(Refusal::Unauthenticated(Denial::Limited { retry_after_ms })) => {
                Refused::limited(retry_after_ms)
            }
            Failure::Refused(Refusal::Unauthenticated(_)) => match self {
                Client::Bearer(_) => Refused::token(),
                Client::Nobody | Client::Named(_) | Client::Pair { .. } => Refused::client(),
            },
            Failure::Refused(Refusal::Forbidden { .. }) => Refused::scope(),
            other => other.into(),
        }
    }
}
