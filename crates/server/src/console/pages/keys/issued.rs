//! The page that shows a secret, once: the answer to the form that made it, kept by no cache and reached by no link.

use authority::Idempotency;
use authority::keys::{Issued, Shown};
use axum::response::Response;
use credential::secret::Digest;
use http::StatusCode;
use maud::{Markup, html};

use crate::console::Console;
use crate::console::fields::Fields;
use crate::console::gate::Who;
use crate::console::no::No;
use crate::console::page::{Page, Place};
use crate::console::parts::{Tone, ahead, at, head, note};

/// Under which name a form that shows a secret is answered once.
pub(in crate::console::pages) fn once(typed: &Fields, what: &str) -> Result<Idempotency, No> {
    let word = typed.get("once").ok_or(No::BadRequest)?;
    Ok(Idempotency {
        key: word.to_owned(),
        request: *Digest::of(&format!("console {what} {word}")).as_bytes(),
    })
}

/// A name under which a form that makes a secret is answered once, however often it is sent.
pub(in crate::console::pages) fn once_field(console: &Console) -> Result<Markup, No> {
    let once = console.authority.fresh_word().map_err(No::from)?;
    Ok(html! { input type="hidden" name="once" value=(once); })
}

/// What is remembered of the answer: nothing of the secret.
pub(super) fn remembered(issued: &Issued) -> Vec<u8> {
    issued.key.id.to_string().into_bytes()
}

/// What was made.
pub(super) fn show(console: &Console, who: &Who, issued: &Issued) -> Response {
    let key = &issued.key;
    let now = console.authority.now();
    let id = key
        .current
        .handle
        .clone()
        .unwrap_or_else(|| key.id.to_string());
    let values: Vec<(&str, &str, bool)> = match &issued.shown {
        Shown::Static { secret } => vec![("Key ID", &id, false), ("Key", secret.expose(), true)],
        Shown::Signed { secret } => vec![("Key ID", &id, false), ("Key", secret.expose(), true)],
        Shown::Client {
            client_id,
            client_secret,
        } => vec![
            ("Client ID", client_id, false),
            ("Client password", client_secret.expose(), true),
        ],
        Shown::TokenPair {
            access_token,
            refresh_token,
            ..
        } => vec![
            ("Key ID", &id, false),
            ("Access token", access_token.expose(), true),
            ("Refresh token", refresh_token.expose(), true),
        ],
        Shown::Jwt { token } => vec![
            ("Name", key.name.as_str(), false),
            ("JSON web token", token.expose(), true),
        ],
    };
    let body = html! {
        (head("Copy these now: they cannot be shown again", "Whoever has them can use the key. Store them where secrets belong.", &html! {}))
        @for (number, (label, value, secret)) in values.iter().enumerate() {
            @let field = format!("value-{number}");
            div class="secret" {
                label class="label" for=(field) { (label) }
                div class="inline" {
                    input id=(field) type="text" readonly value=(value) data-secret[*secret] autocomplete="off" spellcheck="false";
                    @if *secret { button type="button" data-show=(field) aria-pressed="false" hidden { "Show" } }
                    button type="button" data-copy=(field) data-what=(label) { "Copy" }
                }
            }
        }
        @if let Shown::TokenPair { access_expires_at, refresh_expires_at, .. } = &issued.shown {
            (note(Tone::Plain, "How long they are good", &html! {
                p { "The access token: until " (ahead(*access_expires_at, now)) "." }
                p { "The refresh token: until " (ahead(*refresh_expires_at, now)) ". Refresh at least every 50 days, always with the newest one." }
            }))
        }
        @if let Some(end) = key.expires_at { p { "The key itself expires on " (at(end)) "." } }
        form method="get" action={ "/console/keys/" (key.id) } data-guard {
            div class="choice" {
                input #f-stored type="checkbox" required;
                label for="f-stored" { "I have stored these" }
            }
            div class="acts" { button class="primary" type="submit" { "Done" } }
        }
    };
    Page {
        console,
        who,
        title: "Shown once",
        place: Place::Keys,
        trail: &[("Overview", ""), ("API keys", "/keys")],
        body,
    }
    .answer(StatusCode::OK)
}

/// The form was sent before: its secret was shown then.
pub(super) fn shown_before(console: &Console, who: &Who, id: &str) -> Response {
    let body = html! {
        (head("This secret was shown once", "It was the answer to the form that you sent before, and nobody can show it again. If it was not stored, rotate the key.", &html! {}))
        div class="acts" {
            a class="button primary" href={ "/console/keys/" (id) } { "To the key" }
        }
    };
    Page {
        console,
        who,
        title: "Shown once",
        place: Place::Keys,
        trail: &[("Overview", ""), ("API keys", "/keys")],
        body,
    }
    .answer(StatusCode::OK)
}
