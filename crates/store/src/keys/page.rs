//! Pages of keys: which, in what order, and from where on.

use credential::id::{KeyId, OrganizationId, UserId};
use credential::key::{Key, Kind, Maker};
use credential::name::ProductName;
use credential::time::Instant;

use super::read;
use crate::change::{View, page_size};
use crate::column::maker_text;
use crate::db::Arg;
use crate::guard::Found;
use crate::{Fault, args};

/// Which keys a page or a count is about; what is `None` asks nothing.
#[derive(Debug, Clone, Default)]
pub struct KeyFilter {
    /// Keys of this organization; `None` is of all.
    pub organization: Option<OrganizationId>,
    /// Keys of this product.
    pub product: Option<ProductName>,
    /// Keys whose stored state has this word (`active`, `disabled`, `revoked`).
    pub state: Option<&'static str>,
    /// Leave out revoked keys.
    pub unrevoked: bool,
    /// Keys of this kind.
    pub kind: Option<Kind>,
    /// Keys whose name has this text in it, letter case apart.
    pub name_has: Option<String>,
    /// Keys that depend on this person.
    pub owner: Option<UserId>,
    /// Keys made by this one.
    pub created_by: Option<Maker>,
    /// Keys that expire at this moment or later, or never.
    pub expires_from: Option<Instant>,
    /// Keys that expire before this moment.
    pub expires_before: Option<Instant>,
    /// Keys that were not used at this moment or later.
    pub unused_since: Option<Instant>,
    /// Keys that were used at this moment or later.
    pub used_since: Option<Instant>,
}

/// The order of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyOrder {
    /// By creation, the oldest first.
    #[default]
    Oldest,
    /// By creation, the newest first.
    Newest,
    /// By name, letter case apart.
    Name,
}

/// The place of a key in a page: the next page begins after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPlace {
    /// The last key of the page before.
    pub id: KeyId,
    /// Its name in the form that names are compared in ([`credential::name::Name::fold`]); used when pages are
    /// ordered by name.
    pub name: String,
}

impl KeyPlace {
    /// The place of a key.
    pub fn of(key: &Key) -> Self {
        Self {
            id: key.id,
            name: key.name.fold(),
        }
    }
}
const EXPIRING: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM api_key WHERE (expires_at, id) > ($1, $2) AND expires_at >= $1 AND expires_at < $3
      ORDER BY expires_at, id LIMIT $4"
);
const REVOKED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM api_key WHERE state = 'revoked' AND state_at < $1 ORDER BY state_at, id LIMIT $2"
);

macro_rules! filter {
    () => {
        " AND (CAST($2 AS TEXT) IS NULL OR product = $2)
          AND (CAST($3 AS TEXT) IS NULL OR state = $3)
          AND (CAST($4 AS TEXT) IS NULL OR state <> $4)
          AND (CAST($5 AS TEXT) IS NULL OR kind = $5)
          AND (CAST($6 AS TEXT) IS NULL OR name_fold LIKE $6 ESCAPE '!')
          AND (CAST($7 AS TEXT) IS NULL OR owner = $7)
          AND (CAST($8 AS TEXT) IS NULL OR created_by = $8)
          AND (CAST($9 AS BIGINT) IS NULL OR expires_at IS NULL OR expires_at >= $9)
          AND (CAST($10 AS BIGINT) IS NULL OR expires_at < $10)
          AND (CAST($11 AS BIGINT) IS NULL OR NOT EXISTS (
              SELECT 1 FROM key_usage WHERE key_usage.key_id = api_key.id AND last_used_at >= $11))
          AND (CAST($12 AS BIGINT) IS NULL OR EXISTS (
              SELECT 1 FROM key_usage WHERE key_usage.key_id = api_key.id AND last_used_at >= $12))"
    };
}

macro_rules! page {
    ($of:literal, $after:literal, $order:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM api_key WHERE ",
            $of,
            filter!(),
            " AND ",
            $after,
            " ORDER BY ",
            $order,
            " LIMIT $15"
        )
    };
}

macro_rules! pages {
    ($of:literal) => {
        [
            page!($of, "id > $13 AND CAST($14 AS TEXT) IS NOT NULL", "id"),
            page!($of, "id < COALESCE(NULLIF(CAST($13 AS TEXT), ''), '~') AND CAST($14 AS TEXT) IS NOT NULL", "id DESC"),
            page!($of, "(name_fold, id) > ($14, $13)", "name_fold, id"),
        ]
    };
}

const OF_ONE: [&str; 3] = pages!("organization = $1");
const OF_ALL: [&str; 3] = pages!("CAST($1 AS TEXT) IS NULL");
const COUNT_OF_ONE: &str = concat!(
    "SELECT COUNT(*) FROM api_key WHERE organization = $1",
    filter!()
);
const COUNT_OF_ALL: &str = concat!(
    "SELECT COUNT(*) FROM api_key WHERE CAST($1 AS TEXT) IS NULL",
    filter!()
);

impl View<'_> {
    /// Up to `limit` keys, after the given place.
    pub fn keys_page(
        &self,
        filter: &KeyFilter,
        order: KeyOrder,
        after: Option<&KeyPlace>,
        limit: usize,
    ) -> Result<Vec<Found<Key>>, Fault> {
        let texts = if filter.organization.is_some() {
            OF_ONE
        } else {
            OF_ALL
        };
        let text = match order {
            KeyOrder::Oldest => texts[0],
            KeyOrder::Newest => texts[1],
            KeyOrder::Name => texts[2],
        };
        let mut args = filter.args();
        args.push(Arg::from(
            after.map(|place| place.id.to_string()).unwrap_or_default(),
        ));
        args.push(Arg::from(after.map_or("", |place| place.name.as_str())));
        args.push(Arg::from(page_size(limit)));
        self.rows(text, &args)?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }

    /// Keys whose expiry lies from one moment to before another, the earliest first; `after` is the last key of the page
    /// before, whose expiry is `from` then.
    pub fn keys_expiring(
        &self,
        from: Instant,
        before: Instant,
        after: Option<KeyId>,
        limit: usize,
    ) -> Result<Vec<Found<Key>>, Fault> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let args = args![from.millis(), after, before.millis(), page_size(limit)];
        self.rows(EXPIRING, args)?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }

    /// Keys that were revoked before a moment, the earliest first.
    pub fn keys_revoked(&self, before: Instant, limit: usize) -> Result<Vec<Found<Key>>, Fault> {
        self.rows(REVOKED, args![before.millis(), page_size(limit)])?
            .iter()
            .map(|row| read(self, row))
            .collect()
    }

    /// How many keys there are.
    pub fn keys_count(&self, filter: &KeyFilter) -> Result<i64, Fault> {
        let text = if filter.organization.is_some() {
            COUNT_OF_ONE
        } else {
            COUNT_OF_ALL
        };
        self.one(text, &filter.args())?.int(0)
    }
}

impl KeyFilter {
    /// All keys of an organization.
    pub fn of(organization: OrganizationId) -> Self {
        Self {
            organization: Some(organization),
            ..Self::default()
        }
    }

    fn args(&self) -> Vec<Arg<'_>> {
        let text = |text: Option<String>| Arg::from(text);
        let moment = |at: Option<Instant>| Arg::from(at.map(Instant::millis));
        vec![
            text(self.organization.map(|id| id.to_string())),
            Arg::from(self.product.as_ref().map(ProductName::as_str)),
            Arg::from(self.state),
            Arg::from(self.unrevoked.then_some("revoked")),
            Arg::from(self.kind.map(Kind::as_str)),
            text(self.name_has.as_deref().map(contains)),
            text(self.owner.map(|id| id.to_string())),
            text(self.created_by.map(maker_text)),
            moment(self.expires_from),
            moment(self.expires_before),
            moment(self.unused_since),
            moment(self.used_since),
        ]
    }
}

/// A pattern for LIKE that a text meets when it has `part` in it.
fn contains(part: &str) -> String {
    let mut pattern = String::from("%");
    for c in part.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
