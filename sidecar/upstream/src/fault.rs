//! One step that went wrong, and the failure that it makes.

use std::time::Duration;

use tokio::time::Instant;
use zohorelay_smtp::reply::Reply;

use crate::classify::classify;
use crate::failure::{Class, Failure, Stage};
use crate::transport::Broken;

/// How a step ended, when not well.
#[derive(Debug)]
pub(crate) enum Fault {
    /// With another reply than the one that leads on.
    Reply(Reply),
    /// Without a reply.
    Broken(Broken),
    /// Not in time: the limit of the step, or the deadline of the mail.
    Late(Lateness),
}

/// Which time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lateness {
    Step(Duration),
    Deadline,
}

impl Lateness {
    /// What ended at `Instant::now()`.
    pub(crate) fn of(limit: Duration, deadline: Instant) -> Self {
        if Instant::now() < deadline {
            Self::Step(limit)
        } else {
            Self::Deadline
        }
    }
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl Fault {
    /// Whether the connection turned out dead, which says nothing about the mail: the server hung
    /// up, or said 421.
    pub(crate) fn is_dead(&self) -> bool {
        match self {
            Self::Reply(reply) => reply.code() == 421,
            Self::Broken(broken) => {
                matches!(broken, Broken::Closed | Broken::Io(_) | Broken::Tls(_))
            }
            Self::Late(_) => false,
        }
    }

    /// The failure of a step before our dot.
    pub(crate) fn into_failure(self, stage: Stage, host: &str) -> Failure {
        let doing = doing(stage);
        match self {
            Self::Reply(reply) => {
                let class = classify(stage, &reply);
                let detail = format!("{doing}: the server said {}", reply.code());
                Failure::new(class, stage, host, detail).with_reply(reply)
            }
            Self::Broken(broken) => {
                let class = class_of(&broken);
                Failure::new(class, stage, host, format!("{doing}: {broken}"))
            }
            Self::Late(lateness) => {
                let detail = match lateness {
                    Lateness::Step(limit) => {
                        format!("{doing}: nothing came for {}s", limit.as_secs())
                    }
                    Lateness::Deadline => format!("{doing}: the deadline of the mail passed"),
                };
                Failure::new(Class::Timeout, stage, host, detail)
            }
        }
    }
}

fn class_of(broken: &Broken) -> Class {
    match broken {
        Broken::Closed | Broken::Io(_) => Class::Connect,
        Broken::Tls(_) => Class::Tls,
        Broken::Protocol(_) | Broken::Refused | Broken::Unexpected => Class::Protocol,
    }
}

/// The step in words.
pub(crate) const fn doing(stage: Stage) -> &'static str {
    match stage {
        Stage::Connect => "connecting",
        Stage::Tls => "securing the connection",
        Stage::Greeting => "waiting for the greeting",
        Stage::Ehlo => "sending EHLO",
        Stage::Auth => "logging in",
        Stage::Mail => "sending MAIL",
        Stage::Rcpt => "sending RCPT",
        Stage::Data => "sending DATA",
        Stage::EndOfData => "sending the content",
    }
}
