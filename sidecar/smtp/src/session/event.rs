//! What a session tells its driver.

use crate::address::{ForwardPath, ReversePath};
use crate::data::DataSummary;

/// Sender and recipients of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Who hears about failures.
    pub reverse_path: ReversePath,
    /// The recipients that were answered positively, in their order, at least one.
    pub recipients: Vec<ForwardPath>,
    /// The `SIZE=` of `MAIL` in bytes: what the app believes, not what came.
    pub declared_size_bytes: Option<u64>,
}

/// What happened. Events that say so wait for a verdict: nothing that follows is looked at before
/// [`answer`](super::ServerSession::answer).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing more happens without more bytes, or without the verdict that is owed. Write the
    /// output before reading.
    NeedInput,
    /// A login, which was answered already. The password is gone.
    Authenticated {
        /// The user name: not empty, no control characters.
        username: String,
    },
    /// `MAIL`. Waits for a verdict; a positive one begins the transaction.
    Mail {
        /// The sender.
        reverse_path: ReversePath,
    },
    /// `RCPT`. Waits for a verdict; a positive one adds the recipient.
    Recipient {
        /// The recipient.
        forward_path: ForwardPath,
    },
    /// `MAIL` with a `SIZE=` over the limit, which was answered already.
    TooLarge {
        /// The sender.
        reverse_path: ReversePath,
    },
    /// A recipient over the limit, which was answered already.
    TooManyRecipients,
    /// `DATA`, answered with 354. What follows is content.
    DataStarted,
    /// Content was appended; the driver may take it out of the buffer.
    Content,
    /// The content is whole, and appended up to its last byte. Waits for a verdict. The
    /// transaction is over, whatever the verdict will be.
    EndOfData {
        /// Sender and recipients.
        envelope: Envelope,
        /// What is to be judged about the content.
        summary: DataSummary,
    },
    /// A transaction ended before DATA, by `RSET`, a greeting or `QUIT`; answered already.
    Aborted,
    /// The session is over: write the output, then close the connection.
    Close,
}
