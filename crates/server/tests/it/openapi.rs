//! The checked-in description of the native API is the one that is served.

use std::collections::BTreeSet;

use serde_json::Value;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi.json");

/// The description as it is checked in.
pub(crate) fn checked_in() -> Value {
    serde_json::from_str(&std::fs::read_to_string(PATH).unwrap()).unwrap()
}

/// Every operation: its id, method and path.
pub(crate) fn operations(document: &Value) -> Vec<(String, String, String)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            operations.push((id.to_owned(), method.to_uppercase(), path.clone()));
        }
    }
    operations
}

#[test]
fn the_description_that_is_checked_in_is_true() {
    let made = server::api::openapi(env!("CARGO_PKG_VERSION"));
    if std::env::var_os("LATCHKEY_WRITE").is_some() {
        std::fs::write(PATH, &made).unwrap();
    }
    let written = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        written == made,
        "openapi.json is not what is served; run this test with LATCHKEY_WRITE=1"
    );
}

#[test]
fn every_operation_has_an_id_of_its_own_a_summary_and_a_part_of_the_api() {
    let document = checked_in();
    let mut ids = BTreeSet::new();
    for (id, method, path) in operations(&document) {
        assert!(ids.insert(id.clone()), "{id} stands twice");
        let operation = &document["paths"][&path][method.to_lowercase()];
        assert!(
            operation["summary"]
                .as_str()
                .is_some_and(|summary| summary.len() > 5),
            "{id}"
        );
        let tag = &operation["tags"][0];
        assert!(
            document["tags"]
                .as_array()
                .unwrap()
                .iter()
                .any(|known| known["name"] == *tag),
            "{id}: {tag}"
        );
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(document: &Value, value: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(to) = members.get("$ref").and_then(Value::as_str) {
                    assert!(
                        document.pointer(to.trim_start_matches('#')).is_some(),
                        "{to}"
                    );
                }
                members.values().for_each(|member| walk(document, member));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(document, item)),
            _ => {}
        }
    }
    let document = checked_in();
    walk(&document, &document);
}
