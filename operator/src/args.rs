//! The command line: each flag also as an environment variable `ZOHORELAY_…`.

mod doctor;
mod webhook;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use zohorelay_config::is_dns_label;
use zohorelay_process::telemetry;

pub use self::doctor::DoctorArgs;
pub use self::webhook::{CertSource, WebhookArgs};

/// The longest time that a flag takes.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Declares mail identities to pods: reconciles `MailIdentity` objects and injects the sidecar.
#[derive(Debug, Parser)]
#[command(name = "zohorelay-operator", version, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  zohorelay-operator crds | kubectl apply --server-side -f -
  zohorelay-operator render --into identities billing.yaml secret.yaml
  zohorelay-operator inject --sidecar-image registry.example.com/zohorelay/sidecar:0.1.0 < app.yaml
  zohorelay-operator doctor -n shop billing

Exit codes: 0 after SIGTERM or when done; 1 the input is refused (the reason is on stderr); 64 bad flags;
69 a port cannot be had; 70 a fault of its own; 73 a file cannot be written.
Those of doctor: zohorelay-operator doctor --help.";

/// What the operator can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Reconcile identities and serve the webhook until SIGTERM.
    Run(Box<RunArgs>),
    /// Print the `CustomResourceDefinition` as YAML.
    Crds,
    /// Turn `MailIdentity` and Secret YAML into the folder that a sidecar reads, without a cluster.
    Render(RenderArgs),
    /// Put the sidecar into the workloads of a YAML stream: stdin to stdout, without a webhook.
    /// Comments inside a document that is injected are lost, and its keys are sorted.
    Inject(InjectArgs),
    /// Say in plain words why mail of a namespace does not go, and what to do.
    Doctor(DoctorArgs),
}

/// Flags of `run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// The operator's own namespace: that of its Lease, its webhook's Secret and Service.
    #[arg(
        long,
        value_name = "NAME",
        env = "ZOHORELAY_OPERATOR_NAMESPACE",
        value_parser = parse_namespace
    )]
    pub operator_namespace: String,

    /// Namespace to look after; may be given several times. None: all of them.
    #[arg(
        long = "watch-namespace",
        value_name = "NAME",
        env = "ZOHORELAY_WATCH_NAMESPACES",
        value_delimiter = ',',
        value_parser = parse_namespace
    )]
    pub watch_namespaces: Vec<String>,

    /// A host beside Zoho's own that an identity may name in server.host; `*.example.com` stands for
    /// every name below. May be given several times.
    #[arg(
        long = "allowed-upstream-host",
        value_name = "HOST",
        env = "ZOHORELAY_ALLOWED_UPSTREAM_HOSTS",
        value_delimiter = ','
    )]
    pub allowed_upstream_hosts: Vec<String>,

    /// Least time between two logins at Zoho. Units: ms, s, m.
    #[arg(
        long,
        value_name = "TIME",
        env = "ZOHORELAY_LOGIN_INTERVAL",
        default_value = "1s",
        value_parser = parse_duration
    )]
    pub login_interval: Duration,

    /// Least time between two logins of one mail domain.
    #[arg(
        long,
        value_name = "TIME",
        env = "ZOHORELAY_DOMAIN_LOGIN_INTERVAL",
        default_value = "10s",
        value_parser = parse_duration
    )]
    pub domain_login_interval: Duration,

    /// Name of the Lease that elects the leader.
    #[arg(
        long,
        value_name = "NAME",
        env = "ZOHORELAY_LEASE",
        default_value = "zohorelay-operator"
    )]
    pub lease: String,

    /// Name of this replica in the Lease. Default: the host name and a random suffix.
    #[arg(long, value_name = "NAME", env = "ZOHORELAY_REPLICA")]
    pub replica: Option<String>,

    /// Address of /metrics, /live and /ready; [::] falls back to 0.0.0.0.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "ZOHORELAY_ADMIN",
        default_value = "[::]:9465"
    )]
    pub admin: SocketAddr,

    /// Address of the page that shows all identities; must be loopback.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "ZOHORELAY_PAGE",
        default_value = "127.0.0.1:9466",
        value_parser = parse_loopback
    )]
    pub page: SocketAddr,

    /// The webhook.
    #[command(flatten)]
    pub webhook: WebhookArgs,

    /// The sidecar.
    #[command(flatten)]
    pub sidecar: SidecarArgs,

    /// What to log: a level, or targets as in `info,zohorelay_operator=debug`.
    #[arg(
        long,
        value_name = "FILTER",
        env = "ZOHORELAY_LOG",
        default_value = "info"
    )]
    pub log: String,

    /// How to log.
    #[arg(
        long,
        value_name = "FORMAT",
        env = "ZOHORELAY_LOG_FORMAT",
        default_value = "json"
    )]
    pub log_format: telemetry::Format,
}

/// Flags about the sidecar that is injected.
#[derive(Args, Clone, Debug)]
pub struct SidecarArgs {
    /// Image of the sidecar.
    #[arg(
        long = "sidecar-image",
        value_name = "IMAGE",
        env = "ZOHORELAY_SIDECAR_IMAGE"
    )]
    pub image: String,

    /// When the kubelet pulls it: Always, `IfNotPresent` or Never. Default: as Kubernetes decides.
    #[arg(
        long = "sidecar-image-pull-policy",
        value_name = "POLICY",
        env = "ZOHORELAY_SIDECAR_IMAGE_PULL_POLICY",
        value_parser = ["Always", "IfNotPresent", "Never"]
    )]
    pub image_pull_policy: Option<String>,

    /// A pull secret that is added to pods; may be given several times. It must exist in the pod's
    /// namespace.
    #[arg(
        long = "sidecar-image-pull-secret",
        value_name = "NAME",
        env = "ZOHORELAY_SIDECAR_IMAGE_PULL_SECRETS",
        value_delimiter = ','
    )]
    pub image_pull_secrets: Vec<String>,

    /// User id of the sidecar; `none` leaves it to the cluster (`OpenShift`).
    #[arg(
        long = "sidecar-run-as-user",
        value_name = "UID",
        env = "ZOHORELAY_SIDECAR_RUN_AS_USER",
        default_value = "65532"
    )]
    pub run_as_user: String,

    /// CPU request of the sidecar.
    #[arg(
        long = "sidecar-cpu-request",
        value_name = "QUANTITY",
        env = "ZOHORELAY_SIDECAR_CPU_REQUEST",
        default_value = "10m"
    )]
    pub cpu_request: String,

    /// CPU limit of the sidecar; none by default.
    #[arg(
        long = "sidecar-cpu-limit",
        value_name = "QUANTITY",
        env = "ZOHORELAY_SIDECAR_CPU_LIMIT"
    )]
    pub cpu_limit: Option<String>,

    /// Memory request of the sidecar.
    #[arg(
        long = "sidecar-memory-request",
        value_name = "QUANTITY",
        env = "ZOHORELAY_SIDECAR_MEMORY_REQUEST",
        default_value = "16Mi"
    )]
    pub memory_request: String,

    /// Memory limit of the sidecar.
    #[arg(
        long = "sidecar-memory-limit",
        value_name = "QUANTITY",
        env = "ZOHORELAY_SIDECAR_MEMORY_LIMIT",
        default_value = "64Mi"
    )]
    pub memory_limit: String,

    /// What sidecars log, where the pod does not say.
    #[arg(
        long = "sidecar-log",
        value_name = "FILTER",
        env = "ZOHORELAY_SIDECAR_LOG",
        default_value = "info"
    )]
    pub sidecar_log: String,
}

/// Flags of `render`.
#[derive(Args, Clone, Debug)]
pub struct RenderArgs {
    /// YAML files with `MailIdentity` objects and the Secrets they name; `-` is stdin.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Folder to write to: DIR/NAME/identity.json for each identity.
    #[arg(long, value_name = "DIR")]
    pub into: PathBuf,

    /// A host beside Zoho's own that an identity may name; may be given several times.
    #[arg(
        long = "allowed-upstream-host",
        value_name = "HOST",
        value_delimiter = ','
    )]
    pub allowed_upstream_hosts: Vec<String>,
}

/// Flags of `inject`.
#[derive(Args, Clone, Debug)]
pub struct InjectArgs {
    /// The sidecar.
    #[command(flatten)]
    pub sidecar: SidecarArgs,
}

/// A DNS label: an empty name would reach for the whole cluster.
fn parse_namespace(text: &str) -> Result<String, String> {
    if is_dns_label(text) {
        Ok(text.to_owned())
    } else {
        Err("a namespace is a-z, 0-9 and inner hyphens, at most 63 characters".to_owned())
    }
}

/// Whoever reaches the pod's address must not read about all namespaces.
fn parse_loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "give an address and a port, as in 127.0.0.1:9466".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("the page shows all identities, so it must be a loopback address".to_owned())
    }
}

/// At most a day: it is added to points in time.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: u64 = digits
        .parse()
        .map_err(|_| "give a time, as in 10s".to_owned())?;
    let time = match &text[digits.len()..] {
        "ms" => Duration::from_millis(count),
        "s" => Duration::from_secs(count),
        "m" => Duration::from_secs(count.saturating_mul(60)),
        _ => return Err("the units are ms, s and m, as in 10s".to_owned()),
    };
    if time > DAY {
        return Err("more than a day is too long; give a time, as in 10s".to_owned());
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_and_is_at_most_a_day() {
        assert_eq!(parse_duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("1440m"), Ok(DAY));
        for wrong in [
            "",
            "5",
            "s",
            "-1s",
            "1.5s",
            "1h",
            "1441m",
            "86401s",
            "18446744073709551615s",
        ] {
            parse_duration(wrong).unwrap_err();
        }
    }

    #[test]
    fn the_page_is_for_loopback_only() {
        assert!(parse_loopback("127.0.0.1:0").is_ok());
        assert!(parse_loopback("[::1]:9466").is_ok());
        for wrong in ["0.0.0.0:9466", "[::]:9466", "10.0.0.1:9466", "9466"] {
            parse_loopback(wrong).unwrap_err();
        }
    }

    #[test]
    fn a_namespace_that_is_empty_or_no_name_is_refused_with_its_flag() {
        let run = |flags: &[&str]| {
            let required = ["zohorelay-operator", "run", "--sidecar-image=i"];
            Cli::try_parse_from(required.iter().chain(flags))
        };
        run(&["--operator-namespace=mail", "--watch-namespace=shop,crm"]).unwrap();
        for (flags, named) in [
            (&["--operator-namespace="][..], "--operator-namespace"),
            (&["--operator-namespace=a/b"], "--operator-namespace"),
            (
                &["--operator-namespace=mail", "--watch-namespace="],
                "--watch-namespace",
            ),
            (
                &["--operator-namespace=mail", "--watch-namespace=shop, crm"],
                "--watch-namespace",
            ),
        ] {
            let refusal = run(flags).unwrap_err().to_string();
            assert!(refusal.contains(named), "{refusal}");
        }
    }
}
