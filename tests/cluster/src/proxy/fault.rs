//! What a rule does to a request.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::request::Request;
use super::rules::Rule;

/// A misbehaviour.
#[derive(Clone)]
pub enum Fault {
    /// Answers instead of the API server, which never hears of the request.
    Answer(Refusal),
    /// Waits, then lets the request go on.
    Delay(Duration),
    /// Keeps the request until [`RuleHandle::release`](super::RuleHandle::release); the API server
    /// hears of it only then.
    Hold,
    /// Lets the API server do what was asked, and keeps its answer until
    /// [`RuleHandle::release`](super::RuleHandle::release).
    HoldAnswer,
    /// Cuts the connection; the API server never hears of the request.
    CutBefore,
    /// Lets the API server do what was asked, and cuts the connection instead of answering.
    CutAfter,
    /// Answers what this makes of the API server's answer. Not for watches.
    Rewrite(Arc<dyn Fn(Value) -> Value + Send + Sync>),
    /// Lets so many events of a watch pass, then sends half of the next and cuts the connection.
    CutWatch {
        /// Events that pass.
        after: usize,
    },
    /// Lets so many events of a watch pass, then sends an `ERROR` event and ends the watch in order.
    WatchError {
        /// Events that pass.
        after: usize,
        /// What the event says.
        refusal: Refusal,
    },
    /// Takes the events out of a watch for which this holds; the others pass.
    Drop(Arc<dyn Fn(&Value) -> bool + Send + Sync>),
}

impl Fault {
    /// 403, as without a right.
    pub fn forbidden() -> Self {
        Self::Answer(Refusal::new(403, "Forbidden", "forbidden by a test"))
    }

    /// 409, as when somebody else was faster.
    pub fn conflict() -> Self {
        Self::Answer(Refusal::new(
            409,
            "Conflict",
            "the object has been modified",
        ))
    }

    /// 410, as when a resource version is too old.
    pub fn gone() -> Self {
        Self::Answer(Refusal::gone())
    }

    /// 422, as when validation fails.
    pub fn invalid() -> Self {
        Self::Answer(Refusal::new(422, "Invalid", "invalid by a test"))
    }

    /// 429 with Retry-After.
    pub fn too_many(retry_after: Duration) -> Self {
        let mut refusal = Refusal::new(429, "TooManyRequests", "too many requests");
        refusal.retry_after = Some(retry_after);
        Self::Answer(refusal)
    }

    /// 500.
    pub fn internal_error() -> Self {
        Self::Answer(Refusal::new(500, "InternalError", "etcdserver: a test"))
    }

    /// 504, as when etcd is slow.
    pub fn timeout() -> Self {
        Self::Answer(Refusal::new(504, "Timeout", "request timed out"))
    }

    /// An `ERROR` event with 410 after so many events.
    pub fn watch_gone(after: usize) -> Self {
        let refusal = Refusal::gone();
        Self::WatchError { after, refusal }
    }

    /// Answers what this makes of the API server's answer.
    pub fn rewrite(change: impl Fn(Value) -> Value + Send + Sync + 'static) -> Self {
        Self::Rewrite(Arc::new(change))
    }

    /// Takes the events out of a watch for which this holds.
    pub fn drop_events(which: impl Fn(&Value) -> bool + Send + Sync + 'static) -> Self {
        Self::Drop(Arc::new(which))
    }

    /// Lets only bookmarks pass.
    pub fn bookmarks_only() -> Self {
        Self::drop_events(|event| event["type"] != "BOOKMARK")
    }

    /// A rule that does this to the requests for which this holds, for ever.
    pub fn when(self, fits: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Rule {
        Rule::new(self, fits)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(refusal) => write!(formatter, "Answer({})", refusal.code),
            Self::Delay(time) => write!(formatter, "Delay({time:?})"),
            Self::Hold => formatter.write_str("Hold"),
            Self::HoldAnswer => formatter.write_str("HoldAnswer"),
            Self::CutBefore => formatter.write_str("CutBefore"),
            Self::CutAfter => formatter.write_str("CutAfter"),
            Self::Rewrite(_) => formatter.write_str("Rewrite"),
            Self::CutWatch { after } => write!(formatter, "CutWatch({after})"),
            Self::WatchError { after, refusal } => {
                write!(formatter, "WatchError({after}, {})", refusal.code)
            }
            Self::Drop(_) => formatter.write_str("Drop"),
        }
    }
}

/// A `Status` of the API server.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// HTTP status code.
    pub code: u16,
    /// Reason, a word of the API conventions.
    pub reason: String,
    /// For people.
    pub message: String,
    /// When to come again; whole seconds.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// One without Retry-After.
    pub fn new(code: u16, reason: &str, message: &str) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            message: message.to_owned(),
            retry_after: None,
        }
    }

    /// 410 of a watch or list that goes on from a resource version which is too old.
    pub fn gone() -> Self {
        Self::new(410, "Expired", "too old resource version: 1 (2)")
    }

    /// As JSON.
    pub(super) fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Some(time) = self.retry_after {
            status["details"] = json!({ "retryAfterSeconds": time.as_secs() });
        }
        status
    }
}
