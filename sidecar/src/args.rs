//! The command line: each flag also as an environment variable `ZOHORELAY_…`.

mod doctor;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use zohorelay_config::is_dns_label;
use zohorelay_process::telemetry;

pub use self::doctor::{Auth, DoctorArgs};

/// A local SMTP port that forwards to Zoho, and says why a mail failed.
#[derive(Debug, Parser)]
#[command(name = "zohorelay-sidecar", version, after_help = EXAMPLE)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLE: &str = "\
Example:
  zohorelay-sidecar run --identities /etc/zohorelay/identities --identity billing --spool /tmp

  reads /etc/zohorelay/identities/billing/identity.json, listens on 127.0.0.1:2525 and [::1]:2525,
  and serves /metrics, /live, /ready and /summary on port 9465, /status and a page on 127.0.0.1:9466.

Exit codes: 0 after SIGTERM; 64 bad flags or a folder that is not there; 69 a port cannot be had;
73 the spool cannot be written; 70 a fault of its own. `wait` exits with 0 when ready, or 1 and the reason.

Mail does not arrive? In the pod: /zohorelay-sidecar doctor";

/// The things a sidecar does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Listen for mail and forward it until SIGTERM.
    Run(Box<RunArgs>),
    /// Return as soon as a sidecar is ready (for a postStart hook).
    Wait(WaitArgs),
    /// Find out why mail does not go, and say what to do.
    #[command(after_help = doctor::EXAMPLE)]
    Doctor(Box<DoctorArgs>),
}

/// Flags of `run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Folder with one folder per identity: DIR/NAME/identity.json.
    #[arg(long, value_name = "DIR", env = "ZOHORELAY_IDENTITIES")]
    pub identities: PathBuf,

    /// An identity of this pod; may be given several times, the first is the default.
    #[arg(
        long = "identity",
        value_name = "NAME",
        env = "ZOHORELAY_IDENTITY",
        value_delimiter = ',',
        required = true,
        value_parser = parse_identity_name
    )]
    pub names: Vec<String>,

    /// Port for SMTP on 127.0.0.1 and `::1`; 0 takes a free one.
    #[arg(
        long,
        value_name = "PORT",
        env = "ZOHORELAY_SMTP_PORT",
        default_value_t = 2525
    )]
    pub smtp_port: u16,

    /// Address of /metrics, /live, /ready and /summary; [::] falls back to 0.0.0.0.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "ZOHORELAY_ADMIN",
        default_value = "[::]:9465",
        value_parser = parse_address
    )]
    pub admin: SocketAddr,

    /// Address of /status; must be loopback.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "ZOHORELAY_PAGE",
        default_value = "127.0.0.1:9466",
        value_parser = parse_loopback
    )]
    pub page: SocketAddr,

    /// Folder for the bodies of mails over 256 KiB (files without a name).
    #[arg(
        long,
        value_name = "DIR",
        env = "ZOHORELAY_SPOOL",
        default_value = "/tmp"
    )]
    pub spool: PathBuf,

    /// How much of the spool all mails together may take; 452 after that. Units: Ki, Mi, Gi.
    #[arg(
        long,
        value_name = "SIZE",
        env = "ZOHORELAY_SPOOL_BYTES",
        default_value = "1Gi",
        value_parser = parse_size
    )]
    pub spool_bytes: u64,

    /// Sessions at a time; one more is told 421.
    #[arg(
        long,
        value_name = "N",
        env = "ZOHORELAY_MAX_SESSIONS",
        default_value_t = 200,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    pub max_sessions: u32,

    /// Name given to Zoho in EHLO; Zoho writes it into the Received header that recipients see.
    #[arg(
        long,
        value_name = "NAME",
        env = "ZOHORELAY_EHLO_NAME",
        default_value = "localhost",
        value_parser = parse_ehlo_name
    )]
    pub ehlo_name: String,

    /// Offer AUTH to apps that insist on logging in: any password is taken, and a user name that
    /// is the name of an identity picks that identity.
    #[arg(
        long,
        env = "ZOHORELAY_ACCEPT_ANY_LOGIN",
        action = clap::ArgAction::SetTrue,
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    pub accept_any_login: bool,

    /// File for the last words of the container; written only where it exists.
    #[arg(
        long,
        value_name = "FILE",
        env = "ZOHORELAY_TERMINATION_LOG",
        default_value = "/dev/termination-log"
    )]
    pub termination_log: PathBuf,

    /// What to log: a level, or targets as in `info,zohorelay_sidecar=debug`. Addresses of mails
    /// appear at debug only; passwords and content never.
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

/// Flags of `wait`.
#[derive(Args, Clone, Debug)]
pub struct WaitArgs {
    /// Address of the admin port of the sidecar to wait for.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "ZOHORELAY_ADMIN",
        default_value = "127.0.0.1:9465",
        value_parser = parse_address
    )]
    pub admin: SocketAddr,

    /// How long to wait. Units: ms, s, m.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub timeout: Duration,
}

fn parse_identity_name(text: &str) -> Result<String, String> {
    if !is_dns_label(text) {
        return Err("an identity's name is a DNS label: a-z, 0-9 and '-', at most 63".to_owned());
    }
    Ok(text.to_owned())
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "give an address and a port, as in 127.0.0.1:9466 or [::]:9465; no names".to_owned()
    })
}

fn parse_loopback(text: &str) -> Result<SocketAddr, String> {
    let address = parse_address(text)?;
    if !address.ip().is_loopback() {
        return Err("/status names senders, so it must be a loopback address".to_owned());
    }
    Ok(address)
}

fn parse_ehlo_name(text: &str) -> Result<String, String> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-.[]:".contains(&b);
    if text.is_empty() || text.len() > 255 || !text.bytes().all(legal) {
        return Err(
            "give a host name or an address literal, as in localhost or [192.0.2.1]".into(),
        );
    }
    Ok(text.to_owned())
}

fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => 1,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return Err("the units are Ki, Mi and Gi, as in 1Gi".to_owned()),
    };
    let count: u64 = digits
        .parse()
        .map_err(|_| "give a size, as in 1Gi".to_owned())?;
    count
        .checked_mul(unit)
        .ok_or_else(|| "that is too much".to_owned())
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: u64 = digits
        .parse()
        .map_err(|_| "give a time, as in 10s".to_owned())?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(count)),
        "s" => Ok(Duration::from_secs(count)),
        "m" if count <= 60 * 24 => Ok(Duration::from_secs(count * 60)),
        _ => Err("the units are ms, s and m, as in 10s".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(parse_size("1Gi"), Ok(1 << 30));
        assert_eq!(parse_size("64Ki"), Ok(65_536));
        assert_eq!(parse_size("10"), Ok(10));
        for bad in ["", "Gi", "1GB", "-1", "99999999999Gi"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(parse_duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for bad in ["10", "s", "1h", "99999999999999m"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_page_is_for_loopback_only() {
        assert!(parse_loopback("127.0.0.1:0").is_ok());
        assert!(parse_loopback("[::1]:9466").is_ok());
        assert!(parse_loopback("0.0.0.0:9466").is_err());
    }

    #[test]
    fn a_name_that_is_a_path_is_refused() {
        assert!(parse_identity_name("billing").is_ok());
        for bad in ["", "../x", "a/b", "A", "-a", "a-", ".", "a.b"] {
            assert!(parse_identity_name(bad).is_err(), "{bad}");
        }
    }
}
