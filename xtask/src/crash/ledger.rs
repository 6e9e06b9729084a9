//! What clients were told, kept where no crash of the server reaches it, and what must therefore be true after one.

/// One key as its client knows it.
pub(crate) struct Entry {
    pub(crate) id: String,
    /// The credential of the last acknowledged answer.
    pub(crate) credential: String,
    /// The refresh token that came with it, for token pairs.
    pub(crate) refresh: Option<String>,
    /// A credential that an acknowledged rotation replaced; only the last, so that the ledger stays small.
    pub(crate) replaced: Option<String>,
    pub(crate) state: State,
    /// Changes of this key that were acknowledged.
    pub(crate) changes: u32,
}

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Its credential works.
    Live,
    /// It was revoked, and stays so.
    Revoked,
    /// A crash left open whether it was revoked.
    PerhapsRevoked,
    /// A crash left open whether it was rotated: if so, nobody knows its credential.
    PerhapsRotated,
    /// A crash left open whether it was refreshed: asking again tells.
    PerhapsRefreshed,
    /// It was rotated and nobody knows its credential.
    Lost,
}

/// What a verification says, as far as the ledger cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Valid,
    Revoked,
    Unknown,
}

impl Said {
    /// Reads a verdict's code.
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        Some(match code {
            "VALID" => Self::Valid,
            "REVOKED" => Self::Revoked,
            "NOT_FOUND" => Self::Unknown,
            _ => return None,
        })
    }
}

impl Entry {
    /// Holds what the server says of the credential against what is known, settles what was open, and tells the breach.
    pub(crate) fn settle(&mut self, said: Said) -> Result<(), String> {
        let next = match (self.state, said) {
            (
                State::Live
                | State::PerhapsRevoked
                | State::PerhapsRotated
                | State::PerhapsRefreshed,
                Said::Valid,
            ) => {
                if self.state == State::PerhapsRefreshed {
                    self.state
                } else {
                    State::Live
                }
            }
            (State::PerhapsRevoked | State::Revoked, Said::Revoked) => State::Revoked,
            (State::PerhapsRotated | State::Lost, Said::Unknown) => State::Lost,
            (State::Live, Said::Unknown | Said::Revoked) => {
                return Err(self.breach("an acknowledged credential is lost", said));
            }
            (State::Revoked, Said::Valid) => {
                return Err(self.breach("a revoked key is alive again", said));
            }
            (State::Lost, Said::Valid) => {
                return Err(self.breach("a replaced credential is alive again", said));
            }
            _ => return Err(self.breach("a state that nothing led to", said)),
        };
        if self.state == State::PerhapsRevoked && next == State::Revoked
            || self.state == State::PerhapsRotated && next == State::Lost
        {
            self.changes += 1;
        }
        self.state = next;
        Ok(())
    }

    /// Whether the client may go on using it.
    pub(crate) fn is_live(&self) -> bool {
        self.state == State::Live
    }

    fn breach(&self, what: &str, said: Said) -> String {
        format!(
            "key {}: {what}: known as {:?}, the server says {said:?}",
            self.id, self.state
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(state: State, said: Said, expected: Option<State>) {
        let mut entry = Entry {
            id: "k".into(),
            credential: "c".into(),
            refresh: None,
            replaced: None,
            state,
            changes: 1,
        };
        let settled = entry.settle(said).is_ok().then_some(entry.state);
        assert_eq!(settled, expected, "{state:?} {said:?}");
    }

    #[test]
    fn what_was_acknowledged_must_hold_and_what_was_open_is_settled_once() {
        check(State::Live, Said::Valid, Some(State::Live));
        check(State::Live, Said::Unknown, None);
        check(State::Live, Said::Revoked, None);
        check(State::Revoked, Said::Revoked, Some(State::Revoked));
        check(State::Revoked, Said::Valid, None);
        check(State::Revoked, Said::Unknown, None);
        check(State::PerhapsRevoked, Said::Valid, Some(State::Live));
        check(State::PerhapsRevoked, Said::Revoked, Some(State::Revoked));
        check(State::PerhapsRotated, Said::Unknown, Some(State::Lost));
        check(State::PerhapsRotated, Said::Revoked, None);
        check(State::Lost, Said::Valid, None);
        check(
            State::PerhapsRefreshed,
            Said::Valid,
            Some(State::PerhapsRefreshed),
        );
        check(State::PerhapsRefreshed, Said::Unknown, None);
    }
}
