//! How a simulator is to behave from its start.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use crate::account::{Account, Block};
use crate::fault::Fault;
use crate::hosts::DataCentre;
use crate::policy::MessagePolicy;
use crate::texts;
use crate::tls::Certificate;

const ANY_LOOPBACK_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Which text denies a foreign sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wording {
    /// R1, `553 Relaying disallowed as <address>`: seen until 2025.
    Old,
    /// R2, `553 Sender is not allowed to relay emails`: seen since 2026.
    #[default]
    New,
}

impl FromStr for Wording {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "old" => Ok(Self::Old),
            "new" => Ok(Self::New),
            _ => Err(format!("no wording {name}: use old or new")),
        }
    }
}

/// How a simulator is to behave. The default listens on any free loopback ports, has no account,
/// and never blocks one.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen with TLS from the first byte (Zoho's 465).
    pub implicit_tls: Option<SocketAddr>,
    /// Where to listen for STARTTLS (Zoho's 587).
    pub starttls: Option<SocketAddr>,
    /// Where to serve the HTTP API. It asks for no password: keep it on loopback.
    pub api: Option<SocketAddr>,
    /// The accounts at the start.
    pub accounts: Vec<Account>,
    /// The faults at the start.
    pub faults: Vec<Fault>,
    /// Names and addresses for the certificate, beside localhost and Zoho's published hosts.
    pub hosts: Vec<String>,
    /// The certificate of every handshake that no fault changes.
    pub certificate: Certificate,
    /// The data centre behind a host name that is not one of Zoho's.
    pub data_centre: DataCentre,
    /// Which 553 denies a foreign sender.
    pub wording: Wording,
    /// Close the connection after the 553, as Zoho seems to do.
    pub close_after_refusal: bool,
    /// What EHLO lists as SIZE, and what MAIL and the end of DATA hold against a mail.
    pub size_limit_bytes: u64,
    /// Mails that an account may send in a rolling hour before it is blocked.
    pub messages_per_hour: Option<u32>,
    /// The block that too many mails in an hour bring.
    pub rate_block: Block,
    /// Refused logins in a row that block an account (R11 at AUTH).
    pub failed_logins: Option<u32>,
    /// The message policies that are on.
    pub policies: Vec<MessagePolicy>,
    /// Seed of the bytes that [`crate::Action::Garbage`] sends.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            implicit_tls: Some(ANY_LOOPBACK_PORT),
            starttls: Some(ANY_LOOPBACK_PORT),
            api: Some(ANY_LOOPBACK_PORT),
            accounts: Vec::new(),
            faults: Vec::new(),
            hosts: Vec::new(),
            certificate: Certificate::Good,
            data_centre: DataCentre::Us,
            wording: Wording::default(),
            close_after_refusal: true,
            size_limit_bytes: texts::SIZE_LIMIT_BYTES,
            messages_per_hour: None,
            rate_block: Block::UnusualActivity,
            failed_logins: None,
            policies: Vec::new(),
            seed: 0,
        }
    }
}

impl Options {
    /// The default with one account.
    pub fn with_account(account: Account) -> Self {
        Self {
            accounts: vec![account],
            ..Self::default()
        }
    }
}
