//! Limits and usage, as whoever asks about a credential meets them.

use std::net::IpAddr;

use authority::keys::{CreateKey, Issued, Shown};
use authority::tokens::{NoToken, TokenRequest};
use authority::verify::{Presented, Question};
use authority::{Authority, Spent};
use credential::key::{Addresses, Denial, Kind};
use credential::limit::Limit;
use credential::name::ProductName;
use credential::scope::Scope;
use credential::time::Span;

use crate::rig::{Rig, secret};

const READ: &str = "sample.orders:read";
const HOME: [u8; 4] = [192, 0, 2, 1];

testkit::on_each_engine! {
    async fn a_key_has_its_limits_and_each_verdict_tells_how_they_stand(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let key = limited(&rig, &[("second", 3, 1), ("hour", 4, 3600)]).await;
        let question = Question::bearer(secret(&key));
        let first = spent(&rig.authority, &question).await.unwrap();
        let told: Vec<_> = first.iter().map(|spent| (&*spent.name, spent.quota, spent.remaining)).collect();
        assert_eq!(told, [("second", 3, 2), ("hour", 4, 3)]);
        let dear = Question { cost: 3, ..question };
        assert_eq!(spent(&rig.authority, &dear).await, Err(Denial::Limited { retry_after_ms: 1001 }));
        rig.pass(Span::from_millis(1001)).await;
        assert!(spent(&rig.authority, &dear).await.is_ok());
        rig.pass(Span::from_millis(1001)).await;
        let Err(Denial::Limited { retry_after_ms }) = spent(&rig.authority, &question).await else { panic!("it is spent") };
        assert!((3_590_000..=3_610_000).contains(&retry_after_ms), "{retry_after_ms}");
    }

    async fn what_is_refused_or_only_looked_at_costs_nothing(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let key = limited(&rig, &[("hour", 1, 3600)]).await;
        let question = Question::bearer(secret(&key));
        let lacking = [Scope::new("sample.accounts:write").unwrap()];
        for _ in 0..3 {
            let refused = spent(&rig.authority, &Question { scopes: &lacking, ..question }).await;
            assert!(matches!(refused, Err(Denial::Scope(_))));
            assert!(spent(&rig.authority, &Question { consume: false, ..question }).await.is_ok());
        }
        assert!(spent(&rig.authority, &question).await.is_ok());
        assert!(spent(&rig.authority, &Question { consume: false, ..question }).await.is_err());
    }

    async fn a_rotation_keeps_what_was_spent(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let key = limited(&rig, &[("hour", 2, 3600)]).await;
        assert!(spent(&rig.authority, &Question::bearer(secret(&key))).await.is_ok());
        let rotated = rig.authority.rotate_key(&rig.shell(), key.key.id, Some(Span::from_hours(1)), None, None, |_| Vec::new()).await;
        let rotated = match rotated.unwrap() {
            authority::keys::Outcome::New(issued) => issued,
            authority::keys::Outcome::Repeat(_) => panic!("nothing was repeated"),
        };
        assert!(spent(&rig.authority, &Question::bearer(secret(&rotated))).await.is_ok());
        for issued in [&key, &*rotated] {
            assert!(spent(&rig.authority, &Question::bearer(secret(issued))).await.is_err());
        }
    }

    async fn two_processes_on_one_store_admit_no_more_than_one_would(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let key = limited(&rig, &[("hour", 20, 3600)]).await;
        let another = rig.another(&database).await;
        let question = Question::bearer(secret(&key));
        let mut admitted = 0;
        for turn in 0..60 {
            let authority = if turn % 2 == 0 { &rig.authority } else { &another };
            admitted += u32::from(spent(authority, &question).await.is_ok());
        }
        assert!((18..=20).contains(&admitted), "{admitted}");
    }

    async fn a_product_limits_its_routes(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (_, id, client_secret) = client(&rig).await;
        let credential = Presented::Pair { id: &id, secret: &client_secret };
        let admin = Question { credential, route: "/admin/v2/apiKeys", ..Question::bearer("") };
        let elsewhere = Question { route: "/policies/v2/destinationlists", ..admin };
        for _ in 0..100 {
            assert!(spent(&rig.authority, &admin).await.is_ok());
        }
        assert!(matches!(spent(&rig.authority, &admin).await, Err(Denial::Limited { .. })));
        let told: Vec<_> = spent(&rig.authority, &elsewhere).await.unwrap();
        assert_eq!(told.iter().map(|spent| spent.quota).collect::<Vec<_>>(), [2000, 6000]);
        assert_eq!(spent(&rig.authority, &Question { route: "/", ..admin }).await, Ok(Vec::new()));
    }

    async fn tokens_are_limited_by_name(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (_, client_id, client_secret) = client(&rig).await;
        let request = TokenRequest {
            client_id: &client_id,
            client_secret: &client_secret,
            scopes: None,
            lenient: false,
            from: None,
            product: None,
            organization: None,
            request_id: "r",
        };
        for _ in 0..30 {
            let issued = rig.authority.issue_token(&request, |key, _| key.id.to_string()).await.unwrap();
            assert!(issued.is_ok());
        }
        let refused = rig.authority.issue_token(&request, |key, _| key.id.to_string()).await.unwrap();
        assert!(matches!(refused, Err(NoToken::Client(Denial::Limited { .. }))));
    }

    async fn the_last_use_of_each_secret_is_written_down(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let key = rig.create(Kind::Static, "key", &[READ]).await;
        let question = Question { from: Some(HOME.into()), route: "orders", ..Question::bearer(secret(&key)) };
        for _ in 0..3 {
            assert!(spent(&rig.authority, &question).await.is_ok());
        }
        rig.pass(Span::from_secs(5)).await;
        let lacking = [Scope::new("sample.accounts:write").unwrap()];
        assert!(spent(&rig.authority, &Question { scopes: &lacking, ..question }).await.is_err());
        rig.authority.flush_usage().await.unwrap();
        let id = key.key.id;
        let usage = rig.authority.store().view(move |view| view.usage_of(id, 10)).await.unwrap();
        assert_eq!(usage.len(), 1);
        assert_eq!((usage[0].uses, usage[0].generation), (3, 0));
        assert_eq!(usage[0].address, Some(IpAddr::from(HOME)));
        assert_eq!(usage[0].last_used_at + Span::from_secs(5), rig.now(), "a refusal is no use");
        let (from, before) = (rig.now() - Span::from_hours(2), rig.now() + Span::from_hours(1));
        let hours = rig.authority.store().view(move |view| view.hourly_usage(id, from, before, 10)).await.unwrap();
        let told: Vec<_> = hours.iter().map(|hour| (&*hour.route, &*hour.outcome, hour.uses)).collect();
        assert_eq!(told, [("orders", "INSUFFICIENT_SCOPE", 1), ("orders", "VALID", 3)]);
    }
}

async fn spent(authority: &Authority, question: &Question<'_>) -> Result<Vec<Spent>, Denial> {
    let answer = authority.verify(question).await.unwrap();
    answer.verdict.map(|valid| valid.limits)
}

async fn limited(rig: &Rig, limits: &[(&str, u64, i64)]) -> Issued {
    let limit = |(name, quota, seconds): &(&str, u64, i64)| {
        Limit::new(name, *quota, Span::from_secs(*seconds)).unwrap()
    };
    let command = CreateKey {
        limits: limits.iter().map(limit).collect(),
        addresses: Addresses::default(),
        ..rig.command(Kind::Static, "limited", &[READ])
    };
    rig.create_with(command).await.unwrap()
}

async fn client(rig: &Rig) -> (credential::id::KeyId, String, String) {
    let command = CreateKey {
        product: ProductName::new("secure_access").unwrap(),
        ..rig.command(Kind::Client, "client", &["admin.apikeys:read"])
    };
    let issued = rig.create_with(command).await.unwrap();
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
