use std::collections::BTreeSet;

use credential::time::Span;

use super::sections::{KNOWN, Known};
use super::*;

fn loaded(
    file: &str,
    environment: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Loaded, Flaws> {
    let files = |path: &Path| match path.to_str() {
        Some("/run/secrets/database") => Ok("postgres://u:hunter2@db/latchkey\n".to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let map = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    };
    Config::load(&Sources {
        file: Some((PathBuf::from("latchkey.toml"), file.to_owned())),
        environment: map(environment),
        flags: map(flags),
        read_file: Some(&files),
    })
}

/// The flaws of a file, one line each.
fn flaws(file: &str) -> String {
    loaded(file, &[], &[]).expect_err("it is wrong").to_string()
}

fn origin_of(loaded: &Loaded, setting: &str) -> String {
    let shown = loaded
        .show()
        .iter()
        .find(|shown| shown.setting == setting)
        .unwrap();
    format!("{} from {}", shown.value, shown.origin)
}

#[test]
fn the_defaults_are_enough() {
    let config = Config::load(&Sources::default()).unwrap().config;
    assert_eq!(
        config.server.listen,
        Some("127.0.0.1:8080".parse().unwrap())
    );
    assert_eq!(config.limits.body, Size(64 * 1024));
    assert_eq!(config.limits.header_time, Span::from_secs(10));
    assert_eq!(config.freshness.max_staleness, Span::from_secs(1));
    assert_eq!(config.audit.checkpoint_events, 1000);
    assert!(config.data.database_url.is_none() && config.gateway.policies.is_empty());
}

#[test]
fn the_manual_names_every_setting_and_says_why() {
    let mut documented = BTreeSet::new();
    let (mut section, mut comment) = (String::new(), String::new());
    for line in DEFAULTS.lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment.push_str(text);
            continue;
        }
        let words = comment.split_whitespace().count();
        if let Some(name) = line.strip_prefix('[') {
            let name = name.trim_end_matches(']');
            name.clone_into(&mut section);
            if name.contains('.') {
                assert!(words >= 8, "{name} is not explained");
                documented.insert(name.to_owned());
            }
        } else if let Some((name, _)) = line.split_once(" = ") {
            assert!(words >= 4, "{section}.{name} is not explained");
            let known = KNOWN
                .iter()
                .find(|known| known.section == section && known.name == name);
            let secret = known.is_some_and(|known| known.secret);
            assert_eq!(
                comment.contains("(secret)"),
                secret,
                "{section}.{name} is marked wrongly"
            );
            documented.insert(format!("{section}.{name}"));
        }
        comment.clear();
    }
    assert_eq!(documented, KNOWN.iter().map(Known::path).collect());
}

#[test]
fn the_examples_in_the_manual_can_be_used() {
    let example: String = DEFAULTS
        .lines()
        .filter_map(|line| line.strip_prefix("#:"))
        .map(|line| format!("{line}\n"))
        .collect();
    let config = loaded(&example, &[], &[]).unwrap().config;
    let policy = &config.gateway.policies["orders"];
    assert_eq!(policy.upstream.as_deref(), Some("orders"));
    assert_eq!(policy.routes[0].resource.as_deref(), Some("account"));
    assert_eq!(policy.credential_headers, ["authorization", "x-api-key"]);
    assert_eq!(
        config.gateway.upstreams["orders"].url,
        "http://127.0.0.1:9000"
    );
}

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let file = "[limits]\nheader_count = 1\nconnections = 1\njson_depth = 1";
    let environment = [
        ("LATCHKEY_LIMITS__CONNECTIONS", "2"),
        ("LATCHKEY_LIMITS__JSON_DEPTH", "2"),
    ];
    let loaded = loaded(file, &environment, &[("limits.json_depth", "3")]).unwrap();
    let limits = &loaded.config.limits;
    assert_eq!(
        (limits.header_count, limits.connections, limits.json_depth),
        (1, 2, 3)
    );
    assert_eq!(origin_of(&loaded, "limits.url"), "\"8KiB\" from default");
    assert_eq!(
        origin_of(&loaded, "limits.header_count"),
        "1 from latchkey.toml:2"
    );
    assert_eq!(
        origin_of(&loaded, "limits.connections"),
        "\"2\" from environment LATCHKEY_LIMITS__CONNECTIONS"
    );
    assert_eq!(
        origin_of(&loaded, "limits.json_depth"),
        "\"3\" from flag for limits.json_depth"
    );
}

#[test]
fn lists_times_and_sizes_read_alike_from_text() {
    let environment = [
        ("LATCHKEY_SERVER__TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ("LATCHKEY_LIMITS__BODY", "32 KiB"),
        ("LATCHKEY_LIMITS__BODY_TIME", "1500ms"),
    ];
    let config = loaded("", &environment, &[]).unwrap().config;
    assert_eq!(
        config.server.trusted_proxies,
        ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]
    );
    assert_eq!(config.limits.body, Size(32 * 1024));
    assert_eq!(config.limits.body_time, Span::from_millis(1500));
}

#[test]
fn unknown_settings_name_their_place_and_the_nearest_that_exists() {
    insta::assert_snapshot!(
        flaws("[server]\nlissten = \"127.0.0.1:1\"\n[data]\nlisten = 1\n[limit]\nbody = 1\nquux.bar.baz = 1\n[x]\nabcdefghijkl = 1\n"),
        @r"
    latchkey.toml:2: server.lissten: there is no such setting; did you mean server.listen?
    latchkey.toml:4: data.listen: there is no such setting; did you mean server.listen?
    latchkey.toml:6: limit.body: there is no such setting; did you mean limits.body?
    latchkey.toml:7: limit.quux: there is no such setting
    latchkey.toml:9: x.abcdefghijkl: there is no such setting
    "
    );
    let flaws = loaded(
        "",
        &[
            ("LATCHKEY_SERVER__LISTN", "x"),
            ("LATCHKEY_URL", "somebody else's"),
        ],
        &[],
    );
    assert_eq!(
        flaws.expect_err("it is unknown").to_string(),
        "environment LATCHKEY_SERVER__LISTN: server.listn: there is no such setting; did you mean server.listen?"
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    insta::assert_snapshot!(
        flaws(
            "[server]\nlisten = \"localhost\"\ntrusted_proxies = [\"10.0.0.1/8\", \"x\"]\n\
             [limits]\nbody = \"64KB\"\nheader_time = 10\n[log]\nformat = \"jsn\"\n\
             [gateway.upstreams.a]\nurl = \"ftp://x\"\nurk = 1\n[gateway.policies.p]\nproduct = \"p\"\n\
             [[gateway.policies.p.routes]]\nmethods = [\"get\"]\npath = \"/\"\nscope = []\n"
        ),
        @r#"
    latchkey.toml:2: server.listen: expected an address and a port such as 127.0.0.1:8080 or [::1]:8080
    latchkey.toml:3: server.trusted_proxies[0]: 10.0.0.1/8 has bits below its prefix; 10.0.0.0/8 was meant
    latchkey.toml:3: server.trusted_proxies[1]: expected a network such as 10.0.0.0/8 or an address
    latchkey.toml:5: limits.body: expected a number of bytes, or a size such as "64KiB" or "1MiB"
    latchkey.toml:6: limits.header_time: expected a time such as "250ms", "10s", "5m", "1h" or "90d"
    latchkey.toml:8: log.format: "jsn" is not one of text, json; did you mean json?
    latchkey.toml:10: gateway.upstreams.a.url: expected a URL such as http://127.0.0.1:9000 or https://api.example.com/v2
    latchkey.toml:11: gateway.upstreams.a.urk: there is no such setting; did you mean url?
    latchkey.toml:14: gateway.policies.p.routes[0].scopes: is missing
    latchkey.toml:15: gateway.policies.p.routes[0].methods[0]: "get" is not a method that is served, such as "GET"
    latchkey.toml:17: gateway.policies.p.routes[0].scope: there is no such setting; did you mean scopes?
    "#
    );
}

#[test]
fn a_server_that_trusts_everybody_as_its_proxy_is_refused() {
    for network in ["0.0.0.0/0", "::/0"] {
        let told = flaws(&format!(
            "[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"{network}\"]\n"
        ));
        assert!(
            told.starts_with("latchkey.toml:2: server.trusted_proxies: trusts everybody"),
            "{told}"
        );
    }
}

#[test]
fn settings_that_contradict_one_another_are_refused() {
    insta::assert_snapshot!(
        flaws(
            "[server]\nlisten = \"\"\npublic_url = \"https://x/\"\n[keys]\nidempotency = \"8d\"\n\
             [master_key]\nsource = \"value\"\n[freshness]\nmax_staleness = \"100ms\"\nmargin = \"1s\"\n\
             [retention]\nbatch = 0\n[gateway.policies.p]\nproduct = \"p\"\nupstream = \"nowhere\"\n\
             [[gateway.policies.p.routes]]\npath = \"a\"\nscopes = []\n"
        ),
        @r#"
    default: master_key.value: is needed for master_key.source = "value"
    default: retention.idempotency: is below keys.idempotency
    latchkey.toml:2: server.listen: neither this nor server.tls_listen is set: nobody could reach the server
    latchkey.toml:3: server.public_url: expected https:// and a host, without a path and a slash at the end
    latchkey.toml:9: freshness.max_staleness: must lie between 200ms and 60s
    latchkey.toml:10: freshness.margin: must lie above nothing and not above freshness.max_staleness
    latchkey.toml:12: retention.batch: is 0: nothing would be served
    latchkey.toml:13: gateway.policies.p.routes: the pattern "a" does not begin with a slash
    latchkey.toml:13: gateway.policies.p.upstream: there is no upstream "nowhere"
    "#
    );
}

#[test]
fn a_file_that_is_not_toml_is_refused_with_its_line() {
    let flaws = flaws("[server]\nlisten = \"127.0.0.1:1\"\nlisten = \n");
    assert!(flaws.starts_with("latchkey.toml:3: not TOML: "), "{flaws}");
}

#[test]
fn a_secret_can_stand_in_a_file_and_is_never_shown() {
    let environment = [("LATCHKEY_DATA__DATABASE_URL_FILE", "/run/secrets/database")];
    let loaded = loaded("", &environment, &[]).unwrap();
    let url = loaded.config.data.database_url.as_ref().unwrap();
    assert_eq!(url.expose(), "postgres://u:hunter2@db/latchkey");
    assert_eq!(
        origin_of(&loaded, "data.database_url"),
        "\"***\" from environment LATCHKEY_DATA__DATABASE_URL_FILE"
    );
    assert_eq!(origin_of(&loaded, "master_key.value"), "\"\" from default");
    assert!(!format!("{loaded:?}").contains("hunter2"));
}

#[test]
fn a_secret_given_twice_or_in_a_missing_file_is_an_error() {
    assert_eq!(
        flaws(
            "[data]\ndatabase_url = \"sqlite:a\"\ndatabase_url_file = \"/run/secrets/database\"\n"
        ),
        "latchkey.toml:3: data.database_url_file: data.database_url is set beside it; one of the two must go"
    );
    let missing = flaws("[data]\ndatabase_url_file = \"/nowhere\"\n");
    assert!(
        missing.starts_with("latchkey.toml:2: data.database_url_file: cannot read /nowhere: "),
        "{missing}"
    );
    let unknown = flaws("[server]\nlisten_file = \"/nowhere\"\n");
    assert!(
        unknown.contains("there is no such setting"),
        "only a secret is read from a file: {unknown}"
    );
}

#[test]
fn the_directory_follows_the_environment_of_the_process() {
    let directory =
        |environment: &[(&str, &str)]| loaded("", environment, &[]).unwrap().config.data.directory;
    let home = ("HOME", "/home/ada");
    assert_eq!(
        directory(&[home]),
        Path::new("/home/ada/.local/state/latchkey")
    );
    assert_eq!(
        directory(&[home, ("XDG_STATE_HOME", "/state")]),
        Path::new("/state/latchkey")
    );
    assert_eq!(
        directory(&[home, ("STATE_DIRECTORY", "/var/lib/latchkey")]),
        Path::new("/var/lib/latchkey")
    );
    assert_eq!(
        directory(&[home, ("LATCHKEY_DATA__DIRECTORY", "/data")]),
        Path::new("/data")
    );
    let loaded = loaded("", &[home], &[]).unwrap();
    assert_eq!(
        loaded.config.master_key.file,
        Path::new("/home/ada/.local/state/latchkey/master.key")
    );
}

#[test]
fn a_mail_server_is_named_with_all_that_it_needs() {
    const GOOD: &str =
        "[smtp]\nhost = \"mail.example.com\"\nfrom = \"Latchkey <latchkey@example.com>\"\n";
    let config = loaded(GOOD, &[], &[]).unwrap().config;
    assert_eq!(
        (config.smtp.port, config.smtp.security),
        (465, SmtpSecurity::Tls)
    );
    let local = GOOD.replace("mail.example.com", "127.0.0.1") + "security = \"none\"\n";
    assert!(loaded(&local, &[], &[]).is_ok());
    for (file, wrong) in [
        (format!("{GOOD}security = \"none\"\n"), "smtp.security: "),
        (
            format!("{GOOD}user = \"u\"\n"),
            "smtp.user: and smtp.password",
        ),
        (format!("{GOOD}port = 0\n"), "smtp.port: expected a port"),
        (
            GOOD.replace("<latchkey@", "<@"),
            "smtp.from: expected an address",
        ),
        (
            "[smtp]\nhost = \"mail.example.com\"\n".to_owned(),
            "smtp.from: is needed",
        ),
        (
            "[notices]\nwebhook_http = 1\n".to_owned(),
            "notices.webhook_http: expected true or false",
        ),
    ] {
        let flaws = flaws(&file);
        assert!(flaws.contains(wrong), "{file}: {flaws}");
    }
}

#[test]
fn a_route_names_one_resource_or_is_content_with_some() {
    let route = |more: &str| {
        let text = format!(
            "[gateway.policies.p]\nproduct = \"sample\"\n[[gateway.policies.p.routes]]\npath = \"/{{account}}\"\nscopes = []\n{more}"
        );
        loaded(&text, &[], &[])
            .map(|loaded| loaded.config.gateway.policies["p"].routes[0].resources)
    };
    assert_eq!(route("").unwrap(), None);
    assert_eq!(route("resources = \"some\"").unwrap(), Some(Enough::Some));
    for wrong in [
        "resources = \"any\"",
        "resources = true",
        "resources = \"some\"\nresource = \"account\"",
    ] {
        let error = route(wrong).unwrap_err().to_string();
        assert!(error.contains("resources"), "{error}");
    }
}
