//! How notices leave the house: as e-mail, and as signed requests. The authority says what, to whom and when; here is only
//! how.

mod email;
mod reach;
mod webhook;
mod words;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use authority::notices::courier::{Courier, Errand, Outcome, Parcel, Receiver};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

pub use reach::{Reach, Resolve, Resolved, forbidden};

use crate::config::Config;
use crate::edge::tls;
use email::Mailer;
use webhook::Hooks;

/// Carries notices to people.
pub struct Notify {
    hooks: Hooks,
    /// Where there is a mail server to give messages to.
    mailer: Option<Mailer>,
}

impl std::fmt::Debug for Notify {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Notify")
    }
}

impl Notify {
    /// A courier by the settings. `own` is where this server listens: nothing is sent there.
    ///
    /// # Errors
    /// When a file of certificates cannot be read or holds none, or the mail settings do not fit together.
    pub fn new(
        config: &Config,
        own: Vec<SocketAddr>,
        read_file: impl Fn(&PathBuf) -> io::Result<Vec<u8>>,
    ) -> io::Result<Self> {
        Self::resolving(config, own, read_file, reach::system())
    }

    /// The same with names looked up by somebody else; for tests.
    ///
    /// # Errors
    /// As [`Notify::new`].
    pub fn resolving(
        config: &Config,
        own: Vec<SocketAddr>,
        read_file: impl Fn(&PathBuf) -> io::Result<Vec<u8>>,
        resolve: Resolve,
    ) -> io::Result<Self> {
        let settings = &config.notices;
        let reach = Reach {
            allow: settings.webhook_allow.clone(),
            ports: settings.webhook_ports.clone(),
            plain: settings.webhook_http,
            own,
            resolve,
        };
        let ca = settings.webhook_ca.as_ref().map(&read_file).transpose()?;
        let trust = trust(ca.as_deref()).map_err(|error| named("notices.webhook_ca", &error))?;
        let mailer = Mailer::new(&config.smtp, read_file)?;
        Ok(Self {
            hooks: Hooks::new(reach, trust),
            mailer,
        })
    }
}

impl Courier for Notify {
    fn admits<'a>(&'a self, receiver: &'a Receiver) -> Errand<'a, Result<(), String>> {
        Box::pin(async move {
            match (receiver, &self.mailer) {
                (Receiver::Webhook { url, .. }, _) => self.hooks.admits(url).await,
                (Receiver::Email(_), Some(_)) => Ok(()),
                (Receiver::Email(_), None) => Err(
                    "this server sends no e-mail: whoever runs it has to name a mail server in [smtp]"
                        .to_owned(),
                ),
            }
        })
    }

    fn send<'a>(&'a self, parcel: &'a Parcel) -> Errand<'a, Outcome> {
        Box::pin(async move {
            match (&parcel.receiver, &self.mailer) {
                (Receiver::Webhook { url, secrets }, _) => {
                    self.hooks.send(parcel, url, secrets).await
                }
                (Receiver::Email(to), Some(mailer)) => mailer.send(parcel, to).await,
                (Receiver::Email(_), None) => Outcome::Unreachable {
                    words: "no mail server is set".to_owned(),
                },
            }
        })
    }
}

/// The TLS settings towards receivers: whom the system trusts, or the authorities of a PEM file besides.
fn trust(ca: Option<&[u8]>) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    // A certificate of the system that does not read is one authority less, and not the end.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = ca {
        let mut added = 0;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots
                .add(certificate.map_err(io::Error::other)?)
                .map_err(io::Error::other)?;
            added += 1;
        }
        if added == 0 {
            return Err(io::Error::other("the file holds no certificate"));
        }
    }
    let settings = ClientConfig::builder_with_provider(Arc::clone(tls::provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(settings))
}

fn named(setting: &str, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{setting}: {error}"))
}
