//! Where the database is: what a database URL says.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::tls::Trust;
use crate::Fault;

/// How long a connection may take to come up: a healthy server needs milliseconds.
const CONNECT: Duration = Duration::from_secs(5);

/// How long sent data may stay unacknowledged before the connection counts as dead: below the
/// limit of a statement, so that a server that vanished shows as such.
const UNACKNOWLEDGED: Duration = Duration::from_secs(8);

/// Where a PostgreSQL of this machine listens when the URL names no host, as for libpq on most systems.
const SOCKET_DIRECTORY: &str = "/var/run/postgresql";

/// A place as a URL names it. Printed without the password.
pub(crate) enum Place {
    /// `sqlite:/path/to/file.db`
    Sqlite(PathBuf),
    /// `postgres://user:password@host:port/database?sslmode=verify-full&sslrootcert=/path/to/ca.pem`,
    /// also with the other parameters of libpq's URLs; `host` may be the directory of a Unix socket.
    Postgres(Box<Config>, Trust),
}

impl Place {
    pub(crate) fn parse(url: &str) -> Result<Self, Fault> {
        match url.split_once(':') {
            Some(("sqlite", path)) => sqlite(path),
            Some(("postgres" | "postgresql", _)) => postgres(url),
            _ => Err(Fault::Url(
                "it begins with neither sqlite: nor postgres:".to_owned(),
            )),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(config, _) => {
                let host = match config.get_hosts().first() {
                    Some(Host::Tcp(name)) => name.clone(),
                    Some(Host::Unix(directory)) => directory.display().to_string(),
                    None => String::new(),
                };
                let port = config.get_ports().first().copied().unwrap_or(5432);
                write!(
                    f,
                    "postgres://{host}:{port}/{}",
                    config.get_dbname().unwrap_or_default()
                )
            }
        }
    }
}

fn sqlite(path: &str) -> Result<Place, Fault> {
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path == ":memory:" || path.contains(['?', '#', '\0']) {
        return Err(Fault::Url(
            "sqlite: is followed by the path of a file and nothing else".to_owned(),
        ));
    }
    Ok(Place::Sqlite(PathBuf::from(path)))
}

fn postgres(url: &str) -> Result<Place, Fault> {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut mode, mut root, mut rest) = (None, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value),
            Some(("sslrootcert", value)) => root = Some(PathBuf::from(percent_decoded(value)?)),
            _ => rest.push(pair),
        }
    }
    let (mode, trust) = match (mode, root) {
        (None | Some("prefer" | "allow"), None) => (SslMode::Prefer, Trust::Anyone),
        (Some("disable"), None) => (SslMode::Disable, Trust::Anyone),
        (Some("require"), None) => (SslMode::Require, Trust::Anyone),
        (Some("verify-full"), None) => (SslMode::Require, Trust::System),
        (Some("verify-full" | "require"), Some(file)) => (SslMode::Require, Trust::File(file)),
        (_, Some(_)) => {
            return Err(Fault::Url(
                "sslrootcert needs sslmode=verify-full".to_owned(),
            ));
        }
        (Some(_), None) => {
            return Err(Fault::Url(
                "sslmode is one of disable, prefer, require, verify-full".to_owned(),
            ));
        }
    };

    let mut config: Config = format!("{place}?{}", rest.join("&"))
        .parse()
        .map_err(|error| Fault::Url(without_values(&error)))?;
    config
        .ssl_mode(mode)
        .connect_timeout(CONNECT)
        .tcp_user_timeout(UNACKNOWLEDGED);
    if config.get_hosts().is_empty() {
        config.host_path(SOCKET_DIRECTORY);
    }
    if config.get_application_name().is_none() {
        config.application_name("latchkey");
    }
    Ok(Place::Postgres(Box::new(config), trust))
}

fn without_values(error: &tokio_postgres::Error) -> String {
    crate::fault::Cause::chain(error).to_string()
}

fn percent_decoded(text: &str) -> Result<String, Fault> {
    let bad = || Fault::Url("a % is not followed by two hexadecimal digits".to_owned());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let digits = rest
                .get(..2)
                .and_then(|digits| std::str::from_utf8(digits).ok())
                .ok_or_else(bad)?;
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_| bad())?);
            rest = &rest[2..];
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_place_and_never_shows_its_password() {
        let check = |url: &str, expected: &str| {
            let shown =
                Place::parse(url).map_or_else(|fault| fault.to_string(), |place| place.to_string());
            assert_eq!(
                shown.trim_start_matches("the database URL cannot be used: "),
                expected,
                "{url}"
            );
        };
        check(
            "sqlite:/var/lib/latchkey/latchkey.db",
            "sqlite:/var/lib/latchkey/latchkey.db",
        );
        check("sqlite:///tmp/x.db", "sqlite:/tmp/x.db");
        check("sqlite:relative.db", "sqlite:relative.db");
        check(
            "sqlite:",
            "sqlite: is followed by the path of a file and nothing else",
        );
        check(
            "sqlite::memory:",
            "sqlite: is followed by the path of a file and nothing else",
        );
        check(
            "sqlite:/tmp/x.db?mode=ro",
            "sqlite: is followed by the path of a file and nothing else",
        );
        check(
            "mysql://h/d",
            "it begins with neither sqlite: nor postgres:",
        );
        check(
            "postgres://u:hunter2@db.example:6000/keys",
            "postgres://db.example:6000/keys",
        );
        check(
            "postgresql://u@h/keys?sslmode=verify-full&sslrootcert=%2Fca.pem",
            "postgres://h:5432/keys",
        );
        check(
            "postgres:///keys?host=/run/pg&user=u",
            "postgres:///run/pg:5432/keys",
        );
        check(
            "postgres:///keys",
            "postgres:///var/run/postgresql:5432/keys",
        );
        check(
            "postgres://h/d?sslmode=verify-ca",
            "sslmode is one of disable, prefer, require, verify-full",
        );
        check(
            "postgres://h/d?sslrootcert=/ca.pem",
            "sslrootcert needs sslmode=verify-full",
        );
        check(
            "postgres://h/d?sslmode=verify-full&sslrootcert=%zz",
            "a % is not followed by two hexadecimal digits",
        );
        check(
            "postgres://h/d?password=hunter2&port=hunter2",
            "invalid connection string: invalid value for option `port`",
        );
    }

    #[test]
    fn the_mode_decides_who_is_trusted() {
        let trust = |url: &str| match Place::parse(url) {
            Ok(Place::Postgres(config, trust)) => (config.get_ssl_mode(), trust),
            _ => panic!("{url} is good"),
        };
        assert_eq!(trust("postgres://h/d"), (SslMode::Prefer, Trust::Anyone));
        assert_eq!(
            trust("postgres://h/d?sslmode=disable"),
            (SslMode::Disable, Trust::Anyone)
        );
        assert_eq!(
            trust("postgres://h/d?sslmode=require"),
            (SslMode::Require, Trust::Anyone)
        );
        assert_eq!(
            trust("postgres://h/d?sslmode=verify-full"),
            (SslMode::Require, Trust::System)
        );
        let file = Trust::File("/ca.pem".into());
        assert_eq!(
            trust("postgres://h/d?sslmode=verify-full&sslrootcert=/ca.pem"),
            (SslMode::Require, file)
        );
    }
}
