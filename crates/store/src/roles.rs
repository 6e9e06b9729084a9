//! Custom roles. Built-in ones come with a product's catalog and have no row.

use credential::canonical::Canonical;
use credential::event::{Action, SubjectKind};
use credential::id::{OrganizationId, RoleId};
use credential::role::Role;

use crate::change::{Change, View, page_size, shape};
use crate::column::{json, opt_parsed, parsed, to_json};
use crate::db::Row;
use crate::guard::{Found, Recorded};
use crate::{Fault, args};

/// What [`Fault::is_conflict_on`] says when a living role of the organization and product has the name.
pub const ROLE_NAME: &str = "role.name_lock";

impl Recorded for Role {
    const KIND: SubjectKind = SubjectKind::Role;

    fn subject_id(&self) -> String {
        self.id.to_string()
    }

    fn organization(&self) -> Option<OrganizationId> {
        self.organization
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn context(&self) -> Vec<u8> {
        Canonical::new("latchkey role row")
            .bytes(self.id.as_bytes())
            .opt_text(self.organization.map(|id| id.to_string()).as_deref())
            .text(self.product.as_str())
            .text(self.name.as_str())
            .text(self.description.as_str())
            .text(&serde_json::to_string(&self.scopes).unwrap_or_default())
            .int(i64::from(self.deleted))
            .int(self.version)
            .finish()
    }
}

macro_rules! columns {
    () => {
        "id, organization, product, name, description, scopes, deleted, version, mac"
    };
}

const GET: &str = concat!("SELECT ", columns!(), " FROM role WHERE id = $1");
const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM role WHERE id > COALESCE(CAST($1 AS TEXT), '') ORDER BY id LIMIT $2"
);
const OF_ORGANIZATION: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM role WHERE organization = $1 AND deleted = 0 AND id > COALESCE(CAST($2 AS TEXT), '') ORDER BY id LIMIT $3"
);

impl View<'_> {
    /// A role by its id, deleted or not.
    pub fn role(&self, id: RoleId) -> Result<Option<Found<Role>>, Fault> {
        self.row(GET, args![id.to_string()])?
            .map(|row| read(self, &row))
            .transpose()
    }

    /// The living roles of an organization, or all roles with the deleted ones, the oldest first.
    pub fn roles_page(
        &self,
        organization: Option<OrganizationId>,
        after: Option<RoleId>,
        limit: usize,
    ) -> Result<Vec<Found<Role>>, Fault> {
        let after = after.map(|id| id.to_string());
        let rows = match organization {
            Some(id) => self.rows(
                OF_ORGANIZATION,
                args![id.to_string(), after, page_size(limit)],
            )?,
            None => return self.roles_after(after, limit),
        };
        rows.iter().map(|row| read(self, row)).collect()
    }

    pub(crate) fn roles_after(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Found<Role>>, Fault> {
        self.rows(PAGE, args![after, page_size(limit)])?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }
}

const INSERT: &str = "\
    INSERT INTO role (id, organization, product, name, name_lock, description, scopes, deleted, version, mac)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const UPDATE: &str = "\
    UPDATE role SET name = $1, name_lock = $2, description = $3, scopes = $4, deleted = $5, version = $6, mac = $7
    WHERE id = $8 AND version = $9";

impl Change<'_> {
    /// Writes a new role, of version 1. A living one of the same name is a [`Fault::Conflict`] on [`ROLE_NAME`].
    pub fn insert_role(&mut self, role: &Role, action: Action, detail: &str) -> Result<(), Fault> {
        if role.version != 1 {
            return Err(shape("a new role has version 1"));
        }
        self.execute(
            INSERT,
            args![
                role.id.to_string(),
                role.organization.map(|id| id.to_string()),
                role.product.as_str(),
                role.name.as_str(),
                name_lock(role),
                role.description.as_str(),
                to_json(&role.scopes)?,
                role.deleted,
                role.version,
                self.keys.mac(role)?
            ],
        )?;
        self.record(role, action, detail);
        Ok(())
    }

    /// Writes a changed role over the version that it was made from; a deleted one frees its name.
    pub fn update_role(&mut self, role: Role, action: Action, detail: &str) -> Result<Role, Fault> {
        let from = role.version;
        let next = Role {
            version: from + 1,
            ..role
        };
        self.swap(
            UPDATE,
            args![
                next.name.as_str(),
                name_lock(&next),
                next.description.as_str(),
                to_json(&next.scopes)?,
                next.deleted,
                next.version,
                self.keys.mac(&next)?,
                next.id.to_string(),
                from
            ],
        )?;
        self.record(&next, action, detail);
        Ok(next)
    }
}

fn name_lock(role: &Role) -> Option<String> {
    let organization = role
        .organization
        .map(|id| id.to_string())
        .unwrap_or_default();
    (!role.deleted).then(|| format!("{organization}/{}/{}", role.product, role.name.fold()))
}

fn read(view: &View<'_>, row: &Row) -> Result<Found<Role>, Fault> {
    view.keys.checked(row, row.text(0)?, 8, |row| {
        Ok(Role {
            id: parsed(row, 0)?,
            organization: opt_parsed(row, 1)?,
            product: parsed(row, 2)?,
            name: parsed(row, 3)?,
            description: parsed(row, 4)?,
            scopes: json(row, 5)?,
            deleted: row.flag(6)?,
            version: row.int(7)?,
        })
    })
}
