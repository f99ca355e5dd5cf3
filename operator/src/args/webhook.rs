//! Flags about the webhook.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};

/// Flags about the webhook.
#[derive(Args, Clone, Debug)]
pub struct WebhookArgs {
    /// Runs without the webhook: pods get the sidecar by `zohorelay-operator inject` only.
    #[arg(long, env = "ZOHORELAY_NO_WEBHOOK")]
    pub no_webhook: bool,

    /// Address of the webhook; [::] falls back to 0.0.0.0.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "ZOHORELAY_WEBHOOK",
        default_value = "[::]:9443"
    )]
    pub webhook: SocketAddr,

    /// Name of the Service before the webhook; with the namespace it is the certificate's name.
    #[arg(
        long,
        value_name = "NAME",
        env = "ZOHORELAY_WEBHOOK_SERVICE",
        default_value = "zohorelay-webhook"
    )]
    pub webhook_service: String,

    /// Name of the `MutatingWebhookConfiguration` whose caBundle the operator keeps up to date.
    #[arg(
        long,
        value_name = "NAME",
        env = "ZOHORELAY_WEBHOOK_CONFIGURATION",
        default_value = "zohorelay"
    )]
    pub webhook_configuration: String,

    /// Name of the Secret with the webhook's certificate.
    #[arg(
        long,
        value_name = "NAME",
        env = "ZOHORELAY_WEBHOOK_SECRET",
        default_value = "zohorelay-webhook"
    )]
    pub webhook_secret: String,

    /// Who makes the certificate: the operator itself, or somebody else (cert-manager, a person) who
    /// keeps tls.crt, tls.key and the caBundle.
    #[arg(
        long,
        value_name = "SOURCE",
        env = "ZOHORELAY_CERT_SOURCE",
        default_value = "internal"
    )]
    pub cert_source: CertSource,

    /// A further name or IP address for the certificate; may be given several times.
    #[arg(
        long = "webhook-extra-san",
        value_name = "NAME",
        env = "ZOHORELAY_WEBHOOK_EXTRA_SANS",
        value_delimiter = ','
    )]
    pub extra_sans: Vec<String>,

    /// Name of the operator's Deployment, which owns the Lease and the webhook's Secret, so that they
    /// go when it goes.
    #[arg(long, value_name = "NAME", env = "ZOHORELAY_DEPLOYMENT")]
    pub deployment: Option<String>,
}

/// Who makes the webhook's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CertSource {
    /// The operator.
    Internal,
    /// cert-manager, which also keeps the caBundle.
    CertManager,
    /// Whoever keeps the Secret and the caBundle.
    Secret,
}
