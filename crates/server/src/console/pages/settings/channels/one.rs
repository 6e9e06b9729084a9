//! One channel: how it stands, what went out over it, and what is done to it.

use authority::notices::Delivery;
use authority::notices::channels::{ChannelState, EditChannel};
use authority::notices::courier::Outcome;
use axum::extract::{Path, State};
use credential::id::NoticeId;
use credential::notice::channel::{Wanted, Way};
use credential::notice::delivery::State as DeliveryState;
use http::StatusCode;
use maud::{Markup, html};

use super::new::{Shown, TRAIL, issued, kind_words};
use super::{Answer, PATH, ROWS, id, page, receivers, state, way_words};
use crate::console::Console;
use crate::console::fields::query;
use crate::console::gate::{Posted, Who};
use crate::console::no::{No, at_form, see_other};
use crate::console::page::{Place, key_field};
use crate::console::pages::asked::{Asked, mistyped};
use crate::console::pages::keys::{once, once_field};
use crate::console::pages::settings::may_write;
use crate::console::pages::sign_in::done;
use crate::console::parts::{Tone, ahead, at, badge, day, facts, head, note, pager};

pub(super) async fn show(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    render(&console, &who, &text, None).await
}

/// Sends a message now, and says what came of it.
pub(super) async fn test(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let who = posted.who;
    let caller = &who.signed_in.caller;
    let outcome = console.authority.test_channel(caller, id(&text)?).await?;
    render(&console, &who, &text, Some(&outcome)).await
}

async fn render(console: &Console, who: &Who, text: &str, tested: Option<&Outcome>) -> Answer {
    let caller = &who.signed_in.caller;
    let known = console.authority.channel(caller, id(text)?).await?;
    let channel = &known.channel;
    let path = format!("{PATH}/{}", channel.id);
    let before: Option<NoticeId> = who.visit.query.get("before").and_then(|id| id.parse().ok());
    let found = console
        .authority
        .deliveries(caller, channel.id, before, ROWS + 1);
    let mut found = found.await?;
    let more = found.len() > ROWS;
    found.truncate(ROWS);
    let next = found.last().filter(|_| more).map(|last| {
        let id = last.notice.to_string();
        format!("{path}{}", query(&[("before", &id)]))
    });
    let now = console.authority.now();
    let title = channel.name.as_str();
    let wanted = html! {
        @match &channel.wanted {
            Wanted::All => "Every one",
            Wanted::Kinds(kinds) => @for (number, kind) in kinds.iter().enumerate() { @if number > 0 { "; " } (kind_words(kind)) },
        }
    };
    let mut told = vec![
        ("Status", state(&known)),
        ("Way", html! { (way_words(&channel.way)) }),
        ("To", receivers(channel)),
        ("Which notices", wanted),
    ];
    if let Some(since) = known.failing_since {
        told.push(("Nothing gets through since", ahead(since, now)));
    }
    if let Way::Webhook(hook) = &channel.way
        && let Some((_, until)) = hook.previous.as_ref().filter(|(_, until)| *until > now)
    {
        told.push(("The secret before signs too until", ahead(*until, now)));
    }
    told.push(("Created", at(channel.created_at)));
    let body = html! {
        (done(&who.visit))
        @match tested {
            Some(Outcome::Delivered { words }) => (note(Tone::Good, "The test message arrived", &html! { p { (words) } })),
            Some(other) => (note(Tone::Bad, "The test message did not arrive", &html! { p { (other.words()) } })),
            None => {}
        }
        (head(title, "", &acts(console, who, &known, &path)))
        (facts(&told))
        h2 { "Deliveries" }
        @if found.is_empty() { p class="soft" { "Nothing went out over it yet." } } @else {
            (deliveries(&found))
            (pager(found.len(), before.map(|_| path.as_str()), next.as_deref()))
        }
    };
    Ok(page(console, who, StatusCode::OK, title, &TRAIL, body))
}

fn acts(console: &Console, who: &Who, known: &ChannelState, path: &str) -> Markup {
    let (turn, words) = match known.channel.active {
        true => ("off", "Turn off"),
        false => ("on", "Turn on"),
    };
    html! {
        @if may_write(console, who).is_ok() {
            form method="post" action={ (path) "/test" } { (key_field(who)) button class="primary" type="submit" { "Send test message" } }
            form method="post" action={ (path) "/turn" } { (key_field(who)) button type="submit" name="active" value=(turn) { (words) } }
            @if matches!(known.channel.way, Way::Webhook(_)) { a class="button" href={ (path) "/secret" } { "New secret" } }
            a class="button danger" href={ (path) "/remove" } { "Remove" }
        }
    }
}

fn deliveries(found: &[Delivery]) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Deliveries" {
            table {
                thead {
                    tr {
                        th scope="col" { "Notice" } th scope="col" { "Status" } th scope="col" class="number" { "Tries" } th scope="col" { "What came of the last" }
                        th scope="col" { "Since" } th scope="col" { "Last try" } th scope="col" { "Next try" }
                    }
                }
                tbody {
                    @for delivery in found {
                        tr {
                            th scope="row" class="mono" { (delivery.notice) }
                            td { (delivery_state(delivery.state)) }
                            td class="number" { (delivery.tries) }
                            td { @if delivery.outcome.is_empty() { span class="soft" { "Nothing yet" } } @else { (delivery.outcome) } }
                            td { (at(delivery.created_at)) }
                            td { (day(delivery.tried_at, "Not yet")) }
                            td { (day((delivery.state == DeliveryState::Pending).then_some(delivery.due_at), "None")) }
                        }
                    }
                }
            }
        }
    }
}

fn delivery_state(state: DeliveryState) -> Markup {
    match state {
        DeliveryState::Pending => badge(Tone::Warn, "Waiting"),
        DeliveryState::Delivered => badge(Tone::Good, "Delivered"),
        DeliveryState::Failed => badge(Tone::Bad, "Failed"),
        DeliveryState::Dropped => badge(Tone::Plain, "Dropped"),
    }
}

pub(super) async fn turn(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let Posted { who, form } = posted;
    let (active, word) = match form.text("active") {
        "on" => (true, "channel-on"),
        "off" => (false, "channel-off"),
        _ => return Err(No::BadRequest),
    };
    let edit = EditChannel {
        active: Some(active),
        ..EditChannel::default()
    };
    let caller = &who.signed_in.caller;
    let turned = console
        .authority
        .edit_channel(caller, id(&text)?, edit, None);
    let id = turned.await?.value.channel.id;
    Ok(see_other(&format!("{PATH}/{id}?done={word}")))
}

pub(super) async fn ask_secret(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    let known = changeable(&console, &who, &text).await?;
    if matches!(known.channel.way, Way::Email(_)) {
        return Err(No::NotFound);
    }
    asked(&console, &who, StatusCode::OK, &known, Act::Secret, &[])
}

pub(super) async fn secret(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let Posted { who, form } = posted;
    let known = changeable(&console, &who, &text).await?;
    let once = once(&form, "new secret of a channel")?;
    let shown = Shown::default();
    let rotated = console
        .authority
        .rotate_channel_secret(
            &who.signed_in.caller,
            known.channel.id,
            None,
            Some(once),
            shown.keeper(),
        )
        .await;
    match rotated {
        Ok(opened) => Ok(issued(&console, &who, opened, &shown, "saved")),
        Err(failure) => {
            let (status, wrong) = at_form(failure, "form")?;
            asked(&console, &who, status, &known, Act::Secret, &wrong)
        }
    }
}

pub(super) async fn ask_remove(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    let known = changeable(&console, &who, &text).await?;
    asked(&console, &who, StatusCode::OK, &known, Act::Remove, &[])
}

pub(super) async fn remove(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let Posted { who, form } = posted;
    let known = changeable(&console, &who, &text).await?;
    let name = known.channel.name.as_str();
    if let Some(wrong) = mistyped(&form, name) {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return asked(&console, &who, status, &known, Act::Remove, &[wrong]);
    }
    let removed = console
        .authority
        .delete_channel(&who.signed_in.caller, known.channel.id, None);
    removed.await?;
    Ok(see_other(&format!("{PATH}?done=channel-removed")))
}

/// The channel that a path is about, for somebody who is about to change it.
async fn changeable(console: &Console, who: &Who, text: &str) -> Result<ChannelState, No> {
    let caller = &who.signed_in.caller;
    let known = console.authority.channel(caller, id(text)?).await?;
    may_write(console, who)?;
    Ok(known)
}

#[derive(Clone, Copy)]
enum Act {
    Secret,
    Remove,
}

fn asked(
    console: &Console,
    who: &Who,
    status: StatusCode,
    known: &ChannelState,
    act: Act,
    wrong: &[(String, String)],
) -> Answer {
    let name = known.channel.name.as_str();
    let path = format!("{PATH}/{}", known.channel.id);
    let own = format!("/settings/channels/{}", known.channel.id);
    let mut trail = TRAIL.to_vec();
    trail.push((name, &own));
    let (title, what, more, last) = match act {
        Act::Secret => (
            "New secret",
            html! { p { "The new secret is shown once. The one so far signs besides it for a day, so that the receiver can change over." } },
            once_field(console)?,
            "secret",
        ),
        Act::Remove => (
            "Remove channel",
            html! { p { "Nothing goes out over it any more, what waits is dropped, and what went out is listed nowhere. This cannot be undone." } },
            html! {},
            "remove",
        ),
    };
    Ok(Asked {
        title,
        name,
        place: Place::Settings,
        trail: &trail,
        what,
        action: &format!("{path}/{last}"),
        back: &path,
        more,
        grave: matches!(act, Act::Remove),
        typed: matches!(act, Act::Remove).then_some("Name of the channel"),
        wrong,
    }
    .answer(console, who, status))
}
