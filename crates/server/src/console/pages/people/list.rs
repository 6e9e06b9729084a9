//! The list of members, and one of them.

use authority::users::UserFilter;
use axum::extract::{Path, State};
use credential::organization::{Email, User};
use http::StatusCode;
use maud::{Markup, html};

use super::{Answer, WRITE, frame, seen};
use crate::console::Console;
use crate::console::fields::query;
use crate::console::gate::Who;
use crate::console::page::{Page, Place, key_field};
use crate::console::pages::grants;
use crate::console::pages::sign_in::done;
use crate::console::parts::{Tone, at, badge, empty, facts, head, note, pager, select};

/// Rows of a page.
const ROWS: usize = 50;
/// What stands in the query, in its order.
const NAMES: [&str; 3] = ["search", "state", "role"];
const STATES: [(&str, &str); 3] = [
    ("", "Every state"),
    ("active", "Active"),
    ("disabled", "Disabled"),
];

pub(super) async fn show(State(console): State<Console>, who: Who) -> Answer {
    let authority = &console.authority;
    let caller = &who.signed_in.caller;
    let asked = &who.visit.query;
    // Whoever types a whole address looks for that one member; any other text is part of a name.
    let search = asked.get("search");
    let email = search.and_then(|text| Email::new(text).ok());
    let filter = UserFilter {
        organization: None,
        name_has: search.filter(|_| email.is_none()).map(str::to_owned),
        email,
        active: match asked.text("state") {
            "active" => Some(true),
            "disabled" => Some(false),
            _ => None,
        },
        role: asked.get("role").and_then(|id| id.parse().ok()),
    };
    let after = asked.get("after").and_then(|id| id.parse().ok());
    let mut users = authority.users(caller, filter, after, ROWS + 1).await?;
    let more = users.len() > ROWS;
    users.truncate(ROWS);
    let here = |after: &str| {
        let named = NAMES.iter().map(|name| (*name, asked.text(name)));
        let pairs: Vec<_> = named.chain([("after", after)]).collect();
        format!("/console/people{}", query(&pairs))
    };
    let next = users.last().filter(|_| more);
    let next = next.map(|last| here(&last.id.to_string()));
    let may_make = authority.person_may(caller, WRITE);
    let new = html! { @if may_make { a class="button primary" href="/console/people/new" data-new { "Add member" } } };
    let filtered = NAMES.iter().any(|name| asked.get(name).is_some());
    let offered = grants::offered(&console, &who).await?;
    let ids: Vec<String> = offered.iter().map(|role| role.id.to_string()).collect();
    let roles = ids.iter().zip(&offered);
    let roles: Vec<(&str, &str)> = std::iter::once(("", "Every role"))
        .chain(roles.map(|(id, role)| (id.as_str(), role.name.as_str())))
        .collect();
    let body = html! {
        (done(&who.visit))
        (head("Members", "The people who administer this organization.", &new))
        form method="get" action="/console/people" role="search" class="inline" {
            div class="field" { label for="f-search" { "Name or e-mail address" } input #f-search type="search" name="search" value=(asked.text("search")); }
            (select("state", "Status", "", &STATES, asked.text("state"), &[]))
            (select("role", "Role", "", &roles, asked.text("role"), &[]))
            button type="submit" { "Show" }
        }
        @if users.is_empty() && filtered {
            (empty("No members match", "Nobody here fits everything that is asked above.", &html! { a class="button" href="/console/people" { "Clear the filter" } }))
        } @else if users.is_empty() {
            (empty("No members yet", "A member signs in here, and may what their roles permit.", &new))
        } @else {
            (table(&console, &users))
            (pager(users.len(), after.map(|_| here("")).as_deref(), next.as_deref()))
        }
    };
    Ok(Page {
        console: &console,
        who: &who,
        title: "Members",
        place: Place::People,
        trail: &[("Overview", "")],
        body,
    }
    .answer(StatusCode::OK))
}

fn table(console: &Console, users: &[User]) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Members" {
            table {
                thead {
                    tr {
                        th scope="col" { "Name" } th scope="col" { "E-mail address" } th scope="col" { "Status" }
                        th scope="col" { "Roles" } th scope="col" { "Created" }
                    }
                }
                tbody {
                    @for user in users {
                        tr {
                            th scope="row" { a href={ "/console/people/" (user.id) } { (user.name.as_str()) } }
                            td { (user.email.as_str()) }
                            td { (state(user)) }
                            td { (grants::names(console, &user.roles)) }
                            td { (at(user.created_at)) }
                        }
                    }
                }
            }
        }
    }
}

pub(super) async fn show_one(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    let user = seen(&console, &who, &text).await?;
    let world = console.authority.world();
    let caller = &who.signed_in.caller;
    let may_change = console.authority.person_may(caller, WRITE);
    let has_password = world.has_password(user.id);
    let path = format!("/console/people/{}", user.id);
    let acts = html! {
        @if may_change {
            a class="button" href={ (path) "/roles" } { "Change roles" }
            a class="button" href={ (path) "/edit" } { "Rename" }
            a class="button" href={ (path) "/password" } { "Set password" }
            @if user.active {
                a class="button" href={ (path) "/disable" } { "Disable" }
            } @else {
                form method="post" action={ (path) "/enable" } { (key_field(&who)) button class="primary" type="submit" { "Enable" } }
            }
            a class="button danger" href={ (path) "/remove" } { "Remove" }
        }
    };
    let groups = world.groups_of(&user);
    let body = html! {
        (done(&who.visit))
        (head(user.name.as_str(), user.email.as_str(), &acts))
        @if may_change && !has_password {
            (note(Tone::Warn, "This member has no password", &html! { p { "They cannot sign in with one until you set it." } }))
        }
        (facts(&[
            ("Status", state(&user)),
            ("Password", html! { (if has_password { "Set" } else { "None" }) }),
            ("Created", at(user.created_at)),
            ("Member ID", html! { code #member-id { (user.id) } " " button type="button" class="plain" data-copy="member-id" data-what="Member ID" { "Copy" } }),
        ]))
        h2 { "Roles" }
        @if user.roles.is_empty() { p class="soft" { "None by name." } }
        ul {
            @for grant in &user.roles {
                li { (grants::names(&console, [grant])) }
            }
        }
        h2 { "Groups" }
        @if groups.is_empty() { p class="soft" { "None." } }
        ul {
            @for group in &groups {
                li {
                    a href={ "/console/groups/" (group.id) } { (group.name.as_str()) }
                    @let roles = grants::names(&console, &group.roles);
                    @if !roles.0.is_empty() { " " span class="soft" { "gives " (roles) } }
                }
            }
        }
    };
    let title = user.name.as_str();
    Ok(frame(&console, &who, StatusCode::OK, title, None, body))
}

fn state(user: &User) -> Markup {
    match user.active {
        true => badge(Tone::Good, "Active"),
        false => badge(Tone::Warn, "Disabled"),
    }
}
