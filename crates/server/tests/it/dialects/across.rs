//! Credentials of one system, product or organization, presented to another: each is refused in that other's own way, and
//! what they are is not told. The pairs are generated from the table of parties; a dialect that is added is one entry there.

mod ceilings;
mod credentials;
mod parties;
mod places;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::house::{Answer, House};
use credentials::{Credential, Place, Takes};
use parties::{Endpoint, PARTIES};

/// Members that differ from answer to answer, or repeat the path that was asked.
const VARYING: [&str; 6] = [
    "trackingId",
    "timestamp",
    "requestId",
    "request_id",
    "instance",
    "path",
];

#[test]
fn every_dialect_is_a_party() {
    let parties: BTreeSet<&str> = PARTIES.iter().map(|party| party.name).collect();
    assert_eq!(parties.len(), PARTIES.len(), "one stands twice");
    for dialect in server::dialects::names() {
        assert!(parties.contains(dialect), "{dialect} is no party");
    }
}

testkit::on_each_engine! {
    async fn a_credential_is_refused_by_every_other_system_in_its_own_way(database: testkit::Database) {
        let (house, here, there) = two_places(&database).await;
        let (mut pairs, mut wrong) = (0, Vec::new());
        for target in PARTIES {
            let place = here.iter().find(|place| place.of == target.name).unwrap();
            for credential in here.iter().chain(&there).flat_map(|place| &place.credentials) {
                if credential.of == target.name {
                    continue;
                }
                for endpoint in target.endpoints {
                    for takes in endpoint.takes {
                        let foreign = check(&house, credential, place, endpoint, *takes, &mut wrong).await;
                        pairs += usize::from(foreign);
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
        assert!(pairs > 100, "only {pairs} pairs were tried");
    }

    async fn a_credential_reaches_nothing_of_another_organization(database: testkit::Database) {
        let (house, here, there) = two_places(&database).await;
        let mut wrong = Vec::new();
        for (home, abroad) in [(&here, &there), (&there, &here)] {
            for target in PARTIES {
                let own = home.iter().find(|place| place.of == target.name).unwrap();
                let other = abroad.iter().find(|place| place.of == target.name).unwrap();
                let opened = target.endpoints.iter().filter_map(|endpoint| {
                    let (opener, refusal) = endpoint.elsewhere?;
                    let credential = own.credentials.iter().find(|credential| credential.name == opener);
                    Some((endpoint, credential.unwrap(), refusal))
                });
                let opened: Vec<_> = opened.collect();
                for (endpoint, credential, (status, members)) in &opened {
                    let mut note = |what: String| wrong.push(format!("{} at {}: {what}", credential.title(), endpoint.name));
                    let answer = ask(&house, credential, other, endpoint, endpoint.takes[0]).await;
                    if (answer.status, members_of(&answer)) != (*status, listed(members)) {
                        note(format!("{} {}, not {status}", answer.status, answer.body));
                    }
                    for fact in told_of(&answer, other.facts.iter()) {
                        note(format!("it tells {fact}: {}", answer.body));
                    }
                    let nowhere = ask(&house, credential, &other.invented(), endpoint, endpoint.takes[0]).await;
                    if plain(&answer) != plain(&nowhere) {
                        note(format!("whether it is there shows: {} and {}", answer.body, nowhere.body));
                    }
                }
                // Nothing was refused for another reason: at home each of them does what it is for.
                for (endpoint, credential, _) in &opened {
                    let answer = ask(&house, credential, own, endpoint, endpoint.takes[0]).await;
                    if answer.status >= 300 {
                        wrong.push(format!("{} at {}, at home: {}", credential.title(), endpoint.name, answer.body));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// A house with two organizations, and everybody in both.
async fn two_places(database: &testkit::Database) -> (House, Vec<Place>, Vec<Place>) {
    let house = House::furnished(database, parties::SHOP, |text| text).await;
    // The first organization is the operator's, which stands above the others.
    house.organization("Operator").await;
    let mut places = [Vec::new(), Vec::new()];
    for (places, name) in places.iter_mut().zip(["Here", "There"]) {
        let organization = house.organization(name).await;
        for party in PARTIES {
            places.push(party.furnish(&house, organization, name).await);
        }
    }
    let [here, there] = places;
    (house, here, there)
}

/// Checks one refusal, and notes what is wrong with it; says whether the credential is foreign there at all.
async fn check(
    house: &House,
    credential: &Credential,
    place: &Place,
    endpoint: &Endpoint,
    takes: Takes,
    wrong: &mut Vec<String>,
) -> bool {
    let Some((status, members)) = (endpoint.stranger)(credential, takes) else {
        return false;
    };
    let mut note = |what: String| {
        let title = credential.title();
        wrong.push(format!("{title} ({takes:?}) at {}: {what}", endpoint.name));
    };
    let answer = ask(house, credential, place, endpoint, takes).await;
    let got = (answer.status, members_of(&answer));
    if got != (status, listed(members)) {
        note(format!("{} {}, not {status}", answer.status, answer.body));
    }
    for fact in told_of(&answer, credential.facts.iter().chain(&place.facts)) {
        note(format!("it tells {fact}: {}", answer.body));
    }
    // Whether what the path names is there, and whose credential it is, shows in no byte.
    let nowhere = ask(house, credential, &place.invented(), endpoint, takes).await;
    if plain(&answer) != plain(&nowhere) {
        note(format!(
            "whether it is there shows: {} and {}",
            answer.body, nowhere.body
        ));
    }
    if matches!(status, 400 | 401) {
        let nobody = ask(house, &credential.invented(), place, endpoint, takes).await;
        let told = |answer: &Answer| {
            let (status, headers, mut body) = plain(answer);
            if endpoint.says_why {
                body["error"] = Value::Null;
                body["error_description"] = Value::Null;
            }
            (status, headers, body)
        };
        if told(&answer) != told(&nobody) {
            note(format!(
                "that it is somebody's shows: {answer:?} and {nobody:?}"
            ));
        }
    }
    true
}

async fn ask(
    house: &House,
    credential: &Credential,
    place: &Place,
    endpoint: &Endpoint,
    takes: Takes,
) -> Answer {
    let now = house.authority.now();
    let (mut headers, form) = takes.present(credential, now);
    let body = (endpoint.body)(place);
    let body = match (form.is_empty(), body.is_empty()) {
        (true, _) => body,
        (false, true) => form,
        (false, false) => format!("{body}&{form}"),
    };
    if !body.is_empty() {
        let kind = match body.starts_with('{') {
            true => "application/json",
            false => "application/x-www-form-urlencoded",
        };
        headers.push(("Content-Type".to_owned(), kind.to_owned()));
    }
    let path = (endpoint.path)(place);
    house
        .ask(endpoint.method, &path, &headers, &body, None)
        .await
}

/// What of an answer may be compared with another: its status, its headers that tell something, its body.
fn plain(answer: &Answer) -> (u16, Vec<Option<String>>, Value) {
    let told = ["content-type", "www-authenticate", "retry-after", "allow"];
    let headers = told.map(|name| answer.header(name).map(str::to_owned));
    let mut body =
        serde_json::from_str(&answer.body).unwrap_or_else(|_| answer.body.clone().into());
    blank(&mut body);
    (answer.status, headers.to_vec(), body)
}

fn blank(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match VARYING.contains(&name.as_str()) {
                    true => *value = Value::Null,
                    false => blank(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(blank),
        _ => {}
    }
}

fn members_of(answer: &Answer) -> BTreeSet<String> {
    match serde_json::from_str(&answer.body) {
        Ok(Value::Object(members)) => members.into_iter().map(|(name, _)| name).collect(),
        _ => BTreeSet::new(),
    }
}

fn listed(members: &[&str]) -> BTreeSet<String> {
    members.iter().map(|name| (*name).to_owned()).collect()
}

fn told_of<'f>(answer: &Answer, facts: impl Iterator<Item = &'f String>) -> Vec<&'f String> {
    facts
        .filter(|fact| answer.body.contains(fact.as_str()))
        .collect()
}
