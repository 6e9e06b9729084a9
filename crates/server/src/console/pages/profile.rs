//! What belongs to the person who is signed in: who they are, where they act, their sessions, how pages look.

use authority::organizations::OrganizationFilter;
use axum::extract::State;
use credential::id::OrganizationId;
use http::StatusCode;
use http::header::SET_COOKIE;
use maud::html;

use super::Answer;
use super::sign_in::done;
use crate::console::gate::{Posted, Who, organization_cookie, theme_cookie};
use crate::console::no::{No, see_other};
use crate::console::page::{Page, Place, key_field};
use crate::console::parts::Tone;
use crate::console::parts::{Choice, ahead, at, badge, choices, facts, head};
use crate::console::{Console, ROOT};

/// Organizations that are offered at once; whoever has more searches.
const MOST: usize = 200;

pub(super) async fn show(State(console): State<Console>, who: Who) -> Answer {
    let sessions = console.authority.sessions_of(&who.signed_in).await?;
    let now = console.authority.now();
    let user = &who.signed_in.user;
    let theme = who.visit.theme.unwrap_or("system");
    let themes = [
        ("system", "As the system has it"),
        ("light", "Light"),
        ("dark", "Dark"),
    ];
    let themes: Vec<Choice<'_>> = themes
        .iter()
        .map(|(value, label)| Choice {
            value,
            label,
            help: "",
            chosen: theme == *value,
        })
        .collect();
    let body = html! {
        (done(&who.visit))
        (head("Profile", "", &html! {}))
        (facts(&[
            ("Name", html! { (user.name.as_str()) }),
            ("E-mail address", html! { (user.email.as_str()) }),
            ("Member since", at(user.created_at)),
        ]))
        h2 { "Appearance" }
        form method="post" action="/console/profile/theme" {
            (key_field(&who))
            (choices("theme", "radio", "Theme", "", &themes, &[]))
            button type="submit" { "Change theme" }
        }
        h2 { "Sessions" }
        div class="scroll" tabindex="0" role="region" aria-label="Your sessions" {
            table {
                thead { tr { th scope="col" { "Browser" } th scope="col" { "Address" } th scope="col" { "Began" } th scope="col" { "Last used" } } }
                tbody {
                    @for session in &sessions {
                        tr {
                            th scope="row" {
                                (if session.agent.is_empty() { "Unknown" } else { session.agent.as_str() })
                                @if session.id == who.signed_in.session.id { " " (badge(Tone::Good, "This one")) }
                            }
                            td { (session.address.map(|address| address.to_string()).unwrap_or_default()) }
                            td { (at(session.created_at)) }
                            td { (ahead(session.seen_at, now)) }
                        }
                    }
                }
            }
        }
        @if sessions.len() > 1 {
            form method="post" action="/console/profile/sessions" {
                (key_field(&who))
                div class="acts" { button class="danger" type="submit" { "Sign out every other session" } }
            }
        }
    };
    Ok(Page {
        console: &console,
        who: &who,
        title: "Profile",
        place: Place::Profile,
        trail: &[("Overview", "")],
        body,
    }
    .answer(StatusCode::OK))
}

pub(super) async fn choose_theme(posted: Posted) -> Answer {
    let mut response = see_other("/console/profile?done=theme");
    let cookie = theme_cookie(posted.form.text("theme"));
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

pub(super) async fn end_others(State(console): State<Console>, posted: Posted) -> Answer {
    console
        .authority
        .end_sessions(&posted.who.signed_in, true)
        .await?;
    Ok(see_other("/console/profile?done=sessions"))
}

pub(super) async fn ask_organization(State(console): State<Console>, who: Who) -> Answer {
    let filter = OrganizationFilter {
        name_has: who.visit.query.get("search").map(str::to_owned),
        ..OrganizationFilter::default()
    };
    let caller = &who.signed_in.caller;
    let home = console
        .authority
        .world()
        .organization(caller.home())
        .cloned();
    let found = console
        .authority
        .organizations(caller, filter, None, MOST)
        .await;
    // Whoever may not list organizations acts in their own.
    let found = found.unwrap_or_else(|_| home.iter().map(|home| (**home).clone()).collect());
    let body = html! {
        (head("Choose an organization", "Everything that you see and make belongs to the one you act in.", &html! {}))
        form method="get" action="/console/organizations/choose" role="search" class="inline" {
            div class="field" {
                label for="f-search" { "Name" }
                input #f-search type="search" name="search" value=(who.visit.query.text("search"));
            }
            button type="submit" { "Search" }
        }
        form method="post" action="/console/organizations/choose" {
            (key_field(&who))
            div class="cards" {
                @for organization in &found {
                    button class="card" type="submit" name="organization" value=(organization.id) {
                        span {
                            strong { (organization.name.as_str()) } br;
                            (badge(Tone::Plain, organization.kind.as_str()))
                            @if organization.id == caller.organization { " " (badge(Tone::Good, "here")) }
                        }
                    }
                }
            }
            @if found.is_empty() { p { "No organization has this in its name." } }
        }
    };
    Ok(Page {
        console: &console,
        who: &who,
        title: "Choose an organization",
        place: Place::Nowhere,
        trail: &[("Overview", "")],
        body,
    }
    .answer(StatusCode::OK))
}

pub(super) async fn choose_organization(State(console): State<Console>, posted: Posted) -> Answer {
    let id: OrganizationId = posted
        .form
        .text("organization")
        .parse()
        .map_err(|_| No::BadRequest)?;
    let home = posted.who.signed_in.caller.home();
    if !console.authority.world().administers(home, id) {
        return Err(No::NotFound);
    }
    let mut response = see_other(ROOT);
    response
        .headers_mut()
        .append(SET_COOKIE, organization_cookie(id));
    Ok(response)
}

pub(super) async fn shortcuts(State(console): State<Console>, who: Who) -> Answer {
    let keys = [
        ("/", "search"),
        ("n", "new, on a list"),
        ("g o", "overview"),
        ("g k", "API keys"),
        ("g c", "API clients"),
        ("g r", "roles"),
        ("g m", "members"),
        ("g a", "audit trail"),
        ("g b", "notices"),
        ("Menu or right mouse button", "the menu of a row"),
        ("Escape", "close a menu"),
    ];
    let rows: Vec<_> = keys
        .iter()
        .map(|(key, what)| (*key, html! { (what) }))
        .collect();
    let body = html! {
        (head("Keyboard shortcuts", "They work wherever you are not typing.", &html! {}))
        (facts(&rows))
    };
    Ok(Page {
        console: &console,
        who: &who,
        title: "Keyboard shortcuts",
        place: Place::Nowhere,
        trail: &[("Overview", "")],
        body,
    }
    .answer(StatusCode::OK))
}
