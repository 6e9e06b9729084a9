//! Cloud accounts and what is in them, in a shape of our own; and what the vendor's scripts for build servers call.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::{Answer, Asked};

/// What a weighed plan is called; one is as good as another here.
const SIMULATION: &str = "1";

/// The scan of an image, as a program: it is run with the image and the file that it writes.
const SCAN: &str = "#!/bin/bash\n# Scans nothing: every image of a sample is fine.\n\
    printf '{\"state\":\"FINISHED\",\"score\":\"A\",\"image\":\"%s\"}\\n' \"$1\" > \"$2\"\n";

pub(super) fn answer(asked: &Asked<'_>) -> Option<Answer> {
    let ok = |body: Value| Some((StatusCode::OK, body));
    match &*asked.segments() {
        ["api", "v1", "orca", rest @ ..] => Some(orca(asked, rest)),
        ["api", "iris", "model", "cross-account", rest @ ..] => match rest {
            ["simulation", SIMULATION] => ok(
                json!({"status": "SUCCESS", "result": {"asset_violation_diffs": [{"state": "FIXED"}]}}),
            ),
            ["integration", "verify-changes"] => ok(json!({"status": "PASS"})),
            _ => Some(nothing()),
        },
        ["iris", "api", "provisioning", "targets"] => ok(
            json!({"targets": [{"id": "target-1", "azure_vnet_id": "/subscriptions/0/virtualNetworks/harbour"}]}),
        ),
        _ => None,
    }
}

/// What is no JSON: an accepted plan, whose answer has no body and says where the result will be; and a program.
pub(super) fn plain(asked: &Asked<'_>) -> Option<Response<Full<Bytes>>> {
    match &*asked.segments() {
        ["api", "iris", "model", "cross-account", "simulation"] if asked.method == Method::POST => {
            let place = format!(
                "{}://{}/api/iris/model/cross-account/simulation/{SIMULATION}",
                asked.said("x-forwarded-proto"),
                asked.said("x-forwarded-host")
            );
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::ACCEPTED;
            response
                .headers_mut()
                .insert(LOCATION, HeaderValue::from_str(&place).ok()?);
            Some(response)
        }
        ["api", "orca", "public", "scripts", "cicd-image-scan"] => {
            let mut response = Response::new(Full::new(Bytes::from_static(SCAN.as_bytes())));
            response.headers_mut().insert(
                CONTENT_TYPE,
                HeaderValue::from_static("application/octet-stream"),
            );
            Some(response)
        }
        _ => None,
    }
}

fn orca(asked: &Asked<'_>, rest: &[&str]) -> Answer {
    let body = match rest {
        ["cloud-accounts"] if asked.method == Method::POST => {
            return (StatusCode::CREATED, asked.json().unwrap_or_default());
        }
        ["cloud-accounts"] => json!({"accounts": shown(asked)}),
        ["cloud-accounts", id] => match account(id) {
            Some(account) if asked.is_reading() => account,
            Some(account) => json!({"changed": account["id"]}),
            None => return nothing(),
        },
        ["cloud-accounts", id, "assets"] => match account(id) {
            Some(account) => {
                json!({"assets": [{"account": account["id"], "type": "vm", "name": "harbour-1"}]})
            }
            None => return nothing(),
        },
        ["conf", "clusters"] => json!([{"id": "harbour", "status": "connected"}]),
        ["conf", "clusters", "harbour", "rules"] => {
            json!({"rules": [{"from": "shop", "to": "orders", "action": "allow"}]})
        }
        ["model", "cross-cluster", "workload-risks"] => json!({
            "workloads": [{"name": "shop", "risks": [{"exempted": true}], "containers": [{"risks": []}]}],
        }),
        _ => return nothing(),
    };
    (StatusCode::OK, body)
}

/// The accounts that the gateway says are reached: all of them, or those that it lists. Whatever else it says, none.
fn shown(asked: &Asked<'_>) -> Vec<Value> {
    let reached = asked.said("x-latchkey-resources");
    let is_reached = |account: &Value| {
        let name = format!("account:{}", account["id"].as_str().unwrap_or_default());
        // The ids here have nothing in them that would be encoded.
        reached == "*" || reached.split(',').any(|known| known == name)
    };
    accounts().into_iter().filter(is_reached).collect()
}

fn account(id: &str) -> Option<Value> {
    accounts()
        .into_iter()
        .find(|account| account["id"].as_str() == Some(id))
}

fn accounts() -> Vec<Value> {
    vec![
        json!({"id": "111122223333", "name": "Harbour shop", "vendor": "aws"}),
        json!({"id": "444455556666", "name": "Harbour office", "vendor": "aws"}),
        json!({"id": "harbour-azure", "name": "Harbour archive", "vendor": "azure"}),
    ]
}

fn nothing() -> Answer {
    let body = json!({"error": "not_found", "error_description": "There is no such thing here"});
    (StatusCode::NOT_FOUND, body)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn a_list_shows_what_the_gateway_says_is_reached_and_nothing_where_it_says_nothing() {
        let listed = |reached: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(reached) = reached {
                headers.insert("x-latchkey-resources", HeaderValue::from_static(reached));
            }
            let asked = Asked {
                method: &Method::GET,
                path: "/api/v1/orca/cloud-accounts",
                headers: &headers,
                body: b"",
            };
            let (_, body) = answer(&asked).unwrap();
            body["accounts"].as_array().unwrap().len()
        };
        for (reached, expected) in [
            (Some("*"), 3),
            (Some("account:111122223333"), 1),
            (Some("account:111122223333,account:harbour-azure"), 2),
            (Some("account:1"), 0),
            (Some("group:111122223333"), 0),
            (Some("-"), 0),
            (None, 0),
        ] {
            assert_eq!(listed(reached), expected, "{reached:?}");
        }
    }
}
