//! The types of a document. A value that came from [`Document::load`] keeps all bounds.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zohorelay_smtp::address::Address;

use crate::password::Password;

/// Everything that a sidecar must know of one identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Name of the identity: a DNS label.
    pub name: String,
    /// Kubernetes namespace of the identity, where there is one.
    pub namespace: Option<String>,
    /// Unique id of the Kubernetes object: another one is another identity of the same name.
    pub uid: Option<String>,
    /// Rises with every published change; absent in a file that was written by hand.
    pub revision: Option<u64>,
    /// The addresses that the login may send as.
    pub addresses: Addresses,
    /// The server that takes the mails.
    pub upstream: Upstream,
    /// The login at that server.
    pub login: Login,
    /// What to do with a mail whose From is not the identity's.
    pub sender_policy: SenderPolicy,
    /// Times of patience, and what an unknown outcome is called.
    pub delivery: Delivery,
    /// Bounds of size, number and pace, per pod.
    pub limits: Limits,
    /// What to do with a bare LF within content.
    pub line_endings: LineEndings,
    /// True: every mail is answered 451 and nothing is sent.
    pub suspend: bool,
    /// No connection is made until then, for that reason.
    pub hold: Option<Hold>,
    /// Another number than before closes the breaker of the account.
    pub retry: u64,
}

/// A document that was read, and what was in it that this version does not know.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The document, checked.
    pub document: Document,
    /// JSON paths of the fields that were ignored; the first 100, each shortened to 200 characters.
    pub unknown_fields: Vec<String>,
}

/// The addresses of an identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Addresses {
    /// The mailbox: the default sender.
    pub primary: Address,
    /// The name that stands before the address where the app gave none.
    pub display_name: Option<String>,
    /// The other addresses that Zoho lets this mailbox send as.
    pub aliases: Vec<Address>,
}

impl Addresses {
    /// Whether `address` is the primary address or an alias, ASCII case-insensitive. A plus-tag
    /// makes another address.
    pub fn owns(&self, address: &Address) -> bool {
        self.all().any(|own| own.same_mailbox(address))
    }

    /// The primary address, then the aliases.
    pub fn all(&self) -> impl Iterator<Item = &Address> {
        std::iter::once(&self.primary).chain(&self.aliases)
    }
}

/// The server that takes the mails of an identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Which of Zoho's services it belongs to.
    pub service: Service,
    /// DNS name, to which the server's certificate must fit.
    pub host: String,
    /// TCP port; never 25.
    pub port: u16,
    /// How TLS begins.
    pub security: Security,
    /// PEM of further trust anchors, beside those of the system.
    pub trust_anchors: Option<String>,
}

/// A service of Zoho.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Service {
    /// Zoho Mail.
    #[default]
    Mail,
    /// ZeptoMail, for transactional mail.
    ZeptoMail,
}

/// How TLS begins. There is no value without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Security {
    /// TLS from the first byte (RFC 8314 section 3.3), port 465.
    ImplicitTls,
    /// TLS by the command STARTTLS (RFC 3207), port 587.
    StartTls,
}

/// A login.
#[derive(Clone, Debug, PartialEq)]
pub struct Login {
    /// The name: for Zoho Mail the full address.
    pub username: String,
    /// The password.
    pub password: Password,
}

/// What to do with a mail whose From is not one of the identity's addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForeignFrom {
    /// Refuse it, naming the addresses that are allowed.
    #[default]
    Reject,
    /// Send it as the identity, the old From in Reply-To.
    Rewrite,
    /// Attach it to a new mail of the identity.
    Attach,
    /// Let the server decide.
    Pass,
}

/// What to do with foreign senders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderPolicy {
    /// For all mails.
    pub foreign_from: ForeignFrom,
    /// For mails with a calendar part; where absent, `foreign_from` holds for these too.
    pub foreign_calendar: Option<ForeignFrom>,
}

/// Times of patience. All are whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// From the end of the app's DATA to the server's go-ahead for ours.
    pub deadline: Duration,
    /// Patience for the reply to our final dot (RFC 5321 section 4.5.3.2.6).
    pub final_reply_timeout: Duration,
    /// The answer to the app when that reply is lost.
    pub unknown_outcome: UnknownOutcome,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(25),
            final_reply_timeout: Duration::from_secs(300),
            unknown_outcome: UnknownOutcome::default(),
        }
    }
}

/// What an app is told when nobody knows whether its mail was taken (RFC 1047).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnknownOutcome {
    /// 451: the app may try again, which may make a second mail.
    #[default]
    Retry,
    /// 554: the app gives up, which may lose the mail.
    Fail,
}

/// Bounds of size, number and pace, per pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pace; where absent, mails are not paced.
    pub messages_per_hour: Option<u32>,
    /// How many mails may go at once before the pace holds.
    pub burst: u32,
    /// Recipients of a mail.
    pub recipients_per_message: u32,
    /// Size of a mail, in bytes.
    pub message_bytes: u64,
    /// Connections to the server at a time.
    pub connections: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            messages_per_hour: None,
            burst: 5,
            recipients_per_message: 100,
            message_bytes: 40 * 1024 * 1024,
            connections: 2,
        }
    }
}

/// What to do with a bare LF within content. Bare CR and NUL are refused in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LineEndings {
    /// It becomes CRLF.
    #[default]
    Normalise,
    /// The mail is refused.
    Strict,
}

/// An order to leave the server alone for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// When the hold ends.
    pub until: Timestamp,
    /// What made it necessary.
    pub reason: HoldReason,
}

/// What made a hold necessary: a class of failure that is about the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    /// Zoho blocked the account.
    AccountBlocked,
    /// Zoho refused the login.
    AuthFailed,
    /// Zoho asks for less traffic.
    RateLimited,
}

impl HoldReason {
    /// The name as it stands in the document, which is that of the class of failure.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccountBlocked => "account_blocked",
            Self::AuthFailed => "auth_failed",
            Self::RateLimited => "rate_limited",
        }
    }
}
