//! The simulator's certificate authority, its good leaf, and leaves that no client may accept.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::hosts::PUBLISHED_HOSTS;

/// The certificate of a handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certificate {
    /// Issued by the simulator's CA for all its hosts.
    #[default]
    Good,
    /// For another name.
    OtherName,
    /// Self-signed, for the right names.
    SelfSigned,
    /// Expired in 2020.
    Expired,
    /// Issued by a CA that nobody knows.
    UnknownRoot,
    /// The name stands in the common name only.
    CommonNameOnly,
    /// A wildcard that would have to stand for two labels.
    WildcardTwoLevels,
    /// For clients, not for servers.
    WrongUsage,
}

impl Certificate {
    /// Every certificate.
    pub const ALL: [Self; 8] = [
        Self::Good,
        Self::OtherName,
        Self::SelfSigned,
        Self::Expired,
        Self::UnknownRoot,
        Self::CommonNameOnly,
        Self::WildcardTwoLevels,
        Self::WrongUsage,
    ];

    /// The name in options and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::OtherName => "other-name",
            Self::SelfSigned => "self-signed",
            Self::Expired => "expired",
            Self::UnknownRoot => "unknown-root",
            Self::CommonNameOnly => "common-name-only",
            Self::WildcardTwoLevels => "wildcard-two-levels",
            Self::WrongUsage => "wrong-usage",
        }
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, output: &mut fmt::Formatter<'_>) -> fmt::Result {
        output.write_str(self.as_str())
    }
}

impl FromStr for Certificate {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::as_str).join(", ");
                format!("no certificate {name}: use one of {names}")
            })
    }
}

/// Why a certificate could not be made.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// Making or signing it failed, often for a host that is no DNS name.
    #[error("making a certificate: check the names given with --host")]
    Make(#[from] rcgen::Error),
    /// rustls does not take it.
    #[error("setting up TLS")]
    Tls(#[from] rustls::Error),
}

/// A certificate authority made at start.
pub(crate) struct Authority {
    ca_pem: String,
    issuer: Issuer<'static, KeyPair>,
    names: Vec<String>,
    good: Arc<ServerConfig>,
}

impl Authority {
    /// `hosts` come beside localhost and Zoho's published hosts.
    pub(crate) fn new(hosts: &[String]) -> Result<Self, CertificateError> {
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).into();
        names.extend(PUBLISHED_HOSTS.iter().map(|(host, _)| (*host).to_owned()));
        names.extend(hosts.iter().cloned());
        let (ca_pem, issuer) = authority("zoho-simulator CA")?;
        let good = issue(&leaf(&names, "zoho-simulator")?, &issuer)?;
        Ok(Self {
            ca_pem,
            issuer,
            names,
            good,
        })
    }

    /// The CA's certificate, PEM.
    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    pub(crate) fn server_config(
        &self,
        kind: Certificate,
    ) -> Result<Arc<ServerConfig>, CertificateError> {
        let mut params = leaf(&self.names, "zoho-simulator")?;
        match kind {
            Certificate::Good => return Ok(Arc::clone(&self.good)),
            Certificate::OtherName => params = leaf(&["other.invalid".to_owned()], "other")?,
            Certificate::SelfSigned => {
                let key = KeyPair::generate()?;
                let certificate = params.self_signed(&key)?;
                return server_config(&certificate, &key);
            }
            Certificate::Expired => {
                params.not_before = date_time_ymd(2019, 1, 1);
                params.not_after = date_time_ymd(2020, 1, 1);
            }
            Certificate::UnknownRoot => return issue(&params, &authority("nobody's CA")?.1),
            Certificate::CommonNameOnly => params = leaf(&[], "localhost")?,
            Certificate::WildcardTwoLevels => params = leaf(&self.two_levels(), "wildcard")?,
            Certificate::WrongUsage => {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }
        }
        issue(&params, &self.issuer)
    }

    /// For `smtp.zoho.com` the name `*.com`, for `localhost` the name `*.localhost`.
    fn two_levels(&self) -> Vec<String> {
        let names = self
            .names
            .iter()
            .filter(|name| name.parse::<std::net::IpAddr>().is_err());
        let mut names: Vec<String> = names
            .map(|name| match name.splitn(3, '.').nth(2) {
                Some(rest) => format!("*.{rest}"),
                None => format!("*.{name}"),
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

fn authority(name: &str) -> Result<(String, Issuer<'static, KeyPair>), CertificateError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), Issuer::new(params, key)))
}

fn leaf(names: &[String], common_name: &str) -> Result<CertificateParams, CertificateError> {
    let mut params = CertificateParams::new(names)?;
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn issue(
    params: &CertificateParams,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<Arc<ServerConfig>, CertificateError> {
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    server_config(&certificate, &key)
}

fn server_config(
    certificate: &rcgen::Certificate,
    key: &KeyPair,
) -> Result<Arc<ServerConfig>, CertificateError> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok(Arc::new(config))
}
