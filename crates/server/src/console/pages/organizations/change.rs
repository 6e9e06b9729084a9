//! What is done to an organization: made, renamed, taken out of use and brought back.

use authority::organizations::{CreateOrganization, OrganizationFilter};
use axum::extract::{Path, State};
use axum::response::Response;
use credential::id::OrganizationId;
use credential::name::Name;
use credential::organization::{Organization, OrganizationKind};
use http::StatusCode;
use maud::{Markup, html};

use super::{Answer, WRITE, id, kind_words, kinds_to_make};
use crate::console::Console;
use crate::console::fields::Fields;
use crate::console::gate::{Posted, Who};
use crate::console::no::{No, at_form, see_other, sentence};
use crate::console::page::{Page, Place, key_field};
use crate::console::pages::asked::Asked;
use crate::console::parts::{Choice, Field, choices, head, select, summary};

/// Managers that are offered at once.
const MANAGERS: usize = 500;
/// The field with the manager, as the authority calls it.
const PARENT: &str = "parent_id";

pub(super) async fn ask_new(State(console): State<Console>, who: Who) -> Answer {
    may_make(&console, &who)?;
    new_form(&console, &who, StatusCode::OK, &Fields::default(), &[]).await
}

pub(super) async fn make(State(console): State<Console>, posted: Posted) -> Answer {
    let Posted { who, form } = posted;
    may_make(&console, &who)?;
    let mut wrong = Vec::new();
    let mut bad = |field: &str, why: String| wrong.push((field.to_owned(), sentence(&why)));
    let name = Name::new(form.text("name"))
        .map_err(|why| bad("name", format!("The name {why}")))
        .ok();
    let kind = OrganizationKind::from_word(form.text("kind"));
    if kind.is_none() {
        bad("kind", "choose how it stands to others".to_owned());
    }
    let parent: Option<Option<OrganizationId>> = match form.get(PARENT) {
        None => Some(None),
        Some(text) => text.parse().ok().map(Some),
    };
    if parent.is_none() {
        bad(PARENT, "there is no such manager".to_owned());
    }
    let (Some(name), Some(kind), Some(parent)) = (name, kind, parent) else {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return new_form(&console, &who, status, &form, &wrong).await;
    };
    let command = CreateOrganization { name, kind, parent };
    let caller = &who.signed_in.caller;
    match console.authority.create_organization(caller, command).await {
        Ok(made) => Ok(to(&made.value, "organization-made")),
        Err(failure) => {
            let (status, wrong) = at_form(failure, "kind")?;
            new_form(&console, &who, status, &form, &wrong).await
        }
    }
}

pub(super) async fn ask_rename(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    let organization = changeable(&console, &who, &text).await?;
    let (status, name) = (StatusCode::OK, organization.name.as_str());
    Ok(renaming(&console, &who, status, &organization, name, &[]))
}

pub(super) async fn rename(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let Posted { who, form } = posted;
    let organization = changeable(&console, &who, &text).await?;
    let typed = form.text("name");
    let again = |status, wrong: &[(String, String)]| {
        renaming(&console, &who, status, &organization, typed, wrong)
    };
    let name = match Name::new(typed) {
        Ok(name) => name,
        Err(why) => {
            let wrong = [("name".to_owned(), sentence(&format!("The name {why}")))];
            return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, &wrong));
        }
    };
    let version = form.get("version").and_then(|text| text.parse().ok());
    let renamed = console.authority.rename_organization(
        &who.signed_in.caller,
        organization.id,
        name,
        version,
    );
    match renamed.await {
        Ok(done) => Ok(to(&done.value, "saved")),
        Err(failure) => {
            let (status, wrong) = at_form(failure, "name")?;
            Ok(again(status, &wrong))
        }
    }
}

pub(super) async fn ask_disable(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    let organization = changeable(&console, &who, &text).await?;
    let status = StatusCode::OK;
    disabling(&console, &who, status, &organization, &[]).await
}

pub(super) async fn disable(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let who = posted.who;
    let organization = changeable(&console, &who, &text).await?;
    let caller = &who.signed_in.caller;
    let disabled = console
        .authority
        .disable_organization(caller, organization.id, None);
    match disabled.await {
        Ok(done) => Ok(to(&done.value, "organization-disabled")),
        Err(failure) => {
            let (status, wrong) = at_form(failure, "form")?;
            disabling(&console, &who, status, &organization, &wrong).await
        }
    }
}

pub(super) async fn enable(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let caller = &posted.who.signed_in.caller;
    let enabled = console
        .authority
        .enable_organization(caller, id(&text)?, None);
    Ok(to(&enabled.await?.value, "organization-enabled"))
}

fn may_make(console: &Console, who: &Who) -> Result<(), No> {
    match kinds_to_make(console, who) {
        [] => Err(No::Forbidden(WRITE.to_owned())),
        _ => Ok(()),
    }
}

/// The organization that a path is about, for somebody who is about to change it.
async fn changeable(console: &Console, who: &Who, text: &str) -> Result<Organization, No> {
    let caller = &who.signed_in.caller;
    let organization = console.authority.organization(caller, id(text)?).await?;
    match console
        .authority
        .person_may(&who.caller_in(organization.id), WRITE)
    {
        true => Ok(organization),
        false => Err(No::Forbidden(WRITE.to_owned())),
    }
}

fn to(organization: &Organization, word: &str) -> Response {
    let id = organization.id;
    see_other(&format!("/console/organizations/{id}?done={word}"))
}

async fn new_form(
    console: &Console,
    who: &Who,
    status: StatusCode,
    typed: &Fields,
    wrong: &[(String, String)],
) -> Answer {
    let caller = &who.signed_in.caller;
    let kinds = kinds_to_make(console, who);
    let offered: Vec<Choice<'_>> = kinds
        .iter()
        .map(|kind| Choice {
            value: kind.as_str(),
            label: kind_words(*kind),
            help: match kind {
                OrganizationKind::Standalone => "by itself",
                OrganizationKind::Manager => "administers the organizations that it manages",
                OrganizationKind::Managed => "administered by its manager too",
            },
            chosen: typed.text("kind") == kind.as_str() || kinds.len() == 1,
        })
        .collect();
    let filter = OrganizationFilter {
        kind: Some(OrganizationKind::Manager),
        active: Some(true),
        ..OrganizationFilter::default()
    };
    let managers = console
        .authority
        .organizations(caller, filter, None, MANAGERS);
    let managers = managers.await?;
    let ids: Vec<String> = managers.iter().map(|known| known.id.to_string()).collect();
    let named = ids.iter().zip(&managers);
    let all: Vec<(&str, &str)> = std::iter::once(("", "None, or the one you act in"))
        .chain(named.map(|(id, known)| (id.as_str(), known.name.as_str())))
        .collect();
    let help = "Only a managed organization has one.";
    let title = "New organization";
    let body = html! {
        (head(title, "Its kind and its manager stay for good.", &html! {}))
        (summary(wrong))
        form #f-form method="post" action="/console/organizations/new" {
            (key_field(who))
            (Field { value: typed.text("name"), required: true, wrong, help: "No other organization on this server has it.", ..Field::text("name", "Name") }.html())
            (choices("kind", "radio", "Kind", "", &offered, wrong))
            (select(PARENT, "Manager", help, &all, typed.text(PARENT), wrong))
            div class="acts" {
                a class="button" href="/console/organizations" { "Cancel" }
                button class="primary" type="submit" { "Make organization" }
            }
        }
    };
    Ok(frame(console, who, status, title, None, body))
}

fn renaming(
    console: &Console,
    who: &Who,
    status: StatusCode,
    organization: &Organization,
    typed: &str,
    wrong: &[(String, String)],
) -> Response {
    let path = format!("/console/organizations/{}", organization.id);
    let title = "Rename organization";
    let body = html! {
        (head(&format!("{title} {}", organization.name), "", &html! {}))
        (summary(wrong))
        form #f-form method="post" action={ (path) "/edit" } {
            (key_field(who))
            input type="hidden" name="version" value=(organization.version);
            (Field { value: typed, required: true, wrong, ..Field::text("name", "Name") }.html())
            div class="acts" {
                a class="button" href=(path) { "Cancel" }
                button class="primary" type="submit" { (title) }
            }
        }
    };
    frame(console, who, status, title, Some(organization), body)
}

async fn disabling(
    console: &Console,
    who: &Who,
    status: StatusCode,
    organization: &Organization,
    wrong: &[(String, String)],
) -> Answer {
    let caller = &who.signed_in.caller;
    let filter = OrganizationFilter {
        parent: Some(organization.id),
        active: Some(true),
        ..OrganizationFilter::default()
    };
    let managed = console
        .authority
        .organizations(caller, filter, None, MANAGERS);
    let managed = managed.await?.len();
    let path = format!("/console/organizations/{}", organization.id);
    let own = format!("/organizations/{}", organization.id);
    Ok(Asked {
        title: "Disable organization",
        name: organization.name.as_str(),
        place: Place::Organizations,
        trail: &[
            ("Overview", ""),
            ("Organizations", "/organizations"),
            (organization.name.as_str(), &own),
        ],
        what: html! {
            p { "What stops, at once:" }
            ul {
                li { "every request with one of its keys, and with tokens that were issued for them;" }
                li { "signing in of its members, and every session that they have;" }
                @if organization.kind == OrganizationKind::Manager {
                    li { "the same in the " (managed) (if managed == 1 { " organization" } else { " organizations" }) " in use that it manages." }
                }
            }
            p { "Nothing is removed: all of it goes on when the organization is enabled again." }
        },
        action: &format!("{path}/disable"),
        back: &path,
        more: html! {},
        grave: true,
        typed: None,
        wrong,
    }
    .answer(console, who, status))
}

fn frame(
    console: &Console,
    who: &Who,
    status: StatusCode,
    title: &str,
    organization: Option<&Organization>,
    body: Markup,
) -> Response {
    let own = organization.map(|known| format!("/organizations/{}", known.id));
    let mut trail = vec![("Overview", ""), ("Organizations", "/organizations")];
    if let Some((known, own)) = organization.zip(own.as_deref()) {
        trail.push((known.name.as_str(), own));
    }
    Page {
        console,
        who,
        title,
        place: Place::Organizations,
        trail: &trail,
        body,
    }
    .answer(status)
}
