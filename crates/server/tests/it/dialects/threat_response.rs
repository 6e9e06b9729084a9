//! What the dialect of Threat Response promises and no transcript can say: what owners, limits and scopes do.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use authority::Caller;
use authority::keys::{CreateKey, Expiry, Issued, Outcome, Wish};
use authority::settings::ProductLimits;
use authority::users::CreateUser;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use credential::grant::Resources;
use credential::id::{OrganizationId, RoleId, UserId};
use credential::key::{Addresses, Kind};
use credential::name::{Comment, Name, ProductName};
use credential::organization::Email;
use serde_json::{Value, json};
use server::config::{Config, Sources};

use crate::house::{Answer, House, basic, client};

const PRODUCT: &str = "threat_response";
const TOKEN: &str = "/iroh/oauth2/token";
const INSPECT: &str = "/iroh/iroh-inspect/inspect";
const CLIENTS: &str = "/iroh/oauth2-clients/clients";
const TOO_MANY: &str = "{\"error\": \"Too Many Requests\"}";
const INTEL: &str = "intel.amp.cisco.com";

/// The policies of the demo, in front of the house's own upstream.
const POLICIES: &str = include_str!("../../../../latchkey/src/demo/settings/threat_response.toml");

/// What opens each door, but for the doors of the global intelligence.
const DOORS: [(&str, &[&str]); 12] = [
    ("POST /iroh/iroh-inspect/", &["inspect:read"]),
    ("POST /iroh/iroh-enrich/deliberate/", &["enrich:read"]),
    ("POST /iroh/iroh-enrich/observe/", &["enrich:read"]),
    ("POST /iroh/iroh-enrich/refer/", &["enrich:read"]),
    ("GET /iroh/iroh-enrich/settings", &["enrich:read"]),
    (
        "POST /iroh/iroh-enrich/health",
        &["integration", "integration:read"],
    ),
    ("POST /iroh/iroh-response/", &["response"]),
    ("GET /iroh/iroh-int/", &["integration", "integration:read"]),
    (" /iroh/iroh-int/", &["integration"]),
    (" /ctia/casebook/", &["casebook"]),
    (" /ctia/asset/", &["asset"]),
    (" /ctia/", &["private-intel"]),
];
/// The same of the doors that the dialect keeps itself.
const OWN_DOORS: [(&str, &[&str]); 5] = [
    ("GET /iroh/profile/whoami", &["profile"]),
    ("GET /iroh/profile/org", &["profile"]),
    ("GET /iroh/oauth2-clients/clients", &["oauth", "oauth:read"]),
    ("POST /iroh/oauth2-clients/clients", &["oauth"]),
    ("DELETE /iroh/oauth2-clients/clients/client-x", &["oauth"]),
];

/// The settings that the transcripts and tests of this dialect need.
pub(crate) fn settings() -> String {
    format!("[server.hosts]\n\"visibility.amp.cisco.com\" = \"threat_response\"\n{POLICIES}")
}

async fn house(database: &testkit::Database) -> House {
    House::furnished(database, &settings(), |text| text).await
}

/// Every scope that is offered to people.
fn offered(house: &House) -> Vec<String> {
    let world = house.authority.world();
    let product = world.product(&ProductName::new(PRODUCT).unwrap()).unwrap();
    let scopes = product.scopes.iter().filter(|(_, entry)| !entry.hidden);
    scopes.map(|(scope, _)| scope.as_str().to_owned()).collect()
}

fn role(house: &House, name: &str) -> RoleId {
    let world = house.authority.world();
    let product = world.product(&ProductName::new(PRODUCT).unwrap()).unwrap();
    let mut roles = product.roles.iter();
    roles.find(|role| role.name.as_str() == name).unwrap().id
}

/// A person of an organization who has one of the product's roles.
async fn person(house: &House, organization: OrganizationId, role: RoleId, email: &str) -> UserId {
    let command = CreateUser {
        organization: None,
        email: Email::new(email).unwrap(),
        name: Name::new("Ivy").unwrap(),
        roles: vec![(role, Resources::All)],
    };
    let caller = Caller::shell(organization);
    let made = house.authority.create_user(&caller, command).await;
    made.unwrap().value.id
}

async fn client_of(
    house: &House,
    organization: OrganizationId,
    owner: UserId,
    name: &str,
    scopes: &[&str],
) -> Issued {
    let everywhere = |scope: &&str| ((*scope).to_owned(), Resources::All);
    let command = CreateKey {
        organization: None,
        product: ProductName::new(PRODUCT).unwrap(),
        kind: Kind::Client,
        name: Name::new(name).unwrap(),
        comment: Comment::default(),
        grants: Wish {
            roles: Vec::new(),
            scopes: scopes.iter().map(everywhere).collect(),
        },
        addresses: Addresses::default(),
        limits: Vec::new(),
        expiry: Expiry::Default,
        owner: Some(owner),
    };
    let caller = Caller::shell(organization);
    *house.issue(&caller, command).await
}

/// An organization with an administrator, a client of theirs that has everything and one that reads; gives what
/// transcripts know of them.
pub(crate) async fn inhabit(house: &House, name: &str) -> BTreeMap<String, String> {
    let organization = house.organization(name).await;
    let email = format!("ivy@{}.example", name.replace('.', "-")).to_lowercase();
    let user = person(house, organization, role(house, "Administrator"), &email).await;
    let everything = offered(house);
    let everything: Vec<&str> = everything.iter().map(String::as_str).collect();
    let admin = client_of(house, organization, user, "Everything", &everything).await;
    // Lists are in the order in which things were made.
    house.pass(1).await;
    let reader = ["inspect:read", "enrich:read"];
    let reader = client_of(house, organization, user, "Reader", &reader).await;
    house.pass(1).await;
    let mut known = BTreeMap::from([
        ("org".to_owned(), organization.to_string()),
        ("org_name".to_owned(), name.to_owned()),
        ("user".to_owned(), user.to_string()),
        ("email".to_owned(), email),
    ]);
    for (who, key) in [("admin", &admin), ("reader", &reader)] {
        let (id, password) = client(key);
        known.insert(format!("{who}_id"), id);
        known.insert(format!("{who}_password"), password);
        known.insert(format!("{who}_key"), key.key.id.to_string());
    }
    known
}

/// An organization with one administrator.
async fn tenant(house: &House, name: &str) -> (OrganizationId, UserId) {
    let organization = house.organization(name).await;
    let email = format!("{name}@tenant.example").to_lowercase();
    let user = person(house, organization, role(house, "Administrator"), &email).await;
    (organization, user)
}

async fn buy(house: &House, pair: &(String, String)) -> Answer {
    house
        .post(TOKEN, Some(&basic(pair)), "grant_type=client_credentials")
        .await
}

async fn token(house: &House, pair: &(String, String)) -> String {
    let answer = buy(house, pair).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

async fn call_at(
    house: &House,
    host: &str,
    token: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Answer {
    let mut headers = vec![
        ("Host".to_owned(), host.to_owned()),
        ("Content-Type".to_owned(), "application/json".to_owned()),
    ];
    if !token.is_empty() {
        headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
    }
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    house.ask(method, path, &headers, &body, None).await
}

async fn call(house: &House, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    call_at(house, "keys.example", token, method, path, body).await
}

async fn inspect(house: &House, token: &str) -> Answer {
    call(
        house,
        token,
        "POST",
        INSPECT,
        &json!({"content": "cisco.com"}),
    )
    .await
}

async fn give_role(
    house: &House,
    organization: OrganizationId,
    user: UserId,
    role: Option<RoleId>,
) {
    let caller = Caller::shell(organization);
    let roles = role
        .map(|role| (role, Resources::All))
        .into_iter()
        .collect();
    house
        .authority
        .set_user_roles(&caller, user, roles, None)
        .await
        .unwrap();
}

testkit::on_each_engine! {
    async fn a_token_has_no_more_than_the_owner_has_left(database: testkit::Database) {
        let house = house(&database).await;
        let (organization, owner) = tenant(&house, "Losing").await;
        let scopes = ["casebook", "enrich:read", "inspect:read", "users"];
        let pair = client(&client_of(&house, organization, owner, "soar", &scopes).await);
        let first = buy(&house, &pair).await.json();
        assert_eq!(first["scope"], "casebook enrich:read inspect:read users");
        let before = first["access_token"].as_str().unwrap();
        assert_eq!(inspect(&house, before).await.status, 200);

        let caller = Caller::shell(organization);
        let command = authority::roles::CreateRole {
            organization: None,
            product: ProductName::new(PRODUCT).unwrap(),
            name: credential::role::RoleName::new("Half").unwrap(),
            description: Comment::default(),
            scopes: vec!["casebook:read".to_owned(), "enrich/observables:read".to_owned()],
        };
        let half = house.authority.create_role(&caller, command).await.unwrap().value.id;
        give_role(&house, organization, owner, Some(half)).await;

        let next = buy(&house, &pair).await.json();
        assert_eq!(next["scope"], "casebook:read enrich/observables:read");
        for token in [next["access_token"].as_str().unwrap(), before] {
            let refused = inspect(&house, token).await;
            assert_eq!(refused.status, 403);
            let told = refused.json();
            assert_eq!(told["error"], "missing_scope");
            assert_eq!(told["missing-scopes"], json!(["inspect:read"]));
            assert_eq!(told["required-scopes"], json!(["inspect:read"]));
            assert_eq!(told["scopes"], json!(["casebook:read", "enrich/observables:read"]));
            assert_eq!(told["user-id"], owner.to_string());
            assert_eq!(told["org-id"], organization.to_string());
        }

        // Given back, it is there again at the next token; the client itself never changed.
        give_role(&house, organization, owner, Some(role(&house, "Administrator"))).await;
        let again = token(&house, &pair).await;
        assert_eq!(inspect(&house, &again).await.status, 200);
    }

    async fn with_nothing_in_common_there_is_no_token(database: testkit::Database) {
        let house = house(&database).await;
        let (organization, owner) = tenant(&house, "Nothing").await;
        let pair = client(&client_of(&house, organization, owner, "soar", &["users"]).await);
        give_role(&house, organization, owner, Some(role(&house, "Reader"))).await;
        let refused = buy(&house, &pair).await;
        assert_eq!((refused.status, &refused.json()["error"]), (400, &json!("invalid_scope")));
        give_role(&house, organization, owner, None).await;
        let refused = buy(&house, &pair).await;
        assert_eq!((refused.status, &refused.json()["error"]), (400, &json!("invalid_scope")));
    }

    async fn clients_end_with_their_owner_and_are_told_apart_from_a_wrong_password(database: testkit::Database) {
        let house = house(&database).await;
        let (organization, owner) = tenant(&house, "Ending").await;
        let shell = Caller::shell(organization);
        let issued = client_of(&house, organization, owner, "soar", &["inspect:read"]).await;
        let pair = client(&issued);
        let error = async |pair: &(String, String)| {
            let refused = buy(&house, pair).await;
            assert_eq!(refused.status, 400, "{refused:?}");
            refused.json()["error"].as_str().unwrap().to_owned()
        };
        let before = token(&house, &pair).await;
        let wrong = (pair.0.clone(), "x".repeat(54));
        let stranger = ("client-00000000-0000-4000-8000-000000000000".to_owned(), pair.1.clone());
        assert_eq!(error(&wrong).await, "wrong_client_creds");
        assert_eq!(error(&stranger).await, "invalid_client");

        house.authority.disable_user(&shell, owner, None).await.unwrap();
        assert_eq!(error(&pair).await, "invalid_client");
        let refused = inspect(&house, &before).await;
        assert_eq!((refused.status, &refused.json()["error"]), (401, &json!("jwt_revoked")));
        house.authority.enable_user(&shell, owner, None).await.unwrap();
        token(&house, &pair).await;

        house.authority.disable_key(&shell, issued.key.id, None).await.unwrap();
        assert_eq!(error(&pair).await, "invalid_client");
        assert_eq!(error(&wrong).await, "wrong_client_creds");
        house.authority.enable_key(&shell, issued.key.id, None).await.unwrap();
        token(&house, &pair).await;

        house.authority.remove_user(&shell, owner, None).await.unwrap();
        assert_eq!(error(&pair).await, "invalid_client");
        house.authority.revoke_key(&shell, issued.key.id, None).await.unwrap();
        assert_eq!((error(&pair).await, error(&wrong).await), ("invalid_client".to_owned(), "invalid_client".to_owned()));

        // A client of another product is nobody here, whatever it proves.
        let abroad = client(&*house.key(organization, "sample", Kind::Client, "abroad", &["sample.orders:read"]).await);
        assert_eq!(error(&abroad).await, "invalid_client");
        assert_eq!(error(&(abroad.0, "no".to_owned())).await, "invalid_client");
    }

    async fn a_token_that_is_not_good_says_what_is_wrong_with_it(database: testkit::Database) {
        let house = house(&database).await;
        let (organization, owner) = tenant(&house, "Bad").await;
        let pair = client(&client_of(&house, organization, owner, "soar", &["inspect:read"]).await);
        let good = token(&house, &pair).await;
        assert_eq!(inspect(&house, &good).await.status, 200);
        let check = async |token: &str, error: &str, words: &str| {
            let refused = inspect(&house, token).await;
            assert_eq!(refused.status, 401, "{refused:?}");
            assert_eq!(refused.json(), json!({"error": error, "error_description": words}));
            assert_eq!(refused.header("Content-Type"), Some("application/json"));
            assert_eq!(refused.header("x-ratelimit-org-limit"), None, "nobody's limit is told to nobody");
            let refused = call(&house, token, "GET", "/ctia/incident/search", &Value::Null).await;
            let told = json!({"error": "not_authenticated", "message": "Only authenticated users allowed"});
            assert_eq!((refused.status, refused.json()), (401, told));
        };
        check("", "invalid_request", "No JWT found in HTTP Authorization header").await;
        check("abc", "jwt_decode_failed_exception", "JWT decode failed").await;
        check("a.b.c", "jwt_decode_failed_exception", "JWT decode failed").await;
        let (message, signature) = good.rsplit_once('.').unwrap();
        let other = if signature.starts_with('A') { 'B' } else { 'A' };
        let forged = format!("{other}{}", &signature[1..]);
        check(&format!("{message}.{forged}"), "jwt_invalid_signature", "Invalid Signature").await;
        let no_key = "Cannot retrieve a key for your JWT. One common reason would be that it has the wrong `iss` claim";
        let header = BASE64URL.encode(r#"{"alg":"RS256","typ":"JWT","kid":"another"}"#);
        let body = message.split_once('.').unwrap().1;
        check(&format!("{header}.{body}.{signature}"), "jwt_public_key_not_found", no_key).await;
        // A token of ours for another product is as foreign.
        let abroad = client(&*house.key(organization, "sample", Kind::Client, "abroad", &["sample.orders:read"]).await);
        let abroad = house.post("/oauth2/token", Some(&basic(&abroad)), "grant_type=client_credentials").await;
        check(abroad.json()["access_token"].as_str().unwrap(), "jwt_public_key_not_found", no_key).await;

        let revoked = token(&house, &pair).await;
        assert_eq!(house.post("/oauth2/revoke", Some(&basic(&pair)), &format!("token={revoked}")).await.status, 200);
        check(&revoked, "jwt_revoked", "This JWT has been revoked").await;
        assert_eq!(inspect(&house, &good).await.status, 200, "the other one is as good as before");
        house.pass(662).await;
        check(&good, "jwt_expired", "This JWT max lifetime has expired 1min 2s ago").await;
    }

    async fn an_organization_has_one_limit_for_all_its_clients(database: testkit::Database) {
        let house = house(&database).await;
        let (organization, owner) = tenant(&house, "Limited").await;
        let (elsewhere, other) = tenant(&house, "Elsewhere").await;
        let issued = [
            client_of(&house, organization, owner, "one", &["inspect:read"]).await,
            client_of(&house, organization, owner, "two", &["inspect:read", "private-intel"]).await,
            client_of(&house, organization, owner, "unlimited", &["inspect:read"]).await,
            client_of(&house, elsewhere, other, "abroad", &["inspect:read"]).await,
        ];
        let [one, two, unlimited, abroad] = issued.each_ref().map(client);
        let few = HashMap::from([(PRODUCT.to_owned(), 3)]);
        house.authority.except_limits(&ProductLimits {
            exempt: HashSet::from([unlimited.0.clone()]),
            organizations: HashMap::from([(organization, few)]),
        }).unwrap();
        let (first, second, free) = (token(&house, &one).await, token(&house, &two).await, token(&house, &unlimited).await);
        let foreign = token(&house, &abroad).await;

        for token in [&first, &second, &first] {
            let passed = inspect(&house, token).await;
            assert_eq!((passed.status, passed.header("x-ratelimit-org-limit")), (200, Some("3")));
            house.pass(1).await;
        }
        for token in [&second, &first, &first] {
            let refused = inspect(&house, token).await;
            assert_eq!((refused.status, refused.body.as_str()), (429, TOO_MANY));
            assert_eq!(refused.body.len(), 30);
            assert_eq!(refused.header("Content-Type"), Some("application/json"));
            assert_eq!(refused.header("x-ratelimit-org-limit"), None);
            // The first of the three was counted three seconds ago; an hour is counted in slices of 3.6 seconds.
            let wait: i64 = refused.header("Retry-After").unwrap().parse().unwrap();
            assert!((3597..=3601).contains(&wait), "{wait}");
        }
        // The same window is behind the intelligence APIs and the dialect's own.
        let refused = call(&house, &second, "GET", "/ctia/incident/search", &Value::Null).await;
        assert_eq!((refused.status, refused.body.as_str()), (429, TOO_MANY));
        let refused = call(&house, &first, "GET", "/iroh/iroh-auth/session/validate", &Value::Null).await;
        assert_eq!((refused.status, refused.body.as_str()), (429, TOO_MANY));
        assert!(refused.header("Retry-After").is_some());

        // Whoever may not at all is told so, and whoever is somebody else is not concerned.
        let refused = call(&house, &first, "GET", "/ctia/incident/search", &Value::Null).await;
        assert_eq!(refused.status, 403);
        let passed = inspect(&house, &foreign).await;
        assert_eq!((passed.status, passed.header("x-ratelimit-org-limit")), (200, Some("8000")));
        for _ in 0..5 {
            let passed = inspect(&house, &free).await;
            assert_eq!((passed.status, passed.header("x-ratelimit-org-limit"), passed.header("ratelimit")), (200, None, None));
        }
        // Tokens are bought all the same, and what was refused was not counted: three fit into the next hour.
        buy(&house, &one).await;
        house.pass(3601).await;
        let (first, second) = (token(&house, &one).await, token(&house, &two).await);
        for token in [&first, &second, &first] {
            assert_eq!(inspect(&house, token).await.status, 200);
        }
        assert_eq!(inspect(&house, &second).await.status, 429);
    }

    async fn the_intelligence_apis_tell_the_limit_by_both_names(database: testkit::Database) {
        let house = house(&database).await;
        let (organization, owner) = tenant(&house, "Both").await;
        let pair = client(&client_of(&house, organization, owner, "soar", &["private-intel"]).await);
        let token = token(&house, &pair).await;
        let passed = call(&house, &token, "GET", "/ctia/incident/search", &Value::Null).await;
        assert_eq!(passed.status, 200);
        for name in ["x-ratelimit-org-limit", "x-ratelimit-group-limit"] {
            assert_eq!(passed.header(name), Some("8000"), "{name}");
        }
        let lacking = call(&house, &token, "POST", "/ctia/casebook", &json!({})).await;
        assert_eq!(lacking.status, 403);
        assert_eq!(lacking.json(), json!({
            "message": "Missing capability", "error": "missing_capability", "capabilities": "casebook:write", "owner": owner.to_string(),
        }));
    }

    async fn each_scope_opens_its_doors_and_no_others(database: testkit::Database) {
        let house = house(&database).await;
        let (organization, owner) = tenant(&house, "Doors").await;
        let doors = doors();
        let mut opened: BTreeSet<String> = BTreeSet::new();
        for scope in offered(&house) {
            let pair = client(&client_of(&house, organization, owner, &scope, &[&scope]).await);
            let bought = buy(&house, &pair).await.json();
            assert_eq!(bought["scope"], scope.as_str());
            let token = bought["access_token"].as_str().unwrap();
            for door in &doors {
                let (method, path) = door.split_once(' ').unwrap();
                let expected = expected(door).contains(&scope.as_str());
                let answer = call(&house, token, method, path, &Value::Null).await;
                assert_eq!(answer.status != 403, expected, "{scope} at {door}: {answer:?}");
                assert_ne!(answer.status, 401, "{scope} at {door}");
                if expected {
                    opened.insert(door.clone());
                }
            }
            // Global intelligence is another host with the same paths.
            for (method, path) in [("GET", "/ctia/judgement/search"), ("GET", "/ctia/casebook/x")] {
                let answer = call_at(&house, INTEL, token, method, path, &Value::Null).await;
                assert_eq!(answer.status == 200, scope == "global-intel:read", "{scope} at {path}: {answer:?}");
            }
            let write = call_at(&house, INTEL, token, "POST", "/ctia/judgement", &json!({})).await;
            assert_eq!(write.status, 403, "nobody writes there: {write:?}");
        }
        let doors: BTreeSet<String> = doors.into_iter().collect();
        assert_eq!(opened, doors, "no door is left that nothing opens");
    }

    async fn a_fine_grained_scope_opens_only_what_lies_below_it(database: testkit::Database) {
        let house = house(&database).await;
        let (organization, owner) = tenant(&house, "Fine").await;
        let scopes = ["enrich/observables/deliberate:read", "private-intel/incident:write", "integration/module-type:read"];
        let pair = client(&client_of(&house, organization, owner, "fine", &scopes).await);
        let bought = buy(&house, &pair).await.json();
        assert_eq!(bought["scope"], "enrich/observables/deliberate:read integration/module-type:read private-intel/incident:write");
        let token = bought["access_token"].as_str().unwrap();
        for (method, path, open) in [
            ("POST", "/iroh/iroh-enrich/deliberate/observables", true),
            ("POST", "/iroh/iroh-enrich/observe/observables", false),
            ("GET", "/iroh/iroh-enrich/settings", false),
            ("POST", "/ctia/incident", true),
            ("GET", "/ctia/incident/search", false),
            ("POST", "/ctia/judgement", false),
            ("GET", "/iroh/iroh-int/module-type", true),
            ("GET", "/iroh/iroh-int/module-instance", false),
            ("POST", "/iroh/iroh-int/module-type", false),
        ] {
            let answer = call(&house, token, method, path, &Value::Null).await;
            assert_eq!(answer.status, if open { 200 } else { 403 }, "{method} {path}: {answer:?}");
        }
    }

    async fn a_preset_fills_the_scopes_and_products_show_it(database: testkit::Database) {
        let house = house(&database).await;
        let known = inhabit(&house, "Presets").await;
        let admin = token(&house, &(known["admin_id"].clone(), known["admin_password"].clone())).await;
        let wish = json!({"name": "from a preset", "scopes": ["+read-only", "casebook"], "grants": ["client-creds"]});
        let made = call(&house, &admin, "POST", CLIENTS, &wish).await;
        assert_eq!(made.status, 201, "{made:?}");
        let scopes = ["casebook", "enrich:read", "global-intel:read", "inspect:read", "integration:read", "sse:read"];
        assert_eq!(made.json()["scopes"], json!(scopes));
        let unknown = json!({"name": "n", "scopes": ["+nothing"]});
        assert_eq!(call(&house, &admin, "POST", CLIENTS, &unknown).await.status, 400);

        // The native API offers the same presets and takes the same words.
        let rights = ["latchkey.products:read", "latchkey.keys:create", "latchkey.grant.any"];
        let home = known["org"].parse().unwrap();
        let native = house.key(home, "latchkey", Kind::Static, "native", &rights).await;
        let native = crate::native::secret(&native);
        let seen = call(&house, &native, "GET", "/api/v1/products/threat_response", &Value::Null).await.json();
        let presets = seen["presets"].as_array().unwrap();
        let read_only = presets.iter().find(|preset| preset["name"] == "read-only").unwrap();
        assert_eq!(read_only["scopes"], json!(["enrich:read", "global-intel:read", "inspect:read", "integration:read", "sse:read"]));
        let wish = json!({"product": "threat_response", "kind": "client", "name": "native", "scopes": ["+read-only"]});
        let made = call(&house, &native, "POST", "/api/v1/keys", &wish).await;
        assert_eq!(made.status, 201, "{made:?}");
    }

    async fn a_client_that_a_person_makes_acts_as_that_person(database: testkit::Database) {
        let house = house(&database).await;
        let organization = house.organization("People").await;
        let shell = Caller::shell(organization);
        let roles = [crate::native::ADMINISTRATOR.parse().unwrap(), role(&house, "Analyst")];
        let command = CreateUser {
            organization: None,
            email: Email::new("ivy@people.example").unwrap(),
            name: Name::new("Ivy").unwrap(),
            roles: roles.map(|role| (role, Resources::All)).to_vec(),
        };
        let user = house.authority.create_user(&shell, command).await.unwrap().value.id;
        let name = Name::new("a token").unwrap();
        let made = house.authority.create_user_token(&shell, user, name, Expiry::Never, None, |_| Vec::new());
        let Outcome::New(issued) = made.await.unwrap() else { panic!("nothing was repeated") };
        let person = crate::native::secret(&issued);

        // An administrator may give what an analyst does not have; the client is worth no more than the analyst.
        let wish = json!({"product": PRODUCT, "kind": "client", "name": "soar", "scopes": ["inspect:read", "users"]});
        let made = call(&house, &person, "POST", "/api/v1/keys", &wish).await;
        assert_eq!(made.status, 201, "{made:?}");
        let made = made.json();
        assert_eq!(made["key"]["owner_id"], user.to_string());
        let text = |member: &str| made["secret"][member].as_str().unwrap().to_owned();
        let bought = buy(&house, &(text("client_id"), text("client_secret"))).await;
        assert_eq!(bought.json()["scope"], "inspect:read", "{bought:?}");
    }

    async fn nobody_gives_a_client_what_they_do_not_hold(database: testkit::Database) {
        let house = house(&database).await;
        let (organization, owner) = tenant(&house, "Giving").await;
        let pair = client(&client_of(&house, organization, owner, "maker", &["oauth", "inspect:read"]).await);
        let maker = token(&house, &pair).await;
        let make = async |token: &str, scopes: Value| {
            call(&house, token, "POST", CLIENTS, &json!({"name": "made", "scopes": scopes})).await
        };
        let made = make(&maker, json!(["inspect:read"])).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(made.json()["owner-id"], owner.to_string());
        for beyond in ["enrich:read", "admin", "casebook:read"] {
            let refused = make(&maker, json!(["inspect:read", beyond])).await;
            assert_eq!(refused.status, 403, "{beyond}: {refused:?}");
            assert_eq!(refused.json()["error"], "missing_scope");
            assert_eq!(refused.json()["missing-scopes"], json!([beyond]));
        }
        let refused = make(&maker, json!(["inspect:write"])).await;
        assert_eq!(refused.status, 400, "not a scope at all: {refused:?}");
        // An edit gives no more than a creation, and only administrators switch clients off.
        let path = format!("{CLIENTS}/{}", made.json()["id"].as_str().unwrap());
        let refused = call(&house, &maker, "PATCH", &path, &json!({"scopes": ["enrich:read"]})).await;
        assert_eq!((refused.status, &refused.json()["missing-scopes"]), (403, &json!(["enrich:read"])));
        let refused = call(&house, &maker, "PATCH", &path, &json!({"enabled?": false})).await;
        assert_eq!((refused.status, &refused.json()["missing-scopes"]), (403, &json!(["admin"])));

        // What the owner lost, the maker cannot give either.
        give_role(&house, organization, owner, Some(role(&house, "Reader"))).await;
        let refused = make(&maker, json!(["inspect:read"])).await;
        assert_eq!((refused.status, &refused.json()["missing-scopes"]), (403, &json!(["oauth"])));
    }

    async fn clients_of_another_organization_are_not_there(database: testkit::Database) {
        let house = house(&database).await;
        let [home, abroad] = [inhabit(&house, "Home").await, inhabit(&house, "Abroad").await];
        let stranger = token(&house, &(abroad["admin_id"].clone(), abroad["admin_password"].clone())).await;
        let path = format!("{CLIENTS}/{}", home["reader_id"]);
        for (method, body) in [("GET", Value::Null), ("PATCH", json!({"name": "mine"})), ("DELETE", Value::Null)] {
            let answer = call(&house, &stranger, method, &path, &body).await;
            assert_eq!(answer.status, 404, "{method}: {answer:?}");
        }
        let listed = call(&house, &stranger, "GET", CLIENTS, &Value::Null).await.json();
        let ids: Vec<&str> = listed.as_array().unwrap().iter().map(|client| client["id"].as_str().unwrap()).collect();
        assert_eq!(ids, [abroad["admin_id"].as_str(), abroad["reader_id"].as_str()]);
    }

    async fn a_token_says_who_acts_and_for_whom(database: testkit::Database) {
        let house = house(&database).await;
        let known = inhabit(&house, "Claims").await;
        let token = token(&house, &(known["reader_id"].clone(), known["reader_password"].clone())).await;
        let parts: Vec<&str> = token.split('.').collect();
        let read = |part: &str| -> Value { serde_json::from_slice(&BASE64URL.decode(part).unwrap()).unwrap() };
        let (header, claims) = (read(parts[0]), read(parts[1]));
        assert_eq!(header["alg"], "RS256");
        let says = |name: &str| &claims[format!("https://schemas.cisco.com/iroh/identity/claims/{name}")];
        assert_eq!((&claims["sub"], &claims["email"]), (&json!(known["user"]), &json!(known["email"])));
        assert_eq!(claims["iss"], crate::house::ISSUER);
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
        assert_eq!(claims["iat"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap(), 60);
        assert_eq!(says("oauth/client/id"), &json!(known["reader_id"]));
        assert_eq!(says("oauth/client/name"), "Reader");
        assert_eq!(says("oauth/grant"), "client-creds");
        assert_eq!(says("oauth/kind"), "access-token");
        assert_eq!(says("org/id"), &json!(known["org"]));
        assert_eq!(says("org/name"), "Claims");
        assert_eq!(says("user/id"), &json!(known["user"]));
        assert_eq!(says("oauth/scopes"), &json!(["enrich:read", "inspect:read"]));
        assert_eq!(says("user/scopes").as_array().unwrap().len(), {
            let world = house.authority.world();
            let product = world.product(&ProductName::new(PRODUCT).unwrap()).unwrap();
            let user = known["user"].parse().unwrap();
            world.user_rights(product, user).names().len()
        });
    }
}

/// The doors of the demo's policies and the dialect's own, as methods and paths.
fn doors() -> Vec<String> {
    let upstream = "[gateway.upstreams.sample]\nurl = \"http://127.0.0.1:9\"\n";
    let file = format!("{}\n{upstream}", settings());
    let sources = Sources {
        file: Some(("test.toml".into(), file)),
        ..Sources::default()
    };
    let config = Config::load(&sources).unwrap().config;
    let mut doors = Vec::new();
    for route in &config.gateway.policies[PRODUCT].routes {
        let path = route.path.replace("/**", "/x");
        let path: Vec<&str> = path
            .split('/')
            .map(|part| if part.starts_with('{') { "x" } else { part })
            .collect();
        for method in &route.methods {
            doors.push(format!("{method} {}", path.join("/")));
        }
    }
    assert!(doors.len() > 40, "{doors:?}");
    doors.extend(OWN_DOORS.map(|(door, _)| door.to_owned()));
    doors
}

/// The scopes that open a door.
fn expected(door: &str) -> &'static [&'static str] {
    if let Some((_, scopes)) = OWN_DOORS.iter().find(|(own, _)| *own == door) {
        return scopes;
    }
    let fits = |pattern: &str| match pattern.strip_prefix(' ') {
        Some(path) => door.split_once(' ').unwrap().1.starts_with(path),
        None => door.starts_with(pattern),
    };
    let found = DOORS.iter().find(|(pattern, _)| fits(pattern));
    found
        .unwrap_or_else(|| panic!("nobody wrote down what opens {door}"))
        .1
}
