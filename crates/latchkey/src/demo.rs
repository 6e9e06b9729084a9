//! `latchkey demo`: everything that a newcomer needs, on loopback, gone when it ends.
//!
//! It is the real server over a throwaway database, with a sample API in the same process behind the built-in gateway,
//! and with organizations and keys made by the same use cases as everybody's.

mod certificates;
mod facts;
mod inhabitants;
mod upstream;

use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use authority::ports::{Clock, Entropy};
use authority::{MasterKeys, Opening};
use clap::Args;
use credential::seal::MasterKey;
use server::Parts;
use server::config::{Config, Sources};
use server::edge::listener::Listeners;
use server::edge::tls::Tls;
use server::settings::{issuer, settings};
use store::Store;

use crate::exit::Reason;
use crate::output::{complain, say};
use crate::signals::Stop;
use crate::{house, logging};
use certificates::Certificates;
use facts::Facts;
use upstream::Upstream;

const EXAMPLES: &str = "\
Examples:
  latchkey demo
  latchkey demo --listen 127.0.0.1:0 --out demo.json       a free port; what is in it as JSON
  latchkey demo --tls-listen 127.0.0.1:8443                HTTPS too, with a certificate of its own making
  latchkey demo --database postgres://user@127.0.0.1/empty";

/// What the demo sets in place of an operator: for the sample API, and for what the keys of each dialect open.
const SETTINGS: [&str; 6] = [
    include_str!("demo/settings/sample.toml"),
    include_str!("demo/settings/secure_access.toml"),
    include_str!("demo/settings/security_cloud_control.toml"),
    include_str!("demo/settings/threat_response.toml"),
    include_str!("demo/settings/securecloud.toml"),
    include_str!("demo/settings/cortex.toml"),
];

/// Try it: a whole server on loopback with sample data, forgotten at the end.
#[derive(Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct Demo {
    /// Where to serve plain HTTP; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// Where to serve HTTPS.
    #[arg(long, value_name = "ADDR")]
    tls_listen: Option<SocketAddr>,

    /// Write what is in it to this file, as JSON, when it is ready.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// An empty database to use instead of a throwaway one (sqlite:/path or postgres://…).
    #[arg(long, value_name = "URL")]
    database: Option<String>,

    /// A Redis to count limits in. This version does not use it, and says so.
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
}

impl Demo {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut stop = Stop::listen()?;
        if self.redis.is_some() {
            complain(
                "latchkey: Redis is not used by this version; limits are counted in the database",
            );
        }
        let entropy = Entropy::system();
        let folder = Folder::make(&entropy)?;
        let upstream = Upstream::bind().await?;
        let config = self.settings(&folder, upstream.address())?;
        logging::start(&config.log)?;

        let certificates = match self.tls_listen {
            None => None,
            Some(_) => Some(Certificates::make(Clock::system().wall(), &entropy)?),
        };
        let ca_file = folder.0.join("ca.pem");
        let tls = match &certificates {
            None => None,
            Some(certificates) => {
                std::fs::write(&ca_file, &certificates.ca)?;
                Some(Tls::new(
                    certificates.chain.as_bytes(),
                    certificates.key.as_bytes(),
                )?)
            }
        };
        let listeners = Listeners::bind(&config.server, tls)
            .await
            .map_err(|error| self.explained(error))?;
        let addresses = listeners.addresses();
        let base_url = issuer(&config, addresses);
        let tls_url = addresses.tls.map(|address| format!("https://{address}"));

        let authority = house::open(Opening {
            store: self.store(&folder).await?,
            master: MasterKeys {
                current: MasterKey::new(entropy.draw()?),
                earlier: Vec::new(),
            },
            settings: settings(&config, base_url.clone(), &house::name_of_this_process()),
            products: house::products()?,
            clock: Clock::system(),
            entropy: entropy.clone(),
        })
        .await?;
        let inhabitants = inhabitants::settle(&authority).await?;
        let run = u64::from_be_bytes(entropy.draw()?);
        let parts = Parts {
            authority: authority.clone(),
            config,
            version: env!("CARGO_PKG_VERSION"),
            run,
        };
        upstream.serve();
        let running = server::start(parts, listeners).await?;

        let facts = Facts {
            base_url,
            tls_url,
            ca_file,
            inhabitants,
        };
        say(&facts.what_to_try());
        if let Some(out) = &self.out {
            facts.write(out)?;
        }
        stop.asked().await;
        stop.the_next_ends_it();
        running.stop().await?;
        Ok(authority.close().await?)
    }

    /// The settings of the real server, with those of the demo in the place of a file. What the environment says to a
    /// real server is not meant for the demo.
    fn settings(&self, folder: &Folder, upstream: SocketAddr) -> anyhow::Result<Config> {
        let file = SETTINGS
            .join("\n")
            .replace("UPSTREAM", &upstream.to_string());
        let mut flags = BTreeMap::from([
            ("server.listen".to_owned(), self.listen.to_string()),
            ("data.directory".to_owned(), folder.0.display().to_string()),
        ]);
        if let Some(address) = self.tls_listen {
            flags.insert("server.tls_listen".to_owned(), address.to_string());
            // The pair is made in memory; the rules ask that files be named.
            flags.insert(
                "server.tls_certificate".to_owned(),
                "made by the demo".to_owned(),
            );
            flags.insert("server.tls_key".to_owned(), "made by the demo".to_owned());
        }
        let sources = Sources {
            file: Some((PathBuf::from("demo"), file)),
            flags,
            ..Sources::default()
        };
        Ok(Config::load(&sources)?.config)
    }

    async fn store(&self, folder: &Folder) -> anyhow::Result<Store> {
        let url = match &self.database {
            Some(url) => url.clone(),
            None => format!("sqlite:{}", folder.0.join(house::DATABASE_FILE).display()),
        };
        let store = Store::open(&url)
            .await
            .context("cannot open the database")?;
        if !store.view(|view| view.vault_keys()).await?.is_empty() {
            return Err(Reason::Usage.because(
                "the database of --database is in use already; the demo wants an empty one, and leaves it to you to remove",
            ));
        }
        Ok(store)
    }

    fn explained(&self, error: std::io::Error) -> anyhow::Error {
        if error.kind() == ErrorKind::AddrInUse {
            let addresses: Vec<String> = std::iter::once(self.listen)
                .chain(self.tls_listen)
                .map(|address| address.to_string())
                .collect();
            return Reason::Usage.because(format!(
                "{error}\nanother program already listens on {}; name a free address with --listen (and --tls-listen), or let one \
                 be taken with --listen 127.0.0.1:0",
                addresses.join(" or ")
            ));
        }
        anyhow::Error::new(error).context("cannot listen")
    }
}

/// A folder of the demo's own, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn make(entropy: &Entropy) -> anyhow::Result<Self> {
        let name: String = entropy
            .draw::<8>()?
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let path = std::path::absolute(std::env::temp_dir())?.join(format!("latchkey-demo-{name}"));
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Writes a file whole, for its owner only: it holds keys, and whoever finds it, finds all of it.
fn write_whole(path: &Path, text: &str) -> anyhow::Result<()> {
    let path = std::path::absolute(path)?;
    let mut next = path.clone().into_os_string();
    next.push(".part");
    let write = || {
        match std::fs::remove_file(&next) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&next)?;
        file.write_all(text.as_bytes())?;
        std::fs::rename(&next, &path)
    };
    let written = write();
    written.with_context(|| format!("cannot write {}", path.display()))
}
