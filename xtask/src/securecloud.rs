//! A walk through the dialect of SecureCloud with bash and curl, against a running demo.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::demo::Demo;
use crate::shell::{root, run};
use crate::stages::Tally;

/// What the walk needs to know, and where it stands in the demo's JSON.
const KNOWN: [(&str, &str); 7] = [
    ("SECURECLOUD_URL", "/base_url"),
    ("ADMIN_JWT", "/securecloud/global_admin_jwt"),
    ("VIEWER_JWT", "/securecloud/global_viewer_jwt"),
    ("ACCOUNT_JWT", "/securecloud/account_viewer_jwt"),
    ("ACCOUNT", "/securecloud/account"),
    ("USER_EMAIL", "/securecloud/user_email"),
    ("USER_PASSWORD", "/securecloud/user_password"),
];

/// Every call of the walk is answered as the contract says; the walk itself tells which is not.
pub(crate) fn walk(binary: &Path) -> Result<Tally> {
    let demo = Demo::start(binary, "securecloud", &[])?;
    let mut walk = Command::new("bash");
    walk.arg(root().join("contracts/securecloud/client/walk.sh"));
    for (name, place) in KNOWN {
        let value = demo.facts.pointer(place).and_then(|value| value.as_str());
        walk.env(
            name,
            value.with_context(|| format!("the demo says nothing of {place}"))?,
        );
    }
    run(&mut walk).with_context(|| format!("the demo logged:\n{}", demo.stderr()))?;
    demo.stop()?;
    Ok(Tally::HOLDS)
}
