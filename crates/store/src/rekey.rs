//! Rolling the vault over: rows that were made with an earlier key are sealed and authenticated anew, in the background.
//! Nothing that was issued changes, no version counts up, and the trail has nothing to tell: what a row is worth follows
//! from its columns and not from the key.

use credential::event::SubjectKind;

use crate::change::{View, page_size};
use crate::guard::Recorded;
use crate::{Fault, Store, args, families, keys, signing};

/// What came of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rekeyed {
    /// How many rows were made anew.
    pub rows: u64,
    /// How many rows were passed over, because they are not genuine.
    pub tampered: u64,
    /// Where the next batch begins; `None` when the kind has no more.
    pub next: Option<String>,
}

/// The kinds of rows that are made with the vault, apart from those that live for minutes.
pub const KINDS: [SubjectKind; 10] = [
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
];

macro_rules! old {
    ($id:literal, $table:literal, $made:literal) => {
        concat!(
            "SELECT ",
            $id,
            " FROM ",
            $table,
            " WHERE substr(",
            $made,
            ", 1, 1) <> $1 AND ",
            $id,
            " > COALESCE(CAST($2 AS TEXT), '') ORDER BY ",
            $id,
            " LIMIT $3"
        )
    };
}

const ORGANIZATIONS: [&str; 2] = [
    old!("id", "organization", "mac"),
    "UPDATE organization SET mac = $1 WHERE id = $2 AND version = $3",
];
const USERS: [&str; 2] = [
    old!("id", "person", "mac"),
    "UPDATE person SET mac = $1 WHERE id = $2 AND version = $3",
];
const PASSWORDS: &str = "UPDATE person SET password = $1 WHERE id = $2 AND password_version = $3";
const GROUPS: [&str; 2] = [
    old!("id", "user_group", "mac"),
    "UPDATE user_group SET mac = $1 WHERE id = $2 AND version = $3",
];
const ROLES: [&str; 2] = [
    old!("id", "role", "mac"),
    "UPDATE role SET mac = $1 WHERE id = $2 AND version = $3",
];
const API_KEYS: [&str; 2] = [
    old!("id", "api_key", "sealed"),
    "UPDATE api_key SET sealed = $1 WHERE id = $2 AND version = $3",
];
const TOKENS: [&str; 2] = [
    old!("id", "revoked_token", "mac"),
    "UPDATE revoked_token SET mac = $1 WHERE id = $2 AND $3 = 1",
];
const FAMILIES: [&str; 2] = [
    old!("id", "family", "sealed"),
    "UPDATE family SET sealed = $1 WHERE id = $2 AND version = $3",
];
const SIGNING_KEYS: [&str; 2] = [
    old!("kid", "signing_key", "sealed"),
    "UPDATE signing_key SET sealed = $1 WHERE kid = $2 AND version = $3",
];
const SETTINGS: [&str; 2] = [
    old!("(name || '@' || scope)", "setting", "mac"),
    "UPDATE setting SET mac = $1 WHERE (name || '@' || scope) = $2 AND version = $3",
];
const CATALOGS: [&str; 2] = [
    old!("product", "catalog", "mac"),
    "UPDATE catalog SET mac = $1 WHERE product = $2 AND version = $3",
];

impl Store {
    /// Makes up to `limit` rows of a kind anew with the vault's newest key, those after a place.
    pub async fn rekey(
        &self,
        kind: SubjectKind,
        after: Option<String>,
        limit: usize,
    ) -> Result<Rekeyed, Fault> {
        self.write(move |view| view.rekey(kind, after.as_deref(), limit))
            .await
    }
}

impl View<'_> {
    fn rekey(
        &self,
        kind: SubjectKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Rekeyed, Fault> {
        let Some([old, write]) = texts(kind) else {
            return Ok(Rekeyed {
                rows: 0,
                tampered: 0,
                next: None,
            });
        };
        let newest = [self.keys.vault()?.current()];
        let ids = self.rows(old, args![newest.as_slice(), after, page_size(limit)])?;
        let mut rekeyed = Rekeyed {
            rows: 0,
            tampered: 0,
            next: None,
        };
        for row in &ids {
            let id = row.text(0)?;
            match self.made_anew(kind, id)? {
                // A row that changed meanwhile was made with the newest key.
                Some((made, version)) => {
                    rekeyed.rows += self.execute(write, args![made, id, version])?
                }
                None => rekeyed.tampered += 1,
            }
        }
        if ids.len() as i64 == page_size(limit) {
            rekeyed.next = ids
                .last()
                .map(|row| row.text(0).map(str::to_owned))
                .transpose()?;
        }
        Ok(rekeyed)
    }

    /// The sealed value or the MAC of a row, made with the newest key, and the row's version. `None` when the row is not
    /// genuine.
    fn made_anew(&self, kind: SubjectKind, id: &str) -> Result<Option<(Vec<u8>, i64)>, Fault> {
        macro_rules! load {
            ($id:expr, $get:ident) => {
                match $id.parse() {
                    Ok(id) => self.$get(id)?.and_then(|found| found.good()),
                    Err(_) => None,
                }
            };
        }
        macro_rules! mac {
            ($value:expr) => {
                $value
                    .map(|value| Ok((self.keys.mac(&value)?, value.version())))
                    .transpose()
            };
        }
        match kind {
            SubjectKind::Organization => mac!(load!(id, organization)),
            SubjectKind::User => {
                self.rekey_password(id)?;
                mac!(load!(id, user))
            }
            SubjectKind::Group => mac!(load!(id, group)),
            SubjectKind::Role => mac!(load!(id, role)),
            SubjectKind::Token => mac!(load!(id, revoked_token)),
            SubjectKind::Key => load!(id, key)
                .map(|key| Ok((keys::seal(self, &key)?, key.version)))
                .transpose(),
            SubjectKind::Family => load!(id, family)
                .map(|family| Ok((families::seal(self, &family)?, family.version)))
                .transpose(),
            SubjectKind::SigningKey => {
                let key = self.signing_key(id)?.and_then(|found| found.good());
                key.map(|key| Ok((signing::seal(self, &key)?, key.version)))
                    .transpose()
            }
            SubjectKind::Settings => {
                let Some((name, scope)) = id.rsplit_once('@') else {
                    return Ok(None);
                };
                let setting = if scope.is_empty() {
                    self.setting(name, None)?
                } else {
                    match scope.parse() {
                        Ok(organization) => self.setting(name, Some(organization))?,
                        Err(_) => None,
                    }
                };
                mac!(setting.and_then(|found| found.good()))
            }
            SubjectKind::Catalog => match id.parse() {
                Ok(product) => mac!(self.catalog(&product)?.and_then(|found| found.good())),
                Err(_) => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn rekey_password(&self, id: &str) -> Result<(), Fault> {
        let Ok(user) = id.parse() else { return Ok(()) };
        let hash = self.password_kept(user)?.and_then(|found| found.good());
        if let (Some(hash), Some(place)) = (hash, self.password_of(user)?) {
            let sealed = self.keys.seal(&place.context(), hash.as_bytes())?;
            self.execute(PASSWORDS, args![sealed, id, place.version])?;
        }
        Ok(())
    }
}

fn texts(kind: SubjectKind) -> Option<[&'static str; 2]> {
    Some(match kind {
        SubjectKind::Organization => ORGANIZATIONS,
        SubjectKind::User => USERS,
        SubjectKind::Group => GROUPS,
        SubjectKind::Role => ROLES,
        SubjectKind::Key => API_KEYS,
        SubjectKind::Token => TOKENS,
        SubjectKind::Family => FAMILIES,
        SubjectKind::SigningKey => SIGNING_KEYS,
        SubjectKind::Settings => SETTINGS,
        SubjectKind::Catalog => CATALOGS,
        _ => return None,
    })
}
