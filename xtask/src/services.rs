//! PostgreSQL for the tests: found, or started for the time of the run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::shell::{apt_install, have, in_ci, is_root, read, run, wait_for};

/// The variable by which tests learn of a PostgreSQL in which they may create databases.
pub(crate) const POSTGRES: &str = "LATCHKEY_TEST_POSTGRES";

/// A PostgreSQL to test on; a throwaway cluster ends with it.
pub(crate) struct Postgres {
    pub(crate) url: String,
    throwaway: Option<Throwaway>,
}

/// Looks where [`POSTGRES`] points, then on the standard port, then starts a cluster of its own from installed programs.
/// In CI a missing PostgreSQL is installed; elsewhere it is None.
pub(crate) fn postgres() -> Result<Option<Postgres>> {
    if let Ok(url) = std::env::var(POSTGRES) {
        answers(&url).with_context(|| format!("{POSTGRES} is set, but nothing answers there"))?;
        return Ok(Some(Postgres {
            url,
            throwaway: None,
        }));
    }
    let user = read(Command::new("id").arg("-un")).unwrap_or_default();
    for user in ["postgres", user.trim()] {
        let url = format!("postgres://{user}@127.0.0.1:5432/postgres");
        if answers(&url).is_ok() {
            return Ok(Some(Postgres {
                url,
                throwaway: None,
            }));
        }
    }
    if programs().is_none() && in_ci() && is_root() {
        apt_install("postgresql")?;
    }
    let Some(programs) = programs() else {
        return Ok(None);
    };
    let (url, throwaway) = Throwaway::start(&programs)?;
    Ok(Some(Postgres {
        url,
        throwaway: Some(throwaway),
    }))
}

impl Postgres {
    /// Whether it ends with this value.
    pub(crate) fn is_throwaway(&self) -> bool {
        self.throwaway.is_some()
    }

    /// Runs SQL in its first database.
    pub(crate) fn sql(&self, sql: &str) -> Result<String> {
        psql(&self.url, sql)
    }

    /// The address of another database of the same cluster.
    pub(crate) fn database(&self, name: &str) -> String {
        let (server, _) = self.url.rsplit_once('/').unwrap_or((&self.url, ""));
        format!("{server}/{name}")
    }
}

fn answers(url: &str) -> Result<()> {
    psql(url, "select 1").map(drop)
}

fn psql(url: &str, sql: &str) -> Result<String> {
    let program = if have("psql") {
        PathBuf::from("psql")
    } else {
        programs().context("no psql")?.join("psql")
    };
    read(
        Command::new(program)
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-c",
                sql,
                url,
            ])
            .env("PGCONNECT_TIMEOUT", "5"),
    )
}

/// The newest installed version's programs, where Debian puts them, or those on the path.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .filter(|(_, bin)| bin.join("initdb").is_file())
        .collect();
    found.sort();
    found.pop().map(|(_, bin)| bin).or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file())
    })
}

/// A cluster in a temporary folder.
struct Throwaway {
    programs: PathBuf,
    folder: PathBuf,
}

impl Throwaway {
    fn start(programs: &Path) -> Result<(String, Self)> {
        let folder = std::env::temp_dir().join(format!("latchkey-postgres-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&folder))?;
        }
        let port = free_port()?;
        let cluster = Self {
            programs: programs.to_path_buf(),
            folder,
        };
        let data = cluster.folder.join("data");
        read(
            cluster
                .command("initdb")
                .args([
                    "--auth=trust",
                    "--username=postgres",
                    "--encoding=UTF8",
                    "-D",
                ])
                .arg(&data),
        )?;
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c max_connections=200 -k {}",
            cluster.folder.display()
        );
        read(
            cluster
                .command("pg_ctl")
                .arg("-D")
                .arg(&data)
                .arg("-l")
                .arg(cluster.folder.join("log"))
                .args(["-w", "-o", &options, "start"]),
        )?;
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
        wait_for(Duration::from_secs(30), || Ok(answers(&url).ok()))?;
        Ok((url, cluster))
    }

    /// One of its programs, as a user that is not root: PostgreSQL refuses to run as root.
    fn command(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        if !is_root() {
            return Command::new(path);
        }
        let mut command = Command::new("runuser");
        command
            .args(["-u", "postgres", "--"])
            .arg(path)
            .current_dir(&self.folder);
        command
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        let data = self.folder.join("data");
        let stopped = read(self.command("pg_ctl").arg("-D").arg(&data).args([
            "-m",
            "immediate",
            "-w",
            "stop",
        ]));
        if stopped.is_ok() {
            std::fs::remove_dir_all(&self.folder).ok();
        }
    }
}

/// A port that was free a moment ago, for programs that cannot be told to choose one and say it.
pub(crate) fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}
