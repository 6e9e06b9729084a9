//! A new member.

use authority::users::CreateUser;
use axum::extract::State;
use credential::name::Name;
use credential::organization::Email;
use http::StatusCode;
use maud::html;

use super::{Answer, frame, must_write};
use crate::console::Console;
use crate::console::fields::Fields;
use crate::console::gate::{Posted, Who};
use crate::console::no::{at_form, see_other, sentence};
use crate::console::page::key_field;
use crate::console::pages::grants::{self, ROLES};
use crate::console::parts::{Field, head, summary};

pub(super) async fn ask(State(console): State<Console>, who: Who) -> Answer {
    must_write(&console, &who)?;
    form(&console, &who, StatusCode::OK, &Fields::default(), &[]).await
}

pub(super) async fn invite(State(console): State<Console>, posted: Posted) -> Answer {
    let Posted { who, form: typed } = posted;
    must_write(&console, &who)?;
    let mut wrong = Vec::new();
    let mut bad = |field: &str, why: String| wrong.push((field.to_owned(), sentence(&why)));
    let name = Name::new(typed.text("name"))
        .map_err(|why| bad("name", format!("The name {why}")))
        .ok();
    let email = Email::new(typed.text("email"))
        .map_err(|why| bad("email", why.to_string()))
        .ok();
    let (Some(name), Some(email)) = (name, email) else {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return form(&console, &who, status, &typed, &wrong).await;
    };
    let offered = grants::offered(&console, &who).await?;
    let command = CreateUser {
        organization: None,
        email,
        name,
        roles: grants::wanted(&console, &typed, &offered, &[]),
    };
    let caller = &who.signed_in.caller;
    match console.authority.create_user(caller, command).await {
        Ok(made) => Ok(see_other(&format!(
            "/console/people/{}?done=invited",
            made.value.id
        ))),
        Err(failure) => {
            let (status, wrong) = at_form(failure, ROLES)?;
            form(&console, &who, status, &typed, &wrong).await
        }
    }
}

async fn form(
    console: &Console,
    who: &Who,
    status: StatusCode,
    typed: &Fields,
    wrong: &[(String, String)],
) -> Answer {
    let offered = grants::offered(console, who).await?;
    let ticked = |id: credential::id::RoleId| typed.has(ROLES, &id.to_string());
    let help =
        "What they may is all of these together. You can give what is within your own rights.";
    let title = "Add member";
    let body = html! {
        (head(title, "They can sign in here once you have set a password for them.", &html! {}))
        (summary(wrong))
        form #f-form method="post" action="/console/people/new" {
            (key_field(who))
            (Field { value: typed.text("name"), required: true, wrong, ..Field::text("name", "Name") }.html())
            (Field { kind: "email", value: typed.text("email"), required: true, wrong, ..Field::text("email", "E-mail address") }.html())
            (grants::boxes(console, &offered, &[], ticked, help, wrong))
            div class="acts" {
                a class="button" href="/console/people" { "Cancel" }
                button class="primary" type="submit" { "Add member" }
            }
        }
    };
    Ok(frame(console, who, status, title, None, body))
}
