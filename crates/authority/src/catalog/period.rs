//! Lives of keys that a product offers for choice.

use credential::time::{Instant, Term};
use serde::Deserialize;

use super::{KeysText, Product};

/// A life of a key that is offered for choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// What people call it; unique in the product.
    pub name: String,
    /// How long it is.
    pub term: Term,
    /// Whether a key gets it whose maker chooses none.
    pub default: bool,
}

impl Product {
    /// When a key ends that is made at `now` and whose maker says nothing; `None` is never.
    pub fn default_expiry(&self, now: Instant) -> Option<Instant> {
        let period = self.periods.iter().find(|period| period.default);
        match period {
            Some(period) => Some(period.term.after(now)),
            None => self.default_lifetime.map(|life| now + life),
        }
    }

    /// The period of that name, letter case apart.
    pub fn period(&self, name: &str) -> Option<&Period> {
        self.periods
            .iter()
            .find(|period| period.name.to_lowercase() == name.to_lowercase())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PeriodText {
    name: String,
    days: Option<u32>,
    months: Option<u32>,
    #[serde(default)]
    default: bool,
}

/// The periods of a file; a name, a length and the default must each mean one thing.
pub(super) fn read(keys: &KeysText) -> Result<Vec<Period>, String> {
    let mut periods: Vec<Period> = Vec::new();
    for written in &keys.periods {
        let name = written.name.clone();
        let bad = |why: &str| Err(format!("period {name:?}: {why}"));
        let term = match (written.days, written.months) {
            (Some(days @ 1..), None) => Term::Days(days),
            (None, Some(months @ 1..)) => Term::Months(months),
            _ => return bad("expected either days or months, 1 or more"),
        };
        if periods
            .iter()
            .any(|other| other.name.to_lowercase() == name.to_lowercase())
        {
            return bad("it stands twice");
        }
        let other_default =
            keys.default_lifetime_seconds.is_some() || periods.iter().any(|other| other.default);
        if written.default && other_default {
            return bad("there is another default");
        }
        periods.push(Period {
            name,
            term,
            default: written.default,
        });
    }
    Ok(periods)
}

#[cfg(test)]
mod tests {
    use super::super::BUILT_IN;
    use super::*;

    #[test]
    fn a_period_has_one_length_and_one_is_the_default() {
        let with = |periods: &str| {
            let text =
                BUILT_IN[2]
                    .1
                    .replacen("[keys]", &format!("[keys]\nperiods = [{periods}]"), 1);
            Product::parse("demo.toml", &text).map_err(|error| error.to_string())
        };
        let six = "{ name = \"Six months\", months = 6, default = true }";
        let product = with(&format!("{six}, {{ name = \"A day\", days = 1 }}")).unwrap();
        assert_eq!(product.period("six MONTHS").unwrap().term, Term::Months(6));
        let now = Instant::from_millis(1_756_641_600_000);
        assert_eq!(
            product.default_expiry(now).unwrap().millis(),
            1_772_280_000_000,
            "31 August to 28 February"
        );
        for (periods, part) in [
            ("{ name = \"x\" }".to_owned(), "days or months"),
            ("{ name = \"x\", days = 0 }".to_owned(), "days or months"),
            (
                "{ name = \"x\", days = 1, months = 1 }".to_owned(),
                "days or months",
            ),
            (
                format!("{six}, {{ name = \"six Months\", days = 1 }}"),
                "twice",
            ),
            (
                format!("{six}, {{ name = \"x\", days = 1, default = true }}"),
                "default",
            ),
            ("{ name = \"x\", weeks = 1 }".to_owned(), "weeks"),
        ] {
            let error = with(&periods).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
