//! What a fault does instead of, or around, the usual reply.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fault::Stage;
use crate::tls::Certificate;

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
    pub(crate) fn suits(&self, stage: Stage) -> bool {
        let replies = !matches!(
            stage,
            Stage::Connect | Stage::Tls | Stage::Content | Stage::Idle
        );
        match self {
            Self::Stall | Self::Reset | Self::Close | Self::ReplyThenClose(_) => true,
            Self::StopReading | Self::Delay { .. } => stage != Stage::Idle,
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
