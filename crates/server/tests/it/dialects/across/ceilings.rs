//! Nobody gives more than they have: what random callers may list, assign and clone is asked for through the API, and what
//! came of it is weighed by asking the server about single scopes.

use std::collections::BTreeSet;

use authority::Caller;
use authority::keys::{Expiry, Outcome, Shown};
use credential::id::UserId;
use credential::key::Kind;
use credential::name::{Name, ProductName};
use serde_json::{Value, json};
use testkit::{Database, Engine, Random};

use crate::house::{basic, client};
use crate::native::Native;

/// Callers per engine, each of which tries everything some times.
const CALLERS: usize = 12;
const TRIES: usize = 4;

/// Lets its holder give anything of other products than `latchkey`.
const GRANT_ANY: &str = "latchkey.grant.any";
const APIKEYS: &str = "admin.apikeys:";

#[test]
fn people_give_no_more_than_they_have_on_sqlite() {
    testkit::with_seed(|random| {
        let random = random.fork();
        testkit::run(Engine::Sqlite, |database| people(database, random));
    });
}

#[test]
fn people_give_no_more_than_they_have_on_postgres() {
    testkit::with_seed(|random| {
        let random = random.fork();
        testkit::run(Engine::Postgres, |database| people(database, random));
    });
}

#[test]
fn key_administrators_make_no_key_administrators_on_sqlite() {
    testkit::with_seed(|random| {
        let random = random.fork();
        testkit::run(Engine::Sqlite, |database| administrators(database, random));
    });
}

#[test]
fn key_administrators_make_no_key_administrators_on_postgres() {
    testkit::with_seed(|random| {
        let random = random.fork();
        testkit::run(Engine::Postgres, |database| {
            administrators(database, random)
        });
    });
}

/// What was tried, so that a world in which nothing may be given does not pass for a safe one.
#[derive(Debug, Default)]
struct Told {
    given: usize,
    refused: usize,
}

impl Told {
    fn count(&mut self, status: u16) -> bool {
        let given = status < 300;
        match given {
            true => self.given += 1,
            false => self.refused += 1,
        }
        given
    }
}

struct World {
    native: Native,
    random: Random,
    latchkey: Vec<String>,
    told: Told,
}

async fn people(database: Database, random: Random) {
    let native = Native::open(&database).await;
    let latchkey = scopes_of(&native, "latchkey");
    let mut world = World {
        native,
        random,
        latchkey,
        told: Told::default(),
    };
    // Made by one who may all: what the callers shall clone.
    let mut models = Vec::new();
    for number in 0..6 {
        let scopes = world.some(6);
        let wish = json!({"product": "latchkey", "kind": "static", "name": format!("model {number}"), "scopes": scopes});
        let made = world.native.post("/api/v1/keys", &wish).await.json();
        models.push(made["key"].clone());
    }
    for number in 0..CALLERS {
        let mut scopes = world.some(8);
        for needed in [
            "keys:read",
            "keys:create",
            "keys:rotate",
            "roles:read",
            "roles:write",
            "users:read",
            "users:write",
        ] {
            if !world.random.once_in(3) {
                scopes.insert(format!("latchkey.{needed}"));
            }
        }
        if number % 3 != 0 {
            scopes.remove(GRANT_ANY);
        }
        // Whatever is drawn, some may give something.
        if number % 2 == 0 {
            scopes.insert("latchkey.keys:create".to_owned());
        }
        let (user, token) = world.person(&format!("caller {number}"), &scopes).await;
        let own = world.worth(&token).await;
        assert_eq!(own, scopes, "a caller has what its role says");
        world.lists(&token, &own).await;
        for attempt in 0..TRIES {
            let name = format!("{number}.{attempt}");
            world.assigns_a_key(&token, &own, &name).await;
            world.clones_a_key(&token, &own, &models, &name).await;
            world.makes_a_role(&token, &own, &name).await;
            world.makes_a_person(&token, &own, &name).await;
        }
        world.raises_itself(&token, &own, user).await;
    }
    let told = &world.told;
    assert!(
        told.given > 10 && told.refused > 10,
        "a world without choices: {told:?}"
    );
}

impl World {
    /// Up to `most` scopes of product `latchkey`, at least one.
    fn some(&mut self, most: usize) -> BTreeSet<String> {
        let count = 1 + self.random.below(most);
        (0..count)
            .map(|_| self.random.pick(&self.latchkey).clone())
            .collect()
    }

    /// A person with a role of these scopes, and the token that they call with.
    async fn person(&self, name: &str, scopes: &BTreeSet<String>) -> (String, String) {
        let role =
            json!({"product": "latchkey", "name": format!("role of {name}"), "scopes": scopes});
        let role = self.native.post("/api/v1/roles", &role).await;
        assert_eq!(role.status, 201, "{role:?}");
        let email = format!("{}@example.org", name.replace(' ', "."));
        let user = json!({"email": email, "name": name, "roles": [role.json()["role"]["id"]]});
        let user = self.native.post("/api/v1/users", &user).await;
        assert_eq!(user.status, 201, "{user:?}");
        let id = user.json()["user"]["id"].as_str().unwrap().to_owned();
        let token = self.token_of(&id).await;
        (id, token)
    }

    /// A token of a person, by whoever holds the shell.
    async fn token_of(&self, user: &str) -> String {
        let shell = Caller::shell(self.native.home);
        let (user, name): (UserId, _) = (user.parse().unwrap(), Name::new("a token").unwrap());
        let made = self.native.house.authority.create_user_token(
            &shell,
            user,
            name,
            Expiry::Never,
            None,
            |_| Vec::new(),
        );
        let Outcome::New(issued) = made.await.unwrap() else {
            panic!("nothing was repeated")
        };
        match &issued.shown {
            Shown::Static { secret } => secret.expose().to_owned(),
            _ => panic!("not a static key"),
        }
    }

    /// The scopes of product `latchkey` that a credential is good for, each asked for by itself.
    async fn worth(&self, credential: &str) -> BTreeSet<String> {
        good_for(&self.native, credential, &self.latchkey).await
    }

    async fn as_(&self, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = Some(body).filter(|body| !body.is_null());
        let answer = self.native.call_as(Some(token), method, path, body).await;
        (answer.status, answer.json())
    }

    /// The roles that are shown could all be given.
    async fn lists(&mut self, token: &str, own: &BTreeSet<String>) {
        let path = "/api/v1/roles?limit=500";
        let (status, page) = self.as_(token, "GET", path, &Value::Null).await;
        assert_eq!(status == 200, own.contains("latchkey.roles:read"), "{page}");
        for role in page["items"].as_array().into_iter().flatten() {
            let scopes: BTreeSet<String> = words(&role["scopes"]);
            let within = match role["product"].as_str() {
                Some("latchkey") => scopes.is_subset(own),
                _ => scopes.is_empty() || own.contains(GRANT_ANY),
            };
            assert!(within, "{own:?} is shown {role}");
        }
    }

    async fn assigns_a_key(&mut self, token: &str, own: &BTreeSet<String>, name: &str) {
        let scopes = self.some(4);
        let wish = json!({"product": "latchkey", "kind": "static", "name": name, "scopes": scopes});
        let (status, made) = self.as_(token, "POST", "/api/v1/keys", &wish).await;
        if self.told.count(status) {
            self.must_be_within(&made["secret"]["key"], own).await;
        } else {
            let may = own.contains("latchkey.keys:create") && scopes.is_subset(own);
            assert!(!may, "{own:?} may give {scopes:?}: {made}");
        }
        let name = format!("own {name}");
        let mut scopes = own.clone();
        scopes.retain(|_| self.random.once_in(2));
        if !scopes.is_empty() {
            let wish =
                json!({"product": "latchkey", "kind": "static", "name": name, "scopes": scopes});
            let (status, made) = self.as_(token, "POST", "/api/v1/keys", &wish).await;
            let may = own.contains("latchkey.keys:create");
            assert_eq!(self.told.count(status), may, "{own:?}, {scopes:?}: {made}");
            if may {
                self.must_be_within(&made["secret"]["key"], own).await;
            }
        }
        let wish = json!({"product": "sample", "kind": "static", "name": name, "scopes": ["sample.orders:write"]});
        let (status, made) = self.as_(token, "POST", "/api/v1/keys", &wish).await;
        let may = own.contains("latchkey.keys:create") && own.contains(GRANT_ANY);
        assert_eq!(self.told.count(status), may, "{own:?}: {made}");
    }

    /// A key like another, and another's key with a new secret, which is as good as having it.
    async fn clones_a_key(
        &mut self,
        token: &str,
        own: &BTreeSet<String>,
        models: &[Value],
        name: &str,
    ) {
        let model = self.random.pick(models).clone();
        let wish = json!({
            "product": "latchkey", "kind": "static", "name": format!("like {name}"), "scopes": model["scopes"],
        });
        let (status, made) = self.as_(token, "POST", "/api/v1/keys", &wish).await;
        if self.told.count(status) {
            self.must_be_within(&made["secret"]["key"], own).await;
        }
        let path = format!("/api/v1/keys/{}/rotate", model["id"].as_str().unwrap());
        let (status, made) = self.as_(token, "POST", &path, &json!({})).await;
        if self.told.count(status) {
            self.must_be_within(&made["secret"]["key"], own).await;
        }
    }

    /// A role, and a key that has it.
    async fn makes_a_role(&mut self, token: &str, own: &BTreeSet<String>, name: &str) {
        let wish =
            json!({"product": "latchkey", "name": format!("clone {name}"), "scopes": self.some(4)});
        let (status, made) = self.as_(token, "POST", "/api/v1/roles", &wish).await;
        if !self.told.count(status) {
            return;
        }
        let wish = json!({
            "product": "latchkey", "kind": "static", "name": format!("of role {name}"), "roles": [made["role"]["id"]],
        });
        let made = self.native.post("/api/v1/keys", &wish).await.json();
        self.must_be_within(&made["secret"]["key"], own).await;
    }

    /// A person with a built-in role that the caller may not even have seen.
    async fn makes_a_person(&mut self, token: &str, own: &BTreeSet<String>, name: &str) {
        let roles = (1..=6).map(|number| format!("00000000-0000-7000-8000-00000001000{number}"));
        let roles: Vec<String> = roles.collect();
        let role = self.random.pick(&roles).clone();
        let wish = json!({"email": format!("p{name}@example.org"), "name": name, "roles": [role]});
        let (status, made) = self.as_(token, "POST", "/api/v1/users", &wish).await;
        if self.told.count(status) {
            let token = self.token_of(made["user"]["id"].as_str().unwrap()).await;
            self.must_be_within(&token.into(), own).await;
        }
    }

    /// More roles for oneself; what one has afterwards is what one had.
    async fn raises_itself(&mut self, token: &str, own: &BTreeSet<String>, user: String) {
        let wish = json!({"roles": [crate::native::ADMINISTRATOR]});
        let path = format!("/api/v1/users/{user}");
        let (status, _) = self.as_(token, "PATCH", &path, &wish).await;
        self.told.count(status);
        let now = self.worth(token).await;
        assert!(now.is_subset(own), "{own:?} made itself {now:?}");
    }

    async fn must_be_within(&self, credential: &Value, own: &BTreeSet<String>) {
        let worth = self.worth(credential.as_str().unwrap()).await;
        assert!(worth.is_subset(own), "{own:?} gave {worth:?}");
    }
}

async fn administrators(database: Database, mut random: Random) {
    let native = Native::open(&database).await;
    let all = scopes_of(&native, "secure_access");
    let administering: Vec<String> = all
        .iter()
        .filter(|scope| scope.starts_with(APIKEYS))
        .cloned()
        .collect();
    assert_eq!(administering.len(), 5);
    let mut told = Told::default();
    for number in 0..CALLERS {
        let mut held: BTreeSet<&str> = administering
            .iter()
            .filter(|_| !random.once_in(4))
            .map(String::as_str)
            .collect();
        held.insert("admin.apikeys:create");
        let held: Vec<&str> = held.into_iter().collect();
        let name = format!("admin {number}");
        let admin = native
            .house
            .key(native.home, "secure_access", Kind::Client, &name, &held);
        let token = bought(&native, &client(&*admin.await)).await;
        for attempt in 0..TRIES {
            let mut wish = json!({"name": format!("made {number} {attempt}"), "scopes": mixed(&mut random, &all)});
            let (status, made) = ask(&native, &token, "POST", "/admin/v2/apiKeys", &wish).await;
            if !told.count(status) {
                continue;
            }
            let text =
                |made: &Value, member: &str| made["key"][member].as_str().unwrap().to_owned();
            let id = text(&made, "id");
            let pair = (text(&made, "clientId"), text(&made, "clientSecret"));
            administers_nothing(&native, &pair, &administering).await;

            wish["scopes"] = mixed(&mut random, &all).into();
            let path = format!("/admin/v2/apiKeys/{id}");
            let (status, _) = ask(&native, &token, "PATCH", &path, &wish).await;
            told.count(status);
            administers_nothing(&native, &pair, &administering).await;

            // The same by way of the house's own API, which knows the token too.
            let wish = json!({"scopes": mixed(&mut random, &all)});
            let (status, _) = ask(
                &native,
                &token,
                "PATCH",
                &format!("/api/v1/keys/{id}"),
                &wish,
            )
            .await;
            told.count(status);
            administers_nothing(&native, &pair, &administering).await;
        }
        // What it may itself is what it was given.
        let own = good_for(&native, &token, &all).await;
        let given: BTreeSet<String> = held.iter().map(|scope| (*scope).to_owned()).collect();
        assert_eq!(own, given);
    }
    assert!(
        told.given > 10 && told.refused > 5,
        "a world without choices: {told:?}"
    );
}

/// Some scopes in some letter case, now and then one that administers or a whole area.
fn mixed(random: &mut Random, all: &[String]) -> Vec<String> {
    let plain: Vec<&String> = all
        .iter()
        .filter(|scope| !scope.starts_with("admin"))
        .collect();
    let mut scopes: Vec<String> = (0..=random.below(3))
        .map(|_| (*random.pick(&plain)).clone())
        .collect();
    if random.once_in(3) {
        scopes.push(format!(
            "{APIKEYS}{}",
            random.pick(&["read", "create", "update", "refresh"])
        ));
    }
    if random.once_in(6) {
        scopes.push("admin:read".to_owned());
    }
    if random.once_in(3) {
        scopes = scopes.iter().map(|scope| scope.to_uppercase()).collect();
    }
    scopes
}

async fn administers_nothing(native: &Native, pair: &(String, String), administering: &[String]) {
    let token = bought(native, pair).await;
    let worth = good_for(native, &token, administering).await;
    assert!(
        worth.is_empty(),
        "a key administrator made another: {worth:?}"
    );
}

async fn bought(native: &Native, pair: &(String, String)) -> String {
    let answer = native
        .house
        .post("/auth/v2/token", Some(&basic(pair)), "")
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

async fn ask(native: &Native, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let headers = [
        ("Authorization".to_owned(), format!("Bearer {token}")),
        ("Content-Type".to_owned(), "application/json".to_owned()),
    ];
    let answer = native
        .house
        .ask(method, path, &headers, &body.to_string(), None)
        .await;
    (answer.status, answer.json())
}

/// Those of `scopes` that a credential is good for, each asked for by itself.
async fn good_for(native: &Native, credential: &str, scopes: &[String]) -> BTreeSet<String> {
    let item =
        |scope: &String| json!({"credential": credential, "scopes": [scope], "consume": false});
    let items: Vec<Value> = scopes.iter().map(item).collect();
    let answer = native
        .post("/api/v1/verify/batch", &json!({ "items": items }))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    let verdicts = answer["items"].as_array().unwrap();
    let good = scopes.iter().zip(verdicts);
    good.filter(|(_, verdict)| verdict["code"] == "VALID")
        .map(|(scope, _)| scope.clone())
        .collect()
}

fn scopes_of(native: &Native, product: &str) -> Vec<String> {
    let world = native.house.authority.world();
    let product = world.product(&ProductName::new(product).unwrap()).unwrap();
    product
        .scopes
        .keys()
        .map(|scope| scope.as_str().to_owned())
        .collect()
}

fn words(list: &Value) -> BTreeSet<String> {
    list.as_array()
        .into_iter()
        .flatten()
        .map(|word| word.as_str().unwrap().to_owned())
        .collect()
}
