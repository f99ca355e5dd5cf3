//! The HTTPS server for admission, and its certificate.
//!
//! - [`server`]: `POST /inject`, calm towards slow and greedy clients
//! - [`slot`]: the certificate that new connections get; [`readiness`]: whether the API server trusts it
//! - [`keeper`]: loads it from its Secret; with `--cert-source internal` the leader also
//!   does what is [`due`]: makes it ([`certificate`]), renews it step by step ([`rotation`], kept in
//!   the Secret by [`store`]) and publishes its CA ([`configuration`])

use std::net::SocketAddr;
use std::sync::Arc;

use kube::Client;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use zohorelay_process::listen::{self, ListenError};

use crate::args::WebhookArgs;
use crate::inject::Settings;
use crate::leadership::Leadership;
use crate::metrics::Metrics;

mod admission;
pub mod certificate;
pub mod cluster;
pub mod configuration;
pub mod due;
pub mod keeper;
pub mod readiness;
pub mod rotation;
pub mod server;
pub mod slot;
pub mod store;

use certificate::{CertificateError, Names};
use cluster::Cluster;
use keeper::{Keeper, Setting};
pub use readiness::Readiness;
use rotation::Lifetimes;
use slot::Slot;

/// Why the webhook cannot start.
#[derive(Debug, Error)]
pub enum BindError {
    /// Its port cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A name for the certificate is none.
    #[error(transparent)]
    Name(#[from] CertificateError),
}

/// The webhook of one replica: bound, not serving yet.
#[derive(Debug)]
pub struct Webhook {
    listener: TcpListener,
    args: WebhookArgs,
    namespace: String,
    names: Names,
    readiness: Readiness,
    lifetimes: Lifetimes,
}

impl Webhook {
    /// Takes the port; 0 is a free one. `namespace` is the operator's own. Must be called within a
    /// runtime.
    pub fn bind(args: &WebhookArgs, namespace: &str) -> Result<Self, BindError> {
        Ok(Self {
            names: Names::new(&args.webhook_service, namespace, &args.extra_sans)?,
            listener: listen::bind(args.webhook)?,
            args: args.clone(),
            namespace: namespace.to_owned(),
            readiness: Readiness::default(),
            lifetimes: Lifetimes::default(),
        })
    }

    /// With other lifetimes than 90 days and 5 minutes: for tests.
    #[must_use]
    pub fn with_lifetimes(mut self, lifetimes: Lifetimes) -> Self {
        self.lifetimes = lifetimes;
        self
    }

    /// Where it listens.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Whether the API server can call it.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Serves, and keeps the certificate, until `stop` and five seconds more.
    pub async fn run(
        self,
        client: Client,
        leadership: Leadership,
        settings: Settings,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Result<(), rustls::Error> {
        let slot = Slot::default();
        let tls = Arc::new(slot.server_config()?);
        let admit = admission::admit(settings, &metrics);
        let keeper = Keeper::new(
            Cluster::new(client, &self.namespace, &self.args),
            Setting {
                source: self.args.cert_source,
                names: self.names,
                lifetimes: self.lifetimes,
            },
            leadership,
            slot,
            self.readiness,
            metrics,
        );
        let serve = server::serve(self.listener, tls, admit, stop.clone());
        tokio::join!(keeper.run(stop), serve);
        Ok(())
    }
}
