//! How keys are used: noted in batches, never on the path of an answer.

mod calls;

use std::net::IpAddr;

use credential::id::KeyId;
use credential::time::{Instant, Span};

use crate::change::{View, page_size};
use crate::column::{instant, number, opt_parsed, parsed, whole};
use crate::db::Row;
use crate::{Fault, Store, args};

pub use calls::{CallCount, Calls, MAX_AGENTS, MAX_KINDS, OTHER_AGENT};

/// The most rows of one batch: one batch is one transaction, and others wait for it on SQLite.
pub const MAX_BATCH: usize = 5000;

/// The use of one secret of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The key.
    pub key: KeyId,
    /// Which of its secrets.
    pub generation: u32,
    /// The latest use.
    pub last_used_at: Instant,
    /// Where the latest use came from.
    pub address: Option<IpAddr>,
    /// What the latest use was for.
    pub route: Option<String>,
    /// How many uses; in a batch, how many more.
    pub uses: u64,
}

/// The uses of a key in one hour, by route and by how they ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourlyUsage {
    /// The key.
    pub key: KeyId,
    /// The beginning of the hour.
    pub hour: Instant,
    /// What they were for.
    pub route: String,
    /// How they ended: the code of the verdict.
    pub outcome: String,
    /// How many; in a batch, how many more.
    pub uses: u64,
}

/// The uses of a key in one hour, of every route together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourCount {
    /// The beginning of the hour.
    pub hour: Instant,
    /// Uses that were allowed.
    pub allowed: u64,
    /// Uses that were refused.
    pub refused: u64,
}

impl HourlyUsage {
    /// The beginning of the hour that a moment is in.
    pub fn hour_of(at: Instant) -> Instant {
        const HOUR: i64 = Span::from_hours(1).millis();
        Instant::from_millis(at.millis().div_euclid(HOUR) * HOUR)
    }
}

const NOTE: &str = "\
    INSERT INTO key_usage (key_id, generation, last_used_at, address, route, uses) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (key_id, generation) DO UPDATE SET
        uses = key_usage.uses + excluded.uses,
        address = CASE WHEN excluded.last_used_at >= key_usage.last_used_at
            THEN excluded.address ELSE key_usage.address END,
        route = CASE WHEN excluded.last_used_at >= key_usage.last_used_at
            THEN excluded.route ELSE key_usage.route END,
        last_used_at = CASE WHEN excluded.last_used_at >= key_usage.last_used_at
            THEN excluded.last_used_at ELSE key_usage.last_used_at END";
const NOTE_HOUR: &str = "\
    INSERT INTO usage_hour (key_id, hour, route, outcome, uses) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (key_id, hour, route, outcome) DO UPDATE SET uses = usage_hour.uses + excluded.uses";
const OF_KEY: &str = "\
    SELECT key_id, generation, last_used_at, address, route, uses FROM key_usage WHERE key_id = $1
    ORDER BY generation DESC LIMIT $2";
const LAST_OF_KEYS: &str = "\
    SELECT key_id, generation, last_used_at, address, route, uses FROM key_usage
    WHERE key_id > $1 AND key_id <= $2 ORDER BY key_id, generation DESC LIMIT $3";
const HOURS: &str = "\
    SELECT key_id, hour, route, outcome, uses FROM usage_hour WHERE key_id = $1 AND hour >= $2 AND hour < $3
    ORDER BY hour, route, outcome LIMIT $4";
const COUNTS: &str = "\
    SELECT hour, CAST(SUM(CASE WHEN outcome = $4 THEN uses ELSE 0 END) AS BIGINT),
        CAST(SUM(CASE WHEN outcome = $4 THEN 0 ELSE uses END) AS BIGINT)
    FROM usage_hour WHERE key_id = $1 AND hour >= $2 AND hour < $3 GROUP BY hour ORDER BY hour LIMIT $5";
const PURGE: &str = "\
    DELETE FROM usage_hour WHERE hour < $1 AND (key_id, hour, route, outcome) IN (
        SELECT key_id, hour, route, outcome FROM usage_hour WHERE hour < $1
        ORDER BY hour, key_id, route, outcome LIMIT $2)";

impl View<'_> {
    /// The use of each secret of a key, the newest secret first.
    pub fn usage_of(&self, key: KeyId, limit: usize) -> Result<Vec<Usage>, Fault> {
        self.rows(OF_KEY, args![key.to_string(), page_size(limit)])?
            .iter()
            .map(read)
            .collect()
    }

    /// The use of the keys after one id, up to another: beside a page of keys that is ordered by id.
    pub fn usage_between(
        &self,
        after: KeyId,
        last: KeyId,
        limit: usize,
    ) -> Result<Vec<Usage>, Fault> {
        let args = args![after.to_string(), last.to_string(), page_size(limit)];
        self.rows(LAST_OF_KEYS, args)?.iter().map(read).collect()
    }

    /// How often a key was used in each hour in which it was, where `allowed` is the outcome of a use that was not
    /// refused.
    pub fn hour_counts(
        &self,
        key: KeyId,
        allowed: &str,
        from: Instant,
        before: Instant,
        limit: usize,
    ) -> Result<Vec<HourCount>, Fault> {
        let args = args![
            key.to_string(),
            from.millis(),
            before.millis(),
            allowed,
            page_size(limit)
        ];
        let read = |row: &Row| {
            Ok(HourCount {
                hour: instant(row, 0)?,
                allowed: number(row, 1)?,
                refused: number(row, 2)?,
            })
        };
        self.rows(COUNTS, args)?.iter().map(read).collect()
    }

    /// The use of a key by the hour.
    pub fn hourly_usage(
        &self,
        key: KeyId,
        from: Instant,
        before: Instant,
        limit: usize,
    ) -> Result<Vec<HourlyUsage>, Fault> {
        let args = args![
            key.to_string(),
            from.millis(),
            before.millis(),
            page_size(limit)
        ];
        let read = |row: &Row| {
            Ok(HourlyUsage {
                key: parsed(row, 0)?,
                hour: instant(row, 1)?,
                route: row.text(2)?.to_owned(),
                outcome: row.text(3)?.to_owned(),
                uses: number(row, 4)?,
            })
        };
        self.rows(HOURS, args)?.iter().map(read).collect()
    }
}

impl Store {
    /// Adds a batch of uses, of at most [`MAX_BATCH`] rows of each kind. A use that is older than the noted one counts,
    /// and changes nothing else. What is noted of a key that is gone stays until it is purged.
    pub async fn note_usage(
        &self,
        mut uses: Vec<Usage>,
        mut hours: Vec<HourlyUsage>,
    ) -> Result<(), Fault> {
        if uses.len().max(hours.len()) > MAX_BATCH {
            return Err(Fault::Unsupported(
                "a batch of usage of more than 5000 rows",
            ));
        }
        // In one order, so that two replicas never wait for each other in a circle.
        uses.sort_by_key(|usage| (usage.key, usage.generation));
        hours.sort_by(|one, other| {
            (one.key, one.hour, &one.route, &one.outcome).cmp(&(
                other.key,
                other.hour,
                &other.route,
                &other.outcome,
            ))
        });
        self.write(move |view| {
            for usage in &uses {
                view.execute(
                    NOTE,
                    args![
                        usage.key.to_string(),
                        usage.generation,
                        usage.last_used_at.millis(),
                        usage.address.map(|address| address.to_string()),
                        usage.route.as_deref(),
                        whole(usage.uses)
                    ],
                )?;
            }
            for usage in &hours {
                let (key, hour) = (usage.key.to_string(), usage.hour.millis());
                view.execute(
                    NOTE_HOUR,
                    args![key, hour, &usage.route, &usage.outcome, whole(usage.uses)],
                )?;
            }
            Ok(())
        })
        .await
    }

    /// Removes up to `limit` rows of hours before a moment; says how many.
    pub async fn purge_hourly_usage(&self, before: Instant, limit: usize) -> Result<u64, Fault> {
        self.write(move |view| view.execute(PURGE, args![before.millis(), page_size(limit)]))
            .await
    }
}

fn read(row: &Row) -> Result<Usage, Fault> {
    Ok(Usage {
        key: parsed(row, 0)?,
        generation: number(row, 1)?,
        last_used_at: instant(row, 2)?,
        address: opt_parsed(row, 3)?,
        route: row.opt_text(4)?.map(str::to_owned),
        uses: number(row, 5)?,
    })
}
