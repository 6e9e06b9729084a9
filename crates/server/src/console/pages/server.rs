//! The server itself, for its operator: what it is made of, how it stands, and its jobs.

use authority::jobs::Job;
use authority::operate::{Engine, ServerParts, ServerState, Stage};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use http::StatusCode;
use maud::{Markup, html};

use super::Answer;
use crate::console::Console;
use crate::console::gate::{Posted, Who};
use crate::console::no::see_other;
use crate::console::page::{Page, Place, key_field};
use crate::console::pages::sign_in::done;
use crate::console::parts::{Tone, at, badge, facts, head, note};

const OPERATE: &str = "latchkey.server:operate";

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/server", get(show))
        .route("/console/server/jobs/{name}", post(run))
}

async fn show(State(console): State<Console>, who: Who) -> Answer {
    let authority = &console.authority;
    let caller = &who.signed_in.caller;
    let state = authority.server_state(caller).await?;
    let parts = authority.server_parts(caller).await?;
    let operates = authority.person_may(caller, OPERATE);
    let body = html! {
        (done(&who.visit))
        (head("Server", "How the replica that answers stands, and what the server is made of.", &html! {}))
        (standing(&console, &state, &parts))
        h2 { "Replicas" }
        (replicas(&parts, state.revision))
        h2 { "Signing keys" }
        (signing_keys(&parts))
        h2 { "Jobs" }
        (jobs(&who, operates))
        h2 { "Verdicts since this replica started" }
        (verdicts(&state))
    };
    Ok(Page {
        console: &console,
        who: &who,
        title: "Server",
        place: Place::Server,
        trail: &[("Overview", "")],
        body,
    }
    .answer(StatusCode::OK))
}

/// Runs a job once, now.
async fn run(State(console): State<Console>, Path(name): Path<String>, posted: Posted) -> Answer {
    let caller = &posted.who.signed_in.caller;
    console.authority.run_job_by(caller, &name).await?;
    Ok(see_other("/console/server?done=job"))
}

fn standing(console: &Console, state: &ServerState, parts: &ServerParts) -> Markup {
    let (engine, version) = &parts.engine;
    let engine = match engine {
        Engine::Sqlite => "SQLite",
        Engine::Postgres => "PostgreSQL",
    };
    let fresh = match state.fresh {
        true => badge(Tone::Good, "Current"),
        false => badge(Tone::Bad, "Not current"),
    };
    facts(&[
        ("Version", html! { (console.version) }),
        ("Database", html! { (engine) " " (version) }),
        (
            "This replica",
            html! { (fresh) " " span class="soft small" { "it last knew everything " (state.freshness_age.millis()) " ms ago" } },
        ),
        ("Last change applied", html! { (state.revision) }),
        ("Keys read from the store", html! { (state.keyring_loads) }),
    ])
}

fn replicas(parts: &ServerParts, revision: i64) -> Markup {
    html! {
        @if parts.replicas.is_empty() {
            p class="soft" { "None is registered." }
        } @else {
            div class="scroll" tabindex="0" role="region" aria-label="Replicas" {
                table {
                    thead { tr { th scope="col" { "Name" } th scope="col" { "Status" } th scope="col" class="number" { "Last change applied" } th scope="col" { "Since" } } }
                    tbody {
                        @for replica in &parts.replicas {
                            tr {
                                th scope="row" { (replica.name) }
                                td {
                                    @match replica.fenced_at {
                                        Some(since) => { (badge(Tone::Bad, "Silent")) " since " (at(since)) }
                                        None if replica.acknowledged < revision => (badge(Tone::Warn, "Behind")),
                                        None => (badge(Tone::Good, "Current")),
                                    }
                                }
                                td class="number" { (replica.acknowledged) }
                                td { (at(replica.registered_at)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn signing_keys(parts: &ServerParts) -> Markup {
    html! {
        @if parts.tampered_signing_keys > 0 {
            (note(Tone::Bad, "Signing keys were changed outside the server", &html! { p { (parts.tampered_signing_keys) " of them sign nothing any more, and what they signed is refused." } }))
        }
        @if parts.signing_keys.is_empty() {
            p class="soft" { "None was made yet: the first is made when a token is to be signed." }
        } @else {
            div class="scroll" tabindex="0" role="region" aria-label="Signing keys" {
                table {
                    thead { tr { th scope="col" { "Key ID (kid)" } th scope="col" { "Algorithm" } th scope="col" { "Status" } th scope="col" { "Created" } } }
                    tbody {
                        @for key in &parts.signing_keys {
                            tr {
                                th scope="row" class="mono" { (key.kid) }
                                td { (key.algorithm) }
                                td {
                                    (match key.stage {
                                        Stage::Published => badge(Tone::Plain, "Published"),
                                        Stage::Active => badge(Tone::Good, "Signs"),
                                        Stage::Retired => badge(Tone::Plain, "Retired"),
                                        Stage::Revoked => badge(Tone::Bad, "Revoked"),
                                    })
                                }
                                td { (at(key.created_at)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn jobs(who: &Who, operates: bool) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Jobs" {
            table {
                thead { tr { th scope="col" { "Name" } th scope="col" { "What it does" } @if operates { th scope="col" { "Run" } } } }
                tbody {
                    @for job in Job::ALL {
                        tr {
                            th scope="row" { (job.as_str()) }
                            td { (job_words(job)) }
                            @if operates {
                                td {
                                    form method="post" action={ "/console/server/jobs/" (job.as_str()) } {
                                        (key_field(who))
                                        button type="submit" { "Run now" span class="hidden-text" { ": " (job.as_str()) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn job_words(job: Job) -> &'static str {
    match job {
        Job::Poll => "Follows the feed of changes, which keeps this replica current.",
        Job::Usage => "Writes down how keys were used.",
        Job::Limits => "Gives back what limits hold in reserve and nobody uses.",
        Job::Checkpoint => "Signs the end of the audit trail.",
        Job::Notices => "Tells people what is due.",
        Job::Deliveries => "Sends what was told over the channels that want it.",
        Job::Compare => "Holds the rows against the audit trail.",
        Job::Purge => "Removes what is over.",
        Job::SigningKeys => "Makes and retires signing keys.",
        Job::Rekey => "Seals rows anew after the vault was rolled over.",
    }
}

fn verdicts(state: &ServerState) -> Markup {
    let given: Vec<_> = state
        .verdicts
        .iter()
        .filter(|(_, count)| *count > 0)
        .collect();
    html! {
        @if given.is_empty() {
            p class="soft" { "None was given yet." }
        } @else {
            div class="scroll" tabindex="0" role="region" aria-label="Verdicts" {
                table {
                    thead { tr { th scope="col" { "Code" } th scope="col" class="number" { "Given" } } }
                    tbody { @for (code, count) in &given { tr { th scope="row" class="mono" { (code) } td class="number" { (count) } } } }
                }
            }
        }
    }
}
