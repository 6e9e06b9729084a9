//! Signing keys: published before they sign, and published until the last token they signed has expired.

use authority::keys::{Issued, Shown};
use authority::tokens::TokenRequest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credential::key::Kind;
use credential::time::Span;
use serde_json::json;

use crate::rig::{Rig, ask};

/// The published keys of the algorithm that the sample product signs by.
fn published(rig: &Rig) -> Vec<String> {
    let set = rig.authority.jwks();
    let keys = set["keys"].as_array().unwrap();
    keys.iter()
        .filter(|key| key["alg"] == "ES256")
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

async fn token(rig: &Rig, client: &Issued) -> (String, String) {
    let Shown::Client {
        client_id,
        client_secret,
    } = &client.shown
    else {
        panic!("not a client")
    };
    let request = TokenRequest {
        client_id,
        client_secret: client_secret.expose(),
        scopes: None,
        lenient: false,
        from: None,
        product: None,
        organization: None,
        request_id: "r",
    };
    let subject = |_: &credential::key::Key, _: i64| "s".to_owned();
    let issued = rig.authority.issue_token(&request, subject).await.unwrap();
    let Ok(issued) = issued else {
        panic!("the client is good")
    };
    let token = issued.token.expose().to_owned();
    let header = URL_SAFE_NO_PAD
        .decode(token.split('.').next().unwrap())
        .unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    (token, header["kid"].as_str().unwrap().to_owned())
}

testkit::on_each_engine! {
    async fn a_product_chooses_by_what_its_tokens_are_signed(database: testkit::Database) {
        let (es256, rs256) = ("signing_algorithm = \"ES256\"", "signing_algorithm = \"RS256\"");
        let rig = Rig::altered(&database, es256, rs256).await;
        let client = rig.create(Kind::Client, "client", &["sample.orders:read"]).await;
        let (token, kid) = token(&rig, &client).await;
        let set = rig.authority.jwks();
        let key = set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid.as_str()).unwrap();
        assert_eq!((&key["kty"], &key["alg"]), (&json!("RSA"), &json!("RS256")));
        assert_eq!(ask(&rig.authority, &token, &["sample.orders:read"]).await, Ok(()));
        assert!(ask(&rig.authority, &token[..token.len() - 4], &[]).await.is_err());
        // One that claims another algorithm than its key has.
        let header = json!({"alg": "ES256", "kid": kid, "typ": "at+jwt"}).to_string();
        let other = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), token.split_once('.').unwrap().1);
        assert!(ask(&rig.authority, &other, &[]).await.is_err());
    }

    async fn a_key_is_published_before_it_signs_and_until_its_last_token_expired(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let client = rig.create(Kind::Client, "client", &["sample.orders:read"]).await;
        let settings = rig.authority.settings().signing;
        let first = published(&rig);
        assert_eq!(first.len(), 1);

        rig.pass(Span::from_millis(settings.rollover.millis() - settings.publish_before.millis())).await;
        rig.authority.roll_signing_keys().await.unwrap();
        rig.authority.roll_signing_keys().await.unwrap();
        let both = published(&rig);
        assert_eq!(both.len(), 2, "its successor is published once");
        assert_eq!(token(&rig, &client).await.1, first[0], "and does not sign yet");

        rig.pass(Span::from_millis(settings.publish_before.millis() - 1)).await;
        let (last, kid) = token(&rig, &client).await;
        assert_eq!(kid, first[0]);
        rig.pass(Span::from_millis(1)).await;
        let (_, kid) = token(&rig, &client).await;
        assert_eq!(kid, *both.iter().find(|kid| **kid != first[0]).unwrap(), "now it signs");
        assert_eq!(ask(&rig.authority, &last, &[]).await, Ok(()), "what was signed before is good");
        assert_eq!(published(&rig).len(), 2);

        let products = rig.authority.world().products();
        let longest = products.iter().map(|product| product.tokens.access_life()).max().unwrap();
        rig.pass(longest).await;
        assert_eq!(published(&rig), [kid], "no token of the first is left");
        assert!(ask(&rig.authority, &last, &[]).await.is_err());
    }
}
