//! People, and the sealed hashes of their passwords.

use credential::canonical::Canonical;
use credential::event::{Action, SubjectKind};
use credential::id::{OrganizationId, UserId};
use credential::organization::{Email, User};

use crate::change::{Change, MAX_PAGE, View, page_size, shape};
use crate::column::{instant, json, parsed, to_json};
use crate::db::Row;
use crate::guard::{Found, Recorded};
use crate::{Fault, args};

/// What [`Fault::is_conflict_on`] says when somebody of the organization has the address.
pub const USER_EMAIL: &str = "person.organization, person.email";

impl Recorded for User {
    const KIND: SubjectKind = SubjectKind::User;

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
        User::context(self)
    }
}

/// A password's place: what its hash is sealed for, so that neither another person's nor an earlier one opens there.
pub(crate) struct Password {
    pub(crate) user: UserId,
    pub(crate) organization: OrganizationId,
    pub(crate) version: i64,
}

/// What the trail calls a person's password.
pub const PASSWORD: &str = "/password";

impl Recorded for Password {
    const KIND: SubjectKind = SubjectKind::User;

    fn subject_id(&self) -> String {
        format!("{}{PASSWORD}", self.user)
    }

    fn organization(&self) -> Option<OrganizationId> {
        Some(self.organization)
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn context(&self) -> Vec<u8> {
        Canonical::new("latchkey password")
            .bytes(self.user.as_bytes())
            .int(self.version)
            .finish()
    }
}

macro_rules! columns {
    () => {
        "id, organization, email, name, roles, active, created_at, version, mac"
    };
}

const GET: &str = concat!("SELECT ", columns!(), " FROM person WHERE id = $1");
const BY_EMAIL: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM person WHERE organization = $1 AND email = $2"
);
const ANYWHERE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM person WHERE email = $1 ORDER BY id LIMIT $2"
);
const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM person WHERE id > COALESCE(CAST($1 AS TEXT), '') ORDER BY id LIMIT $2"
);
const OF_ORGANIZATION: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM person WHERE organization = $1 AND id > COALESCE(CAST($2 AS TEXT), '') ORDER BY id LIMIT $3"
);
const GET_PASSWORD: &str =
    "SELECT id, organization, password, password_version FROM person WHERE id = $1";
const PASSWORDS: &str = "\
    SELECT id, organization, password, password_version FROM person
    WHERE password IS NOT NULL AND id > COALESCE(CAST($1 AS TEXT), '') ORDER BY id LIMIT $2";

impl View<'_> {
    /// A person by id.
    pub fn user(&self, id: UserId) -> Result<Option<Found<User>>, Fault> {
        self.row(GET, args![id.to_string()])?
            .map(|row| read(self, &row))
            .transpose()
    }

    /// A person of an organization by e-mail address.
    pub fn user_by_email(
        &self,
        organization: OrganizationId,
        email: &Email,
    ) -> Result<Option<Found<User>>, Fault> {
        let args = args![organization.to_string(), email.as_str()];
        self.row(BY_EMAIL, args)?
            .map(|row| read(self, &row))
            .transpose()
    }

    /// The people with this e-mail address, in all organizations.
    pub fn users_by_email(&self, email: &Email, limit: usize) -> Result<Vec<Found<User>>, Fault> {
        self.rows(ANYWHERE, args![email.as_str(), page_size(limit)])?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }

    /// The people of an organization, or of all, in the order they were added.
    pub fn users_page(
        &self,
        organization: Option<OrganizationId>,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<Found<User>>, Fault> {
        let after = after.map(|id| id.to_string());
        let rows = match organization {
            Some(id) => self.rows(
                OF_ORGANIZATION,
                args![id.to_string(), after, page_size(limit)],
            )?,
            None => return self.users_after(after, limit),
        };
        rows.iter().map(|row| read(self, row)).collect()
    }

    pub(crate) fn users_after(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Found<User>>, Fault> {
        self.rows(PAGE, args![after, page_size(limit)])?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }

    /// Everybody who has a password that opens.
    pub fn users_with_password(&self) -> Result<Vec<UserId>, Fault> {
        let (mut with, mut after) = (Vec::new(), None::<String>);
        loop {
            let rows = self.rows(PASSWORDS, args![after, page_size(MAX_PAGE)])?;
            for row in &rows {
                // A row whose id does not read is nobody's.
                let Ok(user) = row.text(0)?.parse() else {
                    continue;
                };
                if matches!(self.opened_password(user, row)?, Some(Found::Good(hash)) if !hash.is_empty())
                {
                    with.push(user);
                }
            }
            match rows.last() {
                Some(last) if rows.len() == MAX_PAGE => after = Some(last.text(0)?.to_owned()),
                _ => return Ok(with),
            }
        }
    }

    /// Where a person's password is; there is a place also for one that was taken away.
    pub(crate) fn password_of(&self, user: UserId) -> Result<Option<Password>, Fault> {
        match self.row(GET_PASSWORD, args![user.to_string()])? {
            Some(row) => password_in(user, &row),
            None => Ok(None),
        }
    }

    /// What is sealed in the place of a person's password: the hash, or nothing where it was taken away.
    pub(crate) fn password_kept(&self, user: UserId) -> Result<Option<Found<String>>, Fault> {
        match self.row(GET_PASSWORD, args![user.to_string()])? {
            Some(row) => self.opened_password(user, &row),
            None => Ok(None),
        }
    }

    /// The hash of a person's password, as it was given to [`Change::set_password`].
    pub fn password(&self, user: UserId) -> Result<Option<Found<String>>, Fault> {
        let kept = self.password_kept(user)?;
        Ok(kept.filter(|kept| !matches!(kept, Found::Good(hash) if hash.is_empty())))
    }

    fn opened_password(&self, user: UserId, row: &Row) -> Result<Option<Found<String>>, Fault> {
        let Some(password) = password_in(user, row)? else {
            return Ok(None);
        };
        let plain = self
            .keys
            .vault()?
            .open(&password.context(), row.blob(2)?)
            .ok();
        let hash = plain.and_then(|plain| String::from_utf8(plain.to_vec()).ok());
        Ok(Some(hash.map_or_else(
            || Found::Tampered(password.subject()),
            Found::Good,
        )))
    }
}

const INSERT: &str = "\
    INSERT INTO person (id, organization, email, name, roles, active, created_at, password_version, version, mac)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9)";
const UPDATE: &str = "\
    UPDATE person SET email = $1, name = $2, roles = $3, active = $4, version = $5, mac = $6
    WHERE id = $7 AND version = $8";
const DELETE: &str = "DELETE FROM person WHERE id = $1 AND version = $2";
const SET_PASSWORD: &str = "\
    UPDATE person SET password = $1, password_version = $2 WHERE id = $3 AND password_version = $4";

impl Change<'_> {
    /// Writes a new person, of version 1. Another with the same address in the organization is a [`Fault::Conflict`] on
    /// [`USER_EMAIL`].
    pub fn insert_user(&mut self, user: &User, action: Action, detail: &str) -> Result<(), Fault> {
        if user.version != 1 {
            return Err(shape("a new user has version 1"));
        }
        self.execute(
            INSERT,
            args![
                user.id.to_string(),
                user.organization.to_string(),
                user.email.as_str(),
                user.name.as_str(),
                to_json(&user.roles)?,
                user.active,
                user.created_at.millis(),
                user.version,
                self.keys.mac(user)?
            ],
        )?;
        self.record(user, action, detail);
        Ok(())
    }

    /// Writes a changed person over the version that it was made from.
    pub fn update_user(&mut self, user: User, action: Action, detail: &str) -> Result<User, Fault> {
        let from = user.version;
        let next = User {
            version: from + 1,
            ..user
        };
        self.swap(
            UPDATE,
            args![
                next.email.as_str(),
                next.name.as_str(),
                to_json(&next.roles)?,
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

    /// Removes a person for good.
    pub fn delete_user(&mut self, user: &User, action: Action, detail: &str) -> Result<(), Fault> {
        let row = self.row(GET_PASSWORD, args![user.id.to_string()])?;
        let password_version = row.map_or(Ok(0), |row| row.int(3))?;
        self.swap(DELETE, args![user.id.to_string(), user.version])?;
        self.record_gone(user, action, detail);
        if password_version > 0 {
            let password = Password {
                user: user.id,
                organization: user.organization,
                version: password_version,
            };
            self.record_gone(&password, action, detail);
        }
        Ok(())
    }

    /// Keeps the hash of a person's password, sealed; its event is [`Action::UserPasswordChanged`].
    pub fn set_password(&mut self, user: UserId, hash: &str) -> Result<(), Fault> {
        if hash.is_empty() {
            return Err(shape("a password has a hash"));
        }
        self.put_password(user, hash, crate::change::NO_DETAIL)
    }

    /// Takes a person's password away. What is kept is a sealed nothing, of the next version: the hash that was there does
    /// not open any more when it is put back.
    pub fn remove_password(&mut self, user: UserId) -> Result<(), Fault> {
        self.put_password(user, "", "{\"removed\":true}")
    }

    fn put_password(&mut self, user: UserId, hash: &str, detail: &str) -> Result<(), Fault> {
        let row = self.one(GET_PASSWORD, args![user.to_string()])?;
        let from = row.int(3)?;
        let password = Password {
            user,
            organization: parsed(&row, 1)?,
            version: from + 1,
        };
        let sealed = self.keys.seal(&password.context(), hash.as_bytes())?;
        self.swap(
            SET_PASSWORD,
            args![sealed, password.version, user.to_string(), from],
        )?;
        self.record(&password, Action::UserPasswordChanged, detail);
        Ok(())
    }
}

fn password_in(user: UserId, row: &Row) -> Result<Option<Password>, Fault> {
    if row.opt_blob(2)?.is_none() {
        return Ok(None);
    }
    Ok(Some(Password {
        user,
        organization: parsed(row, 1)?,
        version: row.int(3)?,
    }))
}

fn read(view: &View<'_>, row: &Row) -> Result<Found<User>, Fault> {
    view.keys.checked(row, row.text(0)?, 8, |row| {
        Ok(User {
            id: parsed(row, 0)?,
            organization: parsed(row, 1)?,
            email: Email::new(row.text(2)?).map_err(shape)?,
            name: parsed(row, 3)?,
            roles: json(row, 4)?,
            active: row.flag(5)?,
            created_at: instant(row, 6)?,
            version: row.int(7)?,
        })
    })
}
