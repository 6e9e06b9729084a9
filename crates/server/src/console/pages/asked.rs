//! The page before a grave act: what it does, to what, and for what cannot be undone the name to type.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use crate::console::Console;
use crate::console::fields::Fields;
use crate::console::gate::Who;
use crate::console::page::{Page, Place, key_field};
use crate::console::parts::{Field, head, summary};

/// The field with the name that is typed.
const NAME: &str = "name";

/// An act, before it is done.
pub(super) struct Asked<'a> {
    /// What it is called: "Remove member".
    pub(super) title: &'a str,
    /// What it is done to.
    pub(super) name: &'a str,
    pub(super) place: Place,
    pub(super) trail: &'a [(&'a str, &'a str)],
    /// What it does.
    pub(super) what: Markup,
    /// Where the form is sent.
    pub(super) action: &'a str,
    /// Where one is led that does not want it.
    pub(super) back: &'a str,
    /// What else the form carries.
    pub(super) more: Markup,
    /// Whether it cannot be undone.
    pub(super) grave: bool,
    /// The words above the field in which the name is typed, where it is.
    pub(super) typed: Option<&'a str>,
    pub(super) wrong: &'a [(String, String)],
}

impl Asked<'_> {
    pub(super) fn answer(&self, console: &Console, who: &Who, status: StatusCode) -> Response {
        let body = html! {
            (head(&format!("{} {}", self.title, self.name), "", &html! {}))
            (summary(self.wrong))
            (self.what)
            form #f-form method="post" action=(self.action) {
                (key_field(who))
                (self.more)
                @if let Some(label) = self.typed {
                    (Field { help: "To be sure that it is the right one.", required: true, wrong: self.wrong, ..Field::text(NAME, label) }.html())
                }
                div class="acts" {
                    a class="button" href=(self.back) { "Cancel" }
                    button class=(if self.grave { "primary danger" } else { "primary" }) type="submit" { (self.title) }
                }
            }
        };
        Page {
            console,
            who,
            title: self.title,
            place: self.place,
            trail: self.trail,
            body,
        }
        .answer(status)
    }
}

/// What is wrong with a name that was to be typed.
pub(super) fn mistyped(form: &Fields, name: &str) -> Option<(String, String)> {
    (form.text(NAME) != name).then(|| {
        let why = "This is not the name; type it exactly as it stands above.";
        (NAME.to_owned(), why.to_owned())
    })
}
