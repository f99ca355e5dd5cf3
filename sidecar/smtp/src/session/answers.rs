//! Every reply that is the session's own (RFC 5321 section 4.2, RFC 3463).

use super::SessionOptions;
use crate::address::AddressError;
use crate::auth::{AuthError, MECHANISMS};
use crate::command::{CommandError, ParameterError, PathError};
use crate::reply::{EnhancedCode, Reply};

/// The greeting. No enhanced code here and after `EHLO` and `HELO` (RFC 2034 section 4).
pub(super) fn banner(hostname: &str) -> Reply {
    Reply::new(220, None, format!("{hostname} ESMTP zohorelay"))
}

/// What we offer. 8BITMIME and SMTPUTF8 are not: the next server does not take them
/// (docs/zoho.md session).
pub(super) fn ehlo(options: &SessionOptions) -> Reply {
    let mut lines = vec![
        options.hostname.clone(),
        "PIPELINING".to_owned(),
        format!("SIZE {}", options.size_limit_bytes),
        "ENHANCEDSTATUSCODES".to_owned(),
    ];
    if options.authenticate {
        lines.push(format!("AUTH {MECHANISMS}"));
    }
    Reply::with_lines(250, None, lines)
}

pub(super) fn helo(hostname: &str) -> Reply {
    Reply::new(250, None, hostname)
}

pub(super) fn reset() -> Reply {
    positive(250, 0, "ok")
}

pub(super) fn noop() -> Reply {
    positive(250, 0, "ok")
}

pub(super) fn vrfy() -> Reply {
    positive(252, 5, "cannot say without sending a mail")
}

pub(super) fn help() -> Reply {
    positive(214, 0, "EHLO HELO MAIL RCPT DATA RSET NOOP QUIT VRFY HELP")
}

pub(super) fn quit() -> Reply {
    positive(221, 0, "bye")
}

pub(super) fn authenticated() -> Reply {
    positive(235, 7, "logged in; any password will do here")
}

pub(super) fn data() -> Reply {
    Reply::new(354, None, "send the mail, end it with <CRLF>.<CRLF>")
}

pub(super) fn challenge(base64: &str) -> Reply {
    Reply::new(334, None, base64)
}

pub(super) fn too_many_bad_commands() -> Reply {
    Reply::new(
        421,
        Some(EnhancedCode(4, 7, 0)),
        "too many bad commands, closing",
    )
}

/// Whether a reply says that the client got the protocol wrong.
pub(super) fn is_about_the_protocol(reply: &Reply) -> bool {
    matches!(reply.enhanced(), Some(EnhancedCode(5, 5, _)))
}

fn positive(code: u16, subject: u16, text: &str) -> Reply {
    Reply::new(code, Some(EnhancedCode(2, subject, 0)), text)
}

/// Why the session refuses a line by itself.
#[derive(Clone, Copy)]
pub(super) enum Refusal {
    LineTooLong,
    BareLf,
    Bytes,
    NotGreeted,
    NestedMail,
    NoMail,
    NoRecipients,
    ParameterNotOffered,
    TooLarge { limit_bytes: u64 },
    TooManyRecipients { limit: usize },
    AuthNotOffered,
    AuthNotNow,
    Auth(AuthError),
    Command(CommandError),
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        Self::Auth(error)
    }
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Self {
        Self::Command(error)
    }
}

impl Refusal {
    /// Whether nothing after it may be interpreted. Whoever speaks HTTP here was made to by
    /// somebody else, who may have put commands into the body.
    pub(super) fn closes(self) -> bool {
        matches!(self, Self::BareLf | Self::Command(CommandError::Http))
    }

    pub(super) fn into_reply(self) -> Reply {
        let (code, subject, detail, text) = match self {
            Self::LineTooLong => (500, 5, 6, "the line is too long".to_owned()),
            Self::BareLf => (
                500,
                5,
                2,
                "lines must end with CRLF, not with LF, closing".to_owned(),
            ),
            Self::Bytes => (
                501,
                5,
                2,
                "the line has a NUL, a bare CR or bytes that are not UTF-8".to_owned(),
            ),
            Self::NotGreeted => (503, 5, 1, "say EHLO first".to_owned()),
            Self::NestedMail => (503, 5, 1, "there is a sender already".to_owned()),
            Self::NoMail => (503, 5, 1, "say MAIL first".to_owned()),
            Self::NoRecipients => (554, 5, 1, "no valid recipients".to_owned()),
            Self::ParameterNotOffered => return parameter_refusal(ParameterError::NotOffered),
            Self::TooLarge { limit_bytes } => (
                552,
                3,
                4,
                format!("the mail is larger than {limit_bytes} bytes"),
            ),
            Self::TooManyRecipients { limit } => return too_many_recipients(limit),
            Self::AuthNotOffered => (
                502,
                5,
                1,
                "no login is needed here, switch it off in the app".to_owned(),
            ),
            Self::AuthNotNow => (503, 5, 1, "logged in already, or in a mail".to_owned()),
            Self::Auth(error) => return auth_refusal(error),
            Self::Command(error) => return command_refusal(error),
        };
        permanent(code, subject, detail, text)
    }
}

fn permanent(code: u16, subject: u16, detail: u16, text: impl Into<String>) -> Reply {
    Reply::new(code, Some(EnhancedCode(5, subject, detail)), text)
}

fn too_many_recipients(limit: usize) -> Reply {
    let text = format!("a mail may have {limit} recipients, send the rest in another one");
    Reply::new(452, Some(EnhancedCode(4, 5, 3)), text)
}

fn auth_refusal(error: AuthError) -> Reply {
    match error {
        AuthError::Mechanism => permanent(504, 5, 4, "use PLAIN or LOGIN"),
        AuthError::Cancelled => permanent(501, 7, 0, "login cancelled"),
        AuthError::Response => permanent(501, 5, 2, "the response is not valid"),
        AuthError::Username => permanent(501, 5, 2, "the user name is not valid"),
    }
}

fn command_refusal(error: CommandError) -> Reply {
    match error {
        CommandError::Unrecognised => permanent(500, 5, 1, "command not known"),
        CommandError::Http => permanent(500, 5, 1, "this is SMTP, not HTTP, closing"),
        CommandError::NotImplemented => permanent(502, 5, 1, "command not offered"),
        CommandError::Form(form) => permanent(501, 5, 4, format!("write: {form}")),
        CommandError::NonAscii => non_ascii(),
        CommandError::Sender(error) => path_refusal(error, 7),
        CommandError::Recipient(error) => path_refusal(error, 3),
        CommandError::Parameter(error) => parameter_refusal(error),
    }
}

/// X.1.7 is a bad sender address, X.1.3 a bad recipient address.
fn path_refusal(error: PathError, detail: u16) -> Reply {
    match error {
        PathError::Address(AddressError::NonAscii) => non_ascii(),
        PathError::Address(error) => permanent(501, 1, detail, error.to_string()),
        error => permanent(501, 1, detail, format!("parsing a path: {error}")),
    }
}

fn non_ascii() -> Reply {
    permanent(
        553,
        6,
        7,
        "addresses must be ASCII, SMTPUTF8 is not offered",
    )
}

fn parameter_refusal(error: ParameterError) -> Reply {
    let code = if error == ParameterError::NotOffered {
        555
    } else {
        501
    };
    permanent(code, 5, 4, error.to_string())
}
