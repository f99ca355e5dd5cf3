//! Faults on demand: at which stage, what happens instead, how often, and for whom.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::tls::Certificate;

/// Where in a session a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Right after the TCP connection was accepted.
    Connect,
    /// In place of the 220 banner.
    Greeting,
    /// In place of the reply to EHLO or HELO; `nth` 2 is the one after STARTTLS.
    Ehlo,
    /// In place of the 220 to STARTTLS.
    Starttls,
    /// In place of the TLS handshake, on either port.
    Tls,
    /// In place of the verdict on the credentials.
    Auth,
    /// In place of the reply to MAIL.
    Mail,
    /// In place of the reply to RCPT; `nth` is the nth RCPT of the mail.
    Rcpt,
    /// In place of the 354.
    Data,
    /// While the content comes in, once `after_bytes` of it came (0: right after the 354).
    Content,
    /// In place of the reply to the final dot.
    EndOfData,
    /// After the reply to a mail, while the connection waits for the next command.
    Idle,
}

/// Bytes to send, verbatim: CRLF must be written out. In JSON a string, or a list of numbers for
/// bytes that are not UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raw(pub Vec<u8>);

impl From<&str> for Raw {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<String> for Raw {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl From<Vec<u8>> for Raw {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Raw {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => output.serialize_str(text),
            Err(_) => output.collect_seq(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a string, or a list of numbers from 0 to 255")]
        enum Form {
            Text(String),
            Bytes(Vec<u8>),
        }
        Ok(match Form::deserialize(input)? {
            Form::Text(text) => Self::from(text),
            Form::Bytes(bytes) => Self(bytes),
        })
    }
}

/// How a fault leaves the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Never answers again, and goes on reading.
    Stall,
    /// RST.
    Reset,
    /// FIN, after a TLS `close_notify` where there is TLS.
    Close,
}

/// A reply without an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndlessReply {
    /// `250-` lines for ever.
    Lines,
    /// One line for ever.
    Line,
}

/// What happens at the stage, instead of or around the usual reply.
///
/// The simulator believes what it says: a command took effect when the scripted text starts with
/// 2 (for DATA: with 3), and a mail is stored when the reply to its dot starts with 2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// These bytes, in place of the reply. At [`Stage::Tls`]: in clear, in place of the handshake.
    Reply(Raw),
    /// These bytes, then FIN.
    ReplyThenClose(Raw),
    /// Part of a reply, and nothing more.
    HalfReply {
        /// The part.
        text: Raw,
        /// What follows it.
        then: Then,
    },
    /// Never answers, and goes on reading.
    Stall,
    /// Never answers, and reads no more: the client's writes block.
    StopReading,
    /// RST. At [`Stage::Tls`]: after the first bytes of the client's handshake.
    Reset,
    /// FIN. At [`Stage::Tls`]: after the first bytes of the client's handshake.
    Close,
    /// 256 bytes that depend on the seed and the connection's number, and CRLF.
    Garbage,
    /// The mail is stored and its reply is lost.
    AcceptThen(Then),
    /// A reply before the dot. The mail is not stored, and its dot gets no reply.
    EarlyReply(Raw),
    /// The usual reply, and these bytes behind it in the same packet.
    ExtraReply(Raw),
    /// The usual reply, later.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// The usual reply, one byte a packet.
    SplitReply,
    /// Bytes in clear after the 220 to STARTTLS.
    InjectAfterStartTls {
        /// The bytes.
        text: Raw,
        /// `false`: in the packet of the 220. `true`: once the client's handshake has come.
        late: bool,
    },
    /// A reply without an end.
    EndlessReply(EndlessReply),
    /// A fatal TLS alert, `handshake_failure`.
    RefuseHandshake,
    /// A handshake with this certificate.
    Certificate(Certificate),
}

impl Action {
    /// What the client hears first: the text that decides whether its command took effect.
    pub(crate) fn heard<'a>(action: Option<&'a Self>, usual: &'a str) -> &'a [u8] {
        match action {
            Some(
                Self::Reply(text)
                | Self::ReplyThenClose(text)
                | Self::EarlyReply(text)
                | Self::HalfReply { text, .. },
            ) => &text.0,
            Some(
                Self::Stall
                | Self::StopReading
                | Self::Reset
                | Self::Close
                | Self::Garbage
                | Self::EndlessReply(_)
                | Self::RefuseHandshake,
            ) => b"",
            None
            | Some(
                Self::AcceptThen(_)
                | Self::ExtraReply(_)
                | Self::Delay { .. }
                | Self::SplitReply
                | Self::InjectAfterStartTls { .. }
                | Self::Certificate(_),
            ) => usual.as_bytes(),
        }
    }

    /// Does the action have a meaning at this stage?
    fn suits(&self, stage: Stage) -> bool {
        let replies = !matches!(
            stage,
            Stage::Connect | Stage::Tls | Stage::Content | Stage::Idle
        );
        match self {
            Self::Stall | Self::Reset | Self::Close | Self::ReplyThenClose(_) => true,
            Self::StopReading => stage != Stage::Idle,
            Self::Delay { .. } => stage != Stage::Idle,
            Self::Reply(_) | Self::HalfReply { .. } | Self::Garbage => {
                replies || matches!(stage, Stage::Tls | Stage::Idle)
            }
            Self::ExtraReply(_) | Self::SplitReply | Self::EndlessReply(_) => replies,
            Self::AcceptThen(_) => stage == Stage::EndOfData,
            Self::EarlyReply(_) => stage == Stage::Content,
            Self::InjectAfterStartTls { .. } => stage == Stage::Starttls,
            Self::RefuseHandshake | Self::Certificate(_) => stage == Stage::Tls,
        }
    }
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Where it strikes.
    pub at: Stage,
    /// What happens there.
    pub action: Action,
    /// How often; `None` is for ever.
    #[serde(default)]
    pub times: Option<u32>,
    /// Only for this user name (from AUTH on).
    #[serde(default)]
    pub account: Option<String>,
    /// Only for a mail to this recipient; at [`Stage::Rcpt`] only for this RCPT.
    #[serde(default)]
    pub recipient: Option<String>,
    /// Only the nth time that the connection comes to this stage, from 1; at [`Stage::Rcpt`] the
    /// nth RCPT of the mail.
    #[serde(default)]
    pub nth: Option<u32>,
    /// For [`Stage::Content`]: after so many bytes on the wire.
    #[serde(default)]
    pub after_bytes: u64,
}

/// Why a fault cannot be armed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FaultError {
    /// The action has no meaning at that stage.
    #[error("{action} means nothing at stage {at}: see the table of faults in the README")]
    Unsuitable {
        /// The stage as in JSON.
        at: String,
        /// The action as in JSON.
        action: String,
    },
    /// `times` or `nth` is 0.
    #[error("times and nth count from 1: leave times out for ever, leave nth out for each time")]
    CountsFromOne,
}

impl Fault {
    /// A fault that strikes every connection for ever.
    pub fn new(at: Stage, action: Action) -> Self {
        Self {
            at,
            action,
            times: None,
            account: None,
            recipient: None,
            nth: None,
            after_bytes: 0,
        }
    }

    /// Strikes only so many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Strikes only this user name.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Strikes only this recipient.
    #[must_use]
    pub fn recipient(mut self, recipient: impl Into<String>) -> Self {
        self.recipient = Some(recipient.into());
        self
    }

    /// Strikes only the nth time, from 1.
    #[must_use]
    pub fn nth(mut self, nth: u32) -> Self {
        self.nth = Some(nth);
        self
    }

    /// Strikes within the content, after so many bytes on the wire.
    #[must_use]
    pub fn after_bytes(mut self, after_bytes: u64) -> Self {
        self.after_bytes = after_bytes;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), FaultError> {
        if self.times == Some(0) || self.nth == Some(0) {
            return Err(FaultError::CountsFromOne);
        }
        if self.action.suits(self.at) {
            return Ok(());
        }
        let json = |value: serde_json::Result<String>| value.unwrap_or_default();
        let at = json(serde_json::to_string(&self.at));
        Err(FaultError::Unsuitable {
            at,
            action: json(serde_json::to_string(&self.action)),
        })
    }

    fn matches(&self, point: &Point<'_>) -> bool {
        let is = |wanted: &Option<String>, found: &[&str]| {
            wanted
                .as_ref()
                .is_none_or(|wanted| found.iter().any(|found| found.eq_ignore_ascii_case(wanted)))
        };
        self.at == point.stage
            && is(&self.account, point.account.as_slice())
            && is(&self.recipient, &point.recipients)
            && self.nth.is_none_or(|nth| nth == point.nth)
    }
}

/// A fault and how often it struck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArmedFault {
    /// Number of the fault, from 1.
    pub id: u64,
    /// The fault.
    #[serde(flatten)]
    pub fault: Fault,
    /// How often it struck.
    pub fired: u32,
}

/// A point that a session has come to.
#[derive(Debug)]
pub(crate) struct Point<'a> {
    pub(crate) stage: Stage,
    pub(crate) nth: u32,
    pub(crate) account: Option<&'a str>,
    pub(crate) recipients: Vec<&'a str>,
    pub(crate) content_bytes: u64,
    /// Faults that struck this content already: each strikes once a content.
    pub(crate) struck: &'a [u64],
}

/// The armed faults, in the order they were armed; the first that matches strikes.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<ArmedFault>,
    last_id: u64,
}

impl Faults {
    pub(crate) fn arm(&mut self, fault: Fault) -> Result<u64, FaultError> {
        fault.validate()?;
        self.last_id += 1;
        self.armed.push(ArmedFault {
            id: self.last_id,
            fault,
            fired: 0,
        });
        Ok(self.last_id)
    }

    pub(crate) fn list(&self) -> Vec<ArmedFault> {
        self.armed.clone()
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    pub(crate) fn disarm(&mut self, id: u64) -> bool {
        let before = self.armed.len();
        self.armed.retain(|armed| armed.id != id);
        self.armed.len() < before
    }

    /// The action of the first fault that matches, which counts as struck.
    pub(crate) fn strike(&mut self, point: &Point<'_>) -> Option<(u64, Action)> {
        let armed = self
            .matching(point)
            .find(|a| a.fault.after_bytes <= point.content_bytes)?;
        armed.fired += 1;
        Some((armed.id, armed.fault.action.clone()))
    }

    /// The next count of content bytes at which a fault would strike.
    pub(crate) fn next_after_bytes(&mut self, point: &Point<'_>) -> Option<u64> {
        let counts = self.matching(point).map(|armed| armed.fault.after_bytes);
        counts.filter(|&bytes| bytes > point.content_bytes).min()
    }

    fn matching(&mut self, point: &Point<'_>) -> impl Iterator<Item = &mut ArmedFault> {
        self.armed.iter_mut().filter(|armed| {
            armed.fault.times.is_none_or(|times| armed.fired < times)
                && !point.struck.contains(&armed.id)
                && armed.fault.matches(point)
        })
    }
}
