//! Command lines and what they say (RFC 5321 section 4.1.1).

mod parameter;
mod path;

pub(crate) use parameter::{MailParameters, ParameterError};
pub(crate) use path::PathError;

use crate::address::{ForwardPath, ReversePath};

/// A command that is well formed; whether it may come now is the session's to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    Ehlo,
    Helo,
    Mail {
        reverse_path: ReversePath,
        parameters: MailParameters,
    },
    Rcpt {
        forward_path: ForwardPath,
    },
    Data,
    Rset,
    Noop,
    Quit,
    Vrfy,
    Help,
    Auth {
        mechanism: &'a str,
        initial: Option<&'a str>,
    },
}

/// Why a line is no command that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("reading a command: it is not known")]
    Unrecognised,
    #[error("reading a command: it is one of HTTP")]
    Http,
    #[error("reading a command: it is known and not offered")]
    NotImplemented,
    #[error("reading a command: its form is {0}")]
    Form(&'static str),
    #[error("reading a command: the text has characters that are not ASCII")]
    NonAscii,
    #[error("reading MAIL: {0}")]
    Sender(#[source] PathError),
    #[error("reading RCPT: {0}")]
    Recipient(#[source] PathError),
    #[error("reading parameters: {0}")]
    Parameter(#[from] ParameterError),
}

impl<'a> Command<'a> {
    /// Parses a line without its CRLF. Blanks at its end are ignored, as RFC 5321 section 4.1.1
    /// asks for; verbs and keywords have no case.
    pub(crate) fn parse(line: &'a str) -> Result<Self, CommandError> {
        let line = line.trim_end_matches([' ', '\t']);
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        let argument = argument.trim_start_matches(' ');
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => greeting(argument, Self::Ehlo, "EHLO hostname"),
            "HELO" => greeting(argument, Self::Helo, "HELO hostname"),
            "MAIL" => parse_mail(argument),
            "RCPT" => parse_rcpt(argument),
            "DATA" => alone(argument, Self::Data, "DATA"),
            "RSET" => alone(argument, Self::Rset, "RSET"),
            "QUIT" => alone(argument, Self::Quit, "QUIT"),
            "NOOP" => Ok(Self::Noop),
            "HELP" => Ok(Self::Help),
            "VRFY" if argument.is_empty() => Err(CommandError::Form("VRFY address")),
            "VRFY" if !argument.is_ascii() => Err(CommandError::NonAscii),
            "VRFY" => Ok(Self::Vrfy),
            "AUTH" => parse_auth(argument),
            "STARTTLS" | "BDAT" | "EXPN" | "TURN" | "ETRN" => Err(CommandError::NotImplemented),
            "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "CONNECT" | "OPTIONS"
            | "TRACE" => Err(CommandError::Http),
            _ => Err(CommandError::Unrecognised),
        }
    }
}

/// The name is not used for anything, so anything printable will do: hosts have odd names.
fn greeting<'a>(
    argument: &str,
    command: Command<'a>,
    form: &'static str,
) -> Result<Command<'a>, CommandError> {
    let is_name = !argument.is_empty() && !argument.chars().any(char::is_control);
    if is_name {
        Ok(command)
    } else {
        Err(CommandError::Form(form))
    }
}

fn alone<'a>(
    argument: &str,
    command: Command<'a>,
    form: &'static str,
) -> Result<Command<'a>, CommandError> {
    if argument.is_empty() {
        Ok(command)
    } else {
        Err(CommandError::Form(form))
    }
}

fn parse_mail<'a>(argument: &str) -> Result<Command<'a>, CommandError> {
    let rest = strip_keyword(argument, "FROM:")
        .ok_or(CommandError::Form("MAIL FROM:<address> [parameters]"))?;
    let (reverse_path, rest) = path::parse_reverse_path(rest).map_err(CommandError::Sender)?;
    let parameters = parameter::parse_mail_parameters(rest)?;
    Ok(Command::Mail {
        reverse_path,
        parameters,
    })
}

fn parse_rcpt<'a>(argument: &str) -> Result<Command<'a>, CommandError> {
    let rest = strip_keyword(argument, "TO:").ok_or(CommandError::Form("RCPT TO:<address>"))?;
    let (forward_path, rest) = path::parse_forward_path(rest).map_err(CommandError::Recipient)?;
    parameter::parse_rcpt_parameters(rest)?;
    Ok(Command::Rcpt { forward_path })
}

fn parse_auth(argument: &str) -> Result<Command<'_>, CommandError> {
    let (mechanism, initial) = match argument.split_once(' ') {
        None => (argument, None),
        Some((mechanism, initial)) => (mechanism, Some(initial.trim_start_matches(' '))),
    };
    if mechanism.is_empty() {
        return Err(CommandError::Form("AUTH mechanism [initial-response]"));
    }
    Ok(Command::Auth { mechanism, initial })
}

/// Takes a keyword off, and the blanks after it that many clients send although they may not.
fn strip_keyword<'a>(argument: &'a str, keyword: &str) -> Option<&'a str> {
    let (found, rest) = argument.split_at_checked(keyword.len())?;
    found
        .eq_ignore_ascii_case(keyword)
        .then(|| rest.trim_start_matches(' '))
}

#[cfg(test)]
mod tests;
