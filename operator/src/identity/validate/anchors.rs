//! The trust anchors of a spec, as the TLS library reads them.

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::Problem;

/// Refuses a certificate that could not be trusted later: PEM and size are checked with the document.
pub(super) fn check(pem: &str) -> Result<(), Problem> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
    for (index, certificate) in certificates.enumerate() {
        let Ok(certificate) = certificate else {
            return Ok(());
        };
        if roots.add(certificate).is_err() {
            return Err(Problem::invalid_spec(format!(
                "spec.server.caBundle: certificate {} of the bundle cannot be read as one; export \
                 it again, as PEM",
                index + 1
            )));
        }
    }
    Ok(())
}
