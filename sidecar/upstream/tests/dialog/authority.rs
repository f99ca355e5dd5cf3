//! Certificates, made at run time.

use std::sync::{Arc, LazyLock};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// The name of every server here.
pub(crate) const HOST: &str = "mx.zoho.test";

/// The authority that the documents of the tests trust.
pub(crate) static TRUSTED: LazyLock<Authority> = LazyLock::new(Authority::new);

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate to present.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Presented {
    Good,
    SelfSigned,
    UnknownRoot,
    OtherName,
    Expired,
    NameInCommonNameOnly,
    AddressOnly,
    WildcardTwoLevelsUp,
    ForClients,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
        }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }
}

/// A TLS server that presents a certificate like that.
pub(crate) fn server(presented: Presented) -> Arc<ServerConfig> {
    let names: &[&str] = match presented {
        Presented::OtherName => &["mx.example.org"],
        Presented::NameInCommonNameOnly => &[],
        Presented::AddressOnly => &["127.0.0.1"],
        Presented::WildcardTwoLevelsUp => &["*.test"],
        _ => &[HOST],
    };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    match presented {
        Presented::Expired => {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        Presented::NameInCommonNameOnly => params.distinguished_name.push(DnType::CommonName, HOST),
        Presented::ForClients => {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }
        _ => {}
    }
    let key = KeyPair::generate().unwrap();
    let certificate = match presented {
        Presented::SelfSigned => params.self_signed(&key).unwrap(),
        Presented::UnknownRoot => params.signed_by(&key, &Authority::new().issuer).unwrap(),
        _ => params.signed_by(&key, &TRUSTED.issuer).unwrap(),
    };
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Arc::new(config)
}
