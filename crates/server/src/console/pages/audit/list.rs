//! Records of the trail as rows: names where the reader may know them, ids where not.

use credential::event::{Actor, ActorKind, Sealed, Subject, SubjectKind};
use credential::id::{GroupId, OrganizationId, RoleId, UserId};
use maud::{Markup, html};

use crate::console::Console;
use crate::console::gate::Who;
use crate::console::parts::at;

pub(super) fn table(console: &Console, who: &Who, found: &[Sealed]) -> Markup {
    let names = Names { console, who };
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Records" {
            table {
                thead {
                    tr {
                        th scope="col" class="number" { "No." } th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "Action" }
                        th scope="col" { "Done to" } th scope="col" { "Address" } th scope="col" { "Request ID" } th scope="col" { "Detail" }
                    }
                }
                tbody {
                    @for sealed in found {
                        @let event = &sealed.event;
                        tr {
                            td class="number" { (event.seq) }
                            td { (at(event.at)) }
                            td { (names.actor(&event.actor)) }
                            th scope="row" { (event.action.as_str()) }
                            td { (names.subject(&event.subject)) }
                            td { @match event.actor.address { Some(address) => (address.to_string()), None => span class="soft" { "None" } } }
                            td { @match &event.actor.request_id { Some(id) => span class="mono id" { (id) }, None => span class="soft" { "None" } } }
                            td { (detail(&event.detail)) }
                        }
                    }
                }
            }
        }
    }
}

fn detail(detail: &str) -> Markup {
    html! {
        @if detail.is_empty() || detail == "{}" {
            span class="soft" { "None" }
        } @else {
            details { summary { "Show" } code class="id" { (detail) } }
        }
    }
}

/// Who the reader of the page may know by name.
struct Names<'n> {
    console: &'n Console,
    who: &'n Who,
}

impl Names<'_> {
    fn actor(&self, actor: &Actor) -> Markup {
        let subject = |kind| Subject {
            kind,
            id: actor.id.clone(),
        };
        match actor.kind {
            ActorKind::Key => self.subject(&subject(SubjectKind::Key)),
            ActorKind::User => self.subject(&subject(SubjectKind::User)),
            ActorKind::System => html! { "The server" },
            ActorKind::Setup => html! { "Set-up" },
            ActorKind::Nobody => html! { "Nobody known" },
        }
    }

    fn subject(&self, subject: &Subject) -> Markup {
        let kind = subject.kind.as_str().replace('_', " ");
        match self.place(subject) {
            Some((path, name)) => html! {
                a href={ "/console" (path) "/" (subject.id) } { (kind) " " @match &name { Some(name) => (name), None => span class="mono id" { (subject.id) } } }
            },
            None => html! { (kind) " " span class="mono id" { (subject.id) } },
        }
    }

    /// Where the thing has a page for the reader, and its name where that is at hand.
    fn place(&self, subject: &Subject) -> Option<(&'static str, Option<String>)> {
        let caller = &self.who.signed_in.caller;
        let world = self.console.authority.world();
        let may = |scope: &str| self.console.authority.person_may(caller, scope);
        let reached = |organization| world.administers(caller.home(), organization);
        match subject.kind {
            SubjectKind::Key if may("latchkey.keys:read") => Some(("/keys", None)),
            SubjectKind::User if may("latchkey.users:read") => {
                let user = world.user(subject.id.parse::<UserId>().ok()?)?;
                let name = user.name.as_str().to_owned();
                reached(user.organization).then_some(("/people", Some(name)))
            }
            SubjectKind::Group if may("latchkey.users:read") => {
                let group = world.group(subject.id.parse::<GroupId>().ok()?)?;
                let name = group.name.as_str().to_owned();
                reached(group.organization).then_some(("/groups", Some(name)))
            }
            SubjectKind::Role if may("latchkey.roles:read") => {
                let role = world.role(subject.id.parse::<RoleId>().ok()?)?;
                let name = role.name.as_str().to_owned();
                let known = role.organization.is_none_or(reached) && !role.deleted;
                known.then_some(("/roles", Some(name)))
            }
            SubjectKind::Organization if may("latchkey.organizations:read") => {
                let id = subject.id.parse::<OrganizationId>().ok()?;
                let name = world.organization(id)?.name.as_str().to_owned();
                reached(id).then_some(("/organizations", Some(name)))
            }
            _ => None,
        }
    }
}
