//! The command line.

use clap::Parser;

/// Sends mail to its sidecar and tells on stdout what it was told, a JSON line each.
#[derive(Debug, Parser)]
#[command(args_override_self = true)]
pub(crate) struct Arguments {
    /// Host of the sidecar.
    #[arg(long, env = "SMTP_HOST", default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// Port of the sidecar.
    #[arg(long, env = "SMTP_PORT", default_value_t = 2525)]
    pub(crate) port: u16,
    /// Sender, in the envelope and in From.
    #[arg(long, env = "APP_FROM")]
    pub(crate) from: String,
    /// Recipient.
    #[arg(long, env = "APP_TO", default_value = "you@example.org")]
    pub(crate) to: String,
    /// Beginning of each Message-ID: `<RUN.HOSTNAME.START.NUMBER@app.test>`.
    #[arg(long, env = "APP_RUN", default_value = "run")]
    pub(crate) run: String,
    /// How many mails; 0: until SIGTERM.
    #[arg(long, default_value_t = 1)]
    pub(crate) count: u64,
    /// Milliseconds between two mails.
    #[arg(long, default_value_t = 500)]
    pub(crate) every_ms: u64,
    /// How many mails when SIGTERM comes, before it ends; it waits for that signal.
    #[arg(long, default_value_t = 0)]
    pub(crate) at_term: u64,
    /// How often a mail that met a 4yz or a broken connection is submitted again, with the same
    /// Message-ID.
    #[arg(long, default_value_t = 0)]
    pub(crate) retries: u32,
    /// Milliseconds before each of these.
    #[arg(long, default_value_t = 1000)]
    pub(crate) retry_ms: u64,
    /// Stay until SIGTERM once all mails are sent.
    #[arg(long)]
    pub(crate) linger: bool,
    /// Exit with 0 though a mail was not taken.
    #[arg(long)]
    pub(crate) exit_zero: bool,
    /// Bytes of each body.
    #[arg(long, default_value_t = 100)]
    pub(crate) body_bytes: usize,
}
