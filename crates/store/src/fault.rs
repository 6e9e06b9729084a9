//! How the world fails a store. A refused command or a denied credential is never a `Fault`.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// The store could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// Two rows may not be alike in these columns. Not retryable: the same write meets the same row.
    #[error("another row has the same {on}")]
    Conflict {
        /// The columns as `table.column, table.column`, in the order of their index, on either engine.
        on: String,
    },

    /// A row breaks another rule of the schema: a missing parent, a missing value, a failed check.
    #[error("the row breaks a rule of the schema")]
    Constraint(#[source] Cause),

    /// A row was changed by someone else between reading and writing it, on every run that was allowed.
    #[error("someone else was faster, again and again")]
    Outrun,

    /// The engine undid the transaction in favour of another one: a deadlock or a serialization failure.
    #[error("the engine undid the transaction in favour of another")]
    Undone(#[source] Cause),

    /// Something that is shared stayed taken for longer than the limit of that wait.
    #[error("waited too long for {what}")]
    Busy {
        /// What was waited for.
        what: &'static str,
    },

    /// The database does not answer, or the connection to it broke before anything was committed.
    #[error("the database cannot be reached")]
    Unreachable(#[source] Cause),

    /// The commit was sent and its fate is unknown: the change may be there or not.
    #[error("it is unknown whether the change was committed")]
    InDoubt(#[source] Cause),

    /// The engine refused a statement.
    #[error("the database refused a statement")]
    Engine(#[source] Cause),

    /// A stored row is not what its reader expects.
    #[error("a stored row is not as expected: {0}")]
    Shape(String),

    /// A statement came after a failed one in the same transaction, or the transaction ended well in
    /// spite of it. Neither engine commits such a transaction.
    #[error("the transaction had already failed")]
    AlreadyFailed,

    /// The code inside the transaction panicked; the transaction was rolled back.
    #[error("the code inside the transaction panicked")]
    Panicked,

    /// The store was closed.
    #[error("the store is closed")]
    Closed,

    /// The database file is damaged.
    #[error("the database is damaged: {0}")]
    Damaged(String),

    /// The engine, its version or its settings do not keep what the store promises.
    #[error("the database is not fit for use: {0}")]
    Unfit(String),

    /// The schema was made by another program, or by a newer version of this one.
    #[error("the schema does not fit: {0}")]
    Schema(String),

    /// The database URL cannot be used.
    #[error("the database URL cannot be used: {0}")]
    Url(String),

    /// A file could not be read or written.
    #[error("the file {} cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: Arc<std::io::Error>,
    },

    /// A row was changed outside the server, or the vault lacks the key it was made with.
    #[error("the row of {kind} {id} was changed outside the server")]
    Tampered {
        /// The kind of thing, as the audit trail names it.
        kind: &'static str,
        /// Which one.
        id: String,
    },

    /// Rows are sealed, and the store was not given the vault that opens them.
    #[error("the store's vault is locked")]
    Locked,

    /// The random source gave nothing.
    #[error("there is no randomness")]
    NoEntropy,

    /// This engine does not have the operation.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// What the engine said, without the values of any row.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Cause(Arc<str>);

impl Fault {
    /// Whether the same call may succeed later without anything being changed. A caller that
    /// repeats [`Fault::InDoubt`] must first look what happened, so that one is not.
    pub fn retryable(&self) -> bool {
        self.calls_for_another_run() || matches!(self, Self::Busy { .. } | Self::Unreachable(_))
    }

    /// Whether the row that stands in the way is one with the same `on`, as [`Fault::Conflict`] writes it.
    pub fn is_conflict_on(&self, columns: &str) -> bool {
        matches!(self, Self::Conflict { on } if on == columns)
    }

    /// Whether running the transaction again from its start is the cure.
    pub(crate) fn calls_for_another_run(&self) -> bool {
        matches!(self, Self::Outrun | Self::Undone(_))
    }

    pub(crate) fn file(path: impl Into<PathBuf>, cause: std::io::Error) -> Self {
        Self::File {
            path: path.into(),
            cause: Arc::new(cause),
        }
    }
}

impl Cause {
    pub(crate) fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// An error with the causes it carries, on one line.
    pub(crate) fn chain(error: &(dyn Error + 'static)) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        Self::new(text)
    }
}

impl From<fmt::Arguments<'_>> for Cause {
    fn from(text: fmt::Arguments<'_>) -> Self {
        Self::new(text.to_string())
    }
}
