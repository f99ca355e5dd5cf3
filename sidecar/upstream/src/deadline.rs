//! How long each step may take.
//!
//! Every step has a limit of its own, and all steps up to the server's 354 together have the
//! mail's deadline. RFC 5321 section 4.5.3.2 asks queueing clients for minutes; an application
//! waits behind these, so they are seconds.

use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Stage;

/// Name resolution, all addresses together.
pub const DNS: Duration = Duration::from_secs(5);
/// TCP to one address.
pub const CONNECT: Duration = Duration::from_secs(5);
/// How long one address is waited for before the next is tried beside it (RFC 8305 section 5).
pub const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// The TLS handshake, the banner, and each EHLO or STARTTLS.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
/// AUTH, MAIL, each RCPT, DATA.
pub const COMMAND: Duration = Duration::from_secs(15);
/// The time within which [`UPLOAD_STEP_BYTES`] of content must go out.
pub const UPLOAD_STEP: Duration = Duration::from_secs(30);
/// See [`UPLOAD_STEP`].
pub const UPLOAD_STEP_BYTES: usize = 64 * 1024;
/// QUIT and its reply.
pub const QUIT: Duration = Duration::from_secs(1);
/// What a server that broke off the upload may still have to say.
pub const LAST_WORD: Duration = Duration::from_secs(1);

/// The limit of one step at that stage.
pub(crate) const fn of(stage: Stage) -> Duration {
    match stage {
        Stage::Connect => CONNECT,
        Stage::Tls | Stage::Greeting | Stage::Ehlo => HANDSHAKE,
        Stage::Auth | Stage::Mail | Stage::Rcpt | Stage::Data => COMMAND,
        Stage::EndOfData => UPLOAD_STEP,
    }
}

/// When a step that begins now must be done: its own limit or the mail's deadline.
pub(crate) fn step_end(limit: Duration, deadline: Instant) -> Instant {
    (Instant::now() + limit).min(deadline)
}
