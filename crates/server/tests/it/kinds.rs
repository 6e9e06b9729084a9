//! A key of each kind is made through the native API and verified.

use credential::secret::Digest;
use serde_json::{Value, json};

use crate::native::{Native, ORDERS};

testkit::on_each_engine! {
    async fn a_static_key_is_verified_by_its_string(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (id, key) = native.static_key(&json!({})).await;
        check(&native, json!(key), &id, "static").await;
    }

    async fn a_signed_key_is_verified_by_a_signature(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (id, secret) = native.key("signed", &json!({})).await;
        assert_eq!(secret["key_id"], id.as_str());
        let proof = signed(&native, &id, secret["secret"].as_str().unwrap(), "a nonce of sixteen or more");
        check(&native, proof, &id, "signed").await;
    }

    async fn a_client_is_verified_by_the_token_it_gets(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (id, secret) = native.key("client", &json!({})).await;
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            secret["client_id"].as_str().unwrap(),
            secret["client_secret"].as_str().unwrap()
        );
        let token = native.house.post("/oauth2/token", None, &form).await;
        assert_eq!(token.status, 200, "{token:?}");
        check(&native, token.json()["access_token"].clone(), &id, "client").await;
        assert_eq!(native.code(secret["client_secret"].as_str().unwrap()).await, "NOT_FOUND");
    }

    async fn a_token_pair_is_verified_by_its_access_token(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (id, secret) = native.key("token_pair", &json!({})).await;
        check(&native, secret["access_token"].clone(), &id, "token_pair").await;
        assert_eq!(native.code(secret["refresh_token"].as_str().unwrap()).await, "NOT_FOUND");
    }

    async fn a_jwt_is_verified_by_itself(database: testkit::Database) {
        let native = Native::open(&database).await;
        let (id, secret) = native.key("jwt", &json!({})).await;
        check(&native, secret["token"].clone(), &id, "jwt").await;
    }
}

/// The proof of a signed key over a nonce, made now.
pub(crate) fn signed(native: &Native, id: &str, secret: &str, nonce: &str) -> Value {
    let nonce = nonce.replace(' ', "-");
    let timestamp = native.house.authority.now().millis().to_string();
    let hash: String = Digest::of(&format!("{secret}{nonce}{timestamp}"))
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    json!({
        "scheme": "cortex",
        "method": "GET",
        "url": "https://api.example/orders",
        "headers": {"X-XDR-Auth-Id": id, "X-XDR-Nonce": nonce, "X-XDR-Timestamp": timestamp, "Authorization": hash},
    })
}

async fn check(native: &Native, credential: Value, id: &str, kind: &str) {
    let verdict = native
        .verify(&json!({"credential": credential, "scopes": [ORDERS]}))
        .await;
    assert_eq!(verdict["code"], "VALID", "{verdict}");
    assert_eq!(
        (&verdict["key_id"], &verdict["kind"], &verdict["scopes"]),
        (&json!(id), &json!(kind), &json!([ORDERS]))
    );
    assert_eq!(verdict["organization_id"], native.home.to_string());
}
