//! Calls as reports tell of them.

use std::collections::BTreeSet;

use credential::id::{KeyId, OrganizationId};
use credential::name::ProductName;
use credential::time::Instant;

use super::MAX_BATCH;
use crate::change::{View, page_size};
use crate::column::{number, parsed, whole};
use crate::db::Row;
use crate::{Fault, Store, args};

/// The most programs that are told apart for one key and hour: they call themselves whatever they like.
pub const MAX_AGENTS: usize = 16;
/// The most kinds of calls in one report: a year of a busy organization, and some ten megabytes.
pub const MAX_KINDS: usize = 20_000;
/// What all others count as.
pub const OTHER_AGENT: &str = "other";

/// Calls of one hour that are alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Calls {
    /// The key that they were made with.
    pub key: KeyId,
    /// The beginning of the hour.
    pub hour: Instant,
    /// The method.
    pub verb: String,
    /// The template of the path.
    pub path: String,
    /// The status of the answers.
    pub status: u16,
    /// The program that called, as it calls itself.
    pub agent: String,
    /// How many; in a batch, how many more.
    pub uses: u64,
}

/// Calls of a stretch of time that are alike, with the name of their key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallCount {
    /// The key that they were made with.
    pub key: KeyId,
    /// What people call it.
    pub key_name: String,
    /// The method.
    pub verb: String,
    /// The template of the path.
    pub path: String,
    /// The status of the answers.
    pub status: u16,
    /// The program that called, as it calls itself.
    pub agent: String,
    /// How many.
    pub uses: u64,
}

const AGENTS: &str =
    "SELECT DISTINCT agent FROM usage_call WHERE key_id = $1 AND hour = $2 ORDER BY agent LIMIT $3";
const NOTE: &str = "\
    INSERT INTO usage_call (key_id, hour, verb, path, status, agent, uses) VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (key_id, hour, verb, path, status, agent) DO UPDATE SET uses = usage_call.uses + excluded.uses";
const COUNT: &str = "\
    SELECT usage_call.key_id, api_key.name, verb, path, status, agent, CAST(SUM(uses) AS BIGINT) FROM usage_call
    JOIN api_key ON api_key.id = usage_call.key_id
    WHERE api_key.organization = $1 AND api_key.product = $2 AND hour >= $3 AND hour < $4
    GROUP BY usage_call.key_id, api_key.name, verb, path, status, agent
    ORDER BY usage_call.key_id, verb, path, status, agent LIMIT $5";
const PURGE: &str = "\
    DELETE FROM usage_call WHERE hour < $1 AND (key_id, hour, verb, path, status, agent) IN (
        SELECT key_id, hour, verb, path, status, agent FROM usage_call WHERE hour < $1
        ORDER BY hour, key_id, verb, path, status, agent LIMIT $2)";

impl View<'_> {
    /// The calls with keys of one product in one organization in the hours from `from` to `before`: at most one kind more
    /// than [`MAX_KINDS`], which tells that there are too many.
    pub fn call_counts(
        &self,
        organization: OrganizationId,
        product: &ProductName,
        from: Instant,
        before: Instant,
    ) -> Result<Vec<CallCount>, Fault> {
        let args = args![
            organization.to_string(),
            product.as_str(),
            from.millis(),
            before.millis(),
            whole(MAX_KINDS as u64 + 1)
        ];
        let read = |row: &Row| {
            Ok(CallCount {
                key: parsed(row, 0)?,
                key_name: row.text(1)?.to_owned(),
                verb: row.text(2)?.to_owned(),
                path: row.text(3)?.to_owned(),
                status: number(row, 4)?,
                agent: row.text(5)?.to_owned(),
                uses: number(row, 6)?,
            })
        };
        self.rows(COUNT, args)?.iter().map(read).collect()
    }

    /// The programs that are told apart for a key and hour.
    fn agents(&self, key: KeyId, hour: Instant) -> Result<BTreeSet<String>, Fault> {
        let args = args![key.to_string(), hour.millis(), page_size(MAX_AGENTS + 1)];
        let rows = self.rows(AGENTS, args)?;
        rows.iter().map(|row| Ok(row.text(0)?.to_owned())).collect()
    }
}

impl Store {
    /// Adds a batch of calls of at most [`MAX_BATCH`] rows. Of a key and hour that has [`MAX_AGENTS`] programs already,
    /// further ones count as [`OTHER_AGENT`].
    pub async fn note_calls(&self, mut calls: Vec<Calls>) -> Result<(), Fault> {
        if calls.len() > MAX_BATCH {
            return Err(Fault::Unsupported(
                "a batch of calls of more than 5000 rows",
            ));
        }
        // In one order, so that two replicas never wait for each other in a circle.
        calls.sort();
        self.write(move |view| {
            let mut of = None;
            let mut known = BTreeSet::new();
            let mut bounded = calls.clone();
            for call in &mut bounded {
                if of != Some((call.key, call.hour)) {
                    known = view.agents(call.key, call.hour)?;
                    of = Some((call.key, call.hour));
                }
                if !known.contains(&call.agent) {
                    if known.len() < MAX_AGENTS {
                        known.insert(call.agent.clone());
                    } else {
                        OTHER_AGENT.clone_into(&mut call.agent);
                    }
                }
            }
            bounded.sort();
            for call in &bounded {
                let args = args![
                    call.key.to_string(),
                    call.hour.millis(),
                    &call.verb,
                    &call.path,
                    i64::from(call.status),
                    &call.agent,
                    whole(call.uses)
                ];
                view.execute(NOTE, args)?;
            }
            Ok(())
        })
        .await
    }

    /// Removes up to `limit` rows of hours before a moment; says how many.
    pub async fn purge_calls(&self, before: Instant, limit: usize) -> Result<u64, Fault> {
        self.write(move |view| view.execute(PURGE, args![before.millis(), page_size(limit)]))
            .await
    }
}
