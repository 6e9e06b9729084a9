//! The form that makes and edits a group, and its end.

use std::collections::BTreeSet;

use authority::groups::{CreateGroup, EditGroup, GroupFilter};
use authority::users::UserFilter;
use axum::extract::{Path, State};
use credential::group::{Group, Reach};
use credential::id::{GroupId, RoleId, UserId};
use credential::name::{Comment, Name};
use credential::organization::{Email, OrganizationKind, User};
use http::StatusCode;
use maud::html;

use super::{Answer, WRITE, frame, may_write, seen};
use crate::console::Console;
use crate::console::fields::Fields;
use crate::console::gate::{Posted, Who};
use crate::console::no::{No, WHOLE_FORM, at_form, see_other, sentence};
use crate::console::page::{Place, key_field};
use crate::console::pages::asked::{Asked, mistyped};
use crate::console::pages::grants::{self, ROLES};
use crate::console::parts::{Choice, Field, choices, head, lines, summary};

/// People with a box of their own; whoever is not among them is added by their address.
const PEOPLE: usize = 100;
/// Groups with a box of their own.
const GROUPS: usize = 200;
const MEMBERS: &str = "members";
const NESTED: &str = "nested";
/// Addresses of people to add.
const MORE: &str = "more";

type Wrong = Vec<(String, String)>;

/// What a form means.
struct Meant {
    name: Name,
    description: Comment,
    members: BTreeSet<UserId>,
    nested: BTreeSet<GroupId>,
    reach: Reach,
}

pub(super) async fn ask_new(State(console): State<Console>, who: Who) -> Answer {
    must_write(&console, &who, None)?;
    form(&console, &who, StatusCode::OK, None, None, &[]).await
}

pub(super) async fn make(State(console): State<Console>, posted: Posted) -> Answer {
    let Posted { who, form: typed } = posted;
    must_write(&console, &who, None)?;
    let meant = match read(&console, &who, &typed, None).await? {
        Ok(meant) => meant,
        Err(wrong) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return form(&console, &who, status, None, Some(&typed), &wrong).await;
        }
    };
    let offered = grants::offered(&console, &who).await?;
    let command = CreateGroup {
        organization: None,
        name: meant.name,
        description: meant.description,
        roles: grants::wanted(&console, &typed, &offered, &[]),
        members: meant.members,
        nested: meant.nested,
        reach: meant.reach,
    };
    let caller = &who.signed_in.caller;
    match console.authority.create_group(caller, command).await {
        Ok(made) => Ok(see_other(&format!(
            "/console/groups/{}?done=group-made",
            made.value.id
        ))),
        Err(failure) => {
            let (status, wrong) = at_form(failure, ROLES)?;
            form(&console, &who, status, None, Some(&typed), &wrong).await
        }
    }
}

pub(super) async fn ask_edit(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    let group = changeable(&console, &who, &text).await?;
    form(&console, &who, StatusCode::OK, Some(&group), None, &[]).await
}

pub(super) async fn edit(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let Posted { who, form: typed } = posted;
    let group = changeable(&console, &who, &text).await?;
    let meant = match read(&console, &who, &typed, Some(&group)).await? {
        Ok(meant) => meant,
        Err(wrong) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return form(&console, &who, status, Some(&group), Some(&typed), &wrong).await;
        }
    };
    let offered = grants::offered(&console, &who).await?;
    let edit = EditGroup {
        name: Some(meant.name),
        description: Some(meant.description),
        roles: Some(grants::wanted(&console, &typed, &offered, &group.roles)),
        members: Some(meant.members),
        nested: Some(meant.nested),
        reach: Some(meant.reach),
    };
    let version = typed.get("version").and_then(|text| text.parse().ok());
    let version = Some(version.ok_or(No::BadRequest)?);
    let caller = &who.signed_in.caller;
    match console
        .authority
        .edit_group(caller, group.id, edit, version)
        .await
    {
        Ok(_) => Ok(see_other(&format!(
            "/console/groups/{}?done=saved",
            group.id
        ))),
        Err(failure) => {
            let (status, wrong) = at_form(failure, ROLES)?;
            form(&console, &who, status, Some(&group), Some(&typed), &wrong).await
        }
    }
}

pub(super) async fn ask_remove(
    State(console): State<Console>,
    Path(text): Path<String>,
    who: Who,
) -> Answer {
    let group = changeable(&console, &who, &text).await?;
    Ok(removing(&console, &who, StatusCode::OK, &group, &[]))
}

/// Removes a group for good, once its name was typed.
pub(super) async fn remove(
    State(console): State<Console>,
    Path(text): Path<String>,
    posted: Posted,
) -> Answer {
    let Posted { who, form } = posted;
    let group = changeable(&console, &who, &text).await?;
    if let Some(wrong) = mistyped(&form, group.name.as_str()) {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(removing(&console, &who, status, &group, &[wrong]));
    }
    let caller = &who.signed_in.caller;
    match console.authority.delete_group(caller, group.id, None).await {
        Ok(_) => Ok(see_other("/console/groups?done=group-removed")),
        Err(failure) => {
            let (status, wrong) = at_form(failure, WHOLE_FORM)?;
            Ok(removing(&console, &who, status, &group, &wrong))
        }
    }
}

fn must_write(console: &Console, who: &Who, group: Option<&Group>) -> Result<(), No> {
    match may_write(console, who, group) {
        true => Ok(()),
        false => Err(No::Forbidden(WRITE.to_owned())),
    }
}

/// The group that a path is about, for somebody who is about to change it.
async fn changeable(console: &Console, who: &Who, text: &str) -> Result<Group, No> {
    let group = seen(console, who, text).await?;
    must_write(console, who, Some(&group))?;
    Ok(group)
}

/// Reads a form; people to add are looked for by their addresses.
async fn read(
    console: &Console,
    who: &Who,
    typed: &Fields,
    group: Option<&Group>,
) -> Result<Result<Meant, Wrong>, No> {
    let mut wrong = Wrong::new();
    let mut bad = |field: &str, why: String| wrong.push((field.to_owned(), sentence(&why)));
    let name = Name::new(typed.text("name"))
        .map_err(|why| bad("name", format!("The name {why}")))
        .ok();
    let description = Comment::new(&typed.text("description").replace("\r\n", "\n"))
        .map_err(|why| bad("description", format!("The description {why}")))
        .ok();
    let mut members: BTreeSet<UserId> = typed
        .all(MEMBERS)
        .filter_map(|id| id.parse().ok())
        .collect();
    let addresses = typed
        .text(MORE)
        .split(|c: char| c.is_whitespace() || c == ',' || c == ';');
    for address in addresses.filter(|address| !address.is_empty()) {
        match by_address(console, who, group, address).await? {
            Some(user) => _ = members.insert(user),
            None => bad(MORE, format!("there is no member {address} here")),
        }
    }
    let reach = match (typed.text("reach"), group) {
        ("managed", _) => Reach::Managed,
        ("listed", Some(group)) => group.reach.clone(),
        _ => Reach::Own,
    };
    let nested = typed.all(NESTED).filter_map(|id| id.parse().ok()).collect();
    Ok(match (name, description) {
        (Some(name), Some(description)) if wrong.is_empty() => Ok(Meant {
            name,
            description,
            members,
            nested,
            reach,
        }),
        _ => Err(wrong),
    })
}

async fn by_address(
    console: &Console,
    who: &Who,
    group: Option<&Group>,
    address: &str,
) -> Result<Option<UserId>, No> {
    let Ok(email) = Email::new(address) else {
        return Ok(None);
    };
    let filter = UserFilter {
        organization: group.map(|group| group.organization),
        email: Some(email),
        ..UserFilter::default()
    };
    let caller = &who.signed_in.caller;
    let found = console.authority.users(caller, filter, None, 1).await?;
    Ok(found.first().map(|user| user.id))
}

/// Who has a box: the members, and as many others as there is room for.
async fn candidates(console: &Console, who: &Who, group: Option<&Group>) -> Result<Vec<User>, No> {
    let caller = &who.signed_in.caller;
    let world = console.authority.world();
    let members = group.iter().flat_map(|group| &group.members);
    let mut people: Vec<User> = members
        .filter_map(|id| world.user(*id))
        .map(|user| User::clone(user))
        .collect();
    let filter = UserFilter {
        organization: group.map(|group| group.organization),
        ..UserFilter::default()
    };
    let others = console
        .authority
        .users(caller, filter, None, PEOPLE)
        .await?;
    for user in others {
        if people.len() < PEOPLE && people.iter().all(|known| known.id != user.id) {
            people.push(user);
        }
    }
    Ok(people)
}

/// The form, with what was typed or else what the group is.
async fn form(
    console: &Console,
    who: &Who,
    status: StatusCode,
    group: Option<&Group>,
    typed: Option<&Fields>,
    wrong: &[(String, String)],
) -> Answer {
    let caller = &who.signed_in.caller;
    let people = candidates(console, who, group).await?;
    let filter = GroupFilter {
        organization: group.map(|group| group.organization),
        ..GroupFilter::default()
    };
    let home = group.map_or(caller.organization, |group| group.organization);
    let groups = console.authority.groups(caller, filter, None, GROUPS);
    let mut groups = groups.await?;
    groups.retain(|known| known.organization == home && group.is_none_or(|own| own.id != known.id));
    // What is nested already has its box wherever it stands in the list.
    for id in group.iter().flat_map(|group| &group.nested) {
        if let Some(inner) = console.authority.world().group(*id)
            && groups.iter().all(|known| known.id != *id)
        {
            groups.push(Group::clone(inner));
        }
    }
    let offered = grants::offered(console, who).await?;

    let member_ids: Vec<String> = people.iter().map(|user| user.id.to_string()).collect();
    let members: Vec<Choice<'_>> = people
        .iter()
        .zip(&member_ids)
        .map(|(user, id)| Choice {
            value: id,
            label: user.name.as_str(),
            help: user.email.as_str(),
            chosen: match (typed, group) {
                (Some(typed), _) => typed.has(MEMBERS, id),
                (None, Some(group)) => group.members.contains(&user.id),
                (None, None) => false,
            },
        })
        .collect();
    let group_ids: Vec<String> = groups.iter().map(|known| known.id.to_string()).collect();
    let nested: Vec<Choice<'_>> = groups
        .iter()
        .zip(&group_ids)
        .map(|(known, id)| Choice {
            value: id,
            label: known.name.as_str(),
            help: known.description.as_str(),
            chosen: match (typed, group) {
                (Some(typed), _) => typed.has(NESTED, id),
                (None, Some(group)) => group.nested.contains(&known.id),
                (None, None) => false,
            },
        })
        .collect();
    let given = group.map_or(&[][..], |group| &group.roles);
    let ticked = |id: RoleId| match typed {
        Some(typed) => typed.has(ROLES, &id.to_string()),
        None => given.iter().any(|grant| grant.role == id),
    };
    let text = |name: &str, own: &str| typed.map_or(own, |typed| typed.text(name)).to_owned();
    let name = text("name", group.map_or("", |group| group.name.as_str()));
    let about = group.map_or("", |group| group.description.as_str());
    let about = text("description", about);
    let reach = text("reach", group.map_or("own", |group| word(&group.reach)));
    let world = console.authority.world();
    let manages = world
        .organization(home)
        .is_some_and(|own| own.kind == OrganizationKind::Manager);
    let listed = group.is_some_and(|group| matches!(group.reach, Reach::Listed(_)));
    let reaches = [
        ("own", "In this organization only", true),
        ("managed", "In every organization that it manages", manages),
        ("listed", "In those that it is shared into already", listed),
    ];
    let reaches: Vec<Choice<'_>> = reaches
        .iter()
        .filter(|(.., there)| *there)
        .map(|(value, label, _)| Choice {
            value,
            label,
            help: "",
            chosen: reach == *value,
        })
        .collect();
    let (title, action, back, button) = match group {
        Some(group) => {
            let path = format!("/console/groups/{}", group.id);
            ("Edit group", format!("{path}/edit"), path, "Save changes")
        }
        None => {
            let path = "/console/groups".to_owned();
            ("New group", format!("{path}/new"), path, "Make group")
        }
    };
    let help = "What its members have, and those of the groups in it. You can give and take what is within your own rights.";
    let body = html! {
        (head(title, group.map_or("", |group| group.name.as_str()), &html! {}))
        (summary(wrong))
        form #f-form method="post" action=(action) {
            (key_field(who))
            @if let Some(group) = group { input type="hidden" name="version" value=(group.version); }
            (Field { value: &name, required: true, wrong, ..Field::text("name", "Name") }.html())
            (lines("description", "Description", "What the group is for.", &about, wrong))
            (grants::boxes(console, &offered, given, ticked, help, wrong))
            (choices(MEMBERS, "checkbox", "Members", "", &members, wrong))
            (Field { value: &text(MORE, ""), wrong, help: "E-mail addresses of more members of this organization, with spaces between them.", ..Field::text(MORE, "More members") }.html())
            @if !nested.is_empty() { (choices(NESTED, "checkbox", "Groups in it", "Their members have the roles of this group too.", &nested, wrong)) }
            @if reaches.len() > 1 { (choices("reach", "radio", "Where it is seen", "", &reaches, wrong)) }
            div class="acts" {
                a class="button" href=(back) { "Cancel" }
                button class="primary" type="submit" { (button) }
            }
        }
    };
    Ok(frame(console, who, status, title, group, body))
}

fn word(reach: &Reach) -> &'static str {
    match reach {
        Reach::Own => "own",
        Reach::Managed => "managed",
        Reach::Listed(_) => "listed",
    }
}

fn removing(
    console: &Console,
    who: &Who,
    status: StatusCode,
    group: &Group,
    wrong: &[(String, String)],
) -> axum::response::Response {
    let path = format!("/console/groups/{}", group.id);
    let own = format!("/groups/{}", group.id);
    Asked {
        title: "Remove group",
        name: group.name.as_str(),
        place: Place::Groups,
        trail: &[
            ("Overview", ""),
            ("Groups", "/groups"),
            (group.name.as_str(), &own),
        ],
        what: html! {
            p { "Its members, and those of the groups in it, have nothing from it any more, at once. The members themselves stay. It cannot be brought back." }
        },
        action: &format!("{path}/remove"),
        back: &path,
        more: html! {},
        grave: true,
        typed: Some("Type the name of the group"),
        wrong,
    }
    .answer(console, who, status)
}
