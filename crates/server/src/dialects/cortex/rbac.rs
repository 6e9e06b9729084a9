//! Roles and people by the older calls, `/public_api/v1/rbac/…`, and what a client asks of the system itself.

use authority::Authority;
use authority::World;
use axum::extract::{Request, State};
use axum::response::Response;
use credential::organization::User;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json as object};

use super::answer;
use super::areas::{Area, No};
use super::call::{Call, json};
use super::groups::Named as NamedGroup;
use super::roles::{ACCOUNT_ADMIN, made_at, maker, permissions_of};
use super::users::{account_admin, names, role_name};
use super::wire::{Nothing, Reply};

/// Names in one call; each is looked for.
const MOST_NAMES: usize = 100;

/// A person.
#[derive(Serialize)]
struct Person {
    user_email: String,
    user_first_name: String,
    user_last_name: String,
    role_name: String,
    last_logged_in: i64,
    user_type: &'static str,
    groups: Vec<String>,
    scope: Option<Value>,
}

/// A group.
#[derive(Serialize)]
struct Shown {
    group_name: String,
    pretty_name: String,
    description: String,
    insert_time: i64,
    update_time: i64,
    user_email: Vec<String>,
    source: &'static str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedGroups {
    group_names: Option<Vec<String>>,
}

/// A role.
#[derive(Serialize)]
struct Role {
    pretty_name: String,
    permissions: Vec<String>,
    insert_time: i64,
    update_time: i64,
    created_by: &'static str,
    description: String,
    groups: Vec<String>,
    users: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    role_names: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    user_emails: Vec<String>,
    role_name: String,
}

/// How many people were changed; the text is the vendor's.
#[derive(Serialize)]
struct Updated {
    update_count: String,
}

pub(super) async fn users(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Public, async {
        let call = Call::of(&authority, request).await?;
        call.wanted::<Nothing>()?;
        let world = authority.world();
        let people = call.people().await?;
        let shown: Vec<Person> = people.iter().map(|user| person(&world, user)).collect();
        Ok(json(&Reply { reply: shown }))
    })
    .await
}

/// Each name has a list of its own.
pub(super) async fn roles(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Public, async {
        let call = Call::of(&authority, request).await?;
        let wanted = call.wanted::<Named>()?.role_names;
        let wanted = wanted.ok_or_else(|| No::invalid("role_names param is missing"))?;
        bounded(wanted.len())?;
        let (product, known, people) = (
            call.declared()?,
            call.roles(None).await?,
            call.people().await?,
        );
        let groups = call.groups().await?;
        let world = authority.world();
        let mut shown: Vec<Vec<Role>> = Vec::new();
        for name in &wanted {
            let called = known.iter().filter(|role| role.name.as_str() == name);
            let list = called.map(|role| {
                let holds = |user: &&User| role_name(&world, user) == role.name.as_str();
                let users = people.iter().filter(holds);
                Role {
                    pretty_name: role.name.as_str().to_owned(),
                    permissions: permissions_of(&product, role),
                    insert_time: made_at(role),
                    update_time: made_at(role),
                    created_by: maker(role),
                    description: role.description.as_str().to_owned(),
                    groups: groups
                        .iter()
                        .filter(|group| group.roles.iter().any(|grant| grant.role == role.id))
                        .map(|group| group.name.as_str().to_owned())
                        .collect(),
                    users: users.map(|user| user.email.as_str().to_owned()).collect(),
                }
            });
            shown.push(list.collect());
        }
        Ok(json(&Reply { reply: shown }))
    })
    .await
}

pub(super) async fn groups(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Public, async {
        let call = Call::of(&authority, request).await?;
        let wanted = call.wanted::<NamedGroups>()?.group_names;
        let wanted = wanted.ok_or_else(|| No::invalid("group_names param is missing"))?;
        bounded(wanted.len())?;
        let known = call.groups().await?;
        let world = authority.world();
        let called = known
            .iter()
            .filter(|group| wanted.iter().any(|name| name == group.name.as_str()));
        let shown = called.map(|group| {
            let members = group.members.iter().filter_map(|id| world.user(*id));
            Shown {
                group_name: group.name.as_str().to_owned(),
                pretty_name: group.name.as_str().to_owned(),
                description: group.description.as_str().to_owned(),
                insert_time: group.created_at.millis(),
                update_time: group.edited_at.millis(),
                user_email: members.map(|user| user.email.as_str().to_owned()).collect(),
                source: "Custom",
            }
        });
        Ok(json(&Reply {
            reply: shown.collect::<Vec<_>>(),
        }))
    })
    .await
}

pub(super) async fn set_user_role(
    State(authority): State<Authority>,
    request: Request,
) -> Response {
    answer(Area::Public, async {
        let call = Call::of(&authority, request).await?;
        let wanted = call.wanted::<Given>()?;
        bounded(wanted.user_emails.len())?;
        if wanted.role_name == ACCOUNT_ADMIN {
            return Err(account_admin());
        }
        let role = match wanted.role_name.as_str() {
            "" => None,
            name => call.roles_called(&[name.to_owned()]).await?.pop(),
        };
        let mut people = Vec::new();
        for address in &wanted.user_emails {
            let user = call.person_at(address).await?;
            let unknown = || No::invalid(format!("user_emails: there is no {address}"));
            people.push(user.ok_or_else(unknown)?);
        }
        let mut count = 0;
        for user in &people {
            count += usize::from(call.give_role(user, role).await?);
        }
        Ok(json(&Reply {
            reply: Updated {
                update_count: count.to_string(),
            },
        }))
    })
    .await
}

pub(super) async fn available(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Public, async {
        Call::of(&authority, request).await?;
        Ok(json(&object!({"status": "available"})))
    })
    .await
}

pub(super) async fn health(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Public, async {
        Call::of(&authority, request).await?;
        let reply = object!({
            "service": "public_api", "status": "available", "reason": "", "timestamp": authority.now().millis(),
        });
        Ok(json(&Reply { reply }))
    })
    .await
}

pub(super) async fn tenant(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Public, async {
        let call = Call::of(&authority, request).await?;
        Ok(json(&Reply {
            reply: call.tenant()?,
        }))
    })
    .await
}

/// The same as a list, as another client wants it.
pub(super) async fn tenants(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Public, async {
        let call = Call::of(&authority, request).await?;
        Ok(json(&Reply {
            reply: [call.tenant()?],
        }))
    })
    .await
}

impl Call<'_> {
    fn tenant(&self) -> Result<Value, No> {
        let world = self.authority.world();
        let own = world.organization(self.caller.organization);
        let own = own.ok_or_else(|| No::of(StatusCode::NOT_FOUND))?;
        Ok(object!({"tenant_id": own.id.to_string(), "tenant_name": own.name.as_str()}))
    }
}

fn bounded(names: usize) -> Result<(), No> {
    match names > MOST_NAMES {
        true => Err(No::invalid(format!("at most {MOST_NAMES} names at a time"))),
        false => Ok(()),
    }
}

fn person(world: &World, user: &User) -> Person {
    let (user_first_name, user_last_name) = names(user);
    Person {
        user_email: user.email.as_str().to_owned(),
        user_first_name,
        user_last_name,
        role_name: role_name(world, user),
        last_logged_in: 0,
        user_type: "CSP",
        groups: NamedGroup::of_user(world, user)
            .into_iter()
            .map(|group| group.group_name)
            .collect(),
        scope: None,
    }
}
