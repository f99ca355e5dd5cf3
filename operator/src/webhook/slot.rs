//! The certificate that new connections get.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, ServerConfig};

/// Holds the certificate that new connections get; it can be changed at any time, and connections
/// that are open do not notice. Cheap to clone: clones share what they hold.
#[derive(Clone, Debug, Default)]
pub struct Slot(Arc<RwLock<Option<Arc<CertifiedKey>>>>);

impl Slot {
    /// Puts in a certificate for the connections to come.
    pub fn load(&self, key: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(key));
    }

    /// What is loaded.
    pub fn loaded(&self) -> Option<Arc<CertifiedKey>> {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }

    /// TLS 1.2 and 1.3 with whatever is loaded when a connection comes; before anything is loaded
    /// handshakes fail.
    pub fn server_config(&self) -> Result<ServerConfig, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A resumed session would go on with the certificate before.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

impl ResolvesServerCert for Slot {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.loaded()
    }
}
