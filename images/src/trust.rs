//! The certificate authorities of the web, as Mozilla trusts them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// Where Debian has its bundle, and where TLS libraries look first.
pub const BUNDLE_PATH: &str = "/etc/ssl/certs/ca-certificates.crt";

/// All of them as PEM (RFC 7468): lines of 64 characters.
pub fn bundle() -> Vec<u8> {
    let mut pem = Vec::new();
    for certificate in TLS_SERVER_ROOT_CERTS {
        pem.extend_from_slice(b"-----BEGIN CERTIFICATE-----\n");
        for line in STANDARD.encode(certificate).as_bytes().chunks(64) {
            pem.extend_from_slice(line);
            pem.push(b'\n');
        }
        pem.extend_from_slice(b"-----END CERTIFICATE-----\n");
    }
    pem
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject as _;

    use super::*;

    #[test]
    fn the_bundle_reads_back_as_the_same_certificates() {
        let read: Vec<_> = CertificateDer::pem_slice_iter(&bundle())
            .map(Result::unwrap)
            .collect();
        assert!(read.len() > 100, "{}", read.len());
        assert_eq!(read, TLS_SERVER_ROOT_CERTS);
    }
}
