//! Scopes as a wish names them: those that the catalog declares, what lies below them, and presets, which stand for several.

use std::collections::{BTreeMap, BTreeSet};

use credential::scope::{Algebra, Aliases, Scope};
use serde::Deserialize;

use super::{Product, ScopeEntry};

/// How an alias begins.
const ALIAS: char = '+';

/// Scopes that are offered together; a wish names them by `+` and this name.
#[derive(Debug, Clone)]
pub struct Preset {
    /// Its word.
    pub name: String,
    /// One sentence: whom it suits.
    pub description: String,
    /// What it stands for.
    pub scopes: Vec<Scope>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PresetText {
    name: String,
    description: String,
    scopes: Vec<String>,
}

/// Reads the presets of a catalog; each stands for declared scopes, and for at least one.
pub(super) fn read(
    written: &[PresetText],
    algebra: Algebra,
    declared: &BTreeMap<Scope, ScopeEntry>,
) -> Result<(Vec<Preset>, Aliases), String> {
    let (mut presets, mut aliases) = (Vec::new(), Aliases::new());
    for preset in written {
        let bad = |why: String| format!("preset {:?}: {why}", preset.name);
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if preset.name.is_empty() || !preset.name.chars().all(good) {
            return Err(bad("a name has lower case letters, digits and -".to_owned()));
        }
        let scope = |text: &String| match algebra.parse(text) {
            Ok(scope) if declared.contains_key(&scope) => Ok(scope),
            Ok(scope) => Err(bad(format!("scope {scope} is not declared"))),
            Err(error) => Err(bad(error.to_string())),
        };
        let scopes: Vec<Scope> = preset.scopes.iter().map(scope).collect::<Result<_, _>>()?;
        let alias = Scope::new(&format!("{ALIAS}{}", preset.name));
        let alias = alias.map_err(|error| bad(error.to_string()))?;
        if scopes.is_empty() || aliases.insert(alias, scopes.clone()).is_some() {
            return Err(bad("it stands for nothing, or stands twice".to_owned()));
        }
        presets.push(Preset {
            name: preset.name.clone(),
            description: preset.description.clone(),
            scopes,
        });
    }
    Ok((presets, aliases))
}

impl Product {
    /// The catalog's spelling of a scope, however the asker spelled it; `None` if it is not declared. Where scopes are
    /// paths, whatever a declared one covers is declared with it, in its shortest spelling.
    pub fn declared(&self, text: &str) -> Option<Scope> {
        let scope = self.algebra.parse(text).ok()?;
        if self.scopes.contains_key(&scope) {
            return Some(scope);
        }
        let alone = std::slice::from_ref(&scope);
        let covered = |known: &&Scope| self.algebra.covers(std::slice::from_ref(*known), &scope);
        let same = |known: &&Scope| covered(known) && self.algebra.covers(alone, known);
        if let Some(known) = self.scopes.keys().find(same) {
            return Some(known.clone());
        }
        match self.algebra {
            Algebra::Slash if self.scopes.keys().any(|known| covered(&known)) => {
                self.algebra.normalize(alone).into_iter().next()
            }
            _ => None,
        }
    }

    /// The declared scopes that a text of a wish stands for: one, or those of a preset. `None` if it names neither.
    pub fn meant(&self, text: &str) -> Option<Vec<Scope>> {
        if !text.starts_with(ALIAS) {
            return self.declared(text).map(|scope| vec![scope]);
        }
        let alias = Scope::new(text).ok()?;
        let scopes = self.algebra.expand(&[alias], &self.aliases).ok()?;
        Some(BTreeSet::from_iter(scopes).into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::BUILT_IN;
    use super::*;

    fn threat_response() -> Product {
        let (file, text) = BUILT_IN
            .iter()
            .find(|(file, _)| *file == "threat_response.toml")
            .unwrap();
        Product::parse(file, text).unwrap()
    }

    #[test]
    fn below_a_declared_path_everything_is_declared_and_nothing_else() {
        let product = threat_response();
        for (text, expected) in [
            ("inspect:read", Some("inspect:read")),
            ("casebook:rw", Some("casebook")),
            (
                "enrich/observables/deliberate:read",
                Some("enrich/observables/deliberate:read"),
            ),
            ("private-intel/incident:rw", Some("private-intel/incident")),
            ("inspect", None),
            ("inspect:write", None),
            ("nothing:read", None),
            ("a:exec", None),
            ("+investigate", None),
        ] {
            let found = product.declared(text);
            assert_eq!(found.as_ref().map(Scope::as_str), expected, "{text}");
        }
    }

    #[test]
    fn a_preset_stands_for_its_scopes_and_an_unknown_one_for_nothing() {
        let product = threat_response();
        let names = |text: &str| {
            let scopes = product.meant(text)?;
            Some(
                scopes
                    .iter()
                    .map(|scope| scope.as_str().to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        let preset = &product.presets[0];
        let mut expected: Vec<_> = preset
            .scopes
            .iter()
            .map(|scope| scope.as_str().to_owned())
            .collect();
        expected.sort();
        assert_eq!(names(&format!("+{}", preset.name)), Some(expected));
        assert_eq!(names("inspect:read"), Some(vec!["inspect:read".to_owned()]));
        assert_eq!(names("+nothing"), None);
        assert_eq!(names("+"), None);
    }

    #[test]
    fn a_preset_with_an_undeclared_scope_is_refused_by_name() {
        let good = threat_response();
        let written = PresetText {
            name: "p".to_owned(),
            description: String::new(),
            scopes: vec!["nothing:read".to_owned()],
        };
        let error = read(&[written], good.algebra, &good.scopes).unwrap_err();
        assert!(error.contains("nothing:read"), "{error}");
    }
}
