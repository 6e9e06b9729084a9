//! The new key: product first, then what it is, what it may, until when and from where; then its secret, once.

use std::sync::Arc;

use authority::Failure;
use authority::Refusal;
use authority::catalog::Product;
use authority::keys::{CreateKey, Expiry, Outcome, Wish};
use authority::roles::RoleFilter;
use axum::extract::State;
use axum::response::Response;
use credential::grant::Resources;
use credential::id::RoleId;
use credential::key::{Addresses, Kind};
use credential::name::{Comment, Name, ProductName};
use credential::role::Role;
use credential::time::{Instant, Span};
use http::StatusCode;
use maud::{Markup, html};

use super::list::kind_words;
use super::{Answer, issued};
use crate::console::Console;
use crate::console::fields::Fields;
use crate::console::gate::{Posted, Who};
use crate::console::no::{No, sentence};
use crate::console::page::{Page, Place, key_field};
use crate::console::parts::{Choice, Field, Tone, choices, head, note, select, summary};

/// Roles that are offered at once; no product has as many.
const MOST_ROLES: usize = 500;
/// The longest time in days that a key may be made for by number: what lies further is never.
const MOST_DAYS: i64 = 36_500;

/// How the choice of a period begins; its name follows.
const PERIOD: &str = "period ";

/// Members of the form in which something is wrong, and why.
type Wrong = Vec<(String, String)>;

/// Asks for the product, or for everything else once it is known.
pub(super) async fn ask(State(console): State<Console>, who: Who) -> Answer {
    let world = console.authority.world();
    let named = who.visit.query.get("product").map(str::to_owned);
    let product = named.and_then(|name| {
        let name = ProductName::new(&name).ok()?;
        world.product(&name).cloned()
    });
    match product {
        None => Ok(products(&console, &who)),
        Some(product) => {
            form(
                &console,
                &who,
                &product,
                &Fields::default(),
                StatusCode::OK,
                &[],
            )
            .await
        }
    }
}

/// Makes the key and shows its secret.
pub(super) async fn make(State(console): State<Console>, posted: Posted) -> Answer {
    let Posted { who, form: typed } = posted;
    let world = console.authority.world();
    let name = ProductName::new(typed.text("product")).map_err(|_| No::BadRequest)?;
    let product = world.product(&name).cloned().ok_or(No::NotFound)?;
    let now = console.authority.now();
    let command = match read(&product, &typed, now) {
        Ok(command) => command,
        Err(wrong) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return form(&console, &who, &product, &typed, status, &wrong).await;
        }
    };
    let caller = &who.signed_in.caller;
    let once = issued::once(&typed, "new key")?;
    let made = console
        .authority
        .create_key(caller, command, Some(once), issued::remembered)
        .await;
    match made {
        Ok(Outcome::New(fresh)) => Ok(issued::show(&console, &who, &fresh)),
        Ok(Outcome::Repeat(id)) => {
            let id = String::from_utf8_lossy(&id).into_owned();
            Ok(issued::shown_before(&console, &who, &id))
        }
        Err(Failure::Refused(refusal)) => {
            let wrong = refused(&refusal).ok_or_else(|| No::from(Failure::Refused(refusal)))?;
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            form(&console, &who, &product, &typed, status, &wrong).await
        }
        Err(failure) => Err(failure.into()),
    }
}

/// The member that a refusal is about, if it is about one.
fn refused(refusal: &Refusal) -> Option<Wrong> {
    let (member, why) = match refusal {
        Refusal::Invalid { member, why } => {
            let member = match *member {
                "expires_at" | "expires_in" | "period" => "expiry",
                "grants" | "resources" => "roles",
                other => other,
            };
            (member, why.clone())
        }
        Refusal::NameTaken(_) => ("name", "another key has this name".to_owned()),
        Refusal::Ceiling(what) => ("roles", format!("{what} is beyond your own rights")),
        Refusal::Key(key) => ("expiry", key.to_string()),
        _ => return None,
    };
    Some(vec![(member.to_owned(), sentence(&why))])
}

/// What the form wants, or everything that is wrong in it.
fn read(product: &Product, typed: &Fields, now: Instant) -> Result<CreateKey, Wrong> {
    let mut wrong: Wrong = Vec::new();
    let mut bad = |member: &str, why: &dyn std::fmt::Display| {
        wrong.push((member.to_owned(), sentence(&why.to_string())));
    };
    let kind = Kind::from_word(typed.text("kind")).filter(|kind| product.kinds.contains(kind));
    if kind.is_none() {
        bad("kind", &"choose a type");
    }
    let name = Name::new(typed.text("name"))
        .map_err(|why| bad("name", &format_args!("Name: {why}")))
        .ok();
    let comment = Comment::new(typed.text("comment"))
        .map_err(|why| bad("comment", &format_args!("Description: {why}")))
        .ok();
    let addresses: Vec<String> = typed
        .text("addresses")
        .split([',', '\n', '\r', ' '])
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .collect();
    let addresses = Addresses::parse(addresses)
        .map_err(|why| bad("addresses", &format_args!("Allowed addresses: {why}")))
        .ok();
    let expiry = match typed.text("expiry") {
        "never" => Some(Expiry::Never),
        "days" => match typed.text("days").parse::<i64>() {
            Ok(days @ 1..=MOST_DAYS) => Some(Expiry::At(now + Span::from_days(days))),
            _ => {
                bad("days", &"Custom days: a number of days from 1");
                None
            }
        },
        "date" => match moment(typed.text("date")) {
            Some(at) => Some(Expiry::At(at)),
            None => {
                bad("date", &"Date and time: such as 2027-01-31T23:59, in UTC");
                None
            }
        },
        chosen => Some(match chosen.strip_prefix(PERIOD) {
            Some(name) => Expiry::Period(name.to_owned()),
            None => Expiry::Default,
        }),
    };
    let mut grants = Wish::default();
    for role in typed.all("roles") {
        let id: Result<RoleId, _> = role.parse();
        let named = id.is_ok_and(|id| product.named_reach.contains(&id));
        match (role.parse(), resources(typed, role, named)) {
            (Ok(id), Ok(resources)) => grants.roles.push((id, resources)),
            (Err(_), _) => bad("roles", &"one of the roles is none"),
            (_, Err(why)) => bad("roles", &why),
        }
    }
    for scope in typed.all("scopes") {
        grants.scopes.push((scope.to_owned(), Resources::All));
    }
    if grants.roles.is_empty() && grants.scopes.is_empty() {
        bad("roles", &"choose at least one role or scope");
    }
    match (kind, name, comment, addresses, expiry) {
        (Some(kind), Some(name), Some(comment), Some(addresses), Some(expiry))
            if wrong.is_empty() =>
        {
            Ok(CreateKey {
                organization: None,
                product: product.name.clone(),
                kind,
                name,
                comment,
                grants,
                addresses,
                limits: Vec::new(),
                expiry,
                owner: None,
            })
        }
        _ => Err(wrong),
    }
}

/// What a role is given for: nothing listed is an error, never everything.
fn resources(typed: &Fields, role: &str, named: bool) -> Result<Resources, String> {
    match typed.text(&format!("reach-{role}")) {
        "all" => return Ok(Resources::All),
        "selected" => {}
        _ if named => {
            return Err("say for which resources: all of them, or only these".to_owned());
        }
        _ => return Ok(Resources::All),
    }
    let kind = typed.text(&format!("reach-kind-{role}"));
    let listed = typed.text(&format!("reach-ids-{role}"));
    let ids = listed
        .split([',', '\n', '\r'])
        .map(str::trim)
        .filter(|id| !id.is_empty())
        .map(str::to_owned);
    Resources::listed(kind, ids).map_err(|_| {
        "select at least one resource for each role that is not for all of them".to_owned()
    })
}

/// A date and time as browsers send it, in UTC.
pub(in crate::console::pages) fn moment(text: &str) -> Option<Instant> {
    let local: jiff::civil::DateTime = text.parse().ok()?;
    let zoned = local.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Instant::from_millis(zoned.timestamp().as_millisecond()))
}

/// The first step: which product.
fn products(console: &Console, who: &Who) -> Response {
    let world = console.authority.world();
    let body = html! {
        (head("New key", "What shall it open?", &html! {}))
        div class="cards" {
            @for product in world.products() {
                a class="card" href={ "/console/keys/new?product=" (product.name) } {
                    strong { (product.title) }
                    p class="soft small" { (product.description) }
                }
            }
        }
    };
    Page {
        console,
        who,
        title: "New key",
        place: Place::Keys,
        trail: &[("Overview", ""), ("API keys", "/keys")],
        body,
    }
    .answer(StatusCode::OK)
}

async fn form(
    console: &Console,
    who: &Who,
    product: &Arc<Product>,
    typed: &Fields,
    status: StatusCode,
    wrong: &[(String, String)],
) -> Answer {
    let caller = &who.signed_in.caller;
    if !console.authority.person_may(caller, "latchkey.keys:create") {
        return Err(No::Forbidden("latchkey.keys:create".to_owned()));
    }
    let filter = RoleFilter {
        product: Some(product.name.clone()),
        ..RoleFilter::default()
    };
    let roles = match console.authority.person_may(caller, "latchkey.roles:read") {
        true => {
            console
                .authority
                .roles(caller, filter, None, MOST_ROLES)
                .await?
        }
        false => Vec::new(),
    };
    let only = product.kinds.len() == 1;
    let kinds: Vec<Choice<'_>> = product
        .kinds
        .iter()
        .map(|kind| Choice {
            value: kind.as_str(),
            label: kind_words(*kind),
            help: kind_help(*kind),
            chosen: only || typed.text("kind") == kind.as_str(),
        })
        .collect();
    let offered = expiries(product);
    let preset = product.periods.iter().find(|period| period.default);
    let preset = preset.map_or_else(
        || offered.first().map_or("", |(value, _)| value).to_owned(),
        |period| format!("{PERIOD}{}", period.name),
    );
    let expiry = match typed.text("expiry") {
        "" => preset.as_str(),
        chosen => chosen,
    };
    let expiries: Vec<Choice<'_>> = offered
        .iter()
        .map(|(value, label)| Choice {
            value,
            label,
            help: "",
            chosen: expiry == value,
        })
        .collect();
    let name_help = match (
        product.unique_names,
        product.fixed.contains(&authority::catalog::Fixed::Name),
    ) {
        (true, true) => "Unique in the organization, and unchangeable.",
        (true, false) => "Unique in the organization.",
        (false, true) => "Unchangeable once the key is made.",
        (false, false) => "What people call it.",
    };
    let body = html! {
        (head("New key", &format!("For {}.", product.title), &html! { a class="button" href="/console/keys/new" { "Another product" } }))
        (summary(wrong))
        form method="post" action="/console/keys/new" {
            (key_field(who))
            (issued::once_field(console)?)
            input type="hidden" name="product" value=(product.name);
            (choices("kind", "radio", "Type", "How programs will prove that they hold it.", &kinds, wrong))
            (Field { value: typed.text("name"), required: true, help: name_help, wrong, ..Field::text("name", "Name") }.html())
            (Field { value: typed.text("comment"), help: "What it is for: whoever finds it later will be glad.", wrong, ..Field::text("comment", "Description") }.html())
            (choices("expiry", "radio", "Key expiry", "", &expiries, wrong))
            div class="inline" {
                (Field { value: typed.text("days"), kind: "number", help: "Where custom days are chosen.", wrong, ..Field::text("days", "Days") }.html())
                (Field { value: typed.text("date"), kind: "datetime-local", help: "In UTC, where a date is chosen.", wrong, ..Field::text("date", "Date and time") }.html())
            }
            (roles_field(product, &roles, typed, wrong))
            (scopes_field(product, typed))
            (Field { value: typed.text("addresses"), help: "Addresses and networks, separated by commas; none is everywhere.", wrong, ..Field::text("addresses", "Allowed addresses") }.html())
            (note(Tone::Plain, "What comes next", &html! { p { "The secret is shown once, on the page that follows." } }))
            div class="acts" {
                a class="button" href="/console/keys" { "Cancel" }
                button class="primary" type="submit" { (if product.kinds == [Kind::Jwt] { "Add" } else { "Generate" }) }
            }
        }
    };
    Ok(Page {
        console,
        who,
        title: "New key",
        place: Place::Keys,
        trail: &[("Overview", ""), ("API keys", "/keys")],
        body,
    }
    .answer(status))
}

/// The ends that are offered: what the product has when nobody says, its periods, and free choice within its longest life.
fn expiries(product: &Product) -> Vec<(String, String)> {
    let mut offered = Vec::new();
    if let Some(life) = product.default_lifetime {
        let days = life.seconds() / 86_400;
        offered.push((
            "default".to_owned(),
            format!("As the product has it: {days} days"),
        ));
    }
    if product.max_lifetime.is_none() {
        offered.push(("never".to_owned(), "Never".to_owned()));
    }
    for period in &product.periods {
        offered.push((format!("{PERIOD}{}", period.name), period.name.clone()));
    }
    offered.push(("days".to_owned(), "Custom days".to_owned()));
    offered.push(("date".to_owned(), "On a date and time".to_owned()));
    offered
}

/// The roles that may be given, each with what it contains and what it is given for.
fn roles_field(
    product: &Product,
    roles: &[Role],
    typed: &Fields,
    wrong: &[(String, String)],
) -> Markup {
    let kinds: Vec<(&str, &str)> = product
        .resource_kinds
        .iter()
        .map(|kind| (kind.as_str(), kind.as_str()))
        .collect();
    let why = wrong.iter().find(|(member, _)| member == "roles");
    html! {
        fieldset #f-roles tabindex="-1" aria-describedby=[why.map(|_| "f-roles-wrong")] {
            legend { "Roles" }
            p class="help" { "Only roles that you could use yourself are offered." }
            @if let Some((_, why)) = why { p class="wrong" #f-roles-wrong { (why) } }
            @if roles.is_empty() { p class="soft" { "No role of this product is yours to give." } }
            @for role in roles {
                @let id = role.id.to_string();
                div class="choice" {
                    input id={ "role-" (id) } type="checkbox" name="roles" value=(id) checked[typed.has("roles", &id)];
                    div {
                        label for={ "role-" (id) } { (role.name.as_str()) span class="help" { " · " (role.description.as_str()) } }
                        details {
                            summary class="small" { "Components" }
                            p class="mono small" { @for scope in &role.scopes { (scope.as_str()) " " } }
                        }
                        @if !kinds.is_empty() {
                            @let chosen = typed.text(&format!("reach-{id}"));
                            @let named = product.named_reach.contains(&role.id);
                            @let selected = chosen == "selected";
                            details open[selected || named] {
                                summary class="small" { "For which resources" }
                                div class="choice" {
                                    input id={ "all-" (id) } type="radio" name={ "reach-" (id) } value="all" checked[chosen == "all" || (chosen.is_empty() && !named)];
                                    label for={ "all-" (id) } { "All of them" }
                                }
                                div class="choice" {
                                    input id={ "some-" (id) } type="radio" name={ "reach-" (id) } value="selected" checked[selected];
                                    label for={ "some-" (id) } { "Only these" }
                                }
                                (select(&format!("reach-kind-{id}"), "Kind of resource", "", &kinds, typed.text(&format!("reach-kind-{id}")), &[]))
                                (Field { value: typed.text(&format!("reach-ids-{id}")), help: "Their identifiers, separated by commas: at least one.", ..Field::text(&format!("reach-ids-{id}"), "Resources") }.html())
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Single scopes beside the roles, where the product shows them to people.
fn scopes_field(product: &Product, typed: &Fields) -> Markup {
    let shown: Vec<Choice<'_>> = product
        .scopes
        .iter()
        .filter(|(_, entry)| !entry.hidden)
        .map(|(scope, entry)| Choice {
            value: scope.as_str(),
            label: scope.as_str(),
            help: &entry.description,
            chosen: typed.has("scopes", scope.as_str()),
        })
        .collect();
    let open = product.roles.is_empty() || shown.iter().any(|choice| choice.chosen);
    html! {
        details open[open] {
            summary { "Single scopes (" (shown.len()) ")" }
            (choices("scopes", "checkbox", "Scopes", "Besides what the roles contain.", &shown, &[]))
        }
    }
}

fn kind_help(kind: Kind) -> &'static str {
    match kind {
        Kind::Static => "sent as it is",
        Kind::Signed => "signs each request and is never sent; not usable from plain curl",
        Kind::Client => "id and password that buy short-lived access tokens",
        Kind::TokenPair => "a short-lived access token, refreshed by its holder",
        Kind::Jwt => "a token that says by itself until when it is good",
    }
}
