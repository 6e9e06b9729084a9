//! What runs beside the requests: each job has a name, an interval, and one function that does it once, which tests call.
//!
//! Every replica runs every job. That is safe because each is idempotent and what it tells is told once; the poll apart,
//! nothing depends on a job having run.

use std::time::Duration;

use credential::event::Action;
use credential::time::{Instant, Span};
use store::Found;
use store::rekey;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Authority;
use crate::audit::CompareStep;
use crate::failure::Failure;
use crate::settings::Settings;

/// Steps of one kind in one run of a purge: what is left is left for the next run, so that nobody waits long.
const MAX_STEPS: usize = 20;
/// Rows that one step of re-keying makes anew.
const REKEY_BATCH: usize = 200;

/// A job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Job {
    /// Follows the feed of changes: what keeps this replica fresh.
    Poll,
    /// Writes down how keys were used.
    Usage,
    /// Gives back what limits hold in reserve and nobody uses.
    Limits,
    /// Signs the end of the audit trail.
    Checkpoint,
    /// Tells people what is due.
    Notices,
    /// Sends what was told over the channels that want it.
    Deliveries,
    /// Holds the rows against the trail.
    Compare,
    /// Removes what is over.
    Purge,
    /// Makes and retires signing keys.
    SigningKeys,
    /// Seals rows anew after the vault was rolled over.
    Rekey,
}

impl Job {
    /// Every job.
    pub const ALL: [Job; 10] = [
        Job::Poll,
        Job::Usage,
        Job::Limits,
        Job::Checkpoint,
        Job::Notices,
        Job::Deliveries,
        Job::Compare,
        Job::Purge,
        Job::SigningKeys,
        Job::Rekey,
    ];

    /// Its name in logs and figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Job::Poll => "poll",
            Job::Usage => "usage",
            Job::Limits => "limits",
            Job::Checkpoint => "checkpoint",
            Job::Notices => "notices",
            Job::Deliveries => "deliveries",
            Job::Compare => "compare",
            Job::Purge => "purge",
            Job::SigningKeys => "signing_keys",
            Job::Rekey => "rekey",
        }
    }

    /// How long it rests between two runs.
    fn rest(self, settings: &Settings) -> Span {
        match self {
            // Four times within the bound: one poll may be lost and the next is still in time.
            Job::Poll => Span::from_millis((settings.max_staleness.millis() / 4).max(1)),
            // What a crash loses of "last used".
            Job::Usage => Span::from_secs(1),
            // What lies open is lent for half a minute.
            Job::Limits => Span::from_secs(10),
            // It looks whether a checkpoint is due.
            Job::Checkpoint => Span::from_secs(1),
            // Notices are about days.
            Job::Notices => Span::from_hours(1),
            // Somebody waits for what was told just now; without anything due it is one read of an index.
            Job::Deliveries => Span::from_secs(2),
            // A row that was put back is used at most so long.
            Job::Compare => Span::from_minutes(5),
            Job::Purge => settings.retention.every,
            Job::SigningKeys => Span::from_minutes(10),
            Job::Rekey => Span::from_hours(1),
        }
    }
}

/// What is over, one day.
#[derive(Clone, Copy)]
enum Over {
    Tokens,
    Families,
    Sessions,
    Nonces,
    Answers,
    Idempotency,
    Usage,
    Meters,
    Feed,
    Deliveries,
    Notices,
}

impl Over {
    const ALL: [Over; 11] = [
        Over::Tokens,
        Over::Families,
        Over::Sessions,
        Over::Nonces,
        Over::Answers,
        Over::Idempotency,
        Over::Usage,
        Over::Meters,
        Over::Feed,
        Over::Deliveries,
        Over::Notices,
    ];
}

impl Authority {
    /// Runs every job until `stop` says so; returns when those under way have ended.
    pub async fn run_jobs(&self, stop: watch::Receiver<bool>) {
        let mut running = JoinSet::new();
        for job in Job::ALL {
            let (authority, stop) = (self.clone(), stop.clone());
            running.spawn(async move { authority.repeat(job, stop).await });
        }
        running.join_all().await;
    }

    async fn repeat(&self, job: Job, mut stop: watch::Receiver<bool>) {
        let rest = job.rest(self.settings());
        let rest = Duration::from_millis(rest.millis().unsigned_abs());
        // A row that was put back while nothing ran is found before it has served for long.
        let mut wait = if job == Job::Compare {
            Duration::ZERO
        } else {
            rest
        };
        loop {
            tokio::select! {
                // Whoever holds the other end is gone: that is a stop too.
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(wait) => {}
            }
            wait = rest;
            if let Err(error) = self.run_job(job).await {
                tracing::warn!(job = job.as_str(), %error, "a job failed and will run again");
            }
        }
    }

    /// Does a job once.
    pub async fn run_job(&self, job: Job) -> Result<(), Failure> {
        match job {
            Job::Poll => self.poll().await,
            Job::Usage => self.flush_usage().await,
            Job::Limits => self.tidy_limits().await,
            Job::Checkpoint => self.sign_checkpoint_if_due().await.map(drop),
            Job::Notices => self.raise_all_due_notices().await,
            Job::Deliveries => self.deliver().await,
            Job::Compare => self.compare_unhurried().await,
            Job::Purge => self.purge().await,
            Job::SigningKeys => self.roll_signing_keys().await,
            Job::Rekey => self.rekey().await,
        }
    }

    async fn raise_all_due_notices(&self) -> Result<(), Failure> {
        let mut place = None;
        loop {
            place = self.raise_due_notices(place).await?;
            if place.is_none() {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }

    async fn compare_unhurried(&self) -> Result<(), Failure> {
        let mut step = Some(CompareStep::default());
        while let Some(from) = step {
            step = self.compare_rows(from).await?.1;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Removes what is over, a bounded number of steps of each kind.
    pub async fn purge(&self) -> Result<(), Failure> {
        for over in Over::ALL {
            for _ in 0..MAX_STEPS {
                if self.purge_step(over).await? < self.settings().retention.batch as u64 {
                    break;
                }
            }
        }
        match self.settings().retention.audit {
            Some(keep) => self.close_audit(self.now() - keep).await,
            None => Ok(()),
        }
    }

    /// Removes one batch of rows of one kind; says how many.
    async fn purge_step(&self, over: Over) -> Result<u64, Failure> {
        let (now, keep, store) = (self.now(), self.settings().retention, self.store());
        Ok(match over {
            Over::Tokens => self.purge_tokens(now - keep.tokens).await?,
            Over::Families => self.purge_families(now - keep.families).await?,
            Over::Sessions => self.purge_sessions().await?,
            Over::Nonces => store.purge_nonces(now, keep.batch).await?,
            Over::Answers => {
                store
                    .erase_answers(now - self.settings().repeat_within, keep.batch)
                    .await?
            }
            Over::Idempotency => {
                store
                    .purge_idempotency(now - keep.idempotency, keep.batch)
                    .await?
            }
            Over::Usage => {
                let before = now - keep.usage;
                let calls = store.purge_calls(before, keep.batch).await?;
                let hours = store.purge_hourly_usage(before, keep.batch).await?;
                calls.max(hours)
            }
            Over::Meters => store.purge_meters(now, keep.batch).await?,
            Over::Feed => store.purge_feed(now - keep.feed, keep.batch).await?,
            Over::Deliveries => {
                store
                    .purge_deliveries(now - keep.notices, keep.batch)
                    .await?
            }
            Over::Notices => store.purge_notices(now - keep.notices, keep.batch).await?,
        })
    }

    /// A revoked token that has expired is refused for that.
    async fn purge_tokens(&self, before: Instant) -> Result<u64, Failure> {
        let (now, batch) = (self.now(), self.settings().retention.batch);
        let expired = self
            .store()
            .view(move |view| view.expired_tokens(before, batch))
            .await?;
        let expired: Vec<_> = expired.into_iter().filter_map(Found::good).collect();
        if expired.is_empty() {
            return Ok(0);
        }
        let count = expired.len() as u64;
        let changed = self
            .store()
            .change(
                credential::event::Actor::SYSTEM,
                now,
                |_| Ok::<(), Failure>(()),
                move |change| {
                    for token in &expired {
                        // Another replica may have been faster.
                        if change.revoked_token(token.id)?.is_some() {
                            change.delete_revoked_token(token, Action::TokenPurged, "{}")?;
                        }
                    }
                    Ok::<(), Failure>(())
                },
            )
            .await?;
        self.settle(&changed).await?;
        Ok(count)
    }

    async fn purge_families(&self, before: Instant) -> Result<u64, Failure> {
        let (now, batch) = (self.now(), self.settings().retention.batch);
        let lapsed = self
            .store()
            .view(move |view| view.lapsed_families(before, batch))
            .await?;
        let lapsed: Vec<_> = lapsed.into_iter().filter_map(Found::good).collect();
        if lapsed.is_empty() {
            return Ok(0);
        }
        let count = lapsed.len() as u64;
        let changed = self
            .store()
            .change(
                credential::event::Actor::SYSTEM,
                now,
                |_| Ok::<(), Failure>(()),
                move |change| {
                    for family in &lapsed {
                        if let Some(Found::Good(family)) = change.family(family.id)?
                            && family.refresh_until < before
                        {
                            change.delete_family(&family, Action::FamilyPurged, "{}")?;
                        }
                    }
                    Ok::<(), Failure>(())
                },
            )
            .await?;
        self.settle(&changed).await?;
        Ok(count)
    }

    /// Closes the trail at signed checkpoints from before a moment, if it is good: what is bad is kept for whoever looks.
    async fn close_audit(&self, before: Instant) -> Result<(), Failure> {
        let old = self
            .store()
            .view(move |view| view.last_checkpoint(Some(before)))
            .await?;
        if old.is_none() {
            return Ok(());
        }
        let start = self.store().view(|view| view.audit_start()).await?;
        if old.is_none_or(|old| start.is_some_and(|start| old.seq <= start.0)) {
            return Ok(());
        }
        if let Some(flaw) = self.audit_flaw().await? {
            tracing::error!(%flaw, "the audit trail is not closed, because it does not verify");
            return Ok(());
        }
        for _ in 0..MAX_STEPS {
            if self
                .store()
                .close_audit(self.now(), before)
                .await?
                .is_none()
            {
                break;
            }
        }
        Ok(())
    }

    /// Seals anew what was sealed with an earlier version of the vault's key.
    pub async fn rekey(&self) -> Result<(), Failure> {
        let versions = self.store().view(|view| view.vault_keys()).await?;
        if versions
            .iter()
            .filter(|key| key.purpose == crate::vault::ROWS)
            .count()
            < 2
        {
            return Ok(());
        }
        for kind in rekey::KINDS {
            let mut place = None;
            loop {
                let done = self.store().rekey(kind, place, REKEY_BATCH).await?;
                place = done.next;
                if place.is_none() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }
}
