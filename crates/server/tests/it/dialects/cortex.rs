//! What the dialect of Cortex promises and no transcript can say: what time, settings and crowds do.

use std::collections::BTreeMap;

use authority::Caller;
use authority::keys::{CreateKey, EditKey, Expiry, Issued, Shown, Wish};
use authority::notices::NoticeFilter;
use authority::organizations::EditSettings;
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

/// Policies of the gateway whose keys are presented in this family's way.
const GATEWAY: &str = r#"
[gateway.policies.cortex]
product = "cortex"
upstream = "products"
prefixes = ["/public_api/v1/incidents", "/public_api/v1/endpoints"]
credential = "signed_or_pair"
credential_headers = ["x-xdr-auth-id", "Authorization", "x-xdr-nonce", "x-xdr-timestamp"]

[[gateway.policies.cortex.routes]]
path = "/public_api/v1/incidents/get_incidents"
scopes = ["cases.alerts:read"]

[[gateway.policies.cortex.routes]]
path = "/public_api/v1/endpoints/{endpoint_group}"
scopes = ["endpoints.administration:read"]
resource = "endpoint_group"
"#;
const INCIDENTS: &str = "/public_api/v1/incidents/get_incidents";

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
    house.issue(&shell, command).await
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
        let plain = Held::of(&*key(&house, organization, Kind::Static, &["Viewer"], &[], soon.clone()).await);
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

    async fn the_gateway_opens_to_both_kinds_and_forwards_neither_key_nor_signature(database: Database) {
        let house = House::furnished(&database, GATEWAY, |text| text).await;
        let organization = house.organization("Gateway").await;
        let plain = key(&house, organization, Kind::Static, &["Viewer"], &[], Expiry::Never).await;
        let signs = key(&house, organization, Kind::Signed, &["Viewer"], &[], Expiry::Never).await;
        let none = key(&house, organization, Kind::Static, &["CLI"], &[], Expiry::Never).await;
        let get = async |headers: &[(String, String)], body: &str| {
            house.ask("GET", INCIDENTS, headers, body, None).await
        };
        let answer = get(&Held::of(&plain).standard(), "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json(), json!({"key": plain.key.id.to_string(), "organization": organization.to_string(), "credential": false}));

        let signed = Held::of(&signs).advanced(&house, NONCE, 0);
        let answer = get(&signed, "{}").await;
        assert_eq!(answer.json(), json!({"key": signs.key.id.to_string(), "organization": organization.to_string(), "credential": false}));
        // The body is part of what is told apart.
        assert_eq!(get(&signed, "{}").await.status, 401);
        assert_eq!(get(&signed, "{ }").await.status, 200);
        let again = format!("{INCIDENTS}/");
        assert_eq!(house.ask("GET", &again, &signed, "{}", None).await.status, 401, "the same path");

        let refused = get(&Held::of(&none).standard(), "").await;
        assert_eq!(refused.status, 403);
        assert_eq!(refused.json()["reply"]["err_msg"], "Insufficient permissions for api key");
        let nobody = get(&[], "").await;
        assert_eq!(nobody.status, 401);
        assert_eq!(nobody.json()["reply"]["err_msg"], "Public API request unauthorized");
        let mut half = signed;
        half.remove(1);
        assert_eq!(get(&half, "").await.status, 401);
    }

    async fn what_a_key_reaches_is_kept_and_counts_once_it_is_enforced(database: Database) {
        let house = House::furnished(&database, GATEWAY, |text| text).await;
        let organization = house.organization("Reach").await;
        let admin = administrator(&house, organization).await;
        let issued = key(&house, organization, Kind::Static, &["Viewer"], &[], Expiry::Never).await;
        let viewer = Held::of(&issued);
        let scope = format!("/platform/iam/v1/scope/api_key/{}", viewer.id);
        let endpoints = async |who: &Held, group: &str| {
            let path = format!("/public_api/v1/endpoints/{group}");
            house.ask("GET", &path, &who.standard(), "", None).await.status
        };
        let wanted = json!({
            "assets": {"mode": "scope", "asset_group_ids": [1, 2]},
            "datasets_rows": {"default_filter_mode": "no_scope", "filters": [{"dataset": "xdr_data", "filter": "a = 1"}]},
            "endpoints": {"endpoint_groups": {"mode": "scope", "names": ["berth"]}, "endpoint_tags": {"mode": "any", "names": []}},
            "cases_issues": {"mode": "see_all", "names": []},
        });
        assert_eq!(call(&house, &admin, "PUT", &scope, wanted).await.status, 200);
        assert_eq!(call(&house, &admin, "GET", &scope, Value::Null).await.json(), json!({"data": {
            "assets": {"mode": "scope", "asset_groups": [
                {"asset_group_id": 1, "asset_group_name": ""}, {"asset_group_id": 2, "asset_group_name": ""}]},
            "datasets_rows": {"default_filter_mode": "no_scope", "filters": [{"dataset": "xdr_data", "filter": "a = 1"}]},
            "endpoints": {
                "endpoint_groups": {"mode": "scope", "tags": [{"tag_id": "berth", "tag_name": "berth"}]},
                "endpoint_tags": {"mode": "any", "tags": []}},
            "cases_issues": {"mode": "see_all", "tags": []},
        }}));
        assert_eq!(endpoints(&viewer, "other").await, 200, "it is kept, not enforced");

        let shell = Caller::shell(organization);
        let told = house.authority.preview_reach(&shell, organization, None).await.unwrap();
        let cuts: Vec<_> = told.keys.iter().map(|cut| (cut.id, cut.limited.clone(), cut.lost.clone())).collect();
        let kinds = |kinds: &[&str]| kinds.iter().map(|kind| (*kind).to_owned()).collect::<Vec<_>>();
        let limited = kinds(&["asset_group", "dataset", "endpoint_group"]);
        assert_eq!(cuts, [(issued.key.id, limited, Vec::new())], "administrators lose nothing");

        let enforce = async |on: bool| {
            let edit = EditSettings { enforce_reach: Some(on), ..EditSettings::default() };
            house.authority.edit_organization_settings(&shell, organization, edit, None).await.unwrap();
        };
        enforce(true).await;
        assert_eq!(endpoints(&viewer, "berth").await, 200);
        assert_eq!(endpoints(&viewer, "other").await, 403);
        assert_eq!(endpoints(&admin, "other").await, 200, "administrators reach all");
        let unscoped = house.ask("GET", INCIDENTS, &viewer.standard(), "", None).await;
        assert_eq!(unscoped.status, 200, "what names no resource is not scoped");

        let less = json!({"endpoints": {"endpoint_groups": {"mode": "no_scope", "names": []}, "endpoint_tags": null}});
        assert_eq!(call(&house, &admin, "PUT", &scope, less).await.status, 200);
        assert_eq!(endpoints(&viewer, "berth").await, 403);
        let fresh = key(&house, organization, Kind::Static, &["Viewer"], &[], Expiry::Never).await;
        assert_eq!(endpoints(&Held::of(&fresh), "berth").await, 403, "who was given nothing reaches nothing");
        enforce(false).await;
        assert_eq!(endpoints(&viewer, "berth").await, 200);
    }

    async fn people_reach_what_their_groups_do(database: Database) {
        let house = House::open(&database).await;
        let organization = house.organization("Groups").await;
        let admin = administrator(&house, organization).await;
        let world = house.authority.world();
        let product = ProductName::new("cortex").unwrap();
        let viewer = world.product(&product).unwrap().roles.iter().find(|role| role.name.as_str() == "Viewer").unwrap().id;
        let shell = Caller::shell(organization);
        let ada = house.authority.create_user(&shell, CreateUser {
            organization: None,
            email: Email::new("ada@harbour.example").unwrap(),
            name: Name::new("Ada Harbour").unwrap(),
            roles: vec![(viewer, Resources::All)],
        }).await.unwrap().value;
        let groups = "/platform/iam/v1/user-group";
        let made = call(&house, &admin, "POST", groups, json!({"group_name": "Crew", "users": ["ada@harbour.example"]})).await;
        let said = made.json()["data"]["message"].as_str().unwrap().to_owned();
        let group = said.split(' ').nth(5).unwrap().to_owned();
        let whole = json!({
            "assets": {"mode": "see_all"}, "datasets_rows": {"default_filter_mode": "see_all"},
            "endpoints": {"endpoint_groups": {"mode": "see_all"}, "endpoint_tags": {"mode": "any"}},
            "cases_issues": {"mode": "see_all"},
        });
        let lost = async || {
            let told = house.authority.preview_reach(&shell, organization, None).await.unwrap();
            told.users.iter().map(|cut| cut.id).collect::<Vec<_>>()
        };
        assert_eq!(lost().await, [ada.id]);
        let scope = format!("/platform/iam/v1/scope/user_group/{group}");
        assert_eq!(call(&house, &admin, "PUT", &scope, whole).await.status, 200);
        assert_eq!(lost().await, []);
        assert_eq!(call(&house, &admin, "DELETE", &format!("{groups}/{group}"), Value::Null).await.status, 200);
        assert_eq!(lost().await, [ada.id]);
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
