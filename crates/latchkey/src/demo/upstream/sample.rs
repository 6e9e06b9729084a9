//! Orders and accounts of a shop that does not exist.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Asked};

pub(super) fn answer(asked: &Asked<'_>) -> Option<Answer> {
    let body = match asked.segments().as_slice() {
        ["sample", "orders"] => json!({"orders": orders(), "asked_by": asker(asked)}),
        ["sample", "orders", id] => orders()
            .as_array()?
            .iter()
            .find(|order| order["id"].as_str() == Some(id))
            .cloned()?,
        ["sample", "accounts"] => {
            json!({"accounts": [{"id": "7", "name": "Harbour Books"}], "asked_by": asker(asked)})
        }
        _ => return None,
    };
    Some((StatusCode::OK, body))
}

/// What the gateway says about the caller.
fn asker(asked: &Asked<'_>) -> Value {
    json!({
        "key_id": asked.said("x-latchkey-key-id"),
        "organization_id": asked.said("x-latchkey-organization-id"),
        "scopes": asked.said("x-latchkey-scopes"),
    })
}

fn orders() -> Value {
    json!([
        {"id": "1001", "account": "7", "item": "sea chart", "pieces": 2},
        {"id": "1002", "account": "7", "item": "brass sextant", "pieces": 1},
    ])
}
