//! The native API as a client sees it, in a house with three organizations: the operator's, one where things happen, and a
//! stranger.

use authority::Caller;
use authority::organizations::OrganizationFilter;
use credential::grant::Resources;
use credential::id::{OrganizationId, RoleId};
use credential::key::Kind as KeyKind;
use serde_json::{Value, json};
use server::problem::Kind;
use testkit::Database;

use crate::house::{Answer, House};

/// The built-in role that may do everything in its organization.
pub(crate) const ADMINISTRATOR: &str = "00000000-0000-7000-8000-000000010001";
/// The built-in role that may only ask.
const VERIFIER: &str = "00000000-0000-7000-8000-000000010004";
/// A scope of the sample product.
pub(crate) const ORDERS: &str = "sample.orders:read";

/// See the module's text.
pub(crate) struct Native {
    pub(crate) house: House,
    /// Where things happen.
    pub(crate) home: OrganizationId,
    /// An administrator's key of it.
    pub(crate) admin: String,
    /// Another organization.
    pub(crate) abroad: OrganizationId,
    /// An administrator's key of that.
    pub(crate) stranger: String,
    /// The operator's organization.
    pub(crate) operator_id: OrganizationId,
    /// An administrator's key of it.
    pub(crate) operator: String,
}

impl Native {
    pub(crate) async fn open(database: &Database) -> Self {
        let house = House::open(database).await;
        let [first, home, abroad] = [
            house.organization("Operator").await,
            house.organization("Home").await,
            house.organization("Abroad").await,
        ];
        let (operator, admin, stranger) = (
            administrator(&house, first).await,
            administrator(&house, home).await,
            administrator(&house, abroad).await,
        );
        Self {
            house,
            home,
            admin,
            abroad,
            stranger,
            operator_id: first,
            operator,
        }
    }

    /// Another start on the same database, with a fresh administrator.
    pub(crate) async fn reopen(database: &Database) -> Self {
        let house = House::open(database).await;
        let shell = Caller::shell(OrganizationId::from_bytes([0; 16]));
        let all = house
            .authority
            .organizations(&shell, OrganizationFilter::default(), None, 10)
            .await
            .unwrap();
        let [first, home, abroad] = [0, 1, 2].map(|place| all[place].id);
        let (operator, admin, stranger) = (
            administrator(&house, first).await,
            administrator(&house, home).await,
            administrator(&house, abroad).await,
        );
        Self {
            house,
            home,
            admin,
            abroad,
            stranger,
            operator_id: first,
            operator,
        }
    }

    /// A key that may only ask, for these resources.
    pub(crate) async fn verifier(
        &self,
        organization: OrganizationId,
        resources: Resources,
    ) -> String {
        let role: RoleId = VERIFIER.parse().unwrap();
        let issued = self
            .house
            .key_of_role(organization, "latchkey", "a verifier", role, resources)
            .await;
        secret(&issued)
    }

    /// Calls as the administrator.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.call_as(Some(&self.admin), method, path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, Some(body)).await
    }

    /// Calls with this key, or with none.
    pub(crate) async fn call_as(
        &self,
        key: Option<&str>,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        self.call_with(key, method, path, body, &[]).await
    }

    /// The same with further headers. Whatever goes wrong must be a problem of the catalogue.
    pub(crate) async fn call_with(
        &self,
        key: Option<&str>,
        method: &str,
        path: &str,
        body: Option<&Value>,
        further: &[(&str, &str)],
    ) -> Answer {
        let mut headers: Vec<(String, String)> = further
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        headers.extend(key.map(|key| ("Authorization".to_owned(), format!("Bearer {key}"))));
        headers.extend(body.map(|_| ("Content-Type".to_owned(), "application/json".to_owned())));
        let text = body.map(Value::to_string).unwrap_or_default();
        let answer = self.house.ask(method, path, &headers, &text, None).await;
        if answer.status >= 400 {
            assert_eq!(
                slug(&answer).status().as_u16(),
                answer.status,
                "{method} {path}: {answer:?}"
            );
        }
        answer
    }

    /// Makes a key of the sample product; gives its id and its secret.
    pub(crate) async fn key(&self, kind: &str, further: &Value) -> (String, Value) {
        let mut wish =
            json!({"product": "sample", "kind": kind, "name": "a key", "scopes": [ORDERS]});
        for (name, value) in further.as_object().unwrap() {
            wish[name] = value.clone();
        }
        let made = self.post("/api/v1/keys", &wish).await;
        assert_eq!(made.status, 201, "{made:?}");
        let made = made.json();
        (
            made["key"]["id"].as_str().unwrap().to_owned(),
            made["secret"].clone(),
        )
    }

    /// Makes a static key of the sample product; gives its id and its string.
    pub(crate) async fn static_key(&self, further: &Value) -> (String, String) {
        let (id, secret) = self.key("static", further).await;
        (id, secret["key"].as_str().unwrap().to_owned())
    }

    /// Makes a key of product `latchkey` with these scopes, in `organization`.
    pub(crate) async fn latchkey(&self, organization: OrganizationId, scopes: &[&str]) -> String {
        let issued = self
            .house
            .key(
                organization,
                "latchkey",
                KeyKind::Static,
                "a caller",
                scopes,
            )
            .await;
        secret(&issued)
    }

    /// The verdict on a question, asked by the administrator.
    pub(crate) async fn verify(&self, question: &Value) -> Value {
        let answer = self.post("/api/v1/verify", question).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// The code of the verdict on a credential.
    pub(crate) async fn code(&self, credential: &str) -> String {
        self.verify(&json!({"credential": credential})).await["code"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

/// The key of an administrator.
async fn administrator(house: &House, organization: OrganizationId) -> String {
    let role: RoleId = ADMINISTRATOR.parse().unwrap();
    let issued = house
        .key_of_role(
            organization,
            "latchkey",
            "an administrator",
            role,
            Resources::All,
        )
        .await;
    secret(&issued)
}

pub(crate) fn secret(issued: &authority::keys::Issued) -> String {
    match &issued.shown {
        authority::keys::Shown::Static { secret } => secret.expose().to_owned(),
        _ => panic!("not a static key"),
    }
}

/// The entry of the catalogue that an answer is.
pub(crate) fn slug(answer: &Answer) -> Kind {
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json"),
        "{answer:?}"
    );
    let body = answer.json();
    let found = Kind::ALL.iter().find(|kind| body["type"] == kind.uri());
    *found.unwrap_or_else(|| panic!("{} is not in the catalogue", body["type"]))
}

/// A moment as RFC 3339.
pub(crate) fn moment(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .unwrap()
        .to_string()
}
