//! The one writer.
//!
//! **Group commit.** Making a commit durable costs a wait for the disk, whatever its size. The
//! writer therefore puts all jobs that are waiting into one transaction, each in a savepoint: a job
//! that fails or panics is undone alone, and everyone is answered after the one commit. If that
//! fails, all fail. Nobody sees a change before it is durable, because readers see commits only.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::super::{Attempt, Counters, Session, Tx, attempt, count};
use super::{fault, step};
use crate::Fault;
use crate::fault::Cause;

/// Jobs in one commit: enough that the disk's wait is shared, few enough that the first need not wait long.
const BATCH: usize = 128;

/// What the writer is asked.
pub(super) enum Message {
    Job(Box<dyn Job>),
    Stop(oneshot::Sender<Result<(), Fault>>),
}

/// A transaction on its way to the writer and back.
pub(super) trait Job: Send {
    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
    /// Runs the closure; true when its changes are to be kept.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Answers the caller, when it is known whether the commit succeeded.
    fn answer(self: Box<Self>, committed: Result<(), Fault>);
}

/// A job made of the closure of [`super::super::Db::write`].
pub(super) struct Write<F, T, E> {
    f: F,
    outcome: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Write<F, T, E> {
    pub(super) fn new(f: F, reply: oneshot::Sender<Result<T, E>>) -> Self {
        Self {
            f,
            outcome: None,
            reply,
        }
    }
}

impl<F, T, E> Job for Write<F, T, E>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<Fault> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    // Nobody else writes while a job runs, so there is nothing that another run would cure.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let outcome = match attempt(tx, &mut self.f) {
            Attempt::Good(value) => Ok(value),
            Attempt::Bad(error) | Attempt::Again(error) => Err(error),
        };
        self.outcome.insert(outcome).is_ok()
    }

    fn answer(self: Box<Self>, committed: Result<(), Fault>) {
        let outcome = match (committed, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => Err(Fault::Closed.into()),
            (Err(fault), _) => Err(fault.into()),
        };
        // The caller may have left; the change stands all the same.
        drop(self.reply.send(outcome));
    }
}

/// The thread that writes.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) queue: mpsc::Receiver<Message>,
    pub(super) counters: Arc<Counters>,
}

impl Writer {
    pub(super) fn run(mut self) {
        while let Some(message) = self.queue.blocking_recv() {
            let stop = match message {
                Message::Job(job) => self.batch(job),
                Message::Stop(reply) => Some(reply),
            };
            if let Some(reply) = stop {
                self.queue.close();
                drop(reply.send(self.finish()));
                return;
            }
        }
    }

    /// Runs `first` and whatever waits behind it in one transaction and answers all of them.
    /// Returns the request to stop, if that was among them.
    fn batch(&mut self, first: Box<dyn Job>) -> Option<oneshot::Sender<Result<(), Fault>>> {
        if let Err(fault) = step(&self.connection, "BEGIN IMMEDIATE") {
            first.answer(Err(fault));
            return None;
        }
        let mut ran = Vec::new();
        let mut stop = None;
        let mut whole = Ok(());
        let mut next = Some(Message::Job(first));
        while let Some(message) = next.take() {
            match message {
                Message::Job(job) if job.is_abandoned() => {}
                Message::Job(mut job) => {
                    whole = self.savepoint(job.as_mut());
                    ran.push(job);
                }
                Message::Stop(reply) => stop = Some(reply),
            }
            if whole.is_ok() && stop.is_none() && ran.len() < BATCH {
                next = self.queue.try_recv().ok();
            }
        }
        let ended = whole.and_then(|()| self.commit());
        if !self.connection.is_autocommit() {
            drop(step(&self.connection, "ROLLBACK"));
        }
        for job in ran {
            count(&self.counters.writes);
            job.answer(ended.clone());
        }
        stop
    }

    /// Runs one job and undoes it alone when it fails. A fault here is one of the whole transaction.
    fn savepoint(&self, job: &mut dyn Job) -> Result<(), Fault> {
        step(&self.connection, "SAVEPOINT job")?;
        let keep = job.run(&mut Tx::new(Session::Sqlite(&self.connection)));
        if self.connection.is_autocommit() {
            // A full disk or a failed write ends the whole transaction inside the engine.
            return Err(Fault::Engine(Cause::new(
                "the engine rolled the transaction back",
            )));
        }
        if !keep {
            step(&self.connection, "ROLLBACK TO job")?;
        }
        step(&self.connection, "RELEASE job")
    }

    // When the disk refuses to say that the commit is on it, a crash may still bring it back.
    fn commit(&self) -> Result<(), Fault> {
        count(&self.counters.commits);
        step(&self.connection, "COMMIT").map_err(|fault| match fault {
            Fault::Engine(cause) => Fault::InDoubt(cause),
            other => other,
        })
    }

    fn finish(self) -> Result<(), Fault> {
        self.connection
            .execute_batch("PRAGMA optimize")
            .map_err(fault)?;
        // Another process that reads may hold the WAL; it is then emptied by whoever closes last.
        let emptied = self
            .connection
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        if let Err(error) = emptied {
            tracing::warn!(%error, "the WAL was not emptied");
        }
        self.connection.close().map_err(|(_, error)| fault(error))
    }
}
