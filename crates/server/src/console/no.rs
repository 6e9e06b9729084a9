//! What a page says when something is refused, and where it leads.

use authority::{Failure, Refusal};
use axum::response::{IntoResponse, Response};
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use maud::html;

use super::fields::query;
use super::{ROOT, page};
use crate::edge::retry_after;

/// A page that was not given.
#[derive(Debug)]
pub(super) enum No {
    /// Nobody is signed in; from there one is led back to this path.
    SignIn(String),
    /// The form was sent from another site, or from a page of another session.
    OtherSite,
    /// The request cannot be read.
    BadRequest,
    /// There is no such thing, or not for this person.
    NotFound,
    /// The person lacks this scope.
    Forbidden(String),
    /// What was asked for breaks a rule, in words for the person.
    Refused(Refusal),
    /// The server cannot answer now; the text is in the log.
    Unavailable,
    /// The server failed; the text is in the log.
    Fault,
}

impl From<Failure> for No {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => match refusal {
                Refusal::NotFound(_) => No::NotFound,
                Refusal::Forbidden { scope } => No::Forbidden(scope),
                Refusal::NotFresh => No::Unavailable,
                Refusal::Unauthenticated(_) => No::SignIn(String::new()),
                refusal => No::Refused(refusal),
            },
            Failure::Fault(fault) => {
                tracing::error!(error = &fault as &dyn std::error::Error, "a page failed");
                if fault.retryable() {
                    No::Unavailable
                } else {
                    No::Fault
                }
            }
        }
    }
}

impl No {
    /// The status of its answer.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            No::SignIn(_) => StatusCode::SEE_OTHER,
            No::OtherSite | No::Forbidden(_) => StatusCode::FORBIDDEN,
            No::BadRequest => StatusCode::BAD_REQUEST,
            No::NotFound => StatusCode::NOT_FOUND,
            No::Refused(Refusal::Limited { .. }) => StatusCode::TOO_MANY_REQUESTS,
            No::Refused(Refusal::Stale { .. } | Refusal::NameTaken(_) | Refusal::Conflict(_)) => {
                StatusCode::CONFLICT
            }
            No::Refused(Refusal::Ceiling(_) | Refusal::Restricted) => StatusCode::FORBIDDEN,
            No::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            No::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            No::Fault => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What happened, and what to do.
    pub(super) fn words(&self) -> (&'static str, String) {
        match self {
            No::SignIn(_) => ("Please sign in", "Your session is over.".to_owned()),
            No::OtherSite => (
                "This form was not sent from here",
                "It came from another site, or from a page of an earlier session. Open the page again and repeat it.".to_owned(),
            ),
            No::BadRequest => ("This request cannot be read", "Go back and try again.".to_owned()),
            No::NotFound => (
                "There is no such page",
                "It may have been removed, or it is not for you to see.".to_owned(),
            ),
            No::Forbidden(scope) => (
                "You may not do this",
                format!("It needs the permission {scope}; an administrator of your organization can give it to you."),
            ),
            No::Refused(refusal) => ("This was refused", sentence(&refusal.to_string())),
            No::Unavailable => (
                "The server cannot answer at the moment",
                "Nothing was changed. Try again in a moment.".to_owned(),
            ),
            No::Fault => ("The server failed", "Nothing is known of what became of it; look before you repeat it.".to_owned()),
        }
    }
}

/// A refused form: the status of the page that shows it again, the field, and what is wrong there. What is no matter of
/// the form is a page of its own. `granting` is the field that gives something away.
pub(super) fn at_form(
    failure: Failure,
    granting: &str,
) -> Result<(StatusCode, Vec<(String, String)>), No> {
    let no = No::from(failure);
    let No::Refused(refusal) = &no else {
        return Err(no);
    };
    let (field, why) = match refusal {
        Refusal::Invalid { member, why } => (*member, sentence(why)),
        Refusal::NameTaken(noun) => (
            if *noun == "user" { "email" } else { "name" },
            format!("This is taken by another {noun} here; choose another one."),
        ),
        Refusal::Stale { .. } => (
            WHOLE_FORM,
            "Somebody changed it since you opened this page. Look at how it is now, and repeat what you still want."
                .to_owned(),
        ),
        Refusal::Ceiling(what) => (
            granting,
            format!("You cannot give or take this, since it is beyond your own rights: {what}."),
        ),
        Refusal::Restricted => (
            WHOLE_FORM,
            "Nothing was changed: you would end your own right to do this, or somebody took it from you just now. Another administrator can do it."
                .to_owned(),
        ),
        Refusal::Conflict(_) => (WHOLE_FORM, sentence(&refusal.to_string())),
        _ => return Err(no),
    };
    Ok((no.status(), vec![(field.to_owned(), why)]))
}

/// The name, in place of a field's, of what is wrong with a form altogether; the form has the id `f-form`.
pub(super) const WHOLE_FORM: &str = "form";

/// A refusal as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else {
        return String::new();
    };
    let end = if text.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{}{}{end}", first.to_uppercase(), chars.as_str())
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        if let No::SignIn(next) = &self {
            return to_sign_in(next);
        }
        let (title, what) = self.words();
        let body = html! {
            main #main class="gate" {
                h1 { (title) }
                p { (what) }
                p { a href=(ROOT) { "To the overview" } }
            }
        };
        let mut response = page::bare(self.status(), title, None, &body);
        if let No::Refused(Refusal::Limited { retry_after_ms }) = self {
            let seconds = HeaderValue::from(retry_after(retry_after_ms));
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }
}

/// To the page where one signs in, and from there to where one wanted to go.
fn to_sign_in(next: &str) -> Response {
    see_other(&format!("{ROOT}/sign-in{}", query(&[("next", next)])))
}

/// To another page, by GET.
pub(super) fn see_other(to: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static(ROOT));
    response.headers_mut().insert(LOCATION, to);
    page::guard(response.headers_mut());
    response
}
