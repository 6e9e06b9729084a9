//! The OAuth endpoints, asked as clients ask.

use authority::keys::Shown;
use credential::key::Kind;
use serde_json::{Value, json};
use testkit::Database;

use crate::house::{Answer, House, ISSUER, basic, client};

const TOKEN: &str = "/oauth2/token";
const INTROSPECT: &str = "/oauth2/introspect";
const REVOKE: &str = "/oauth2/revoke";
const GRANT: &str = "grant_type=client_credentials";

/// A house with a client of product `sample` and one that may introspect, both of one organization.
struct Scene {
    house: House,
    client: (String, String),
    asker: String,
}

impl Scene {
    async fn open(database: &Database) -> Self {
        let house = House::open(database).await;
        let home = house.organization("Home").await;
        let scopes = ["sample.orders:read", "sample.reports:read"];
        let buyer = house
            .key(home, "sample", Kind::Client, "Buyer", &scopes)
            .await;
        let asker = house
            .key(
                home,
                "latchkey",
                Kind::Client,
                "Asker",
                &["latchkey.introspect"],
            )
            .await;
        Self {
            house,
            client: client(&buyer),
            asker: basic(&client(&asker)),
        }
    }

    async fn token(&self) -> String {
        let answer = self
            .house
            .post(TOKEN, Some(&basic(&self.client)), GRANT)
            .await;
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    async fn introspect(&self, token: &str) -> Value {
        let answer = self
            .house
            .post(INTROSPECT, Some(&self.asker), &format!("token={token}"))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }
}

fn refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!(
        (answer.status, answer.json()["error"].as_str()),
        (status, Some(error)),
        "{answer:?}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

testkit::on_each_engine! {
    async fn client_credentials_buy_a_token_by_basic_and_by_body(database: Database) {
        let scene = Scene::open(&database).await;
        let (id, secret) = &scene.client;
        let body = format!("{GRANT}&client_id={id}&client_secret={secret}");
        let encoded = (id.replace('-', "%2D"), secret.replace('_', "%5F"));
        for (authorization, form) in [
            (Some(basic(&scene.client)), GRANT.to_owned()),
            (Some(basic(&encoded)), GRANT.to_owned()),
            (Some(basic(&scene.client)), format!("{GRANT}&client_id={id}")),
            (None, body),
        ] {
            let answer = scene.house.post(TOKEN, authorization.as_deref(), &form).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("pragma"), Some("no-cache"));
            let token = answer.json();
            assert_eq!(token["token_type"], "Bearer");
            assert_eq!(token["expires_in"], 3600);
            assert_eq!(token["scope"], "sample.orders:read sample.reports:read");
            assert!(token["access_token"].is_string());
        }
    }

    async fn a_token_carries_the_scopes_that_were_asked_for_and_never_more(database: Database) {
        let scene = Scene::open(&database).await;
        let ask = async |scope: &str| {
            scene.house.post(TOKEN, Some(&basic(&scene.client)), &format!("{GRANT}&scope={scope}")).await
        };
        let answer = ask("sample.orders%3Aread").await;
        assert_eq!(answer.json()["scope"], "sample.orders:read");
        refused(&ask("sample.orders%3Awrite").await, 400, "invalid_scope");
        refused(&ask("sample.orders%3Aread+nonsense").await, 400, "invalid_scope");
    }

    async fn what_the_standard_refuses_is_refused_in_its_words(database: Database) {
        let scene = Scene::open(&database).await;
        let (id, secret) = scene.client.clone();
        let good = basic(&scene.client);
        let wrong = basic(&(id.clone(), "wrong".to_owned()));
        for (authorization, form, status, error) in [
            (Some(&wrong), GRANT.to_owned(), 401, "invalid_client"),
            (None, GRANT.to_owned(), 401, "invalid_client"),
            (None, format!("{GRANT}&client_id={id}"), 401, "invalid_client"),
            (Some(&good), format!("{GRANT}&client_secret={secret}"), 400, "invalid_request"),
            (Some(&good), format!("{GRANT}&client_id=other"), 400, "invalid_request"),
            (Some(&good), format!("{GRANT}&{GRANT}"), 400, "invalid_request"),
            (Some(&good), "scope=x".to_owned(), 400, "invalid_request"),
            (Some(&good), "grant_type=password&username=a&password=b".to_owned(), 400, "unsupported_grant_type"),
            (Some(&good), "grant_type=authorization_code&code=c".to_owned(), 400, "unsupported_grant_type"),
            (Some(&good), format!("{GRANT}&resource=https%3A%2F%2Fapi.example"), 400, "invalid_target"),
            (None, "grant_type=refresh_token&refresh_token=nonsense".to_owned(), 400, "invalid_grant"),
            (None, "grant_type=refresh_token".to_owned(), 400, "invalid_request"),
        ] {
            let answer = scene.house.post(TOKEN, authorization.map(String::as_str), &form).await;
            refused(&answer, status, error);
            let challenged = answer.header("www-authenticate").is_some_and(|value| value.starts_with("Basic"));
            assert_eq!(challenged, status == 401, "{form}");
        }
        refused(&scene.house.post("/oauth2/token?a=b", Some(&good), GRANT).await, 400, "invalid_request");
        refused(&scene.house.ask("GET", TOKEN, &[], "", None).await, 405, "invalid_request");
        let json = [("Content-Type".to_owned(), "application/json".to_owned()), ("Authorization".to_owned(), good)];
        refused(&scene.house.ask("POST", TOKEN, &json, GRANT, None).await, 400, "invalid_request");
    }

    async fn a_refresh_token_buys_the_next_pair_and_its_reuse_ends_the_family(database: Database) {
        let scene = Scene::open(&database).await;
        let home = scene.house.organization("Pairs").await;
        let issued = scene.house.key(home, "sample", Kind::TokenPair, "Pair", &["sample.orders:read"]).await;
        let Shown::TokenPair { refresh_token, .. } = &issued.shown else { panic!("no pair") };
        let refresh = async |token: &str| {
            scene.house.post(TOKEN, None, &format!("grant_type=refresh_token&refresh_token={token}")).await
        };
        let first = refresh_token.expose().to_owned();
        let answer = refresh(&first).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let next = answer.json();
        assert_ne!(next["refresh_token"], json!(first));
        assert_eq!(next["expires_in"], 3600);
        // A lost answer can be fetched again for a while.
        assert_eq!(refresh(&first).await.json()["refresh_token"], next["refresh_token"]);
        let second = next["refresh_token"].as_str().unwrap().to_owned();
        let third = refresh(&second).await.json()["refresh_token"].as_str().unwrap().to_owned();
        refused(&refresh(&first).await, 400, "invalid_grant");
        refused(&refresh(&third).await, 400, "invalid_grant");
    }

    async fn introspection_tells_all_of_a_good_token_and_one_thing_of_any_other(database: Database) {
        let scene = Scene::open(&database).await;
        let token = scene.token().await;
        let told = scene.introspect(&token).await;
        assert_eq!(told["active"], true);
        assert_eq!(told["iss"], ISSUER);
        assert_eq!(told["client_id"], json!(scene.client.0));
        assert_eq!(told["scope"], "sample.orders:read sample.reports:read");
        assert_eq!(told["aud"], "sample");
        assert_eq!(told["token_type"], "Bearer");
        assert_eq!(told["exp"].as_i64().unwrap() - told["iat"].as_i64().unwrap(), 3600);

        let abroad = scene.house.organization("Abroad").await;
        let stranger = scene.house.key(abroad, "sample", Kind::Client, "Stranger", &["sample.orders:read"]).await;
        let foreign = scene.house.post(TOKEN, Some(&basic(&client(&stranger))), GRANT).await.json();
        let mut forged = token.clone();
        let last = forged.pop().unwrap();
        forged.push(if last == 'A' { 'B' } else { 'A' });
        for other in [foreign["access_token"].as_str().unwrap(), "nonsense", &forged, &scene.client.1] {
            assert_eq!(scene.introspect(other).await, json!({ "active": false }), "{other}");
        }
    }

    async fn introspection_is_for_those_who_hold_its_scope(database: Database) {
        let scene = Scene::open(&database).await;
        let token = scene.token().await;
        let form = format!("token={token}");
        refused(&scene.house.post(INTROSPECT, None, &form).await, 401, "invalid_client");
        refused(&scene.house.post(INTROSPECT, Some(&basic(&scene.client)), &form).await, 403, "insufficient_scope");
        refused(&scene.house.post(INTROSPECT, Some(&format!("Bearer {token}")), &form).await, 403, "insufficient_scope");
        refused(&scene.house.post(INTROSPECT, Some("Bearer nonsense"), &form).await, 401, "invalid_token");
        let home = scene.house.organization("Other").await;
        let verifier = scene.house.key(home, "latchkey", Kind::Static, "Verifier", &["latchkey.verify"]).await;
        let Shown::Static { secret } = &verifier.shown else { panic!("no key") };
        let bearer = format!("Bearer {}", secret.expose());
        refused(&scene.house.post(INTROSPECT, Some(&bearer), &form).await, 403, "insufficient_scope");
        refused(&scene.house.post(INTROSPECT, Some(&scene.asker), "").await, 400, "invalid_request");
    }

    async fn a_revoked_token_is_dead_and_the_others_live(database: Database) {
        let scene = Scene::open(&database).await;
        let (one, other) = (scene.token().await, scene.token().await);
        let revoke = async |authorization: Option<&str>, token: &str| {
            scene.house.post(REVOKE, authorization, &format!("token={token}")).await.status
        };
        let home = scene.house.organization("Thief").await;
        let thief = scene.house.key(home, "sample", Kind::Client, "Thief", &["sample.orders:read"]).await;
        assert_eq!(revoke(Some(&basic(&client(&thief))), &one).await, 200);
        assert_eq!(scene.introspect(&one).await["active"], true, "somebody else's token is not ended");
        assert_eq!(revoke(Some(&basic(&(scene.client.0.clone(), "wrong".into()))), &one).await, 401);
        assert_eq!(revoke(Some(&basic(&scene.client)), &one).await, 200);
        assert_eq!(scene.introspect(&one).await, json!({ "active": false }));
        assert_eq!(scene.introspect(&other).await["active"], true);
        assert_eq!(revoke(Some(&basic(&scene.client)), &one).await, 200);
        assert_eq!(revoke(Some(&basic(&scene.client)), "nonsense").await, 200);
    }

    async fn a_revoked_refresh_token_takes_its_family_along(database: Database) {
        let scene = Scene::open(&database).await;
        let home = scene.house.organization("Pairs").await;
        let asker = scene.house.key(home, "latchkey", Kind::Client, "Asker", &["latchkey.introspect"]).await;
        let issued = scene.house.key(home, "sample", Kind::TokenPair, "Pair", &["sample.orders:read"]).await;
        let Shown::TokenPair { access_token, refresh_token, .. } = &issued.shown else { panic!("no pair") };
        let asker = basic(&client(&asker));
        let active = async || {
            let form = format!("token={}", access_token.expose());
            scene.house.post(INTROSPECT, Some(&asker), &form).await.json()["active"].clone()
        };
        assert_eq!(active().await, true);
        let form = format!("token={}&client_id={}", refresh_token.expose(), issued.key.id);
        assert_eq!(scene.house.post(REVOKE, None, &form).await.status, 200);
        assert_eq!(active().await, false);
        let form = format!("grant_type=refresh_token&refresh_token={}", refresh_token.expose());
        refused(&scene.house.post(TOKEN, None, &form).await, 400, "invalid_grant");
    }

    async fn the_metadata_lists_what_is_there(database: Database) {
        let house = House::open(&database).await;
        let metadata = house.ask("GET", "/.well-known/oauth-authorization-server", &[], "", None).await.json();
        assert_eq!(metadata["issuer"], ISSUER);
        for (member, path) in [
            ("token_endpoint", TOKEN),
            ("introspection_endpoint", INTROSPECT),
            ("revocation_endpoint", REVOKE),
            ("jwks_uri", "/.well-known/jwks.json"),
        ] {
            assert_eq!(metadata[member], format!("{ISSUER}{path}"), "{member}");
        }
        let keys = house.ask("GET", "/.well-known/jwks.json", &[], "", None).await;
        assert_eq!(keys.header("cache-control"), Some("public, max-age=300"));
        let keys = keys.json();
        assert!(keys["keys"].as_array().unwrap().iter().any(|key| key["alg"] == "ES256"));
        assert!(!keys.to_string().contains("\"d\""), "a private key is published");
    }
}
