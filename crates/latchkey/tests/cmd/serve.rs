//! The life of a server: first start, administration from the shell, backup, restore, and the refusals to start.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::process::{Running, call, call_json, program};

/// A server in a folder, and where it listens.
fn serve(folder: &Path) -> (Running, String) {
    let mut server = Running::start(program(folder).args(["serve", "--listen", "127.0.0.1:0"]));
    let line = server.logs("serving http://");
    let url = line
        .split_whitespace()
        .find(|word| word.starts_with("http://"))
        .unwrap()
        .to_owned();
    (server, url)
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_server_is_set_up_administered_backed_up_and_restored_from_the_shell() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let data = here.join("latchkey");
    let (mut server, url) = serve(here);
    let token = server.says("lk_setup_").trim().to_owned();
    assert_eq!(
        (mode(&data), mode(&data.join("master.key"))),
        (0o700, 0o600)
    );

    let words = [
        "setup",
        "--organization",
        "Acme",
        "--email",
        "ada@example.com",
        "--name",
        "Ada",
    ];
    let made = call(
        here,
        &[("LATCHKEY_URL", &url), ("LATCHKEY_SETUP_TOKEN", &token)],
        &words,
    );
    let at = made.find("lk_key_").unwrap();
    let admin: String = made[at..]
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    std::fs::write(here.join("admin.key"), format!("{admin}\n")).unwrap();
    let env = [
        ("LATCHKEY_URL", url.as_str()),
        ("LATCHKEY_KEY_FILE", "admin.key"),
    ];

    let create = [
        "key",
        "create",
        "--product",
        "sample",
        "--name",
        "ci",
        "--scope",
        "sample.orders:read",
    ];
    let made = call_json(here, &env, &create);
    let id = made["key"]["id"].as_str().unwrap();
    assert!(
        made["secret"]["key"]
            .as_str()
            .unwrap()
            .starts_with("lk_key_")
    );
    assert!(call(here, &env, &["key", "list", "--product", "sample"]).contains(id));
    assert_eq!(
        call_json(here, &env, &["key", "edit", id, "--name", "build"])["name"],
        "build"
    );
    let rotated = call_json(here, &env, &["key", "rotate", id]);
    assert_ne!(rotated["secret"]["key"], made["secret"]["key"]);
    assert_eq!(
        call_json(here, &env, &["key", "revoke", id, "--yes"])["state"],
        "revoked"
    );

    let create = [
        "client",
        "create",
        "--product",
        "sample",
        "--name",
        "billing",
        "--scope",
        "sample.orders:read",
    ];
    assert!(call(here, &env, &create).contains("client_secret"));
    assert!(call(here, &env, &["client", "list"]).contains("billing"));
    assert!(call(here, &env, &["role", "list", "--product", "sample"]).contains("Order Clerk"));
    let create = [
        "role",
        "create",
        "--product",
        "sample",
        "--name",
        "Watcher",
        "--scope",
        "sample.orders:read",
    ];
    let role = call_json(here, &env, &create);
    assert!(call(here, &env, &["role", "list", "--product", "sample"]).contains("Watcher"));
    call(
        here,
        &env,
        &["role", "delete", role["id"].as_str().unwrap(), "--yes"],
    );
    assert!(call(here, &env, &["org", "list"]).contains("Acme"));
    assert!(call(here, &env, &["user", "list"]).contains("ada@example.com"));
    assert_eq!(call_json(here, &env, &["audit", "verify"])["ok"], true);
    call(here, &env, &["audit", "export", "--out", "trail.jsonl"]);
    assert_eq!(
        call_json(here, &[], &["audit", "verify", "--export", "trail.jsonl"])["ok"],
        true
    );
    call(here, &env, &["healthcheck"]);
    call(here, &env, &["keyring", "rotate"]);
    call(here, &env, &["backup", "copy"]);
    assert!(server.terminate().success());

    assert_eq!(
        call_json(here, &[], &["audit", "verify", "--local"])["ok"],
        true
    );
    assert!(call(here, &[], &["migrate"]).contains("up to date"));
    let restored = call_json(here, &[], &["restore", "copy", "--replace"]);
    assert!(
        restored["keys_disabled"].as_u64().unwrap() > 0,
        "{restored}"
    );
    let first = restored["administering_disabled"][0].as_str().unwrap();
    let (mut server, url) = serve(here);
    let env = [
        ("LATCHKEY_URL", url.as_str()),
        ("LATCHKEY_KEY_FILE", "admin.key"),
    ];
    let locked_out = program(here)
        .envs(env)
        .args(["key", "list"])
        .status()
        .unwrap();
    assert_eq!(locked_out.code(), Some(3));
    assert!(call(here, &[], &["key", "enable", first, "--local"]).contains("active"));
    assert!(call(here, &env, &["key", "list"]).contains("disabled"));
    assert!(server.terminate().success());
}

#[test]
fn a_doctor_is_told_where_the_server_is() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, url) = serve(folder.path());
    let found = call(folder.path(), &[], &["doctor", "--quick", "--url", &url]);
    assert!(found.contains("is ready"), "{found}");
    assert!(server.terminate().success());
}

#[test]
fn an_export_that_was_refused_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, url) = serve(folder.path());
    let env = [("LATCHKEY_URL", url.as_str()), ("LATCHKEY_KEY", "lk_key_x")];
    let refused = program(folder.path())
        .envs(env)
        .args(["audit", "export", "--out", "trail.jsonl"])
        .status()
        .unwrap();
    assert_eq!(refused.code(), Some(3));
    assert!(!folder.path().join("trail.jsonl").exists());
    assert!(server.terminate().success());
}

#[test]
fn a_set_up_token_of_an_earlier_start_is_told_to_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, _) = serve(folder.path());
    let token = server.says("lk_setup_").trim().to_owned();
    assert!(server.terminate().success());
    let (mut server, url) = serve(folder.path());
    let words = [
        "setup",
        "--organization",
        "Acme",
        "--email",
        "ada@example.com",
        "--name",
        "Ada",
    ];
    let refused = program(folder.path())
        .env("LATCHKEY_URL", &url)
        .env("LATCHKEY_SETUP_TOKEN", &token)
        .args(words)
        .output()
        .unwrap();
    let errors = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(3));
    assert!(errors.contains("the last one printed"), "{errors}");
    assert!(server.terminate().success());
}

#[test]
fn a_server_with_data_refuses_a_missing_and_a_wrong_master_key() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, _) = serve(folder.path());
    assert!(server.terminate().success());
    let key = folder.path().join("latchkey/master.key");
    let refused = || {
        let said = program(folder.path())
            .args(["serve", "--listen", "127.0.0.1:0"])
            .output()
            .unwrap();
        assert_eq!(said.status.code(), Some(2));
        String::from_utf8(said.stderr).unwrap()
    };

    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let errors = refused();
    assert!(errors.contains("the master key is missing"), "{errors}");
    assert!(!key.exists(), "a new key was made though there are data");

    std::fs::write(&key, "ab".repeat(32)).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let errors = refused();
    assert!(errors.contains("does not fit this database"), "{errors}");

    std::fs::write(&key, &kept).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let errors = refused();
    assert!(errors.contains("chmod 600"), "{errors}");
}
