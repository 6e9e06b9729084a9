//! What the dialect of Cortex promises and no transcript can say: what time, settings and crowds do.

use std::collections::BTreeMap;

use authority::Caller;
use authority::keys::{CreateKey, EditKey, Expiry, Issued, Outcome, Shown, Wish};
use authority::notices::NoticeFilter;
use authority::users::CreateUser;
use credential::grant::Resources;
use credential::id::OrganizationId;
use credential::key::{Addresses, ExpiryChange, Kind};
use credential::name::{Comment, Name, ProductName};
use credential::organization::Email;
use credential::secret::Digest;
use credential::time::Span;
use serde_json::{Value, json};
use testkit::{Database, Engine};

use crate::house::{Answer, House};

const VALIDATE: &str = "/api_keys/validate";
const GENERATE: &str = "/public_api/v1/api_keys/generate";
const LIST: &str = "/public_api/v1/api_keys/get_api_keys";
const DELETE: &str = "/public_api/v1/api_keys/delete";
const ADMINISTRATOR: &str = "Instance Administrator";
const NONCE: &str = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789AB";

/// A key as its holder has it.
#[derive(Clone)]
struct Held {
    id: String,
    key: String,
}

impl Held {
    fn of(issued: &Issued) -> Self {
        let (Shown::Static { secret } | Shown::Signed { secret }) = &issued.shown else {
            panic!("no key of this product")
        };
        Self {
            id: issued.key.current.handle.clone().unwrap(),
            key: secret.expose().to_owned(),
        }
    }

    fn standard(&self) -> Vec<(String, String)> {
        headers(&[("x-xdr-auth-id", &self.id), ("Authorization", &self.key)])
    }

    /// The headers of a request that was signed so many milliseconds after `house` now has it.
    fn advanced(&self, house: &House, nonce: &str, shift: i64) -> Vec<(String, String)> {
        let timestamp = (house.authority.now().millis() + shift).to_string();
        let digest = Digest::of(&[self.key.as_str(), nonce, &timestamp].concat());
        let hash: String = digest
            .as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        headers(&[
            ("x-xdr-auth-id", &self.id),
            ("x-xdr-nonce", nonce),
            ("x-xdr-timestamp", &timestamp),
            ("Authorization", &hash),
        ])
    }
}

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    owned.collect()
}

async fn call(house: &House, key: &Held, method: &str, path: &str, data: Value) -> Answer {
    let body = match data {
        Value::Null => String::new(),
        data => json!({ "request_data": data }).to_string(),
    };
    house.ask(method, path, &key.standard(), &body, None).await
}

async fn validate(house: &House, headers: &[(String, String)]) -> u16 {
    house.ask("GET", VALIDATE, headers, "", None).await.status
}

/// A key with roles by name, or with scopes.
async fn key(
    house: &House,
    organization: OrganizationId,
    kind: Kind,
    roles: &[&str],
    scopes: &[&str],
    expiry: Expiry,
) -> Box<Issued> {
    let product = ProductName::new("cortex").unwrap();
    let world = house.authority.world();
    let known = &world.product(&product).unwrap().roles;
    let role = |name: &&str| {
        let role = known.iter().find(|role| role.name.as_str() == *name);
        (role.unwrap().id, Resources::All)
    };
    let command = CreateKey {
        organization: None,
        product,
        kind,
        name: Name::new("A key").unwrap(),
        comment: Comment::default(),
        grants: Wish {
            roles: roles.iter().map(role).collect(),
            scopes: scopes
                .iter()
                .map(|scope| ((*scope).to_owned(), Resources::All))
                .collect(),
        },
        addresses: Addresses::default(),
        limits: Vec::new(),
        expiry,
        owner: None,
    };
    let shell = Caller::shell(organization);
    match house
        .authority
        .create_key(&shell, command, None, |_| Vec::new())
        .await
        .unwrap()
    {
        Outcome::New(issued) => issued,
        Outcome::Repeat(_) => panic!("nothing was repeated"),
    }
}

async fn administrator(house: &House, organization: OrganizationId) -> Held {
    let roles = &[ADMINISTRATOR];
    let issued = key(
        house,
        organization,
        Kind::Static,
        roles,
        &[],
        Expiry::Default,
    );
    Held::of(&*issued.await)
}

/// The kinds of notices that there are.
async fn told(house: &House, organization: OrganizationId) -> Vec<String> {
    let mut place = None;
    loop {
        place = house.authority.raise_due_notices(place).await.unwrap();
        if place.is_none() {
            break;
        }
    }
    house.authority.poll().await.unwrap();
    let shell = Caller::shell(organization);
    let page = house
        .authority
        .notices(&shell, NoticeFilter::default(), None, 100);
    let mut kinds: Vec<String> = page
        .await
        .unwrap()
        .into_iter()
        .map(|notice| notice.kind)
        .collect();
    kinds.sort();
    kinds
}

testkit::on_each_engine! {
    async fn a_console_key_without_an_expiry_never_ends_and_one_made_by_a_key_ends_in_a_week(database: Database) {
        let house = House::open(&database).await;
        let organization = house.organization("Lifetimes").await;
        let admin = administrator(&house, organization).await;
        let data = json!({"roles": ["Viewer"], "security_level": "standard"});
        call(&house, &admin, "POST", GENERATE, data).await;
        let listed = call(&house, &admin, "POST", LIST, json!({})).await.json();
        let keys = listed["reply"]["DATA"].as_array().unwrap();
        assert_eq!(keys[0]["expiration"], Value::Null);
        let (made, ends) = (&keys[1]["creation_time"], &keys[1]["expiration"]);
        assert_eq!(ends.as_i64().unwrap() - made.as_i64().unwrap(), 7 * 24 * 3600 * 1000);
        assert!(!listed.to_string().contains(&admin.key));
    }

    async fn an_expired_key_is_refused_like_everything_else(database: Database) {
        // Only a clock that is held can be moved past the expiry.
        if database.engine() == Engine::Postgres {
            return;
        }
        let house = House::open(&database).await;
        let organization = house.organization("Expired").await;
        let soon = Expiry::At(house.authority.now() + Span::from_secs(60));
        let plain = Held::of(&*key(&house, organization, Kind::Static, &["Viewer"], &[], soon).await);
        let signs = Held::of(&*key(&house, organization, Kind::Signed, &["Viewer"], &[], soon).await);
        assert_eq!(validate(&house, &plain.standard()).await, 200);
        assert_eq!(validate(&house, &signs.advanced(&house, NONCE, 0)).await, 200);
        house.pass(60).await;
        for headers in [plain.standard(), signs.advanced(&house, NONCE, 0)] {
            let answer = house.ask("GET", VALIDATE, &headers, "", None).await;
            assert_eq!(answer.status, 401);
            assert_eq!(answer.json()["reply"]["err_msg"], "Public API request unauthorized");
        }
    }

    async fn the_end_of_a_key_is_told_a_week_and_a_day_before_and_again_where_it_moved(database: Database) {
        if database.engine() == Engine::Postgres {
            return;
        }
        let house = House::open(&database).await;
        let organization = house.organization("Notices").await;
        let ends = house.authority.now() + Span::from_days(30);
        let issued = key(&house, organization, Kind::Signed, &["Viewer"], &[], Expiry::At(ends)).await;
        let day = 24 * 3600;
        for (days, expected) in [
            (22, &[][..]),
            (1, &["expires_soon"]),
            (5, &["expires_soon"]),
            (1, &["expires_soon", "expires_very_soon"]),
        ] {
            house.pass(days * day).await;
            assert_eq!(told(&house, organization).await, expected, "after {days} more days");
            assert_eq!(told(&house, organization).await, expected, "once");
        }
        let later = EditKey {
            expiry: Some(ExpiryChange::At(ends + Span::from_days(30))),
            ..EditKey::default()
        };
        house.authority.edit_key(&Caller::shell(organization), issued.key.id, later, None).await.unwrap();
        house.pass(23 * day).await;
        let all = ["expires_soon", "expires_very_soon"];
        assert_eq!(told(&house, organization).await, all, "the later end is not near");
        house.pass(day).await;
        assert_eq!(told(&house, organization).await, [all[0], all[0], all[1]], "the later end is told too");
    }

    async fn strictly_no_headers_are_good_twice(database: Database) {
        let house = House::furnished(&database, "[signed_requests]\nreplay = \"strict\"", |text| text).await;
        let organization = house.organization("Strict").await;
        let issued = key(&house, organization, Kind::Signed, &[ADMINISTRATOR], &[], Expiry::Never).await;
        let headers = Held::of(&issued).advanced(&house, NONCE, 0);
        assert_eq!(validate(&house, &headers).await, 200);
        assert_eq!(validate(&house, &headers).await, 401);
        assert_eq!(house.ask("POST", LIST, &headers, "", None).await.status, 401);
    }

    async fn headers_that_stand_twice_are_nobodys(database: Database) {
        let house = House::open(&database).await;
        let organization = house.organization("Twice").await;
        let admin = administrator(&house, organization).await;
        for (name, value) in admin.standard() {
            let mut headers = admin.standard();
            headers.push((name, value));
            assert_eq!(validate(&house, &headers).await, 401);
        }
        let mut headers = admin.standard();
        headers[0].1 = format!("0{}", admin.id);
        assert_eq!(validate(&house, &headers).await, 401);
    }

    async fn another_organizations_keys_are_not_there(database: Database) {
        let house = House::open(&database).await;
        let (here, there) = (house.organization("Here").await, house.organization("There").await);
        let (admin, other) = (administrator(&house, here).await, administrator(&house, there).await);
        let path = format!("/platform/iam/v1/api-key/{}", other.id);
        assert_eq!(call(&house, &admin, "GET", &path, Value::Null).await.status, 404);
        let edit = json!({"roles": ["Viewer"], "security_level": "standard"});
        assert_eq!(call(&house, &admin, "PUT", &path, edit).await.status, 404);
        let number: i64 = other.id.parse().unwrap();
        let ids = json!({"filters": [{"field": "id", "operator": "in", "value": [number]}]});
        let deleted = call(&house, &admin, "POST", DELETE, ids.clone()).await.json();
        assert_eq!(deleted, json!({"reply": {"update_count": 0}}));
        let listed = call(&house, &admin, "POST", LIST, ids).await.json();
        assert_eq!(listed["reply"]["FILTER_COUNT"], 0);
        assert_eq!(validate(&house, &other.standard()).await, 200);
    }

    async fn no_key_gives_more_than_it_has(database: Database) {
        let house = House::open(&database).await;
        let organization = house.organization("Ceilings").await;
        let product = ProductName::new("cortex").unwrap();
        let world = house.authority.world();
        let product = world.product(&product).unwrap();
        let manages = ["integrations.public_api:write"];
        let mut seed = 7_usize;
        for _ in 0..6 {
            let mut draw = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // Account Admin, the first, is given elsewhere.
                &product.roles[1 + (seed >> 33) % (product.roles.len() - 1)]
            };
            let own = draw();
            let caller = key(&house, organization, Kind::Static, &[own.name.as_str()], &manages, Expiry::Never).await;
            let caller = Held::of(&caller);
            for _ in 0..5 {
                let wanted = draw();
                let within = wanted.scopes.iter().all(|scope| {
                    scope.as_str() == manages[0] || product.algebra.covers(&own.scopes, scope)
                        || scope.as_str() == "integrations.public_api:read"
                });
                let data = json!({"roles": [wanted.name.as_str()], "security_level": "advanced"});
                let status = call(&house, &caller, "POST", GENERATE, data).await.status;
                assert_eq!(status, if within { 200 } else { 403 }, "{} by {}", wanted.name, own.name);
            }
        }
    }
}

/// An organization with the keys and the person that `contracts/README.md` tells of.
pub(crate) async fn inhabit(house: &House, name: &str) -> BTreeMap<String, String> {
    let organization = house.organization(name).await;
    let mut known = BTreeMap::new();
    let manages = [
        "integrations.public_api:write",
        "integrations.cli_tools:write",
    ];
    for (who, kind, roles, scopes) in [
        ("admin", Kind::Static, &[ADMINISTRATOR][..], &[][..]),
        ("advanced", Kind::Signed, &[ADMINISTRATOR], &[]),
        ("papi", Kind::Static, &[], &manages),
        (
            "reader",
            Kind::Static,
            &[],
            &["integrations.public_api:read"],
        ),
        ("viewer", Kind::Static, &["Viewer"], &[]),
    ] {
        let issued = key(house, organization, kind, roles, scopes, Expiry::Never).await;
        let held = Held::of(&issued);
        known.insert(format!("{who}_id"), held.id);
        known.insert(format!("{who}_key"), held.key);
    }
    let ada = "ada@harbour.example";
    let command = CreateUser {
        organization: None,
        email: Email::new(ada).unwrap(),
        name: Name::new("Ada Harbour").unwrap(),
        roles: Vec::new(),
    };
    let made = house
        .authority
        .create_user(&Caller::shell(organization), command)
        .await;
    made.unwrap();
    known.insert("ada".to_owned(), ada.to_owned());
    known
}
