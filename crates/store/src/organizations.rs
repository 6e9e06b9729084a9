//! Organizations.

use credential::event::{Action, SubjectKind};
use credential::id::OrganizationId;
use credential::name::Name;
use credential::organization::{Organization, OrganizationKind};

use crate::change::{Change, View, page_size, shape};
use crate::column::{instant, opt_parsed, parsed};
use crate::db::Row;
use crate::guard::{Found, Recorded};
use crate::{Fault, args};

impl Recorded for Organization {
    const KIND: SubjectKind = SubjectKind::Organization;

    fn subject_id(&self) -> String {
        self.id.to_string()
    }

    fn organization(&self) -> Option<OrganizationId> {
        Some(self.id)
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn context(&self) -> Vec<u8> {
        Organization::context(self)
    }
}

macro_rules! columns {
    () => {
        "id, number, name, kind, parent, active, created_at, version, name_fold, mac"
    };
}

const GET: &str = concat!("SELECT ", columns!(), " FROM organization WHERE id = $1");
const BY_NUMBER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM organization WHERE number = $1"
);
const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM organization WHERE id > COALESCE(CAST($1 AS TEXT), '') ORDER BY id LIMIT $2"
);
const OF_PARENT: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM organization WHERE parent = $1 AND id > COALESCE(CAST($2 AS TEXT), '') ORDER BY id LIMIT $3"
);
const BY_NAME: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM organization WHERE name_fold = $1 ORDER BY id LIMIT $2"
);
const COUNT: &str = "SELECT COUNT(*) FROM organization";

impl View<'_> {
    /// An organization by its id.
    pub fn organization(&self, id: OrganizationId) -> Result<Option<Found<Organization>>, Fault> {
        self.row(GET, args![id.to_string()])?
            .map(|row| read(self, &row))
            .transpose()
    }

    /// An organization by the number that some dialects show.
    pub fn organization_by_number(
        &self,
        number: i64,
    ) -> Result<Option<Found<Organization>>, Fault> {
        self.row(BY_NUMBER, args![number])?
            .map(|row| read(self, &row))
            .transpose()
    }

    /// All organizations, the oldest first.
    pub fn organizations_page(
        &self,
        after: Option<OrganizationId>,
        limit: usize,
    ) -> Result<Vec<Found<Organization>>, Fault> {
        self.organizations_after(after.map(|id| id.to_string()), limit)
    }

    pub(crate) fn organizations_after(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Found<Organization>>, Fault> {
        self.rows(PAGE, args![after, page_size(limit)])?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }

    /// The organizations that a manager administers, the oldest first.
    pub fn managed_organizations(
        &self,
        manager: OrganizationId,
        after: Option<OrganizationId>,
        limit: usize,
    ) -> Result<Vec<Found<Organization>>, Fault> {
        let args = args![
            manager.to_string(),
            after.map(|id| id.to_string()),
            page_size(limit)
        ];
        self.rows(OF_PARENT, args)?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }

    /// Organizations of this name, letter case apart: names of organizations may repeat.
    pub fn organizations_by_name(
        &self,
        name: &Name,
        limit: usize,
    ) -> Result<Vec<Found<Organization>>, Fault> {
        self.rows(BY_NAME, args![name.fold(), page_size(limit)])?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }

    /// How many organizations there are.
    pub fn organizations_count(&self) -> Result<i64, Fault> {
        self.one(COUNT, &[])?.int(0)
    }
}

const INSERT: &str = "\
    INSERT INTO organization (id, number, name, name_fold, kind, parent, active, created_at, version, mac)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const UPDATE: &str = "\
    UPDATE organization SET name = $1, name_fold = $2, active = $3, version = $4, mac = $5
    WHERE id = $6 AND version = $7";

impl Change<'_> {
    /// Writes a new organization, of version 1; [`Change::next_number`] gives its number.
    pub fn insert_organization(
        &mut self,
        new: &Organization,
        action: Action,
        detail: &str,
    ) -> Result<(), Fault> {
        if new.version != 1 {
            return Err(shape("a new organization has version 1"));
        }
        self.execute(
            INSERT,
            args![
                new.id.to_string(),
                new.number,
                new.name.as_str(),
                new.name.fold(),
                new.kind.as_str(),
                new.parent.map(|id| id.to_string()),
                new.active,
                new.created_at.millis(),
                new.version,
                self.keys.mac(new)?
            ],
        )?;
        self.record(new, action, detail);
        Ok(())
    }

    /// Writes a changed organization over the version that it was made from: its name and whether it is active.
    pub fn update_organization(
        &mut self,
        organization: Organization,
        action: Action,
        detail: &str,
    ) -> Result<Organization, Fault> {
        let from = organization.version;
        let next = Organization {
            version: from + 1,
            ..organization
        };
        self.swap(
            UPDATE,
            args![
                next.name.as_str(),
                next.name.fold(),
                next.active,
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

fn read(view: &View<'_>, row: &Row) -> Result<Found<Organization>, Fault> {
    view.keys.checked(row, row.text(0)?, 9, |row| {
        let organization = Organization {
            id: parsed(row, 0)?,
            number: row.int(1)?,
            name: parsed(row, 2)?,
            kind: OrganizationKind::from_word(row.text(3)?)
                .ok_or_else(|| shape("no kind of organization"))?,
            parent: opt_parsed(row, 4)?,
            active: row.flag(5)?,
            created_at: instant(row, 6)?,
            version: row.int(7)?,
        };
        let is_folded = organization.name.fold() == row.text(8)?;
        if is_folded {
            Ok(organization)
        } else {
            Err(shape("the folded name is of another name"))
        }
    })
}
