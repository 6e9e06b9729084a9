//! The catalogs in force, product by product: replicas with other files say so.

use credential::canonical::Canonical;
use credential::event::{Action, SubjectKind};
use credential::id::OrganizationId;
use credential::name::ProductName;

use crate::change::{Change, View, page_size};
use crate::column::parsed;
use crate::db::Row;
use crate::guard::{Found, Recorded};
use crate::{Fault, args};

/// The catalog of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// The product.
    pub product: ProductName,
    /// The digest of the file's text, in hexadecimal.
    pub digest: String,
    /// The file's text.
    pub body: String,
    /// Counts its changes, from 1; 0 before it is written.
    pub version: i64,
}

impl Recorded for Catalog {
    const KIND: SubjectKind = SubjectKind::Catalog;

    fn subject_id(&self) -> String {
        self.product.to_string()
    }

    fn organization(&self) -> Option<OrganizationId> {
        None
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn context(&self) -> Vec<u8> {
        Canonical::new("latchkey catalog row")
            .text(self.product.as_str())
            .text(&self.digest)
            .text(&self.body)
            .int(self.version)
            .finish()
    }
}

const PAGE: &str = "\
    SELECT product, digest, body, version, mac FROM catalog
    WHERE product > COALESCE(CAST($1 AS TEXT), '') ORDER BY product LIMIT $2";
const GET: &str = "SELECT product, digest, body, version, mac FROM catalog WHERE product = $1";
const INSERT: &str =
    "INSERT INTO catalog (product, digest, body, version, mac) VALUES ($1, $2, $3, $4, $5)";
const UPDATE: &str = "\
    UPDATE catalog SET digest = $1, body = $2, version = $3, mac = $4 WHERE product = $5 AND version = $6";

impl View<'_> {
    /// The catalog of a product.
    pub fn catalog(&self, product: &ProductName) -> Result<Option<Found<Catalog>>, Fault> {
        self.row(GET, args![product.as_str()])?
            .map(|row| read(self, &row))
            .transpose()
    }

    /// All catalogs, by product.
    pub fn catalogs_page(
        &self,
        after: Option<&ProductName>,
        limit: usize,
    ) -> Result<Vec<Found<Catalog>>, Fault> {
        self.catalogs_after(after.map(ProductName::as_str), limit)
    }

    pub(crate) fn catalogs_after(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Found<Catalog>>, Fault> {
        self.rows(PAGE, args![after, page_size(limit)])?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }
}

impl Change<'_> {
    /// Puts a catalog in force, over the version that it replaces; version 0 is the first.
    pub fn put_catalog(&mut self, catalog: Catalog, detail: &str) -> Result<Catalog, Fault> {
        let from = catalog.version;
        let next = Catalog {
            version: from + 1,
            ..catalog
        };
        let mac = self.keys.mac(&next)?;
        let product = next.product.as_str();
        if from == 0 {
            self.execute(
                INSERT,
                args![product, &next.digest, &next.body, next.version, mac],
            )?;
        } else {
            self.swap(
                UPDATE,
                args![&next.digest, &next.body, next.version, mac, product, from],
            )?;
        }
        self.record(&next, Action::CatalogApplied, detail);
        Ok(next)
    }
}

fn read(view: &View<'_>, row: &Row) -> Result<Found<Catalog>, Fault> {
    view.keys.checked(row, row.text(0)?, 4, |row| {
        Ok(Catalog {
            product: parsed(row, 0)?,
            digest: row.text(1)?.to_owned(),
            body: row.text(2)?.to_owned(),
            version: row.int(3)?,
        })
    })
}
