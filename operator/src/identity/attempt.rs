//! What makes two logins the same, and what is known of one.

#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{Hash, Hasher};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use zeroize::Zeroizing;
use zohorelay_config::{Document, Security};
use zohorelay_upstream::{Class, Failure, Stage};

/// How much of a server's text goes into a condition, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// Host, port, security, trust anchors, user name and password: two logins with the same key are the
/// same login. Wiped on drop; `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct AttemptKey {
    host: String,
    port: u16,
    start_tls: bool,
    trust_anchors: Option<String>,
    username: String,
    password: Zeroizing<String>,
}

impl AttemptKey {
    /// The key of the login that a document would make.
    pub fn of(document: &Document) -> Self {
        let upstream = &document.upstream;
        Self {
            host: upstream.host.clone(),
            port: upstream.port,
            start_tls: upstream.security == Security::StartTls,
            trust_anchors: upstream.trust_anchors.clone(),
            username: document.login.username.clone(),
            password: Zeroizing::new(document.login.password.expose().to_owned()),
        }
    }

    /// The mail domain of the login, in lower case: logins are spaced by it. Where the user name is
    /// no address, the whole of it.
    pub fn mail_domain(&self) -> String {
        let domain = self.username.rsplit_once('@');
        domain
            .map_or(self.username.as_str(), |(_, domain)| domain)
            .to_ascii_lowercase()
    }

    /// Whether a text holds the password, plain or as AUTH sends it (RFC 4616, AUTH LOGIN).
    fn is_quoted_in(&self, text: &str) -> bool {
        let plain = Zeroizing::new(format!("\0{}\0{}", self.username, self.password.as_str()));
        let forms = [
            Zeroizing::new(BASE64_STANDARD.encode(self.password.as_bytes())),
            Zeroizing::new(BASE64_STANDARD.encode(plain.as_bytes())),
            self.password.clone(),
        ];
        forms.iter().any(|form| text.contains(form.as_str()))
    }
}

impl Hash for AttemptKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let server = (&self.host, self.port, self.start_tls, &self.trust_anchors);
        (server, &self.username, self.password.as_str()).hash(state);
    }
}

impl fmt::Debug for AttemptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptKey")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// What is known of a login in this process's memory. A key that was refused or not heard stays so
/// while it is tried again: only one without any result is `Waiting`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Attempt {
    /// Nobody asked for it.
    #[default]
    Untried,
    /// It is queued or under way for the first time.
    Waiting,
    /// The server took it.
    Accepted {
        /// When.
        at: Timestamp,
    },
    /// The server refused it: that is a verdict.
    Refused {
        /// When.
        at: Timestamp,
        /// The reply code.
        code: u16,
        /// `AuthFailed` or `AccountBlocked`.
        class: Class,
        /// What the server said, cleaned.
        text: Option<String>,
    },
    /// There was no verdict: no way to the server, or none that tells of the login.
    Unheard {
        /// Since when there is none.
        since: Timestamp,
        /// The kind of failure of the last try.
        class: Class,
        /// Where it failed.
        stage: Stage,
        /// What the server said; only where TLS was verified before.
        text: Option<String>,
    },
}

impl Attempt {
    /// Whether a login that just ended has a verdict: it was taken, or a proven server refused it.
    pub fn is_verdict(result: Result<(), &Failure>, key: &AttemptKey) -> bool {
        match result {
            Ok(()) => true,
            Err(failure) => failure.reply.is_some() && is_refusal(failure, key),
        }
    }

    /// What a login that just ended tells; `earlier` is what was known of the same key before.
    pub fn judge(
        result: Result<(), &Failure>,
        key: &AttemptKey,
        earlier: &Self,
        now: Timestamp,
    ) -> Self {
        let Err(failure) = result else {
            return Self::Accepted { at: now };
        };
        let text = said(failure, key);
        let code = failure
            .reply
            .as_ref()
            .map(zohorelay_smtp::reply::Reply::code);
        match (code, earlier) {
            (Some(code), _) if is_refusal(failure, key) => Self::Refused {
                at: now,
                code,
                class: failure.class,
                text,
            },
            // The last verdict holds, and the next try is as far off as after it.
            (_, Self::Refused { .. }) => earlier.refused_again(now),
            _ => Self::Unheard {
                since: match earlier {
                    Self::Unheard { since, .. } => *since,
                    _ => now,
                },
                class: failure.class,
                stage: failure.stage,
                text,
            },
        }
    }

    fn refused_again(&self, now: Timestamp) -> Self {
        let mut again = self.clone();
        if let Self::Refused { at, .. } = &mut again {
            *at = now;
        }
        again
    }
}

/// Whether a proven server spoke about the login or the account.
fn is_refusal(failure: &Failure, key: &AttemptKey) -> bool {
    match failure.class {
        Class::AuthFailed => failure.stage == Stage::Auth,
        Class::AccountBlocked => is_proven(failure, key),
        _ => false,
    }
}

/// Whether TLS was verified before the server spoke. With STARTTLS a greeting and an EHLO come
/// before it.
fn is_proven(failure: &Failure, key: &AttemptKey) -> bool {
    let first = if key.start_tls {
        Stage::Auth
    } else {
        Stage::Greeting
    };
    failure.stage >= first
}

/// The server's code and words on one line. What an unproven server says is not repeated, nor what
/// quotes the password.
fn said(failure: &Failure, key: &AttemptKey) -> Option<String> {
    let reply = failure.reply.as_ref().filter(|_| is_proven(failure, key))?;
    let words = reply.text();
    if key.is_quoted_in(&words) {
        return None;
    }
    let plain: String = words
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(TEXT_CHARS_MAX)
        .collect();
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let enhanced = reply.enhanced().map(|code| format!(" {code}"));
    let said = format!("{}{} {plain}", reply.code(), enhanced.unwrap_or_default());
    Some(said.trim_end().to_owned())
}
