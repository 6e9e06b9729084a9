//! The list of organizations, and one of them.

use authority::organizations::OrganizationFilter;
use axum::extract::{Path, State};
use credential::organization::{Organization, OrganizationKind};
use http::StatusCode;
use maud::{Markup, html};

use super::{Answer, WRITE, id, kind_words, kinds_to_make};
use crate::console::Console;
use crate::console::fields::query;
use crate::console::gate::Who;
use crate::console::page::{Page, Place, key_field};
use crate::console::pages::sign_in::done;
use crate::console::parts::{Tone, at, badge, empty, facts, head, pager, select};

/// Rows of a page.
const ROWS: usize = 50;
/// Managed organizations that are named on their manager's page.
const MANAGED: usize = 100;
/// What stands in the query, in its order.
const NAMES: [&str; 4] = ["search", "kind", "state", "parent"];
const KINDS: [(&str, &str); 4] = [
    ("", "Every kind"),
    ("standalone", "Standalone"),
    ("manager", "Manager"),
    ("managed", "Managed"),
];
const STATES: [(&str, &str); 3] = [
    ("", "Every state"),
    ("active", "In use"),
    ("disabled", "Disabled"),
];

pub(super) async fn show(State(console): State<Console>, who: Who) -> Answer {
    let caller = &who.signed_in.caller;
    let asked = &who.visit.query;
    let filter = OrganizationFilter {
        name_has: asked.get("search").map(str::to_owned),
        kind: asked.get("kind").and_then(OrganizationKind::from_word),
        parent: asked.get("parent").and_then(|id| id.parse().ok()),
        active: match asked.text("state") {
            "active" => Some(true),
            "disabled" => Some(false),
            _ => None,
        },
    };
    let after = asked.get("after").and_then(|id| id.parse().ok());
    let found = console
        .authority
        .organizations(caller, filter, after, ROWS + 1);
    let mut found = found.await?;
    let more = found.len() > ROWS;
    found.truncate(ROWS);
    let here = |after: &str| {
        let named = NAMES.iter().map(|name| (*name, asked.text(name)));
        let pairs: Vec<_> = named.chain([("after", after)]).collect();
        format!("/console/organizations{}", query(&pairs))
    };
    let next = found.last().filter(|_| more);
    let next = next.map(|last| here(&last.id.to_string()));
    let may_make = !kinds_to_make(&console, &who).is_empty();
    let new = html! { @if may_make { a class="button primary" href="/console/organizations/new" data-new { "New organization" } } };
    let body = html! {
        (done(&who.visit))
        (head("Organizations", "Yours, and those that it administers.", &new))
        form method="get" action="/console/organizations" role="search" class="inline" {
            div class="field" { label for="f-search" { "Name" } input #f-search type="search" name="search" value=(asked.text("search")); }
            (select("kind", "Kind", "", &KINDS, asked.text("kind"), &[]))
            (select("state", "Status", "", &STATES, asked.text("state"), &[]))
            button type="submit" { "Show" }
        }
        @if found.is_empty() {
            (empty("No organizations match", "None that you may see fits everything that is asked above.", &html! { a class="button" href="/console/organizations" { "Clear the filter" } }))
        } @else {
            (table(&console, &who, "Organizations", &found))
            (pager(found.len(), after.map(|_| here("")).as_deref(), next.as_deref()))
        }
    };
    Ok(Page {
        console: &console,
        who: &who,
        title: "Organizations",
        place: Place::Organizations,
        trail: &[("Overview", "")],
        body,
    }
    .answer(StatusCode::OK))
}

fn table(console: &Console, who: &Who, label: &str, found: &[Organization]) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(label) {
            table {
                thead {
                    tr {
                        th scope="col" { "Name" } th scope="col" class="number" { "Number" } th scope="col" { "Kind" }
                        th scope="col" { "Manager" } th scope="col" { "Status" } th scope="col" { "Created" }
                    }
                }
                tbody {
                    @for organization in found {
                        tr {
                            th scope="row" { a href={ "/console/organizations/" (organization.id) } { (organization.name.as_str()) } }
                            td class="number" { (organization.number) }
                            td { (kind_words(organization.kind)) }
                            td { (manager(console, who, organization)) }
                            td { (state(organization)) }
                            td { (at(organization.created_at)) }
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
    let authority = &console.authority;
    let caller = &who.signed_in.caller;
    let organization = authority.organization(caller, id(&text)?).await?;
    let filter = OrganizationFilter {
        parent: Some(organization.id),
        ..OrganizationFilter::default()
    };
    let managed = authority
        .organizations(caller, filter, None, MANAGED + 1)
        .await?;
    let path = format!("/console/organizations/{}", organization.id);
    let there = who.signed_in.caller.organization == organization.id;
    // Nobody switches their own organization, or the operator's, on or off.
    let switches =
        caller.home() != organization.id && !authority.world().is_operator(organization.id);
    let may_change = authority.person_may(&who.caller_in(organization.id), WRITE);
    let acts = html! {
        @if !there && authority.world().is_in_use(organization.id) {
            form method="post" action="/console/organizations/choose" {
                (key_field(&who))
                button type="submit" name="organization" value=(organization.id) { "Act here" }
            }
        }
        @if may_change {
            a class="button" href={ (path) "/edit" } { "Rename" }
            @if switches && organization.active {
                a class="button danger" href={ (path) "/disable" } { "Disable" }
            } @else if switches {
                form method="post" action={ (path) "/enable" } { (key_field(&who)) button class="primary" type="submit" { "Enable" } }
            }
        }
    };
    let body = html! {
        (done(&who.visit))
        (head(organization.name.as_str(), "", &acts))
        (facts(&[
            ("Status", state(&organization)),
            ("Kind", html! { (kind_words(organization.kind)) }),
            ("Manager", manager(&console, &who, &organization)),
            ("Number", html! { (organization.number) }),
            ("Created", at(organization.created_at)),
            ("Organization ID", html! { code #organization-id { (organization.id) } " " button type="button" class="plain" data-copy="organization-id" data-what="Organization ID" { "Copy" } }),
        ]))
        @if organization.kind == OrganizationKind::Manager {
            h2 { "Managed organizations" }
            @if managed.is_empty() { p class="soft" { "None yet." } } @else {
                (table(&console, &who, "Managed organizations", &managed[..managed.len().min(MANAGED)]))
                @if managed.len() > MANAGED {
                    p { a href={ "/console/organizations" (query(&[("parent", &organization.id.to_string())])) } { "All that it manages" } }
                }
            }
        }
    };
    Ok(Page {
        console: &console,
        who: &who,
        title: organization.name.as_str(),
        place: Place::Organizations,
        trail: &[("Overview", ""), ("Organizations", "/organizations")],
        body,
    }
    .answer(StatusCode::OK))
}

/// The manager's name, and the way to it for those who administer it too.
fn manager(console: &Console, who: &Who, organization: &Organization) -> Markup {
    let world = console.authority.world();
    let parent = organization.parent.and_then(|id| world.organization(id));
    let home = who.signed_in.caller.home();
    html! {
        @match parent {
            Some(parent) if world.administers(home, parent.id) => a href={ "/console/organizations/" (parent.id) } { (parent.name.as_str()) },
            Some(parent) => (parent.name.as_str()),
            None => span class="soft" { "None" },
        }
    }
}

fn state(organization: &Organization) -> Markup {
    match organization.active {
        true => badge(Tone::Good, "In use"),
        false => badge(Tone::Bad, "Disabled"),
    }
}
