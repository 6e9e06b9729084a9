//! The frame around every page, and the headers that all of them have.

use axum::body::Body;
use axum::response::Response;
use credential::organization::OrganizationKind;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::assets::{self, POLICY};
use super::gate::{FORM_KEY, MOST_UNREAD, Who};
use super::{Console, ROOT};

/// A page of somebody who is signed in.
pub(super) struct Page<'p> {
    pub(super) console: &'p Console,
    pub(super) who: &'p Who,
    /// What it is called: the heading's words.
    pub(super) title: &'p str,
    /// Which entry of the navigation it belongs to.
    pub(super) place: Place,
    /// Where it hangs, from the top: words and paths.
    pub(super) trail: &'p [(&'p str, &'p str)],
    /// What is on it.
    pub(super) body: Markup,
}

/// An entry of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Overview,
    Keys,
    Clients,
    AccessKeys,
    Roles,
    Scopes,
    People,
    Groups,
    Organizations,
    Usage,
    Limits,
    Audit,
    Notices,
    Settings,
    Server,
    Profile,
    Nowhere,
}

/// An entry: its place, its words, its path, the letter after `g`, and the scope of product `latchkey` without which it is
/// left out.
type Entry = (
    Place,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

/// The navigation: its groups and their entries.
const NAVIGATION: [(&str, &[Entry]); 4] = [
    (
        "Keys",
        &[
            (Place::Overview, "Overview", "", "o", ""),
            (Place::Keys, "API keys", "/keys", "k", "latchkey.keys:read"),
            (
                Place::Clients,
                "API clients",
                "/keys?kind=client",
                "c",
                "latchkey.keys:read",
            ),
            (
                Place::AccessKeys,
                "API access keys",
                "/keys?kind=jwt",
                "j",
                "latchkey.keys:read",
            ),
        ],
    ),
    (
        "Access",
        &[
            (Place::Roles, "Roles", "/roles", "r", "latchkey.roles:read"),
            (
                Place::Scopes,
                "Scopes and resources",
                "/scopes",
                "s",
                "latchkey.products:read",
            ),
            (
                Place::People,
                "Members",
                "/people",
                "m",
                "latchkey.users:read",
            ),
            (
                Place::Groups,
                "Groups",
                "/groups",
                "p",
                "latchkey.users:read",
            ),
            (
                Place::Organizations,
                "Organizations",
                "/organizations",
                "z",
                "latchkey.organizations:read",
            ),
        ],
    ),
    (
        "Watch",
        &[
            (Place::Usage, "Usage", "/usage", "u", "latchkey.keys:read"),
            (
                Place::Limits,
                "Rate limits",
                "/limits",
                "l",
                "latchkey.products:read",
            ),
            (
                Place::Audit,
                "Audit trail",
                "/audit",
                "a",
                "latchkey.audit:read",
            ),
            (
                Place::Notices,
                "Notices",
                "/notices",
                "b",
                "latchkey.notices:read",
            ),
        ],
    ),
    (
        "Settings",
        &[
            (
                Place::Settings,
                "Server settings",
                "/settings",
                "e",
                "latchkey.settings:read",
            ),
            (
                Place::Server,
                "Server",
                "/server",
                "v",
                "latchkey.server:read",
            ),
        ],
    ),
];

impl Page<'_> {
    /// The page as an answer.
    pub(super) fn answer(self, status: StatusCode) -> Response {
        let Self {
            console,
            who,
            title,
            place,
            trail,
            body,
        } = self;
        let world = console.authority.world();
        let organization = world.organization(who.signed_in.caller.organization);
        let managed = organization.is_some_and(|own| own.kind == OrganizationKind::Managed);
        let may = |scope: &str| {
            scope.is_empty() || console.authority.person_may(&who.signed_in.caller, scope)
        };
        // The server is looked after by its operator only, whatever roles others have.
        let operates = world.is_operator(who.signed_in.caller.home());
        let leads = |place: Place| place != Place::Server || operates;
        let frame = html! {
            header class="top" {
                a class="brand" href=(ROOT) { (mark()) "Latchkey" }
                @if let Some(organization) = organization {
                    span class="where" { (organization.name.as_str()) " " span class="small" { "(" (organization.kind.as_str()) ")" } }
                }
                nav aria-label="You" {
                    a href="/console/organizations/choose" { "Switch organization" }
                    @if let Some(unread) = who.unread {
                        a href="/console/notices" {
                            "Notices"
                            @if unread >= MOST_UNREAD { " (" (MOST_UNREAD - 1) "+)" } @else if unread > 0 { " (" (unread) ")" }
                        }
                    }
                    a href="/docs" { "Help" }
                    a href="/console/profile" { (who.signed_in.user.name.as_str()) }
                    form method="post" action="/console/sign-out" {
                        (key_field(who))
                        button class="plain" type="submit" { "Sign out" }
                    }
                }
            }
            div class="frame" {
                nav class="side" aria-label="Console" {
                    @for (group, entries) in NAVIGATION {
                        @let open: Vec<_> = entries.iter().filter(|(entry, _, _, _, scope)| leads(*entry) && may(scope)).collect();
                        @if !open.is_empty() {
                            p { (if managed && group == "Keys" { "Platform management" } else { group }) }
                            ul {
                                @for (entry, words, path, letter, _) in open {
                                    li {
                                        a href={ (ROOT) (path) } data-go=(letter) aria-current=[(*entry == place).then_some("page")] { (words) }
                                    }
                                }
                            }
                        }
                    }
                }
                div {
                    main #main tabindex="-1" {
                        @if !trail.is_empty() {
                            nav class="crumbs" aria-label="Where this is" {
                                ol {
                                    @for (words, path) in trail { li { a href={ (ROOT) (path) } { (words) } } }
                                    li aria-current="page" { (title) }
                                }
                            }
                        }
                        (body)
                    }
                    footer class="foot" {
                        span { "Latchkey " (console.version) }
                        a href="/docs" { "API reference" }
                        a href="/console/shortcuts" { "Keyboard shortcuts" }
                    }
                }
            }
        };
        bare(status, title, who.visit.theme, &frame)
    }
}

/// The hidden field that every form of a session carries.
pub(super) fn key_field(who: &Who) -> Markup {
    html! { input type="hidden" name=(FORM_KEY) value=(who.signed_in.form_key); }
}

/// A whole document around what is on it.
pub(super) fn bare(
    status: StatusCode,
    title: &str,
    theme: Option<&str>,
    body: &Markup,
) -> Response {
    let document = html! {
        (DOCTYPE)
        html lang="en" data-theme=[theme] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Latchkey" }
                link rel="stylesheet" href=(assets::style());
                link rel="icon" href="data:,";
                script type="module" src=(assets::script()) {}
            }
            body {
                a class="skip" href="#main" { "Skip to the page" }
                div #live class="hidden-text" role="status" aria-live="polite" {}
                (body)
            }
        }
    };
    let mut response = Response::new(Body::from(document.into_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    guard(headers);
    response
}

/// The headers of every page: nothing is kept, framed, loaded from elsewhere or told to others.
pub(super) fn guard(headers: &mut HeaderMap) {
    const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
    const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
    const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (OPENER, "same-origin"),
        (RESOURCE, "same-origin"),
        (
            PERMISSIONS,
            "clipboard-write=(self), publickey-credentials-get=(self), publickey-credentials-create=(self)",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// A key in a door.
fn mark() -> Markup {
    PreEscaped(
        "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\" \
         stroke-linecap=\"round\" stroke-linejoin=\"round\"><circle cx=\"8\" cy=\"15\" r=\"4.5\"/>\
         <path d=\"M11.5 11.5 20 3M16 7l3 3M14 9l2 2\"/></svg>"
            .to_owned(),
    )
}
