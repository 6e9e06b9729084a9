//! In and out: signing in, signing out, and the very first start.

use authority::passwords::{NotSignedIn, SignIn};
use authority::setup::SetUp;
use authority::{Failure, Refusal};
use axum::extract::State;
use axum::response::Response;
use credential::name::Name;
use credential::organization::Email;
use credential::password::Password;
use http::header::SET_COOKIE;
use http::{HeaderName, HeaderValue, StatusCode};
use maud::{Markup, html};

use super::Answer;
use crate::console::fields::Fields;
use crate::console::gate::{Knock, Posted, Visit, organization_cookie};
use crate::console::no::{No, see_other, sentence};
use crate::console::parts::{Field, summary};
use crate::console::{Console, ROOT, page};

/// What is told to whoever has no account, a wrong password, or one that is switched off: the same.
const WRONG: &str = "The e-mail address or the password is not right.";

/// Neither a password nor a set-up token is taken where others may read on the way.
const IN_THE_CLEAR: &str =
    "Over plain HTTP this can be done only on the machine of the server itself: use HTTPS.";

pub(super) async fn ask(State(console): State<Console>, visit: Visit) -> Answer {
    if console.authority.is_set_up() {
        Ok(form(StatusCode::OK, &visit, &Fields::default(), None))
    } else {
        Ok(see_other("/console/set-up"))
    }
}

pub(super) async fn enter(State(console): State<Console>, knock: Knock) -> Answer {
    let Knock { visit, form: typed } = knock;
    if !visit.is_private() {
        return Ok(form(
            StatusCode::FORBIDDEN,
            &visit,
            &typed,
            Some(IN_THE_CLEAR.to_owned()),
        ));
    }
    let refused = |status, why: &str| Ok(form(status, &visit, &typed, Some(why.to_owned())));
    let Ok(email) = Email::new(typed.text("email")) else {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, WRONG);
    };
    let sign_in = SignIn {
        email,
        password: Password::from(typed.typed("password").to_owned()),
        organization: None,
        from: visit.arrival.client,
        request_id: visit.arrival.request_id.clone(),
    };
    let people = match console.authority.check_password(sign_in).await? {
        Ok(people) => people,
        Err(NotSignedIn::Wrong) => return refused(StatusCode::UNPROCESSABLE_ENTITY, WRONG),
        Err(NotSignedIn::LockedOut { retry_after }) => {
            let minutes = retry_after.seconds() / 60 + 1;
            let why = format!("There were too many wrong tries. Try again in {minutes} minutes.");
            return refused(StatusCode::TOO_MANY_REQUESTS, &why);
        }
    };
    // Somebody with one password in several organizations begins in the first of them.
    let Some(user) = people.first() else {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, WRONG);
    };
    let id = &visit.arrival.request_id;
    let begun = console
        .authority
        .begin_session(user, visit.arrival.client, &visit.agent, id)
        .await?;
    let next = typed.get("next").filter(|next| is_within(next));
    let mut response = see_other(next.unwrap_or(ROOT));
    let headers = response.headers_mut();
    headers.append(SET_COOKIE, visit.session_cookie(Some(begun.token.expose())));
    headers.append(SET_COOKIE, organization_cookie(user.organization));
    Ok(response)
}

pub(super) async fn leave(State(console): State<Console>, posted: Posted) -> Answer {
    let who = posted.who;
    console
        .authority
        .end_sessions(&who.signed_in, false)
        .await?;
    let mut response = see_other("/console/sign-in");
    let headers = response.headers_mut();
    headers.append(SET_COOKIE, who.visit.session_cookie(None));
    headers.insert(
        HeaderName::from_static("clear-site-data"),
        HeaderValue::from_static("\"cache\", \"storage\""),
    );
    Ok(response)
}

pub(super) async fn ask_set_up(State(console): State<Console>, visit: Visit) -> Answer {
    if console.authority.is_set_up() {
        return Err(No::NotFound);
    }
    Ok(set_up_form(StatusCode::OK, &visit, &Fields::default(), &[]))
}

/// Makes the first organization and administrator, with a password, by the token that the server printed.
pub(super) async fn set_up(State(console): State<Console>, knock: Knock) -> Answer {
    let Knock { visit, form: typed } = knock;
    if console.authority.is_set_up() {
        return Err(No::NotFound);
    }
    if !visit.is_private() {
        let wrong = [("token".to_owned(), IN_THE_CLEAR.to_owned())];
        return Ok(set_up_form(StatusCode::FORBIDDEN, &visit, &typed, &wrong));
    }
    let mut wrong = Vec::new();
    let mut bad = |member: &str, why: String| wrong.push((member.to_owned(), sentence(&why)));
    let organization = Name::new(typed.text("organization"))
        .map_err(|why| bad("organization", format!("Organization: {why}")))
        .ok();
    let name = Name::new(typed.text("name"))
        .map_err(|why| bad("name", format!("Your name: {why}")))
        .ok();
    let email = Email::new(typed.text("email"))
        .map_err(|why| bad("email", format!("E-mail: {why}")))
        .ok();
    let password = Password::from(typed.typed("password").to_owned());
    if let Some(email) = &email
        && let Err(why) = password.may_be_of(email)
    {
        bad("password", format!("Password: {why}"));
    }
    let (Some(organization), Some(name), Some(email)) = (organization, name, email) else {
        return Ok(set_up_form(
            StatusCode::UNPROCESSABLE_ENTITY,
            &visit,
            &typed,
            &wrong,
        ));
    };
    if !wrong.is_empty() {
        return Ok(set_up_form(
            StatusCode::UNPROCESSABLE_ENTITY,
            &visit,
            &typed,
            &wrong,
        ));
    }
    let command = SetUp {
        organization,
        email,
        name,
    };
    let (from, id) = (visit.arrival.client, visit.arrival.request_id.as_str());
    let token = typed.text("token");
    let user = match console
        .authority
        .complete_setup_by_password(token, command, password, from, id)
        .await
    {
        Ok(user) => user,
        Err(Failure::Refused(Refusal::Unauthenticated(_))) => {
            let why =
                "Set-up token: it is not good, or no longer. Start the server again for a new one.";
            let wrong = [("token".to_owned(), why.to_owned())];
            return Ok(set_up_form(
                StatusCode::UNPROCESSABLE_ENTITY,
                &visit,
                &typed,
                &wrong,
            ));
        }
        Err(other) => return Err(other.into()),
    };
    let begun = console
        .authority
        .begin_session(&user, from, &visit.agent, id)
        .await?;
    let mut response = see_other(ROOT);
    let cookie = visit.session_cookie(Some(begun.token.expose()));
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

/// Whether a path is one of the console's own: nobody is led elsewhere by a link to the sign-in page.
fn is_within(path: &str) -> bool {
    path.strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        && !path.contains(['\\', '\n', '\r'])
}

fn form(status: StatusCode, visit: &Visit, typed: &Fields, refused: Option<String>) -> Response {
    let next = typed
        .get("next")
        .or(visit.query.get("next"))
        .unwrap_or_default();
    let body = html! {
        main #main class="gate" {
            h1 { "Sign in" }
            @if let Some(why) = &refused {
                div class="note bad" role="alert" tabindex="-1" data-wrong { p { (why) } }
            }
            form method="post" action="/console/sign-in" {
                input type="hidden" name="next" value=(next);
                (Field { kind: "email", value: typed.text("email"), autocomplete: "username", required: true, ..Field::text("email", "E-mail address") }.html())
                (Field { kind: "password", autocomplete: "current-password", required: true, ..Field::text("password", "Password") }.html())
                div class="acts" { button class="primary" type="submit" { "Sign in" } }
            }
            p class="soft small" { "Without a password? An administrator of your organization can set one for you." }
        }
    };
    page::bare(status, "Sign in", visit.theme, &body)
}

fn set_up_form(
    status: StatusCode,
    visit: &Visit,
    typed: &Fields,
    wrong: &[(String, String)],
) -> Response {
    let field = |name, label, kind, autocomplete, help| -> Markup {
        let value = if kind == "password" {
            ""
        } else {
            typed.text(name)
        };
        Field {
            kind,
            value,
            autocomplete,
            help,
            required: true,
            wrong,
            ..Field::text(name, label)
        }
        .html()
    };
    let body = html! {
        main #main class="gate" {
            h1 { "Welcome to Latchkey" }
            p { "Nobody administers this server yet. The server printed a set-up token when it started: with it you become the first." }
            (summary(wrong))
            form method="post" action="/console/set-up" {
                div class="field" {
                    label for="f-token" { "Set-up token" }
                    p class="help" { "It begins with lk_ and is good for an hour, once." }
                    input #f-token name="token" type="password" autocomplete="off" required value="" data-from-fragment;
                }
                (field("organization", "Organization", "text", "organization", "What people call it."))
                (field("name", "Your name", "text", "name", ""))
                (field("email", "E-mail address", "email", "username", ""))
                (field("password", "Password", "password", "new-password", "12 to 256 characters."))
                div class="acts" { button class="primary" type="submit" { "Begin" } }
            }
        }
    };
    page::bare(status, "Set up", visit.theme, &body)
}

/// What was done, in words for the page after it; the word comes from the query and chooses among these only.
pub(super) fn done(visit: &Visit) -> Markup {
    let words = match visit.query.get("done") {
        Some("disabled") => {
            "The key is disabled: whatever is asked with it from now on is refused."
        }
        Some("enabled") => "The key is enabled again.",
        Some("revoked") => "The key is revoked for good, everywhere.",
        Some("saved") => "The changes are saved and in force.",
        Some("sessions") => "Every other session of yours is over.",
        Some("role-made") => {
            "The role is made: people, groups and keys can be given it from now on."
        }
        Some("role-deleted") => "The role is deleted; nobody has anything from it any more.",
        Some("invited") => "The member is added. They can sign in once they have a password.",
        Some("roles") => "The roles are changed, and what the member may follows them at once.",
        Some("password") => "The password is set; tell it to the member in a safe way.",
        Some("no-password") => "The password is taken away: the member cannot sign in with one.",
        Some("member-disabled") => {
            "The member is disabled: they cannot sign in, and keys that depend on them are refused."
        }
        Some("member-enabled") => "The member is enabled again.",
        Some("member-removed") => "The member is removed for good.",
        Some("organization-made") => "The organization is made.",
        Some("organization-disabled") => {
            "The organization is disabled: its keys and its members are refused from now on."
        }
        Some("organization-enabled") => "The organization is in use again.",
        Some("group-made") => "The group is made, and its members have its roles.",
        Some("group-removed") => "The group is removed; its members have nothing from it any more.",
        Some("read") => "The notice is marked as read.",
        Some("reach-on") => {
            "Scope-based access control is on: what nobody gave to reach is refused."
        }
        Some("reach-off") => "Scope-based access control is off: only roles and scopes count.",
        Some("channel-made") => {
            "The channel is made. Send a test message to see whether it gets through."
        }
        Some("channel-on") => "The channel is on again.",
        Some("channel-off") => "The channel is off: nothing goes out over it.",
        Some("channel-removed") => "The channel is removed.",
        Some("job") => "The job was run.",
        Some("theme") => "The theme is changed.",
        _ => return html! {},
    };
    html! { div class="note good" role="status" { p { (words) } } }
}
