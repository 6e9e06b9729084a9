//! People who are signed in.

use std::net::IpAddr;

use credential::canonical::Canonical;
use credential::event::{Action, SubjectKind};
use credential::id::{OrganizationId, SessionId, UserId};
use credential::time::Instant;

use crate::change::{Change, View, page_size, shape};
use crate::column::{instant, opt_parsed, parsed};
use crate::db::Row;
use crate::guard::{Found, Recorded};
use crate::{Fault, Store, args};

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its public part.
    pub id: SessionId,
    /// Who is signed in.
    pub user: UserId,
    /// Their organization.
    pub organization: OrganizationId,
    /// SHA-256 of what the person's browser holds.
    pub digest: [u8; 32],
    /// Where it began.
    pub address: Option<IpAddr>,
    /// What browser said it was, shortened.
    pub agent: String,
    /// When it began.
    pub created_at: Instant,
    /// When the person last said by a password who they are.
    pub proven_at: Instant,
    /// When it was last used, to within a minute.
    pub seen_at: Instant,
    /// Counts the row's changes.
    pub version: i64,
}

impl Recorded for Session {
    const KIND: SubjectKind = SubjectKind::Session;

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
        Canonical::new("latchkey session row")
            .bytes(self.id.as_bytes())
            .bytes(self.user.as_bytes())
            .bytes(self.organization.as_bytes())
            .bytes(&self.digest)
            .opt_text(self.address.map(|address| address.to_string()).as_deref())
            .text(&self.agent)
            .int(self.created_at.millis())
            .int(self.proven_at.millis())
            .int(self.version)
            .finish()
    }
}

macro_rules! columns {
    () => {
        "id, person, organization, digest, address, agent, created_at, proven_at, seen_at, version, mac"
    };
}

const GET: &str = concat!("SELECT ", columns!(), " FROM session WHERE id = $1");
const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM session WHERE id > COALESCE(CAST($1 AS TEXT), '') ORDER BY id LIMIT $2"
);
const OF_PERSON: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM session WHERE person = $1 ORDER BY id DESC LIMIT $2"
);
const OLD: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM session WHERE created_at < $1 ORDER BY created_at, id LIMIT $2"
);
const INSERT: &str = concat!(
    "INSERT INTO session (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
);
const PROVE: &str =
    "UPDATE session SET proven_at = $1, version = $2, mac = $3 WHERE id = $4 AND version = $5";
const DELETE: &str = "DELETE FROM session WHERE id = $1 AND version = $2";
const SEEN: &str = "UPDATE session SET seen_at = $1 WHERE id = $2 AND seen_at < $1";

impl View<'_> {
    /// A session by its public part.
    pub fn session(&self, id: SessionId) -> Result<Option<Found<Session>>, Fault> {
        self.row(GET, args![id.to_string()])?
            .map(|row| read(self, &row))
            .transpose()
    }

    /// The sessions of a person, the newest first.
    pub fn sessions_of(&self, user: UserId, limit: usize) -> Result<Vec<Found<Session>>, Fault> {
        self.rows(OF_PERSON, args![user.to_string(), page_size(limit)])?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }

    /// Sessions that began before a moment.
    pub fn old_sessions(
        &self,
        before: Instant,
        limit: usize,
    ) -> Result<Vec<Found<Session>>, Fault> {
        self.rows(OLD, args![before.millis(), page_size(limit)])?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }

    pub(crate) fn sessions_after(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Found<Session>>, Fault> {
        self.rows(PAGE, args![after, page_size(limit)])?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }
}

impl Change<'_> {
    /// Writes a new session, of version 1.
    pub fn insert_session(
        &mut self,
        session: &Session,
        action: Action,
        detail: &str,
    ) -> Result<(), Fault> {
        if session.version != 1 {
            return Err(shape("a new session has version 1"));
        }
        let address = session.address.map(|address| address.to_string());
        self.execute(
            INSERT,
            args![
                session.id.to_string(),
                session.user.to_string(),
                session.organization.to_string(),
                &session.digest[..],
                address,
                &session.agent,
                session.created_at.millis(),
                session.proven_at.millis(),
                session.seen_at.millis(),
                session.version,
                self.keys.mac(session)?
            ],
        )?;
        self.record(session, action, detail);
        Ok(())
    }

    /// Writes that the person has said again who they are.
    pub fn prove_session(&mut self, session: Session, action: Action) -> Result<Session, Fault> {
        let from = session.version;
        let next = Session {
            proven_at: self.at(),
            version: from + 1,
            ..session
        };
        let mac = self.keys.mac(&next)?;
        self.swap(
            PROVE,
            args![
                next.proven_at.millis(),
                next.version,
                mac,
                next.id.to_string(),
                from
            ],
        )?;
        self.record(&next, action, "{}");
        Ok(next)
    }

    /// Ends a session.
    pub fn delete_session(
        &mut self,
        session: &Session,
        action: Action,
        detail: &str,
    ) -> Result<(), Fault> {
        self.swap(DELETE, args![session.id.to_string(), session.version])?;
        self.record_gone(session, action, detail);
        Ok(())
    }
}

impl Store {
    /// Writes that a session was used.
    pub async fn see_session(&self, id: SessionId, at: Instant) -> Result<(), Fault> {
        self.write(move |view| {
            view.execute(SEEN, args![at.millis(), id.to_string()])
                .map(drop)
        })
        .await
    }
}

fn read(view: &View<'_>, row: &Row) -> Result<Found<Session>, Fault> {
    view.keys.checked(row, row.text(0)?, 10, |row| {
        Ok(Session {
            id: parsed(row, 0)?,
            user: parsed(row, 1)?,
            organization: parsed(row, 2)?,
            digest: row.array(3)?,
            address: opt_parsed(row, 4)?,
            agent: row.text(5)?.to_owned(),
            created_at: instant(row, 6)?,
            proven_at: instant(row, 7)?,
            seen_at: instant(row, 8)?,
            version: row.int(9)?,
        })
    })
}
