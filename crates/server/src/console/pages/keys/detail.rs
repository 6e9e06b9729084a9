//! One key: what it is, what it may, how it stands, what happened to it.

use authority::audit::AuditQuery;
use axum::extract::{Path, State};
use credential::event::SubjectKind;
use credential::grant::Resources;
use credential::key::{Key, Maker, State as KeyState};
use http::StatusCode;
use maud::{Markup, html};

use super::list::kind_words;
use super::{Answer, id};
use crate::console::Console;
use crate::console::gate::Who;
use crate::console::page::{Page, Place, key_field};
use crate::console::pages::sign_in::done;
use crate::console::parts::{ahead, at, badge, conditions, day, facts, head};

pub(super) async fn show(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    let authority = &console.authority;
    let caller = &who.signed_in.caller;
    let key = authority.key(caller, id(&text)?).await?;
    let now = authority.now();
    let uses = authority.last_uses(std::slice::from_ref(&key)).await?;
    let uses = uses.into_iter().next().unwrap_or_default();
    let used = uses.iter().map(|usage| usage.last_used_at).max();
    let world = authority.world();
    let path = format!("/console/keys/{}", key.id);
    let acts = html! {
        @if !key.is_revoked() {
            @match key.state {
                KeyState::Disabled { .. } => {
                    form method="post" action={ (path) "/enable" } { (key_field(&who)) button class="primary" type="submit" { "Enable" } }
                }
                _ => { a class="button" href={ (path) "/disable" } { "Disable" } }
            }
            a class="button" href={ (path) "/rotate" } { "Rotate" }
            a class="button danger" href={ (path) "/revoke" } { "Revoke" }
        }
    };
    let maker = match key.created_by {
        Maker::System => "the server".to_owned(),
        Maker::User(user) => world
            .user(user)
            .map_or_else(|| user.to_string(), |user| user.name.as_str().to_owned()),
        Maker::Key(key) => format!("key {key}"),
    };
    let body = html! {
        (done(&who.visit))
        (head(key.name.as_str(), key.comment.as_str(), &acts))
        p { @for (tone, word) in conditions(&key, None, used, now) { (badge(tone, word)) " " } }
        (facts(&[
            ("Key ID", html! { code #key-id { (key.id) } " " button type="button" class="plain" data-copy="key-id" data-what="Key ID" { "Copy" } }),
            ("Type", html! { (kind_words(key.kind)) }),
            ("Product", html! { (world.product(&key.product).map_or(key.product.as_str(), |product| &product.title)) }),
            ("Expires", html! { @match key.expires_at { Some(end) => (ahead(end, now)), None => "Never" } }),
            ("Created", html! { (at(key.created_at)) " by " (maker) }),
            ("Last used", day(used, "Never")),
            ("Allowed addresses", html! {
                @if key.addresses.networks().is_empty() { "Everywhere" }
                @for network in key.addresses.networks() { code { (network) } " " }
            }),
            ("Limits", html! {
                @if key.limits.is_empty() { "None of its own" }
                @for limit in &key.limits { (limit.quota()) " in any " (limit.window().seconds()) " s " span class="soft" { "(" (limit.name()) ")" } " " }
            }),
        ]))
        h2 { "Roles and scopes" }
        (granted(&console, &key))
        h2 { "Secrets" }
        (secrets(&key, &uses, now))
        (activity(&console, &who, &key).await?)
    };
    Ok(Page {
        console: &console,
        who: &who,
        title: key.name.as_str(),
        place: Place::Keys,
        trail: &[("Overview", ""), ("API keys", "/keys")],
        body,
    }
    .answer(StatusCode::OK))
}

/// What the key was given, and what that is worth now.
fn granted(console: &Console, key: &Key) -> Markup {
    let world = console.authority.world();
    let reach = |resources: &Resources| match resources {
        Resources::All => "all resources".to_owned(),
        Resources::Listed(listed) => {
            let ids: Vec<&str> = listed.ids().iter().map(String::as_str).collect();
            format!("{}: {}", listed.kind(), ids.join(", "))
        }
    };
    html! {
        ul {
            @for grant in key.grants.roles() {
                @let role = world.role(grant.role);
                li {
                    strong { (role.map_or("a role that is gone", |role| role.name.as_str())) } " "
                    span class="soft" { "for " (reach(&grant.resources)) }
                    @if let Some(role) = role {
                        details { summary { (role.scopes.len()) " scopes" } p class="mono" { @for scope in &role.scopes { (scope.as_str()) " " } } }
                    }
                }
            }
            @for grant in key.grants.scopes() {
                li { code { (grant.scope.as_str()) } " " span class="soft" { "for " (reach(&grant.resources)) } }
            }
        }
    }
}

/// Its live secrets: since when, until when, and when each was last used.
fn secrets(key: &Key, uses: &[authority::UsageRow], now: credential::time::Instant) -> Markup {
    let used = |generation: u32| {
        let of = uses.iter().find(|usage| usage.generation == generation);
        of.map(|usage| usage.last_used_at)
    };
    let previous = key.previous.iter().filter(|previous| now < previous.until);
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Secrets" {
            table {
                thead { tr { th scope="col" { "Secret" } th scope="col" { "Since" } th scope="col" { "Until" } th scope="col" { "Last used" } } }
                tbody {
                    tr {
                        th scope="row" { "The current one" }
                        td { (at(key.current.since)) } td { (day(key.expires_at, "Replaced or revoked")) }
                        td { (day(used(key.current.generation), "Never")) }
                    }
                    @for previous in previous {
                        tr {
                            th scope="row" { "The one before" }
                            td { (at(previous.credential.since)) } td { (ahead(previous.until, now)) }
                            td { (day(used(previous.credential.generation), "Never")) }
                        }
                    }
                }
            }
        }
    }
}

/// The last things that happened to it, for those who may read the trail.
async fn activity(
    console: &Console,
    who: &Who,
    key: &Key,
) -> Result<Markup, crate::console::no::No> {
    const EVENTS: usize = 20;
    let caller = &who.signed_in.caller;
    if !console.authority.person_may(caller, "latchkey.audit:read") {
        return Ok(html! {});
    }
    let mut query = AuditQuery::default();
    query.filter.organization = Some(key.organization);
    query.filter.subject_kind = Some(SubjectKind::Key);
    query.filter.subject_id = Some(key.id.to_string());
    let events = console.authority.audit(caller, query, None, EVENTS).await?;
    Ok(html! {
        h2 { "Activity" }
        div class="scroll" tabindex="0" role="region" aria-label="Activity" {
            table {
                thead { tr { th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "Who" } th scope="col" { "From" } } }
                tbody {
                    @for event in &events {
                        tr {
                            td { (at(event.event.at)) }
                            th scope="row" { (event.event.action.as_str()) }
                            td { (event.event.actor.kind.as_str()) " " span class="soft small" { (event.event.actor.id) } }
                            td { (event.event.actor.address.map(|address| address.to_string()).unwrap_or_default()) }
                        }
                    }
                }
            }
        }
    })
}
