//! What the dialect of SecureCloud promises and no transcript can say: what time, people and the lists of an API do.

use std::collections::BTreeMap;

use authority::Caller;
use authority::keys::{CreateKey, Expiry, Issued, Shown, Wish};
use authority::users::CreateUser;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use credential::grant::Resources;
use credential::id::{OrganizationId, RoleId, UserId};
use credential::key::{Addresses, Kind};
use credential::name::{Comment, Name, ProductName};
use credential::organization::Email;
use credential::password::Password;
use serde_json::{Value, json};
use testkit::{Database, Engine};

use crate::house::{Answer, House};

const KEYS: &str = "/api/v1/rome/api-access-keys";
const TOKEN: &str = "/api/rome/token";
const ACCOUNTS: &str = "/api/v1/orca/cloud-accounts";
const CLUSTERS: &str = "/api/v1/orca/conf/clusters";

pub(super) const ADMIN: &str = "Global Admin";
const VIEWER: &str = "Global Viewer";
const ACCOUNT_VIEWER: &str = "Cloud Account Viewer";

/// A password of tests.
pub(super) const PASSWORD: &str = "a password of tests";
const DAY: i64 = 86_400;

fn product() -> ProductName {
    ProductName::new("securecloud").unwrap()
}

fn role(house: &House, name: &str) -> RoleId {
    let world = house.authority.world();
    let product = world.product(&product()).unwrap();
    let named = |role: &&credential::role::Role| role.name.as_str() == name;
    product.roles.iter().find(named).unwrap().id
}

fn account(id: &str) -> Resources {
    Resources::listed("account", [id.to_owned()]).unwrap()
}

/// A key by whoever holds the shell.
async fn key(
    house: &House,
    organization: OrganizationId,
    name: &str,
    roles: &[(&str, Resources)],
) -> Box<Issued> {
    key_until(house, organization, name, roles, Expiry::Default).await
}

async fn key_until(
    house: &House,
    organization: OrganizationId,
    name: &str,
    roles: &[(&str, Resources)],
    expiry: Expiry,
) -> Box<Issued> {
    let roles = roles
        .iter()
        .map(|(name, resources)| (role(house, name), resources.clone()));
    let command = CreateKey {
        organization: None,
        product: product(),
        kind: Kind::Jwt,
        name: Name::new(name).unwrap(),
        comment: Comment::default(),
        grants: Wish {
            roles: roles.collect(),
            scopes: Vec::new(),
        },
        addresses: Addresses::default(),
        limits: Vec::new(),
        expiry,
        owner: None,
    };
    let shell = Caller::shell(organization);
    house.issue(&shell, command).await
}

fn jwt(issued: &Issued) -> String {
    match &issued.shown {
        Shown::Jwt { token } => token.expose().to_owned(),
        _ => panic!("not a JWT"),
    }
}

async fn call(house: &House, jwt: &str, method: &str, path: &str, body: &Value) -> Answer {
    let mut headers = vec![("Authorization".to_owned(), format!("Bearer {jwt}"))];
    let mut text = String::new();
    if !body.is_null() {
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        text = body.to_string();
    }
    house.ask(method, path, &headers, &text, None).await
}

async fn get(house: &House, jwt: &str, path: &str) -> u16 {
    call(house, jwt, "GET", path, &Value::Null).await.status
}

/// A new key by the API: its id and its JWT.
async fn made(house: &House, by: &str, body: &Value) -> (String, String) {
    let answer = call(house, by, "POST", KEYS, body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let body = answer.json();
    let text = |member: &str| body[member].as_str().unwrap().to_owned();
    (text("id"), text("jwt"))
}

/// A person with a password and these roles.
pub(super) async fn person(
    house: &House,
    organization: OrganizationId,
    email: &str,
    roles: &[&str],
) -> UserId {
    let shell = Caller::shell(organization);
    let command = CreateUser {
        organization: None,
        email: Email::new(email).unwrap(),
        name: Name::new("Grace Quay").unwrap(),
        roles: roles
            .iter()
            .map(|name| (role(house, name), Resources::All))
            .collect(),
    };
    let user = house
        .authority
        .create_user(&shell, command)
        .await
        .unwrap()
        .value
        .id;
    choose(house, organization, user, PASSWORD).await;
    user
}

async fn choose(house: &House, organization: OrganizationId, user: UserId, password: &str) {
    let password = Some(Password::from(password.to_owned()));
    house
        .authority
        .set_password(&Caller::shell(organization), user, password, None)
        .await
        .unwrap();
}

/// The token that a password buys, or the status of the refusal.
pub(super) async fn token(house: &House, email: &str, password: &str) -> Result<String, u16> {
    let form = format!(
        "username={}&password={}&grant_type=password&client_id=express",
        email.replace('@', "%40"),
        password.replace(' ', "+")
    );
    let answer = house.post(TOKEN, None, &form).await;
    match answer.status {
        200 => {
            let body = answer.json();
            assert_eq!(body["expires_in"], 300);
            Ok(body["access_token"].as_str().unwrap().to_owned())
        }
        status => Err(status),
    }
}

testkit::on_each_engine! {
    async fn each_role_opens_what_it_says_and_nothing_else(database: Database) {
        let house = House::open(&database).await;
        let organization = house.organization("Roles").await;
        let admin = jwt(&*key(&house, organization, "admin", &[(ADMIN, Resources::All)]).await);
        let viewer = jwt(&*key(&house, organization, "viewer", &[(VIEWER, Resources::All)]).await);
        let of_a = jwt(&*key(&house, organization, "of a", &[(ACCOUNT_VIEWER, account("a"))]).await);
        let of_all = jwt(&*key(&house, organization, "of all", &[(ACCOUNT_VIEWER, Resources::All)]).await);

        // The list, account a, account b, its assets, clusters; then what is written.
        let (a, b, assets) = (format!("{ACCOUNTS}/a"), format!("{ACCOUNTS}/b"), format!("{ACCOUNTS}/b/assets"));
        for (who, expected) in [
            (&admin, [200, 200, 200, 200, 200, 200, 200]),
            (&viewer, [200, 200, 200, 200, 200, 403, 403]),
            (&of_a, [200, 200, 403, 403, 403, 403, 403]),
            (&of_all, [200, 200, 200, 200, 403, 403, 403]),
        ] {
            let asked = [
                ("GET", ACCOUNTS), ("GET", &a), ("GET", &b), ("GET", &assets), ("GET", CLUSTERS), ("DELETE", &a), ("POST", ACCOUNTS),
            ];
            let mut statuses = [0; 7];
            for (status, (method, path)) in statuses.iter_mut().zip(asked) {
                *status = call(&house, who, method, path, &Value::Null).await.status;
            }
            assert_eq!(statuses, expected);
        }
        for (who, told) in [(&admin, "*"), (&viewer, "*"), (&of_a, "account:a"), (&of_all, "*")] {
            assert_eq!(call(&house, who, "GET", ACCOUNTS, &Value::Null).await.header("told-resources"), Some(told));
        }
    }

    async fn several_roles_add_up(database: Database) {
        let house = House::open(&database).await;
        let organization = house.organization("Several").await;
        let admin = jwt(&*key(&house, organization, "admin", &[(ADMIN, Resources::All)]).await);
        let roles = json!([
            {"role": "cloud_account_viewer", "accounts": ["a"]},
            {"role": "cloud_account_viewer", "accounts": ["c"]},
        ]);
        let (id, two) = made(&house, &admin, &json!({"name": "two", "roles": roles})).await;
        let told = call(&house, &two, "GET", ACCOUNTS, &Value::Null).await;
        assert_eq!(told.header("told-resources"), Some("account:a,account:c"));
        let statuses = [get(&house, &two, &format!("{ACCOUNTS}/b")).await, get(&house, &two, CLUSTERS).await];
        assert_eq!(statuses, [403, 403]);

        let roles = json!([{"role": "cloud_account_viewer", "accounts": ["a"]}, {"role": "global_viewer"}]);
        let edited = call(&house, &admin, "PUT", &format!("{KEYS}/{id}"), &json!({"roles": roles})).await;
        assert_eq!(edited.status, 200, "{edited:?}");
        let statuses = [get(&house, &two, &format!("{ACCOUNTS}/b")).await, get(&house, &two, CLUSTERS).await];
        assert_eq!(statuses, [200, 200], "an edit is in force at the next call");
    }

    async fn a_removed_key_is_refused_at_its_next_call_and_its_name_is_free(database: Database) {
        let house = House::open(&database).await;
        let organization = house.organization("Removed").await;
        let admin = jwt(&*key(&house, organization, "admin", &[(ADMIN, Resources::All)]).await);
        let wanted = json!({"name": "short-lived", "roles": [{"role": "global_viewer"}]});
        let (id, viewer) = made(&house, &admin, &wanted).await;
        assert_eq!(get(&house, &viewer, CLUSTERS).await, 200);
        assert_eq!(call(&house, &admin, "POST", KEYS, &wanted).await.status, 409);

        let path = format!("{KEYS}/{id}");
        assert_eq!(call(&house, &admin, "DELETE", &path, &Value::Null).await.status, 204);
        assert_eq!(get(&house, &viewer, CLUSTERS).await, 401);
        assert_eq!(get(&house, &admin, &path).await, 404);
        assert_eq!(call(&house, &admin, "DELETE", &path, &Value::Null).await.status, 404);
        made(&house, &admin, &wanted).await;
        assert_eq!(get(&house, &viewer, CLUSTERS).await, 401, "another key of that name is another key");
    }

    async fn a_key_needs_a_name_and_a_role(database: Database) {
        let house = House::open(&database).await;
        let organization = house.organization("Needs").await;
        let admin = jwt(&*key(&house, organization, "admin", &[(ADMIN, Resources::All)]).await);
        for wanted in [
            json!({"roles": [{"role": "global_viewer"}]}),
            json!({"name": "", "roles": [{"role": "global_viewer"}]}),
            json!({"name": "n"}),
            json!({"name": "n", "roles": []}),
            json!({"name": "n", "roles": [{"role": "king"}]}),
        ] {
            assert_eq!(call(&house, &admin, "POST", KEYS, &wanted).await.status, 400, "{wanted}");
        }
        assert_eq!(call(&house, &admin, "GET", KEYS, &Value::Null).await.json()["total"], 1);
    }

    async fn only_global_admins_manage_keys(database: Database) {
        let house = House::open(&database).await;
        let organization = house.organization("Managers").await;
        let issued = key(&house, organization, "admin", &[(ADMIN, Resources::All)]).await;
        let admin = jwt(&issued);
        let mut others = vec![
            jwt(&*key(&house, organization, "viewer", &[(VIEWER, Resources::All)]).await),
            jwt(&*key(&house, organization, "of all", &[(ACCOUNT_VIEWER, Resources::All)]).await),
        ];
        person(&house, organization, "viewer@managers.example", &[VIEWER]).await;
        others.push(token(&house, "viewer@managers.example", PASSWORD).await.unwrap());
        let wanted = json!({"name": "more", "roles": [{"role": "global_viewer"}]});
        let path = format!("{KEYS}/{}", issued.key.id);
        let asked = [
            ("GET", KEYS, &Value::Null),
            ("POST", KEYS, &wanted),
            ("GET", &path, &Value::Null),
            ("PUT", &path, &wanted),
            ("DELETE", &path, &Value::Null),
            ("GET", "/api/v1/rome/roles", &Value::Null),
            ("GET", "/api/v1/rome/periods", &Value::Null),
        ];
        for other in &others {
            for (method, path, body) in &asked {
                assert_eq!(call(&house, other, method, path, body).await.status, 403, "{method} {path}");
            }
        }
        person(&house, organization, "admin@managers.example", &[ADMIN]).await;
        let in_person = token(&house, "admin@managers.example", PASSWORD).await.unwrap();
        for admin in [&admin, &in_person] {
            let listed = call(&house, admin, "GET", KEYS, &Value::Null).await.json();
            assert_eq!(listed["total"], 3, "keys of persons are none of those: {listed}");
        }
    }

    async fn rights_are_the_keys_and_not_those_of_who_made_it(database: Database) {
        let house = House::open(&database).await;
        let organization = house.organization("Made").await;
        let user = person(&house, organization, "maker@made.example", &[ADMIN]).await;
        let maker = token(&house, "maker@made.example", PASSWORD).await.unwrap();
        let wanted = json!({"name": "hers", "roles": [{"role": "global_admin"}]});
        let (id, hers) = made(&house, &maker, &wanted).await;
        let by_hers = made(&house, &hers, &json!({"name": "its", "roles": [{"role": "global_viewer"}]})).await.1;

        house.authority.disable_user(&Caller::shell(organization), user, None).await.unwrap();
        assert_eq!(get(&house, &maker, KEYS).await, 401);
        assert_eq!(get(&house, &hers, KEYS).await, 200);
        // A key that a key made outlives it too.
        assert_eq!(call(&house, &hers, "DELETE", &format!("{KEYS}/{id}"), &Value::Null).await.status, 204);
        assert_eq!(get(&house, &by_hers, CLUSTERS).await, 200);
    }

    async fn another_organizations_keys_are_not_there(database: Database) {
        let house = House::open(&database).await;
        let (here, there) = (house.organization("Here").await, house.organization("There").await);
        let admin = jwt(&*key(&house, here, "admin", &[(ADMIN, Resources::All)]).await);
        let other = key(&house, there, "other", &[(VIEWER, Resources::All)]).await;
        let native = house.key(here, "sample", Kind::Jwt, "sample", &["sample.orders:read"]).await;
        for id in [other.key.id, native.key.id] {
            let path = format!("{KEYS}/{id}");
            for (method, body) in [("GET", Value::Null), ("PUT", json!({"period": "One year"})), ("DELETE", Value::Null)] {
                assert_eq!(call(&house, &admin, method, &path, &body).await.status, 404, "{method}");
            }
        }
        assert_eq!(call(&house, &admin, "GET", KEYS, &Value::Null).await.json()["total"], 1);
        assert_eq!(get(&house, &jwt(&native), CLUSTERS).await, 401, "a JWT of another product is none here");
    }

    async fn a_token_in_person_is_worth_what_the_person_is_and_ends_with_them(database: Database) {
        let house = House::open(&database).await;
        let organization = house.organization("Persons").await;
        let email = "grace@persons.example";
        let user = person(&house, organization, email, &[VIEWER]).await;
        let shell = Caller::shell(organization);
        assert_eq!(token(&house, email, "another password").await, Err(401));
        assert_eq!(token(&house, "nobody@persons.example", PASSWORD).await, Err(401));
        let first = token(&house, email, PASSWORD).await.unwrap();
        assert_eq!(get(&house, &first, CLUSTERS).await, 200);
        assert_eq!(call(&house, &first, "DELETE", &format!("{ACCOUNTS}/a"), &Value::Null).await.status, 403);
        let told = call(&house, &first, "GET", ACCOUNTS, &Value::Null).await;
        assert_eq!((told.header("told-resources"), told.header("told-roles")), (Some("*"), Some(VIEWER)));

        // Less is less at once, and more does not reach tokens that were bought before.
        let narrow = vec![(role(&house, ACCOUNT_VIEWER), account("a"))];
        house.authority.set_user_roles(&shell, user, narrow, None).await.unwrap();
        assert_eq!(get(&house, &first, CLUSTERS).await, 403);
        assert_eq!(call(&house, &first, "GET", ACCOUNTS, &Value::Null).await.header("told-resources"), Some("account:a"));
        let wide = vec![(role(&house, ADMIN), Resources::All)];
        house.authority.set_user_roles(&shell, user, wide, None).await.unwrap();
        assert_eq!(get(&house, &first, KEYS).await, 403);
        let second = token(&house, email, PASSWORD).await.unwrap();
        assert_eq!(get(&house, &second, KEYS).await, 200);

        house.authority.disable_user(&shell, user, None).await.unwrap();
        assert_eq!(get(&house, &second, KEYS).await, 401);
        assert_eq!(token(&house, email, PASSWORD).await, Err(401));
    }

    async fn a_new_password_ends_the_tokens_of_the_old_one(database: Database) {
        let house = House::open(&database).await;
        let organization = house.organization("Passwords").await;
        let email = "grace@passwords.example";
        let user = person(&house, organization, email, &[VIEWER]).await;
        let before = token(&house, email, PASSWORD).await.unwrap();
        choose(&house, organization, user, "another password of tests").await;
        assert_eq!(get(&house, &before, CLUSTERS).await, 401);
        assert_eq!(token(&house, email, PASSWORD).await, Err(401));
        let after = token(&house, email, "another password of tests").await.unwrap();
        assert_eq!(get(&house, &after, CLUSTERS).await, 200);
        house.authority.set_password(&Caller::shell(organization), user, None, None).await.unwrap();
        assert_eq!(get(&house, &after, CLUSTERS).await, 401, "and so does its end");
    }

    async fn a_person_has_one_key_of_their_own_however_often_they_ask(database: Database) {
        let house = std::sync::Arc::new(House::open(&database).await);
        let organization = house.organization("Once").await;
        person(&house, organization, "grace@once.example", &[VIEWER]).await;
        let asked = (0..4).map(|_| {
            let house = std::sync::Arc::clone(&house);
            tokio::spawn(async move { token(&house, "grace@once.example", PASSWORD).await.unwrap() })
        });
        let asked: Vec<_> = asked.collect();
        for token in asked {
            assert_eq!(get(&house, &token.await.unwrap(), CLUSTERS).await, 200);
        }
        let filter = authority::keys::KeyFilter::of(organization);
        let keys = house.authority.keys(&Caller::shell(organization), filter, Default::default(), None, 10).await.unwrap();
        let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        assert_eq!(names, ["In person: grace@once.example"]);

        // Revoked, it stays so: the person buys no more tokens of this product.
        house.authority.revoke_key(&Caller::shell(organization), keys[0].id, None).await.unwrap();
        assert_eq!(token(&house, "grace@once.example", PASSWORD).await, Err(401));
    }

    async fn who_has_nothing_here_buys_no_token(database: Database) {
        let house = House::open(&database).await;
        let (here, there) = (house.organization("Nothing").await, house.organization("Something").await);
        person(&house, here, "grace@nothing.example", &[]).await;
        assert_eq!(token(&house, "grace@nothing.example", PASSWORD).await, Err(401));
        // Of two who are called the same, the one who has something is meant; of two who have, neither.
        person(&house, there, "grace@nothing.example", &[VIEWER]).await;
        token(&house, "grace@nothing.example", PASSWORD).await.unwrap();
        person(&house, house.organization("More").await, "grace@nothing.example", &[VIEWER]).await;
        assert_eq!(token(&house, "grace@nothing.example", PASSWORD).await, Err(401));
        let form = "username=grace%40nothing.example&password=a+password+of+tests&grant_type=password&client_id=express";
        for (tenant, status) in [(there.to_string(), 200), (here.to_string(), 401), ("nowhere".to_owned(), 401)] {
            let path = format!("/auth/realms/{tenant}/protocol/openid-connect/token");
            assert_eq!(house.post(&path, None, form).await.status, status, "{tenant}");
        }
    }

    async fn keys_are_signed_with_a_published_key(database: Database) {
        let house = House::open(&database).await;
        let organization = house.organization("Signed").await;
        let viewer = jwt(&*key(&house, organization, "viewer", &[(VIEWER, Resources::All)]).await);
        let header = viewer.split('.').next().unwrap();
        let header: Value = serde_json::from_slice(&BASE64URL.decode(header).unwrap()).unwrap();
        assert_eq!((&header["alg"], &header["typ"]), (&json!("RS256"), &json!("JWT")));
        let path = format!("/auth/realms/{organization}/protocol/openid-connect/certs");
        let keys = house.ask("GET", &path, &[], "", None).await.json();
        let published = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
        assert_eq!((&published["kty"], &published["alg"]), (&json!("RSA"), &json!("RS256")));

        // Of a JWT that somebody changed nothing is left.
        let (message, _) = viewer.rsplit_once('.').unwrap();
        for forged in [format!("{message}."), format!("{message}.AAAA"), "x".to_owned(), String::new()] {
            assert_eq!(get(&house, &forged, CLUSTERS).await, 401, "{forged}");
        }
    }

    async fn a_role_that_asks_for_accounts_is_not_given_without_by_the_native_api_either(database: Database) {
        let house = House::open(&database).await;
        let organization = house.organization("Native").await;
        let native = house.key(organization, "latchkey", Kind::Static, "native", &["latchkey.keys:create", "latchkey.grant.any"]).await;
        let Shown::Static { secret } = &native.shown else { panic!("no static key") };
        let wanted = |resources: Value| {
            let role = role(&house, ACCOUNT_VIEWER).to_string();
            let mut body = json!({"product": "securecloud", "kind": "jwt", "name": "n", "roles": [role]});
            if !resources.is_null() {
                body["resources"] = resources;
            }
            body
        };
        let make = async |body: Value| call(&house, secret.expose(), "POST", "/api/v1/keys", &body).await;
        let refused = make(wanted(Value::Null)).await;
        assert_eq!((refused.status, &refused.json()["errors"][0]["pointer"]), (400, &json!("/roles")), "{refused:?}");
        assert_eq!(make(wanted(json!({"kind": "account", "ids": []}))).await.status, 400);
        let good = make(wanted(json!({"kind": "account", "ids": ["a"]}))).await;
        assert_eq!(good.status, 201, "{good:?}");
        let mut named = wanted(json!("all"));
        named["name"] = json!("m");
        named["expires_in"] = json!("One month");
        assert_eq!(make(named.clone()).await.status, 201);
        named["name"] = json!("o");
        named["expires_in"] = json!("One eon");
        assert_eq!(make(named).await.status, 400);
    }

    async fn a_key_lives_six_months_of_the_calendar_unless_somebody_says_otherwise(database: Database) {
        // Only a clock that is held can be moved to the end of a month.
        if database.engine() == Engine::Postgres {
            return;
        }
        let house = House::open(&database).await;
        let organization = house.organization("Six months").await;
        let admin = jwt(&*key_until(&house, organization, "admin", &[(ADMIN, Resources::All)], Expiry::Never).await);
        let life = async |name: &str, more: Value| {
            let mut body = json!({"name": name, "roles": [{"role": "global_viewer"}]});
            for (member, value) in more.as_object().unwrap() {
                body[member] = value.clone();
            }
            let made = call(&house, &admin, "POST", KEYS, &body).await.json();
            (made["created_at"].as_str().unwrap().to_owned(), made["expires_at"].as_str().unwrap().to_owned())
        };
        let lived = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(life("a", json!({})).await, lived("2023-11-14T22:13:20Z", "2024-05-14T22:13:20Z"));
        assert_eq!(life("b", json!({"expiration_days": 90})).await.1, "2024-02-12T22:13:20Z");
        assert_eq!(life("c", json!({"period": "One year"})).await.1, "2024-11-14T22:13:20Z");
        assert_eq!(life("d", json!({"expires_at": "2024-01-01T00:00:00Z"})).await.1, "2024-01-01T00:00:00Z");

        // 31 August of a year whose next February has 29 days would be 31 February.
        let to_the_31st_of_august_2027 = 1386;
        house.pass(to_the_31st_of_august_2027 * DAY).await;
        assert_eq!(life("e", json!({})).await, lived("2027-08-31T22:13:20Z", "2028-02-29T22:13:20Z"));
        house.pass(366 * DAY).await;
        assert_eq!(life("f", json!({})).await, lived("2028-08-31T22:13:20Z", "2029-02-28T22:13:20Z"));
    }

    async fn an_expiry_that_is_edited_holds_for_the_same_jwt(database: Database) {
        if database.engine() == Engine::Postgres {
            return;
        }
        let house = House::open(&database).await;
        let organization = house.organization("Edited").await;
        let admin = jwt(&*key_until(&house, organization, "admin", &[(ADMIN, Resources::All)], Expiry::Never).await);
        let wanted = json!({"name": "week", "roles": [{"role": "global_viewer"}], "expiration_days": 7});
        let (id, viewer) = made(&house, &admin, &wanted).await;
        let path = format!("{KEYS}/{id}");
        house.pass(6 * DAY).await;
        let edited = call(&house, &admin, "PUT", &path, &json!({"expiration_days": 7})).await;
        assert_eq!((edited.status, &edited.json()["expires_at"]), (200, &json!("2023-11-27T22:13:20Z")), "{edited:?}");
        house.pass(DAY).await;
        assert_eq!(get(&house, &viewer, CLUSTERS).await, 200, "the JWT says that it is over, and the key does not");
        house.pass(6 * DAY).await;
        assert_eq!(get(&house, &viewer, CLUSTERS).await, 401);
        // An expired key is in the list, and an edit brings it back.
        assert_eq!(call(&house, &admin, "PUT", &path, &json!({"period": "One month"})).await.status, 200);
        assert_eq!(get(&house, &viewer, CLUSTERS).await, 200);
        assert_eq!(call(&house, &admin, "PUT", &path, &json!({"expires_at": "2023-11-14T22:13:20Z"})).await.status, 400);
    }

    async fn a_revoked_jwt_does_not_come_back_with_a_later_expiry(database: Database) {
        if database.engine() == Engine::Postgres {
            return;
        }
        let house = House::open(&database).await;
        let organization = house.organization("Back").await;
        let admin = jwt(&*key_until(&house, organization, "admin", &[(ADMIN, Resources::All)], Expiry::Never).await);
        let wanted = json!({"name": "day", "roles": [{"role": "global_viewer"}], "expiration_days": 1});
        let (id, viewer) = made(&house, &admin, &wanted).await;
        assert_eq!(house.post("/oauth2/revoke", None, &format!("token={viewer}")).await.status, 200);
        assert_eq!(get(&house, &viewer, CLUSTERS).await, 401);
        house.pass(40 * DAY).await;
        house.authority.run_job(authority::jobs::Job::Purge).await.unwrap();
        assert_eq!(call(&house, &admin, "PUT", &format!("{KEYS}/{id}"), &json!({"period": "One year"})).await.status, 200);
        assert_eq!(get(&house, &viewer, CLUSTERS).await, 401);
    }

    async fn a_token_in_person_ends_after_five_minutes(database: Database) {
        if database.engine() == Engine::Postgres {
            return;
        }
        let house = House::open(&database).await;
        let organization = house.organization("Minutes").await;
        person(&house, organization, "grace@minutes.example", &[VIEWER]).await;
        let bought = token(&house, "grace@minutes.example", PASSWORD).await.unwrap();
        for (seconds, status) in [(299, 200), (1, 401)] {
            house.pass(seconds).await;
            assert_eq!(get(&house, &bought, CLUSTERS).await, status, "{seconds}");
        }
    }
}

/// An organization with a key of each role and a person; gives what transcripts know of them.
pub(crate) async fn inhabit(house: &House, name: &str) -> BTreeMap<String, String> {
    let organization = house.organization(name).await;
    let admin = key(house, organization, "Admin", &[(ADMIN, Resources::All)]).await;
    let viewer = key(house, organization, "Viewer", &[(VIEWER, Resources::All)]).await;
    let of_one = account("111122223333");
    let of_one = key(
        house,
        organization,
        "Of one account",
        &[(ACCOUNT_VIEWER, of_one)],
    )
    .await;
    let email = format!("grace@{name}.example");
    person(house, organization, &email, &[VIEWER]).await;
    BTreeMap::from([
        ("organization".to_owned(), organization.to_string()),
        ("admin_jwt".to_owned(), jwt(&admin)),
        ("admin_key".to_owned(), admin.key.id.to_string()),
        ("viewer_jwt".to_owned(), jwt(&viewer)),
        ("viewer_key".to_owned(), viewer.key.id.to_string()),
        ("account_jwt".to_owned(), jwt(&of_one)),
        ("account_key".to_owned(), of_one.key.id.to_string()),
        ("email".to_owned(), email),
        ("password".to_owned(), PASSWORD.replace(' ', "+")),
    ])
}
