//! The switch of scope-based access control, with who would lose what before it is turned on.

use authority::organizations::EditSettings;
use authority::reach::Cut;
use axum::extract::State;
use credential::id::KeyId;
use http::StatusCode;
use maud::{Markup, html};

use super::{Answer, may_write, settings};
use crate::console::Console;
use crate::console::fields::query;
use crate::console::gate::{Posted, Who};
use crate::console::no::{No, at_form, see_other};
use crate::console::page::Place;
use crate::console::pages::asked::Asked;
use crate::console::parts::{Tone, note};

const PATH: &str = "/console/settings/reach";

pub(super) async fn ask(State(console): State<Console>, who: Who) -> Answer {
    may_write(&console, &who)?;
    asking(&console, &who, StatusCode::OK, &[]).await
}

pub(super) async fn turn(State(console): State<Console>, posted: Posted) -> Answer {
    let Posted { who, form } = posted;
    let (on, word) = match form.text("enforce") {
        "on" => (true, "reach-on"),
        "off" => (false, "reach-off"),
        _ => return Err(No::BadRequest),
    };
    let edit = EditSettings {
        notices: None,
        enforce_reach: Some(on),
    };
    let version = form.get("version").and_then(|text| text.parse().ok());
    let caller = &who.signed_in.caller;
    let turned =
        console
            .authority
            .edit_organization_settings(caller, caller.organization, edit, version);
    match turned.await {
        Ok(_) => Ok(see_other(&format!("/console/settings?done={word}"))),
        Err(failure) => {
            let (status, wrong) = at_form(failure, "form")?;
            asking(&console, &who, status, &wrong).await
        }
    }
}

async fn asking(
    console: &Console,
    who: &Who,
    status: StatusCode,
    wrong: &[(String, String)],
) -> Answer {
    let settings = settings(console, who).await?;
    let on = settings.enforce_reach;
    let what = match on {
        true => html! {
            p { "From then on, only roles and scopes decide what a request may do. What each key, member and group reaches is kept, and counts again when this is turned on." }
        },
        false => losses(console, who).await?,
    };
    Ok(Asked {
        title: if on { "Turn off" } else { "Turn on" },
        name: "scope-based access control",
        place: Place::Settings,
        trail: &[("Overview", ""), ("Server settings", "/settings")],
        what,
        action: PATH,
        back: "/console/settings",
        more: html! {
            input type="hidden" name="version" value=(settings.version);
            input type="hidden" name="enforce" value=(if on { "off" } else { "on" });
        },
        grave: on,
        typed: None,
        wrong,
    }
    .answer(console, who, status))
}

/// Who would reach less than now.
async fn losses(console: &Console, who: &Who) -> Result<Markup, No> {
    let caller = &who.signed_in.caller;
    let after: Option<KeyId> = who.visit.query.get("after").and_then(|id| id.parse().ok());
    let told = console
        .authority
        .preview_reach(caller, caller.organization, after)
        .await?;
    Ok(html! {
        p { "Requests that name a resource beyond what their key or member reaches are refused from then on, at once." }
        @if told.keys.is_empty() && told.users.is_empty() && told.next.is_none() && after.is_none() {
            (note(Tone::Good, "Nobody loses access", &html! { p { "Every key and every member reaches all that their roles are about." } }))
        } @else {
            (note(Tone::Warn, "Who would lose access", &html! { p { "Give these what they need to reach first, or accept that they are refused." } }))
            @if !told.users.is_empty() { (table("Members", "/console/people/", &told.users)) }
            @if !told.keys.is_empty() { (table("Keys", "/console/keys/", &told.keys)) }
            @if told.keys.is_empty() && told.users.is_empty() { p class="soft" { "None among the keys of this part." } }
            @if let Some(next) = &told.next {
                p { a class="button" href={ (PATH) (query(&[("after", &next.to_string())])) } rel="next" { "Look at more keys" } }
            }
            @if after.is_some() { p { a class="button" href=(PATH) { "To the beginning" } } }
        }
    })
}

fn table<Id: std::fmt::Display>(label: &str, path: &str, cuts: &[Cut<Id>]) -> Markup {
    html! {
        h2 { (label) }
        div class="scroll" tabindex="0" role="region" aria-label=(label) {
            table {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Product" } th scope="col" { "Only those listed of" } th scope="col" { "Nothing of" } } }
                tbody {
                    @for cut in cuts {
                        tr {
                            th scope="row" { a href={ (path) (cut.id) } { (cut.name) } }
                            td { (cut.product.as_str()) }
                            td { (kinds(&cut.limited)) }
                            td { (kinds(&cut.lost)) }
                        }
                    }
                }
            }
        }
    }
}

fn kinds(kinds: &[String]) -> Markup {
    html! { @if kinds.is_empty() { span class="soft" { "None" } } @else { (kinds.join(", ")) } }
}
