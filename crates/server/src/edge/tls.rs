//! TLS on the listening side: rustls with the one crypto provider, and a certificate that can be
//! read again while the server runs.

use std::io;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::Duration;

use credential::time::Span;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};

/// The certificate in use. Clones share it, so that one can be kept to replace it.
#[derive(Clone, Debug)]
pub struct Tls {
    current: Arc<RwLock<Arc<ServerConfig>>>,
}

impl Tls {
    /// Serves with this chain (the server's own certificate first) and key, both PEM.
    ///
    /// # Errors
    /// When either is no PEM, holds nothing, or the two do not belong together.
    pub fn new(chain: &[u8], key: &[u8]) -> io::Result<Self> {
        Ok(Self {
            current: Arc::new(RwLock::new(Arc::new(settings(chain, key)?))),
        })
    }

    /// Serves new connections with this chain and key; on an error the old ones stay.
    ///
    /// # Errors
    /// As [`Tls::new`].
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> io::Result<()> {
        let settings = Arc::new(settings(chain, key)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = settings;
        Ok(())
    }

    /// What accepts the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(
            &self.current.read().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

fn settings(chain: &[u8], key: &[u8]) -> io::Result<ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(io::Error::other)?;
    let mut settings = ServerConfig::builder_with_provider(Arc::clone(provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(io::Error::other)?;
    settings.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(settings)
}

/// The one crypto provider, for both sides of TLS.
pub fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    &PROVIDER
}

/// A span as the runtime's timers take it.
pub fn duration(span: Span) -> Duration {
    Duration::from_millis(span.millis().unsigned_abs())
}
