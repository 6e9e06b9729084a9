//! Signed requests: who may come again with one signature.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use authority::keys::{CreateKey, Shown};
use authority::settings::Replay;
use authority::signed::{Covered, Signature};
use authority::verify::{Presented, Question};
use authority::{Authority, Settings};
use credential::key::{Denial, Kind};
use credential::name::ProductName;
use credential::secret::Digest;
use credential::time::Span;
use store::Store;

use crate::rig::{Rig, START, open_with};

/// A signed request: which path, which nonce, from which host, and how long ago it was signed.
#[derive(Clone, Copy)]
struct Sent {
    path: Option<&'static str>,
    nonce: &'static str,
    host: Option<u8>,
    age_ms: i64,
}

const NONCE: &str = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789AB";
const SENT: Sent = Sent {
    path: Some("/a"),
    nonce: NONCE,
    host: Some(1),
    age_ms: 0,
};

async fn signed_key(rig: &Rig) -> (String, String) {
    let command = CreateKey {
        product: ProductName::new("cortex").unwrap(),
        ..rig.command(Kind::Signed, "signs", &["integrations.public_api:read"])
    };
    let issued = rig.create_with(command).await.unwrap();
    let Shown::Signed { secret } = &issued.shown else {
        panic!("not a signing key")
    };
    let number = issued.key.current.handle.clone().unwrap();
    (number, secret.expose().to_owned())
}

/// Presents the request, signed at the time of `START`.
async fn present(
    authority: &Authority,
    (number, secret): &(String, String),
    sent: Sent,
    upper: bool,
) -> Result<(), Denial> {
    let timestamp = (START - sent.age_ms).to_string();
    let digest = Digest::of(&[secret.as_str(), sent.nonce, &timestamp].concat());
    let digits = digest.as_bytes().iter();
    let hash: String = digits.map(|byte| format!("{byte:02x}")).collect();
    let hash = if upper { hash.to_uppercase() } else { hash };
    let request = sent.path.map(|path| Covered {
        method: "POST",
        path,
        body: [0; 32],
    });
    let question = Question {
        credential: Presented::Signed(Signature {
            id: number,
            nonce: sent.nonce,
            timestamp: &timestamp,
            hash: &hash,
            request,
        }),
        from: sent
            .host
            .map(|host| IpAddr::from(Ipv4Addr::new(192, 0, 2, host))),
        ..Question::bearer("")
    };
    authority.verify(&question).await.unwrap().verdict.map(drop)
}

testkit::on_each_engine! {
    async fn one_signature_serves_several_requests_but_none_twice(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let key = signed_key(&rig).await;
        let other = rig.another(&database).await;
        let b = Sent { path: Some("/b"), ..SENT };
        for (what, authority, sent, upper, expected) in [
            ("the first", &rig.authority, SENT, false, Ok(())),
            ("the same", &rig.authority, SENT, false, Err(Denial::Replayed)),
            ("the same elsewhere", &other, SENT, false, Err(Denial::Replayed)),
            ("the same in capitals", &rig.authority, SENT, true, Err(Denial::Replayed)),
            ("from another address", &rig.authority, Sent { host: Some(2), ..b }, false, Err(Denial::Replayed)),
            ("from nobody knows where", &rig.authority, Sent { host: None, ..b }, false, Err(Denial::Replayed)),
            ("not known whole", &rig.authority, Sent { path: None, ..SENT }, false, Err(Denial::Replayed)),
            ("another at another replica", &other, b, true, Ok(())),
            ("the same again", &rig.authority, b, false, Err(Denial::Replayed)),
        ] {
            assert_eq!(present(authority, &key, sent, upper).await, expected, "{what}");
        }
        let whole = Sent { nonce: "another-nonce-that-is-long", path: None, ..SENT };
        assert_eq!(present(&rig.authority, &key, whole, false).await, Ok(()));
        let known = Sent { path: Some("/c"), ..whole };
        assert_eq!(present(&rig.authority, &key, known, false).await, Err(Denial::Replayed));
    }

    async fn a_signature_is_good_in_its_time_only(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let key = signed_key(&rig).await;
        for (age_ms, expected) in [
            (5 * 60 * 1000, Ok(())),
            (5 * 60 * 1000 + 1, Err(Denial::Replayed)),
            (10 * 60 * 1000, Err(Denial::Replayed)),
            (-10_000, Ok(())),
            (-10_001, Err(Denial::Replayed)),
        ] {
            let sent = Sent { age_ms, ..SENT };
            assert_eq!(present(&rig.authority, &key, sent, false).await, expected, "{age_ms}");
        }
        // A minute after its first use a signature serves nothing more.
        rig.pass(Span::from_secs(61)).await;
        let late = Sent { path: Some("/b"), age_ms: -10_000, ..SENT };
        assert_eq!(present(&rig.authority, &key, late, false).await, Err(Denial::Replayed));
    }

    async fn strictly_a_signature_is_good_once(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let key = signed_key(&rig).await;
        let settings = Settings { replay: Replay::Strict, ..Settings::default() };
        let store = Store::open(database.url()).await.unwrap();
        let strict = open_with(store, Arc::clone(&rig.clock), 3, [5; 32], settings).await.unwrap();
        assert_eq!(present(&strict, &key, SENT, false).await, Ok(()));
        let other = Sent { path: Some("/b"), ..SENT };
        assert_eq!(present(&strict, &key, other, false).await, Err(Denial::Replayed));
        // Nor does the compatible reading of another replica make it good again.
        assert_eq!(present(&rig.authority, &key, other, false).await, Err(Denial::Replayed));
    }

    async fn of_many_at_two_replicas_each_request_passes_once_and_sixty_four_in_all(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let key = Arc::new(signed_key(&rig).await);
        let other = rig.another(&database).await;
        let paths: Vec<&'static str> = (0..70).map(|number| &*format!("/{number}").leak()).collect();
        let mut turns = Vec::new();
        for authority in [&rig.authority, &other] {
            for path in &paths {
                let (authority, key, path) = (authority.clone(), Arc::clone(&key), *path);
                turns.push(tokio::spawn(async move {
                    let sent = Sent { path: Some(path), ..SENT };
                    present(&authority, &key, sent, false).await.is_ok().then_some(path)
                }));
            }
        }
        let mut passed = Vec::new();
        for turn in turns {
            passed.extend(turn.await.unwrap());
        }
        assert_eq!(passed.len(), 64);
        passed.sort_unstable();
        passed.dedup();
        assert_eq!(passed.len(), 64, "a request passed twice");
    }
}
