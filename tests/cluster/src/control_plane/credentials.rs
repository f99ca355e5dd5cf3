//! Certificates, keys and tokens of one run.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::StartError;

/// Signs the certificates of a run: those of the API server and of what stands before it.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Authority")
    }
}

/// A certificate for 127.0.0.1 and localhost, and its key.
pub(crate) struct Leaf {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    /// Makes one.
    pub(super) fn new() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "zohorelay tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self(CertifiedIssuer::self_signed(
            params,
            KeyPair::generate()?,
        )?))
    }

    /// Its certificate as PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Its certificate as DER.
    pub fn der(&self) -> &CertificateDer<'static> {
        self.0.der()
    }

    /// A certificate for a server on loopback.
    pub(crate) fn issue(&self) -> Result<Leaf, rcgen::Error> {
        self.issue_for(Ipv4Addr::LOCALHOST)
    }

    /// A certificate for a server at an address, which is also reached by loopback and by the Service of
    /// the API server.
    fn issue_for(&self, address: Ipv4Addr) -> Result<Leaf, rcgen::Error> {
        let mut names = [
            "localhost",
            "kubernetes.default.svc",
            "127.0.0.1",
            "10.96.0.1",
        ]
        .map(str::to_owned)
        .to_vec();
        if !address.is_loopback() {
            names.push(address.to_string());
        }
        let mut params = CertificateParams::new(names)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// A certificate by which the API server shows the kubelet who it is.
    fn issue_client(&self) -> Result<Leaf, rcgen::Error> {
        let mut params = CertificateParams::default();
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "kube-apiserver-kubelet-client");
        name.push(DnType::OrganizationName, "system:masters");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Leaf, rcgen::Error> {
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?;
        Ok(Leaf { certificate, key })
    }
}

impl Leaf {
    /// For rustls.
    pub(crate) fn der(&self) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        (self.certificate.der().clone(), key.into())
    }
}

/// A token that nobody can guess.
pub(super) fn token() -> String {
    let mut bytes = [0; 32];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .expect("the system has randomness");
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Writes what the programs read, each file for its owner only.
pub(super) fn write_all(
    folder: &Path,
    authority: &Authority,
    token: &str,
    address: Ipv4Addr,
) -> Result<(), StartError> {
    let leaf = authority.issue_for(address)?;
    let client = authority.issue_client()?;
    let accounts = KeyPair::generate()?;
    let users = format!("{token},admin,admin,system:masters\n");
    for (name, content) in [
        ("ca.crt", authority.pem()),
        ("server.crt", leaf.certificate.pem()),
        ("server.key", leaf.key.serialize_pem()),
        ("kubelet-client.crt", client.certificate.pem()),
        ("kubelet-client.key", client.key.serialize_pem()),
        ("accounts.key", accounts.serialize_pem()),
        ("accounts.pub", accounts.public_key_pem()),
        ("tokens.csv", users),
    ] {
        write_private(&folder.join(name), &content)?;
    }
    Ok(())
}

/// Writes a file that only its owner may read.
pub(super) fn write_private(path: &Path, content: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(content.as_bytes())
}
