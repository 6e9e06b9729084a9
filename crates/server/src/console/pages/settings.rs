//! What an organization chooses for itself: when people are told of keys, whether reaches are enforced, and its channels.

mod channels;
mod reach;

use authority::organizations::{EditSettings, OrganizationSettings};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use credential::notice::Policy;
use credential::time::Span;
use http::StatusCode;
use maud::{Markup, html};

use super::Answer;
use crate::console::Console;
use crate::console::fields::Fields;
use crate::console::gate::{Posted, Who};
use crate::console::no::{No, at_form, see_other};
use crate::console::page::{Page, Place, key_field};
use crate::console::pages::sign_in::done;
use crate::console::parts::{Field, Tone, badge, facts, head, summary};

const WRITE: &str = "latchkey.settings:write";
/// Units in which a time is read and shown, the longest first, in seconds.
const UNITS: [(&str, i64); 4] = [
    ("day", 86_400),
    ("hour", 3600),
    ("minute", 60),
    ("second", 1),
];
/// The longest number of units that is read: beyond it nothing is allowed anyway.
const MAX_NUMBER: i64 = 100_000_000;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/settings", get(show).post(save))
        .route("/console/settings/reach", get(reach::ask).post(reach::turn))
        .merge(channels::routes())
}

async fn show(State(console): State<Console>, who: Who) -> Answer {
    let settings = settings(&console, &who).await?;
    let typed = Typed::of(&settings);
    Ok(form(&console, &who, StatusCode::OK, &settings, &typed, &[]))
}

async fn save(State(console): State<Console>, posted: Posted) -> Answer {
    let Posted { who, form: sent } = posted;
    may_write(&console, &who)?;
    let settings = settings(&console, &who).await?;
    let typed = Typed::sent(&sent);
    let policy = match typed.policy() {
        Ok(policy) => policy,
        Err(wrong) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Ok(form(&console, &who, status, &settings, &typed, &wrong));
        }
    };
    let edit = EditSettings {
        notices: Some(policy),
        enforce_reach: None,
    };
    let version = sent.get("version").and_then(|text| text.parse().ok());
    let caller = &who.signed_in.caller;
    let saved =
        console
            .authority
            .edit_organization_settings(caller, caller.organization, edit, version);
    match saved.await {
        Ok(_) => Ok(see_other("/console/settings?done=saved")),
        Err(failure) => {
            let (status, wrong) = at_form(failure, "form")?;
            Ok(form(&console, &who, status, &settings, &typed, &wrong))
        }
    }
}

async fn settings(console: &Console, who: &Who) -> Result<OrganizationSettings, No> {
    let caller = &who.signed_in.caller;
    let settings = console
        .authority
        .organization_settings(caller, caller.organization);
    Ok(settings.await?)
}

fn may_write(console: &Console, who: &Who) -> Result<(), No> {
    match console.authority.person_may(&who.signed_in.caller, WRITE) {
        true => Ok(()),
        false => Err(No::Forbidden(WRITE.to_owned())),
    }
}

/// The times of a policy, as people read and write them.
struct Typed {
    soon: String,
    very_soon: String,
    refresh: String,
    unused: String,
}

impl Typed {
    fn of(settings: &OrganizationSettings) -> Self {
        let policy = &settings.notices;
        Self {
            soon: long(policy.soon),
            very_soon: long(policy.very_soon),
            refresh: policy.refresh_divisor.to_string(),
            unused: policy.unused.map(long).unwrap_or_default(),
        }
    }

    fn sent(form: &Fields) -> Self {
        Self {
            soon: form.text("soon").to_owned(),
            very_soon: form.text("very_soon").to_owned(),
            refresh: form.text("refresh").to_owned(),
            unused: form.text("unused").to_owned(),
        }
    }

    fn policy(&self) -> Result<Policy, Vec<(String, String)>> {
        const HOW: &str = "a number and a unit, such as 7 days or 36 hours.";
        let mut wrong = Vec::new();
        let mut time = |name: &str, label: &str, text: &str| {
            let read = span(text);
            if read.is_none() {
                wrong.push((name.to_owned(), format!("{label}: {HOW}")));
            }
            read
        };
        let soon = time("soon", "First", &self.soon);
        let very_soon = time("very_soon", "Again", &self.very_soon);
        let unused = match self.unused.is_empty() {
            true => Some(None),
            false => time("unused", "Not used for", &self.unused).map(Some),
        };
        let refresh = self.refresh.parse::<u32>().ok().filter(|parts| *parts > 0);
        if refresh.is_none() {
            let why = "Refresh: a whole number from 1.";
            wrong.push(("refresh".to_owned(), why.to_owned()));
        }
        match (soon, very_soon, refresh, unused) {
            (Some(soon), Some(very_soon), Some(refresh_divisor), Some(unused)) => Ok(Policy {
                soon,
                very_soon,
                refresh_divisor,
                unused,
            }),
            _ => Err(wrong),
        }
    }
}

/// A time in the longest unit that tells it exactly.
pub(super) fn long(span: Span) -> String {
    let seconds = span.seconds();
    let exact = |unit: &&(&str, i64)| seconds % unit.1 == 0 && seconds >= unit.1;
    let (unit, length) = UNITS.iter().find(exact).unwrap_or(&UNITS[0]);
    let number = seconds / length;
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

/// A time as somebody typed it.
fn span(text: &str) -> Option<Span> {
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit())?;
    let number: i64 = text[..end].parse().ok()?;
    let word = text[end..].trim().to_ascii_lowercase();
    let word = word.strip_suffix('s').unwrap_or(&word);
    let (_, length) = UNITS.iter().find(|(unit, _)| *unit == word)?;
    (number <= MAX_NUMBER).then(|| Span::from_secs(number * length))
}

fn form(
    console: &Console,
    who: &Who,
    status: StatusCode,
    settings: &OrganizationSettings,
    typed: &Typed,
    wrong: &[(String, String)],
) -> Response {
    let may_write = may_write(console, who).is_ok();
    let field = |name, label, value: &str, help, required| -> Markup {
        Field {
            value,
            help,
            required,
            wrong,
            ..Field::text(name, label)
        }
        .html()
    };
    let enforced = match settings.enforce_reach {
        true => badge(Tone::Good, "On"),
        false => badge(Tone::Plain, "Off"),
    };
    let body = html! {
        (done(&who.visit))
        (head("Server settings", "What this organization chooses for itself.", &html! { a class="button" href="/console/settings/channels" { "Channels for notices" } }))
        (summary(wrong))
        h2 { "Scope-based access control" }
        p { "Keys, members and groups can be given the resources they reach. While this is on, requests that name a resource beyond that are refused; while it is off, only roles and scopes count." }
        p { "Enable scope-based access control: " (enforced) }
        @if may_write {
            p { a class="button" href="/console/settings/reach" { (if settings.enforce_reach { "Turn it off" } else { "See who would lose access, and turn it on" }) } }
        }
        h2 { "When people are told of keys" }
        @if may_write {
            form #f-form method="post" action="/console/settings" {
                (key_field(who))
                input type="hidden" name="version" value=(settings.version);
                (field("soon", "First, before a key expires", &typed.soon, "Such as 7 days or 36 hours; at most 732 days.", true))
                (field("very_soon", "Again, before a key expires", &typed.very_soon, "Not longer than the one above.", true))
                (field("refresh", "When a refresh token is in its last part, one of", &typed.refresh, "6 is the last sixth of its life: from day 50 of 60.", true))
                (field("unused", "When a key was not used for", &typed.unused, "Such as 90 days; empty never tells of it.", false))
                div class="acts" { button class="primary" type="submit" { "Save" } }
            }
        } @else {
            (facts(&[
                ("First, before a key expires", html! { (typed.soon) }),
                ("Again, before a key expires", html! { (typed.very_soon) }),
                ("Last part of a refresh token's life", html! { "1 of " (typed.refresh) }),
                ("When a key was not used for", html! { (if typed.unused.is_empty() { "Never told" } else { &typed.unused }) }),
            ]))
        }
    };
    Page {
        console,
        who,
        title: "Server settings",
        place: Place::Settings,
        trail: &[("Overview", "")],
        body,
    }
    .answer(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_as_it_is_shown() {
        for (text, seconds) in [
            ("7 days", 604_800),
            ("1 day", 86_400),
            ("36 hours", 129_600),
            ("90 seconds", 90),
            ("0 days", 0),
        ] {
            assert_eq!(span(text), Some(Span::from_secs(seconds)), "{text}");
            assert_eq!(long(Span::from_secs(seconds)), text);
        }
        for text in [
            "",
            "7",
            "days",
            "-1 day",
            "7 weeks",
            "999999999999 days",
            "7 day s",
        ] {
            assert_eq!(span(text), None, "{text}");
        }
    }
}
