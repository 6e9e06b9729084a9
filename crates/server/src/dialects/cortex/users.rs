//! People: `/platform/iam/v1/user…`.

use authority::Authority;
use authority::World;
use authority::users::UserFilter;
use axum::extract::{Request, State};
use axum::response::Response;
use credential::grant::Resources;
use credential::id::RoleId;
use credential::name::Name;
use credential::organization::{Email, User};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::areas::{Area, No};
use super::call::{Call, json};
use super::groups::Named;
use super::wire::{Data, Message};
use super::{PRODUCT, answer};

/// People of one page of the authority's.
const PAGE: usize = 100;

/// A person.
#[derive(Serialize)]
struct Shown {
    user_email: String,
    user_first_name: String,
    user_last_name: String,
    phone_number: Option<String>,
    status: &'static str,
    role_name: String,
    last_logged_in: i64,
    is_hidden: bool,
    user_type: &'static str,
    groups: Vec<Named>,
}

/// What a person shall be from now on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    user_first_name: Option<String>,
    user_last_name: Option<String>,
    role_id: Option<String>,
    phone_number: Option<String>,
    status: Option<String>,
    is_hidden: Option<bool>,
    user_groups: Option<Vec<String>>,
}

pub(super) async fn list(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Platform, async {
        let call = Call::of(&authority, request).await?;
        let world = authority.world();
        let people = call.people().await?;
        let shown: Vec<Shown> = people.iter().map(|user| shown(&world, user)).collect();
        let count = shown.len();
        Ok(json(&Data::list(shown, count)))
    })
    .await
}

pub(super) async fn read(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Platform, async {
        let call = Call::of(&authority, request).await?;
        let user = call.person().await?;
        Ok(json(&Data::of(shown(&authority.world(), &user))))
    })
    .await
}

pub(super) async fn edit(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Platform, async {
        let call = Call::of(&authority, request).await?;
        let wanted = call.wanted::<Wanted>()?;
        let user = call.person().await?;
        wanted.refuse_what_is_not_kept()?;
        let status = match wanted.status.as_deref() {
            None | Some("") => user.active,
            Some("active") => true,
            Some("inactive") => false,
            Some(_) => return Err(No::invalid("status: expected active or inactive")),
        };
        let (first, last) = names(&user);
        let name = format!(
            "{} {}",
            wanted.user_first_name.unwrap_or(first),
            wanted.user_last_name.unwrap_or(last)
        );
        let name =
            Name::new(&name).map_err(|why| No::invalid(format!("user_first_name: {why}")))?;
        if name != user.name {
            authority
                .rename_user(&call.caller, user.id, name, None)
                .await?;
        }
        if let Some(role) = wanted.role_id.filter(|role| !role.is_empty()) {
            let role = call.role_of_id(&role).await?;
            call.give_role(&user, Some(role)).await?;
        }
        if let Some(groups) = &wanted.user_groups {
            call.put_into(user.id, groups).await?;
        }
        match (user.active, status) {
            (true, false) => authority
                .disable_user(&call.caller, user.id, None)
                .await
                .map(drop)?,
            (false, true) => authority
                .enable_user(&call.caller, user.id, None)
                .await
                .map(drop)?,
            _ => {}
        }
        Ok(json(&Data::of(Message {
            message: "User updated successfully".to_owned(),
        })))
    })
    .await
}

impl Wanted {
    fn refuse_what_is_not_kept(&self) -> Result<(), No> {
        let phone = self
            .phone_number
            .as_ref()
            .is_some_and(|text| !text.is_empty());
        match (phone, self.is_hidden == Some(true)) {
            (false, false) => Ok(()),
            (true, _) => Err(No::invalid("phone_number: it is not kept here")),
            (_, true) => Err(No::invalid("is_hidden: nobody is hidden here")),
        }
    }
}

/// The vendor's answer to who would make an Account Admin.
pub(super) fn account_admin() -> No {
    No::of(StatusCode::INTERNAL_SERVER_ERROR).saying("Can not update users to Account Admin role.")
}

impl Call<'_> {
    /// Everybody whom the caller may see.
    pub(super) async fn people(&self) -> Result<Vec<User>, No> {
        let (mut people, mut after) = (Vec::new(), None);
        loop {
            let filter = UserFilter::default();
            let page = self.authority.users(&self.caller, filter, after, PAGE);
            let page = page.await?;
            let full = page.len() == PAGE;
            after = page.last().map(|user| user.id);
            people.extend(page);
            if !full {
                return Ok(people);
            }
        }
    }

    /// The person with this address, if the caller may see them.
    pub(super) async fn person_at(&self, address: &str) -> Result<Option<User>, No> {
        let Ok(email) = Email::new(address) else {
            return Ok(None);
        };
        let filter = UserFilter {
            email: Some(email),
            ..UserFilter::default()
        };
        let found = self.authority.users(&self.caller, filter, None, 1);
        Ok(found.await?.into_iter().next())
    }

    async fn person(&self) -> Result<User, No> {
        let address = self.names.first().map(String::as_str).unwrap_or_default();
        let found = self.person_at(address).await?;
        found.ok_or_else(|| No::of(StatusCode::NOT_FOUND))
    }

    /// Gives a person one role of this product in place of those before, or none. Roles of other products stay. False where
    /// nothing changes.
    pub(super) async fn give_role(&self, user: &User, role: Option<RoleId>) -> Result<bool, No> {
        let world = self.authority.world();
        let elsewhere = user.roles.iter().filter(|grant| {
            let role = world.role(grant.role);
            role.is_some_and(|role| role.product.as_str() != PRODUCT)
        });
        let mut roles: Vec<(RoleId, Resources)> = elsewhere
            .map(|grant| (grant.role, grant.resources.clone()))
            .collect();
        roles.extend(role.map(|role| (role, Resources::All)));
        let same = roles.len() == user.roles.len()
            && user.roles.iter().all(|grant| {
                roles
                    .iter()
                    .any(|(role, resources)| *role == grant.role && *resources == grant.resources)
            });
        if same {
            return Ok(false);
        }
        self.authority
            .set_user_roles(&self.caller, user.id, roles, None)
            .await?;
        Ok(true)
    }
}

/// The first word of a name, and the rest of it.
pub(super) fn names(user: &User) -> (String, String) {
    let name = user.name.as_str();
    let (first, last) = name.split_once(' ').unwrap_or((name, ""));
    (first.to_owned(), last.to_owned())
}

/// The name of the person's first role of this product.
pub(super) fn role_name(world: &World, user: &User) -> String {
    let roles = user.roles.iter().filter_map(|grant| world.role(grant.role));
    let mut here = roles.filter(|role| role.product.as_str() == PRODUCT && !role.deleted);
    here.next()
        .map(|role| role.name.as_str().to_owned())
        .unwrap_or_default()
}

fn shown(world: &World, user: &User) -> Shown {
    let (user_first_name, user_last_name) = names(user);
    Shown {
        user_email: user.email.as_str().to_owned(),
        user_first_name,
        user_last_name,
        phone_number: None,
        status: if user.active { "active" } else { "inactive" },
        role_name: role_name(world, user),
        last_logged_in: 0,
        is_hidden: false,
        user_type: "CSP",
        groups: Named::of_user(world, user),
    }
}
