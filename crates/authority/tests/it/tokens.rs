//! Access tokens and refresh tokens.

use authority::keys::Shown;
use authority::tokens::{NoToken, NotRefreshed, TokenRequest};
use credential::family::Death;
use credential::key::{Denial, Kind};
use credential::time::Span;

use crate::rig::{Rig, ask};

const READ: &str = "sample.orders:read";
const WRITE: &str = "sample.orders:write";

fn request<'a>(
    client_id: &'a str,
    client_secret: &'a str,
    scopes: Option<&'a [&'a str]>,
) -> TokenRequest<'a> {
    TokenRequest {
        client_id,
        client_secret,
        scopes,
        lenient: false,
        from: None,
        product: None,
        organization: None,
        request_id: "r",
    }
}

async fn client(rig: &Rig, scopes: &[&str]) -> (credential::id::KeyId, String, String) {
    let issued = rig.create(Kind::Client, "client", scopes).await;
    match &issued.shown {
        Shown::Client {
            client_id,
            client_secret,
        } => (
            issued.key.id,
            client_id.clone(),
            client_secret.expose().to_owned(),
        ),
        _ => panic!("not a client"),
    }
}

async fn pair(rig: &Rig) -> (credential::id::KeyId, String, String) {
    let issued = rig.create(Kind::TokenPair, "pair", &[READ]).await;
    let (access, refresh) = tokens(&issued.shown);
    (issued.key.id, access, refresh)
}

fn tokens(shown: &Shown) -> (String, String) {
    match shown {
        Shown::TokenPair {
            access_token,
            refresh_token,
            ..
        } => (
            access_token.expose().to_owned(),
            refresh_token.expose().to_owned(),
        ),
        _ => panic!("not a pair"),
    }
}

testkit::on_each_engine! {
    async fn a_token_carries_what_was_asked_for_and_ends_with_its_time(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (_, id, secret) = client(&rig, &[READ, WRITE]).await;
        let subject = |key: &credential::key::Key, number: i64| format!("org/{number}/client/{}", key.id);
        let narrow = rig.authority.issue_token(&request(&id, &secret, Some(&[READ])), subject).await.unwrap();
        let narrow = narrow.unwrap_or_else(|_| panic!("the client is good"));
        assert_eq!(narrow.expires_in, 3600);
        assert_eq!(ask(&rig.authority, narrow.token.expose(), &[READ]).await, Ok(()));
        assert!(matches!(ask(&rig.authority, narrow.token.expose(), &[WRITE]).await, Err(Denial::Scope(_))));
        let too_much = ["sample.accounts:write"];
        let refused = rig.authority.issue_token(&request(&id, &secret, Some(&too_much)), subject).await.unwrap();
        assert!(matches!(refused, Err(NoToken::Scope(_))));
        let wrong = rig.authority.issue_token(&request(&id, "no", None), subject).await.unwrap();
        assert!(matches!(wrong, Err(NoToken::Secret)));
        rig.pass(Span::from_secs(3600)).await;
        assert_eq!(ask(&rig.authority, narrow.token.expose(), &[READ]).await, Err(Denial::Expired));
    }

    async fn a_changed_jwt_is_unknown(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (_, id, secret) = client(&rig, &[READ]).await;
        let issued = rig.authority.issue_token(&request(&id, &secret, None), |_, _| "s".to_owned()).await.unwrap();
        let issued = issued.unwrap_or_else(|_| panic!("the client is good"));
        let token = issued.token.expose().to_owned();
        assert_eq!(ask(&rig.authority, &token, &[]).await, Ok(()));
        let none = token.replacen(token.split('.').next().unwrap(), "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0", 1);
        assert_eq!(ask(&rig.authority, &none, &[]).await, Err(Denial::Unknown));
        let mut bytes = token.into_bytes();
        for place in (0..bytes.len()).step_by(7) {
            let kept = bytes[place];
            bytes[place] = if kept == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes.clone()).unwrap();
            assert_eq!(ask(&rig.authority, &changed, &[]).await, Err(Denial::Unknown), "place {place}");
            bytes[place] = kept;
        }
    }

    async fn a_token_ends_with_its_key_and_with_the_secret_it_was_issued_for(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (key, id, secret) = client(&rig, &[READ]).await;
        let issued = rig.authority.issue_token(&request(&id, &secret, None), |_, _| "s".to_owned()).await.unwrap();
        let issued = issued.unwrap_or_else(|_| panic!("the client is good"));
        assert_eq!(ask(&rig.authority, issued.token.expose(), &[]).await, Ok(()));
        let shell = rig.shell();
        let rotated = rig.authority.rotate_key(&shell, key, Some(Span::ZERO), None, None, |_| Vec::new());
        rotated.await.map(drop).unwrap();
        assert_eq!(ask(&rig.authority, issued.token.expose(), &[]).await, Err(Denial::Revoked));
    }

    async fn an_opaque_token_carries_all_that_its_client_has_and_ends_with_its_secret(database: testkit::Database) {
        let rig = Rig::opaque(&database).await;
        let (key, id, secret) = client(&rig, &[READ, WRITE]).await;
        let subject = |_: &credential::key::Key, _: i64| "s".to_owned();
        let narrow = rig.authority.issue_token(&request(&id, &secret, Some(&[READ])), subject).await.unwrap();
        assert!(matches!(narrow, Err(NoToken::Scope(_))), "there is no place in it to say less");
        let whole = rig.authority.issue_token(&request(&id, &secret, Some(&[READ, WRITE])), subject).await.unwrap();
        let whole = whole.unwrap_or_else(|_| panic!("the client is good"));
        let token = whole.token.expose();
        assert!(token.starts_with("lk_access_"));
        assert_eq!(ask(&rig.authority, token, &[READ, WRITE]).await, Ok(()));
        rig.pass(Span::from_secs(1)).await;
        let shell = rig.shell();
        let overlap = Some(Span::from_secs(60));
        rig.authority.rotate_key(&shell, key, overlap, None, None, |_| Vec::new()).await.map(drop).unwrap();
        assert_eq!(ask(&rig.authority, token, &[READ]).await, Ok(()), "its secret is still good");
        rig.pass(Span::from_secs(60)).await;
        assert_eq!(ask(&rig.authority, token, &[READ]).await, Err(Denial::Revoked));
    }

    async fn refreshing_gives_the_next_pair_and_a_lost_answer_again(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (key, access, refresh) = pair(&rig).await;
        assert_eq!(ask(&rig.authority, &access, &[READ]).await, Ok(()));
        let next = rig.authority.refresh(&refresh, Some(key), None).await.unwrap();
        let next = tokens(&next.unwrap_or_else(|_| panic!("it is current")).shown);
        rig.pass(Span::from_secs(59)).await;
        let again = rig.authority.refresh(&refresh, Some(key), None).await.unwrap();
        let again = tokens(&again.unwrap_or_else(|_| panic!("it is within the grace")).shown);
        assert_eq!(next, again);
        assert_eq!(ask(&rig.authority, &next.0, &[READ]).await, Ok(()));
        assert_eq!(ask(&rig.authority, &next.1, &[READ]).await, Err(Denial::Unknown), "a refresh token opens nothing");
    }

    async fn a_refresh_token_that_returns_after_use_ends_the_family(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (key, _, refresh) = pair(&rig).await;
        let next = rig.authority.refresh(&refresh, Some(key), None).await.unwrap();
        let next = tokens(&next.unwrap_or_else(|_| panic!("it is current")).shown);
        assert_eq!(ask(&rig.authority, &next.0, &[READ]).await, Ok(()));
        rig.pass(Span::from_secs(61)).await;
        let reused = rig.authority.refresh(&refresh, Some(key), None).await.unwrap().map(drop);
        assert_eq!(reused, Err(NotRefreshed::Ended(Death::Reused)));
        assert_eq!(ask(&rig.authority, &next.0, &[READ]).await, Err(Denial::Revoked));
        let ended = rig.authority.refresh(&next.1, Some(key), None).await.unwrap().map(drop);
        assert_eq!(ended, Err(NotRefreshed::Ended(Death::Reused)));
    }

    async fn of_many_that_race_all_get_the_same_next_pair(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (key, _, refresh) = pair(&rig).await;
        let mut racers = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (authority, refresh) = (rig.authority.clone(), refresh.clone());
            racers.spawn(async move {
                let pair = authority.refresh(&refresh, Some(key), None).await.unwrap();
                tokens(&pair.unwrap_or_else(|why| panic!("{why:?}")).shown)
            });
        }
        let mut pairs = racers.join_all().await;
        pairs.dedup();
        assert_eq!(pairs.len(), 1);
    }
}
