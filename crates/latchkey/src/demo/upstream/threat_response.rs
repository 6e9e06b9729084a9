//! Inspect, enrich, response and intelligence, in the vendor's shapes. Inspect really reads the text; what the others know
//! is invented.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Asked};

/// The most observables of one text.
const MOST_OBSERVABLES: usize = 1000;

/// The module that knows everything here.
const MODULE: &str = "Harbour Reputation";
const MODULE_TYPE: &str = "5e1a7f00-0000-4000-8000-000000000001";
const MODULE_INSTANCE: &str = "5e1a7f00-0000-4000-8000-000000000002";

pub(super) fn answer(asked: &Asked<'_>) -> Option<Answer> {
    match &*asked.segments() {
        ["iroh", "iroh-inspect", "inspect"] => Some(inspect(asked)),
        ["iroh", "iroh-enrich", rest @ ..] => Some(enrich(asked, rest)),
        ["iroh", "iroh-response", "respond", rest @ ..] => Some(respond(asked, rest)),
        ["iroh", "iroh-int", kind, rest @ ..] => Some(modules(asked, kind, rest)),
        ["ctia", entity, rest @ ..] => Some(intelligence(asked, entity, rest)),
        _ => None,
    }
}

fn nothing() -> Answer {
    let body = json!({"error": "not_found", "error_description": "There is no such thing here."});
    (StatusCode::NOT_FOUND, body)
}

fn inspect(asked: &Asked<'_>) -> Answer {
    let content = asked.json().map(|body| body["content"].clone());
    match content {
        Some(Value::String(text)) => {
            let found = observables(&text);
            let found: Vec<Value> = found
                .iter()
                .map(|(kind, value)| json!({"value": value, "type": kind}))
                .collect();
            (StatusCode::OK, found.into())
        }
        Some(Value::Null) | None => (
            StatusCode::BAD_REQUEST,
            json!({"content": "missing-required-key"}),
        ),
        Some(_) => (StatusCode::BAD_REQUEST, json!({"content": "not-a-string"})),
    }
}

/// What a text names that can be observed, each once, in its order.
fn observables(text: &str) -> Vec<(&'static str, String)> {
    let mut found: Vec<(&'static str, String)> = Vec::new();
    let words = text.split(|c: char| c.is_whitespace() || "\"'<>()[]{},;|".contains(c));
    for word in words {
        // Analysts write addresses so that nobody follows them by mistake.
        let word = word.replace("hxxp", "http");
        let word = word.trim_matches(|c: char| ".:!?".contains(c));
        if let Some(kind) = kind(word)
            && !found.iter().any(|(_, known)| known == word)
            && found.len() < MOST_OBSERVABLES
        {
            found.push((kind, word.to_owned()));
        }
    }
    found
}

fn kind(word: &str) -> Option<&'static str> {
    if word
        .strip_prefix("http://")
        .or_else(|| word.strip_prefix("https://"))
        .is_some_and(|rest| !rest.is_empty())
    {
        return Some("url");
    }
    if let Some((local, domain)) = word.split_once('@') {
        return (!local.is_empty() && is_domain(domain)).then_some("email");
    }
    if word.parse::<Ipv4Addr>().is_ok() {
        return Some("ip");
    }
    if word.contains(':') && word.parse::<Ipv6Addr>().is_ok() {
        return Some("ipv6");
    }
    if word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        match word.len() {
            32 => return Some("md5"),
            40 => return Some("sha1"),
            64 => return Some("sha256"),
            _ => {}
        }
    }
    is_domain(word).then_some("domain")
}

/// Labels of letters, digits and hyphens, the last one of letters only.
fn is_domain(word: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    match word.rsplit_once('.') {
        Some((labels, last)) => {
            last.len() >= 2
                && last.bytes().all(|byte| byte.is_ascii_alphabetic())
                && labels.split('.').all(label)
        }
        None => false,
    }
}

fn enrich(asked: &Asked<'_>, rest: &[&str]) -> Answer {
    match rest {
        ["settings"] => (StatusCode::OK, json!({"request-timeout": 30})),
        ["health"] | ["health", MODULE_INSTANCE] => {
            let health = json!({"status": "ok"});
            (
                StatusCode::OK,
                json!({"data": [of_module(json!({"health": health}))]}),
            )
        }
        [kind @ ("deliberate" | "observe" | "refer"), "observables"] => match named(asked) {
            Err(no) => no,
            Ok(observables) if *kind == "refer" => {
                let links: Vec<Value> = observables.iter().map(referral).collect();
                (StatusCode::OK, json!({"data": links}))
            }
            Ok(observables) => {
                let (member, docs): (_, Vec<Value>) = match *kind {
                    "deliberate" => ("verdicts", observables.iter().map(verdict).collect()),
                    _ => ("sightings", observables.iter().map(sighting).collect()),
                };
                let data = json!({ member: {"count": docs.len(), "docs": docs} });
                (StatusCode::OK, json!({"data": [of_module(data)]}))
            }
        },
        _ => nothing(),
    }
}

fn of_module(data: Value) -> Value {
    json!({"module": MODULE, "module_type_id": MODULE_TYPE, "module_instance_id": MODULE_INSTANCE, "data": data})
}

/// The observables of a body: type and value of each.
fn named(asked: &Asked<'_>) -> Result<Vec<(String, String)>, Answer> {
    let bad = |reason: Value| (StatusCode::BAD_REQUEST, reason);
    let Some(Value::Array(items)) = asked.json() else {
        return Err(bad(json!({"observables": "missing-required-key"})));
    };
    items
        .iter()
        .take(MOST_OBSERVABLES)
        .map(|item| {
            let text = |member: &str| item[member].as_str().map(str::to_owned);
            text("type").zip(text("value")).ok_or_else(|| {
                bad(json!({"value": "missing-required-key", "type": "missing-required-key"}))
            })
        })
        .collect()
}

/// What says that it is malicious is; of the rest nothing is known.
fn verdict((kind, value): &(String, String)) -> Value {
    let disposition = if value.contains("malicious") { 2 } else { 5 };
    json!({
        "type": "verdict", "disposition": disposition,
        "disposition_name": if disposition == 2 { "Malicious" } else { "Unknown" },
        "observable": {"type": kind, "value": value},
        "valid_time": {"start_time": "2026-01-15T00:00:00.000Z", "end_time": "2026-02-14T00:00:00.000Z"},
    })
}

fn sighting((kind, value): &(String, String)) -> Value {
    json!({
        "type": "sighting", "count": 1, "confidence": "High", "internal": true,
        "observables": [{"type": kind, "value": value}],
        "observed_time": {"start_time": "2026-01-15T08:30:00.000Z"},
        "targets": [{
            "type": "endpoint", "observables": [{"type": "hostname", "value": "harbour-1"}],
            "observed_time": {"start_time": "2026-01-15T08:30:00.000Z"},
        }],
    })
}

fn referral((kind, value): &(String, String)) -> Value {
    json!({
        "id": format!("ref-{MODULE_INSTANCE}-{kind}-{value}"), "title": format!("Search for this {kind}"),
        "description": format!("Look this {kind} up in {MODULE}."), "categories": ["Search"],
        "url": "https://reputation.harbour-books.example/search",
        "module": MODULE, "module_type_id": MODULE_TYPE, "module_instance_id": MODULE_INSTANCE,
    })
}

fn respond(asked: &Asked<'_>, rest: &[&str]) -> Answer {
    match rest {
        ["observables"] => match named(asked) {
            Err(no) => no,
            Ok(observables) => {
                let actions: Vec<Value> = observables
                    .iter()
                    .map(|(kind, value)| {
                        json!({
                            "id": "block", "title": format!("Block this {kind}"), "categories": ["Block"],
                            "module": MODULE, "observable_type": kind, "observable_value": value,
                        })
                    })
                    .collect();
                (StatusCode::OK, json!({"data": actions}))
            }
        },
        ["sighting"] => (StatusCode::OK, json!({"data": []})),
        ["trigger", _module, "block"] => (StatusCode::OK, json!({"data": {"status": "success"}})),
        _ => nothing(),
    }
}

fn modules(asked: &Asked<'_>, kind: &str, rest: &[&str]) -> Answer {
    let module = match kind {
        "module-instance" => {
            json!({"id": MODULE_INSTANCE, "name": MODULE, "module-type-id": MODULE_TYPE, "enabled": true})
        }
        "module-type" => json!({"id": MODULE_TYPE, "title": MODULE, "enabled": true}),
        _ => return nothing(),
    };
    let is_it = |id: &str| module["id"] == id;
    match (asked.is_reading(), rest) {
        (true, []) => (StatusCode::OK, json!([module])),
        (true, [id]) if is_it(id) => (StatusCode::OK, module),
        (false, []) if asked.method == Method::POST => (StatusCode::CREATED, module),
        (false, [id]) if is_it(id) => (StatusCode::OK, module),
        _ => nothing(),
    }
}

/// One of each kind. What is written is shown and forgotten.
fn intelligence(asked: &Asked<'_>, entity: &str, rest: &[&str]) -> Answer {
    let id = format!(
        "https://private.intel.amp.cisco.com:443/ctia/{entity}/{entity}-00000000-0000-4000-8000-000000000001"
    );
    let one = json!({"id": id, "type": entity, "schema_version": "1.3.10", "title": format!("A sample {entity}"), "tlp": "green"});
    let is_it = |named: &str| id.ends_with(&format!("/{named}"));
    match (asked.method, rest) {
        (&Method::GET | &Method::HEAD, ["search"]) => (StatusCode::OK, json!([one])),
        (&Method::GET | &Method::HEAD, [named]) if is_it(named) => (StatusCode::OK, one),
        (&Method::POST, []) => {
            let mut made = one;
            if let (Some(Value::Object(sent)), Some(made)) = (asked.json(), made.as_object_mut()) {
                made.extend(sent.into_iter().filter(|(name, _)| name != "id"));
            }
            (StatusCode::CREATED, made)
        }
        (&Method::PUT | &Method::PATCH, [named]) if is_it(named) => (StatusCode::OK, one),
        (&Method::DELETE, [named]) if is_it(named) => (StatusCode::NO_CONTENT, Value::Null),
        _ => nothing(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn a_text_gives_up_what_can_be_observed_each_once_in_its_order() {
        let sha = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";
        let text = format!(
            "Saw cisco.com, 192.0.2.7 and [2001:db8::1]; mail from eve@malicious.example. \
             Fetched hxxp://malicious.example/a?b=c with {sha} (cisco.com again). Not: 1.2, foo, 300.1.1.1, a@b"
        );
        let found = observables(&text);
        let expected = [
            ("domain", "cisco.com"),
            ("ip", "192.0.2.7"),
            ("ipv6", "2001:db8::1"),
            ("email", "eve@malicious.example"),
            ("url", "http://malicious.example/a?b=c"),
            ("sha256", sha),
        ];
        let found: Vec<_> = found
            .iter()
            .map(|(kind, value)| (*kind, value.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn each_api_answers_and_a_body_that_says_nothing_is_refused() {
        let headers = HeaderMap::new();
        let check = |method: Method, path: &str, body: &str, status: u16| {
            let asked = Asked {
                method: &method,
                path,
                headers: &headers,
                body: body.as_bytes(),
            };
            let answer = answer(&asked).unwrap();
            assert_eq!(answer.0.as_u16(), status, "{method} {path}: {}", answer.1);
        };
        let observables = r#"[{"type": "domain", "value": "malicious.example"}]"#;
        check(
            Method::POST,
            "/iroh/iroh-inspect/inspect",
            r#"{"content": "a.com"}"#,
            200,
        );
        check(Method::POST, "/iroh/iroh-inspect/inspect", "{}", 400);
        check(Method::POST, "/iroh/iroh-inspect/inspect", "", 400);
        check(
            Method::POST,
            "/iroh/iroh-inspect/inspect",
            r#"{"content": 1}"#,
            400,
        );
        for kind in ["deliberate", "observe", "refer"] {
            check(
                Method::POST,
                &format!("/iroh/iroh-enrich/{kind}/observables"),
                observables,
                200,
            );
            check(
                Method::POST,
                &format!("/iroh/iroh-enrich/{kind}/observables"),
                "{}",
                400,
            );
        }
        check(Method::POST, "/iroh/iroh-enrich/health", "", 200);
        check(
            Method::POST,
            "/iroh/iroh-response/respond/observables",
            observables,
            200,
        );
        check(
            Method::POST,
            "/iroh/iroh-response/respond/trigger/harbour/block",
            "",
            200,
        );
        check(
            Method::POST,
            "/iroh/iroh-response/respond/trigger/harbour/explode",
            "",
            404,
        );
        check(Method::GET, "/iroh/iroh-int/module-instance", "", 200);
        check(Method::GET, "/ctia/incident/search", "", 200);
        check(Method::POST, "/ctia/incident", r#"{"title": "t"}"#, 201);
        check(
            Method::GET,
            "/ctia/incident/incident-00000000-0000-4000-8000-000000000001",
            "",
            200,
        );
        check(Method::GET, "/ctia/incident/another", "", 404);
    }
}
