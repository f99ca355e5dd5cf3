//! Why a mail did not go through: where in the dialog, which kind, and what the server said.
//!
//! [`Stage`] and [`Class`] are closed sets, since they are labels of metrics and keys of alerts.

mod remedy;

use std::fmt;

use zohorelay_smtp::reply::Reply;

use crate::classify;

/// The step of the upstream dialog at which something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Name resolution and TCP.
    Connect,
    /// The TLS handshake, with STARTTLS before it where the port asks for that.
    Tls,
    /// The server's banner.
    Greeting,
    /// EHLO, inside TLS (and the one before STARTTLS).
    Ehlo,
    /// The login.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA up to its 354.
    Data,
    /// The content, our final dot, and the reply to it.
    EndOfData,
}

impl Stage {
    /// Every stage, in the order of the dialog.
    pub const ALL: [Self; 9] = [
        Self::Connect,
        Self::Tls,
        Self::Greeting,
        Self::Ehlo,
        Self::Auth,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::EndOfData,
    ];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Greeting => "greeting",
            Self::Ehlo => "ehlo",
            Self::Auth => "auth",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::EndOfData => "end_of_data",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kind of a failure: what a person or a program would do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Zoho does not let this login send as that address (`docs/zoho.md` R1 to R4).
    RelayDenied,
    /// The login was refused (R5, R6, R8).
    AuthFailed,
    /// The whole mailbox may not send for now (R9 to R11).
    AccountBlocked,
    /// Too many mails in too short a time (R13).
    RateLimited,
    /// The server does not take a recipient (R14, I1).
    RecipientRefused,
    /// The server does not take this mail: its size, a virus, its content (R15 to R17).
    MessageRefused,
    /// No trustworthy TLS (R25).
    Tls,
    /// No address, or no connection to any (R23, R24).
    Connect,
    /// A step took longer than it may.
    Timeout,
    /// The server broke the protocol, or says that we did.
    Protocol,
    /// The server asks to try again later (R18, R22).
    Transient,
    /// The reply to our final dot is lost: the mail may have been taken or not.
    UnknownOutcome,
    /// The application hung up before our final dot was sent.
    AppGone,
    /// A refusal that no table knows.
    Unclassified,
    /// The sidecar's policy does not let the mail go under that From.
    SenderRefused,
    /// The application broke the framing of DATA.
    Framing,
    /// The mail is larger than the identity allows.
    TooLarge,
    /// The identity's hourly limit holds the mail back.
    Paced,
    /// The breaker is open or the operator holds the identity.
    Held,
    /// The identity has no document yet.
    NotConfigured,
    /// No free connection or no room in the spool.
    Busy,
    /// More recipients than the identity allows.
    TooManyRecipients,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 22] = [
        Self::RelayDenied,
        Self::AuthFailed,
        Self::AccountBlocked,
        Self::RateLimited,
        Self::RecipientRefused,
        Self::MessageRefused,
        Self::Tls,
        Self::Connect,
        Self::Timeout,
        Self::Protocol,
        Self::Transient,
        Self::UnknownOutcome,
        Self::AppGone,
        Self::Unclassified,
        Self::SenderRefused,
        Self::Framing,
        Self::TooLarge,
        Self::Paced,
        Self::Held,
        Self::NotConfigured,
        Self::Busy,
        Self::TooManyRecipients,
    ];

    /// The name in metrics, logs and alerts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RelayDenied => "relay_denied",
            Self::AuthFailed => "auth_failed",
            Self::AccountBlocked => "account_blocked",
            Self::RateLimited => "rate_limited",
            Self::RecipientRefused => "recipient_refused",
            Self::MessageRefused => "message_refused",
            Self::Tls => "tls",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::Transient => "transient",
            Self::UnknownOutcome => "unknown_outcome",
            Self::AppGone => "app_gone",
            Self::Unclassified => "unclassified",
            Self::SenderRefused => "sender_refused",
            Self::Framing => "framing",
            Self::TooLarge => "too_large",
            Self::Paced => "paced",
            Self::Held => "held",
            Self::NotConfigured => "not_configured",
            Self::Busy => "busy",
            Self::TooManyRecipients => "too_many_recipients",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One mail (or one login) that did not go through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{class} at {stage}: {detail}")]
pub struct Failure {
    /// The kind.
    pub class: Class,
    /// Where in the dialog.
    pub stage: Stage,
    /// What the server said, if it said anything that was a reply.
    pub reply: Option<Reply>,
    /// What we were doing, for logs: no mail addresses, no content, no credentials.
    pub detail: String,
    /// The recipients that were refused, as they stood in RCPT.
    pub refused_recipients: Vec<String>,
    /// The server's host name as configured.
    pub host: String,
    /// Whether every address swallowed our SYN: a firewall may block the port (R23).
    pub egress_suspected: bool,
}

impl Failure {
    /// A failure without a reply.
    pub fn new(class: Class, stage: Stage, host: &str, detail: impl Into<String>) -> Self {
        Self {
            class,
            stage,
            reply: None,
            detail: detail.into(),
            refused_recipients: Vec::new(),
            host: host.to_owned(),
            egress_suspected: false,
        }
    }

    /// The same with the server's reply.
    #[must_use]
    pub fn with_reply(mut self, reply: Reply) -> Self {
        self.reply = Some(reply);
        self
    }

    /// The reply code as a label from a closed set: a code of the tables, `other`, or `none` where
    /// no reply came.
    pub fn code_label(&self) -> &'static str {
        match &self.reply {
            None => "none",
            Some(reply) => classify::known_code(reply.code()).unwrap_or("other"),
        }
    }
}
