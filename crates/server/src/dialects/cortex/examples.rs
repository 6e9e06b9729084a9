//! The programs that the console's menu copies: one per security level, for the very key.

use credential::key::{Key, Kind};

use crate::examples::{Example, VARIABLE, quoted};

/// The call that a key is tried with.
const TRIED: &str = "/api_keys/validate/";

const HEAD: &str = r#"#!/usr/bin/env python3
"""Call the API with KIND API key NUMBER."""

import getpass
HEADER_IMPORTS
import json
import os
import urllib.request

API_KEY_ID = "NUMBER"
URL = ADDRESS
api_key = os.environ.get("LATCHKEY_SECRET") or getpass.getpass("API key: ")
"#;

const STANDARD: &str = r#"
headers = {
    "x-xdr-auth-id": API_KEY_ID,
    "Authorization": api_key,
    "Content-Type": "application/json",
}
"#;

const ADVANCED: &str = r#"
# The key is never sent: a hash over it, a random text and the time takes its place, for this request.
nonce = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(64))
timestamp = str(int(time.time() * 1000))
headers = {
    "x-xdr-auth-id": API_KEY_ID,
    "x-xdr-nonce": nonce,
    "x-xdr-timestamp": timestamp,
    "Authorization": hashlib.sha256((api_key + nonce + timestamp).encode()).hexdigest(),
    "Content-Type": "application/json",
}
"#;

const TAIL: &str = r#"
request = urllib.request.Request(URL, data=b"{}", headers=headers, method="POST")
with urllib.request.urlopen(request) as answer:
    print(answer.status, json.load(answer))
"#;

/// The examples of a key; plain curl cannot sign.
pub(in crate::dialects) fn write(key: &Key, base: &str) -> Vec<Example> {
    let number = key.current.handle.as_deref().unwrap_or_default();
    let url = format!("{base}{TRIED}");
    let signs = key.kind == Kind::Signed;
    let (kind, body) = match signs {
        true => ("Advanced", ADVANCED),
        false => ("Standard", STANDARD),
    };
    let imports = match signs {
        true => (
            "import hashlib\n",
            "import secrets\nimport string\nimport time\n",
        ),
        false => ("", ""),
    };
    let head = HEAD
        .replace("HEADER_IMPORTS\n", imports.0)
        .replace(
            "import urllib.request\n",
            &format!("{}import urllib.request\n", imports.1),
        )
        .replace("KIND", kind)
        .replace("NUMBER", number)
        .replace("ADDRESS", &quoted(&url));
    let mut examples = vec![Example {
        language: "python",
        title: format!("Call the API with {kind} API key {number}"),
        code: [&head, body, TAIL].concat(),
    }];
    if !signs {
        examples.push(Example {
            language: "shell",
            title: format!("Call the API with {kind} API key {number}"),
            code: format!(
                "curl -H 'x-xdr-auth-id: {number}' -H \"Authorization: ${VARIABLE}\" \
                 -H 'Content-Type: application/json' -d '{{}}' '{url}'\n"
            ),
        });
    }
    examples
}
