//! Families of tokens.

use credential::event::{Action, SubjectKind};
use credential::family::{Death, Family};
use credential::id::{FamilyId, KeyId, OrganizationId};
use credential::time::{Instant, Span};

use crate::change::{Change, View, page_size, shape};
use crate::column::{instant, number, opt_instant, parsed};
use crate::db::Row;
use crate::guard::{Found, Recorded};
use crate::{Fault, args};

impl Recorded for Family {
    const KIND: SubjectKind = SubjectKind::Family;

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
        Family::context(self)
    }
}

macro_rules! columns {
    () => {
        "id, organization, key_id, generation, rotated_at, previous_at, used, refresh_until, access_life, refresh_life, \
         dead_at, dead_why, created_at, version, sealed"
    };
}

const GET: &str = concat!("SELECT ", columns!(), " FROM family WHERE id = $1");
const OF_KEY: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM family WHERE key_id = $1 AND id > COALESCE(CAST($2 AS TEXT), '') ORDER BY id LIMIT $3"
);
const LIVE_OF_KEY: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM family WHERE key_id = $1 AND dead_at IS NULL ORDER BY id LIMIT $2"
);
const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM family WHERE id > COALESCE(CAST($1 AS TEXT), '') ORDER BY id LIMIT $2"
);
const LAPSED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM family WHERE refresh_until < $1 ORDER BY refresh_until, id LIMIT $2"
);

impl View<'_> {
    /// A family by its id.
    pub fn family(&self, id: FamilyId) -> Result<Option<Found<Family>>, Fault> {
        self.row(GET, args![id.to_string()])?
            .map(|row| read(self, &row))
            .transpose()
    }

    /// The families of a key, the oldest first.
    pub fn families_of(
        &self,
        key: KeyId,
        after: Option<FamilyId>,
        limit: usize,
    ) -> Result<Vec<Found<Family>>, Fault> {
        let after = after.map(|id| id.to_string());
        self.families(OF_KEY, args![key.to_string(), after, page_size(limit)])
    }

    /// The families of a key that are not dead.
    pub fn live_families_of(&self, key: KeyId, limit: usize) -> Result<Vec<Found<Family>>, Fault> {
        self.families(LIVE_OF_KEY, args![key.to_string(), page_size(limit)])
    }

    /// All families, the oldest first.
    pub fn families_page(
        &self,
        after: Option<FamilyId>,
        limit: usize,
    ) -> Result<Vec<Found<Family>>, Fault> {
        self.families_after(after.map(|id| id.to_string()), limit)
    }

    pub(crate) fn families_after(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Found<Family>>, Fault> {
        self.families(PAGE, args![after, page_size(limit)])
    }

    /// The families whose refresh token lapsed before this moment.
    pub fn lapsed_families(
        &self,
        before: Instant,
        limit: usize,
    ) -> Result<Vec<Found<Family>>, Fault> {
        self.families(LAPSED, args![before.millis(), page_size(limit)])
    }

    fn families(
        &self,
        sql: &'static str,
        args: &[crate::db::Arg<'_>],
    ) -> Result<Vec<Found<Family>>, Fault> {
        self.rows(sql, args)?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }

    pub(crate) fn write_new_family(&self, family: &Family) -> Result<(), Fault> {
        if family.version != 1 {
            return Err(shape("a new family has version 1"));
        }
        let (dead_at, dead_why) = death_columns(family);
        self.execute(
            INSERT,
            args![
                family.id.to_string(),
                family.organization.to_string(),
                family.key.to_string(),
                family.generation,
                family.rotated_at.millis(),
                family.previous_at.map(Instant::millis),
                family.used,
                family.refresh_until.millis(),
                family.access_life.millis(),
                family.refresh_life.millis(),
                dead_at,
                dead_why,
                family.created_at.millis(),
                family.version,
                seal(self, family)?
            ],
        )?;
        Ok(())
    }

    pub(crate) fn write_family(&self, family: Family) -> Result<Family, Fault> {
        let from = family.version;
        let family = Family {
            version: from + 1,
            ..family
        };
        let (dead_at, dead_why) = death_columns(&family);
        self.swap(
            UPDATE,
            args![
                family.generation,
                family.rotated_at.millis(),
                family.previous_at.map(Instant::millis),
                family.used,
                family.refresh_until.millis(),
                family.access_life.millis(),
                family.refresh_life.millis(),
                dead_at,
                dead_why,
                family.version,
                seal(self, &family)?,
                family.id.to_string(),
                from
            ],
        )?;
        Ok(family)
    }
}

const INSERT: &str = "\
    INSERT INTO family (
        id, organization, key_id, generation, rotated_at, previous_at, used, refresh_until, access_life, refresh_life,
        dead_at, dead_why, created_at, version, sealed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
const UPDATE: &str = "\
    UPDATE family SET generation = $1, rotated_at = $2, previous_at = $3, used = $4, refresh_until = $5,
        access_life = $6, refresh_life = $7, dead_at = $8, dead_why = $9, version = $10, sealed = $11
    WHERE id = $12 AND version = $13";
const DELETE: &str = "DELETE FROM family WHERE id = $1 AND version = $2";

impl Change<'_> {
    /// Writes a new family, of version 1, together with whatever else is changed: with its key, for example.
    pub fn insert_family(
        &mut self,
        family: &Family,
        action: Action,
        detail: &str,
    ) -> Result<(), Fault> {
        self.write_new_family(family)?;
        self.record(family, action, detail);
        Ok(())
    }

    /// Writes a changed family over the version that it was made from. This way it is in the feed, as the death of a
    /// family must be; a refresh goes through [`crate::Store::issue`].
    pub fn update_family(
        &mut self,
        family: Family,
        action: Action,
        detail: &str,
    ) -> Result<Family, Fault> {
        let family = self.write_family(family)?;
        self.record(&family, action, detail);
        Ok(family)
    }

    /// Removes a family for good.
    pub fn delete_family(
        &mut self,
        family: &Family,
        action: Action,
        detail: &str,
    ) -> Result<(), Fault> {
        self.swap(DELETE, args![family.id.to_string(), family.version])?;
        self.record_gone(family, action, detail);
        Ok(())
    }
}

pub(crate) fn seal(view: &View<'_>, family: &Family) -> Result<Vec<u8>, Fault> {
    view.keys.seal(&family.context(), &family.seed)
}

fn death_columns(family: &Family) -> (Option<i64>, Option<&'static str>) {
    let word = |why| match why {
        Death::Reused => "reused",
        Death::Revoked => "revoked",
        Death::Replaced => "replaced",
    };
    (
        family.dead.map(|(at, _)| at.millis()),
        family.dead.map(|(_, why)| word(why)),
    )
}

fn read(view: &View<'_>, row: &Row) -> Result<Found<Family>, Fault> {
    view.keys.opened(
        row,
        row.text(0)?,
        14,
        columns_of,
        |family, plain| match plain.try_into() {
            Ok(seed) => {
                family.seed = seed;
                true
            }
            Err(_) => false,
        },
    )
}

fn columns_of(row: &Row) -> Result<Family, Fault> {
    let dead = match (opt_instant(row, 10)?, row.opt_text(11)?) {
        (None, None) => None,
        (Some(at), Some("reused")) => Some((at, Death::Reused)),
        (Some(at), Some("revoked")) => Some((at, Death::Revoked)),
        (Some(at), Some("replaced")) => Some((at, Death::Replaced)),
        _ => return Err(shape("no death of a family")),
    };
    let span = |at: usize| match row.int(at)? {
        millis if millis >= 0 => Ok(Span::from_millis(millis)),
        _ => Err(shape("a length of time is never negative")),
    };
    Ok(Family {
        id: parsed(row, 0)?,
        organization: parsed(row, 1)?,
        key: parsed(row, 2)?,
        generation: number(row, 3)?,
        rotated_at: instant(row, 4)?,
        previous_at: opt_instant(row, 5)?,
        used: row.flag(6)?,
        refresh_until: instant(row, 7)?,
        access_life: span(8)?,
        refresh_life: span(9)?,
        dead,
        created_at: instant(row, 12)?,
        version: row.int(13)?,
        seed: [0; 32],
    })
}
