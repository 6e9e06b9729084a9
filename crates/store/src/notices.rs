//! Notices to people, each told once.

use credential::event::{Subject, SubjectKind};
use credential::id::{NoticeId, OrganizationId};
use credential::time::Instant;

use crate::change::{View, page_size};
use crate::column::{instant, opt_instant, opt_parsed, parsed};
use crate::db::Row;
use crate::{Fault, Store, args};

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its identifier.
    pub id: NoticeId,
    /// The organization it is for; `None` is whoever runs the server.
    pub organization: Option<OrganizationId>,
    /// The name under which it is told once.
    pub once: String,
    /// What it says, as a word.
    pub kind: String,
    /// What it is about.
    pub subject: Subject,
    /// More, as a JSON object.
    pub body: String,
    /// When it was raised.
    pub created_at: Instant,
    /// When somebody had seen it to its end, and who.
    pub read: Option<(Instant, String)>,
}

macro_rules! columns {
    () => {
        "id, organization, once, kind, subject_kind, subject_id, body, created_at, read_at, read_by"
    };
}

const INSERT: &str = concat!(
    "INSERT INTO notice (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL, NULL)
     ON CONFLICT (once) DO NOTHING"
);
const GET: &str = concat!("SELECT ", columns!(), " FROM notice WHERE id = $1");
const OF_ORGANIZATION: &str = concat!(
    "SELECT ", columns!(), " FROM notice WHERE organization = $1
     AND id < COALESCE(CAST($2 AS TEXT), '~') AND ($3 = 0 OR read_at IS NULL) ORDER BY id DESC LIMIT $4"
);
const PAGE: &str = concat!(
    "SELECT ", columns!(), " FROM notice WHERE CAST($1 AS TEXT) IS NULL
     AND id < COALESCE(CAST($2 AS TEXT), '~') AND ($3 = 0 OR read_at IS NULL) ORDER BY id DESC LIMIT $4"
);
const READ: &str = "UPDATE notice SET read_at = $1, read_by = $2 WHERE id = $3 AND read_at IS NULL";
const PURGE: &str = "\
    DELETE FROM notice WHERE id IN (SELECT id FROM notice WHERE created_at < $1 ORDER BY id LIMIT $2)";

impl View<'_> {
    /// A notice by its id.
    pub fn notice(&self, id: NoticeId) -> Result<Option<Notice>, Fault> {
        self.row(GET, args![id.to_string()])?
            .as_ref()
            .map(read)
            .transpose()
    }

    /// The notices of an organization, or all with the server's own, the newest first, before the given one.
    pub fn notices_page(
        &self,
        organization: Option<OrganizationId>,
        unread: bool,
        before: Option<NoticeId>,
        limit: usize,
    ) -> Result<Vec<Notice>, Fault> {
        let sql = if organization.is_some() {
            OF_ORGANIZATION
        } else {
            PAGE
        };
        let organization = organization.map(|id| id.to_string());
        let args = args![
            organization,
            before.map(|id| id.to_string()),
            unread,
            page_size(limit)
        ];
        self.rows(sql, args)?.iter().map(read).collect()
    }

    /// Raises a notice inside of a change or another write, and puts it into the queue of each channel that wants it;
    /// false when it was told before.
    pub(crate) fn raise(&self, notice: &Notice) -> Result<bool, Fault> {
        let inserted = self.execute(
            INSERT,
            args![
                notice.id.to_string(),
                notice.organization.map(|id| id.to_string()),
                &notice.once,
                &notice.kind,
                notice.subject.kind.as_str(),
                &notice.subject.id,
                &notice.body,
                notice.created_at.millis()
            ],
        )?;
        if inserted == 1 {
            self.queue(notice)?;
        }
        Ok(inserted == 1)
    }
}

impl crate::Change<'_> {
    /// Raises a notice together with what is changed; false when it was told before.
    pub fn raise_notice(&mut self, notice: &Notice) -> Result<bool, Fault> {
        self.raise(notice)
    }

    /// Marks a notice as seen to its end; false when it was, or is not there.
    pub fn read_notice(&mut self, id: NoticeId, by: &str) -> Result<bool, Fault> {
        let at = self.at().millis();
        Ok(self.execute(READ, args![at, by, id.to_string()])? == 1)
    }
}

impl Store {
    /// Raises notices, each once for ever; says how many were new.
    pub async fn raise_notices(&self, notices: Vec<Notice>) -> Result<u64, Fault> {
        self.write(move |view| {
            let mut new = 0;
            for notice in &notices {
                new += u64::from(view.raise(notice)?);
            }
            Ok(new)
        })
        .await
    }

    /// Removes up to `limit` notices from before a moment; says how many.
    pub async fn purge_notices(&self, before: Instant, limit: usize) -> Result<u64, Fault> {
        self.write(move |view| view.execute(PURGE, args![before.millis(), page_size(limit)]))
            .await
    }
}

fn read(row: &Row) -> Result<Notice, Fault> {
    let read_by = row.opt_text(9)?.unwrap_or_default().to_owned();
    Ok(Notice {
        id: parsed(row, 0)?,
        organization: opt_parsed(row, 1)?,
        once: row.text(2)?.to_owned(),
        kind: row.text(3)?.to_owned(),
        subject: Subject {
            kind: parsed::<SubjectKind>(row, 4)?,
            id: row.text(5)?.to_owned(),
        },
        body: row.text(6)?.to_owned(),
        created_at: instant(row, 7)?,
        read: opt_instant(row, 8)?.map(|at| (at, read_by)),
    })
}
