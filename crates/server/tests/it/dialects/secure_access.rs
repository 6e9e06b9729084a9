//! What the dialect of Secure Access promises and no transcript can say: what time, people and crowds do.

mod scopes;

use std::collections::BTreeMap;
use std::sync::Arc;

use authority::Caller;
use authority::keys::{CreateKey, Expiry, Issued, Outcome, Shown, Wish};
use authority::users::{ADMINISTRATOR, CreateUser};
use authority::verify::Question;
use credential::grant::Resources;
use credential::id::{OrganizationId, UserId};
use credential::key::{Addresses, Kind};
use credential::name::{Comment, Name, ProductName};
use credential::organization::{Email, OrganizationKind};
use serde_json::{Value, json};
use testkit::{Database, Engine};

use crate::house::{Answer, House, basic, client};

const TOKEN: &str = "/auth/v2/token";
const KEYS: &str = "/admin/v2/apiKeys";
const KEY_ADMIN: [&str; 3] = [
    "admin.apikeys:create",
    "admin.apikeys:read",
    "admin.apikeys:refresh",
];

/// The token that credentials buy, or the status of the refusal.
async fn token(house: &House, pair: &(String, String)) -> Result<String, u16> {
    let answer = house
        .post(TOKEN, Some(&basic(pair)), "grant_type=client_credentials")
        .await;
    match answer.status {
        200 => Ok(format!(
            "Bearer {}",
            answer.json()["access_token"].as_str().unwrap()
        )),
        status => Err(status),
    }
}

async fn call(house: &House, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    let headers = [
        ("Authorization", token),
        ("Content-Type", "application/json"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    house.ask(method, path, &headers, &body, None).await
}

/// The credentials and the id in an answer.
fn made(answer: &Answer) -> ((String, String), String) {
    let key = &answer.json()["key"];
    let text = |member: &str| key[member].as_str().unwrap().to_owned();
    ((text("clientId"), text("clientSecret")), text("id"))
}

/// A person who administers the organization, and the caller that they are.
async fn person(
    house: &House,
    organization: OrganizationId,
    name: &str,
    email: &str,
) -> (UserId, Caller) {
    let shell = Caller::shell(organization);
    let world = house.authority.world();
    let latchkey = world
        .product(&ProductName::new("latchkey").unwrap())
        .unwrap();
    let role = latchkey
        .roles
        .iter()
        .find(|role| role.name.as_str() == ADMINISTRATOR)
        .unwrap()
        .id;
    let command = CreateUser {
        organization: None,
        email: Email::new(email).unwrap(),
        name: Name::new(name).unwrap(),
        roles: vec![(role, Resources::All)],
    };
    let user = house
        .authority
        .create_user(&shell, command)
        .await
        .unwrap()
        .value
        .id;
    let name = Name::new("A token").unwrap();
    let issued = house
        .authority
        .create_user_token(&shell, user, name, Expiry::Never, None, |_| Vec::new());
    let Outcome::New(issued) = issued.await.unwrap() else {
        panic!("nothing was repeated")
    };
    let Shown::Static { secret } = &issued.shown else {
        panic!("no static key")
    };
    (
        user,
        house
            .authority
            .caller(&Question::bearer(secret.expose()), "test")
            .await
            .unwrap()
            .0,
    )
}

async fn key_by(house: &House, caller: &Caller, name: &str, scopes: &[&str]) -> Box<Issued> {
    let command = CreateKey {
        organization: None,
        product: ProductName::new("secure_access").unwrap(),
        kind: Kind::Client,
        name: Name::new(name).unwrap(),
        comment: Comment::default(),
        grants: Wish {
            roles: Vec::new(),
            scopes: scopes
                .iter()
                .map(|scope| ((*scope).to_owned(), Resources::All))
                .collect(),
        },
        addresses: Addresses::default(),
        limits: Vec::new(),
        expiry: Expiry::Never,
        owner: None,
    };
    house.issue(caller, command).await
}

testkit::on_each_engine! {
    async fn keys_show_the_person_who_made_them_and_stop_with_their_account(database: Database) {
        let house = House::open(&database).await;
        let organization = house.organization("Persons").await;
        let (user, ada) = person(&house, organization, "Ada Harbour", "ada@example.com").await;
        // The last administrator could not be disabled.
        person(&house, organization, "Bea Quay", "bea@example.com").await;
        let admin = client(&*key_by(&house, &ada, "admin", &KEY_ADMIN).await);
        let own = key_by(&house, &ada, "hers", &["deployments.networks:read"]).await;
        let bearer = token(&house, &admin).await.unwrap();

        let shown = call(&house, &bearer, "GET", &format!("{KEYS}/{}", own.key.id), &Value::Null).await.json();
        let creator = ["creatorKeyId", "creatorName", "creatorEmail"].map(|member| shown["key"][member].clone());
        assert_eq!(creator, [json!(""), json!("Ada Harbour"), json!("ada@example.com")]);
        let body = json!({ "name": "its", "scopes": ["deployments.networks:read"] });
        let (pair, _) = made(&call(&house, &bearer, "POST", KEYS, &body).await);
        token(&house, &pair).await.unwrap();

        house.authority.disable_user(&Caller::shell(organization), user, None).await.unwrap();
        for pair in [&admin, &client(&own), &pair] {
            assert_eq!(token(&house, pair).await, Err(401));
        }
        assert_eq!(call(&house, &bearer, "GET", KEYS, &Value::Null).await.status, 401);
    }

    async fn an_expired_key_stays_expired_whatever_is_done(database: Database) {
        // Only a clock that is held can be moved past the expiry.
        if database.engine() == Engine::Postgres {
            return;
        }
        let house = House::open(&database).await;
        let organization = house.organization("Past").await;
        let admin = client(&*house.key(organization, "secure_access", Kind::Client, "admin", &KEY_ADMIN).await);
        let bearer = token(&house, &admin).await.unwrap();
        let body = json!({
            "name": "short", "scopes": ["deployments.networks:read"], "expireAt": "2023-11-14T22:14:20Z",
        });
        let (pair, id) = made(&call(&house, &bearer, "POST", KEYS, &body).await);
        let answer = house.post(TOKEN, Some(&basic(&pair)), "").await.json();
        assert_eq!(answer["expires_in"], 60, "a token does not outlive its key");

        house.pass(60).await;
        assert_eq!(token(&house, &pair).await, Err(401));
        let path = format!("{KEYS}/{id}");
        assert_eq!(call(&house, &bearer, "GET", &path, &Value::Null).await.status, 200);
        assert_eq!(call(&house, &bearer, "POST", &format!("{path}/refresh"), &Value::Null).await.status, 400);
        assert_eq!(token(&house, &pair).await, Err(401));
    }

    async fn looking_at_the_token_endpoint_buys_no_token(database: Database) {
        let house = House::open(&database).await;
        let organization = house.organization("Look").await;
        let pair = client(&*house.key(organization, "secure_access", Kind::Client, "admin", &KEY_ADMIN).await);
        let headers = [("Authorization".to_owned(), basic(&pair))];
        assert_eq!(house.ask("HEAD", TOKEN, &headers, "", None).await.status, 405);
        assert_eq!(house.ask("GET", TOKEN, &headers, "", None).await.status, 200);
    }

    async fn a_token_ends_after_an_hour(database: Database) {
        if database.engine() == Engine::Postgres {
            return;
        }
        let house = House::open(&database).await;
        let organization = house.organization("Hour").await;
        let admin = client(&*house.key(organization, "secure_access", Kind::Client, "admin", &KEY_ADMIN).await);
        let bearer = token(&house, &admin).await.unwrap();
        for (seconds, status) in [(3599, 200), (1, 401)] {
            house.pass(seconds).await;
            assert_eq!(call(&house, &bearer, "GET", KEYS, &Value::Null).await.status, status, "{seconds}");
        }
    }

    async fn of_a_crowd_exactly_a_hundred_calls_are_admitted(database: Database) {
        let house = Arc::new(House::open(&database).await);
        let organization = house.organization("Crowd").await;
        let admin = client(&*house.key(organization, "secure_access", Kind::Client, "admin", &KEY_ADMIN).await);
        let bearer = token(&house, &admin).await.unwrap();
        let calls = (0..150).map(|_| {
            let (house, bearer) = (Arc::clone(&house), bearer.clone());
            tokio::spawn(async move { call(&house, &bearer, "GET", KEYS, &Value::Null).await.status })
        });
        let calls: Vec<_> = calls.collect();
        let mut statuses = Vec::new();
        for call in calls {
            statuses.push(call.await.unwrap());
        }
        let count = |status: u16| statuses.iter().filter(|got| **got == status).count();
        assert_eq!((count(200), count(429)), (100, 50));
    }

    async fn what_a_managers_key_opens_in_a_managed_organization_is_that_ones(database: Database) {
        let house = House::open(&database).await;
        let manager = house.organization_of("Manager", OrganizationKind::Manager, None).await;
        let child = house.organization_of("Child", OrganizationKind::Managed, Some(manager)).await;
        let roaming = ["deployments.roamingcomputers:read"];
        let key = house.key(manager, "secure_access", Kind::Client, "roamer", &roaming).await;
        let number = house.authority.world().organization(child).unwrap().number.to_string();
        let headers = [("Authorization".to_owned(), basic(&client(&key))), ("X-Umbrella-OrgId".to_owned(), number.clone())];
        let bought = house.ask("POST", TOKEN, &headers, "", None).await.json();
        let bearer = format!("Bearer {}", bought["access_token"].as_str().unwrap());
        let answer = call(&house, &bearer, "GET", "/deployments/v2/roamingcomputers", &Value::Null).await.json();
        assert_eq!(answer, json!({
            "key": key.key.id.to_string(), "organization": child.to_string(), "credential": false,
        }));

        // Who may ask is who may ask about the organization that the token acts for.
        let verify = async |asker: OrganizationId| {
            let asker = house.key(asker, "latchkey", Kind::Static, "asker", &["latchkey.verify"]).await;
            let Shown::Static { secret } = &asker.shown else { panic!("no static key") };
            let body = json!({ "credential": bearer.strip_prefix("Bearer ") });
            let asker = format!("Bearer {}", secret.expose());
            call(&house, &asker, "POST", "/api/v1/verify", &body).await.json()
        };
        let told = verify(child).await;
        let whose = ["code", "key_id", "organization_id"].map(|member| told[member].clone());
        assert_eq!(whose, [json!("VALID"), json!(key.key.id.to_string()), json!(child.to_string())]);
        assert_eq!(verify(manager).await["code"], "NOT_FOUND", "it is no token for the manager");

        let shell = Caller::shell(child);
        house.authority.disable_organization(&shell, child, None).await.map(drop).unwrap();
        let refused = call(&house, &bearer, "GET", "/deployments/v2/roamingcomputers", &Value::Null).await;
        assert_eq!(refused.status, 401);
        assert_eq!(house.ask("POST", TOKEN, &headers, "", None).await.status, 403);
    }

    async fn a_key_administrator_does_nothing_else_and_not_to_its_like(database: Database) {
        let house = House::open(&database).await;
        let organization = house.organization("Like").await;
        let all = ["create", "read", "update", "delete", "refresh"].map(|action| format!("admin.apikeys:{action}"));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let own = house.key(organization, "secure_access", Kind::Client, "own", &all).await;
        let like = house.key(organization, "secure_access", Kind::Client, "like", &all).await;
        let bearer = token(&house, &client(&own)).await.unwrap();
        let rename = json!({ "name": "renamed", "scopes": ["deployments.networks:read"] });
        for id in [own.key.id, like.key.id] {
            let path = format!("{KEYS}/{id}");
            for (method, path, body) in [
                ("GET", path.clone(), &Value::Null),
                ("PATCH", path.clone(), &rename),
                ("POST", format!("{path}/refresh"), &Value::Null),
                ("DELETE", path.clone(), &Value::Null),
            ] {
                assert_eq!(call(&house, &bearer, method, &path, body).await.status, 404, "{method} {path}");
            }
            // Nor by way of the house's own API.
            let path = format!("/api/v1/keys/{id}");
            for (method, path, body, status) in [
                ("GET", path.clone(), Value::Null, 404),
                ("PATCH", path.clone(), json!({ "comment": "mine" }), 404),
                ("POST", format!("{path}/revoke"), json!({}), 404),
            ] {
                assert_eq!(call(&house, &bearer, method, &path, &body).await.status, status, "{method} {path}");
            }
        }
        assert_eq!(call(&house, &bearer, "GET", KEYS, &Value::Null).await.json()["total"], 0);
        // What it administers it does not use: no such key is made, and its own opens no API.
        assert_eq!(call(&house, &bearer, "GET", "/deployments/v2/roamingcomputers", &Value::Null).await.status, 403);
        let both = ["admin.apikeys:read", "deployments.networks:read"].map(|scope| (scope.to_owned(), Resources::All));
        let command = CreateKey {
            organization: None,
            product: ProductName::new("secure_access").unwrap(),
            kind: Kind::Client,
            name: Name::new("both").unwrap(),
            comment: Comment::default(),
            grants: Wish { roles: Vec::new(), scopes: both.to_vec() },
            addresses: Addresses::default(),
            limits: Vec::new(),
            expiry: Expiry::Never,
            owner: None,
        };
        let made = house.authority.create_key(&Caller::shell(organization), command, None, |_| Vec::new()).await;
        let refused = made.err().unwrap().to_string();
        assert!(refused.contains("does nothing else"), "{refused}");
    }

    async fn another_organizations_keys_are_not_there(database: Database) {
        let house = House::open(&database).await;
        let (here, there) = (house.organization("Here").await, house.organization("There").await);
        let admin = client(&*house.key(here, "secure_access", Kind::Client, "admin", &KEY_ADMIN).await);
        let other = house.key(there, "secure_access", Kind::Client, "other", &["deployments.networks:read"]).await;
        let sample = house.key(here, "sample", Kind::Client, "sample", &["sample.orders:read"]).await;
        let bearer = token(&house, &admin).await.unwrap();
        for id in [other.key.id, sample.key.id] {
            let path = format!("{KEYS}/{id}");
            assert_eq!(call(&house, &bearer, "GET", &path, &Value::Null).await.status, 404);
            assert_eq!(call(&house, &bearer, "POST", &format!("{path}/refresh"), &Value::Null).await.status, 404);
        }
        assert_eq!(call(&house, &bearer, "GET", KEYS, &Value::Null).await.json()["total"], 0);
        // A client of another product buys no token here.
        assert_eq!(token(&house, &client(&sample)).await, Err(401));
    }
}

/// An organization with a key administrator and one that may only read; gives what transcripts know of them.
pub(crate) async fn inhabit(house: &House, name: &str) -> BTreeMap<String, String> {
    let manager = OrganizationKind::Manager;
    let organization = house.organization_of(name, manager, None).await;
    let managed = house
        .organization_of(
            &format!("Managed by {name}"),
            OrganizationKind::Managed,
            Some(organization),
        )
        .await;
    let all = ["create", "read", "update", "delete", "refresh"]
        .map(|action| format!("admin.apikeys:{action}"));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let admin = house
        .key(
            organization,
            "secure_access",
            Kind::Client,
            "Key admin",
            &all,
        )
        .await;
    let reader = house
        .key(
            organization,
            "secure_access",
            Kind::Client,
            "Key reader",
            &["admin.apikeys:read"],
        )
        .await;
    let world = house.authority.world();
    let number = |id| world.organization(id).unwrap().number.to_string();
    let mut known = BTreeMap::from([
        ("number".to_owned(), number(organization)),
        ("child_number".to_owned(), number(managed)),
        ("child".to_owned(), managed.to_string()),
        ("admin_key".to_owned(), admin.key.id.to_string()),
        (
            "admin_key_hex".to_owned(),
            admin.key.id.to_string().replace('-', ""),
        ),
    ]);
    for (who, key) in [("admin", &admin), ("reader", &reader)] {
        let (id, secret) = client(key);
        known.insert(format!("{who}_id"), id);
        known.insert(format!("{who}_secret"), secret);
    }
    known
}
