//! Keys, and the handles by which dialects name them.

use std::borrow::Cow;

use credential::event::{Action, Actor, SubjectKind};
use credential::id::{KeyId, OrganizationId};
use credential::key::{Credential, Key, Kind, Overlap, Proof, State};
use credential::name::{Name, ProductName};
use credential::time::Instant;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::change::{Change, Changed, View, page_size, shape};
use crate::column::{
    instant, json, maker, maker_text, number, opt_instant, opt_parsed, parsed, to_json,
};
use crate::db::Row;
use crate::guard::{Found, Recorded};
use crate::{Fault, Store, args};

/// What [`Fault::is_conflict_on`] says when a living key of the organization and product has the name.
pub const KEY_NAME: &str = "api_key.name_lock";
/// What [`Fault::is_conflict_on`] says when there is a key with the id.
pub const KEY_ID: &str = "api_key.id";
/// What [`Fault::is_conflict_on`] says when another key has the handle.
pub const KEY_HANDLE: &str = "handle.handle";

/// What is sealed in a key's row.
#[derive(Serialize, Deserialize)]
struct Proofs<'p> {
    current: Cow<'p, Proof>,
    previous: Option<Cow<'p, Proof>>,
}

impl Recorded for Key {
    const KIND: SubjectKind = SubjectKind::Key;

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
        Key::context(self)
    }
}

macro_rules! columns {
    () => {
        "id, organization, product, kind, name, comment, grants, addresses, limits, expires_at, \
         state, state_at, state_by, owner, created_at, created_by, edited_at, rotated_at, \
         current_generation, current_handle, current_since, \
         previous_generation, previous_handle, previous_since, previous_until, version, name_fold, sealed"
    };
}

mod page;

pub use page::{KeyFilter, KeyOrder, KeyPlace};

const GET: &str = concat!("SELECT ", columns!(), " FROM api_key WHERE id = $1");
const BY_HANDLE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM api_key WHERE id = (SELECT key_id FROM handle WHERE handle = $1)"
);
const AFTER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM api_key WHERE id > COALESCE(CAST($1 AS TEXT), '') ORDER BY id LIMIT $2"
);
const HANDLE: &str = "SELECT key_id FROM handle WHERE handle = $1";
const BY_NAME: &str = concat!("SELECT ", columns!(), " FROM api_key WHERE name_lock = $1");

impl View<'_> {
    /// A key by its id.
    pub fn key(&self, id: KeyId) -> Result<Option<Found<Key>>, Fault> {
        self.row(GET, args![id.to_string()])?
            .map(|row| read(self, &row))
            .transpose()
    }

    /// The key that has this handle, now or in an overlap. A handle that was made to point at a key which does not know
    /// of it finds nothing.
    pub fn key_by_handle(&self, handle: &str) -> Result<Option<Found<Key>>, Fault> {
        let found = self
            .row(BY_HANDLE, args![handle])?
            .map(|row| read(self, &row))
            .transpose()?;
        Ok(found.filter(|found| match found {
            Found::Good(key) => handles(key).any(|of_key| of_key == handle),
            Found::Tampered(_) => true,
        }))
    }

    /// The living key of this name, where the product keeps names apart.
    pub fn key_by_name(
        &self,
        organization: OrganizationId,
        product: &ProductName,
        name: &Name,
    ) -> Result<Option<Found<Key>>, Fault> {
        let lock = name_lock(organization, product, name);
        self.row(BY_NAME, args![lock])?
            .map(|row| read(self, &row))
            .transpose()
    }

    pub(crate) fn keys_after(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Found<Key>>, Fault> {
        self.rows(AFTER, args![after, page_size(limit)])?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }

    /// Whether every handle of a key leads to it.
    pub(crate) fn is_reached_by_its_handles(&self, key: &Key) -> Result<bool, Fault> {
        for handle in handles(key) {
            let of = self.row(HANDLE, args![handle])?;
            if !of.is_some_and(|of| of.text(0).is_ok_and(|of| of == key.id.to_string())) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

const INSERT: &str = "\
    INSERT INTO api_key (
        id, organization, product, kind, name, name_fold, name_lock, comment, grants, addresses, limits,
        expires_at, state, state_at, state_by, owner, created_at, created_by, edited_at, rotated_at,
        current_generation, current_handle, current_since,
        previous_generation, previous_handle, previous_since, previous_until, version, sealed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
        $24, $25, $26, $27, $28, $29)";
const UPDATE: &str = "\
    UPDATE api_key SET name = $1, name_fold = $2,
        name_lock = CASE WHEN name_lock IS NULL OR $3 = 'revoked' THEN NULL ELSE $4 END,
        comment = $5, grants = $6, addresses = $7, limits = $8, expires_at = $9, state = $3, state_at = $10,
        state_by = $11, owner = $12, edited_at = $13, rotated_at = $14, current_generation = $15,
        current_handle = $16, current_since = $17, previous_generation = $18, previous_handle = $19,
        previous_since = $20, previous_until = $21, version = $22, sealed = $23
    WHERE id = $24 AND version = $25";
const DELETE: &str = "DELETE FROM api_key WHERE id = $1 AND version = $2";
const INSERT_HANDLE: &str = "INSERT INTO handle (handle, key_id) VALUES ($1, $2)";
const DELETE_HANDLES: &str = "DELETE FROM handle WHERE key_id = $1";
const DELETE_USAGE: &str = "DELETE FROM key_usage WHERE key_id = $1";
const FAMILIES_LEFT: &str = "SELECT COUNT(*) FROM family WHERE key_id = $1";

impl Change<'_> {
    /// Writes a new key, of version 1. Another living key of the same name is a [`Fault::Conflict`] on [`KEY_NAME`] when
    /// `unique_name` asks for it, another with the same handle one on [`KEY_HANDLE`].
    pub fn insert_key(
        &mut self,
        key: &Key,
        unique_name: bool,
        action: Action,
        detail: &str,
    ) -> Result<(), Fault> {
        if key.version != 1 {
            return Err(shape("a new key has version 1"));
        }
        let (state_at, state_by) = state_columns(&key.state);
        let previous = previous_columns(key);
        let lock = unique_name.then(|| name_lock(key.organization, &key.product, &key.name));
        self.execute(
            INSERT,
            args![
                key.id.to_string(),
                key.organization.to_string(),
                key.product.as_str(),
                key.kind.as_str(),
                key.name.as_str(),
                key.name.fold(),
                lock.filter(|_| !key.is_revoked()),
                key.comment.as_str(),
                to_json(&key.grants)?,
                to_json(&key.addresses)?,
                to_json(&key.limits)?,
                key.expires_at.map(Instant::millis),
                key.state.as_str(),
                state_at,
                state_by,
                key.owner.map(|id| id.to_string()),
                key.created_at.millis(),
                maker_text(key.created_by),
                key.edited_at.millis(),
                key.rotated_at.map(Instant::millis),
                key.current.generation,
                key.current.handle.as_deref(),
                key.current.since.millis(),
                previous.0,
                previous.1,
                previous.2,
                previous.3,
                key.version,
                seal(self, key)?
            ],
        )?;
        self.insert_handles(key)?;
        self.record(key, action, detail);
        Ok(())
    }

    /// Writes a changed key over the version that it was made from, and gives it back with the next version.
    pub fn update_key(&mut self, key: Key, action: Action, detail: &str) -> Result<Key, Fault> {
        let from = key.version;
        let key = Key {
            version: from + 1,
            ..key
        };
        let id = key.id.to_string();
        let (state_at, state_by) = state_columns(&key.state);
        let previous = previous_columns(&key);
        self.swap(
            UPDATE,
            args![
                key.name.as_str(),
                key.name.fold(),
                key.state.as_str(),
                name_lock(key.organization, &key.product, &key.name),
                key.comment.as_str(),
                to_json(&key.grants)?,
                to_json(&key.addresses)?,
                to_json(&key.limits)?,
                key.expires_at.map(Instant::millis),
                state_at,
                state_by,
                key.owner.map(|id| id.to_string()),
                key.edited_at.millis(),
                key.rotated_at.map(Instant::millis),
                key.current.generation,
                key.current.handle.as_deref(),
                key.current.since.millis(),
                previous.0,
                previous.1,
                previous.2,
                previous.3,
                key.version,
                seal(self, &key)?,
                &id,
                from
            ],
        )?;
        self.execute(DELETE_HANDLES, args![&id])?;
        self.insert_handles(&key)?;
        self.record(&key, action, detail);
        Ok(key)
    }

    /// Removes a key for good, with its handles and usage. Its families must be gone before, each with its own event.
    pub fn delete_key(&mut self, key: &Key, action: Action, detail: &str) -> Result<(), Fault> {
        let id = key.id.to_string();
        if self.one(FAMILIES_LEFT, args![&id])?.int(0)? > 0 {
            return Err(Fault::Unsupported(
                "a key with families is not deleted; delete them first",
            ));
        }
        self.execute(DELETE_HANDLES, args![&id])?;
        self.execute(DELETE_USAGE, args![&id])?;
        self.swap(DELETE, args![&id, key.version])?;
        self.record_gone(key, action, detail);
        Ok(())
    }

    fn insert_handles(&self, key: &Key) -> Result<(), Fault> {
        for handle in handles(key) {
            self.execute(INSERT_HANDLE, args![handle, key.id.to_string()])?;
        }
        Ok(())
    }
}

impl Store {
    /// Changes one key by a pure function of the old one, which may run again. Gives `None` when there is no such key.
    pub async fn change_key<E>(
        &self,
        actor: Actor,
        now: Instant,
        id: KeyId,
        action: Action,
        detail: &str,
        f: impl Fn(Key) -> Result<Key, E> + Send + 'static,
    ) -> Result<Changed<Option<Key>>, E>
    where
        E: From<Fault> + Send + 'static,
    {
        let detail = detail.to_owned();
        let body = move |change: &mut Change<'_>| {
            let Some(found) = change.key(id)? else {
                return Ok(None);
            };
            let key = f(found.trusted()?)?;
            Ok(Some(change.update_key(key, action, &detail)?))
        };
        self.change(actor, now, |_| Ok(()), body).await
    }
}

/// The handles of a key's secrets, each once: some products give a new secret a new one, and some keep it.
fn handles(key: &Key) -> impl Iterator<Item = &str> {
    let current = key.current.handle.as_deref();
    let previous = key.previous.iter();
    let previous = previous.filter_map(|overlap| overlap.credential.handle.as_deref());
    current
        .into_iter()
        .chain(previous.filter(move |handle| current != Some(*handle)))
}

fn name_lock(organization: OrganizationId, product: &ProductName, name: &Name) -> String {
    format!("{organization}/{product}/{}", name.fold())
}

fn state_columns(state: &State) -> (Option<i64>, Option<String>) {
    match state {
        State::Active => (None, None),
        State::Disabled { at, by } | State::Revoked { at, by } => {
            (Some(at.millis()), Some(maker_text(*by)))
        }
    }
}

fn previous_columns(key: &Key) -> (Option<u32>, Option<&str>, Option<i64>, Option<i64>) {
    let Some(Overlap { credential, until }) = &key.previous else {
        return (None, None, None, None);
    };
    let since = credential.since.millis();
    (
        Some(credential.generation),
        credential.handle.as_deref(),
        Some(since),
        Some(until.millis()),
    )
}

pub(crate) fn seal(view: &View<'_>, key: &Key) -> Result<Vec<u8>, Fault> {
    let proofs = Proofs {
        current: Cow::Borrowed(&key.current.proof),
        previous: key
            .previous
            .as_ref()
            .map(|overlap| Cow::Borrowed(&overlap.credential.proof)),
    };
    let plain = Zeroizing::new(serde_json::to_vec(&proofs).map_err(shape)?);
    view.keys.seal(&key.context(), &plain)
}

fn read(view: &View<'_>, row: &Row) -> Result<Found<Key>, Fault> {
    view.keys
        .opened(row, row.text(0)?, 27, columns_of, |key, plain| {
            let Ok(proofs) = serde_json::from_slice::<Proofs<'_>>(plain) else {
                return false;
            };
            key.current.proof = proofs.current.into_owned();
            match (&mut key.previous, proofs.previous) {
                (None, None) => true,
                (Some(overlap), Some(proof)) => {
                    overlap.credential.proof = proof.into_owned();
                    true
                }
                _ => false,
            }
        })
}

/// The key without its proofs, which are sealed.
fn columns_of(row: &Row) -> Result<Key, Fault> {
    let state = match (row.text(10)?, row.opt_int(11)?, row.opt_text(12)?) {
        ("active", None, None) => State::Active,
        ("disabled", Some(at), Some(by)) => State::Disabled {
            at: Instant::from_millis(at),
            by: maker(by)?,
        },
        ("revoked", Some(at), Some(by)) => State::Revoked {
            at: Instant::from_millis(at),
            by: maker(by)?,
        },
        _ => return Err(shape("no state of a key")),
    };
    let previous = match (row.opt_int(21)?, row.opt_int(23)?, row.opt_int(24)?) {
        (None, None, None) if row.opt_text(22)?.is_none() => None,
        (Some(_), Some(since), Some(until)) => Some(Overlap {
            credential: Credential {
                generation: number(row, 21)?,
                handle: row.opt_text(22)?.map(str::to_owned),
                proof: Proof::Signature,
                since: Instant::from_millis(since),
            },
            until: Instant::from_millis(until),
        }),
        _ => return Err(shape("no overlap of a key")),
    };
    let key = Key {
        id: parsed(row, 0)?,
        organization: parsed(row, 1)?,
        product: parsed(row, 2)?,
        kind: Kind::from_word(row.text(3)?).ok_or_else(|| shape("no kind of key"))?,
        name: parsed(row, 4)?,
        comment: parsed(row, 5)?,
        grants: json(row, 6)?,
        addresses: json(row, 7)?,
        limits: json(row, 8)?,
        expires_at: opt_instant(row, 9)?,
        state,
        owner: opt_parsed(row, 13)?,
        created_at: instant(row, 14)?,
        created_by: maker(row.text(15)?)?,
        edited_at: instant(row, 16)?,
        rotated_at: opt_instant(row, 17)?,
        current: Credential {
            generation: number(row, 18)?,
            handle: row.opt_text(19)?.map(str::to_owned),
            proof: Proof::Signature,
            since: instant(row, 20)?,
        },
        previous,
        version: row.int(25)?,
    };
    // The folded name is no column of the context: it follows from the name.
    if key.name.fold() == row.text(26)? {
        Ok(key)
    } else {
        Err(shape("the folded name is of another name"))
    }
}
