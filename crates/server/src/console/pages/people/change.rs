//! What is done to a member: renamed, given other roles or a password, disabled, enabled, removed.

use authority::{Done, Failure};
use axum::extract::{Path, State};
use axum::response::Response;
use credential::id::RoleId;
use credential::name::Name;
use credential::organization::User;
use credential::password::Password;
use http::StatusCode;
use maud::{Markup, html};

use super::{Answer, changeable, frame};
use crate::console::Console;
use crate::console::gate::{Posted, Who};
use crate::console::no::{WHOLE_FORM, at_form, see_other, sentence};
use crate::console::page::{Place, key_field};
use crate::console::pages::asked::{Asked, mistyped};
use crate::console::pages::grants::{self, ROLES};
use crate::console::parts::{Field, head, summary};

type Wrong<'w> = &'w [(String, String)];

pub(super) async fn ask_rename(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    let user = changeable(&console, &who, &text).await?;
    let name = user.name.as_str();
    Ok(renaming(&console, &who, StatusCode::OK, &user, name, &[]))
}

pub(super) async fn rename(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let Posted { who, form } = posted;
    let user = changeable(&console, &who, &text).await?;
    let typed = form.text("name");
    let again = |status, wrong: Wrong<'_>| renaming(&console, &who, status, &user, typed, wrong);
    let name = match Name::new(typed) {
        Ok(name) => name,
        Err(why) => {
            let wrong = [("name".to_owned(), sentence(&format!("The name {why}")))];
            return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, &wrong));
        }
    };
    let caller = &who.signed_in.caller;
    let version = form.get("version").and_then(|text| text.parse().ok());
    let renamed = console
        .authority
        .rename_user(caller, user.id, name, version);
    answer(renamed.await, "saved", "name", again)
}

pub(super) async fn ask_roles(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    let user = changeable(&console, &who, &text).await?;
    let ticked = |id| user.roles.iter().any(|grant| grant.role == id);
    let boxes = role_boxes(&console, &who, &user, ticked, &[]).await?;
    Ok(giving(&console, &who, StatusCode::OK, &user, &boxes, &[]))
}

pub(super) async fn set_roles(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let Posted { who, form } = posted;
    let user = changeable(&console, &who, &text).await?;
    let offered = grants::offered(&console, &who).await?;
    let wanted = grants::wanted(&console, &form, &offered, &user.roles);
    let caller = &who.signed_in.caller;
    let version = form.get("version").and_then(|text| text.parse().ok());
    let set = console
        .authority
        .set_user_roles(caller, user.id, wanted, version);
    match set.await {
        Ok(done) => Ok(to(&done.value, "roles")),
        Err(failure) => {
            let (status, wrong) = at_form(failure, ROLES)?;
            let ticked = |id: RoleId| form.has(ROLES, &id.to_string());
            let boxes = role_boxes(&console, &who, &user, ticked, &wrong).await?;
            Ok(giving(&console, &who, status, &user, &boxes, &wrong))
        }
    }
}

pub(super) async fn ask_password(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    let user = changeable(&console, &who, &text).await?;
    Ok(password_form(&console, &who, StatusCode::OK, &user, &[]))
}

/// Sets a password that was typed twice, or takes it away.
pub(super) async fn set_password(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let Posted { who, form } = posted;
    let user = changeable(&console, &who, &text).await?;
    let again = |status, wrong: Wrong<'_>| password_form(&console, &who, status, &user, wrong);
    let caller = &who.signed_in.caller;
    let (password, word) = if form.ticked("take") {
        (None, "no-password")
    } else {
        let typed = form.typed("password");
        if typed != form.typed("again") {
            let why = "The two are not the same; type them again.";
            let wrong = [("again".to_owned(), why.to_owned())];
            return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, &wrong));
        }
        (Some(Password::from(typed.to_owned())), "password")
    };
    let set = console
        .authority
        .set_password(caller, user.id, password, None);
    answer(set.await, word, "password", again)
}

pub(super) async fn ask_disable(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    let user = changeable(&console, &who, &text).await?;
    Ok(disabling(&console, &who, StatusCode::OK, &user, &[]))
}

pub(super) async fn disable(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let who = posted.who;
    let user = changeable(&console, &who, &text).await?;
    let again = |status, wrong: Wrong<'_>| disabling(&console, &who, status, &user, wrong);
    let caller = &who.signed_in.caller;
    let disabled = console.authority.disable_user(caller, user.id, None);
    answer(disabled.await, "member-disabled", WHOLE_FORM, again)
}

pub(super) async fn enable(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let who = posted.who;
    let user = changeable(&console, &who, &text).await?;
    let caller = &who.signed_in.caller;
    let enabled = console.authority.enable_user(caller, user.id, None).await?;
    Ok(to(&enabled.value, "member-enabled"))
}

pub(super) async fn ask_remove(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    let user = changeable(&console, &who, &text).await?;
    Ok(removing(&console, &who, StatusCode::OK, &user, &[]))
}

/// Removes a member for good, once their name was typed.
pub(super) async fn remove(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let Posted { who, form } = posted;
    let user = changeable(&console, &who, &text).await?;
    let again = |status, wrong: Wrong<'_>| removing(&console, &who, status, &user, wrong);
    if let Some(wrong) = mistyped(&form, user.name.as_str()) {
        return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, &[wrong]));
    }
    let caller = &who.signed_in.caller;
    match console.authority.remove_user(caller, user.id, None).await {
        Ok(_) => Ok(see_other("/console/people?done=member-removed")),
        Err(failure) => {
            let (status, wrong) = at_form(failure, WHOLE_FORM)?;
            Ok(again(status, &wrong))
        }
    }
}

/// To the member that was changed, or to the form again with what was wrong.
fn answer(
    done: Result<Done<User>, Failure>,
    word: &str,
    granting: &str,
    again: impl FnOnce(StatusCode, Wrong<'_>) -> Response,
) -> Answer {
    match done {
        Ok(done) => Ok(to(&done.value, word)),
        Err(failure) => {
            let (status, wrong) = at_form(failure, granting)?;
            Ok(again(status, &wrong))
        }
    }
}

fn to(user: &User, word: &str) -> Response {
    see_other(&format!("/console/people/{}?done={word}", user.id))
}

fn renaming(
    console: &Console,
    who: &Who,
    status: StatusCode,
    user: &User,
    typed: &str,
    wrong: Wrong<'_>,
) -> Response {
    let fields = html! { (Field { value: typed, required: true, wrong, ..Field::text("name", "Name") }.html()) };
    let acts = html! { button class="primary" type="submit" { "Rename member" } };
    let title = "Rename member";
    form(
        console, who, status, user, title, "edit", &fields, &acts, wrong,
    )
}

async fn role_boxes(
    console: &Console,
    who: &Who,
    user: &User,
    ticked: impl Fn(RoleId) -> bool,
    wrong: Wrong<'_>,
) -> Result<Markup, crate::console::no::No> {
    let offered = grants::offered(console, who).await?;
    let help = "What they may is all of these together, with what their groups give. You can give and take what is within your own rights.";
    Ok(grants::boxes(
        console,
        &offered,
        &user.roles,
        ticked,
        help,
        wrong,
    ))
}

fn giving(
    console: &Console,
    who: &Who,
    status: StatusCode,
    user: &User,
    boxes: &Markup,
    wrong: Wrong<'_>,
) -> Response {
    let acts = html! { button class="primary" type="submit" { "Change roles" } };
    let title = "Change roles";
    form(
        console, who, status, user, title, "roles", boxes, &acts, wrong,
    )
}

fn password_form(
    console: &Console,
    who: &Who,
    status: StatusCode,
    user: &User,
    wrong: Wrong<'_>,
) -> Response {
    let field = |name, label, help| {
        Field {
            kind: "password",
            autocomplete: "new-password",
            help,
            wrong,
            ..Field::text(name, label)
        }
        .html()
    };
    let fields = html! {
        p { "Whoever knows the password can sign in as this member. It takes the right to give all of their roles." }
        (field("password", "Password", "12 to 256 characters."))
        (field("again", "The same again", ""))
    };
    let has_one = console.authority.world().has_password(user.id);
    let acts = html! {
        @if has_one { button class="danger" type="submit" name="take" value="yes" { "Take the password away" } }
        button class="primary" type="submit" { "Set password" }
    };
    let title = "Set password";
    form(
        console, who, status, user, title, "password", &fields, &acts, wrong,
    )
}

#[expect(
    clippy::too_many_arguments,
    reason = "a form is said in whole where it stands"
)]
fn form(
    console: &Console,
    who: &Who,
    status: StatusCode,
    user: &User,
    title: &str,
    act: &str,
    fields: &Markup,
    acts: &Markup,
    wrong: Wrong<'_>,
) -> Response {
    let path = format!("/console/people/{}", user.id);
    let body = html! {
        (head(&format!("{title}: {}", user.name), user.email.as_str(), &html! {}))
        (summary(wrong))
        form #f-form method="post" action={ (path) "/" (act) } {
            (key_field(who))
            input type="hidden" name="version" value=(user.version);
            (fields)
            div class="acts" {
                a class="button" href=(path) { "Cancel" }
                (acts)
            }
        }
    };
    frame(console, who, status, title, Some(user), body)
}

fn disabling(
    console: &Console,
    who: &Who,
    status: StatusCode,
    user: &User,
    wrong: Wrong<'_>,
) -> Response {
    let what = html! { p { "Their sessions stop, they cannot sign in, and keys that depend on them are refused, until somebody enables them again." } };
    let title = "Disable member";
    asked(
        console, who, status, user, title, "disable", what, None, wrong,
    )
}

fn removing(
    console: &Console,
    who: &Who,
    status: StatusCode,
    user: &User,
    wrong: Wrong<'_>,
) -> Response {
    let what = html! { p { "They are gone for good, and keys that depend on them are refused from then on. Disabling them can be undone; this cannot." } };
    let (title, typed) = ("Remove member", "Type the name of the member");
    asked(
        console,
        who,
        status,
        user,
        title,
        "remove",
        what,
        Some(typed),
        wrong,
    )
}

#[expect(
    clippy::too_many_arguments,
    reason = "an act is said in whole where it stands"
)]
fn asked(
    console: &Console,
    who: &Who,
    status: StatusCode,
    user: &User,
    title: &str,
    act: &str,
    what: Markup,
    typed: Option<&str>,
    wrong: Wrong<'_>,
) -> Response {
    let path = format!("/console/people/{}", user.id);
    let own = format!("/people/{}", user.id);
    Asked {
        title,
        name: user.name.as_str(),
        place: Place::People,
        trail: &[
            ("Overview", ""),
            ("Members", "/people"),
            (user.name.as_str(), &own),
        ],
        what,
        action: &format!("{path}/{act}"),
        back: &path,
        more: html! {},
        grave: typed.is_some(),
        typed,
        wrong,
    }
    .answer(console, who, status)
}
