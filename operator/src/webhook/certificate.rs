//! Certificates: made, read and judged. Pure but for the randomness of keys.
//!
//! Each leaf has a CA of its own, whose key is forgotten once the leaf is signed: so no key is kept
//! that could sign another, and every renewal takes the one path that is also taken when a CA changes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use thiserror::Error;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

/// How much earlier than now a certificate begins, for clients whose clock is behind.
pub const BACKDATED: Duration = Duration::from_secs(60 * 60);

/// Why a certificate cannot be made or used.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A name for the certificate is neither a DNS name nor an IP address.
    #[error("the webhook's certificate cannot be for {0:?}: give a DNS name or an IP address")]
    Name(String),
    /// A fault of the library that makes certificates.
    #[error("making a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The text is not PEM, or it lacks what it should hold.
    #[error("reading PEM: {0}")]
    Pem(#[from] rustls_pki_types::pem::Error),
    /// The certificate is malformed.
    #[error("reading a certificate")]
    Malformed,
    /// The key is of an unknown kind or belongs to another certificate.
    #[error("pairing certificate and key: {0}")]
    Pair(#[from] rustls::Error),
}

/// The names that the API server may use for the webhook, the Service's first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(Vec<String>);

impl Names {
    /// The Service's names in the cluster, and further DNS names or IP addresses.
    pub fn new(service: &str, namespace: &str, extra: &[String]) -> Result<Self, CertificateError> {
        let service = [
            format!("{service}.{namespace}.svc"),
            format!("{service}.{namespace}.svc.cluster.local"),
            format!("{service}.{namespace}"),
        ];
        let names: Vec<String> = service.into_iter().chain(extra.iter().cloned()).collect();
        match names.iter().find(|name| server_name(name).is_none()) {
            Some(name) => Err(CertificateError::Name(name.clone())),
            None => Ok(Self(names)),
        }
    }

    /// The name that the API server uses.
    pub fn service(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }
}

fn server_name(name: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).ok()
}

/// A leaf, its key and the CA that signed it, all PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Issue {
    /// The CA's certificate.
    pub authority: String,
    /// The leaf.
    pub certificate: String,
    /// The leaf's key, PKCS #8.
    pub key: Zeroizing<String>,
}

impl fmt::Debug for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issue")
            .field("authority", &self.authority)
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl Issue {
    /// A new CA and its leaf, both ECDSA P-256, valid until `validity` from now.
    pub fn new(
        names: &Names,
        now: Timestamp,
        validity: Duration,
    ) -> Result<Self, CertificateError> {
        let (authority, issuer) = authority(now, validity)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names.0.clone())?;
        begin_and_end(&mut params, now, validity);
        params
            .distinguished_name
            .push(DnType::CommonName, "zohorelay webhook");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        Ok(Self {
            authority,
            certificate: params.signed_by(&key, &issuer)?.pem(),
            key: Zeroizing::new(key.serialize_pem()),
        })
    }

    /// Whether it can be served now, to a client that trusts its CA, under each of the names.
    pub fn is_usable(&self, names: &Names, now: Timestamp) -> bool {
        certified_key(self.certificate.as_bytes(), self.key.as_bytes()).is_ok()
            && names
                .0
                .iter()
                .all(|name| is_trusted(&self.certificate, &self.authority, name, now))
    }
}

fn authority(
    now: Timestamp,
    validity: Duration,
) -> Result<(String, Issuer<'static, KeyPair>), CertificateError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    begin_and_end(&mut params, now, validity);
    // A name of its own each, so that clients never take one for another.
    let name = format!("zohorelay webhook CA {}", now.as_millisecond());
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), Issuer::new(params, key)))
}

fn begin_and_end(params: &mut CertificateParams, now: Timestamp, validity: Duration) {
    let since_epoch = Duration::from_secs(now.as_second().try_into().unwrap_or(0));
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch.saturating_sub(BACKDATED);
    params.not_after = epoch + since_epoch + validity;
}

/// Whether a client that trusts the CAs of `bundle` takes the first certificate of `chain` for
/// `name` at this time. Both are PEM; what cannot be read is not trusted.
pub fn is_trusted(chain: &str, bundle: &str, name: &str, now: Timestamp) -> bool {
    try_trust(chain, bundle, name, now).is_some()
}

fn try_trust(chain: &str, bundle: &str, name: &str, now: Timestamp) -> Option<()> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(authority.ok()?).ok()?;
    }
    let chain: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<_, _>>()
        .ok()?;
    let (leaf, intermediates) = chain.split_first()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .ok()?;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now.as_second().try_into().ok()?));
    let verdict = verifier.verify_server_cert(leaf, intermediates, &server_name(name)?, &[], now);
    verdict.ok().map(drop)
}

/// From when until when a certificate is valid, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: Timestamp,
    /// The last second.
    pub not_after: Timestamp,
}

impl Validity {
    /// That of the first certificate of a PEM text.
    pub fn of(certificate: &[u8]) -> Result<Self, CertificateError> {
        let der = CertificateDer::from_pem_slice(certificate)?;
        let (_, parsed) =
            X509Certificate::from_der(&der).map_err(|_| CertificateError::Malformed)?;
        let second = |time: x509_parser::time::ASN1Time| {
            Timestamp::from_second(time.timestamp()).map_err(|_| CertificateError::Malformed)
        };
        Ok(Self {
            not_before: second(parsed.validity().not_before)?,
            not_after: second(parsed.validity().not_after)?,
        })
    }

    /// Whether it holds at this time.
    pub fn contains(&self, now: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

/// Certificate chain and key of a Secret, checked to belong together.
pub fn certified_key(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, CertificateError> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>()?;
    if chain.is_empty() {
        return Err(CertificateError::Malformed);
    }
    let key = PrivateKeyDer::from_pem_slice(key)?;
    let provider = rustls::crypto::ring::default_provider();
    Ok(CertifiedKey::from_der(chain, key, &provider)?)
}

#[cfg(test)]
mod tests;
