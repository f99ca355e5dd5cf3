//! `zoho-simulator`: a Zoho for CI.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Parser;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use zoho_simulator::{
    Account, Certificate, Fault, MessagePolicy, Options, Running, Simulator, Wording,
};

/// A Zoho that behaves as Zoho does, with faults on demand, for tests and CI.
///
/// It speaks SMTP as Zoho's submission servers do: implicit TLS (Zoho's 465), STARTTLS (Zoho's
/// 587), AUTH LOGIN and PLAIN, a check of the sender at the end of DATA with Zoho's own texts.
/// No mail leaves it. When it listens, it prints one JSON line with its addresses.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Example, with free ports:\n  zoho-simulator --ca-out ca.pem --account \
        'billing@example.com:app-password:invoices@example.com' --ready-file ready.json\nThen:\n  \
        curl --cacert ca.pem --user billing@example.com:app-password --url smtps://localhost:PORT \
        \\\n    --mail-from billing@example.com --mail-rcpt you@example.net --upload-file mail.eml\n  \
        curl http://API/mails\nFaults, for example a mail that is taken and whose reply is \
        lost:\n  curl http://API/faults -d '{\"at\":\"end_of_data\",\"action\":\
        {\"accept_then\":\"reset\"},\"times\":1}'"
)]
struct Arguments {
    /// Address of the implicit-TLS port; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    implicit_tls: SocketAddr,
    /// Address of the STARTTLS port.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    starttls: SocketAddr,
    /// Address of the HTTP API. It asks for no password: keep it on loopback.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    api: SocketAddr,
    /// Write the CA's certificate (PEM) here; clients must trust it.
    #[arg(long, value_name = "FILE")]
    ca_out: Option<PathBuf>,
    /// Write the JSON line here too, once all ports listen.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// An account: `address:app-password`, and after another colon its aliases. An alias
    /// `@example.com` stands for a whole domain. May be repeated.
    #[arg(long = "account", value_name = "ADDRESS:PASSWORD[:ALIAS,ALIAS]", value_parser = account)]
    accounts: Vec<Account>,
    /// Turn two-factor on for an account: its own password, given here, is refused with 535.
    #[arg(long, value_name = "ADDRESS:ACCOUNT-PASSWORD")]
    two_factor: Vec<String>,
    /// The text that denies a foreign sender: `old` (Relaying disallowed as …) or `new` (Sender
    /// is not allowed to relay emails).
    #[arg(long, default_value = "new")]
    wording: Wording,
    /// Keep the connection open after that 553 (Zoho seems to close it).
    #[arg(long)]
    keep_open_after_553: bool,
    /// Block an account that sends more mails than this in an hour.
    #[arg(long, value_name = "N")]
    messages_per_hour: Option<u32>,
    /// Block an account after so many refused logins in a row.
    #[arg(long, value_name = "N")]
    failed_logins: Option<u32>,
    /// Largest mail in bytes, as EHLO lists it.
    #[arg(long, default_value_t = 53_477_376, value_name = "BYTES")]
    size_limit: u64,
    /// A message policy to turn on: subject, virus or executable. May be repeated.
    #[arg(long = "policy", value_name = "POLICY")]
    policies: Vec<MessagePolicy>,
    /// Another name or address for the certificate, beside localhost, its addresses and Zoho's
    /// published hosts. May be repeated.
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// The certificate: good, other-name, self-signed, expired, unknown-root, common-name-only,
    /// wildcard-two-levels or wrong-usage.
    #[arg(long, default_value_t = Certificate::Good)]
    certificate: Certificate,
    /// A fault from the start, as JSON; the README has the table. May be repeated.
    #[arg(long = "fault", value_name = "JSON", value_parser = fault)]
    faults: Vec<Fault>,
    /// Seed of the garbage that faults send.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn account(text: &str) -> Result<Account, String> {
    let mut parts = text.splitn(3, ':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(address), Some(password), aliases) if !address.is_empty() && !password.is_empty() => {
            let aliases = aliases
                .unwrap_or_default()
                .split(',')
                .filter(|alias| !alias.is_empty());
            Ok(aliases.fold(Account::new(address, password), Account::alias))
        }
        _ => Err("write address:app-password, then perhaps :alias,alias".to_owned()),
    }
}

fn fault(json: &str) -> Result<Fault, String> {
    serde_json::from_str(json).map_err(|error| {
        format!("{error}; write JSON such as {{\"at\":\"mail\",\"action\":\"reset\",\"times\":1}}")
    })
}

impl Arguments {
    fn options(&self) -> anyhow::Result<Options> {
        let mut accounts = self.accounts.clone();
        for text in &self.two_factor {
            let Some((address, password)) = text.split_once(':') else {
                bail!("--two-factor {text}: write address:account-password");
            };
            let Some(account) = accounts
                .iter_mut()
                .find(|account| account.address == address)
            else {
                bail!("--two-factor {address}: give that account with --account too");
            };
            *account = account.clone().two_factor(password);
        }
        Ok(Options {
            implicit_tls: Some(self.implicit_tls),
            starttls: Some(self.starttls),
            api: Some(self.api),
            accounts,
            faults: self.faults.clone(),
            hosts: self.hosts.clone(),
            certificate: self.certificate,
            wording: self.wording,
            close_after_refusal: !self.keep_open_after_553,
            size_limit_bytes: self.size_limit,
            messages_per_hour: self.messages_per_hour,
            failed_logins: self.failed_logins,
            policies: self.policies.clone(),
            seed: self.seed,
            ..Options::default()
        })
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell it to when standard error is closed.
            let _ = writeln!(std::io::stderr(), "zoho-simulator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    // Before anything is announced, so that a signal right after it ends the process well.
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let running = Simulator::start(arguments.options()?).await?;
    announce(arguments, &running)?;
    first_of(&mut terminate, &mut interrupt).await;
    running.stop().await;
    Ok(())
}

async fn first_of(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn announce(arguments: &Arguments, running: &Running) -> anyhow::Result<()> {
    if let Some(path) = &arguments.ca_out {
        write(path, running.ca_pem())?;
    }
    let line = json!({
        "message": "listening",
        "implicit_tls": running.implicit_tls(),
        "starttls": running.starttls(),
        "api": running.api(),
    });
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .context("announcing the ports")?;
    if let Some(path) = &arguments.ready_file {
        write(path, &format!("{line}\n"))?;
    }
    Ok(())
}

/// Through a temporary name, so that a waiting script never reads half a file.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    std::fs::write(&partial, text)
        .and_then(|()| std::fs::rename(&partial, path))
        .with_context(|| format!("writing {}", path.display()))
}
