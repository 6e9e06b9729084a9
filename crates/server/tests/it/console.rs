//! The console, asked as a browser asks it: with cookies, and with the key of each form.

mod audit;
mod groups;
mod limits;
mod navigation;
mod notices;
mod organizations;
mod people;
mod roles;
mod server;
mod set_up;
mod settings;
mod usage;

use std::collections::BTreeMap;

use authority::Caller;
use authority::roles::RoleFilter;
use authority::users::CreateUser;
use credential::grant::Resources;
use credential::id::{OrganizationId, RoleId};
use credential::name::Name;
use credential::organization::{Email, User};
use credential::password::Password;

use crate::house::{Answer, House};

const PASSWORD: &str = "test horses only";

/// Texts that would be markup, script or more fields where somebody forgot to escape them.
pub(crate) const CORPUS: [&str; 7] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' autofocus onfocus=alert(1) x='",
    "</textarea><svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{7*7}}${7*7}",
    "&lt;b&gt;&#x3c;script&#x3e;",
];

/// A house with two organizations: the operator's, where people are signed in, and another one.
pub(crate) struct Console {
    pub(crate) house: House,
    pub(crate) own: OrganizationId,
    pub(crate) other: OrganizationId,
}

/// Somebody's browser.
pub(crate) struct Browser<'h> {
    house: &'h House,
    cookies: BTreeMap<String, String>,
    form_key: String,
}

impl Console {
    pub(crate) async fn open(database: &testkit::Database) -> Self {
        let house = House::open(database).await;
        let own = house.organization("Operator").await;
        let other = house.organization("Elsewhere").await;
        Self { house, own, other }
    }

    /// A built-in role by its name, of whatever product.
    pub(crate) async fn role(&self, name: &str) -> RoleId {
        let shell = Caller::shell(self.own);
        let roles = self
            .house
            .authority
            .roles(&shell, RoleFilter::default(), None, 1000);
        let roles = roles.await.unwrap();
        let found = roles.iter().find(|role| role.name.as_str() == name);
        found
            .unwrap_or_else(|| panic!("there is no role {name}"))
            .id
    }

    /// A member with these roles and a password.
    pub(crate) async fn member(
        &self,
        organization: OrganizationId,
        email: &str,
        roles: &[&str],
    ) -> User {
        let mut given = Vec::new();
        for name in roles {
            given.push((self.role(name).await, Resources::All));
        }
        let shell = Caller::shell(organization);
        let command = CreateUser {
            organization: Some(organization),
            email: Email::new(email).unwrap(),
            name: Name::new(email.split('@').next().unwrap()).unwrap(),
            roles: given,
        };
        let authority = &self.house.authority;
        let made = authority.create_user(&shell, command).await.unwrap().value;
        let password = Some(Password::from(PASSWORD.to_owned()));
        let set = authority.set_password(&shell, made.id, password, None);
        set.await.unwrap();
        made
    }

    /// The browser of a new member with these roles.
    pub(crate) async fn browser(&self, email: &str, roles: &[&str]) -> Browser<'_> {
        self.browser_in(self.own, email, roles).await
    }

    /// The same in another organization.
    pub(crate) async fn browser_in(
        &self,
        organization: OrganizationId,
        email: &str,
        roles: &[&str],
    ) -> Browser<'_> {
        self.member(organization, email, roles).await;
        let mut browser = Browser {
            house: &self.house,
            cookies: BTreeMap::new(),
            form_key: String::new(),
        };
        let form = [("email", email), ("password", PASSWORD)];
        let answer = browser
            .send("/console/sign-in", &form, "same-origin", "")
            .await;
        assert_eq!(answer.status, 303, "{answer:?}");
        browser.keep_cookies(&answer);
        let page = browser.get("/console/profile").await;
        let (_, rest) = page.body.split_once("name=\"form_key\" value=\"").unwrap();
        browser.form_key = rest.split('"').next().unwrap().to_owned();
        browser
    }
}

impl Browser<'_> {
    /// Asks for a page.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let headers = [("Cookie".to_owned(), self.cookie())];
        self.house.ask("GET", path, &headers, "", None).await
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        for cookie in answer.headers("set-cookie") {
            let pair = cookie.split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Sends a form as one of our pages does.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.send(path, form, "same-origin", &self.form_key).await
    }

    /// Sends a form and follows where it leads.
    pub(crate) async fn done(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let answer = self.post(path, form).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let page = self.get(answer.header("location").unwrap()).await;
        assert_eq!(page.status, 200, "{page:?}");
        page
    }

    /// Sends a form that comes from wherever the browser says, with whatever key.
    pub(crate) async fn send(
        &self,
        path: &str,
        form: &[(&str, &str)],
        site: &str,
        form_key: &str,
    ) -> Answer {
        let mut body = format!("form_key={}", encoded(form_key));
        for (name, value) in form {
            body.push_str(&format!("&{}={}", encoded(name), encoded(value)));
        }
        let headers = [
            ("Cookie".to_owned(), self.cookie()),
            ("Sec-Fetch-Site".to_owned(), site.to_owned()),
            (
                "Content-Type".to_owned(),
                "application/x-www-form-urlencoded".to_owned(),
            ),
        ];
        self.house.ask("POST", path, &headers, &body, None).await
    }

    /// Whoever may not do it has no way to it on this page, and is refused when they do it all the same.
    pub(crate) async fn is_refused(&self, page: &str, path: &str, form: &[(&str, &str)]) {
        let shown = self.get(page).await;
        assert_eq!(shown.status, 200, "{shown:?}");
        assert!(!shown.body.contains(path), "{page} leads to {path}");
        let answer = self.post(path, form).await;
        assert_eq!(answer.status, 403, "{path}: {answer:?}");
    }

    /// A form without the session's key, with another one, or from another site does nothing.
    pub(crate) async fn is_guarded(&self, path: &str, form: &[(&str, &str)]) {
        for (site, key) in [
            ("same-origin", ""),
            ("same-origin", "AAAA"),
            ("cross-site", self.form_key.as_str()),
            ("same-site", self.form_key.as_str()),
        ] {
            let answer = self.send(path, form, site, key).await;
            assert_eq!(answer.status, 403, "{path} from {site}: {answer:?}");
            let told = "This form was not sent from here";
            assert!(answer.body.contains(told), "{answer:?}");
        }
    }

    fn cookie(&self) -> String {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }
}

/// The id at the end of the path that an answer leads to.
pub(crate) fn made(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{answer:?}");
    let place = answer.header("location").unwrap();
    let path = place.split('?').next().unwrap();
    path.rsplit('/').next().unwrap().to_owned()
}

/// Whether a text stands on a page as text only.
pub(crate) fn is_inert(answer: &Answer, text: &str) {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;");
    assert!(
        answer.body.contains(&escaped),
        "{text} is not there: {answer:?}"
    );
    if escaped != text {
        assert!(!answer.body.contains(text), "{text} is markup");
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
