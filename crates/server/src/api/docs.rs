//! The description of the API: `/openapi.json` for programs, `/docs` and `/docs/problems` for people. All of it is made
//! once, needs no scripts and loads nothing from elsewhere.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde_json::Value;
use utoipa::openapi::OpenApi;

use crate::problem::Kind;

/// What a page may load: its own style, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
color:#1a1a1a;background:#fff}code,pre{font:14px/1.4 ui-monospace,monospace}pre{background:#f4f4f4;padding:.75rem;\
overflow-x:auto}h2{margin-top:3rem}h3{margin:2rem 0 .25rem}b.m{display:inline-block;min-width:4rem}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.25rem .5rem;\
border-bottom:1px solid #ddd}a{color:#0b5394}@media(prefers-color-scheme:dark){body{background:#111;color:#eee}\
pre{background:#222}td,th{border-color:#444}a{color:#8ab4f8}}";

/// The description as the server tells it.
pub(super) fn routes(document: &OpenApi) -> Router {
    let text = Bytes::from(text(document));
    let value: Value = serde_json::from_slice(&text).unwrap_or_default();
    let (reference, problems) = (Bytes::from(reference(&value)), Bytes::from(problems()));
    let page = |body: Bytes| get(move || async move { answer(body, "text/html; charset=utf-8") });
    Router::new()
        .route(
            "/openapi.json",
            get(move || async move { answer(text, "application/json") }),
        )
        .route("/docs", page(reference))
        .route("/docs/problems", page(problems))
}

/// The document as it is served and checked in.
pub(super) fn text(document: &OpenApi) -> String {
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

fn answer(body: Bytes, kind: &'static str) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// Every operation, by its part of the API.
fn reference(document: &Value) -> String {
    let mut body = String::from("<h1>The Latchkey API</h1>\n");
    paragraph(
        &mut body,
        document["info"]["description"].as_str().unwrap_or_default(),
    );
    body.push_str("<p><a href=\"/openapi.json\">openapi.json</a> · <a href=\"/docs/problems\">problems</a></p>\n");
    let tags = document["tags"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for tag in tags {
        let name = tag["name"].as_str().unwrap_or_default();
        body.push_str(&format!("<h2 id=\"{0}\">{0}</h2>\n", escaped(name)));
        paragraph(&mut body, tag["description"].as_str().unwrap_or_default());
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let of_tag = operation["tags"]
                    .as_array()
                    .is_some_and(|tags| tags.iter().any(|tag| tag == name));
                if of_tag {
                    describe(&mut body, document, path, method, operation);
                }
            }
        }
    }
    page("The Latchkey API", &body)
}

fn describe(body: &mut String, document: &Value, path: &str, method: &str, operation: &Value) {
    let id = operation["operationId"].as_str().unwrap_or_default();
    body.push_str(&format!(
        "<h3 id=\"{}\"><b class=\"m\">{}</b> <code>{}</code></h3>\n",
        escaped(id),
        method.to_uppercase(),
        escaped(path)
    ));
    paragraph(body, operation["summary"].as_str().unwrap_or_default());
    paragraph(body, operation["description"].as_str().unwrap_or_default());
    if let Some(parameters) = operation["parameters"].as_array() {
        body.push_str("<table><tr><th>Parameter</th><th>In</th><th></th></tr>\n");
        for parameter in parameters {
            let text = |name: &str| escaped(parameter[name].as_str().unwrap_or_default());
            body.push_str(&format!(
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>\n",
                text("name"),
                text("in"),
                text("description")
            ));
        }
        body.push_str("</table>\n");
    }
    if let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") {
        members(body, document, "Member", schema);
    }
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        if !status.starts_with('2') {
            continue;
        }
        let about = answer["description"].as_str().unwrap_or_default();
        body.push_str(&format!("<p><b>{status}</b> {}</p>\n", escaped(about)));
        if let Some(schema) = answer.pointer("/content/application~1json/schema") {
            members(body, document, "Answer", schema);
        }
    }
}

/// The members of an object, one line each.
fn members(body: &mut String, document: &Value, title: &str, schema: &Value) {
    let schema = resolved(document, schema);
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    let required = |name: &str| {
        schema["required"]
            .as_array()
            .is_some_and(|list| list.iter().any(|known| known == name))
    };
    body.push_str(&format!(
        "<table><tr><th>{title}</th><th>Type</th><th></th></tr>\n"
    ));
    for (name, member) in properties {
        let about = member["description"]
            .as_str()
            .or(resolved(document, member)["description"].as_str());
        body.push_str(&format!(
            "<tr><td><code>{}</code>{}</td><td>{}</td><td>{}</td></tr>\n",
            escaped(name),
            if required(name) {
                ""
            } else {
                " <i>optional</i>"
            },
            escaped(&kind(member)),
            escaped(about.unwrap_or_default())
        ));
    }
    body.push_str("</table>\n");
}

/// The schema behind a reference, and behind "or null".
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let some = schema["oneOf"]
        .as_array()
        .and_then(|list| list.iter().find(|one| one["type"] != "null"));
    let schema = some.unwrap_or(schema);
    match schema["$ref"]
        .as_str()
        .and_then(|to| to.strip_prefix('#'))
        .and_then(|to| document.pointer(to))
    {
        Some(found) => found,
        None => schema,
    }
}

/// A type in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|to| to.rsplit('/').next()) {
        return name.to_owned();
    }
    if let Some(list) = schema["oneOf"].as_array() {
        return list.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::String(word) if word == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(word) => schema["format"].as_str().unwrap_or(word).to_owned(),
        Value::Array(words) => words
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(" or "),
        _ => String::new(),
    }
}

/// The catalogue of problems.
fn problems() -> String {
    let mut body = String::from("<h1>Problems</h1>\n");
    paragraph(
        &mut body,
        "Every error of the API is a problem detail (RFC 9457). Its type keeps its meaning for good; detail is for people.",
    );
    for kind in Kind::ALL {
        body.push_str(&format!(
            "<h3 id=\"{0}\"><code>{0}</code></h3>\n",
            kind.slug()
        ));
        paragraph(
            &mut body,
            &format!(
                "{} {}. {}",
                kind.status().as_u16(),
                kind.title(),
                kind.advice()
            ),
        );
    }
    page("Problems", &body)
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{}</title>\
         <style>{STYLE}</style></head><body>\n{body}</body></html>\n",
        escaped(title)
    )
}

fn paragraph(body: &mut String, text: &str) {
    if !text.is_empty() {
        body.push_str(&format!("<p>{}</p>\n", escaped(text)));
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
