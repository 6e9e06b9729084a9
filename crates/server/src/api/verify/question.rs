//! Questions, read: they borrow from the body that they came in.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use authority::signed::{Covered, Signature};
use credential::scope::Scope;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

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

/// A question about a credential.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked<'a> {
    #[serde(borrow)]
    pub(super) credential: Credential<'a>,
    #[serde(default, deserialize_with = "scopes")]
    pub(super) scopes: Vec<Scope>,
    #[serde(default, borrow, deserialize_with = "resource")]
    pub(super) resource: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) ip: Option<IpAddr>,
    #[serde(default, deserialize_with = "cost")]
    pub(super) cost: Option<u64>,
    #[serde(default)]
    pub(super) consume: Option<bool>,
    #[serde(default, deserialize_with = "min_revision")]
    pub(super) min_revision: Option<i64>,
}

/// Many questions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskedTogether<'a> {
    #[serde(borrow, deserialize_with = "items")]
    pub(super) items: Vec<Asked<'a>>,
}

/// What was presented.
#[derive(Debug)]
pub(super) enum Credential<'a> {
    Text(Cow<'a, str>),
    Proof(Proof<'a>),
}

/// A proof with the request that it covers.
#[derive(Debug, Deserialize)]
#[serde(tag = "scheme", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Proof<'a> {
    /// Nonce, timestamp and a hash over them, in the headers that Cortex gives them.
    Cortex {
        #[serde(default)]
        method: Option<Cow<'a, str>>,
        #[serde(default)]
        url: Option<Cow<'a, str>>,
        #[serde(default, deserialize_with = "sha256")]
        body_sha256: Option<[u8; 32]>,
        headers: Headers,
    },
}

impl Proof<'_> {
    /// The signature, and the request that it came with if all of that is told.
    pub(super) fn signature(&self) -> Signature<'_> {
        let Proof::Cortex {
            method,
            url,
            body_sha256,
            headers,
        } = self;
        let request = method.as_deref().zip(url.as_deref()).zip(*body_sha256);
        Signature {
            id: headers.get("x-xdr-auth-id"),
            nonce: headers.get("x-xdr-nonce"),
            timestamp: headers.get("x-xdr-timestamp"),
            hash: headers.get("authorization"),
            request: request.map(|((method, url), body)| Covered {
                method,
                path: path_of(url),
                body,
            }),
        }
    }
}

/// The path and query of a URL: the same request is asked about with and without its host.
fn path_of(url: &str) -> &str {
    match url.split_once("://") {
        Some((_, rest)) if !url.starts_with('/') => {
            rest.find('/').map_or("/", |slash| &rest[slash..])
        }
        _ => url,
    }
}

/// The headers of a request as an object; names in any letter case.
#[derive(Debug)]
pub(super) struct Headers(Vec<(String, String)>);

impl Headers {
    pub(super) fn get(&self, name: &str) -> &str {
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

fn sha256<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[u8; 32]>, D::Error> {
    let Some(text) = Option::<Cow<'de, str>>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let mut digest = [0; 32];
    let digits = text.as_bytes();
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let read = digits.len() == 2 * digest.len()
        && digest.iter_mut().zip(digits.chunks(2)).all(|(byte, pair)| {
            let both = digit(pair[0]).zip(digit(pair[1]));
            both.and_then(|(high, low)| u8::try_from(high << 4 | low).ok())
                .map(|read| *byte = read)
                .is_some()
        });
    match read {
        true => Ok(Some(digest)),
        false => Err(D::Error::custom("expected 64 hexadecimal digits")),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::body;

    fn read(body: &str) -> Result<String, String> {
        let asked = body::parse::<Asked<'_>>(body.as_bytes(), 8);
        asked
            .map(|asked| format!("{asked:?}"))
            .map_err(|problem| problem.body()["detail"].to_string())
    }

    #[test]
    fn a_url_is_its_path_and_query_wherever_it_is_asked_for() {
        for (url, path) in [
            ("/a?b=c://d/e", "/a?b=c://d/e"),
            ("https://api.example/a?b", "/a?b"),
            ("https://api.example", "/"),
        ] {
            assert_eq!(path_of(url), path, "{url}");
        }
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
            r#"{"credential": {"scheme": "cortex", "headers": {}, "body_sha256": "e3b0"}}"#,
            r#"{"credential": {"scheme": "cortex", "headers": {"A": "1", "a": "2"}}}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
