//! The native API as the harnesses use it: all that they know of its shapes stands here.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::http::{Answer, Client};

/// An administrator's connection.
pub(crate) struct Native {
    client: Client,
    admin_key: String,
    /// The limits of the keys it makes.
    limits: Value,
}

/// What a creation, rotation or refresh showed once.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) id: String,
    /// What proves the key: the key string, the client secret or the access token.
    pub(crate) credential: String,
    pub(crate) refresh: Option<String>,
}

impl Native {
    pub(crate) fn new(base_url: &str, admin_key: &str) -> Result<Self> {
        Ok(Self {
            client: Client::new(base_url)?,
            admin_key: admin_key.to_string(),
            limits: json!([]),
        })
    }

    /// From here on it makes keys with a limit that is counted and never reached.
    pub(crate) fn limited(mut self) -> Self {
        self.limits =
            json!([{"name": "hour", "quota": 1_000_000_000_000_u64, "window_seconds": 3600}]);
        self
    }

    /// Makes a key of the sample product with the scope `sample.orders:read`.
    pub(crate) fn create(&mut self, kind: &str, name: &str) -> Result<Shown> {
        let wish = self.wish(kind, name);
        let answer = self
            .call("POST", "/api/v1/keys", Some(&wish))?
            .expect(201)?;
        shown(&answer, None)
    }

    /// Makes many keys alike, in as few calls as the API allows.
    pub(crate) fn create_many(&mut self, kind: &str, count: usize) -> Result<Vec<Shown>> {
        /// The most that one call takes.
        const BATCH: usize = 1000;
        let mut made = Vec::with_capacity(count);
        while made.len() < count {
            let items: Vec<Value> = (made.len()..count)
                .take(BATCH)
                .map(|number| self.wish(kind, &format!("key {number}")))
                .collect();
            let answer = self
                .call(
                    "POST",
                    "/api/v1/keys/bulk-create",
                    Some(&json!({"items": items})),
                )?
                .expect(201)?;
            for item in answer["items"].as_array().context("no items")? {
                made.push(shown(item, None)?);
            }
        }
        Ok(made)
    }

    /// Replaces the secret of a key; the old one ends at once.
    pub(crate) fn rotate(&mut self, id: &str) -> Result<Shown> {
        let answer = self
            .call(
                "POST",
                &format!("/api/v1/keys/{id}/rotate"),
                Some(&json!({"overlap_seconds": 0})),
            )?
            .expect(200)?;
        shown(&answer, Some(id))
    }

    /// Ends a key for good.
    pub(crate) fn revoke(&mut self, id: &str) -> Result<()> {
        self.call(
            "POST",
            &format!("/api/v1/keys/{id}/revoke"),
            Some(&json!({})),
        )?
        .expect(200)
        .map(drop)
    }

    /// A key as it stands.
    pub(crate) fn key(&mut self, id: &str) -> Result<Value> {
        self.call("GET", &format!("/api/v1/keys/{id}"), None)?
            .expect(200)
    }

    /// The codes of many verdicts, in the order asked.
    pub(crate) fn verify(&mut self, credentials: &[&str]) -> Result<Vec<String>> {
        /// The most that one call takes.
        const BATCH: usize = 1000;
        let mut codes = Vec::new();
        for batch in credentials.chunks(BATCH) {
            let items: Vec<Value> = batch
                .iter()
                .map(|credential| json!({"credential": credential}))
                .collect();
            let answer = self
                .call(
                    "POST",
                    "/api/v1/verify/batch",
                    Some(&json!({"items": items})),
                )?
                .expect(200)?;
            let verdicts = answer["items"].as_array().context("no items")?;
            if verdicts.len() != batch.len() {
                bail!("{} verdicts for {} questions", verdicts.len(), batch.len());
            }
            codes.extend(
                verdicts
                    .iter()
                    .map(|verdict| verdict["code"].as_str().unwrap_or_default().to_string()),
            );
        }
        Ok(codes)
    }

    /// The next pair of a refresh token, at the token endpoint.
    pub(crate) fn refresh(&mut self, id: &str, token: &str) -> Result<Shown> {
        let form = format!("grant_type=refresh_token&refresh_token={token}");
        let answer = self.client.send(
            "POST",
            "/oauth2/token",
            &[("content-type", "application/x-www-form-urlencoded")],
            form.as_bytes(),
        )?;
        shown(&answer.expect(200)?, Some(id))
    }

    /// The access token that a client buys with its own credentials.
    pub(crate) fn buy(&mut self, client: &Shown) -> Result<String> {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            client.id, client.credential
        );
        let answer = self.client.send(
            "POST",
            "/oauth2/token",
            &[("content-type", "application/x-www-form-urlencoded")],
            form.as_bytes(),
        )?;
        let answer = answer.expect(200)?;
        let token = answer["access_token"].as_str().context("no access token")?;
        Ok(token.to_string())
    }

    /// Whether the audit chain holds; the first bad place otherwise.
    pub(crate) fn audit_holds(&mut self) -> Result<()> {
        let answer = self
            .call("GET", "/api/v1/audit/verify", None)?
            .expect(200)?;
        if answer["ok"] != true && answer["intact"] != true {
            bail!("the audit chain is broken: {answer}");
        }
        Ok(())
    }

    fn wish(&self, kind: &str, name: &str) -> Value {
        let (scopes, limits) = (["sample.orders:read"], &self.limits);
        json!({"product": "sample", "kind": kind, "name": name, "scopes": scopes, "limits": limits})
    }

    fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        self.client.call(method, path, &self.admin_key, body)
    }
}

/// Reads what was shown: credentials are known by their own format, wherever they stand in the answer.
fn shown(answer: &Value, id: Option<&str>) -> Result<Shown> {
    let id = match id {
        Some(id) => id,
        None => ["/key/id", "/id", "/key_id"]
            .iter()
            .find_map(|path| answer.pointer(path)?.as_str())
            .context("no key id")?,
    };
    let credential = ["lk_key_", "lk_signed_", "lk_access_", "lk_client_", "eyJ"]
        .iter()
        .find_map(|begin| text_that_begins(answer, begin));
    let refresh = text_that_begins(answer, "lk_refresh_");
    Ok(Shown {
        id: id.to_string(),
        credential: credential.with_context(|| format!("nothing was shown: {answer}"))?,
        refresh,
    })
}

fn text_that_begins(value: &Value, begin: &str) -> Option<String> {
    match value {
        Value::String(text) => text.starts_with(begin).then(|| text.clone()),
        Value::Array(items) => items.iter().find_map(|item| text_that_begins(item, begin)),
        Value::Object(members) => members
            .values()
            .find_map(|member| text_that_begins(member, begin)),
        _ => None,
    }
}
