//! Rows held against the trail.
//!
//! A sealed value or a MAC shows that a row was edited. It does not show that yesterday's row was put back, or that a row
//! was deleted: the trail does, for it holds what each row was worth when it was last written. A comparison walks the rows
//! and the trail in batches, each batch on one state of the database, and names what disagrees.
//!
//! The trail's own rows are no better than others until [`credential::event::verify_chain`] has held them against signed
//! checkpoints; a comparison is worth as much as that.

use credential::event::{NO_ROW, Subject, SubjectKind, digest};
use credential::key::Key;

use crate::change::{View, page_size};
use crate::guard::{Found, Recorded};
use crate::settings::place;
use crate::users::PASSWORD;
use crate::vault::VaultKey;
use crate::{Fault, Store, args};

/// The kinds of rows that are compared.
pub const KINDS: [SubjectKind; 13] = [
    SubjectKind::Organization,
    SubjectKind::User,
    SubjectKind::Group,
    SubjectKind::Role,
    SubjectKind::Key,
    SubjectKind::Token,
    SubjectKind::Family,
    SubjectKind::SigningKey,
    SubjectKind::Settings,
    SubjectKind::Catalog,
    SubjectKind::Session,
    SubjectKind::NoticeChannel,
    SubjectKind::Server,
];

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// It was edited: it does not open, or its MAC does not hold.
    Edited,
    /// It is genuine, and not the latest: an earlier state was put back.
    PutBack,
    /// The trail knows it, and it is not there.
    Deleted,
    /// It is there, and the trail does not know it, or knows that it is gone.
    Unknown,
}

/// A row that disagrees with the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Which one.
    pub subject: Subject,
    /// What is wrong.
    pub wrong: Wrong,
}

/// Where a comparison goes on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ComparePlace {
    /// Rows were walked, and the trail is.
    trail: bool,
    after: Option<String>,
}

/// A batch of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// What disagrees.
    pub mismatches: Vec<Mismatch>,
    /// How many rows or subjects were looked at.
    pub looked_at: usize,
    /// Where the next batch begins; `None` at the end.
    pub next: Option<ComparePlace>,
}

/// What the trail says of a row.
struct Told {
    version: i64,
    digest: [u8; 32],
}

const TOLD_IN_MAIN: &str = "\
    SELECT subject_version, row_digest FROM audit
    WHERE subject_kind = $1 AND subject_id = $2 AND subject_version > 0 ORDER BY seq DESC LIMIT 1";
const TOLD_IN_ISSUANCE: &str = "\
    SELECT subject_version, row_digest FROM issuance
    WHERE subject_kind = $1 AND subject_id = $2 AND subject_version > 0 ORDER BY subject_version DESC LIMIT 1";
const SUBJECTS: &str = "\
    SELECT subject_id FROM audit
    WHERE subject_kind = $1 AND subject_version > 0 AND subject_id > COALESCE(CAST($2 AS TEXT), '')
    GROUP BY subject_id ORDER BY subject_id LIMIT $3";
const ISSUED: &str = "\
    SELECT subject_id FROM issuance
    WHERE subject_kind = $1 AND subject_version > 0 AND subject_id > COALESCE(CAST($2 AS TEXT), '')
    GROUP BY subject_id ORDER BY subject_id LIMIT $3";

impl Store {
    /// Compares the next batch of up to `limit` rows of a kind, or subjects of the trail, from a place.
    pub async fn compare(
        &self,
        kind: SubjectKind,
        from: Option<ComparePlace>,
        limit: usize,
    ) -> Result<Compared, Fault> {
        self.view(move |view| {
            let from = from.unwrap_or_default();
            if from.trail {
                view.compare_trail(kind, from.after, limit)
            } else {
                view.compare_rows(kind, from.after, limit)
            }
        })
        .await
    }

    /// Compares everything, and gives the first `most` mismatches.
    pub async fn compare_all(&self, most: usize) -> Result<Vec<Mismatch>, Fault> {
        let mut mismatches = Vec::new();
        for kind in KINDS {
            let mut place = None;
            loop {
                let compared = self.compare(kind, place, BATCH).await?;
                mismatches.extend(compared.mismatches);
                if mismatches.len() >= most {
                    mismatches.truncate(most);
                    return Ok(mismatches);
                }
                place = compared.next;
                if place.is_none() {
                    break;
                }
            }
        }
        Ok(mismatches)
    }
}

/// Rows of one batch of [`Store::compare_all`]: a read of a few milliseconds.
const BATCH: usize = 200;

/// A row as the comparison needs it: which, and what it is worth if it is genuine.
struct Present {
    id: String,
    worth: Option<(i64, [u8; 32])>,
}

impl Present {
    fn of<T: Recorded>(found: &Found<T>) -> Self {
        match found {
            Found::Good(value) => Self {
                id: value.subject_id(),
                worth: Some(worth(value)),
            },
            Found::Tampered(subject) => Self {
                id: subject.id.clone(),
                worth: None,
            },
        }
    }
}

fn worth<T: Recorded>(value: &T) -> (i64, [u8; 32]) {
    (value.version(), digest(&value.context()))
}

impl View<'_> {
    fn compare_rows(
        &self,
        kind: SubjectKind,
        after: Option<String>,
        limit: usize,
    ) -> Result<Compared, Fault> {
        let limit = limit.clamp(1, crate::change::MAX_PAGE);
        let (present, last) = self.rows_of(kind, after.as_deref(), limit)?;
        let mut mismatches = Vec::new();
        for row in &present {
            if let Some(wrong) = self.judge(kind, row)? {
                mismatches.push(Mismatch {
                    subject: Subject {
                        kind,
                        id: row.id.clone(),
                    },
                    wrong,
                });
            }
        }
        let next = match last {
            Some(last) => ComparePlace {
                trail: false,
                after: Some(last),
            },
            None => ComparePlace {
                trail: true,
                after: None,
            },
        };
        Ok(Compared {
            mismatches,
            looked_at: present.len(),
            next: Some(next),
        })
    }

    fn judge(&self, kind: SubjectKind, row: &Present) -> Result<Option<Wrong>, Fault> {
        let Some((version, digest)) = row.worth else {
            return Ok(Some(Wrong::Edited));
        };
        Ok(match self.told(kind, &row.id)? {
            None => Some(Wrong::Unknown),
            Some(told) if told.digest == NO_ROW => Some(Wrong::Unknown),
            Some(told) if told.version == version && told.digest == digest => None,
            Some(told) if told.version > version => Some(Wrong::PutBack),
            // Genuine, and of a version that the trail has not seen: the trail was shortened, or two databases mixed.
            Some(_) => Some(Wrong::Unknown),
        })
    }

    /// Looks for subjects of the trail whose rows are not there.
    fn compare_trail(
        &self,
        kind: SubjectKind,
        after: Option<String>,
        limit: usize,
    ) -> Result<Compared, Fault> {
        let limit = limit.clamp(1, crate::change::MAX_PAGE);
        let read = |sql| -> Result<Vec<String>, Fault> {
            let rows = self.rows(
                sql,
                args![kind.as_str(), after.as_deref(), page_size(limit)],
            )?;
            rows.iter()
                .map(|row| row.text(0).map(str::to_owned))
                .collect()
        };
        let mut subjects = read(SUBJECTS)?;
        if kind == SubjectKind::Family {
            subjects.extend(read(ISSUED)?);
            subjects.sort();
            subjects.dedup();
            subjects.truncate(limit);
        }
        let mut mismatches = Vec::new();
        for id in &subjects {
            let is_told = self
                .told(kind, id)?
                .is_some_and(|told| told.digest != NO_ROW);
            if is_told && !self.is_present(kind, id)? {
                mismatches.push(Mismatch {
                    subject: Subject {
                        kind,
                        id: id.clone(),
                    },
                    wrong: Wrong::Deleted,
                });
            }
        }
        let next = (subjects.len() == limit).then(|| ComparePlace {
            trail: true,
            after: subjects.last().cloned(),
        });
        Ok(Compared {
            mismatches,
            looked_at: subjects.len(),
            next,
        })
    }

    /// The latest that the trail says of a row: what a refresh told in an issuance chain counts as well, and that a row is
    /// gone is told last.
    fn told(&self, kind: SubjectKind, id: &str) -> Result<Option<Told>, Fault> {
        let read = |sql| -> Result<Option<Told>, Fault> {
            let row = self.row(sql, args![kind.as_str(), id])?;
            row.map(|row| {
                Ok(Told {
                    version: row.int(0)?,
                    digest: row.array(1)?,
                })
            })
            .transpose()
        };
        let main = read(TOLD_IN_MAIN)?;
        if kind != SubjectKind::Family {
            return Ok(main);
        }
        Ok(match (main, read(TOLD_IN_ISSUANCE)?) {
            (Some(main), Some(issued)) => Some(if issued.version > main.version {
                issued
            } else {
                main
            }),
            (main, issued) => main.or(issued),
        })
    }

    /// The version of a row that the trail tells of last; `None` when it knows no such row, or that it is gone.
    pub(crate) fn version_told(&self, kind: SubjectKind, id: &str) -> Result<Option<i64>, Fault> {
        let told = self.told(kind, id)?.filter(|told| told.digest != NO_ROW);
        Ok(told.map(|told| told.version))
    }

    fn is_present(&self, kind: SubjectKind, id: &str) -> Result<bool, Fault> {
        // An id that does not read is of no row that the server wrote.
        macro_rules! read {
            ($id:expr, $get:ident) => {
                match $id.parse() {
                    Ok(id) => self.$get(id)?.is_some(),
                    Err(_) => false,
                }
            };
        }
        Ok(match kind {
            SubjectKind::Organization => read!(id, organization),
            SubjectKind::User => match id.strip_suffix(PASSWORD) {
                Some(user) => read!(user, password_of),
                None => read!(id, user),
            },
            SubjectKind::Group => read!(id, group),
            SubjectKind::Role => read!(id, role),
            SubjectKind::NoticeChannel => read!(id, channel),
            SubjectKind::Key => read!(id, key),
            SubjectKind::Token => read!(id, revoked_token),
            SubjectKind::Session => read!(id, session),
            SubjectKind::Family => read!(id, family),
            SubjectKind::SigningKey => self.signing_key(id)?.is_some(),
            SubjectKind::Settings => {
                let (name, scope) = place(id);
                match scope {
                    "" => self.setting(name, None)?.is_some(),
                    scope => scope
                        .parse()
                        .is_ok_and(|scope| matches!(self.setting(name, Some(scope)), Ok(Some(_)))),
                }
            }
            SubjectKind::Catalog => match id.parse() {
                Ok(product) => self.catalog(&product)?.is_some(),
                Err(_) => false,
            },
            SubjectKind::Server => self.vault_keys()?.iter().any(|key| key.subject_id() == id),
            _ => true,
        })
    }

    /// A page of rows, and the id after which the next begins; `None` at the end. Ids are not read: rows that others
    /// wrote may have any.
    fn rows_of(
        &self,
        kind: SubjectKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Present>, Option<String>), Fault> {
        fn present<T: Recorded>(rows: &[Found<T>]) -> Vec<Present> {
            rows.iter().map(Present::of).collect()
        }
        let owned = after.map(str::to_owned);
        let mut rows = match kind {
            SubjectKind::Organization => present(&self.organizations_after(owned, limit)?),
            SubjectKind::User => present(&self.users_after(owned, limit)?),
            SubjectKind::Group => present(&self.groups_after(owned, limit)?),
            SubjectKind::Role => present(&self.roles_after(owned, limit)?),
            SubjectKind::NoticeChannel => present(&self.channels_after(owned, limit)?),
            SubjectKind::Key => {
                let keys = self.keys_after(after, limit)?;
                keys.iter()
                    .map(|key| self.present_key(key))
                    .collect::<Result<_, Fault>>()?
            }
            SubjectKind::Token => present(&self.revoked_tokens_after(owned, limit)?),
            SubjectKind::Session => present(&self.sessions_after(owned, limit)?),
            SubjectKind::Family => present(&self.families_after(owned, limit)?),
            SubjectKind::SigningKey => present(&self.signing_keys_page(after, limit)?),
            SubjectKind::Settings => present(&self.settings_page(after, limit)?),
            SubjectKind::Catalog => present(&self.catalogs_after(after, limit)?),
            // There are a handful of data keys, and one page has them all.
            SubjectKind::Server => {
                let keys = self.vault_keys()?;
                let present = |key: &VaultKey| Present {
                    id: key.subject_id(),
                    worth: Some(worth(key)),
                };
                return Ok((keys.iter().map(present).collect(), None));
            }
            _ => Vec::new(),
        };
        let last = if rows.len() == limit {
            rows.last().map(|row| row.id.clone())
        } else {
            None
        };
        if kind == SubjectKind::User {
            self.add_passwords(&mut rows)?;
        }
        Ok((rows, last))
    }

    /// The index of handles follows from the keys: a key that one of its handles does not reach is as good as edited.
    fn present_key(&self, found: &Found<Key>) -> Result<Present, Fault> {
        let present = Present::of(found);
        Ok(match found {
            Found::Good(key) if !self.is_reached_by_its_handles(key)? => Present {
                worth: None,
                ..present
            },
            _ => present,
        })
    }

    fn add_passwords(&self, rows: &mut Vec<Present>) -> Result<(), Fault> {
        let mut passwords = Vec::new();
        for row in rows.iter() {
            let Ok(user) = row.id.parse() else { continue };
            let Some(password) = self.password_of(user)? else {
                continue;
            };
            let is_good = matches!(self.password_kept(user)?, Some(Found::Good(_)));
            passwords.push(Present {
                id: password.subject_id(),
                worth: is_good.then(|| worth(&password)),
            });
        }
        rows.extend(passwords);
        Ok(())
    }
}
