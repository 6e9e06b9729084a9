//! Who would lose what: by an edit of a role, or by its end.

use authority::roles::{Loss, Preview};
use axum::extract::{Path, State};
use axum::response::Response;
use credential::role::Role;
use http::StatusCode;
use maud::{Markup, html};

use super::{Answer, id};
use crate::console::Console;
use crate::console::gate::{Posted, Who};
use crate::console::no::{at_form, see_other};
use crate::console::page::Place;
use crate::console::pages::asked::{Asked, mistyped};

/// Of each part of a preview so many are named: more than anybody reads, and no more than a page can carry.
const NAMED: usize = 100;

pub(super) async fn ask_delete(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    let id = id(&text)?;
    let caller = &who.signed_in.caller;
    let role = console.authority.role(caller, id).await?;
    let after = who.visit.query.get("after");
    let after = after.and_then(|after| after.parse().ok());
    let preview = console.authority.preview_role(caller, id, None, after);
    let preview = preview.await?;
    Ok(deleting(
        &console,
        &who,
        StatusCode::OK,
        &role,
        &preview,
        &[],
    ))
}

/// Deletes a role; one that somebody holds only once its name was typed.
pub(super) async fn delete(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let Posted { who, form } = posted;
    let id = id(&text)?;
    let caller = &who.signed_in.caller;
    let role = console.authority.role(caller, id).await?;
    let preview = console.authority.preview_role(caller, id, None, None);
    let preview = preview.await?;
    let used = is_used(&preview);
    if let Some(wrong) = mistyped(&form, role.name.as_str()).filter(|_| used) {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(deleting(&console, &who, status, &role, &preview, &[wrong]));
    }
    match console.authority.delete_role(caller, id, used, None).await {
        Ok(_) => Ok(see_other("/console/roles?done=role-deleted")),
        Err(failure) => {
            let (status, wrong) = at_form(failure, "form")?;
            Ok(deleting(&console, &who, status, &role, &preview, &wrong))
        }
    }
}

/// Whether somebody holds the role, as far as was looked.
fn is_used(preview: &Preview) -> bool {
    preview.holders > 0 || preview.next.is_some()
}

fn deleting(
    console: &Console,
    who: &Who,
    status: StatusCode,
    role: &Role,
    preview: &Preview,
    wrong: &[(String, String)],
) -> Response {
    let path = format!("/console/roles/{}", role.id);
    let used = is_used(preview);
    let own = format!("/roles/{}", role.id);
    Asked {
        title: "Delete role",
        name: role.name.as_str(),
        place: Place::Roles,
        trail: &[
            ("Overview", ""),
            ("Roles", "/roles"),
            (role.name.as_str(), &own),
        ],
        what: html! {
            p { "Whoever holds the role has nothing from it any more, at once. It cannot be brought back." }
            (told(console, who, preview))
            @if let Some(next) = preview.next {
                p { a class="button" href={ (path) "/delete?after=" (next) } { "Look at more keys" } }
            }
        },
        action: &format!("{path}/delete"),
        back: &path,
        more: html! {},
        grave: true,
        typed: used.then_some("Type the name of the role"),
        wrong,
    }
    .answer(console, who, status)
}

/// The preview in words and tables; names only for those who may see whose they are.
pub(super) fn told(console: &Console, who: &Who, preview: &Preview) -> Markup {
    let may = |scope| console.authority.person_may(&who.signed_in.caller, scope);
    let (keys, users) = (preview.keys.len(), preview.users.len());
    html! {
        h2 { "Who loses what" }
        @if preview.holders == 0 && preview.next.is_none() {
            p { "Nobody holds the role." }
        } @else {
            p { "Looked at: " (preview.holders) (if preview.holders == 1 { " holder" } else { " holders" }) " of the role, keys, members and groups together." }
        }
        @if keys + users == 0 {
            @if preview.holders > 0 { p { "None of them loses anything." } }
        } @else {
            p { strong { (keys) (if keys == 1 { " key" } else { " keys" }) " and " (users) (if users == 1 { " member" } else { " members" }) " would lose rights." } }
        }
        @if users > 0 && may("latchkey.users:read") { (table("Members", "/console/people/", &preview.users)) }
        @if keys > 0 && may("latchkey.keys:read") { (table("Keys", "/console/keys/", &preview.keys)) }
        @if preview.next.is_some() { p { "There are more keys than were looked at here." } }
    }
}

fn table<Id: std::fmt::Display>(what: &str, path: &str, losses: &[Loss<Id>]) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label={ (what) " that would lose rights" } {
            table {
                thead { tr { th scope="col" { (what) } th scope="col" { "Would lose" } } }
                tbody {
                    @for loss in losses.iter().take(NAMED) {
                        tr {
                            th scope="row" { a href={ (path) (loss.id) } { (loss.name) } }
                            td class="mono" { @for scope in &loss.scopes { (scope.as_str()) " " } }
                        }
                    }
                }
            }
        }
        @if losses.len() > NAMED { p class="soft" { "And " (losses.len() - NAMED) " more." } }
    }
}
