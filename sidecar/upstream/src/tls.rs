//! TLS to the server: 1.2 or later, its name always verified.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, Der, ServerName, TrustAnchor};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::dial::Link;

/// Sessions kept for resumption; one configuration serves one server.
const SESSIONS_LIMIT: usize = 4;

/// Why there are no trust anchors, or none of the given ones can be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The system has no certificate authorities.
    #[error("reading the system's certificate authorities: found none{reasons}")]
    NoSystemRoots {
        /// What went wrong with each place, if anything did.
        reasons: String,
    },
    /// The identity's own trust anchors are not PEM certificates.
    #[error("reading the identity's trust anchors: {reason}; give PEM certificates")]
    InvalidAnchors {
        /// What is wrong with them.
        reason: String,
    },
    /// The crypto provider cannot do TLS 1.2 and 1.3.
    #[error("configuring TLS")]
    Configuration(#[source] rustls::Error),
}

/// The certificate authorities that the system trusts. `SSL_CERT_FILE` and `SSL_CERT_DIR` name
/// other places.
pub fn system_roots() -> Result<RootCertStore, TrustError> {
    let places = openssl_probe::probe();
    let mut reasons = String::new();
    if let Some(file) = &places.cert_file {
        match roots_in(file) {
            Ok(roots) if !roots.is_empty() => return Ok(roots),
            Ok(_) => reasons = format!("; no certificate in {}", file.display()),
            Err(error) => reasons = format!("; {}: {error}", file.display()),
        }
    }
    let mut roots = RootCertStore::empty();
    for folder in &places.cert_dir {
        let found = rustls_native_certs::load_certs_from_paths(None, Some(folder));
        roots.add_parsable_certificates(found.certs);
        reasons.extend(found.errors.iter().map(|error| format!("; {error}")));
    }
    if roots.is_empty() {
        return Err(TrustError::NoSystemRoots { reasons });
    }
    Ok(roots)
}

/// The bundle, read one certificate at a time: all at once they would be most of our heap.
fn roots_in(bundle: &Path) -> Result<RootCertStore, rustls_pki_types::pem::Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(bundle)? {
        roots.add_parsable_certificates([certificate?]);
    }
    Ok(shared(&roots))
}

/// The same anchors, their bytes leaked: they serve as long as the process, and an identity that
/// adds anchors of its own copies only references.
fn shared(roots: &RootCertStore) -> RootCertStore {
    let leak = |der: &Der<'_>| Der::from_slice(der.to_vec().leak());
    let anchors = roots.roots.iter().map(|anchor| TrustAnchor {
        subject: leak(&anchor.subject),
        subject_public_key_info: leak(&anchor.subject_public_key_info),
        name_constraints: anchor.name_constraints.as_ref().map(leak),
    });
    RootCertStore {
        roots: anchors.collect(),
    }
}

/// A configuration with its own store of sessions: a session ticket that one identity got is never
/// shown by another or to another server.
pub(crate) fn client_config(
    roots: &Arc<RootCertStore>,
    trust_anchors: Option<&str>,
) -> Result<ClientConfig, TrustError> {
    let roots = all_roots(roots, trust_anchors)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TrustError::Configuration)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(SESSIONS_LIMIT);
    Ok(config)
}

/// The system's trust anchors and those of an identity.
pub(crate) fn all_roots(
    roots: &Arc<RootCertStore>,
    trust_anchors: Option<&str>,
) -> Result<Arc<RootCertStore>, TrustError> {
    match trust_anchors {
        None => Ok(Arc::clone(roots)),
        Some(pem) => Ok(Arc::new(with_anchors(roots, pem)?)),
    }
}

fn with_anchors(roots: &RootCertStore, pem: &str) -> Result<RootCertStore, TrustError> {
    let invalid = |reason: String| TrustError::InvalidAnchors { reason };
    let mut roots = roots.clone();
    let mut count = 0_usize;
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| invalid(error.to_string()))?;
        count += 1;
    }
    if count == 0 {
        return Err(invalid("no certificate in them".to_owned()));
    }
    Ok(roots)
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// The server hung up or the connection broke.
    #[error("the server closed the connection during the TLS handshake")]
    Closed,
    /// What the server sent is not TLS (`docs/zoho.md` R25, or injected bytes).
    #[error("the server does not speak TLS here")]
    NotTls,
    /// No trust, or no common ground.
    #[error("{0}")]
    Refused(String),
}

pub(crate) async fn handshake(
    config: &Arc<ClientConfig>,
    name: &ServerName<'static>,
    link: Box<dyn Link>,
) -> Result<TlsStream<Box<dyn Link>>, HandshakeError> {
    TlsConnector::from(Arc::clone(config))
        .connect(name.clone(), link)
        .await
        .map_err(|error| explain(&error))
}

fn explain(error: &io::Error) -> HandshakeError {
    match rustls_error(error) {
        Some(rustls::Error::InvalidMessage(_)) => HandshakeError::NotTls,
        Some(error) => HandshakeError::Refused(error.to_string()),
        None => HandshakeError::Closed,
    }
}

/// The TLS error inside an I/O error, if it is one.
pub(crate) fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_that_are_no_certificates_are_refused_with_a_reason() {
        let roots = Arc::new(RootCertStore::empty());
        for (pem, part) in [
            ("", "no certificate in them"),
            ("hello", "no certificate in them"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "anchors: ",
            ),
        ] {
            let error = client_config(&roots, Some(pem)).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
