//! Roaming computers, in the vendor's shape.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Asked};

pub(super) fn answer(asked: &Asked<'_>) -> Option<Answer> {
    let ["deployments", "v2", rest @ ..] = &*asked.segments() else {
        return None;
    };
    let body = match rest {
        ["roamingcomputers"] => Some(computers()),
        ["roamingcomputers", "orgInfo"] => Some(
            json!({"organizationId": 1, "fingerprint": "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "userId": 1}),
        ),
        ["roamingcomputers", id] => computers()
            .as_array()?
            .iter()
            .find(|computer| computer["deviceId"].as_str() == Some(id))
            .cloned(),
        _ => None,
    };
    Some(body.map_or_else(nothing, |body| (StatusCode::OK, body)))
}

fn nothing() -> Answer {
    let body =
        json!({"statusCode": 404, "error": "Not Found", "message": "There is no such thing here."});
    (StatusCode::NOT_FOUND, body)
}

/// Every member but the last is required by strict clients.
fn computers() -> Value {
    let computer = |origin: u64, device: &str, name: &str, version: &str, system: &str| {
        json!({
            "originId": origin, "deviceId": device, "name": name, "type": "anyconnect", "status": "Encrypted",
            "swgStatus": "Protected", "lastSyncStatus": "Encrypted", "lastSyncSwgStatus": "Protected",
            "lastSync": "2026-01-15T08:30:00.000Z", "appliedBundle": 2, "hasIpBlocking": false, "version": version,
            "osVersion": system, "osVersionName": system, "anyconnectDeviceId": format!("{origin:040x}"),
        })
    };
    json!([
        computer(
            618_400_931,
            "AB000C044C87A4F0",
            "harbour-1",
            "5.2.3",
            "Windows 11"
        ),
        computer(
            618_400_932,
            "AB000C044C87A4F1",
            "harbour-2",
            "5.2.3",
            "macOS 15"
        ),
    ])
}
