//! What a sidecar says of itself: `/summary` of its admin port (`docs/reference/status.md`).
//!
//! The answer is a stranger's word. Only what is listed here is taken from it, and only of identities
//! that the pod carries; nothing in it is followed.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use thiserror::Error;
use zohorelay_process::client::{self, GetError};
use zohorelay_upstream::Class;

use super::account::{Account, Told};
use super::refusal::Refused;

/// How long a sidecar may take to answer.
pub const TIMEOUT: Duration = Duration::from_secs(2);
/// The largest answer, head and body.
pub const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Why there is no summary.
#[derive(Debug, Error)]
pub enum SummaryError {
    /// No whole answer came.
    #[error(transparent)]
    NoAnswer(#[from] GetError),
    /// An answer came that is not a page: an error, or a redirect, which is not followed.
    #[error("asking {address} for its summary: it answered with status {status}")]
    Status {
        /// Who was asked.
        address: SocketAddr,
        /// The status code.
        status: u16,
    },
    /// The page is not a summary.
    #[error("reading the summary of {address}: {source}")]
    Malformed {
        /// Who was asked.
        address: SocketAddr,
        /// Where and why.
        source: serde_json::Error,
    },
}

/// What one sidecar says of one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The identity, of the pod's namespace.
    pub identity: Box<str>,
    /// The uid of the object that the document was made from.
    pub uid: Option<Box<str>>,
    /// The revision of the document in use; none: there is no document.
    pub revision: Option<u64>,
    /// What the sidecar does with the identity's mails; none: a word that is not known.
    pub state: Option<State>,
    /// The refusal of the account that stopped it.
    pub refused: Option<Refused>,
    /// What became of its mails since the start of the sidecar.
    pub account: Account,
}

/// `state` of an identity in a summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It sends.
    Active,
    /// The document says that nothing is sent.
    Suspended,
    /// There is no document yet.
    Awaited,
    /// The document was taken away.
    Removed,
}

/// A parsed answer; make it small by [`Summary::of_pod`].
#[derive(Debug, Deserialize)]
pub struct Summary {
    identities: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    name: String,
    namespace: Option<String>,
    uid: Option<String>,
    state: String,
    revision: Option<u64>,
    breaker: Option<Breaker>,
    #[serde(flatten)]
    told: Told,
}

#[derive(Debug, Deserialize)]
struct Breaker {
    reason: String,
    /// Missing where it is the hold of the document, which is no refusal.
    refusals: Option<u32>,
}

/// Asks the sidecar at `address`, within [`TIMEOUT`].
pub async fn read(address: SocketAddr) -> Result<Summary, SummaryError> {
    let (status, body) =
        client::get_at_most(address, "/summary", TIMEOUT, ANSWER_BYTES_MAX).await?;
    if status != 200 {
        return Err(SummaryError::Status { address, status });
    }
    serde_json::from_slice(&body).map_err(|source| SummaryError::Malformed { address, source })
}

impl Summary {
    /// What counts of the answer of a pod in `namespace` that carries `identities`: it cannot speak
    /// for others, nor of the time after `now`.
    pub fn of_pod(self, namespace: &str, identities: &[Box<str>], now: Timestamp) -> Box<[Report]> {
        let mut reports: Vec<Report> = Vec::new();
        for entry in self.identities {
            let own = entry.namespace.as_deref().is_none_or(|of| of == namespace);
            let carried = identities.iter().any(|name| **name == *entry.name);
            let said = reports.iter().any(|said| *said.identity == *entry.name);
            if own && carried && !said {
                reports.push(entry.report(now));
            }
        }
        reports.into()
    }
}

impl Entry {
    fn report(self, now: Timestamp) -> Report {
        let is_own = self.breaker.as_ref().and_then(|it| it.refusals).is_some();
        let breaker = self.breaker.and_then(|it| Class::parse(&it.reason));
        let refused = breaker.filter(|_| is_own).and_then(|class| {
            let at = self.told.last_failure_of(class)?;
            Refused::new(class, at, now)
        });
        Report {
            // A longer one is of no object.
            uid: self.uid.filter(|uid| uid.len() <= 64).map(Into::into),
            revision: self.revision,
            state: State::parse(&self.state),
            refused,
            account: self.told.account(breaker, now),
            identity: self.name.into(),
        }
    }
}

impl State {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "active" => Some(Self::Active),
            "suspended" => Some(Self::Suspended),
            "awaited" => Some(Self::Awaited),
            "removed" => Some(Self::Removed),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
