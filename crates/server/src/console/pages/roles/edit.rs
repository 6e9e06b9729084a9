//! The role editor: first the product, then its scopes by area, and before an edit is saved who loses what by it.

use authority::catalog::Product;
use authority::roles::{CreateRole, EditRole};
use axum::extract::{Path, State};
use axum::response::Response;
use credential::name::{Comment, RoleName};
use credential::role::Role;
use credential::scope::Scope;
use http::StatusCode;
use maud::{Markup, html};

use super::{Answer, WRITE, area, id, losses, products};
use crate::console::Console;
use crate::console::fields::{Fields, query};
use crate::console::gate::{Posted, Who};
use crate::console::no::{No, at_form, see_other, sentence};
use crate::console::page::{Page, Place, key_field};
use crate::console::parts::{Choice, Field, empty, grouped, head, lines, summary};

/// The field with the scopes: where what is beyond the person is told of.
const SCOPES: &str = "scopes";

/// What a form says of a role, as it was typed.
struct Typed<'t> {
    name: &'t str,
    description: &'t str,
    scopes: Vec<&'t str>,
    version: &'t str,
}

/// What was typed, read.
struct Meant {
    name: RoleName,
    description: Comment,
    scopes: Vec<String>,
}

pub(super) async fn ask_new(State(console): State<Console>, who: Who) -> Answer {
    must_write(&console, &who)?;
    let Some(name) = who.visit.query.get("product") else {
        return choose_product(&console, &who).await;
    };
    let product = product(&console, &who, name).await?;
    let empty = Typed::of(&who.visit.query);
    form(&console, &who, StatusCode::OK, &product, None, &empty, &[]).await
}

pub(super) async fn make(State(console): State<Console>, posted: Posted) -> Answer {
    let Posted { who, form: fields } = posted;
    must_write(&console, &who)?;
    let product = product(&console, &who, fields.text("product")).await?;
    let typed = Typed::of(&fields);
    let meant = match typed.read() {
        Ok(meant) => meant,
        Err(wrong) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return form(&console, &who, status, &product, None, &typed, &wrong).await;
        }
    };
    let command = CreateRole {
        organization: None,
        product: product.name.clone(),
        name: meant.name,
        description: meant.description,
        scopes: meant.scopes,
    };
    let caller = &who.signed_in.caller;
    match console.authority.create_role(caller, command).await {
        Ok(made) => Ok(see_other(&format!(
            "/console/roles/{}?done=role-made",
            made.value.id
        ))),
        Err(failure) => {
            let (status, wrong) = at_form(failure, SCOPES)?;
            form(&console, &who, status, &product, None, &typed, &wrong).await
        }
    }
}

pub(super) async fn ask_edit(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    must_write(&console, &who)?;
    let (role, product) = editable(&console, &who, &text).await?;
    let version = role.version.to_string();
    let typed = Typed {
        name: role.name.as_str(),
        description: role.description.as_str(),
        scopes: role.scopes.iter().map(Scope::as_str).collect(),
        version: &version,
    };
    let status = StatusCode::OK;
    form(&console, &who, status, &product, Some(&role), &typed, &[]).await
}

/// Shows who would lose what by an edit; saves it when that was seen.
pub(super) async fn edit(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let Posted { who, form: fields } = posted;
    must_write(&console, &who)?;
    let (role, product) = editable(&console, &who, &text).await?;
    let typed = Typed::of(&fields);
    let again = async |status, wrong: &[(String, String)]| {
        // What is sent once more was looked at as the role is now.
        let version = role.version.to_string();
        let typed = Typed {
            version: &version,
            scopes: typed.scopes.clone(),
            ..typed
        };
        form(&console, &who, status, &product, Some(&role), &typed, wrong).await
    };
    let meant = match typed.read() {
        Ok(meant) => meant,
        Err(wrong) => return again(StatusCode::UNPROCESSABLE_ENTITY, &wrong).await,
    };
    if fields.ticked("again") {
        return again(StatusCode::OK, &[]).await;
    }
    let edit = EditRole {
        name: Some(meant.name),
        description: Some(meant.description),
        scopes: Some(meant.scopes),
    };
    let caller = &who.signed_in.caller;
    if fields.ticked("confirmed") {
        let version = Some(fields.text("version").parse().map_err(|_| No::BadRequest)?);
        return match console
            .authority
            .edit_role(caller, role.id, edit, version)
            .await
        {
            Ok(_) => Ok(see_other(&format!("/console/roles/{}?done=saved", role.id))),
            Err(failure) => {
                let (status, wrong) = at_form(failure, SCOPES)?;
                again(status, &wrong).await
            }
        };
    }
    let after = fields.get("after").and_then(|after| after.parse().ok());
    let preview = console
        .authority
        .preview_role(caller, role.id, Some(edit), after);
    match preview.await {
        Ok(preview) => {
            let told = losses::told(&console, &who, &preview);
            let next = preview.next.map(|next| next.to_string());
            Ok(confirm(
                &console,
                &who,
                &role,
                &typed,
                &told,
                next.as_deref(),
            ))
        }
        Err(failure) => {
            let (status, wrong) = at_form(failure, SCOPES)?;
            again(status, &wrong).await
        }
    }
}

fn must_write(console: &Console, who: &Who) -> Result<(), No> {
    match console.authority.person_may(&who.signed_in.caller, WRITE) {
        true => Ok(()),
        false => Err(No::Forbidden(WRITE.to_owned())),
    }
}

async fn product(console: &Console, who: &Who, name: &str) -> Result<std::sync::Arc<Product>, No> {
    let name = name.parse().map_err(|_| No::NotFound)?;
    let caller = &who.signed_in.caller;
    let seen = console.authority.product_seen(caller, &name).await?;
    Ok(seen.product)
}

async fn editable(
    console: &Console,
    who: &Who,
    text: &str,
) -> Result<(Role, std::sync::Arc<Product>), No> {
    let caller = &who.signed_in.caller;
    let role = console.authority.role(caller, id(text)?).await?;
    if role.is_built_in() {
        return Err(No::NotFound);
    }
    let product = product(console, who, role.product.as_str()).await?;
    Ok((role, product))
}

/// The first step: whose scopes the role bundles.
async fn choose_product(console: &Console, who: &Who) -> Answer {
    let seen = products(console, who).await?;
    let with_roles: Vec<_> = seen
        .iter()
        .filter(|seen| seen.product.custom_roles)
        .collect();
    let body = html! {
        (head("New role", "A role bundles scopes of one product. Choose the product first.", &html! {}))
        @if with_roles.is_empty() {
            (empty("No product to choose", "None of the products that you may see has custom roles.", &html! { a class="button" href="/console/roles" { "To the roles" } }))
        } @else {
            ul class="cards" {
                @for seen in with_roles {
                    @let product = &seen.product;
                    li {
                        a class="card block" href={ "/console/roles/new" (query(&[("product", product.name.as_str())])) } {
                            strong { (product.title) } br;
                            span class="soft" { (product.description) }
                        }
                    }
                }
            }
        }
    };
    Ok(frame(console, who, StatusCode::OK, "New role", None, body))
}

/// The second step, and the editor of a role that there is.
async fn form(
    console: &Console,
    who: &Who,
    status: StatusCode,
    product: &Product,
    role: Option<&Role>,
    typed: &Typed<'_>,
    wrong: &[(String, String)],
) -> Answer {
    let caller = &who.signed_in.caller;
    let mine = console.authority.scopes_to_give(caller, &product.name);
    let mine = mine.await?;
    let about = |scope: &Scope| {
        let entry = product.scopes.get(scope);
        entry.map_or("", |entry| entry.description.as_str())
    };
    // A scope that lists leave out stays in a role that has it.
    let held = role.iter().flat_map(|role| &role.scopes);
    let held = held.filter(|scope| product.scopes.get(*scope).is_none_or(|entry| entry.hidden));
    let mut offered: Vec<&Scope> = mine.iter().chain(held).collect();
    offered.sort_unstable();
    offered.dedup();
    let mut areas: Vec<(String, Vec<Choice<'_>>)> = Vec::new();
    for scope in offered {
        let choice = Choice {
            value: scope.as_str(),
            label: scope.as_str(),
            help: about(scope),
            chosen: typed.scopes.contains(&scope.as_str()),
        };
        let area = area(scope.as_str());
        match areas.iter_mut().find(|(known, _)| known == area) {
            Some((_, of)) => of.push(choice),
            None => areas.push((area.to_owned(), vec![choice])),
        }
    }
    let (title, action, back, button) = match role {
        Some(role) => {
            let path = format!("/console/roles/{}", role.id);
            (
                "Edit role",
                format!("{path}/edit"),
                path,
                "See who loses what",
            )
        }
        None => {
            let path = "/console/roles".to_owned();
            ("New role", format!("{path}/new"), path, "Make role")
        }
    };
    let sub = format!("Product: {}", product.title);
    let body = html! {
        (head(title, &sub, &html! {}))
        (summary(wrong))
        form #f-form method="post" action=(action) {
            (key_field(who))
            input type="hidden" name="product" value=(product.name.as_str());
            input type="hidden" name="version" value=(typed.version);
            (Field { value: typed.name, required: true, wrong, help: "ASCII letters, digits, single spaces and -_./&()+; no built-in role of the product has it.", ..Field::text("name", "Name") }.html())
            (lines("description", "Description", "What the role is for.", typed.description, wrong))
            (grouped(SCOPES, "Scopes", "Only what you may give yourself is listed.", &areas, wrong))
            div class="acts" {
                a class="button" href=(back) { "Cancel" }
                button class="primary" type="submit" { (button) }
            }
        }
    };
    Ok(frame(console, who, status, title, role, body))
}

/// The page between an edit and its saving.
fn confirm(
    console: &Console,
    who: &Who,
    role: &Role,
    typed: &Typed<'_>,
    told: &Markup,
    next: Option<&str>,
) -> Response {
    let before: Vec<&str> = role.scopes.iter().map(Scope::as_str).collect();
    let lacking = |list: &[&str], other: &[&str]| -> Vec<String> {
        let lacking = list.iter().filter(|scope| !other.contains(scope));
        lacking.map(|scope| (*scope).to_owned()).collect()
    };
    let more = lacking(&typed.scopes, &before);
    let fewer = lacking(&before, &typed.scopes);
    let scopes = |label: &str, scopes: &[String]| {
        html! {
            @if !scopes.is_empty() {
                p { strong { (label) } }
                ul { @for scope in scopes { li { code { (scope) } } } }
            }
        }
    };
    let renamed = typed.name != role.name.as_str();
    let path = format!("/console/roles/{}", role.id);
    let body = html! {
        (head("Save the changes?", role.name.as_str(), &html! {}))
        h2 { "What changes" }
        @if renamed { p { "Its name: " strong { (role.name.as_str()) } " becomes " strong { (typed.name) } "." } }
        @if typed.description.replace("\r\n", "\n") != role.description.as_str() { p { "Its description." } }
        (scopes("It permits as well", &more))
        (scopes("It permits no more", &fewer))
        @if more.is_empty() && fewer.is_empty() { p { "The scopes stay as they are." } }
        (told)
        form #f-form method="post" action={ (path) "/edit" } {
            (key_field(who))
            input type="hidden" name="version" value=(typed.version);
            input type="hidden" name="name" value=(typed.name);
            input type="hidden" name="description" value=(typed.description);
            @for scope in &typed.scopes { input type="hidden" name=(SCOPES) value=(scope); }
            @if let Some(next) = next { p { button type="submit" name="after" value=(next) { "Look at more keys" } } }
            div class="acts" {
                a class="button" href=(path) { "Cancel" }
                button type="submit" name="again" value="yes" { "Edit again" }
                button class="primary" type="submit" name="confirmed" value="yes" { "Save changes" }
            }
        }
    };
    frame(
        console,
        who,
        StatusCode::OK,
        "Save the changes?",
        Some(role),
        body,
    )
}

fn frame(
    console: &Console,
    who: &Who,
    status: StatusCode,
    title: &str,
    role: Option<&Role>,
    body: Markup,
) -> Response {
    let own = role.map(|role| format!("/roles/{}", role.id));
    let mut trail = vec![("Overview", ""), ("Roles", "/roles")];
    if let Some((role, own)) = role.zip(own.as_deref()) {
        trail.push((role.name.as_str(), own));
    }
    Page {
        console,
        who,
        title,
        place: Place::Roles,
        trail: &trail,
        body,
    }
    .answer(status)
}

impl<'t> Typed<'t> {
    fn of(form: &'t Fields) -> Self {
        Self {
            name: form.text("name"),
            description: form.text("description"),
            scopes: form.all(SCOPES).collect(),
            version: form.text("version"),
        }
    }

    fn read(&self) -> Result<Meant, Vec<(String, String)>> {
        let mut wrong = Vec::new();
        let mut bad = |field: &str, why: String| wrong.push((field.to_owned(), sentence(&why)));
        let name = RoleName::new(self.name)
            .map_err(|why| bad("name", format!("The name {why}")))
            .ok();
        let description = Comment::new(&self.description.replace("\r\n", "\n"))
            .map_err(|why| bad("description", format!("The description {why}")))
            .ok();
        if self.scopes.is_empty() {
            bad(SCOPES, "choose at least one scope".to_owned());
        }
        match (name, description) {
            (Some(name), Some(description)) if wrong.is_empty() => Ok(Meant {
                name,
                description,
                scopes: self
                    .scopes
                    .iter()
                    .map(|scope| (*scope).to_owned())
                    .collect(),
            }),
            _ => Err(wrong),
        }
    }
}
