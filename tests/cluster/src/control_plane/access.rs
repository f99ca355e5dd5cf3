//! Who somebody is to the API server, and where it is.

use std::io;
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use kube::{Client, Config};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::json;

use super::credentials;

/// A server, whom to trust there, and a token.
#[derive(Clone)]
pub struct Access {
    server: String,
    authority: String,
    token: String,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Access({})", self.server)
    }
}

impl Access {
    pub(super) fn new(server: &str, authority: &str, token: &str) -> Self {
        Self {
            server: server.to_owned(),
            authority: authority.to_owned(),
            token: token.to_owned(),
        }
    }

    /// URL of the server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The same person by another way, as through a proxy.
    #[must_use]
    pub fn at(&self, server: &str) -> Self {
        Self::new(server, &self.authority, &self.token)
    }

    /// The same way for another person.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self::new(&self.server, &self.authority, token)
    }

    /// What a client is made of.
    pub fn config(&self) -> Config {
        let url = self.server.parse().expect("a URL of our own");
        let authority = CertificateDer::from_pem_slice(self.authority.as_bytes())
            .expect("a certificate of our own");
        let mut config = Config::new(url);
        config.root_cert = Some(vec![authority.to_vec()]);
        config.auth_info.token = Some(self.token.clone().into());
        config
    }

    /// A client; it belongs to the runtime that makes it.
    pub fn client(&self) -> Result<Client, kube::Error> {
        client(self.config())
    }

    /// A client that acts as somebody else.
    pub fn client_as(&self, user: &str, groups: &[&str]) -> Result<Client, kube::Error> {
        let mut config = self.config();
        config.auth_info.impersonate = Some(user.to_owned());
        let groups = groups.iter().map(|&group| group.to_owned());
        config.auth_info.impersonate_groups = Some(groups.collect());
        client(config)
    }

    /// Writes a kubeconfig that only its owner may read. (JSON is YAML.)
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let authority = BASE64_STANDARD.encode(&self.authority);
        let cluster = json!({ "server": self.server, "certificate-authority-data": authority });
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "tests", "cluster": cluster }],
            "users": [{ "name": "tests", "user": { "token": self.token } }],
            "contexts": [{ "name": "tests", "context": { "cluster": "tests", "user": "tests" } }],
            "current-context": "tests",
        });
        credentials::write_private(path, &format!("{kubeconfig:#}\n"))
    }
}

fn client(config: Config) -> Result<Client, kube::Error> {
    // kube takes the process' provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::try_from(config)
}

/// Whether `/readyz` is ok.
pub(super) async fn is_ready(client: &Client) -> bool {
    let request = hyper::Request::get("/readyz")
        .body(Vec::new())
        .expect("a request of our own");
    client.request_text(request).await.is_ok()
}
