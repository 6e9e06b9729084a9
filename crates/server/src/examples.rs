//! Programs that use a key, ready to run: for the very key, and without its secret, which comes from the environment or is
//! asked for. What is here suits keys that are presented in this server's own way; dialects write their own.

use authority::catalog::Product;
use credential::key::{Key, Kind};

/// A program, or a line for a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// What it is written in: `python` or `shell`.
    pub language: &'static str,
    /// What it does, in a few words.
    pub title: String,
    /// The text.
    pub code: String,
}

/// Writes the examples of a key; the text is the server's base address.
pub type Writer = fn(&Key, &str) -> Vec<Example>;

/// The variable that the secret is read from.
pub(crate) const VARIABLE: &str = "LATCHKEY_SECRET";

/// How each Python program begins: nothing but the standard library is needed.
const PYTHON_HEAD: &str = r#"#!/usr/bin/env python3
"""TITLE"""

import base64
import getpass
import json
import os
import urllib.parse
import urllib.request

URL = ADDRESS
secret = os.environ.get("LATCHKEY_SECRET") or getpass.getpass("Secret: ")
"#;

const PYTHON_BEARER: &str = r#"
request = urllib.request.Request(URL, headers={"Authorization": "Bearer " + secret})
with urllib.request.urlopen(request) as answer:
    print(answer.status, json.load(answer))
"#;

const PYTHON_CLIENT: &str = r#"CLIENT_ID = CLIENT

pair = urllib.parse.quote(CLIENT_ID, safe="") + ":" + urllib.parse.quote(secret, safe="")
request = urllib.request.Request(
    URL,
    data=b"grant_type=client_credentials",
    headers={"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()},
)
with urllib.request.urlopen(request) as answer:
    token = json.load(answer)
print(answer.status, "a token for", token["expires_in"], "seconds")
"#;

const PYTHON_REFRESH: &str = r#"
# The secret is the newest refresh token; keep the one that comes back, it is the next secret.
form = urllib.parse.urlencode({"grant_type": "refresh_token", "refresh_token": secret})
request = urllib.request.Request(URL, data=form.encode())
with urllib.request.urlopen(request) as answer:
    pair = json.load(answer)
keep = os.open("refresh_token", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
with os.fdopen(keep, "w") as file:
    file.write(pair["refresh_token"])
print(answer.status, "an access token for", pair["expires_in"], "seconds")
"#;

/// The examples of a key that is presented in this server's own way; none where it is not.
pub fn own(product: &Product, key: &Key, base: &str) -> Vec<Example> {
    let address = |path: &str| format!("{base}{path}");
    let python = |title: &str, url: &str, rest: &str| Example {
        language: "python",
        title: title.to_owned(),
        code: PYTHON_HEAD
            .replace("TITLE", title)
            .replace("ADDRESS", &quoted(url))
            + rest,
    };
    let shell = |title: &str, code: String| Example {
        language: "shell",
        title: title.to_owned(),
        code,
    };
    match key.kind {
        // A secret in a foreign shape is no bearer credential.
        Kind::Static if !product.is_native() => Vec::new(),
        Kind::Static | Kind::Jwt => {
            let (title, url) = ("Ask what the key is and may", address("/api/v1/whoami"));
            let line = format!("curl -H \"Authorization: Bearer ${VARIABLE}\" '{url}'\n");
            vec![python(title, &url, PYTHON_BEARER), shell(title, line)]
        }
        Kind::Client => {
            let (title, url) = ("Buy an access token", address("/oauth2/token"));
            let own = key.id.to_string();
            let id = key.current.handle.as_deref().unwrap_or(&own);
            let line = format!(
                "curl -u '{id}':\"${VARIABLE}\" -d grant_type=client_credentials '{url}'\n"
            );
            let rest =
                PYTHON_CLIENT.replace("CLIENT_ID = CLIENT", &format!("CLIENT_ID = {}", quoted(id)));
            vec![python(title, &url, &rest), shell(title, line)]
        }
        Kind::TokenPair => {
            let (title, url) = ("Renew the pair of tokens", address("/oauth2/token"));
            let line = format!(
                "curl -d grant_type=refresh_token --data-urlencode \"refresh_token=${VARIABLE}\" '{url}'\n"
            );
            vec![python(title, &url, PYTHON_REFRESH), shell(title, line)]
        }
        Kind::Signed => Vec::new(),
    }
}

/// A text as Python and JSON write it.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
