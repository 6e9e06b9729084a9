//! The life of a demo.

use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use super::process::{Running, pasted, program};

#[test]
fn a_demo_prints_what_works_as_pasted_tells_all_in_json_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo.json");
    let listen = [
        "demo",
        "--listen",
        "127.0.0.1:0",
        "--tls-listen",
        "127.0.0.1:0",
        "--out",
    ];
    let mut demo = Running::start(program(folder.path()).args(listen).arg(&out));
    let line = demo.says("curl ");
    assert!(line.starts_with("curl "), "{line}");
    let facts: Value = serde_json::from_str(&demo.writes(&out)).unwrap();

    let (status, body) = pasted(&line);
    let verdict: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &verdict["valid"]),
        (200, &Value::Bool(true)),
        "{body}"
    );
    let (status, body) = pasted(&demo.says("/sample/orders"));
    assert_eq!(status, 200, "{body}");
    let asker: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        asker["asked_by"]["organization_id"],
        facts["native"]["organization_id"]
    );
    let denied = format!(
        "curl -H 'Authorization: Bearer {}' {}{}",
        text(&facts, "/native/sample_key"),
        text(&facts, "/base_url"),
        text(&facts, "/gateway/denied_path"),
    );
    assert_eq!(pasted(&denied).0, 403);

    let ca_file = Path::new(text(&facts, "/ca_file"));
    assert!(ca_file.is_absolute() && ca_file.exists());
    assert!(text(&facts, "/tls_url").starts_with("https://127.0.0.1:"));
    let members = [
        "/native/admin_key",
        "/native/verify_key",
        "/native/sample_scope",
        "/oauth/issuer",
        "/oauth/token_url",
        "/oauth/introspect_url",
        "/oauth/revoke_url",
        "/oauth/jwks_url",
        "/oauth/client_id",
        "/oauth/client_secret",
        "/oauth/scope",
        "/oauth/introspect_client_id",
        "/oauth/introspect_client_secret",
        "/gateway/policy",
        "/gateway/path",
        "/secure_access/organization_id",
        "/secure_access/client_id",
        "/secure_access/client_secret",
        "/securecloud/organization_id",
        "/securecloud/global_admin_jwt",
        "/securecloud/global_viewer_jwt",
        "/securecloud/account_viewer_jwt",
        "/securecloud/account",
        "/securecloud/user_email",
        "/securecloud/user_password",
    ];
    for member in members {
        assert!(!text(&facts, member).is_empty(), "{member}");
    }

    assert!(demo.terminate().success());
    assert!(!ca_file.exists(), "the demo's folder is still there");
}

#[test]
fn a_demo_on_a_taken_port_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let said = program(folder.path())
        .args(["demo", "--listen", &address])
        .output()
        .unwrap();
    let errors = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(2), "{errors}");
    assert!(
        errors.contains(&address) && errors.contains("--listen 127.0.0.1:0"),
        "{errors}"
    );
}

fn text<'v>(facts: &'v Value, member: &str) -> &'v str {
    facts
        .pointer(member)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("{member} is missing"))
}
