//! What the program tells its caller besides words.

use std::fmt;
use std::process::ExitCode;

/// Why a command ended without success. Whatever carries none of these is a failure of the world, code 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The command or the settings are wrong.
    Usage,
    /// The server refused.
    Refused,
    /// The command looked, and found something wrong.
    Unhealthy,
}

/// An error with its reason.
#[derive(Debug)]
struct Reasoned {
    reason: Reason,
    words: String,
}

impl fmt::Display for Reasoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for Reasoned {}

impl Reason {
    /// An error with this reason; the words say what to do.
    pub(crate) fn because(self, words: impl fmt::Display) -> anyhow::Error {
        anyhow::Error::new(Reasoned {
            reason: self,
            words: words.to_string(),
        })
    }
}

/// The code that the process ends with.
pub(crate) fn code_of(error: &anyhow::Error) -> ExitCode {
    let reasoned = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Reasoned>());
    ExitCode::from(match reasoned.map(|reasoned| reasoned.reason) {
        None => 1,
        Some(Reason::Usage) => 2,
        Some(Reason::Refused) => 3,
        Some(Reason::Unhealthy) => 4,
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn the_code_follows_the_reason_through_whatever_was_said_about_it() {
        let check = |error: anyhow::Error, expected: u8| {
            assert_eq!(
                format!("{:?}", code_of(&error)),
                format!("{:?}", ExitCode::from(expected))
            );
        };
        check(anyhow::anyhow!("the disk is full"), 1);
        check(Reason::Usage.because("no such flag"), 2);
        check(
            Err::<(), _>(Reason::Refused.because("no"))
                .context("while asking")
                .unwrap_err(),
            3,
        );
        check(Reason::Unhealthy.because("a broken chain"), 4);
    }
}
