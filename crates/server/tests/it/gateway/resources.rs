//! Routes whose scopes are needed on some resource only: what the upstream is told is what single requests would show.

use std::collections::BTreeSet;

use credential::grant::Resources;
use testkit::random::{Random, with_seed};
use testkit::{Database, Engine};

use super::{ACCOUNTS, Gate, READ, secret};

const NAMED: &str = "x-latchkey-resources=";

/// Accounts that a path can name as they are; another lists them so that they must be encoded.
const IDS: [&str; 5] = ["7", "9", "a:b", "ä", "x,y"];

/// How many random keys are tried.
const KEYS: usize = 60;

#[test]
fn what_the_upstream_is_told_is_exactly_what_single_requests_would_allow() {
    with_seed(|random| {
        testkit::run(Engine::Sqlite, {
            let mut random = random.fork();
            move |database| async move {
                let gate = Gate::open(&database).await;
                for number in 0..KEYS {
                    check_a_key(&gate, number, &mut random).await;
                }
            }
        });
    });
}

async fn check_a_key(gate: &Gate, number: usize, random: &mut Random) {
    let mut scopes = Vec::new();
    for _ in 0..1 + random.below(4) {
        let resources = if random.once_in(5) {
            Resources::All
        } else {
            let ids: BTreeSet<String> = (0..1 + random.below(3))
                .map(|_| (*random.pick(&IDS)).to_owned())
                .collect();
            Resources::listed("account", ids).unwrap()
        };
        let scope = random.pick(&[ACCOUNTS, READ, "sample.accounts:write"]);
        scopes.push(((*scope).to_owned(), resources));
    }
    let shown = format!("{scopes:?}");
    let key = gate
        .make(|command| {
            command.name = credential::name::Name::new(&format!("key {number}")).unwrap();
            command.grants.scopes = scopes;
        })
        .await;
    let mut single = BTreeSet::new();
    for id in IDS.iter().chain(&["nobody"]) {
        let answer = gate
            .get(&format!("/shop/export/{}", encoded(id)), secret(&key))
            .await;
        assert!([200, 403].contains(&answer.status), "{answer:?}");
        if answer.status == 200 {
            single.insert((*id).to_owned());
        }
    }
    let listing = gate.get("/shop/export", secret(&key)).await;
    if single.is_empty() {
        assert_eq!(listing.status, 403, "{shown}");
        return;
    }
    assert_eq!(listing.status, 200, "{shown}: {listing:?}");
    let told = listing
        .body
        .lines()
        .find_map(|line| line.strip_prefix(NAMED))
        .unwrap();
    if single.contains("nobody") {
        assert_eq!(told, "*", "{shown}");
        return;
    }
    let told: BTreeSet<String> = told
        .split(',')
        .map(|resource| {
            decoded(resource)
                .strip_prefix("account:")
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(told, single, "{shown}");
}

testkit::on_each_engine! {
    async fn a_route_is_content_with_some_resources_only_where_it_says_so(database: Database) {
        let gate = Gate::open(&database).await;
        let one = gate.make(|command| {
            command.grants.scopes = vec![
                (ACCOUNTS.to_owned(), Resources::listed("account", ["7".to_owned()]).unwrap()),
                (READ.to_owned(), Resources::listed("account", ["9".to_owned()]).unwrap()),
            ];
        }).await;
        let forged = [("Authorization", format!("Bearer {}", secret(&one))), ("X-Latchkey-Resources", "*".to_owned())];
        let forged = forged.each_ref().map(|(name, value)| (*name, value.as_str()));

        let listing = gate.send("GET", "/shop/reach", &forged).await;
        assert_eq!(listing.status, 200, "{listing:?}");
        let told: Vec<&str> = listing.body.lines().filter(|line| line.contains("resources")).collect();
        assert_eq!(told, ["x-latchkey-resources=account:7"]);
        // Each scope is held on a resource, and none holds both.
        assert_eq!(gate.send("GET", "/shop/export", &forged).await.status, 403);
        // A route without the word asks for all of them.
        assert_eq!(gate.send("GET", "/shop/orders", &forged).await.status, 403);
        let single = gate.send("GET", "/shop/accounts/7", &forged).await;
        assert!(single.body.contains("x-latchkey-resources=-\n"), "{single:?}");
    }
}

#[test]
fn more_resources_than_a_header_holds_are_refused_rather_than_cut() {
    testkit::run(Engine::Sqlite, |database| async move {
        let gate = Gate::open(&database).await;
        let many = (0..1000).map(|number| format!("account-of-the-harbour-{number}"));
        let key = gate
            .make(|command| {
                command.grants.scopes = vec![(
                    ACCOUNTS.to_owned(),
                    Resources::listed("account", many).unwrap(),
                )];
            })
            .await;
        let listing = gate.get("/shop/reach", secret(&key)).await;
        assert_eq!(
            (listing.status, listing.problem().as_str()),
            (403, "forbidden")
        );
        let single = gate
            .get("/shop/accounts/account-of-the-harbour-7", secret(&key))
            .await;
        assert_eq!(single.status, 200);
    });
}

/// A segment of a path with everything but letters and digits percent-encoded.
fn encoded(id: &str) -> String {
    let byte = |byte: u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    id.bytes().map(byte).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}
