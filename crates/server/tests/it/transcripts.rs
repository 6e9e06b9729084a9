//! Plays `contracts/*/exchanges/*.http` against the server in process. What the files look like is told in
//! `contracts/README.md`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use credential::secret::Digest;
use serde_json::Value;

use crate::dialects::{
    cortex, secure_access, securecloud, security_cloud_control, threat_response,
};
use crate::house::{Answer, House};

/// The name of the time at which an exchange is played.
const NOW: &str = "now";

/// The most exchanges of one `@repeat`; above every limit that a transcript reaches.
const MOST_REPEATS: usize = 1000;

testkit::on_each_engine! {
    async fn secure_access_keeps_what_its_contract_promises(database: testkit::Database) {
        play_all("secure_access", &database, async |house, name| secure_access::inhabit(house, name).await).await;
    }

    async fn threat_response_keeps_what_its_contract_promises(database: testkit::Database) {
        let inhabit = async |house: &House, name: &str| threat_response::inhabit(house, name).await;
        play_furnished("threat_response", &database, &threat_response::settings(), inhabit).await;
    }

    async fn security_cloud_control_keeps_what_its_contract_promises(database: testkit::Database) {
        play_all("security_cloud_control", &database, async |house, name| security_cloud_control::inhabit(house, name).await).await;
    }

    async fn securecloud_keeps_what_its_contract_promises(database: testkit::Database) {
        play_all("securecloud", &database, async |house, name| securecloud::inhabit(house, name).await).await;
    }

    async fn cortex_keeps_what_its_contract_promises(database: testkit::Database) {
        play_all("cortex", &database, async |house, name| cortex::inhabit(house, name).await).await;
    }
}

/// Plays each file of a dialect in a house of its own.
async fn play_all(
    dialect: &str,
    database: &testkit::Database,
    inhabit: impl AsyncFn(&House, &str) -> BTreeMap<String, String>,
) {
    play_furnished(dialect, database, "", inhabit).await;
}

/// The same in a house with more settings.
async fn play_furnished(
    dialect: &str,
    database: &testkit::Database,
    settings: &str,
    inhabit: impl AsyncFn(&House, &str) -> BTreeMap<String, String>,
) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../contracts")
        .join(dialect)
        .join("exchanges");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "http")
    });
    files.sort();
    assert!(!files.is_empty(), "no transcripts in {}", folder.display());
    let house = House::furnished(database, settings, |text| text).await;
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        // Each file has an organization of its own, so that none depends on another.
        let mut holes = inhabit(&house, &name).await;
        for exchange in Exchange::read_all(&text) {
            for turn in 0..exchange.repeat {
                let place = format!("{name}: {} (turn {})", exchange.title, turn + 1);
                exchange.play(&house, &mut holes, &place).await;
            }
        }
    }
}

/// One request and the answer that is promised.
#[derive(Debug, Default)]
struct Exchange {
    title: String,
    /// Seconds that pass before it.
    after: i64,
    repeat: usize,
    from: Option<IpAddr>,
    /// What is known from then on, by name.
    told: Vec<(String, String)>,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
    status: u16,
    promised_headers: Vec<(String, String)>,
    promised_body: String,
}

impl Exchange {
    fn read_all(text: &str) -> Vec<Exchange> {
        text.split("\n### ").skip(1).map(Exchange::read).collect()
    }

    fn read(text: &str) -> Exchange {
        let (title, text) = text.split_once('\n').unwrap();
        let mut exchange = Exchange {
            title: title.to_owned(),
            repeat: 1,
            ..Exchange::default()
        };
        let (request, answer) = text
            .split_once("\nHTTP/1.1 ")
            .unwrap_or_else(|| panic!("{title}: no answer"));
        let mut lines = request.trim_start_matches('\n').lines().peekable();
        while let Some(line) = lines.next_if(|line| line.starts_with('#')) {
            let Some(directive) = line.strip_prefix("# @") else {
                continue;
            };
            let (word, value) = directive.split_once(' ').unwrap();
            match word {
                "after" => exchange.after = value.trim_end_matches(" s").parse().unwrap(),
                "repeat" => exchange.repeat = value.parse().unwrap(),
                "from" => exchange.from = Some(value.parse().unwrap()),
                "let" => {
                    let (name, text) = value.split_once(' ').unwrap();
                    exchange.told.push((name.to_owned(), text.to_owned()));
                }
                other => panic!("{title}: unknown directive {other}"),
            }
        }
        assert!(exchange.repeat <= MOST_REPEATS, "{title}");
        let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
        (exchange.method, exchange.target) = (method.to_owned(), target.to_owned());
        (exchange.headers, exchange.body) = headers_and_body(lines);
        let mut lines = answer.lines().peekable();
        exchange.status = lines.next().unwrap().get(..3).unwrap().parse().unwrap();
        (exchange.promised_headers, exchange.promised_body) = headers_and_body(lines);
        exchange
    }

    async fn play(&self, house: &House, holes: &mut BTreeMap<String, String>, place: &str) {
        if self.after > 0 {
            house.pass(self.after).await;
        }
        let now = house.authority.now().millis();
        holes.insert(NOW.to_owned(), now.to_string());
        for (name, text) in &self.told {
            holes.insert(name.clone(), filled(text, holes));
        }
        let target = filled(&self.target, holes);
        let headers: Vec<(String, String)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), filled(value, holes)))
            .collect();
        let body = filled(&self.body, holes);
        let answer = house
            .ask(&self.method, &target, &headers, &body, self.from)
            .await;
        let shown = || format!("{place}\n{} {}\n{body}", self.method, self.target);
        assert_eq!(
            answer.status,
            self.status,
            "{}\nanswered {}",
            shown(),
            answer.body
        );
        for (name, promised) in &self.promised_headers {
            check_header(&answer, name, promised, holes, place);
        }
        match serde_json::from_str::<Value>(&self.promised_body) {
            Ok(promised) => {
                let got = serde_json::from_str::<Value>(&answer.body)
                    .unwrap_or_else(|_| panic!("{}\nno JSON: {}", shown(), answer.body));
                check_value(&promised, &got, holes, "", &shown());
            }
            Err(_) => assert_eq!(
                answer.body,
                filled(&self.promised_body, holes),
                "{}",
                shown()
            ),
        }
    }
}

fn headers_and_body<'a>(lines: impl Iterator<Item = &'a str>) -> (Vec<(String, String)>, String) {
    let mut headers = Vec::new();
    let mut body: Option<Vec<&str>> = None;
    for line in lines {
        match &mut body {
            Some(body) => body.push(line),
            None if line.is_empty() => body = Some(Vec::new()),
            None => {
                let (name, value) = line
                    .split_once(':')
                    .unwrap_or_else(|| panic!("{line:?} is no header"));
                headers.push((name.to_owned(), value.trim().to_owned()));
            }
        }
    }
    (
        headers,
        body.unwrap_or_default().join("\n").trim().to_owned(),
    )
}

/// A text with its holes filled: `{{basic a b}}` is the Basic credential of two others, `{{sha256 a b}}` the hash of several
/// one after the other, and `{{now -5000}}` five seconds ago in milliseconds.
fn filled(text: &str, holes: &BTreeMap<String, String>) -> String {
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (hole, after) = after
            .split_once("}}")
            .unwrap_or_else(|| panic!("{text:?}: a hole does not end"));
        let value = |name: &str| {
            holes
                .get(name)
                .unwrap_or_else(|| panic!("{text:?}: nothing is known of {name}"))
        };
        whole.push_str(before);
        match hole.split(' ').collect::<Vec<_>>().as_slice() {
            ["basic", id, secret] => {
                whole.push_str(&BASE64.encode(format!("{}:{}", value(id), value(secret))))
            }
            ["sha256", names @ ..] => {
                let text: String = names.iter().map(|name| value(name).as_str()).collect();
                let digest = Digest::of(&text);
                let digits = digest.as_bytes().iter();
                whole.extend(digits.map(|byte| format!("{byte:02x}")));
            }
            [name, shift] if *name == NOW => {
                let (now, shift): (i64, i64) =
                    (value(NOW).parse().unwrap(), shift.parse().unwrap());
                whole.push_str(&(now + shift).to_string());
            }
            ["x", times] => whole.push_str(&"x".repeat(times.parse().unwrap())),
            [name] => whole.push_str(value(name)),
            _ => panic!("{text:?}: what is {hole:?}?"),
        }
        rest = after;
    }
    whole + rest
}

fn check_header(
    answer: &Answer,
    name: &str,
    promised: &str,
    holes: &mut BTreeMap<String, String>,
    place: &str,
) {
    let got = answer.header(name);
    match (promised, got) {
        ("absent", None) => {}
        (promised, Some(got)) => {
            let shown = format!("{place}: header {name}");
            check_value(&Value::from(promised), &Value::from(got), holes, "", &shown);
        }
        (promised, None) => panic!("{place}: no header {name}: {promised}"),
    }
}

/// A promised string that is all hole, `{{name}}` or `{{name:shape}}`, takes what is there; from then on it stands for it.
fn check_value(
    promised: &Value,
    got: &Value,
    holes: &mut BTreeMap<String, String>,
    at: &str,
    place: &str,
) {
    match (promised, got) {
        (Value::Object(promised), Value::Object(got)) => {
            let names = |object: &serde_json::Map<String, Value>| {
                object.keys().cloned().collect::<Vec<_>>()
            };
            let (mut one, mut other) = (names(promised), names(got));
            one.sort();
            other.sort();
            assert_eq!(one, other, "{place}\nmembers of {at}/");
            for (name, promised) in promised {
                check_value(promised, &got[name], holes, &format!("{at}/{name}"), place);
            }
        }
        (Value::Array(promised), Value::Array(got)) => {
            assert_eq!(promised.len(), got.len(), "{place}\nitems of {at}/");
            for (number, (promised, got)) in promised.iter().zip(got).enumerate() {
                check_value(promised, got, holes, &format!("{at}/{number}"), place);
            }
        }
        (Value::String(promised), got) => {
            let hole = promised
                .strip_prefix("{{")
                .and_then(|rest| rest.strip_suffix("}}"));
            let Some(hole) = hole.filter(|hole| !hole.contains("}}")) else {
                if let Some((hole, within)) = shaped(promised, got, holes) {
                    return check_value(&hole, &within, holes, at, place);
                }
                return assert_eq!(got, &Value::from(filled(promised, holes)), "{place}\n{at}");
            };
            let (name, shape) = hole.split_once(':').unwrap_or((hole, ""));
            let text = got.as_str().map_or_else(|| got.to_string(), str::to_owned);
            assert!(
                fits(shape, got, &text),
                "{place}\n{at}: {text:?} is no {shape}"
            );
            if !name.is_empty() {
                let known = holes.entry(name.to_owned()).or_insert_with(|| text.clone());
                assert_eq!(*known, text, "{place}\n{at} is not {name}");
            }
        }
        (promised, got) => assert_eq!(promised, got, "{place}\n{at}"),
    }
}

/// The one hole with a shape in a promised text, and what stands in its place.
fn shaped(promised: &str, got: &Value, holes: &BTreeMap<String, String>) -> Option<(Value, Value)> {
    let (before, rest) = promised.split_once("{{")?;
    let (hole, after) = rest.split_once("}}")?;
    hole.split_once(':')?;
    let got = got.as_str()?.strip_prefix(before)?;
    let within = got.strip_suffix(&*filled(after, holes))?;
    Some((Value::from(format!("{{{{{hole}}}}}")), Value::from(within)))
}

/// Whether a value has a shape that a hole names.
fn fits(shape: &str, value: &Value, text: &str) -> bool {
    let all =
        |length: usize, good: fn(char) -> bool| text.len() == length && text.chars().all(good);
    let parts = |lengths: &[usize], between: char| parts_of(text, lengths, between);
    match shape {
        "" => true,
        "text" => value.is_string() && !text.is_empty(),
        "number" => value.is_u64(),
        "uuid" => parts(&[8, 4, 4, 4, 12], '-'),
        "hex32" => all(32, |c| c.is_ascii_digit() || ('a'..='f').contains(&c)),
        "client" => text
            .strip_prefix("client-")
            .is_some_and(|rest| parts_of(rest, &[8, 4, 4, 4, 12], '-')),
        "password" => all(54, |c| c.is_ascii_alphanumeric() || c == '-' || c == '_'),
        "millis" => parts(&[4, 2, 2 + "T00:00:00.000Z".len()], '-') && text.ends_with('Z'),
        "key" => all(128, |c| c.is_ascii_alphanumeric()),
        "secret" => all(44, |c| c.is_ascii_alphanumeric()),
        "jwt" => text.split('.').count() == 3 && text.starts_with("eyJ"),
        "time" => parts(&[4, 2, 2 + "T00:00:00Z".len()], '-') && text.ends_with('Z'),
        "nanoseconds" => {
            parts(&[4, 2, 2 + "T00:00:00.000000000Z".len()], '-') && text.ends_with('Z')
        }
        "seconds" => text.parse::<u32>().is_ok_and(|seconds| seconds > 0),
        other => panic!("no shape is called {other}"),
    }
}

/// Whether a text consists of parts of these lengths.
fn parts_of(text: &str, lengths: &[usize], between: char) -> bool {
    let parts: Vec<&str> = text.split(between).collect();
    let fit = |(part, length): (&&str, &usize)| part.len() == *length;
    parts.len() == lengths.len() && parts.iter().zip(lengths).all(fit)
}
