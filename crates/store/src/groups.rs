//! Groups of people. A group that is deleted leaves no row; the trail remembers it.

use credential::event::{Action, SubjectKind};
use credential::group::Group;
use credential::id::{GroupId, OrganizationId};

use crate::change::{Change, View, page_size, shape};
use crate::column::{instant, json, maker, maker_text, parsed, to_json};
use crate::db::Row;
use crate::guard::{Found, Recorded};
use crate::{Fault, args};

/// What [`Fault::is_conflict_on`] says when a group of the organization has the name.
pub const GROUP_NAME: &str = "user_group.organization, user_group.name_fold";

impl Recorded for Group {
    const KIND: SubjectKind = SubjectKind::Group;

    fn subject_id(&self) -> String {
        self.id.to_string()
    }

    fn organization(&self) -> Option<OrganizationId> {
        Some(self.organization)
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn context(&self) -> Vec<u8> {
        Group::context(self)
    }
}

macro_rules! columns {
    () => {
        "id, organization, name, name_fold, description, roles, members, nested, reach, created_at, created_by, \
         edited_at, version, mac"
    };
}

const GET: &str = concat!("SELECT ", columns!(), " FROM user_group WHERE id = $1");
const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM user_group WHERE id > COALESCE(CAST($1 AS TEXT), '') ORDER BY id LIMIT $2"
);
const OF_ORGANIZATION: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM user_group WHERE organization = $1 AND id > COALESCE(CAST($2 AS TEXT), '') ORDER BY id LIMIT $3"
);

impl View<'_> {
    /// A group by its id.
    pub fn group(&self, id: GroupId) -> Result<Option<Found<Group>>, Fault> {
        self.row(GET, args![id.to_string()])?
            .map(|row| read(self, &row))
            .transpose()
    }

    /// The groups of an organization, or of all, the oldest first.
    pub fn groups_page(
        &self,
        organization: Option<OrganizationId>,
        after: Option<GroupId>,
        limit: usize,
    ) -> Result<Vec<Found<Group>>, Fault> {
        let after = after.map(|id| id.to_string());
        let Some(organization) = organization else {
            return self.groups_after(after, limit);
        };
        let args = args![organization.to_string(), after, page_size(limit)];
        self.rows(OF_ORGANIZATION, args)?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }

    pub(crate) fn groups_after(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Found<Group>>, Fault> {
        self.rows(PAGE, args![after, page_size(limit)])?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }
}

const INSERT: &str = "\
    INSERT INTO user_group (id, organization, name, name_fold, description, roles, members, nested, reach, created_at,
        created_by, edited_at, version, mac)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
const UPDATE: &str = "\
    UPDATE user_group SET name = $1, name_fold = $2, description = $3, roles = $4, members = $5, nested = $6, reach = $7,
        edited_at = $8, version = $9, mac = $10
    WHERE id = $11 AND version = $12";
const DELETE: &str = "DELETE FROM user_group WHERE id = $1 AND version = $2";

impl Change<'_> {
    /// Writes a new group, of version 1. Another of the same name is a [`Fault::Conflict`] on [`GROUP_NAME`].
    pub fn insert_group(
        &mut self,
        group: &Group,
        action: Action,
        detail: &str,
    ) -> Result<(), Fault> {
        if group.version != 1 {
            return Err(shape("a new group has version 1"));
        }
        self.execute(
            INSERT,
            args![
                group.id.to_string(),
                group.organization.to_string(),
                group.name.as_str(),
                group.name.fold(),
                group.description.as_str(),
                to_json(&group.roles)?,
                to_json(&group.members)?,
                to_json(&group.nested)?,
                to_json(&group.reach)?,
                group.created_at.millis(),
                maker_text(group.created_by),
                group.edited_at.millis(),
                group.version,
                self.keys.mac(group)?
            ],
        )?;
        self.record(group, action, detail);
        Ok(())
    }

    /// Writes a changed group over the version that it was made from.
    pub fn update_group(
        &mut self,
        group: Group,
        action: Action,
        detail: &str,
    ) -> Result<Group, Fault> {
        let from = group.version;
        let next = Group {
            version: from + 1,
            ..group
        };
        self.swap(
            UPDATE,
            args![
                next.name.as_str(),
                next.name.fold(),
                next.description.as_str(),
                to_json(&next.roles)?,
                to_json(&next.members)?,
                to_json(&next.nested)?,
                to_json(&next.reach)?,
                next.edited_at.millis(),
                next.version,
                self.keys.mac(&next)?,
                next.id.to_string(),
                from
            ],
        )?;
        self.record(&next, action, detail);
        Ok(next)
    }

    /// Removes a group for good.
    pub fn delete_group(
        &mut self,
        group: &Group,
        action: Action,
        detail: &str,
    ) -> Result<(), Fault> {
        self.swap(DELETE, args![group.id.to_string(), group.version])?;
        self.record_gone(group, action, detail);
        Ok(())
    }
}

fn read(view: &View<'_>, row: &Row) -> Result<Found<Group>, Fault> {
    view.keys.checked(row, row.text(0)?, 13, |row| {
        let group = Group {
            id: parsed(row, 0)?,
            organization: parsed(row, 1)?,
            name: parsed(row, 2)?,
            description: parsed(row, 4)?,
            roles: json(row, 5)?,
            members: json(row, 6)?,
            nested: json(row, 7)?,
            reach: json(row, 8)?,
            created_at: instant(row, 9)?,
            created_by: maker(row.text(10)?)?,
            edited_at: instant(row, 11)?,
            version: row.int(12)?,
        };
        if group.name.fold() == row.text(3)? {
            Ok(group)
        } else {
            Err(shape("the folded name is of another name"))
        }
    })
}
