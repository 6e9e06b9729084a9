//! The store and the authority of this machine's settings: for `serve`, and for the commands that work where no
//! server runs.

use anyhow::Context;
use authority::catalog::{BUILT_IN, Product};
use authority::ports::{Clock, Entropy};
use authority::{Authority, Caller, OpenError, Opening, VaultError};
use credential::id::OrganizationId;
use server::config::Config;
use store::Store;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::exit::Reason;
use crate::master;

/// The file of the embedded database in the data directory.
pub(crate) const DATABASE_FILE: &str = "latchkey.db";

/// Whoever holds this machine's shell, when nothing is done to any organization.
pub(crate) fn shell() -> Caller {
    Caller::shell(OrganizationId::from_bytes([0; 16]))
}

/// Which database the settings mean.
pub(crate) fn database_url(config: &Config) -> String {
    match &config.data.database_url {
        Some(url) => url.expose().to_owned(),
        None => format!(
            "sqlite:{}",
            config.data.directory.join(DATABASE_FILE).display()
        ),
    }
}

/// Whether the settings mean the embedded database in the data directory.
pub(crate) fn is_embedded(config: &Config) -> bool {
    config.data.database_url.is_none()
}

/// The data directory must be there already: for commands that look after something that exists.
pub(crate) fn existing(config: &Config) -> anyhow::Result<()> {
    let file = config.data.directory.join(DATABASE_FILE);
    if is_embedded(config) && !file.exists() {
        return Err(Reason::Usage.because(format!(
            "there is no database {}; name its directory with --data-directory or LATCHKEY_DATA__DIRECTORY",
            file.display()
        )));
    }
    Ok(())
}

/// An authority that lives: its jobs run, so that other processes on the same database never wait for it.
pub(crate) struct House {
    /// Whom to ask.
    pub(crate) authority: Authority,
    stop: watch::Sender<bool>,
    jobs: JoinHandle<()>,
}

impl House {
    /// Opens the database of the settings, which must be there.
    pub(crate) async fn enter(config: &Config) -> anyhow::Result<Self> {
        existing(config)?;
        Ok(Self::of(
            authority(config, &database_url(config), String::new()).await?,
        ))
    }

    /// Lets an authority live.
    pub(crate) fn of(authority: Authority) -> Self {
        let (stop, stopped) = watch::channel(false);
        let worker = authority.clone();
        Self {
            authority,
            stop,
            jobs: tokio::spawn(async move { worker.run_jobs(stopped).await }),
        }
    }

    /// Ends it in order: nobody waits for it afterwards, and what was batched is written.
    pub(crate) async fn leave(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        self.jobs.await.context("a job panicked")?;
        self.authority
            .close()
            .await
            .context("what was batched could not be written")
    }
}

/// Opens the authority over the database at `url` with the master key of the settings, which is made when there is none
/// and nothing was ever sealed.
pub(crate) async fn authority(
    config: &Config,
    url: &str,
    issuer: String,
) -> anyhow::Result<Authority> {
    let entropy = Entropy::system();
    let found = master::find(&config.master_key).await?;
    let store = Store::open(url).await.context("cannot open the database")?;
    let master = match found {
        Some(master) => master,
        None if store.view(|view| view.vault_keys()).await?.is_empty() => {
            master::make(&config.master_key.file, &entropy)?
        }
        None => return Err(master::missing(&config.master_key.file)),
    };
    let settings = server::settings::settings(config, issuer, &name_of_this_process());
    open(Opening {
        store,
        master,
        settings,
        products: products()?,
        clock: Clock::system(),
        entropy,
    })
    .await
}

/// Opens the authority, and says what to do when the master key does not fit.
pub(crate) async fn open(opening: Opening) -> anyhow::Result<Authority> {
    match Authority::open(opening).await {
        Ok(authority) => Ok(authority),
        Err(OpenError::Vault(error @ (VaultError::WrongMasterKey | VaultError::Damaged))) => {
            Err(Reason::Usage.because(error))
        }
        Err(error) => Err(anyhow::Error::new(error).context("cannot start")),
    }
}

/// What people call this process among those on the same database.
pub(crate) fn name_of_this_process() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}/{}", host.trim(), std::process::id())
}

/// The products that are compiled in.
pub(crate) fn products() -> anyhow::Result<Vec<Product>> {
    BUILT_IN
        .iter()
        .map(|(file, text)| Ok(Product::parse(file, text)?))
        .collect()
}
