//! What is done to a key. Each act has a page of its own that says what it does before it is done, and how grave it is.

use authority::Idempotency;
use authority::keys::Outcome;
use axum::extract::{Path, State};
use axum::response::Response;
use credential::key::Key;
use credential::secret::Digest;
use credential::time::Span;
use http::StatusCode;
use maud::{Markup, html};

use super::{Answer, id, issued};
use crate::console::Console;
use crate::console::gate::{Posted, Who};
use crate::console::no::{No, see_other};
use crate::console::page::{Page, Place, key_field};
use crate::console::parts::{Choice, Field, ahead, choices, head, summary};

/// The overlaps that are offered, in seconds, and their words.
const OVERLAPS: [(&str, &str); 4] = [
    ("0", "None: the old secret ends at once"),
    ("900", "15 minutes"),
    ("3600", "1 hour"),
    ("86400", "24 hours"),
];

/// An act, before it is done.
struct Asked<'a> {
    title: &'a str,
    what: Markup,
    button: &'a str,
    path: String,
    grave: bool,
    more: Markup,
    wrong: &'a [(String, String)],
}

pub(super) async fn ask_disable(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    let key = console
        .authority
        .key(&who.signed_in.caller, id(&text)?)
        .await?;
    let asked = Asked {
        title: "Disable key",
        what: html! { p { "Every request with this key is refused from now on, until somebody enables it again." } },
        button: "Disable key",
        path: format!("/console/keys/{}/disable", key.id),
        grave: false,
        more: html! {},
        wrong: &[],
    };
    page(&console, &who, &key, StatusCode::OK, asked).await
}

pub(super) async fn disable(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let id = id(&text)?;
    let caller = &posted.who.signed_in.caller;
    console.authority.disable_key(caller, id, None).await?;
    Ok(see_other(&format!("/console/keys/{id}?done=disabled")))
}

pub(super) async fn enable(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let id = id(&text)?;
    let caller = &posted.who.signed_in.caller;
    console.authority.enable_key(caller, id, None).await?;
    Ok(see_other(&format!("/console/keys/{id}?done=enabled")))
}

pub(super) async fn ask_revoke(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    let key = console
        .authority
        .key(&who.signed_in.caller, id(&text)?)
        .await?;
    revoking(&console, &who, &key, StatusCode::OK, &[]).await
}

/// Ends a key for good, once its name was typed.
pub(super) async fn revoke(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let Posted { who, form } = posted;
    let caller = &who.signed_in.caller;
    let key = console.authority.key(caller, id(&text)?).await?;
    if form.text("name") != key.name.as_str() {
        let wrong = [(
            "name".to_owned(),
            "This is not the key's name; type it exactly.".to_owned(),
        )];
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return revoking(&console, &who, &key, status, &wrong).await;
    }
    console.authority.revoke_key(caller, key.id, None).await?;
    Ok(see_other(&format!("/console/keys/{}?done=revoked", key.id)))
}

pub(super) async fn ask_rotate(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    let key = console
        .authority
        .key(&who.signed_in.caller, id(&text)?)
        .await?;
    let most = console
        .authority
        .world()
        .product(&key.product)
        .map_or(Span::ZERO, |product| product.max_overlap);
    let offered: Vec<Choice<'_>> = OVERLAPS
        .iter()
        .filter(|(seconds, _)| {
            seconds
                .parse()
                .is_ok_and(|seconds: i64| seconds <= most.seconds())
        })
        .map(|(value, label)| Choice {
            value,
            label,
            help: "",
            chosen: *value == "0",
        })
        .collect();
    let asked = Asked {
        title: "Rotate key",
        what: html! { p { "The key gets a new secret, which is shown once. It keeps its ID, its name and everything it may do." } },
        button: "Rotate key",
        path: format!("/console/keys/{}/rotate", key.id),
        grave: false,
        more: html! {
            (choices("overlap", "radio", "How long the old secret goes on", "", &offered, &[]))
            (issued::once_field(&console)?)
        },
        wrong: &[],
    };
    page(&console, &who, &key, StatusCode::OK, asked).await
}

pub(super) async fn rotate(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let Posted { who, form } = posted;
    let id = id(&text)?;
    let overlap = form.get("overlap").and_then(|text| text.parse().ok());
    let overlap = Span::from_secs(overlap.unwrap_or(0));
    let once = Idempotency {
        key: form.get("once").ok_or(No::BadRequest)?.to_owned(),
        request: *Digest::of(&format!("console rotate {id} {}", overlap.seconds())).as_bytes(),
    };
    let caller = &who.signed_in.caller;
    let rotated = console
        .authority
        .rotate_key(
            caller,
            id,
            Some(overlap),
            None,
            Some(once),
            issued::remembered,
        )
        .await?;
    match rotated {
        Outcome::New(fresh) => Ok(issued::show(&console, &who, &fresh)),
        Outcome::Repeat(_) => Ok(issued::shown_before(&console, &who, &id.to_string())),
    }
}

async fn revoking(
    console: &Console,
    who: &Who,
    key: &Key,
    status: StatusCode,
    wrong: &[(String, String)],
) -> Answer {
    let asked = Asked {
        title: "Revoke key",
        what: html! {
            p { "The key ends for good, everywhere, before this page comes back. It cannot be brought back: a new key is needed." }
        },
        button: "Revoke key",
        path: format!("/console/keys/{}/revoke", key.id),
        grave: true,
        more: Field {
            help: "To be sure that it is the right one.",
            required: true,
            wrong,
            ..Field::text("name", "Type the name of the key")
        }
        .html(),
        wrong,
    };
    page(console, who, key, status, asked).await
}

async fn page(
    console: &Console,
    who: &Who,
    key: &Key,
    status: StatusCode,
    asked: Asked<'_>,
) -> Answer {
    let uses = console
        .authority
        .last_uses(std::slice::from_ref(key))
        .await?;
    let used = uses.iter().flatten().map(|usage| usage.last_used_at).max();
    let now = console.authority.now();
    let title = format!("{} {}", asked.title, key.name.as_str());
    let back = format!("/console/keys/{}", key.id);
    let body = html! {
        (head(&title, "", &html! {}))
        (summary(asked.wrong))
        (asked.what)
        p {
            @match used {
                Some(used) => { "It was last used " (ahead(used, now)) "." }
                None => "It was never used, as far as is known."
            }
        }
        form method="post" action=(asked.path) {
            (key_field(who))
            (asked.more)
            div class="acts" {
                a class="button" href=(back) { "Cancel" }
                button class=(if asked.grave { "primary danger" } else { "primary" }) type="submit" { (asked.button) }
            }
        }
    };
    let name = format!("/keys/{}", key.id);
    let trail = [
        ("Overview", ""),
        ("API keys", "/keys"),
        (key.name.as_str(), name.as_str()),
    ];
    let answer: Response = Page {
        console,
        who,
        title: asked.title,
        place: Place::Keys,
        trail: &trail,
        body,
    }
    .answer(status);
    Ok(answer)
}
