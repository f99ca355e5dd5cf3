//! `AUTH PLAIN` and `AUTH LOGIN` for apps that insist on logging in (RFC 4954, RFC 4616).
//!
//! Any password is right: it is decoded, because a client that sends garbage has a fault that its
//! owner should hear of, and dropped.

use crate::base64;
use crate::wiped::Wiped;

/// The mechanisms as `EHLO` offers them.
pub(crate) const MECHANISMS: &str = "PLAIN LOGIN";
/// The longest user name in bytes (RFC 4616 section 2).
const USERNAME_LIMIT_BYTES: usize = 255;
/// `Username:` and `Password:`; some clients compare the Base64.
const USERNAME_CHALLENGE: &str = "VXNlcm5hbWU6";
const PASSWORD_CHALLENGE: &str = "UGFzc3dvcmQ6";

/// An authentication that waits for a response.
pub(crate) enum Exchange {
    /// `PLAIN` without an initial response.
    Plain,
    /// `LOGIN` without an initial response.
    LoginUsername,
    /// `LOGIN` with a user name.
    LoginPassword {
        /// The user name.
        username: String,
    },
}

/// What comes next.
pub(crate) enum Step {
    /// The challenge of a 334, in Base64.
    Challenge(&'static str, Exchange),
    /// The client is who it says.
    Done {
        /// The user name, without control characters.
        username: String,
    },
}

/// Why an authentication ended without a user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthError {
    #[error("reading AUTH: the mechanism is not offered, use PLAIN or LOGIN")]
    Mechanism,
    #[error("reading AUTH: cancelled by the client")]
    Cancelled,
    #[error("reading AUTH: the response is not valid Base64 of the mechanism's form")]
    Response,
    #[error("reading AUTH: the user name is empty, too long or has control characters")]
    Username,
}

/// Begins an authentication: `AUTH mechanism [initial-response]`.
pub(crate) fn start(mechanism: &str, initial: Option<&str>) -> Result<Step, AuthError> {
    let (challenge, exchange) = if mechanism.eq_ignore_ascii_case("PLAIN") {
        ("", Exchange::Plain)
    } else if mechanism.eq_ignore_ascii_case("LOGIN") {
        (USERNAME_CHALLENGE, Exchange::LoginUsername)
    } else {
        return Err(AuthError::Mechanism);
    };
    match initial {
        None => Ok(Step::Challenge(challenge, exchange)),
        // RFC 4954 section 4: `=` is an initial response of no bytes.
        Some("=") => exchange.respond(""),
        Some(initial) => exchange.respond(initial),
    }
}

impl Exchange {
    /// Takes the response to the challenge, a line without its CRLF.
    pub(crate) fn respond(self, response: &str) -> Result<Step, AuthError> {
        if response == "*" {
            return Err(AuthError::Cancelled);
        }
        let response = base64::decode(response.as_bytes()).ok_or(AuthError::Response)?;
        match self {
            Self::Plain => Ok(Step::Done {
                username: parse_plain(&response)?,
            }),
            Self::LoginUsername => {
                let username = parse_username(&response)?;
                Ok(Step::Challenge(
                    PASSWORD_CHALLENGE,
                    Self::LoginPassword { username },
                ))
            }
            Self::LoginPassword { username } => Ok(Step::Done { username }),
        }
    }
}

/// `[authzid] NUL authcid NUL passwd`.
fn parse_plain(response: &Wiped) -> Result<String, AuthError> {
    let mut parts = response.split(|&byte| byte == 0);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(username), Some(_), None) => parse_username(username),
        _ => Err(AuthError::Response),
    }
}

fn parse_username(bytes: &[u8]) -> Result<String, AuthError> {
    let username = std::str::from_utf8(bytes).map_err(|_| AuthError::Username)?;
    let is_good = (1..=USERNAME_LIMIT_BYTES).contains(&username.len())
        && !username.chars().any(char::is_control);
    if is_good {
        Ok(username.to_owned())
    } else {
        Err(AuthError::Username)
    }
}
