//! What a request says: who asks, about which thing, with what body.
//!
//! The order of a handler's arguments is the order of the answers: whoever is nobody learns nothing about paths and bodies.

use std::str::FromStr;
use std::sync::Arc;

use authority::verify::{Presented, Question, Valid};
use authority::{Caller, Failure, Idempotency, Spent};
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use credential::secret::Digest;
use http::header::{AUTHORIZATION, IF_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Uri};
use serde::de::DeserializeOwned;

use super::{Api, refusal};
use crate::edge::{self, Arrival, authorization, body};
use crate::problem::{Kind, Problem};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest idempotency key; the authority has the same bound.
const MAX_IDEMPOTENCY_KEY: usize = 255;
/// The most parameters that a query may have; the richest operation knows about a dozen.
const MAX_PARAMETERS: usize = 32;

/// Parameters under which people put credentials into URLs.
const CREDENTIAL_PARAMETERS: [&str; 6] = [
    "access_token",
    "api_key",
    "apikey",
    "authorization",
    "token",
    "x-api-key",
];

/// Whoever asks, with a good credential.
pub(super) struct Asker {
    /// As the authority knows them.
    pub(super) caller: Caller,
    /// What their credential is worth.
    pub(super) valid: Valid,
}

impl FromRequestParts<Api> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let arrival = arrival(parts)?;
        let question = Question {
            from: arrival.client,
            route: edge::route(parts),
            ..Question::bearer(credential(&parts.uri, &parts.headers)?)
        };
        let asked = api.authority.caller(&question, &arrival.request_id).await;
        let (caller, valid) = match asked {
            Ok(asked) => asked,
            Err(failure) => return Err(turned_away(api, arrival, &question, failure).await),
        };
        tell(arrival, &valid.limits);
        Ok(Self { caller, valid })
    }
}

/// The same, where what the credential is worth does not matter.
pub(super) struct By(pub(super) Caller);

impl FromRequestParts<Api> for By {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        Asker::from_request_parts(parts, api)
            .await
            .map(|asker| Self(asker.caller))
    }
}

/// How the request arrived.
pub(super) fn arrival(parts: &Parts) -> Result<&Arrival, Problem> {
    match parts.extensions.get::<Arc<Arrival>>() {
        Some(arrival) => Ok(arrival),
        None => Err(Kind::Internal.into()),
    }
}

/// The one credential that was presented, in a header.
pub(super) fn credential<'r>(uri: &Uri, headers: &'r HeaderMap) -> Result<&'r str, Problem> {
    let in_url = |query| authorization::stands_in(query, &CREDENTIAL_PARAMETERS);
    if uri.query().is_some_and(in_url) {
        return Err(Kind::CredentialInUrl.into());
    }
    match (once(headers, &AUTHORIZATION)?, once(headers, &API_KEY)?) {
        (Some(_), Some(_)) => Err(Problem::new(Kind::InvalidHeader)
            .because("Send one credential: Authorization or X-API-Key.")),
        (Some(authorization), None) => bearer(authorization).ok_or_else(refusal::unauthenticated),
        (None, Some(key)) => Ok(key),
        (None, None) => Err(refusal::nothing_presented()),
    }
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, credential) = authorization.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| credential.trim_matches(' '))
}

/// The value of a header that may stand once.
fn once<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Result<Option<&'r str>, Problem> {
    let refuse =
        |why: &str| Problem::new(Kind::InvalidHeader).because(format!("The header {name} {why}."));
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(refuse("stands twice")),
        (Some(value), None) => value
            .to_str()
            .map(Some)
            .map_err(|_| refuse("has characters that it may not have")),
    }
}

/// The identifier in the path. What cannot be one names no thing.
pub(super) struct Id<T>(pub(super) T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Ok(Path(text)) = Path::<String>::from_request_parts(parts, state).await else {
            return Err(Kind::NotFound.into());
        };
        text.parse().map(Self).map_err(|_| Kind::NotFound.into())
    }
}

/// The version that `If-Match` asks for; nothing where any will do.
pub(super) struct IfMatch(pub(super) Option<i64>);

/// A version that nothing has: what a foreign entity tag matches.
const NO_VERSION: i64 = -1;

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(text) = once(&parts.headers, &IF_MATCH)?.map(str::trim) else {
            return Ok(Self(None));
        };
        if text == "*" {
            return Ok(Self(None));
        }
        let inner = text
            .strip_prefix("W/")
            .unwrap_or(text)
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        match inner {
            // A weak tag matches nothing here (RFC 9110, section 13.1.1).
            Some(inner) if !inner.contains('"') && text.starts_with('"') => {
                Ok(Self(Some(inner.parse().unwrap_or(NO_VERSION))))
            }
            Some(inner) if !inner.contains('"') => Ok(Self(Some(NO_VERSION))),
            _ => Err(Problem::new(Kind::InvalidHeader)
                .because("The header If-Match is not one entity tag.")),
        }
    }
}

/// The parameters of the query, each taken by its name; what nobody took is refused.
pub(super) struct Query(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let refuse = |why: &str| Problem::new(Kind::InvalidParameter).because(why);
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| refuse("The query cannot be read."))?
            .0;
        if pairs.len() > MAX_PARAMETERS {
            return Err(refuse("The query has too many parameters."));
        }
        // No name or identifier holds it, and the store cannot even look for it.
        if pairs.iter().any(|(_, value)| value.contains('\0')) {
            return Err(refuse("The query has a NUL."));
        }
        Ok(Self(pairs))
    }
}

impl Query {
    /// The value of a parameter that may stand once.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let Some(at) = self.0.iter().position(|(known, _)| known == name) else {
            return Ok(None);
        };
        let (_, value) = self.0.swap_remove(at);
        if self.0.iter().any(|(known, _)| known == name) {
            return Err(bad_parameter(name, "it stands twice"));
        }
        Ok(Some(value))
    }

    /// The same, read as what it should be.
    pub(super) fn take<T: FromStr>(
        &mut self,
        name: &str,
        expected: &str,
    ) -> Result<Option<T>, Problem> {
        let read = |text: String| {
            text.parse()
                .map_err(|_| bad_parameter(name, &format!("expected {expected}")))
        };
        self.text(name)?.map(read).transpose()
    }

    /// The same, read by its word.
    pub(super) fn word<T>(
        &mut self,
        name: &str,
        read: impl Fn(&str) -> Option<T>,
        expected: &str,
    ) -> Result<Option<T>, Problem> {
        let read = |text: String| {
            read(&text).ok_or_else(|| bad_parameter(name, &format!("expected {expected}")))
        };
        self.text(name)?.map(read).transpose()
    }

    /// Nothing may be left.
    pub(super) fn finish(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) if is_word(name) => {
                Err(bad_parameter(name, "the operation has no such parameter"))
            }
            Some(_) => {
                Err(Problem::new(Kind::InvalidParameter)
                    .because("The query has an unknown parameter."))
            }
        }
    }

    /// The parameters as one text, whatever their order: what a cursor is tied to.
    pub(super) fn canonical(&self, without: &[&str]) -> String {
        let mut pairs: Vec<_> = self
            .0
            .iter()
            .filter(|(name, _)| !without.contains(&name.as_str()))
            .collect();
        pairs.sort();
        format!("{pairs:?}")
    }
}

pub(super) fn bad_parameter(name: &str, why: &str) -> Problem {
    Problem::new(Kind::InvalidParameter).because(format!("The parameter {name}: {why}."))
}

fn is_word(name: &str) -> bool {
    (1..=40).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// A command: its body, and what makes it repeatable.
pub(super) struct Command<T> {
    /// The body.
    pub(super) body: T,
    /// The `Idempotency-Key`, bound to this very request.
    pub(super) idempotency: Option<Idempotency>,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Command<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = bytes(&parts, body, false, |reading| reading.admin_body).await?;
        let idempotency = idempotency(&parts, &bytes)?;
        Ok(Self {
            body: body::parse(&bytes, arrival(&parts)?.reading.depth)?,
            idempotency,
        })
    }
}

/// A command whose body may be left out: then it is the empty object.
pub(super) struct Brief<T>(pub(super) Command<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Brief<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = bytes(&parts, body, true, |reading| reading.body).await?;
        let idempotency = idempotency(&parts, &bytes)?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let body = body::parse(text, arrival(&parts)?.reading.depth)?;
        Ok(Self(Command { body, idempotency }))
    }
}

/// A body that says nothing.
#[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// The bytes of a JSON body.
pub(super) async fn bytes(
    parts: &Parts,
    body: Body,
    may_be_empty: bool,
    limit: fn(&body::Reading) -> usize,
) -> Result<bytes::Bytes, Problem> {
    let reading = arrival(parts)?.reading;
    body::refuse_encoding(&parts.headers)?;
    let is_json = body::is_media_type(&parts.headers, "application/json");
    let untyped = !parts.headers.contains_key(http::header::CONTENT_TYPE);
    if !(is_json || may_be_empty && untyped) {
        return Err(Kind::UnsupportedMediaType.into());
    }
    let bytes = body::read(body, limit(&reading), reading.time)
        .await
        .map_err(body::BodyFault::problem)?;
    if !is_json && !bytes.is_empty() {
        return Err(Kind::UnsupportedMediaType.into());
    }
    Ok(bytes)
}

/// SHA-256 over method, path and body stands for the request.
fn idempotency(parts: &Parts, bytes: &[u8]) -> Result<Option<Idempotency>, Problem> {
    let Some(key) = once(&parts.headers, &IDEMPOTENCY_KEY)? else {
        return Ok(None);
    };
    if !(1..=MAX_IDEMPOTENCY_KEY).contains(&key.len()) {
        return Err(Problem::new(Kind::InvalidHeader)
            .because("The header Idempotency-Key has 1 to 255 printable characters."));
    }
    let text = format!(
        "{} {}\n{}",
        parts.method,
        parts.uri.path(),
        String::from_utf8_lossy(bytes)
    );
    Ok(Some(Idempotency {
        key: key.to_owned(),
        request: *Digest::of(&text).as_bytes(),
    }))
}

/// Notes how the caller's limits stand, for the headers of the answer.
fn tell(arrival: &Arrival, limits: &[Spent]) {
    if !limits.is_empty() {
        // Set before only where one request asks for its caller twice; the limits are the same.
        let _ = arrival.limits.set(limits.to_vec());
    }
}

/// The problem of a caller that was turned away. How used-up limits stand is asked once more, without spending: a refusal
/// does not tell.
async fn turned_away(
    api: &Api,
    arrival: &Arrival,
    question: &Question<'_>,
    failure: Failure,
) -> Problem {
    let problem = refusal::problem(failure);
    if problem.kind() == Kind::RateLimited {
        let looked = Question {
            cost: 0,
            consume: false,
            ..*question
        };
        if let Ok(answer) = api.authority.verify(&looked).await
            && let Ok(valid) = answer.verdict
        {
            tell(arrival, &valid.limits);
        }
    }
    problem
}

/// Whoever asks about credentials.
pub(super) async fn asker(api: &Api, parts: &Parts) -> Result<authority::Asker, Problem> {
    let question = about_asker(parts)?;
    let arrival = arrival(parts)?;
    match api.authority.asker(&question).await {
        Ok(asker) => {
            tell(arrival, asker.limits());
            Ok(asker)
        }
        Err(failure) => Err(turned_away(api, arrival, &question, failure).await),
    }
}

/// A question about the presented bearer alone.
fn about_asker<'r>(parts: &'r Parts) -> Result<Question<'r>, Problem> {
    Ok(Question {
        credential: Presented::Bearer(credential(&parts.uri, &parts.headers)?),
        from: arrival(parts)?.client,
        route: edge::route(parts),
        ..Question::bearer("")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented(uri: &str, headers: &[(&'static str, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        match credential(&uri.parse().unwrap(), &map) {
            Ok(credential) => credential.to_owned(),
            Err(problem) => format!("- {}", problem.kind().slug()),
        }
    }

    #[test]
    fn a_credential_stands_in_one_header_and_in_no_url() {
        for (uri, headers, expected) in [
            ("/x", vec![("authorization", "Bearer a")], "a"),
            ("/x", vec![("authorization", "bEARER  a ")], "a"),
            ("/x", vec![("x-api-key", "a")], "a"),
            ("/x", vec![], "- unauthenticated"),
            (
                "/x",
                vec![("authorization", "Basic a")],
                "- unauthenticated",
            ),
            ("/x", vec![("authorization", "a")], "- unauthenticated"),
            (
                "/x",
                vec![("authorization", "Bearer a"), ("x-api-key", "a")],
                "- invalid-header",
            ),
            (
                "/x",
                vec![("authorization", "Bearer a"), ("authorization", "Bearer a")],
                "- invalid-header",
            ),
            (
                "/x?Access_Token=a",
                vec![("x-api-key", "a")],
                "- credential-in-url",
            ),
            (
                "/x?name=lk_key_1",
                vec![("x-api-key", "a")],
                "- credential-in-url",
            ),
            ("/x?name=lk", vec![("x-api-key", "a")], "a"),
        ] {
            assert_eq!(presented(uri, &headers), expected, "{uri} {headers:?}");
        }
    }

    #[test]
    fn what_nobody_took_of_a_query_is_refused() {
        let query = |pairs: &[(&str, &str)]| {
            Query(
                pairs
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
            )
        };
        let mut good = query(&[("limit", "5"), ("name", "x")]);
        assert_eq!(good.take::<usize>("limit", "a number").unwrap(), Some(5));
        assert_eq!(good.text("name").unwrap().as_deref(), Some("x"));
        assert!(good.finish().is_ok());
        assert!(
            query(&[("limit", "x")])
                .take::<usize>("limit", "a number")
                .is_err()
        );
        assert!(
            query(&[("limit", "1"), ("limit", "1")])
                .take::<usize>("limit", "a number")
                .is_err()
        );
        assert!(query(&[("naem", "x")]).finish().is_err());
        assert_eq!(
            query(&[("b", "1"), ("a", "2"), ("cursor", "x")]).canonical(&["cursor"]),
            query(&[("a", "2"), ("b", "1")]).canonical(&["cursor"])
        );
    }
}
