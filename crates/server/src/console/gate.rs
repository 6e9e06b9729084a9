//! Who asks for a page, and whether a form was sent from one of ours.
//!
//! A browser holds the session in a cookie that no script reads and no other site sends with a form. A form is taken only
//! when the browser says that it comes from here (`Sec-Fetch-Site`, `Origin`), and when it carries the key of the session
//! that the page was written for. Nothing changes by a GET.

use std::sync::Arc;

use authority::Caller;
use authority::notices::NoticeFilter;
use authority::sessions::SignedIn;
use axum::extract::{FromRequest, FromRequestParts, Request};
use credential::id::OrganizationId;
use credential::secret::Secret;
use http::header::{COOKIE, ORIGIN, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::fields::Fields;
use super::no::No;
use super::{Console, ROOT};
use crate::edge::{Arrival, body};

/// The cookie with the session, over HTTPS: bound to this very host by its prefix.
const SECURE_COOKIE: &str = "__Host-latchkey";
/// The same over plain HTTP, where browsers refuse that prefix; only a browser on this machine gets it.
const PLAIN_COOKIE: &str = "latchkey";
/// The cookie with the organization that somebody acts in.
const ORGANIZATION: &str = "latchkey-organization";
/// The cookie with the chosen theme.
const THEME: &str = "latchkey-theme";
/// Unread notices are counted up to here with every page, and beyond it told as more.
pub(super) const MOST_UNREAD: usize = 100;
/// The field in which a form carries its key.
pub(super) const FORM_KEY: &str = "form_key";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How the request reached us, and what of its head pages need.
pub(super) struct Visit {
    pub(super) arrival: Arc<Arrival>,
    pub(super) theme: Option<&'static str>,
    pub(super) query: Fields,
    /// Where one is led after signing in: here, where it was only to be looked at.
    next: String,
    pub(super) agent: String,
    session: Option<Secret>,
    organization: Option<OrganizationId>,
}

/// Somebody who is signed in, and asks for a page.
pub(super) struct Who {
    pub(super) signed_in: SignedIn,
    /// How many notices nobody has read, counted up to [`MOST_UNREAD`]; `None` for who may not see them.
    pub(super) unread: Option<usize>,
    pub(super) visit: Visit,
}

/// A form that somebody who is signed in has sent from one of our pages.
pub(super) struct Posted {
    pub(super) who: Who,
    pub(super) form: Fields,
}

/// A form that somebody has sent from one of our pages before signing in.
pub(super) struct Knock {
    pub(super) visit: Visit,
    pub(super) form: Fields,
}

impl Visit {
    fn of(head: &Parts) -> Result<Self, No> {
        let arrival = head.extensions.get::<Arc<Arrival>>().cloned();
        let arrival = arrival.ok_or(No::Fault)?;
        let name = if arrival.secure {
            SECURE_COOKIE
        } else {
            PLAIN_COOKIE
        };
        let theme = match cookie(&head.headers, THEME) {
            Some("light") => Some("light"),
            Some("dark") => Some("dark"),
            _ => None,
        };
        let agent = head
            .headers
            .get(USER_AGENT)
            .and_then(|agent| agent.to_str().ok());
        Ok(Self {
            theme,
            query: Fields::parse(head.uri.query().unwrap_or_default().as_bytes())
                .ok_or(No::BadRequest)?,
            next: match head.method {
                Method::GET => head.uri.path_and_query().map(ToString::to_string),
                _ => None,
            }
            .unwrap_or_default(),
            agent: agent.unwrap_or_default().to_owned(),
            session: cookie(&head.headers, name).map(|text| Secret::from(text.to_owned())),
            organization: cookie(&head.headers, ORGANIZATION).and_then(|id| id.parse().ok()),
            arrival,
        })
    }

    /// Whether a session may begin here: over plain HTTP only in a browser on this very machine.
    pub(super) fn is_private(&self) -> bool {
        let local = self
            .arrival
            .client
            .is_some_and(|client| client.is_loopback());
        self.arrival.secure || local
    }

    /// The header that gives the browser a session, or takes it away.
    pub(super) fn session_cookie(&self, token: Option<&str>) -> HeaderValue {
        let (name, secure) = match self.arrival.secure {
            true => (SECURE_COOKIE, "; Secure"),
            false => (PLAIN_COOKIE, ""),
        };
        let text = match token {
            Some(token) => format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax{secure}"),
            None => format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}"),
        };
        let mut value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }
}

/// The header that keeps a choice which is no secret.
fn choice_cookie(name: &str, value: &str) -> HeaderValue {
    let text = format!("{name}={value}; Path={ROOT}; Max-Age=31536000; HttpOnly; SameSite=Lax");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// The header that keeps the organization that somebody acts in.
pub(super) fn organization_cookie(id: OrganizationId) -> HeaderValue {
    choice_cookie(ORGANIZATION, &id.to_string())
}

/// The header that keeps the chosen theme; any other word is the system's.
pub(super) fn theme_cookie(theme: &str) -> HeaderValue {
    let theme = if ["light", "dark"].contains(&theme) {
        theme
    } else {
        "system"
    };
    choice_cookie(THEME, theme)
}

impl Who {
    async fn of(console: &Console, visit: Visit) -> Result<Self, No> {
        let Some(token) = &visit.session else {
            return Err(No::SignIn(visit.next));
        };
        let (from, id) = (visit.arrival.client, &visit.arrival.request_id);
        let found = console
            .authority
            .signed_in(token.expose(), from, id)
            .await?;
        let Some(mut signed_in) = found else {
            return Err(No::SignIn(visit.next));
        };
        if let Some(there) = visit.organization
            && console
                .authority
                .world()
                .administers(signed_in.user.organization, there)
        {
            signed_in = signed_in.acting_in(there);
        }
        let caller = &signed_in.caller;
        let unread = match console
            .authority
            .person_may(caller, "latchkey.notices:read")
        {
            true => {
                let filter = NoticeFilter {
                    unread: true,
                    ..NoticeFilter::default()
                };
                let found = console.authority.notices(caller, filter, None, MOST_UNREAD);
                Some(found.await?.len())
            }
            false => None,
        };
        Ok(Self {
            signed_in,
            unread,
            visit,
        })
    }
}

impl Who {
    /// The same person asking about another organization than the one they act in.
    pub(super) fn caller_in(&self, organization: OrganizationId) -> Caller {
        let mut caller = self.signed_in.caller.clone();
        caller.organization = organization;
        caller
    }
}

impl FromRequestParts<Console> for Visit {
    type Rejection = No;

    async fn from_request_parts(head: &mut Parts, _: &Console) -> Result<Self, No> {
        Visit::of(head)
    }
}

impl FromRequestParts<Console> for Who {
    type Rejection = No;

    async fn from_request_parts(head: &mut Parts, console: &Console) -> Result<Self, No> {
        Who::of(console, Visit::of(head)?).await
    }
}

impl FromRequest<Console> for Posted {
    type Rejection = No;

    async fn from_request(request: Request, console: &Console) -> Result<Self, No> {
        let (head, payload) = request.into_parts();
        is_from_here(&head)?;
        let who = Who::of(console, Visit::of(&head)?).await?;
        let form = read(&head, payload, &who.visit.arrival).await?;
        // The key is compared in whole; it is no secret to whoever holds the session.
        if form.get(FORM_KEY) != Some(who.signed_in.form_key.as_str()) {
            return Err(No::OtherSite);
        }
        Ok(Self { who, form })
    }
}

impl FromRequest<Console> for Knock {
    type Rejection = No;

    async fn from_request(request: Request, _: &Console) -> Result<Self, No> {
        let (head, payload) = request.into_parts();
        is_from_here(&head)?;
        let visit = Visit::of(&head)?;
        let form = read(&head, payload, &visit.arrival).await?;
        Ok(Self { visit, form })
    }
}

async fn read(head: &Parts, payload: axum::body::Body, arrival: &Arrival) -> Result<Fields, No> {
    if !body::is_media_type(&head.headers, "application/x-www-form-urlencoded") {
        return Err(No::BadRequest);
    }
    let reading = arrival.reading;
    let bytes = body::read(payload, reading.body, reading.time).await;
    let bytes = bytes.map_err(|_| No::BadRequest)?;
    Fields::parse(&bytes).ok_or(No::BadRequest)
}

/// Whether the browser says that a form was sent from a page of this host. Our pages tell nobody where one comes from
/// (`Referrer-Policy`), and so browsers say `Origin: null` for their forms: `Sec-Fetch-Site` is what counts. A browser too
/// old to send it must name this host as the origin.
fn is_from_here(head: &Parts) -> Result<(), No> {
    let told = |name: &HeaderName| head.headers.get(name).map(HeaderValue::as_bytes);
    if let Some(site) = told(&FETCH_SITE) {
        return match site {
            b"same-origin" | b"none" => Ok(()),
            _ => Err(No::OtherSite),
        };
    }
    let arrival = head.extensions.get::<Arc<Arrival>>().ok_or(No::Fault)?;
    let scheme = if arrival.secure { "https" } else { "http" };
    let own = format!("{scheme}://{}", arrival.authority);
    match told(&ORIGIN) {
        Some(origin) if origin == own.as_bytes() => Ok(()),
        _ => Err(No::OtherSite),
    }
}

/// A cookie that stands once.
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let pairs = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(known, _)| *known == name);
    let (_, value) = found.next()?;
    found.next().is_none().then_some(value)
}
