//! What a key is given, as people write it on the command line.

use serde_json::{Value, json};

use crate::client::Server;
use crate::commands::MOST;
use crate::exit::Reason;

/// A role or a scope, and what it is given for: everything, or what stands behind the last `=`.
#[derive(Debug, PartialEq, Eq)]
struct Given<'t> {
    what: &'t str,
    resources: Vec<(&'t str, &'t str)>,
}

/// The scopes as the API takes them.
pub(super) fn scopes(texts: &[String]) -> anyhow::Result<Vec<Value>> {
    texts
        .iter()
        .map(|text| {
            let given = Given::read(text);
            given.member("scope", given.what)
        })
        .collect()
}

/// The roles as the API takes them, each by its id; a name is looked up among those of the product that may be given.
pub(super) async fn roles(
    server: &Server,
    product: &str,
    organization: Option<&str>,
    texts: &[String],
) -> anyhow::Result<Vec<Value>> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let query = [
        ("product", Some(product)),
        ("organization_id", organization),
    ];
    let known = server.items("/api/v1/roles", &query, MOST).await?;
    texts.iter().map(|text| role(&known, text)).collect()
}

fn role(known: &[Value], text: &str) -> anyhow::Result<Value> {
    let whole = Given {
        what: text,
        resources: Vec::new(),
    };
    // A name may look like a name with resources: the whole of it comes first.
    for given in [whole, Given::read(text)] {
        if let Some(id) = named(known, given.what) {
            return given.member("id", &id);
        }
    }
    let names: Vec<&str> = known
        .iter()
        .filter_map(|role| role["name"].as_str())
        .collect();
    Err(Reason::Usage.because(format!(
        "--role {text}: there is no such role here; there are {}",
        names.join(", ")
    )))
}

/// The id of a role that is told by its id or its name, letter case apart.
fn named(known: &[Value], text: &str) -> Option<String> {
    let is = |role: &&Value| {
        role["id"].as_str() == Some(text)
            || role["name"]
                .as_str()
                .is_some_and(|name| name.to_lowercase() == text.to_lowercase())
    };
    known.iter().find(is)?["id"].as_str().map(str::to_owned)
}

impl<'t> Given<'t> {
    /// `WHAT` or `WHAT=KIND:ID,KIND:ID`.
    fn read(text: &'t str) -> Self {
        let split = text.rsplit_once('=').and_then(|(what, list)| {
            let resources = list.split(',').map(resource).collect::<Option<Vec<_>>>()?;
            Some(Self { what, resources })
        });
        split.unwrap_or(Self {
            what: text,
            resources: Vec::new(),
        })
    }

    fn member(&self, name: &str, value: &str) -> anyhow::Result<Value> {
        let Some((kind, _)) = self.resources.first() else {
            return Ok(json!(value));
        };
        if self.resources.iter().any(|(other, _)| other != kind) {
            return Err(Reason::Usage.because(format!(
                "{}: name resources of one kind at a time, and repeat it for another",
                self.what
            )));
        }
        let ids: Vec<&str> = self.resources.iter().map(|(_, id)| *id).collect();
        Ok(json!({ name: value, "resources": { "kind": kind, "ids": ids } }))
    }
}

/// `KIND:ID`.
fn resource(text: &str) -> Option<(&str, &str)> {
    let (kind, id) = text.split_once(':')?;
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (!kind.is_empty() && kind.chars().all(good) && !id.is_empty()).then_some((kind, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_given_for_everything_or_for_what_is_named() {
        let check = |text: &str, expected: Value| {
            assert_eq!(scopes(&[text.to_owned()]).unwrap(), [expected], "{text}");
        };
        check("a.b:read", json!("a.b:read"));
        let listed =
            json!({"scope": "a.b:read", "resources": {"kind": "account", "ids": ["7", "9"]}});
        check("a.b:read=account:7,account:9", listed);
        // An equals sign may stand in a scope.
        check("a=b:", json!("a=b:"));
        assert!(scopes(&["a.b:read=account:7,group:9".to_owned()]).is_err());
    }

    #[test]
    fn a_role_is_told_by_its_id_or_its_name() {
        let known = [
            json!({"id": "r1", "name": "Cloud Account Viewer"}),
            json!({"id": "r2", "name": "x=account:7"}),
        ];
        let check = |text: &str, expected: Value| {
            assert_eq!(role(&known, text).unwrap(), expected, "{text}");
        };
        check("r1", json!("r1"));
        check("cloud account viewer", json!("r1"));
        check("x=account:7", json!("r2"));
        let listed = json!({"id": "r1", "resources": {"kind": "account", "ids": ["7"]}});
        check("Cloud Account Viewer=account:7", listed);
        let error = role(&known, "Viewer").unwrap_err().to_string();
        assert!(error.contains("Cloud Account Viewer"), "{error}");
    }
}
