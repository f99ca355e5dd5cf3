//! How one mail ended. [`crate::answer`] turns it into the reply that the app gets,
//! [`crate::metrics`] into counters, the log into a line.

use std::time::Duration;

use zohorelay_smtp::data::Violation;
use zohorelay_smtp::reply::Reply;
use zohorelay_upstream::failure::{Class, Failure, Stage};

use crate::policy::Refusal;

/// How one mail ended.
#[derive(Debug)]
pub enum Outcome {
    /// The upstream took it, with this reply to our dot.
    Accepted(Reply),
    /// It failed on the way to the upstream, or there.
    Upstream(Failure),
    /// We did not send it.
    Local(Local),
    /// The identity is suspended: no failure, the app is to try again.
    Suspended,
}

/// Why we did not send a mail.
#[derive(Debug)]
pub enum Local {
    /// The app hung up before our dot; the stage says how far the mail was.
    AppGone(Stage),
    /// Bare CR or NUL in the content.
    Framing(Violation),
    /// Bare LF in the content, and the identity is `Strict`.
    BareLineFeed,
    /// The header block has no end within its limit.
    HeaderTooLong,
    /// The mail is over the identity's `messageBytes`.
    TooLarge {
        /// The limit in bytes.
        limit_bytes: u64,
    },
    /// The policy does not let it go.
    SenderRefused(Refusal),
    /// The identity has no document yet.
    NotConfigured,
    /// The identity's document was taken away.
    Removed,
    /// The breaker is open, or the operator holds the account.
    Held {
        /// What opened it, as a class name.
        reason: &'static str,
        /// When to try again.
        again_after: Duration,
    },
    /// No token within our patience.
    Paced {
        /// When to try again.
        again_after: Duration,
    },
    /// No room, or no working disk, for a large body.
    Spool,
    /// More recipients than the identity allows.
    TooManyRecipients {
        /// `recipientsPerMessage`.
        limit: u32,
    },
    /// SIGTERM came while our dot was unsent.
    ShuttingDown,
}

impl Local {
    /// The class, for counters and alerts; a shutdown is nobody's failure.
    pub const fn class(&self) -> Option<Class> {
        Some(match self {
            Self::AppGone(_) => Class::AppGone,
            Self::Framing(_) | Self::BareLineFeed => Class::Framing,
            Self::HeaderTooLong | Self::TooLarge { .. } => Class::TooLarge,
            Self::SenderRefused(_) => Class::SenderRefused,
            Self::NotConfigured | Self::Removed => Class::NotConfigured,
            Self::Held { .. } => Class::Held,
            Self::Paced { .. } => Class::Paced,
            Self::Spool => Class::Busy,
            Self::TooManyRecipients { .. } => Class::TooManyRecipients,
            Self::ShuttingDown => return None,
        })
    }
}

/// Who decided: the label `origin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This process.
    Local,
    /// The network or the server.
    Upstream,
}

impl Origin {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Local, Self::Upstream];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Upstream => "upstream",
        }
    }
}

impl Outcome {
    /// The class of a failure.
    pub const fn class(&self) -> Option<Class> {
        match self {
            Self::Accepted(_) | Self::Suspended => None,
            Self::Upstream(failure) => Some(failure.class),
            Self::Local(local) => local.class(),
        }
    }

    /// Who decided. A pool without a free connection and a held login are our own doing.
    pub const fn origin(&self) -> Origin {
        match self {
            Self::Upstream(failure) => match failure.class {
                Class::Busy | Class::Held => Origin::Local,
                _ => Origin::Upstream,
            },
            _ => Origin::Local,
        }
    }

    /// The stage of an upstream failure, or how far a mail was whose app left.
    pub const fn stage(&self) -> Option<Stage> {
        match self {
            Self::Upstream(failure) => Some(failure.stage),
            Self::Local(Local::AppGone(stage)) => Some(*stage),
            _ => None,
        }
    }

    /// The label value of `mails_total`, given the code of the reply that the app got.
    pub fn label(&self, reply_code: u16) -> &'static str {
        match self.class() {
            Some(Class::UnknownOutcome) => "unknown",
            Some(Class::AppGone) => "app_gone",
            _ if reply_code < 400 => "accepted",
            _ if reply_code < 500 => "deferred",
            _ => "refused",
        }
    }

    /// Every value of [`Self::label`].
    pub const LABELS: [&'static str; 5] =
        ["accepted", "app_gone", "deferred", "refused", "unknown"];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(class: Class) -> Outcome {
        Outcome::Upstream(Failure::new(class, Stage::Auth, "host", "detail"))
    }

    #[test]
    fn the_label_follows_the_answer_except_where_nobody_knows_or_nobody_is_there() {
        let gone = || Outcome::Local(Local::AppGone(Stage::Rcpt));
        let table = [
            (
                Outcome::Accepted(Reply::new(250, None, "ok")),
                250,
                "accepted",
            ),
            (Outcome::Suspended, 451, "deferred"),
            (Outcome::Local(Local::ShuttingDown), 421, "deferred"),
            (Outcome::Local(Local::Spool), 452, "deferred"),
            (Outcome::Local(Local::HeaderTooLong), 554, "refused"),
            (upstream(Class::RelayDenied), 553, "refused"),
            (upstream(Class::UnknownOutcome), 451, "unknown"),
            (upstream(Class::UnknownOutcome), 554, "unknown"),
            (gone(), 421, "app_gone"),
        ];
        for (outcome, code, expected) in table {
            assert_eq!(outcome.label(code), expected, "{outcome:?}");
            assert!(Outcome::LABELS.contains(&expected));
        }
        assert_eq!(gone().stage(), Some(Stage::Rcpt));
    }

    #[test]
    fn what_the_server_never_heard_of_is_local() {
        for class in Class::ALL {
            let expected = match class {
                Class::Busy | Class::Held => Origin::Local,
                _ => Origin::Upstream,
            };
            assert_eq!(upstream(class).origin(), expected, "{class}");
        }
        let outcome = Outcome::Local(Local::AppGone(Stage::Rcpt));
        assert_eq!(outcome.origin(), Origin::Local);
    }
}
