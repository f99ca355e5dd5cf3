//! Stands before the API server for one client and makes it misbehave.
//!
//! Requests go through as they are, watches included, until a [`Rule`] fits one. The client trusts it
//! by the authority of the run ([`FaultProxy::access`]), and its token goes through, so the API server
//! still decides who may do what.
//!
//! ```no_run
//! # async fn example(cluster: &zohorelay_cluster::Running) -> anyhow::Result<()> {
//! use zohorelay_cluster::{Fault, FaultProxy};
//!
//! let proxy = FaultProxy::start(cluster).await?;
//! let client = proxy.access(cluster.admin()).client()?;
//! let rule = proxy.add(Fault::gone().when(|request| request.is("watch", "secrets")).times(1));
//! // … a client that watches secrets …
//! rule.met(1).await;
//! assert!(proxy.count("list", "secrets") <= 2);
//! # Ok(())
//! # }
//! ```

mod answer;
mod fault;
mod request;
mod rules;
mod serve;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub use self::fault::{Fault, Refusal};
pub use self::request::Request;
use self::rules::Rules;
pub use self::rules::{Rule, RuleHandle};
use self::serve::Server;
use crate::control_plane::{Access, Running};

/// Patience with what a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why there is no proxy.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// No port can be had.
    #[error("listening on loopback: {0}")]
    Listen(#[from] io::Error),
    /// No certificate can be made.
    #[error("making a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The certificate cannot be used.
    #[error("preparing TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// A proxy that runs; its connections end when it is dropped. It belongs to the runtime that makes it.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    rules: Arc<Rules>,
    task: tokio::task::JoinHandle<()>,
}

impl FaultProxy {
    /// Starts one before the API server.
    pub async fn start(cluster: &Running) -> Result<Self, ProxyError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let (certificate, key) = cluster.authority().issue()?.der();
        let towards_client = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        let mut roots = RootCertStore::empty();
        roots.add(cluster.authority().der().clone())?;
        let towards_server = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let rules = Arc::new(Rules::default());
        let server = Server {
            acceptor: TlsAcceptor::from(Arc::new(towards_client)),
            connector: TlsConnector::from(Arc::new(towards_server)),
            upstream: cluster.address(),
            rules: rules.clone(),
        };
        let task = tokio::spawn(server.run(listener));
        Ok(Self {
            address,
            rules,
            task,
        })
    }

    /// The same person through this proxy.
    #[must_use]
    pub fn access(&self, access: &Access) -> Access {
        access.at(&format!("https://{}", self.address))
    }

    /// Adds a rule; of rules that fit a request, the one that was added last is followed.
    pub fn add(&self, rule: Rule) -> RuleHandle {
        self.rules.add(rule)
    }

    /// Holds everything: requests, answers, events of watches, handshakes.
    pub fn freeze(&self) {
        self.rules.frozen.send_replace(true);
    }

    /// Lets everything go on.
    pub fn thaw(&self) {
        self.rules.frozen.send_replace(false);
    }

    /// From now on new connections get bytes that are not TLS; those that are open go on.
    pub fn break_tls(&self, broken: bool) {
        self.rules.tls_broken.send_replace(broken);
    }

    /// Cuts every connection.
    pub fn cut_all(&self) {
        self.rules.cut.send_modify(|count| *count += 1);
    }

    /// Every request so far, in the order in which they came.
    pub fn requests(&self) -> Vec<Request> {
        self.rules.seen.borrow().clone()
    }

    /// How many requests there were with a verb for a resource (`secrets`, `mailidentities/status`).
    pub fn count(&self, verb: &str, resource: &str) -> usize {
        let seen = self.rules.seen.borrow();
        seen.iter().filter(|it| it.is(verb, resource)).count()
    }

    /// Waits until the requests so far fit.
    pub async fn requests_when(&self, fits: impl Fn(&[Request]) -> bool) -> Vec<Request> {
        let mut seen = self.rules.seen.subscribe();
        let wait = seen.wait_for(|requests| fits(requests));
        let found = tokio::time::timeout(PATIENCE, wait)
            .await
            .expect("such requests within a minute")
            .expect("the proxy runs");
        found.clone()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}
