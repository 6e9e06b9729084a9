//! What an answer that is no answer means.

use deadpool_postgres::{HookError, PoolError};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::Fault;
use crate::fault::Cause;

pub(super) fn fault(error: Error) -> Fault {
    let Some(answer) = error.as_db_error() else {
        let cause = Cause::chain(&error);
        // What is no answer of the server is trouble with the line, but for our own mistakes.
        return if error.is_closed() || has_io_cause(&error) {
            Fault::Unreachable(cause)
        } else {
            Fault::Engine(cause)
        };
    };
    // The detail of an answer holds values of rows; only the names of columns are taken from it.
    let cause = Cause::from(format_args!(
        "{} ({})",
        answer.message(),
        answer.code().code()
    ));
    match answer.code() {
        &SqlState::UNIQUE_VIOLATION => Fault::Conflict {
            on: columns(answer),
        },
        &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED => {
            Fault::Undone(cause)
        }
        &SqlState::LOCK_NOT_AVAILABLE => Fault::Busy {
            what: "a lock in the database",
        },
        &SqlState::QUERY_CANCELED => Fault::Busy {
            what: "a statement that took too long",
        },
        &SqlState::TOO_MANY_CONNECTIONS => Fault::Busy {
            what: "a place among the server's connections",
        },
        code if code.code().starts_with("23") => Fault::Constraint(cause),
        code if code.code().starts_with("57P") || code.code().starts_with("08") => {
            Fault::Unreachable(cause)
        }
        _ => Fault::Engine(cause),
    }
}

/// The columns of the index that was violated, as SQLite writes them. They stand only in the
/// detail, in the first brackets: `Key (organization, name)=(…) already exists.`
fn columns(answer: &tokio_postgres::error::DbError) -> String {
    let table = answer.table().unwrap_or_default();
    let listed = answer
        .detail()
        .and_then(|detail| detail.split_once('(')?.1.split_once(")=("));
    match listed {
        Some((columns, _)) => columns
            .split(", ")
            .map(|column| format!("{table}.{column}"))
            .collect::<Vec<_>>()
            .join(", "),
        None => format!("{table}.{}", answer.constraint().unwrap_or_default()),
    }
}

fn has_io_cause(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<std::io::Error>() {
            return true;
        }
        cause = error.source();
    }
    false
}

pub(super) fn pool_fault(error: PoolError) -> Fault {
    match error {
        PoolError::Timeout(deadpool_postgres::TimeoutType::Wait) => Fault::Busy {
            what: "a connection to the database",
        },
        PoolError::Timeout(_) => no_answer(),
        PoolError::Backend(error) => match fault(error) {
            Fault::Engine(cause) => Fault::Unreachable(cause),
            other => other,
        },
        PoolError::Closed => Fault::Closed,
        PoolError::PostCreateHook(HookError::Message(why)) => Fault::Unfit(why.into_owned()),
        PoolError::PostCreateHook(HookError::Backend(error)) => fault(error),
        PoolError::NoRuntimeSpecified => Fault::Unfit(error.to_string()),
    }
}

pub(super) fn no_answer() -> Fault {
    Fault::Unreachable(Cause::new("the server does not answer"))
}

pub(super) fn lost() -> Fault {
    Fault::Unreachable(Cause::new("the connection was lost"))
}
