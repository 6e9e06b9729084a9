//! The new channel, and the page that shows the secret of a webhook once.

use std::sync::{Arc, Mutex, PoisonError};

use authority::notices::channels::{CreateChannel, IssuedChannel, Opened, Target};
use axum::extract::State;
use axum::response::Response;
use credential::name::Name;
use credential::notice::WORDS;
use credential::notice::url::HookUrl;
use credential::organization::Email;
use credential::secret::Secret;
use http::StatusCode;
use maud::html;

use super::{Answer, PATH, page};
use crate::console::Console;
use crate::console::fields::Fields;
use crate::console::gate::{Posted, Who};
use crate::console::no::{at_form, see_other, sentence};
use crate::console::page::key_field;
use crate::console::pages::keys::{once, once_field};
use crate::console::pages::settings::may_write;
use crate::console::parts::{Choice, Field, choices, head, lines, summary};

pub(super) const TRAIL: [(&str, &str); 3] = [
    ("Overview", ""),
    ("Server settings", "/settings"),
    ("Channels for notices", "/settings/channels"),
];

pub(super) async fn ask(State(console): State<Console>, who: Who) -> Answer {
    may_write(&console, &who)?;
    form(&console, &who, StatusCode::OK, &Fields::default(), &[])
}

pub(super) async fn make(State(console): State<Console>, posted: Posted) -> Answer {
    let Posted { who, form: typed } = posted;
    may_write(&console, &who)?;
    let command = match command(&typed) {
        Ok(command) => command,
        Err(wrong) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return form(&console, &who, status, &typed, &wrong);
        }
    };
    let once = once(&typed, "new channel")?;
    let shown = Shown::default();
    let caller = &who.signed_in.caller;
    let made = console
        .authority
        .create_channel(caller, command, Some(once), shown.keeper())
        .await;
    match made {
        Ok(opened) => Ok(issued(&console, &who, opened, &shown, "channel-made")),
        Err(failure) => {
            let (status, wrong) = at_form(failure, "form")?;
            form(&console, &who, status, &typed, &wrong)
        }
    }
}

/// The secret on its way to the page that shows it; what is remembered for a repeat holds nothing of it.
#[derive(Clone, Default)]
pub(super) struct Shown(Arc<Mutex<Option<Secret>>>);

impl Shown {
    pub(super) fn keeper(
        &self,
    ) -> impl Fn(&IssuedChannel) -> Vec<u8> + Send + Sync + 'static + use<> {
        let place = Arc::clone(&self.0);
        move |issued| {
            let secret = issued.secret.as_ref();
            let secret = secret.map(|secret| Secret::from(secret.expose().to_owned()));
            *place.lock().unwrap_or_else(PoisonError::into_inner) = secret;
            issued.channel.id.to_string().into_bytes()
        }
    }

    fn take(&self) -> Option<Secret> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What was made: its secret where it has one, the channel itself where it has none.
pub(super) fn issued(
    console: &Console,
    who: &Who,
    opened: Opened,
    shown: &Shown,
    word: &str,
) -> Response {
    let title = "Shown once";
    let (id, secret) = match opened {
        Opened::New(_, channel) => (channel.id.to_string(), shown.take()),
        Opened::Repeat(id) => {
            let id = String::from_utf8_lossy(&id).into_owned();
            let body = html! {
                (head("This secret was shown once", "It was the answer to the form that you sent before, and nobody can show it again. If it was not stored, give the channel a new secret.", &html! {}))
                div class="acts" { a class="button primary" href={ (PATH) "/" (id) } { "To the channel" } }
            };
            return page(console, who, StatusCode::OK, title, &TRAIL, body);
        }
    };
    let Some(secret) = secret else {
        return see_other(&format!("{PATH}/{id}?done={word}"));
    };
    let body = html! {
        (head("Copy this now: it cannot be shown again", "Whoever receives the requests verifies their signatures with it, as Standard Webhooks has it.", &html! {}))
        div class="secret" {
            label class="label" for="value-0" { "Signing secret" }
            div class="inline" {
                input #value-0 type="text" readonly value=(secret.expose()) data-secret autocomplete="off" spellcheck="false";
                button type="button" data-show="value-0" aria-pressed="false" hidden { "Show" }
                button type="button" data-copy="value-0" data-what="Signing secret" { "Copy" }
            }
        }
        form method="get" action={ (PATH) "/" (id) } data-guard {
            div class="choice" {
                input #f-stored type="checkbox" required;
                label for="f-stored" { "I have stored this" }
            }
            div class="acts" { button class="primary" type="submit" { "Done" } }
        }
    };
    page(console, who, StatusCode::OK, title, &TRAIL, body)
}

fn command(typed: &Fields) -> Result<CreateChannel, Vec<(String, String)>> {
    let mut wrong = Vec::new();
    let mut bad = |field: &str, why: String| wrong.push((field.to_owned(), sentence(&why)));
    let name = Name::new(typed.text("name"))
        .map_err(|why| bad("name", format!("The name {why}")))
        .ok();
    let target = match typed.text("way") {
        "email" => {
            let mut to = Vec::new();
            for line in typed.text("recipients").lines().map(str::trim) {
                match Email::new(line) {
                    _ if line.is_empty() => {}
                    Ok(email) => to.push(email),
                    Err(why) => bad("recipients", format!("{line}: {why}")),
                }
            }
            Some(Target::Email(to))
        }
        "webhook" => HookUrl::new(typed.text("url"))
            .map_err(|why| bad("url", format!("The address: {why}")))
            .ok()
            .map(Target::Webhook),
        _ => {
            bad("way", "choose how notices go out".to_owned());
            None
        }
    };
    let kinds: Vec<String> = typed.all("notice_kinds").map(str::to_owned).collect();
    match (name, target) {
        (Some(name), Some(target)) if wrong.is_empty() => Ok(CreateChannel {
            organization: None,
            name,
            target,
            kinds: (!kinds.is_empty()).then_some(kinds),
        }),
        _ => Err(wrong),
    }
}

/// The kind of a notice as people call it.
pub(super) fn kind_words(kind: &str) -> &str {
    match kind {
        "expires_soon" => "A key expires soon",
        "expires_very_soon" => "A key expires very soon",
        "refresh_due" => "A key should be refreshed",
        "refresh_lapsed" => "A key can be refreshed no more",
        "unused" => "A key has not been used for long",
        "refresh_reused" => "A refresh token was used twice",
        "tampering" => "A record disagrees with the audit trail",
        "channel_failing" => "A channel does not get through",
        other => other,
    }
}

fn form(
    console: &Console,
    who: &Who,
    status: StatusCode,
    typed: &Fields,
    wrong: &[(String, String)],
) -> Answer {
    let way = |value, label, help| Choice {
        value,
        label,
        help,
        chosen: typed.text("way") == value,
    };
    let ways = [
        way("email", "E-mail", "to people"),
        way(
            "webhook",
            "Webhook",
            "signed requests to a program; its secret is shown once",
        ),
    ];
    let kinds: Vec<Choice<'_>> = WORDS
        .iter()
        .map(|word| Choice {
            value: word,
            label: kind_words(word),
            help: "",
            chosen: typed.has("notice_kinds", word),
        })
        .collect();
    let title = "New channel";
    let body = html! {
        (head(title, "How it reaches people stays for good.", &html! {}))
        (summary(wrong))
        form #f-form method="post" action="/console/settings/channels/new" {
            (key_field(who))
            (once_field(console)?)
            (Field { value: typed.text("name"), required: true, wrong, ..Field::text("name", "Name") }.html())
            (choices("way", "radio", "Way", "", &ways, wrong))
            (lines("recipients", "Recipients", "For e-mail: one address a line, at most 20.", typed.text("recipients"), wrong))
            (Field { value: typed.text("url"), help: "For a webhook: https:// and a public host.", wrong, ..Field::text("url", "Address") }.html())
            (choices("notice_kinds", "checkbox", "Which notices", "None ticked means every one.", &kinds, wrong))
            div class="acts" {
                a class="button" href=(PATH) { "Cancel" }
                button class="primary" type="submit" { "Make channel" }
            }
        }
    };
    Ok(page(console, who, status, title, &TRAIL, body))
}
