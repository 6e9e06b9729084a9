//! The list of groups, and one of them.

use authority::groups::GroupFilter;
use axum::extract::{Path, State};
use credential::group::{Group, Reach};
use http::StatusCode;
use maud::{Markup, html};

use super::{Answer, frame, may_write, seen};
use crate::console::Console;
use crate::console::fields::query;
use crate::console::gate::Who;
use crate::console::page::{Page, Place};
use crate::console::pages::grants;
use crate::console::pages::sign_in::done;
use crate::console::parts::{at, empty, facts, head, pager};

/// Rows of a page.
const ROWS: usize = 50;

pub(super) async fn show(State(console): State<Console>, who: Who) -> Answer {
    let caller = &who.signed_in.caller;
    let asked = &who.visit.query;
    let filter = GroupFilter {
        name_has: asked.get("search").map(str::to_owned),
        ..GroupFilter::default()
    };
    let after = asked.get("after").and_then(|id| id.parse().ok());
    let mut groups = console
        .authority
        .groups(caller, filter, after, ROWS + 1)
        .await?;
    let more = groups.len() > ROWS;
    groups.truncate(ROWS);
    let here = |after: &str| {
        let pairs = [("search", asked.text("search")), ("after", after)];
        format!("/console/groups{}", query(&pairs))
    };
    let next = groups.last().filter(|_| more);
    let next = next.map(|last| here(&last.id.to_string()));
    let may_make = may_write(&console, &who, None);
    let new = html! { @if may_make { a class="button primary" href="/console/groups/new" data-new { "New group" } } };
    let body = html! {
        (done(&who.visit))
        (head("Groups", "Members who have roles together, and groups within groups.", &new))
        form method="get" action="/console/groups" role="search" class="inline" {
            div class="field" { label for="f-search" { "Name" } input #f-search type="search" name="search" value=(asked.text("search")); }
            button type="submit" { "Show" }
        }
        @if groups.is_empty() && asked.get("search").is_some() {
            (empty("No groups match", "No group that you may see has this in its name.", &html! { a class="button" href="/console/groups" { "Clear the filter" } }))
        } @else if groups.is_empty() {
            (empty("No groups yet", "A group gives its members roles together, so that a change is made once.", &new))
        } @else {
            (table(&console, &who, &groups))
            (pager(groups.len(), after.map(|_| here("")).as_deref(), next.as_deref()))
        }
    };
    Ok(Page {
        console: &console,
        who: &who,
        title: "Groups",
        place: Place::Groups,
        trail: &[("Overview", "")],
        body,
    }
    .answer(StatusCode::OK))
}

fn table(console: &Console, who: &Who, groups: &[Group]) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Groups" {
            table {
                thead {
                    tr {
                        th scope="col" { "Name" } th scope="col" { "Roles" } th scope="col" class="number" { "Members" }
                        th scope="col" class="number" { "Groups in it" } th scope="col" { "Description" }
                    }
                }
                tbody {
                    @for group in groups {
                        tr {
                            th scope="row" { a href={ "/console/groups/" (group.id) } { (group.name.as_str()) } }
                            td { (grants::names(console, &group.roles)) }
                            td class="number" { (present(console, group).len()) }
                            td class="number" { (nested(console, group).len()) }
                            td {
                                (group.description.as_str())
                                @if group.organization != who.signed_in.caller.organization { " " span class="soft" { "(shared by the manager)" } }
                            }
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
    let group = seen(&console, &who, &text).await?;
    let may_change = may_write(&console, &who, Some(&group));
    let path = format!("/console/groups/{}", group.id);
    let acts = html! {
        @if may_change {
            a class="button" href={ (path) "/edit" } { "Edit" }
            a class="button danger" href={ (path) "/remove" } { "Remove" }
        }
    };
    // Whoever sees a group that a manager shares sees no member of the manager's.
    let sees_members = console
        .authority
        .person_may(&who.caller_in(group.organization), "latchkey.users:read");
    let members = present(&console, &group);
    let nested = nested(&console, &group);
    let body = html! {
        (done(&who.visit))
        (head(group.name.as_str(), group.description.as_str(), &acts))
        (facts(&[
            ("Created", at(group.created_at)),
            ("Last changed", at(group.edited_at)),
            ("Shared", html! { (shared(&group.reach)) }),
            ("Group ID", html! { code #group-id { (group.id) } " " button type="button" class="plain" data-copy="group-id" data-what="Group ID" { "Copy" } }),
        ]))
        h2 { "Roles" }
        @if group.roles.is_empty() { p class="soft" { "None of its own." } }
        ul { @for grant in &group.roles { li { (grants::names(&console, [grant])) } } }
        h2 { "Members" }
        @if members.is_empty() { p class="soft" { "Nobody by name." } }
        @if sees_members {
            ul {
                @for user in &members {
                    li { a href={ "/console/people/" (user.id) } { (user.name.as_str()) } " " span class="soft" { (user.email.as_str()) } }
                }
            }
        } @else if !members.is_empty() {
            p { (members.len()) " of the manager's organization." }
        }
        h2 { "Groups in it" }
        @if nested.is_empty() { p class="soft" { "None." } } @else {
            p { "Their members have the roles of this group too." }
        }
        @if sees_members {
            ul { @for inner in &nested { li { a href={ "/console/groups/" (inner.id) } { (inner.name.as_str()) } } } }
        } @else if !nested.is_empty() {
            p { (nested.len()) " of the manager's organization." }
        }
    };
    let title = group.name.as_str();
    Ok(frame(&console, &who, StatusCode::OK, title, None, body))
}

/// The members that are there still.
fn present(
    console: &Console,
    group: &Group,
) -> Vec<std::sync::Arc<credential::organization::User>> {
    let world = console.authority.world();
    let members = group.members.iter();
    members.filter_map(|id| world.user(*id).cloned()).collect()
}

/// The groups in it that are there still.
fn nested(console: &Console, group: &Group) -> Vec<std::sync::Arc<Group>> {
    let world = console.authority.world();
    let nested = group.nested.iter();
    nested.filter_map(|id| world.group(*id).cloned()).collect()
}

fn shared(reach: &Reach) -> String {
    match reach {
        Reach::Own => "Seen in this organization only".to_owned(),
        Reach::Managed => "Seen in every organization that this one manages".to_owned(),
        Reach::Listed(listed) => format!("Seen in {} managed organizations", listed.len()),
    }
}
