//! The question that a policy puts to the authority about one request, and what comes of it.

use std::net::IpAddr;

use authority::signed::{Covered, Signature};
use authority::verify::{Presented, Question, Valid};
use authority::{Asker, Authority, Call};
use axum::response::Response;
use http::header::{AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, Method};

use super::identity::{self, Identity};
use super::refuse;
use super::route::Rule;
use super::{NoRoute, Policy};
use crate::config::CredentialForm;
use crate::edge::authorization;
use crate::edge::denied::Denied;
use crate::edge::standing::{self, Spending, limit_headers};
use crate::problem::{Kind, Problem};

/// What usage is counted by where no route fits: clients can invent paths, and must not invent names.
const UNMATCHED: &str = "unmatched";

/// A request as the policy's client sent it, whoever brought it here.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'r> {
    /// The method.
    pub method: &'r Method,
    /// The path as it was sent.
    pub path: &'r str,
    /// The query, where there is one.
    pub query: Option<&'r str>,
    /// The headers, of which only those that the policy names are read.
    pub headers: &'r HeaderMap,
    /// The body, where it is at hand.
    pub body: Option<&'r [u8]>,
    /// The client; nobody when that cannot be known.
    pub client: Option<IpAddr>,
    /// The gateway that asks by a credential of its own: about what it may not ask, it is told what it would be told
    /// about keys that do not exist.
    pub asker: Option<&'r Asker>,
}

/// A request that may go on.
pub struct Passed {
    /// The path in the form that was decided on.
    pub path: String,
    /// Who was allowed.
    pub identity: Identity,
    /// The good credential.
    pub valid: Valid,
    /// The call, where reports tell of it: to be noted when it is answered.
    pub call: Option<Call>,
}

/// What a request presents.
#[derive(Debug, Clone, Copy)]
enum Credential<'h> {
    Nothing,
    One(Presented<'h>),
    /// Two credentials, a header that stands twice, or something that cannot be read.
    Unreadable,
}

/// Asks whether the request may go on.
///
/// # Errors
/// The problem to answer with.
pub async fn ask(
    authority: &Authority,
    policy: &Policy,
    asked: Asked<'_>,
) -> Result<Passed, Problem> {
    let in_url = |query| authorization::stands_in(query, &[]);
    if asked.query.is_some_and(in_url) {
        return Err(Kind::CredentialInUrl.into());
    }
    let question = policy.question(asked.method, asked.path);
    if question.as_ref().err() == Some(&NoRoute::Ambiguous) {
        return Err(NoRoute::Ambiguous.into());
    }
    // What is decided on, in the one spelling in which it would be forwarded.
    let decided = question
        .as_ref()
        .map_or(asked.path, |question| &question.path);
    let target = [
        decided.trim_end_matches('/'),
        "?",
        asked.query.unwrap_or_default(),
    ]
    .concat();
    let covered = asked
        .body
        .map(|body| Covered::of(asked.method.as_str(), &target, body));
    let credential = match policy.credential {
        CredentialForm::Bearer => bearer_in(policy, asked.headers),
        CredentialForm::SignedOrPair => signed_or_pair_in(policy, asked.headers, covered),
    };
    let credential = match credential {
        Credential::One(credential) => credential,
        Credential::Nothing => {
            return Err(refuse::nothing_presented().denied(Denied::nothing(authority)));
        }
        Credential::Unreadable => {
            return Err(refuse::not_good().denied(Denied::nothing(authority)));
        }
    };
    let route = question
        .as_ref()
        .map_or(UNMATCHED, |question| question.route);
    let call = policy.reports_calls.then(|| {
        let agent = asked.headers.get(USER_AGENT);
        let agent = agent.map(|agent| agent.as_bytes()).unwrap_or_default();
        Call::new(asked.method.as_str(), route, agent)
    });
    let noted = |problem: Problem| {
        if let Some(call) = &call {
            authority.note_call(call, problem.status().as_u16());
        }
        problem
    };
    let base = Question {
        product: Some(&policy.product),
        asker: asked.asker,
        from: asked.client,
        route,
        call: call.as_ref(),
        credential,
        ..Question::bearer("")
    };
    let question = match question {
        Ok(question) => question,
        // Whoever is nobody learns nothing about the routes; nothing is spent on a path that leads nowhere.
        Err(no_route) => {
            verdict(
                authority,
                &Question {
                    consume: false,
                    ..base
                },
            )
            .await
            .map_err(&noted)?;
            return Err(noted(no_route.into()));
        }
    };
    let Rule {
        scopes,
        somewhere,
        cost,
    } = question.rule;
    let resource = question.resource.as_deref();
    let valid = verdict(
        authority,
        &Question {
            scopes,
            resource,
            somewhere: *somewhere,
            cost: u64::from(*cost),
            ..base
        },
    )
    .await
    .map_err(&noted)?;
    let mut identity = Identity::of(&valid);
    if *somewhere {
        let reached = valid.rights().reached(scopes);
        identity.resources =
            identity::resources(&reached).ok_or_else(|| noted(refuse::too_many_resources()))?;
    }
    Ok(Passed {
        path: question.path,
        identity,
        valid,
        call,
    })
}

async fn verdict(authority: &Authority, question: &Question<'_>) -> Result<Valid, Problem> {
    let answer = authority.verify(question).await.map_err(refuse::failed)?;
    match answer.verdict {
        Ok(valid) => Ok(valid),
        Err(denial) => {
            let denied = Denied::of(authority, question, &denial).await;
            let problem = refuse::denied(&denial).denied(denied);
            if problem.kind() != Kind::RateLimited {
                return Err(problem);
            }
            // How the limits stand is asked once more, without spending: a refusal does not tell.
            let looked = authority
                .verify(&Question {
                    cost: 0,
                    consume: false,
                    ..*question
                })
                .await;
            let limits = looked
                .ok()
                .and_then(|answer| answer.verdict.ok())
                .map(|valid| valid.limits);
            Err(limit_headers(&limits.unwrap_or_default())
                .into_iter()
                .fold(problem, |problem, (name, value)| {
                    problem.header(name, &value)
                }))
        }
    }
}

/// How the limits of an allowed request stand, for its answer.
pub fn tell_limits(valid: &Valid, response: &mut Response) {
    standing::tell(&valid.limits, response.headers_mut());
    Spending(valid.limits.clone()).leave_on(response);
}

/// The one credential in the headers that the policy names.
fn bearer_in<'h>(policy: &Policy, headers: &'h HeaderMap) -> Credential<'h> {
    let mut found = Credential::Nothing;
    for name in &policy.credential_headers {
        let mut values = headers.get_all(name).iter();
        let Some(value) = values.next() else { continue };
        let text = value
            .to_str()
            .ok()
            .map(str::trim)
            .filter(|text| !text.is_empty());
        let text = if *name == AUTHORIZATION {
            text.and_then(bearer)
        } else {
            text
        };
        found = match (found, text, values.next()) {
            (Credential::Nothing, Some(text), None) => Credential::One(Presented::Bearer(text)),
            _ => return Credential::Unreadable,
        };
    }
    found
}

/// An identifier with a secret, or with a signature: whoever sends a nonce or a timestamp means to sign.
fn signed_or_pair_in<'h>(
    policy: &Policy,
    headers: &'h HeaderMap,
    request: Option<Covered<'h>>,
) -> Credential<'h> {
    let mut parts = [None; 4];
    for (part, name) in parts.iter_mut().zip(&policy.credential_headers) {
        let mut values = headers.get_all(name).iter();
        *part = match (values.next().map(|value| value.to_str()), values.next()) {
            (None, _) => None,
            (Some(Ok(text)), None) => Some(text),
            _ => return Credential::Unreadable,
        };
    }
    match parts {
        [None, None, ..] => Credential::Nothing,
        [Some(id), Some(secret), None, None] => Credential::One(Presented::Pair { id, secret }),
        [Some(id), Some(hash), Some(nonce), Some(timestamp)] => {
            Credential::One(Presented::Signed(Signature {
                id,
                nonce,
                timestamp,
                hash,
                request,
            }))
        }
        _ => Credential::Unreadable,
    }
}

/// The token of `Bearer …` (RFC 6750); the scheme's case does not matter.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_start();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' '))
        .then_some(token)
}
