//! Flags of `doctor`.

use std::path::PathBuf;

use clap::Args;

use super::parse_namespace;

/// Flags of `doctor`.
#[derive(Args, Clone, Debug)]
#[command(after_help = DOCTOR)]
pub struct DoctorArgs {
    /// One `MailIdentity`. Without a name: all of the namespace.
    #[arg(value_name = "IDENTITY")]
    pub identity: Option<String>,

    /// Where identities and pods are. Default: the namespace of the kubeconfig's context.
    #[arg(short = 'n', long, value_name = "NAME", value_parser = parse_namespace)]
    pub namespace: Option<String>,

    /// One pod only.
    #[arg(long, value_name = "NAME")]
    pub pod: Option<String>,

    /// Print JSON.
    #[arg(long)]
    pub json: bool,

    /// Print the details also of what is well.
    #[arg(long)]
    pub details: bool,

    /// Write a support bundle, without secrets: a new file, or `-` for stdout.
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,

    /// The operator's own namespace. Default: that of the webhook's Service, or else zohorelay-system.
    #[arg(long, value_name = "NAME", value_parser = parse_namespace)]
    pub operator_namespace: Option<String>,

    /// The operator's Lease and Deployment. Default: that of the webhook's configuration with -operator.
    #[arg(long, value_name = "NAME")]
    pub lease: Option<String>,

    /// The `MutatingWebhookConfiguration`. Default: the one for this namespace.
    #[arg(long, value_name = "NAME")]
    pub webhook_configuration: Option<String>,
}

const DOCTOR: &str = "\
It reads with your own rights, finds the cluster as kubectl does, changes nothing, and never reads a
password. What you may not read is skipped, and the right that is missing is named.

Examples:
  zohorelay-operator doctor -n shop billing
  zohorelay-operator doctor -n shop --pod web-5d4f-x7k2p
  zohorelay-operator doctor -n shop billing --bundle - > bundle.json
  kubectl -n zohorelay-system exec deploy/zohorelay-operator -- /zohorelay-operator doctor -n shop

Exit codes: 0 nothing is broken; else that of the first failure: 30 API server, 31 definition, 32 namespace,
33 operator, 34 webhook, 35 identity, 36 Secret, 37 login, 38 delivery, 39 workload, 40 pod, 41 sidecar.
64 bad flags or no kubeconfig; 73 the bundle cannot be written.";
