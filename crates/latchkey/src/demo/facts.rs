//! What the demo says about itself: words for people, JSON for programs.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use server::oauth2;

use super::inhabitants::{Inhabitants, SAMPLE_SCOPE};
use super::write_whole;

/// The policy of the built-in gateway, a path that the sample key may read, and one that it may not.
const POLICY: &str = "demo";
const PATH: &str = "/sample/orders";
const DENIED_PATH: &str = "/sample/accounts";

/// Where the demo is and what is in it.
pub(super) struct Facts {
    pub(super) base_url: String,
    pub(super) tls_url: Option<String>,
    pub(super) ca_file: PathBuf,
    pub(super) inhabitants: Inhabitants,
}

impl Facts {
    /// For people: what to try, in lines that can be pasted.
    pub(super) fn what_to_try(&self) -> String {
        let Self {
            base_url,
            inhabitants,
            ..
        } = self;
        let Inhabitants {
            admin_key,
            verify_key,
            sample_key,
            client,
            dialects,
            ..
        } = inhabitants;
        let dialects: String = dialects
            .iter()
            .filter(|(_, told)| !told.to_try.is_empty())
            .map(|(_, told)| format!("{}\n\n", told.to_try.replace("BASE_URL", base_url)))
            .collect();
        let https = match &self.tls_url {
            Some(url) => format!(
                "\nHTTPS: {url}, to be trusted with {}\n",
                self.ca_file.display()
            ),
            None => String::new(),
        };
        format!(
            "\
The demo is ready at {base_url}; all of it is forgotten when it ends (Ctrl-C).

Is a key good? Ask, as an API server would:

curl -H 'Authorization: Bearer {verify_key}' -H 'Content-Type: application/json' -d '{{\"credential\": \"{sample_key}\", \"scopes\": [\"{SAMPLE_SCOPE}\"]}}' {base_url}/api/v1/verify

Use the same key at an API behind the built-in gateway ({DENIED_PATH} is denied to it):

    curl -H 'Authorization: Bearer {sample_key}' {base_url}{PATH}

Buy an access token with client credentials:

    curl -u '{client_id}:{client_secret}' -d grant_type=client_credentials {base_url}{token}

{dialects}Look around in the console, as {console_email} with the password {console_password}:

    {base_url}/console

Administer Latchkey itself from another shell:

    export LATCHKEY_URL={base_url} LATCHKEY_KEY={admin_key}
    latchkey key list
{https}
The API is described at {base_url}/docs and {base_url}/openapi.json.
",
            client_id = client.id,
            client_secret = client.secret,
            token = oauth2::TOKEN,
            console_email = inhabitants.admin.id,
            console_password = inhabitants.admin.secret,
        )
    }

    /// For programs: all of it, written whole.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        write_whole(path, &format!("{:#}\n", self.json()))
    }

    fn json(&self) -> Value {
        let Self {
            base_url,
            inhabitants,
            ..
        } = self;
        let Inhabitants {
            client,
            introspect_client,
            dialects,
            ..
        } = inhabitants;
        let mut facts = json!({
            "base_url": base_url,
            "native": inhabitants.native(),
            "oauth": {
                "issuer": base_url,
                "token_url": format!("{base_url}{}", oauth2::TOKEN),
                "introspect_url": format!("{base_url}{}", oauth2::INTROSPECT),
                "revoke_url": format!("{base_url}{}", oauth2::REVOKE),
                "jwks_url": format!("{base_url}{}", oauth2::JWKS),
                "client_id": client.id,
                "client_secret": client.secret,
                "scope": SAMPLE_SCOPE,
                "introspect_client_id": introspect_client.id,
                "introspect_client_secret": introspect_client.secret,
            },
            "console": {
                "url": format!("{base_url}/console"),
                "email": inhabitants.admin.id,
                "password": inhabitants.admin.secret,
            },
            "gateway": {"policy": POLICY, "path": PATH, "denied_path": DENIED_PATH},
        });
        for (dialect, told) in dialects {
            if !told.facts.is_null() {
                facts[*dialect] = filled(&told.facts, base_url);
            }
        }
        if let Some(url) = &self.tls_url {
            facts["tls_url"] = json!(url);
            facts["ca_file"] = json!(self.ca_file);
        }
        facts
    }
}

/// The same with where the server is in place of `BASE_URL`.
fn filled(facts: &Value, base_url: &str) -> Value {
    match facts {
        Value::String(text) => Value::String(text.replace("BASE_URL", base_url)),
        Value::Array(items) => items.iter().map(|item| filled(item, base_url)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), filled(value, base_url)))
            .collect(),
        other => other.clone(),
    }
}
