//! Settings that are kept with the data: of the server, or of one organization.

use credential::canonical::Canonical;
use credential::event::{Action, SubjectKind};
use credential::id::OrganizationId;

use crate::change::{Change, View, page_size};
use crate::column::parsed;
use crate::db::Row;
use crate::guard::{Found, Recorded};
use crate::{Fault, args};

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// The organization it is for; `None` is the server.
    pub organization: Option<OrganizationId>,
    /// Its value, as JSON in one spelling.
    pub value: String,
    /// Counts its changes, from 1; 0 before it is written.
    pub version: i64,
}

impl Setting {
    /// What names it in the trail, and where a page goes on: its name, and the organization's id where there is one.
    pub fn id(&self) -> String {
        row_id(&self.name, &self.scope())
    }

    fn scope(&self) -> String {
        self.organization
            .map(|id| id.to_string())
            .unwrap_or_default()
    }
}

impl Recorded for Setting {
    const KIND: SubjectKind = SubjectKind::Settings;

    fn subject_id(&self) -> String {
        self.id()
    }

    fn organization(&self) -> Option<OrganizationId> {
        self.organization
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn context(&self) -> Vec<u8> {
        Canonical::new("latchkey setting row")
            .text(&self.name)
            .text(&self.scope())
            .text(&self.value)
            .int(self.version)
            .finish()
    }
}

const GET: &str =
    "SELECT name, scope, value, version, mac FROM setting WHERE name = $1 AND scope = $2";
const PAGE: &str = "\
    SELECT name, scope, value, version, mac FROM setting
    WHERE (name, scope) > (COALESCE(CAST($1 AS TEXT), ''), COALESCE(CAST($2 AS TEXT), '')) ORDER BY name, scope LIMIT $3";
const INSERT: &str = "\
    INSERT INTO setting (name, scope, value, version, mac) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (name, scope) DO NOTHING";
const UPDATE: &str = "\
    UPDATE setting SET value = $1, version = $2, mac = $3 WHERE name = $4 AND scope = $5 AND version = $6";

impl View<'_> {
    /// A setting of the server, or of an organization.
    pub fn setting(
        &self,
        name: &str,
        organization: Option<OrganizationId>,
    ) -> Result<Option<Found<Setting>>, Fault> {
        let scope = organization.map(|id| id.to_string()).unwrap_or_default();
        self.row(GET, args![name, scope])?
            .map(|row| read(self, &row))
            .transpose()
    }

    /// All settings, by name and then by organization. `after` is the id of the last one before, as the trail names it: a
    /// row that was edited by hand has one too.
    pub fn settings_page(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Found<Setting>>, Fault> {
        let after = after.map(place);
        let args = args![
            after.map(|(name, _)| name),
            after.map(|(_, scope)| scope),
            page_size(limit)
        ];
        self.rows(PAGE, args)?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }
}

impl Change<'_> {
    /// Writes a setting over the version that it was made from; version 0 is one that has no row.
    pub fn put_setting(&mut self, setting: Setting, detail: &str) -> Result<Setting, Fault> {
        let from = setting.version;
        let next = Setting {
            version: from + 1,
            ..setting
        };
        let (scope, mac) = (next.scope(), self.keys.mac(&next)?);
        if from == 0 {
            // A row that is there by now is somebody else's having been faster, as with one that changed.
            self.swap(
                INSERT,
                args![&next.name, scope, &next.value, next.version, mac],
            )?;
        } else {
            self.swap(
                UPDATE,
                args![&next.value, next.version, mac, &next.name, scope, from],
            )?;
        }
        self.record(&next, Action::SettingsChanged, detail);
        Ok(next)
    }
}

/// The name and the scope in the id of a setting.
pub(crate) fn place(id: &str) -> (&str, &str) {
    id.rsplit_once('@').unwrap_or((id, ""))
}

pub(crate) fn row_id(name: &str, scope: &str) -> String {
    if scope.is_empty() {
        name.to_owned()
    } else {
        format!("{name}@{scope}")
    }
}

fn read(view: &View<'_>, row: &Row) -> Result<Found<Setting>, Fault> {
    view.keys
        .checked(row, &row_id(row.text(0)?, row.text(1)?), 4, |row| {
            Ok(Setting {
                name: row.text(0)?.to_owned(),
                organization: if row.text(1)?.is_empty() {
                    None
                } else {
                    Some(parsed(row, 1)?)
                },
                value: row.text(2)?.to_owned(),
                version: row.int(3)?,
            })
        })
}
