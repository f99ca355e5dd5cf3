//! Flags of `doctor`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use zohorelay_smtp::address::Address;

use super::{parse_address, parse_ehlo_name, parse_identity_name, parse_loopback};

pub(super) const EXAMPLE: &str = "\
Examples:
  kubectl exec POD -c zohorelay -- /zohorelay-sidecar doctor
      looks at each identity of the pod, from inside
  kubectl exec POD -c zohorelay -- /zohorelay-sidecar doctor --from shop@example.com
      also says what becomes of a mail with that From
  kubectl exec POD -c zohorelay -- /zohorelay-sidecar doctor --bundle - > bundle.json
      also writes all it saw for a support ticket, passwords and names hidden
  zohorelay-sidecar doctor --host smtp.zoho.eu
      looks at the way to a server from anywhere, without an identity

No mail is sent, and nobody logs in unless --auth is given. The exit code is that of the first failure:
0 nothing is broken; 10 document; 11 resolve; 12 connect; 13 tls; 14 greeting; 15 auth; 16 sender; 64 bad
flags; 73 the bundle cannot be written; 70 no trust anchors, or a fault of its own.";

/// Flags of `doctor`.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// Folder with one folder per identity, as in `run`.
    #[arg(
        long,
        value_name = "DIR",
        env = "ZOHORELAY_IDENTITIES",
        default_value = "/etc/zohorelay/identities"
    )]
    pub identities: PathBuf,

    /// Only this identity; may be given several times. Without it: all in the folder, and all that the
    /// running sidecar knows.
    #[arg(
        long = "identity",
        value_name = "NAME",
        env = "ZOHORELAY_IDENTITY",
        value_delimiter = ',',
        value_parser = parse_identity_name
    )]
    pub names: Vec<String>,

    /// Only the way to this server, without any identity.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["from", "auth", "dkim_selectors"])]
    pub host: Option<String>,

    /// Say what becomes of a mail with this From.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_mailbox)]
    pub from: Option<Address>,

    /// Log in once. A refused login counts at Zoho, so it is not done while the running sidecar or the
    /// document holds the account; `--auth=force` does it all the same.
    #[arg(
        long,
        value_name = "HOW",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "once"
    )]
    pub auth: Option<Auth>,

    /// A DKIM selector of the sender's domain; may be given several times.
    #[arg(long = "dkim-selector", value_name = "NAME", value_parser = parse_identity_name)]
    pub dkim_selectors: Vec<String>,

    /// Ask this name server instead of those of /etc/resolv.conf.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub name_server: Option<SocketAddr>,

    /// Port with TLS from the first byte, for a server that has another than Zoho.
    #[arg(long, value_name = "PORT", default_value_t = 465)]
    pub implicit_tls_port: u16,

    /// Port with STARTTLS, for a server that has another than Zoho.
    #[arg(long, value_name = "PORT", default_value_t = 587)]
    pub starttls_port: u16,

    /// Print JSON.
    #[arg(long)]
    pub json: bool,

    /// Print the details also of what is well: certificates, extensions, the route.
    #[arg(long)]
    pub details: bool,

    /// Write a support bundle: a new file, or `-` for stdout.
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,

    /// Address of /metrics and /summary of the running sidecar.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "ZOHORELAY_ADMIN",
        default_value = "127.0.0.1:9465",
        value_parser = parse_address
    )]
    pub admin: SocketAddr,

    /// Address of /status of the running sidecar.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "ZOHORELAY_PAGE",
        default_value = "127.0.0.1:9466",
        value_parser = parse_loopback
    )]
    pub page: SocketAddr,

    /// Name given to the server in EHLO.
    #[arg(
        long,
        value_name = "NAME",
        env = "ZOHORELAY_EHLO_NAME",
        default_value = "localhost",
        value_parser = parse_ehlo_name
    )]
    pub ehlo_name: String,
}

/// When to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    /// Unless a login was refused before.
    Once,
    /// Whatever was before.
    Force,
}

fn parse_mailbox(text: &str) -> Result<Address, String> {
    Address::parse(text)
        .map_err(|error| format!("{error}; give an address, as in shop@example.com"))
}
