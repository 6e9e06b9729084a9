//! Paths with an access, compared as threat response compares them: a held path reaches
//! everything below it, and an access is a set of two bits.
//!
//! Each wanted scope must be covered by one held scope, where held scopes of the same path count
//! as one. So `a:read` with `a/b:write` reads and writes `a/b`, but does not satisfy a demand for
//! both accesses at once.

use super::Scope;

/// The grammar in words, for error messages.
pub(super) const GRAMMAR: &str =
    "a path and perhaps :read, :write or :rw, such as enrich/observables:read";

const READ: u8 = 1;
const WRITE: u8 = 2;
const BOTH: u8 = READ | WRITE;

/// A scope taken apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Parts<'a> {
    path: &'a str,
    access: u8,
}

impl<'a> Parts<'a> {
    /// The parts of a scope that means something by itself: one that is no alias.
    fn of(text: &'a str) -> Option<Self> {
        if text.starts_with('+') {
            None
        } else {
            Self::parse(text)
        }
    }

    /// The parts of a text that follows the grammar. An unknown access is an error: read as the
    /// empty set, everything would cover it.
    fn parse(text: &'a str) -> Option<Self> {
        let (path, access) = match text.split_once(':') {
            None => (text, BOTH),
            Some((path, "rw")) => (path, BOTH),
            Some((path, "read")) => (path, READ),
            Some((path, "write")) => (path, WRITE),
            Some(_) => return None,
        };
        path.split('/')
            .all(is_word)
            .then_some(Self { path, access })
    }

    /// The parts of a held scope, taken on trust: what reaches a good path is itself good, and no
    /// path begins as an alias does.
    fn held(text: &'a str) -> Self {
        let ends = [(":read", READ), (":write", WRITE), (":rw", BOTH)];
        let part = |(end, access)| text.strip_suffix(end).map(|path| Self { path, access });
        ends.into_iter().find_map(part).unwrap_or(Self {
            path: text,
            access: BOTH,
        })
    }

    fn covers(self, wanted: Parts<'_>) -> bool {
        reaches(self.path, wanted.path) && self.access & wanted.access == wanted.access
    }

    /// What both permit: the longer path with the accesses they share.
    fn meet(self, other: Self) -> Option<Self> {
        let access = self.access & other.access;
        let path = if reaches(self.path, other.path) {
            other.path
        } else if reaches(other.path, self.path) {
            self.path
        } else {
            return None;
        };
        (access != 0).then_some(Self { path, access })
    }

    fn print(self) -> Scope {
        Scope(match self.access {
            READ => format!("{}:read", self.path).into(),
            WRITE => format!("{}:write", self.path).into(),
            _ => self.path.into(),
        })
    }
}

/// Whether the text follows the grammar; aliases do.
pub(super) fn is_valid(text: &str) -> bool {
    Parts::parse(text).is_some()
}

pub(super) fn covers<'a>(held: impl Iterator<Item = &'a Scope> + Clone, wanted: &str) -> bool {
    let Some(wanted) = Parts::of(wanted) else {
        return false;
    };
    let near = held
        .map(|scope| Parts::held(scope.as_str()))
        .filter(|held| reaches(held.path, wanted.path));
    near.clone().any(|held| {
        let same_path = near.clone().filter(|other| other.path == held.path);
        held.covers(wanted)
            || same_path.fold(0, |access, other| access | other.access) & wanted.access
                == wanted.access
    })
}

pub(super) fn normalize(scopes: &[Scope]) -> Vec<Scope> {
    print(shortest(
        scopes
            .iter()
            .filter_map(|scope| Parts::of(scope.as_str()))
            .collect(),
    ))
}

pub(super) fn intersect(one: &[Scope], other: &[Scope]) -> Vec<Scope> {
    let parse = |scopes| {
        <[Scope]>::iter(scopes)
            .filter_map(|scope| Parts::of(scope.as_str()))
            .collect()
    };
    let (one, other) = (shortest(parse(one)), shortest(parse(other)));
    let pairs = one
        .iter()
        .flat_map(|mine| other.iter().filter_map(|theirs| mine.meet(*theirs)));
    print(shortest(pairs.collect()))
}

/// Merges what has the same path, then drops what another covers; sorted by path.
fn shortest(mut scopes: Vec<Parts<'_>>) -> Vec<Parts<'_>> {
    scopes.sort_unstable();
    let mut merged: Vec<Parts<'_>> = Vec::with_capacity(scopes.len());
    for scope in scopes {
        match merged.last_mut() {
            Some(last) if last.path == scope.path => last.access |= scope.access,
            _ => merged.push(scope),
        }
    }
    let needless = |scope: &Parts<'_>| {
        merged
            .iter()
            .any(|other| other != scope && other.covers(*scope))
    };
    merged
        .iter()
        .filter(|scope| !needless(scope))
        .copied()
        .collect()
}

fn print(scopes: Vec<Parts<'_>>) -> Vec<Scope> {
    let mut printed: Vec<Scope> = scopes.into_iter().map(Parts::print).collect();
    printed.sort_unstable();
    printed
}

fn reaches(path: &str, below: &str) -> bool {
    below
        .strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// One step of a path: printable ASCII but for space, `"`, `/`, `:` and `\`.
fn is_word(step: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'/' | b':' | b'\\');
    !step.is_empty() && step.bytes().all(good)
}
