//! Roles: `/platform/iam/v1/role…`. Components with their levels are scopes of the product.

use std::collections::BTreeSet;

use authority::Authority;
use authority::catalog::Product;
use authority::roles::{CreateRole, RoleFilter};
use axum::extract::{Request, State};
use axum::response::Response;
use credential::access::Allowed;
use credential::id::RoleId;
use credential::name::{Comment, RoleName};
use credential::role::Role;
use credential::scope::Scope;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer;
use super::areas::{Area, No};
use super::call::{Call, json};
use super::components::{COMPONENTS, Component};
use super::wire::{Data, Message};

/// Roles of one page of the authority's.
const PAGE: usize = 100;
/// The role that is given at the vendor's gateway only.
pub(super) const ACCOUNT_ADMIN: &str = "Account Admin";
/// Roles that only administrators see, and the scope that they see them by.
const COMMAND_LINE: [&str; 2] = ["CLI", "CLI Read Only"];
const SEES_COMMAND_LINE: &str = "access.cli_roles";
/// Who made a role that comes with the product.
const SYSTEM: &str = "System";

/// A role.
#[derive(Serialize)]
struct Shown {
    role_id: String,
    pretty_name: String,
    description: String,
    is_custom: bool,
    created_by: String,
    created_ts: i64,
    updated_ts: i64,
}

/// What a new role shall be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    pretty_name: String,
    component_permissions: Vec<String>,
    description: Option<String>,
    dataset_permissions: Option<Vec<Value>>,
}

#[derive(Serialize)]
struct Config {
    rbac_permissions: Vec<Category>,
    #[serde(rename = "datasetGroups")]
    dataset_groups: Vec<Value>,
}

#[derive(Serialize)]
struct Category {
    category_name: &'static str,
    sub_categories: Vec<SubCategory>,
}

#[derive(Serialize)]
struct SubCategory {
    sub_category_name: &'static str,
    permissions: Vec<Permission>,
}

#[derive(Serialize)]
struct Permission {
    name: &'static str,
    view_name: Option<String>,
    action_name: Option<String>,
    sub_permissions: Vec<SubPermission>,
}

#[derive(Serialize)]
struct SubPermission {
    action_name: &'static str,
    name: &'static str,
}

pub(super) async fn list(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Platform, async {
        let call = Call::of(&authority, request).await?;
        let mut roles = call.roles(None).await?;
        if !call.holds(SEES_COMMAND_LINE)? {
            roles.retain(|role| !COMMAND_LINE.contains(&role.name.as_str()));
        }
        let shown: Vec<Shown> = roles.iter().map(shown).collect();
        let count = shown.len();
        Ok(json(&Data::list(shown, count)))
    })
    .await
}

pub(super) async fn create(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Platform, async {
        let call = Call::of(&authority, request).await?;
        let wanted = call.wanted::<Wanted>()?;
        if wanted
            .dataset_permissions
            .is_some_and(|list| !list.is_empty())
        {
            return Err(No::invalid(
                "dataset_permissions: datasets are given by the scope of a user, a group or a key",
            ));
        }
        let wrong =
            |member: &str, why: &dyn std::fmt::Display| No::invalid(format!("{member}: {why}"));
        let description = wanted.description.as_deref().unwrap_or_default();
        let command = CreateRole {
            organization: None,
            product: call.product.clone(),
            name: RoleName::new(&wanted.pretty_name).map_err(|why| wrong("pretty_name", &why))?,
            description: Comment::new(description).map_err(|why| wrong("description", &why))?,
            scopes: scopes_of(&*call.declared()?, &wanted.component_permissions)?,
        };
        let made = authority.create_role(&call.caller, command).await?.value;
        Ok(json(&Data::of(Message {
            message: format!("role_id {} created successfully.", made.id),
        })))
    })
    .await
}

pub(super) async fn delete(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Platform, async {
        let call = Call::of(&authority, request).await?;
        let id = call.names.first().map(String::as_str).unwrap_or_default();
        let id: RoleId = id.parse().map_err(|_| No::of(StatusCode::NOT_FOUND))?;
        authority.delete_role(&call.caller, id, false, None).await?;
        Ok(json(&Data::of(Message {
            message: format!("role_id {id} deleted successfully."),
        })))
    })
    .await
}

pub(super) async fn permissions(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Platform, async {
        let call = Call::of(&authority, request).await?;
        let product = call.declared()?;
        let mut categories: Vec<Category> = Vec::new();
        for component in COMPONENTS {
            let known = categories
                .iter()
                .position(|category| category.category_name == component.category);
            let at = known.unwrap_or_else(|| {
                categories.push(Category {
                    category_name: component.category,
                    sub_categories: Vec::new(),
                });
                categories.len() - 1
            });
            let subs = &mut categories[at].sub_categories;
            let known = subs
                .iter()
                .position(|sub| sub.sub_category_name == component.sub_category);
            let at = known.unwrap_or_else(|| {
                subs.push(SubCategory {
                    sub_category_name: component.sub_category,
                    permissions: Vec::new(),
                });
                subs.len() - 1
            });
            subs[at].permissions.push(permission(&product, component));
        }
        Ok(json(&Data::of(Config {
            rbac_permissions: categories,
            dataset_groups: Vec::new(),
        })))
    })
    .await
}

impl Call<'_> {
    /// The product as its catalog declares it.
    pub(super) fn declared(&self) -> Result<std::sync::Arc<Product>, No> {
        let world = self.authority.world();
        let product = world.product(&self.product).cloned();
        product.ok_or_else(|| No::of(StatusCode::INTERNAL_SERVER_ERROR))
    }

    /// Whether the caller has a scope, for everything.
    pub(super) fn holds(&self, scope: &str) -> Result<bool, No> {
        let scope = Scope::new(scope).map_err(|_| No::of(StatusCode::INTERNAL_SERVER_ERROR))?;
        Ok(self.valid.rights().allows(&scope, None) == Allowed::Yes)
    }

    /// The roles that the caller may know of: all of them, or those that an organization made.
    pub(super) async fn roles(&self, built_in: Option<bool>) -> Result<Vec<Role>, No> {
        let (mut roles, mut after) = (Vec::new(), None);
        loop {
            let filter = RoleFilter {
                organization: None,
                product: Some(self.product.clone()),
                built_in,
            };
            let page = self.authority.roles(&self.caller, filter, after, PAGE);
            let page = page.await?;
            let full = page.len() == PAGE;
            after = page.last().map(|role| role.id);
            roles.extend(page);
            if !full {
                return Ok(roles);
            }
        }
    }

    /// Roles by their names. What is built in everybody knows of, and is refused by name to who may not give it.
    pub(super) async fn roles_called(&self, names: &[String]) -> Result<Vec<RoleId>, No> {
        let product = self.declared()?;
        let mut custom: Option<Vec<Role>> = None;
        let mut ids = BTreeSet::new();
        for name in names {
            if name == ACCOUNT_ADMIN {
                return Err(No::invalid(
                    "roles: Account Admin is given at the Gateway only",
                ));
            }
            let called = |role: &&Role| role.name.as_str() == name;
            if let Some(role) = product.roles.iter().find(called) {
                ids.insert(role.id);
                continue;
            }
            let made = match &mut custom {
                Some(made) => made,
                None => custom.insert(self.roles(Some(false)).await?),
            };
            let role = made.iter().find(called);
            let role = role.ok_or_else(|| No::invalid(format!("Unknown custom roles: {name}")))?;
            ids.insert(role.id);
        }
        Ok(ids.into_iter().collect())
    }
}

/// The permissions that a role has, by the vendor's names.
pub(super) fn permissions_of(product: &Product, role: &Role) -> Vec<String> {
    let holds = |scope: &str| {
        Scope::new(scope).is_ok_and(|scope| product.algebra.covers(&role.scopes, &scope))
    };
    let mut names = Vec::new();
    for component in COMPONENTS {
        let Permission {
            view_name,
            action_name,
            ..
        } = permission(product, component);
        names.extend(view_name.filter(|_| holds(&read(component))));
        names.extend(action_name.filter(|_| holds(&write(component))));
        for switch in component.switches {
            if holds(&format!("{}.{}", component.scope, switch.scope)) {
                names.push(switch.name.to_owned());
            }
        }
    }
    names
}

/// The scopes that permissions stand for. A switch needs that its component may be edited.
fn scopes_of(product: &Product, permissions: &[String]) -> Result<Vec<String>, No> {
    let mut scopes = BTreeSet::new();
    for name in permissions {
        let scope = COMPONENTS.iter().find_map(|component| {
            let of = permission(product, component);
            let switch = component.switches.iter().find(|switch| switch.name == name);
            if of.view_name.as_ref() == Some(name) {
                Some(Ok(read(component)))
            } else if of.action_name.as_ref() == Some(name) {
                Some(Ok(write(component)))
            } else {
                let switch = switch?;
                let edits = of
                    .action_name
                    .is_some_and(|name| permissions.contains(&name));
                Some(match edits {
                    true => Ok(format!("{}.{}", component.scope, switch.scope)),
                    false => Err(No::invalid(format!(
                        "component_permissions: {name} needs {}_action",
                        component.name
                    ))),
                })
            }
        });
        let unknown = || No::invalid(format!("component_permissions: there is no {name}"));
        scopes.insert(scope.ok_or_else(unknown)??);
    }
    Ok(scopes.into_iter().collect())
}

fn permission(product: &Product, component: &Component) -> Permission {
    let declared =
        |scope: String| Scope::new(&scope).is_ok_and(|scope| product.scopes.contains_key(&scope));
    let named = |ending: &str| format!("{}_{ending}", component.name);
    let switches = component.switches.iter();
    Permission {
        name: component.title,
        view_name: declared(read(component)).then(|| named("view")),
        action_name: declared(write(component)).then(|| named("action")),
        sub_permissions: switches
            .map(|switch| SubPermission {
                action_name: switch.name,
                name: switch.title,
            })
            .collect(),
    }
}

fn read(component: &Component) -> String {
    format!("{}:read", component.scope)
}

fn write(component: &Component) -> String {
    format!("{}:write", component.scope)
}

fn shown(role: &Role) -> Shown {
    let made_at = made_at(role);
    Shown {
        role_id: role.id.to_string(),
        pretty_name: role.name.as_str().to_owned(),
        description: role.description.as_str().to_owned(),
        is_custom: !role.is_built_in(),
        created_by: maker(role).to_owned(),
        created_ts: made_at,
        updated_ts: made_at,
    }
}

/// Who made it; of those that people make only the audit trail tells.
pub(super) fn maker(role: &Role) -> &'static str {
    if role.is_built_in() { SYSTEM } else { "" }
}

/// When it was made, in milliseconds: the time in its id. Those that are built in were there before.
pub(super) fn made_at(role: &Role) -> i64 {
    if role.is_built_in() {
        return 0;
    }
    let time = role.id.as_bytes()[..6].iter();
    time.fold(0, |millis, byte| millis << 8 | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product() -> Product {
        let catalogs = Product::built_in().unwrap();
        catalogs
            .into_iter()
            .find(|product| product.name.as_str() == super::super::PRODUCT)
            .unwrap()
    }

    #[test]
    fn every_scope_that_is_offered_belongs_to_a_component_and_every_component_has_one() {
        let product = product();
        let mut offered: BTreeSet<String> = product
            .scopes
            .iter()
            .filter(|(_, entry)| !entry.hidden)
            .map(|(scope, _)| scope.as_str().to_owned())
            .collect();
        for component in COMPONENTS {
            let of = permission(&product, component);
            assert!(
                of.view_name.is_some() || of.action_name.is_some(),
                "{component:?}"
            );
            offered.remove(&read(component));
            offered.remove(&write(component));
            for switch in component.switches {
                assert!(
                    offered.remove(&format!("{}.{}", component.scope, switch.scope)),
                    "{switch:?}"
                );
            }
        }
        assert_eq!(offered, BTreeSet::new());
    }

    #[test]
    fn the_permissions_of_a_role_make_the_same_role_again() {
        let product = product();
        for role in &product.roles {
            let names = permissions_of(&product, role);
            let scopes: Vec<Scope> = scopes_of(&product, &names)
                .unwrap()
                .iter()
                .map(|scope| Scope::new(scope).unwrap())
                .collect();
            let offered: Vec<Scope> = role
                .scopes
                .iter()
                .filter(|scope| !product.scopes[*scope].hidden)
                .cloned()
                .collect();
            assert_eq!(
                product.algebra.normalize(&scopes),
                product.algebra.normalize(&offered),
                "{}",
                role.name
            );
        }
    }

    #[test]
    fn a_switch_needs_that_its_component_may_be_edited() {
        let product = product();
        let scopes = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            scopes_of(&product, &names).ok()
        };
        let both = vec![
            "response.action_center.file_search".to_owned(),
            "response.action_center:write".to_owned(),
        ];
        assert_eq!(
            scopes(&["file_search", "actions_center_action"]),
            Some(both)
        );
        assert_eq!(scopes(&["file_search", "actions_center_view"]), None);
        assert_eq!(scopes(&["data_management_view"]), None);
        assert!(scopes(&["data_management_action"]).is_some());
    }
}
