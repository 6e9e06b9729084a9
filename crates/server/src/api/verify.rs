//! The question that everything is for: `/api/v1/verify`.
//!
//! Here every microsecond counts: questions borrow from the body that they came in, and answers are written by hand into
//! the one buffer that leaves.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::net::IpAddr;

use authority::signed::Signature;
use authority::verify::{Answer, Presented, Question, Valid};
use authority::{Asker, Failure};
use axum::extract::{Request, State};
use axum::response::Response;
use credential::key::Denial;
use credential::scope::Scope;
use http::StatusCode;
use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::answer::raw;
use super::keys::wire::KindShape;
use super::refusal::problem;
use super::request::{about_asker, arrival, bytes};
use super::wire::Time;
use super::{Api, Served};
use crate::edge::body;
use crate::problem::Problem;

/// The most questions in one batch: a verdict takes microseconds, and the answers stay below the size of a body.
const MAX_BATCH: usize = 1000;
/// The most scopes in one question; more than the largest product has would be a mistake.
const MAX_SCOPES: usize = 100;
/// The longest resource: a kind, a colon and an identifier, each at its longest.
const MAX_RESOURCE: usize = 300;
/// The most units that one request may cost; the largest quota is as much.
const MAX_COST: u64 = credential::limit::MAX_QUOTA;
/// The most headers of a signed request that are looked through.
const MAX_HEADERS: usize = 64;

pub(super) fn serve(served: Served) -> Served {
    served.at(__path_verify, verify).at(__path_batch, batch)
}

/// A question about a credential.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked<'a> {
    #[serde(borrow)]
    credential: Credential<'a>,
    #[serde(default, deserialize_with = "scopes")]
    scopes: Vec<Scope>,
    #[serde(default, borrow, deserialize_with = "resource")]
    resource: Option<Cow<'a, str>>,
    #[serde(default)]
    ip: Option<IpAddr>,
    #[serde(default, deserialize_with = "cost")]
    cost: Option<u64>,
    #[serde(default)]
    consume: Option<bool>,
    #[serde(default, deserialize_with = "min_revision")]
    min_revision: Option<i64>,
}

/// Many questions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedTogether<'a> {
    #[serde(borrow, deserialize_with = "items")]
    items: Vec<Asked<'a>>,
}

/// What was presented.
#[derive(Debug)]
enum Credential<'a> {
    Text(Cow<'a, str>),
    Proof(Proof<'a>),
}

/// A proof with the request that it covers.
#[derive(Debug, Deserialize)]
#[serde(tag = "scheme", rename_all = "lowercase", deny_unknown_fields)]
enum Proof<'a> {
    /// Nonce, timestamp and a hash over them, in the headers that Cortex gives them.
    Cortex {
        #[serde(default)]
        #[expect(dead_code, reason = "the proof covers none of it yet")]
        method: Option<Cow<'a, str>>,
        #[serde(default)]
        #[expect(dead_code, reason = "the proof covers none of it yet")]
        url: Option<Cow<'a, str>>,
        #[serde(default)]
        #[expect(dead_code, reason = "the proof covers none of it yet")]
        body_sha256: Option<Cow<'a, str>>,
        headers: Headers,
    },
}

/// The headers of a request as an object; names in any letter case.
#[derive(Debug)]
struct Headers(Vec<(String, String)>);

impl Headers {
    fn get(&self, name: &str) -> &str {
        let found = self
            .0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.as_str())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Credential<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Credential<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an object with scheme")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Credential::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Credential::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Proof::deserialize(MapAccessDeserializer::new(map)).map(Credential::Proof)
            }
        }
        deserializer.deserialize_any(Read)
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of header names and their values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = Headers(Vec::new());
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    // What two programs could read differently proves nothing.
                    if headers.0.len() == MAX_HEADERS || !headers.get(&name).is_empty() {
                        return Err(A::Error::custom(format!(
                            "expected at most {MAX_HEADERS} headers, each once"
                        )));
                    }
                    headers.0.push((name, value));
                }
                Ok(headers)
            }
        }
        deserializer.deserialize_map(Read)
    }
}

fn scopes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Scope>, D::Error> {
    let scopes = Option::<Vec<Scope>>::deserialize(deserializer)?.unwrap_or_default();
    if scopes.len() > MAX_SCOPES {
        Err(D::Error::custom(format!(
            "expected at most {MAX_SCOPES} scopes"
        )))
    } else {
        Ok(scopes)
    }
}

fn resource<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Cow<'a, str>>, D::Error> {
    let resource = Option::<Cow<'a, str>>::deserialize(deserializer)?;
    match &resource {
        Some(text) if text.is_empty() || text.len() > MAX_RESOURCE => Err(D::Error::custom(
            format!("expected a resource such as account:42, of at most {MAX_RESOURCE} bytes"),
        )),
        _ => Ok(resource),
    }
}

fn cost<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let cost = Option::<u64>::deserialize(deserializer)?;
    if cost.is_some_and(|cost| cost > MAX_COST) {
        return Err(D::Error::custom(format!(
            "expected a number from 0 to {MAX_COST}"
        )));
    }
    Ok(cost)
}

fn min_revision<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let revision = Option::<i64>::deserialize(deserializer)?;
    if revision.is_some_and(|revision| revision < 0) {
        return Err(D::Error::custom("expected a number from 0"));
    }
    Ok(revision)
}

fn items<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Asked<'a>>, D::Error> {
    let items = Vec::<Asked<'a>>::deserialize(deserializer)?;
    if items.len() > MAX_BATCH {
        Err(D::Error::custom(format!(
            "expected at most {MAX_BATCH} items"
        )))
    } else {
        Ok(items)
    }
}

/// A question about a credential.
#[derive(ToSchema)]
#[schema(as = VerifyRequest, description = "A question about a credential. Only `credential` is needed.")]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it only describes")]
struct AskedShape {
    /// What was presented: a string, or a proof with the request that it covers.
    credential: CredentialShape,
    /// Every scope that the request needs.
    #[schema(max_items = 100)]
    scopes: Option<Vec<ScopeText>>,
    /// The resource that it reaches for, as `kind:id`.
    #[schema(min_length = 1, max_length = 300)]
    resource: Option<String>,
    /// The address that the request came from. Without it, a key with an address list is refused.
    #[schema(example = "192.0.2.7")]
    ip: Option<String>,
    /// What it costs; 1 when absent.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_u64)]
    cost: Option<u64>,
    /// Whether the cost is spent, or only looked at; true when absent.
    consume: Option<bool>,
    /// The answer must know at least this change.
    #[schema(minimum = 0)]
    min_revision: Option<i64>,
}

/// A scope.
#[derive(ToSchema)]
#[schema(as = ScopeText, min_length = 1, max_length = 200, pattern = r##"^[!#-\[\]-~]{1,200}$"##)]
#[expect(dead_code, reason = "it only describes")]
struct ScopeText(String);

/// What was presented.
#[derive(ToSchema)]
#[schema(as = PresentedCredential)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes")]
enum CredentialShape {
    /// A bearer credential as it was presented.
    Text(String),
    /// A proof with the request that it covers.
    Proof(ProofShape),
}

/// A proof with the request that it covers.
#[derive(ToSchema)]
#[schema(as = Proof)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it only describes")]
struct ProofShape {
    /// How it is proven.
    scheme: SchemeShape,
    /// The method of the request.
    method: Option<String>,
    /// Its URL.
    url: Option<String>,
    /// SHA-256 of its body, in hexadecimal.
    body_sha256: Option<String>,
    /// Its headers: for `cortex`, `x-xdr-auth-id`, `x-xdr-nonce`, `x-xdr-timestamp` and `authorization`.
    headers: std::collections::BTreeMap<String, String>,
}

/// How a proof is made.
#[derive(ToSchema)]
#[schema(as = ProofScheme)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "it only describes")]
enum SchemeShape {
    /// `hex(SHA-256(secret nonce timestamp))`, one after the other.
    Cortex,
}

/// Many questions.
#[derive(ToSchema)]
#[schema(as = VerifyBatchRequest)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it only describes")]
struct TogetherShape {
    /// The questions.
    #[schema(max_items = 1000)]
    items: Vec<AskedShape>,
}

/// The answer to a question.
#[derive(ToSchema)]
#[schema(as = Verdict)]
#[expect(dead_code, reason = "it only describes")]
struct VerdictShape {
    /// Whether the credential is good for what was asked.
    valid: bool,
    /// `VALID`, or why not.
    code: CodeShape,
    /// The key; only with `VALID`, like everything that is told of it.
    #[schema(format = "uuid")]
    key_id: Option<String>,
    /// Whose it is.
    #[schema(format = "uuid")]
    organization_id: Option<String>,
    /// How the key is proven.
    kind: Option<KindShape>,
    /// The names of its roles.
    roles: Option<Vec<String>>,
    /// What the presented credential may.
    scopes: Option<Vec<String>>,
    /// It is good before this moment; `null` is for good.
    expires_at: Option<Time>,
    /// How its limits stand.
    limits: Option<Vec<LimitShape>>,
    /// The scope that is missing; with `INSUFFICIENT_SCOPE`.
    scope: Option<String>,
    /// After how many milliseconds the same may be admitted; with `RATE_LIMITED`.
    retry_after_ms: Option<i64>,
    /// The number of the last change that the answer takes into account. `NOT_FOUND` says nothing beside its code.
    revision: Option<i64>,
}

/// The codes of verdicts.
#[derive(ToSchema)]
#[schema(as = VerdictCode)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(dead_code, reason = "it only describes")]
enum CodeShape {
    /// It is good.
    Valid,
    /// Not a credential known here, or not for this asker: malformed, forged, unknown, a wrong secret.
    NotFound,
    /// Its row was changed outside the server.
    Tampered,
    /// Somebody revoked it.
    Revoked,
    /// Somebody disabled it, its organization, or the person it depends on.
    Disabled,
    /// It is past its expiry.
    Expired,
    /// It may not be used from this address.
    AddressNotAllowed,
    /// It lacks a scope.
    InsufficientScope,
    /// It has the scope, but not for this resource.
    ResourceNotAllowed,
    /// It was used too often.
    RateLimited,
    /// A signed request that was seen before, or out of its time.
    Replayed,
}

/// How a limit stands.
#[derive(ToSchema)]
#[schema(as = LimitStanding)]
#[expect(dead_code, reason = "it only describes")]
struct LimitShape {
    /// The limit.
    name: String,
    /// How much may be spent in any window.
    quota: u64,
    /// How much of it is left.
    remaining: u64,
    /// The length of the window.
    window_seconds: i64,
    /// How long until the whole quota is there again, if nothing more is spent.
    reset_ms: i64,
}

/// The answers, in the order of the questions.
#[derive(ToSchema)]
#[schema(as = Verdicts)]
#[expect(dead_code, reason = "it only describes")]
struct VerdictsShape {
    /// The answers.
    items: Vec<VerdictShape>,
}

/// Says whether a credential is good for what it is presented for.
#[utoipa::path(post, path = "/api/v1/verify", tag = "verify", operation_id = "verify", request_body = AskedShape,
    responses((status = 200, description = "The verdict, good or bad.", body = VerdictShape)))]
async fn verify(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let asker = api
        .authority
        .asker(&about_asker(&parts)?)
        .await
        .map_err(problem)?;
    let bytes = bytes(&parts, body, false, |reading| reading.body).await?;
    let asked: Asked<'_> = body::parse(&bytes, arrival(&parts)?.reading.depth)?;
    let answer = api.ask(&asker, &asked).await.map_err(problem)?;
    let mut text = String::with_capacity(512);
    write(&mut text, &answer);
    Ok(raw(StatusCode::OK, text))
}

/// Answers up to 1000 questions, each by itself.
#[utoipa::path(post, path = "/api/v1/verify/batch", tag = "verify", operation_id = "verifyBatch", request_body = TogetherShape,
    responses((status = 200, description = "The verdicts, in the order of the questions.", body = VerdictsShape)))]
async fn batch(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let asker = api
        .authority
        .asker(&about_asker(&parts)?)
        .await
        .map_err(problem)?;
    let bytes = bytes(&parts, body, false, |reading| reading.admin_body).await?;
    let asked: AskedTogether<'_> = body::parse(&bytes, arrival(&parts)?.reading.depth)?;
    let mut text = String::with_capacity(16 + 384 * asked.items.len());
    text.push_str("{\"items\":[");
    for (place, asked) in asked.items.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        write(&mut text, &api.ask(&asker, asked).await.map_err(problem)?);
    }
    text.push_str("]}");
    Ok(raw(StatusCode::OK, text))
}

impl Api {
    async fn ask(&self, asker: &Asker, asked: &Asked<'_>) -> Result<Answer, Failure> {
        let question = Question {
            product: None,
            credential: match &asked.credential {
                Credential::Text(text) => Presented::Bearer(text),
                Credential::Proof(Proof::Cortex { headers, .. }) => Presented::Signed(Signature {
                    id: headers.get("x-xdr-auth-id"),
                    nonce: headers.get("x-xdr-nonce"),
                    timestamp: headers.get("x-xdr-timestamp"),
                    hash: headers.get("authorization"),
                }),
            },
            scopes: &asked.scopes,
            resource: asked.resource.as_deref(),
            from: asked.ip,
            cost: asked.cost.unwrap_or(1),
            consume: asked.consume.unwrap_or(true),
            route: "",
            asker: Some(asker),
        };
        self.authority
            .verify_since(&question, asked.min_revision.unwrap_or(0))
            .await
    }
}

/// Writes a verdict. What came from outside goes through the escaping of JSON; numbers and our own words need none.
fn write(text: &mut String, answer: &Answer) {
    let revision = answer.revision;
    // Writing to a String cannot fail.
    let _ = match &answer.verdict {
        Ok(valid) => write_valid(text, valid, revision),
        // The same bytes for all that is unknown, at any time: not even the number of changes is told.
        Err(Denial::Unknown) => {
            text.push_str("{\"valid\":false,\"code\":\"NOT_FOUND\"}");
            Ok(())
        }
        Err(denial) => write_denied(text, denial, revision),
    };
}

fn write_denied(text: &mut String, denial: &Denial, revision: i64) -> fmt::Result {
    write!(text, "{{\"valid\":false,\"code\":\"{}\"", denial.code())?;
    match denial {
        Denial::Scope(scope) => {
            text.push_str(",\"scope\":");
            quote(text, scope.as_str())?;
        }
        Denial::Limited { retry_after_ms } => write!(text, ",\"retry_after_ms\":{retry_after_ms}")?,
        _ => {}
    }
    write!(text, ",\"revision\":{revision}}}")
}

fn write_valid(text: &mut String, valid: &Valid, revision: i64) -> fmt::Result {
    let key = &valid.live.key;
    write!(
        text,
        "{{\"valid\":true,\"code\":\"VALID\",\"key_id\":\"{}\",\"organization_id\":\"{}\",\"kind\":\"{}\"",
        key.id,
        key.organization,
        key.kind.as_str()
    )?;
    text.push_str(",\"roles\":");
    list(text, valid.live.roles.iter(), |text, role| {
        quote(text, role)
    })?;
    text.push_str(",\"scopes\":");
    list(text, valid.scopes().into_iter(), |text, scope| {
        quote(text, scope.as_str())
    })?;
    match valid.expires_at {
        Some(at) => write!(text, ",\"expires_at\":\"{}\"", Time(at))?,
        None => text.push_str(",\"expires_at\":null"),
    }
    text.push_str(",\"limits\":");
    list(text, valid.limits.iter(), |text, limit| {
        text.push_str("{\"name\":");
        quote(text, &limit.name)?;
        write!(
            text,
            ",\"quota\":{},\"remaining\":{},\"window_seconds\":{},\"reset_ms\":{}}}",
            limit.quota,
            limit.remaining,
            limit.window.seconds(),
            limit.reset.millis()
        )
    })?;
    write!(text, ",\"revision\":{revision}}}")
}

fn list<T>(
    text: &mut String,
    things: impl Iterator<Item = T>,
    write: impl Fn(&mut String, T) -> fmt::Result,
) -> fmt::Result {
    text.push('[');
    for (place, thing) in things.enumerate() {
        if place > 0 {
            text.push(',');
        }
        write(text, thing)?;
    }
    text.push(']');
    Ok(())
}

/// A text as JSON. Names of roles and scopes are plain ASCII almost always; the rest takes the longer way.
fn quote(text: &mut String, value: &str) -> fmt::Result {
    if value
        .bytes()
        .all(|byte| (byte.is_ascii_graphic() || byte == b' ') && byte != b'"' && byte != b'\\')
    {
        text.push('"');
        text.push_str(value);
        text.push('"');
        return Ok(());
    }
    text.push_str(&serde_json::to_string(value).map_err(|_| fmt::Error)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<String, String> {
        let asked = body::parse::<Asked<'_>>(body.as_bytes(), 8);
        asked
            .map(|asked| format!("{asked:?}"))
            .map_err(|problem| problem.body()["detail"].to_string())
    }

    #[test]
    fn a_question_needs_a_credential_and_knows_its_other_members() {
        assert!(read(r#"{"credential": "x"}"#).is_ok());
        assert!(
            read(r#"{"credential": "x\u0041", "scopes": null, "ip": null, "cost": null}"#).is_ok()
        );
        assert!(
            read(r#"{"credential": {"scheme": "cortex", "headers": {"x-xdr-nonce": "n"}}}"#)
                .is_ok()
        );
        for bad in [
            "{}",
            r#"{"credential": 1}"#,
            r#"{"credential": "x", "scope": []}"#,
            r#"{"credential": "x", "cost": -1}"#,
            r#"{"credential": "x", "ip": "1.2.3"}"#,
            r#"{"credential": "x", "min_revision": -1}"#,
            r#"{"credential": "x", "resource": ""}"#,
            r#"{"credential": "x", "scopes": ["a b"]}"#,
            r#"{"credential": {"scheme": "mtls"}}"#,
            r#"{"credential": {"scheme": "cortex", "headers": {"A": "1", "a": "2"}}}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn text_from_outside_is_written_as_json() {
        for text in ["plain scope:read", "a\"b", "a\\b", "ü\n", ""] {
            let mut written = String::new();
            quote(&mut written, text).unwrap();
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
