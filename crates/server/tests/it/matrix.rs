//! Every native operation, called by those who may not: without credentials, from another organization, with too small a
//! role. Whether the thing exists must not show in any byte of the refusal.
//!
//! The operations come from `openapi.json`: a new one needs its row here.

use std::collections::BTreeSet;

use credential::key::Kind as KeyKind;
use serde_json::{Value, json};

use crate::native::{ADMINISTRATOR, Native, ORDERS};
use crate::openapi::{checked_in, operations};

/// What an operation is about, and so what can exist or not.
#[derive(Clone, Copy)]
enum About {
    /// A key, in the path.
    Key,
    /// A user, in the path.
    User,
    /// A group, in the path.
    Group,
    /// A custom role, in the path.
    Role,
    /// A notice, in the path.
    Notice,
    /// An organization, in the path.
    Organization,
    /// A product, in the path.
    Product,
    /// A job, in the path.
    Job,
    /// The things of an organization, which the query names.
    Of,
    /// The things of an organization, which the body names.
    OfBody,
    /// The caller, or the server.
    Nothing,
}

/// What somebody is told who may not.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Told {
    /// This status.
    Status(u16),
    /// Nothing is refused: it is about the caller itself, or about what everybody may see.
    Allowed,
    /// Nothing is refused, and the call would take away the caller's own key: it is not made.
    Itself,
}

use About::{Group, Job, Key, Nothing, Notice, Of, OfBody, Organization, Product, Role, User};
use Told::{Allowed, Itself, Status};

/// A row: the operation, what it is about, its body, and what a stranger and somebody with too small a role are told.
type Row = (&'static str, About, fn(&str) -> Value, Told, Told);

const ROWS: &[Row] = &[
    ("listKeys", Of, none, Status(404), Status(404)),
    (
        "createKey",
        OfBody,
        |of| json!({"organization_id": of, "product": "sample", "kind": "static", "name": "x", "scopes": [ORDERS]}),
        Status(404),
        Status(404),
    ),
    ("readKey", Key, none, Status(404), Status(404)),
    (
        "editKey",
        Key,
        |_| json!({"name": "y"}),
        Status(404),
        Status(404),
    ),
    ("disableKey", Key, empty, Status(404), Status(404)),
    ("enableKey", Key, empty, Status(404), Status(404)),
    ("rotateKey", Key, empty, Status(404), Status(404)),
    ("revokeKey", Key, empty, Status(404), Status(404)),
    (
        "createKeys",
        OfBody,
        |of| json!({"items": [{"organization_id": of, "product": "sample", "kind": "static", "name": "x", "scopes": [ORDERS]}]}),
        Status(404),
        Status(404),
    ),
    ("revokeKeys", OfBody, filter, Status(404), Status(404)),
    ("disableKeys", OfBody, filter, Status(404), Status(404)),
    ("enableKeys", OfBody, filter, Status(404), Status(404)),
    (
        "verify",
        Nothing,
        |_| json!({"credential": "x"}),
        Allowed,
        Status(403),
    ),
    (
        "verifyBatch",
        Nothing,
        |_| json!({"items": [{"credential": "x"}]}),
        Allowed,
        Status(403),
    ),
    ("whoami", Nothing, none, Allowed, Allowed),
    ("rotateOwnKey", Nothing, empty, Itself, Itself),
    ("listOrganizations", Nothing, none, Allowed, Status(403)),
    (
        "createOrganization",
        Nothing,
        |_| json!({"name": "New"}),
        Status(403),
        Status(403),
    ),
    (
        "readOrganization",
        Organization,
        none,
        Status(404),
        Status(404),
    ),
    (
        "editOrganization",
        Organization,
        |_| json!({"name": "Other"}),
        Status(404),
        Status(404),
    ),
    (
        "disableOrganization",
        Organization,
        empty,
        Status(404),
        Status(404),
    ),
    (
        "enableOrganization",
        Organization,
        empty,
        Status(404),
        Status(404),
    ),
    ("readSettings", Organization, none, Status(404), Status(404)),
    (
        "editSettings",
        Organization,
        |_| json!({"notices": {"soon_seconds": 2, "very_soon_seconds": 1, "refresh_divisor": 6, "unused_seconds": null}}),
        Status(404),
        Status(404),
    ),
    ("listUsers", Of, none, Status(404), Status(404)),
    (
        "createUser",
        OfBody,
        |of| json!({"organization_id": of, "email": "b@example.org", "name": "B"}),
        Status(404),
        Status(404),
    ),
    ("readUser", User, none, Status(404), Status(404)),
    (
        "editUser",
        User,
        |_| json!({"name": "C"}),
        Status(404),
        Status(404),
    ),
    ("disableUser", User, empty, Status(404), Status(404)),
    ("enableUser", User, empty, Status(404), Status(404)),
    ("deleteUser", User, none, Status(404), Status(404)),
    (
        "setPassword",
        User,
        |_| json!({"password": "test horses only"}),
        Status(404),
        Status(404),
    ),
    ("deletePassword", User, none, Status(404), Status(404)),
    ("listGroups", Of, none, Status(404), Status(404)),
    (
        "createGroup",
        OfBody,
        |of| json!({"organization_id": of, "name": "G"}),
        Status(404),
        Status(404),
    ),
    ("readGroup", Group, none, Status(404), Status(404)),
    (
        "editGroup",
        Group,
        |_| json!({"name": "H"}),
        Status(404),
        Status(404),
    ),
    ("deleteGroup", Group, none, Status(404), Status(404)),
    ("listRoles", Of, none, Status(404), Status(404)),
    (
        "createRole",
        OfBody,
        |of| json!({"organization_id": of, "product": "sample", "name": "R", "scopes": [ORDERS]}),
        Status(404),
        Status(404),
    ),
    ("readRole", Role, none, Status(404), Status(404)),
    (
        "editRole",
        Role,
        |_| json!({"name": "S"}),
        Status(404),
        Status(404),
    ),
    ("deleteRole", Role, none, Status(404), Status(404)),
    ("previewRole", Role, empty, Status(404), Status(404)),
    ("listProducts", Nothing, none, Allowed, Status(403)),
    ("readProduct", Product, none, Allowed, Status(403)),
    ("listNotices", Of, none, Status(404), Status(404)),
    ("readNotice", Notice, empty, Status(404), Status(404)),
    ("listAudit", Of, none, Status(404), Status(404)),
    ("exportAudit", Of, none, Status(404), Status(404)),
    ("verifyAudit", Nothing, none, Status(403), Status(403)),
    ("readServer", Nothing, none, Status(403), Status(403)),
    ("rotateKeyring", Nothing, empty, Status(403), Status(403)),
    ("runJob", Job, empty, Status(403), Status(403)),
    (
        "setUp",
        Nothing,
        |_| json!({"organization": "O", "email": "a@example.org", "name": "A"}),
        Status(401),
        Status(401),
    ),
];

fn none(_: &str) -> Value {
    Value::Null
}

fn empty(_: &str) -> Value {
    json!({})
}

fn filter(of: &str) -> Value {
    json!({"filter": {"organization_id": of, "product": "sample"}, "dry_run": true})
}

#[test]
fn every_operation_of_the_description_has_its_row() {
    let described: BTreeSet<String> = operations(&checked_in())
        .into_iter()
        .map(|(id, _, _)| id)
        .collect();
    let rows: BTreeSet<String> = ROWS.iter().map(|row| row.0.to_owned()).collect();
    assert_eq!(described, rows);
    assert_eq!(rows.len(), ROWS.len(), "a row stands twice");
}

testkit::on_each_engine! {
    async fn a_refusal_does_not_tell_whether_the_thing_exists(database: testkit::Database) {
        let world = World::open(&database).await;
        for (operation, method, path) in operations(&checked_in()) {
            let Some(&(_, about, body, stranger, small)) = ROWS.iter().find(|row| row.0 == operation) else { continue };
            for (who, key, told) in [
                ("nobody", None, Status(401)),
                ("a stranger", Some(world.native.stranger.as_str()), stranger),
                ("too small a role", Some(world.small.as_str()), small),
            ] {
                if told == Itself {
                    continue;
                }
                let mut refusals = BTreeSet::new();
                for exists in [true, false] {
                    let thing = world.thing(about, exists, who);
                    let (path, body) = (located(&path, about, &thing), body(&thing));
                    let body = (!body.is_null()).then_some(body);
                    let answer = world.native.call_as(key, &method, &path, body.as_ref()).await;
                    match told {
                        Allowed | Itself => assert_ne!(answer.status, 401, "{operation} as {who}: {answer:?}"),
                        Status(status) => assert_eq!(answer.status, status, "{operation} as {who}, exists: {exists}: {answer:?}"),
                    }
                    refusals.insert(answer.body);
                }
                assert!(told == Allowed || refusals.len() == 1, "{operation} as {who}: {refusals:?}");
            }
        }
        world.is_as_it_was().await;
    }
}

/// The path with its thing.
fn located(template: &str, about: About, thing: &str) -> String {
    match about {
        Of => format!("{template}?organization_id={thing}"),
        _ => template.replace("{id}", thing).replace("{name}", thing),
    }
}

/// A house with one thing of each kind.
struct World {
    native: Native,
    /// A key of the same organization that may ask for introspection and nothing else.
    small: String,
    key: String,
    user: String,
    group: String,
    role: String,
    notice: String,
}

impl World {
    async fn open(database: &testkit::Database) -> Self {
        let native = Native::open(database).await;
        let (key, _) = native.static_key(&json!({})).await;
        let id = |answer: crate::house::Answer, noun: &str| {
            assert_eq!(answer.status, 201, "{answer:?}");
            answer.json()[noun]["id"].as_str().unwrap().to_owned()
        };
        let wish = json!({"email": "ada@example.org", "name": "Ada", "roles": [ADMINISTRATOR]});
        let user = id(native.post("/api/v1/users", &wish).await, "user");
        let wish = json!({"name": "Crew", "members": [user], "roles": [ADMINISTRATOR]});
        let group = id(native.post("/api/v1/groups", &wish).await, "group");
        let wish = json!({"product": "sample", "name": "Clerk", "scopes": [ORDERS]});
        let role = id(native.post("/api/v1/roles", &wish).await, "role");
        // A key that may not lie unused for a moment is told of at once.
        let notices = json!({"notices": {"soon_seconds": 60, "very_soon_seconds": 30, "refresh_divisor": 6, "unused_seconds": 0}});
        let settings = format!("/api/v1/organizations/{}/settings", native.home);
        assert_eq!(
            native.call("PATCH", &settings, Some(&notices)).await.status,
            200
        );
        native
            .house
            .authority
            .raise_due_notices(None)
            .await
            .unwrap();
        let raised = native.get("/api/v1/notices").await.json();
        let notice = raised["items"][0]["id"]
            .as_str()
            .expect("a notice was raised")
            .to_owned();
        let small = native
            .house
            .key(
                native.home,
                "latchkey",
                KeyKind::Static,
                "small",
                &["latchkey.introspect"],
            )
            .await;
        let small = match &small.shown {
            authority::keys::Shown::Static { secret } => secret.expose().to_owned(),
            _ => panic!("not a static key"),
        };
        Self {
            native,
            small,
            key,
            user,
            group,
            role,
            notice,
        }
    }

    /// The thing that an operation is about, or one that is not there.
    fn thing(&self, about: About, exists: bool, who: &str) -> String {
        const NOWHERE: &str = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
        let there = match about {
            Key => &self.key,
            User => &self.user,
            Group => &self.group,
            Role => &self.role,
            Notice => &self.notice,
            Product => "sample",
            Job => "purge",
            // Everybody knows their own organization: what must not show is whether there is another.
            Of | OfBody | Organization if who == "too small a role" => {
                &self.native.abroad.to_string()
            }
            Of | OfBody | Organization => &self.native.home.to_string(),
            Nothing => "",
        };
        match about {
            _ if exists => there.to_owned(),
            Product | Job => "nothing".to_owned(),
            _ => NOWHERE.to_owned(),
        }
    }

    /// Nothing that was refused has happened.
    async fn is_as_it_was(&self) {
        let key = self
            .native
            .get(&format!("/api/v1/keys/{}", self.key))
            .await
            .json();
        assert_eq!(
            (&key["version"], &key["state"]),
            (&json!(1), &json!("active"))
        );
        for (noun, id) in [
            ("users", &self.user),
            ("groups", &self.group),
            ("roles", &self.role),
        ] {
            let thing = self
                .native
                .get(&format!("/api/v1/{noun}/{id}"))
                .await
                .json();
            assert_eq!(thing["version"], 1, "{thing}");
        }
    }
}
