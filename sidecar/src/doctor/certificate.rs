//! What a person reads in a certificate. Whether to trust it is decided elsewhere.

use std::net::IpAddr;

use jiff::Timestamp;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

/// The parts of a certificate that tell whose it is.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) subject: String,
    pub(crate) issuer: String,
    /// DNS names and addresses that it is for.
    pub(crate) names: Vec<String>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

impl Certificate {
    /// From DER; `None` where it is none.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let alternatives = certificate.subject_alternative_name().ok().flatten();
        let names = alternatives.map(|names| names.value.general_names.iter().filter_map(name));
        Some(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names: names.map(Iterator::collect).unwrap_or_default(),
            not_before: timestamp(certificate.validity().not_before)?,
            not_after: timestamp(certificate.validity().not_after)?,
        })
    }

    /// Whether a name of it is the host's; a wildcard stands for one label (RFC 9525 section 6.3).
    pub(crate) fn fits(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            None => name.eq_ignore_ascii_case(host),
            Some(rest) => host
                .split_once('.')
                .is_some_and(|(_, parent)| parent.eq_ignore_ascii_case(rest)),
        })
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let v6 = || <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            v4.or_else(|_| v6()).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

fn timestamp(time: ASN1Time) -> Option<Timestamp> {
    Timestamp::from_second(time.timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let certificate = Certificate {
            subject: String::new(),
            issuer: String::new(),
            names: vec!["*.zoho.eu".to_owned(), "mx.example.com".to_owned()],
            not_before: Timestamp::UNIX_EPOCH,
            not_after: Timestamp::UNIX_EPOCH,
        };
        for host in ["smtp.zoho.eu", "SMTP.Zoho.EU.", "mx.example.com"] {
            assert!(certificate.fits(host), "{host}");
        }
        for host in ["zoho.eu", "a.smtp.zoho.eu", "example.com", "smtp.zoho.com"] {
            assert!(!certificate.fits(host), "{host}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        assert!(Certificate::read(b"").is_none());
        assert!(Certificate::read(&[0x30, 0x82, 0xff, 0xff]).is_none());
    }
}
