//! Certificates of one run: an authority of its own and a leaf for `localhost`.

use std::sync::Arc;

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, client};

/// The host name that the leaf is for.
pub const HOST: &str = "localhost";

/// Both ends of TLS for one run.
#[derive(Clone)]
pub struct Certificates {
    /// The authority, PEM: the trust anchor for the sidecar's document.
    pub authority_pem: String,
    /// The sink's side. No tickets: no connection is resumed.
    pub server: Arc<ServerConfig>,
    /// The load's side, for sending straight to the sink. Each handshake is a full one.
    pub client: Arc<ClientConfig>,
}

impl Certificates {
    /// Makes keys and certificates.
    pub fn generate() -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().context("making the key of the authority")?;
        let authority = params.self_signed(&key).context("signing the authority")?;
        let issuer = Issuer::new(params, key);
        let leaf_key = KeyPair::generate().context("making the key of the sink")?;
        let leaf = CertificateParams::new(vec![HOST.to_owned()])?
            .signed_by(&leaf_key, &issuer)
            .context("signing the certificate of the sink")?;

        let provider = Arc::new(ring::default_provider());
        let leaf_key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], leaf_key)?;
        server.send_tls13_tickets = 0;

        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone())?;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.resumption = client::Resumption::disabled();
        Ok(Self {
            authority_pem: authority.pem(),
            server: Arc::new(server),
            client: Arc::new(client),
        })
    }
}
