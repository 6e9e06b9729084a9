//! `latchkey serve`: the real thing.

use std::io::ErrorKind;

use anyhow::Context;
use authority::ports::Entropy;
use clap::Args;
use credential::secret::Secret;
use server::assembly::tls;
use server::config::Config;
use server::edge::listener::Listeners;
use server::settings::issuer;
use server::{Parts, Running};
use tokio::signal::unix::{SignalKind, signal};

use super::config::usable;
use crate::exit::Reason;
use crate::output::say;
use crate::settings::Settings;
use crate::signals::Stop;
use crate::{house, logging, master};

const EXAMPLES: &str = "\
Examples:
  latchkey serve                                            SQLite in the data directory, on 127.0.0.1:8080
  latchkey serve --config /etc/latchkey.toml
  LATCHKEY_SERVER__LISTEN=0.0.0.0:8080 latchkey serve       every setting has a name in the environment
  latchkey config show --defaults                           what can be set, and why";

const SIGNALS: &str = "\
SIGTERM and SIGINT end it in order, a second one at once. SIGHUP reads the TLS certificate again.";

/// Serve keys: the native API, OAuth, the gateway and the dialects.
#[derive(Args)]
#[command(before_help = EXAMPLES, after_help = SIGNALS)]
pub(crate) struct Serve {
    #[command(flatten)]
    settings: Settings,

    /// Where to serve plain HTTP (server.listen).
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,

    /// Where to serve HTTPS (server.tls_listen).
    #[arg(long, value_name = "ADDR")]
    tls_listen: Option<String>,

    /// What is logged (log.level).
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl Serve {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut stop = Stop::listen()?;
        let config = self.load()?;
        usable(&config)?;
        logging::start(&config.log)?;
        keep_memory_private();
        master::data_directory(&config.data.directory)?;

        let tls = tls(&config.server).map_err(|error| Reason::Usage.because(error))?;
        let listeners = Listeners::bind(&config.server, tls)
            .await
            .map_err(explained)?;
        let addresses = listeners.addresses();
        let issuer = issuer(&config, addresses);
        let authority = house::authority(&config, &house::database_url(&config), issuer).await?;
        // Whoever sees that the server is ready finds the token printed.
        if let Some(token) = authority.begin_setup().await? {
            greet(
                &token,
                addresses.plain.map(|address| format!("http://{address}")),
            );
        }
        let parts = Parts {
            authority: authority.clone(),
            config,
            version: env!("CARGO_PKG_VERSION"),
            run: u64::from_be_bytes(Entropy::system().draw()?),
        };
        let running = server::start(parts, listeners)
            .await
            .map_err(|error| Reason::Usage.because(error))?;
        for (scheme, address) in [("http", addresses.plain), ("https", addresses.tls)] {
            if let Some(address) = address {
                tracing::info!("serving {scheme}://{address}");
            }
        }

        let signal = until_stopped(&mut stop, &running).await?;
        tracing::info!(signal, "stopping");
        stop.the_next_ends_it();
        let stopped = running.stop().await?;
        authority
            .close()
            .await
            .context("what was batched could not be written")?;
        tracing::info!(cut_off = stopped.cut_off, "stopped");
        Ok(())
    }

    fn load(&self) -> anyhow::Result<Config> {
        let flags = [
            ("server.listen", self.listen.as_ref()),
            ("server.tls_listen", self.tls_listen.as_ref()),
            ("log.level", self.log_level.as_ref()),
        ];
        Ok(self.settings.load(&flags)?.config)
    }
}

/// The first words of a server without an administrator.
fn greet(token: &Secret, url: Option<String>) {
    let at = url.map(|url| format!(" --url {url}")).unwrap_or_default();
    say(&format!(
        "\
Nobody administers this server yet. Within an hour, make the first administrator:

    latchkey setup{at} --organization ACME --email you@example.com --name You

and give this set-up token, which works once:

    {}
",
        token.expose()
    ));
}

/// A core dump or a debugger of the same user would hold every secret that is in memory.
fn keep_memory_private() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) =
        setrlimit(Resource::Core, none).and(set_dumpable_behavior(DumpableBehavior::NotDumpable))
    {
        tracing::warn!(%error, "core dumps could not be turned off");
    }
}

/// Waits for the signal to stop, and meanwhile reads the certificate again whenever told to.
async fn until_stopped(stop: &mut Stop, running: &Running) -> anyhow::Result<&'static str> {
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            name = stop.asked() => return Ok(name),
            _ = hangup.recv() => match running.reload_certificate() {
                Ok(()) => tracing::info!("the TLS certificate was read again"),
                Err(error) => tracing::error!(%error, "the TLS certificate stays as it was"),
            },
        }
    }
}

fn explained(error: std::io::Error) -> anyhow::Error {
    if error.kind() == ErrorKind::AddrInUse {
        return Reason::Usage.because(format!(
            "{error}\nanother program listens there already; name a free address with --listen or server.listen"
        ));
    }
    anyhow::Error::new(error).context("cannot listen")
}
