//! What Zoho says, word for word (`docs/zoho.md session` and R1 to R21).
//!
//! Where no text of Zoho's is known, the text is ours and says so in a comment.

use std::net::IpAddr;

/// The name in Zoho's banner and EHLO reply, the same on every submission host.
pub(crate) const SERVER_NAME: &str = "mx.zohomail.com";

/// What Zoho lists in EHLO (exactly 51 MiB).
pub(crate) const SIZE_LIMIT_BYTES: u64 = 53_477_376;

pub(crate) const TLS_READY: &str = "220 Ready to start TLS.\r\n";
pub(crate) const ASK_USERNAME: &str = "334 VXNlcm5hbWU6\r\n";
pub(crate) const ASK_PASSWORD: &str = "334 UGFzc3dvcmQ6\r\n";
pub(crate) const ASK_PLAIN: &str = "334 \r\n";
pub(crate) const AUTH_OK: &str = "235 Authentication Successful\r\n";
pub(crate) const SEND_DATA: &str = "354 Ok Send data ending with <CRLF>.<CRLF>\r\n";
pub(crate) const ACCEPTED: &str = "250 Message received\r\n";
pub(crate) const RESET_OK: &str = "250 state reset OK\r\n";

/// R2.
pub(crate) const RELAY_DENIED: &str = "553 Sender is not allowed to relay emails\r\n";
/// R5.
pub(crate) const AUTH_FAILED: &str = "535 Authentication Failed\r\n";
/// R7.
pub(crate) const NEEDS_TLS: &str = "530 Must issue a STARTTLS command first.\r\n";
/// R8.
pub(crate) const NEEDS_AUTH: &str = "530 5.5.1 Authentication Required.\r\n";
/// R9.
pub(crate) const UNUSUAL_ACTIVITY: &str =
    "550 5.4.6 Unusual sending activity detected. Please try after sometime.\r\n";
/// R9, with HTML inside.
pub(crate) const UNUSUAL_ACTIVITY_HTML: &str = "550 5.4.6 Unusual sending activity detected. \
    Please try after sometime. <a href=https://www.zoho.com/mail/help/usage-policy.html \
    target=_blank>Learn more.</a> To unblock <a href=https://mail.zoho.com/UnblockMe \
    target=_blank>Click here.</a>\r\n";
/// R10.
pub(crate) const OUTGOING_BLOCKED: &str = "554 5.1.8 Email Outgoing Blocked\r\n";
/// R11.
pub(crate) const SENDER_BLOCKED: &str = "554 5.1.8 Sender Address Blocked\r\n";
/// R12.
pub(crate) const EXECUTABLE: &str = "554 5.1.8\r\n";
/// R15.
pub(crate) const VIRUS: &str = "552 5.7.1 virus EICAR detected by Zoho Mail\r\n";
/// R16; Zoho's list gives no reply code, 554 is ours.
pub(crate) const NO_SUBJECT: &str = "554 5.2.1 Subject is Mandatory.\r\n";
/// R17; Zoho's list gives no reply code, 552 is ours.
pub(crate) const TOO_LARGE: &str = "552 5.2.0 Email size exceeded the policy.\r\n";
/// R20.
pub(crate) const NEEDS_EHLO: &str = "503 Must issue a EHLO/HELO command first.\r\n";

// No text of Zoho's is known for these.
pub(crate) const BYE: &str = "221 mx.zohomail.com closing connection\r\n";
pub(crate) const GOING_AWAY: &str = "421 mx.zohomail.com closing transmission channel\r\n";
pub(crate) const NOOP_OK: &str = "250 OK\r\n";
pub(crate) const ALREADY_AUTHENTICATED: &str = "503 Already authenticated\r\n";
pub(crate) const AUTH_CANCELLED: &str = "501 Authentication cancelled\r\n";
pub(crate) const AUTH_MALFORMED: &str = "501 Cannot decode the credentials\r\n";
pub(crate) const AUTH_MECHANISM: &str = "504 Unrecognized authentication type\r\n";
pub(crate) const NEEDS_MAIL: &str = "503 Must issue a MAIL command first.\r\n";
pub(crate) const NEEDS_RCPT: &str = "503 Must issue a RCPT command first.\r\n";
pub(crate) const NESTED_MAIL: &str = "503 Sender already specified\r\n";
pub(crate) const BAD_PATH: &str = "501 Syntax error in address\r\n";
pub(crate) const TOO_MANY_RECIPIENTS: &str = "452 Too many recipients\r\n";
pub(crate) const LINE_TOO_LONG: &str = "500 mx.zohomail.com Line too long\r\n";

/// The 220 line with its date.
pub(crate) fn banner(date: &str) -> String {
    format!("220 {SERVER_NAME} SMTP Server ready {date}\r\n")
}

/// The EHLO reply: STARTTLS is listed before TLS only, AUTH inside TLS only.
pub(crate) fn ehlo(name: &str, peer: IpAddr, secure: bool, size_limit_bytes: u64) -> String {
    let extension = if secure {
        "AUTH LOGIN PLAIN"
    } else {
        "STARTTLS"
    };
    format!(
        "250-{}\r\n250-{extension}\r\n250 SIZE {size_limit_bytes}\r\n",
        hello(name, peer),
    )
}

/// The HELO reply: the first line of the EHLO reply.
pub(crate) fn helo(name: &str, peer: IpAddr) -> String {
    format!("250 {}\r\n", hello(name, peer))
}

fn hello(name: &str, peer: IpAddr) -> String {
    let reverse_name = if peer.is_loopback() {
        "localhost"
    } else {
        "unknown"
    };
    format!("{SERVER_NAME} Hello {name} ({reverse_name} ({peer}))")
}

/// R21, for `EHLO` or `HELO`.
pub(crate) fn needs_domain(verb: &str) -> String {
    format!("501 Domain address required: {verb}\r\n")
}

/// R19.
pub(crate) fn unrecognized(verb: &str) -> String {
    format!("500 {SERVER_NAME} Syntax error, command unrecognized: {verb}\r\n")
}

/// A MAIL or RCPT parameter that EHLO did not list (RFC 5321 4.1.1.11); the text is ours.
pub(crate) fn unknown_parameter(parameter: &str) -> String {
    format!("555 {SERVER_NAME} Syntax error, parameter not recognized: {parameter}\r\n")
}

pub(crate) fn sender_ok(path: &str) -> String {
    format!("250 Sender <{path}> OK\r\n")
}

pub(crate) fn recipient_ok(path: &str) -> String {
    format!("250 Recipient <{path}> OK\r\n")
}

/// R1, with what Zoho's parser made of the sender.
pub(crate) fn relay_denied_as(echo: &str) -> String {
    format!("553 Relaying disallowed as {echo}\r\n")
}
