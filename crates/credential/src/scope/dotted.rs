//! Dotted names with an action. Two scopes are compared part by part, in place.

use super::Scope;

/// The grammar in words, for error messages.
pub(super) const GRAMMAR: &str =
    "names joined by dots and perhaps an action, such as reports.usage:read";

/// What differs between products.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) ignore_case: bool,
    pub(super) write_covers_read: bool,
}

/// A scope taken apart.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    name: &'a str,
    action: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// The parts of a text that follows the grammar.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let (name, action) = match text.split_once(':') {
            Some((name, action)) => (name, Some(action)),
            None => (text, None),
        };
        (name.split('.').all(is_word) && action.is_none_or(is_word))
            .then_some(Self { name, action })
    }

    fn domain(self) -> &'a str {
        self.name
            .split_once('.')
            .map_or(self.name, |(domain, _)| domain)
    }

    fn is_domain_wide(self) -> bool {
        self.action.is_some() && !self.name.contains('.')
    }
}

impl Rules {
    fn same(self, one: &str, other: &str) -> bool {
        if self.ignore_case {
            one.eq_ignore_ascii_case(other)
        } else {
            one == other
        }
    }

    fn name_covers(self, held: Parts<'_>, wanted: Parts<'_>) -> bool {
        self.same(held.name, wanted.name)
            || (held.is_domain_wide() && self.same(held.name, wanted.domain()))
    }

    fn action_covers(self, held: Option<&str>, wanted: Option<&str>) -> bool {
        match (held, wanted) {
            (None, None) => true,
            (Some(held), Some(wanted)) => {
                self.same(held, wanted)
                    || (self.write_covers_read
                        && self.same(held, "write")
                        && self.same(wanted, "read"))
            }
            _ => false,
        }
    }

    fn covers(self, held: Parts<'_>, wanted: Parts<'_>) -> bool {
        self.name_covers(held, wanted) && self.action_covers(held.action, wanted.action)
    }

    /// [`Rules::covers`] for a held scope that is not taken apart first: a request is held against
    /// dozens, and most of them differ in length. What matches a good scope is itself good.
    fn text_covers(self, held: &str, wanted: Parts<'_>) -> bool {
        let action_after = |name: &str| {
            let (head, rest) = held.split_at_checked(name.len())?;
            let action = match rest.strip_prefix(':') {
                None if rest.is_empty() => None,
                None => return None,
                action => action,
            };
            self.same(head, name).then_some(action)
        };
        action_after(wanted.name).is_some_and(|action| self.action_covers(action, wanted.action))
            || action_after(wanted.domain())
                .is_some_and(|action| action.is_some() && self.action_covers(action, wanted.action))
    }

    /// What both permit: the narrower name with the lesser action.
    fn meet(self, one: Parts<'_>, other: Parts<'_>) -> Option<Scope> {
        let name = if self.name_covers(one, other) {
            other.name
        } else if self.name_covers(other, one) {
            one.name
        } else {
            return None;
        };
        let action = if self.action_covers(one.action, other.action) {
            other.action
        } else if self.action_covers(other.action, one.action) {
            one.action
        } else {
            return None;
        };
        Some(Scope(match action {
            Some(action) => format!("{name}:{action}").into(),
            None => name.into(),
        }))
    }
}

pub(super) fn covers<'a>(
    rules: Rules,
    mut held: impl Iterator<Item = &'a Scope>,
    wanted: &str,
) -> bool {
    let Some(wanted) = Parts::of(wanted) else {
        return false;
    };
    held.any(|held| rules.text_covers(held.as_str(), wanted))
}

pub(super) fn normalize(rules: Rules, scopes: &[Scope]) -> Vec<Scope> {
    let mut sorted: Vec<&Scope> = scopes.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    let parsed: Vec<(&Scope, Parts<'_>)> = sorted
        .into_iter()
        .filter_map(|scope| Some((scope, Parts::of(scope.as_str())?)))
        .collect();
    let needless = |at: usize, parts: Parts<'_>| {
        // Two spellings of one scope cover each other: the first of them stays.
        parsed.iter().enumerate().any(|(other_at, &(_, other))| {
            other_at != at
                && rules.covers(other, parts)
                && (other_at < at || !rules.covers(parts, other))
        })
    };
    let kept = parsed
        .iter()
        .enumerate()
        .filter(|&(at, &(_, parts))| !needless(at, parts));
    kept.map(|(_, &(scope, _))| scope.clone()).collect()
}

pub(super) fn intersect(rules: Rules, one: &[Scope], other: &[Scope]) -> Vec<Scope> {
    let (one, other) = (normalize(rules, one), normalize(rules, other));
    let mut common = Vec::new();
    for mine in one.iter().filter_map(|scope| Parts::of(scope.as_str())) {
        for theirs in other.iter().filter_map(|scope| Parts::of(scope.as_str())) {
            common.extend(rules.meet(mine, theirs));
        }
    }
    normalize(rules, &common)
}

fn is_word(part: &str) -> bool {
    !part.is_empty()
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
