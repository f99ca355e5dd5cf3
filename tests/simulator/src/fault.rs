//! Faults on demand: at which stage, how often, and for whom.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::action::Action;

/// Where in a session a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Right after the TCP connection was accepted.
    Connect,
    /// In place of the 220 banner.
    Greeting,
    /// In place of the reply to EHLO or HELO; `nth` 2 is the one after STARTTLS.
    Ehlo,
    /// In place of the 220 to STARTTLS.
    Starttls,
    /// In place of the TLS handshake, on either port.
    Tls,
    /// In place of the verdict on the credentials.
    Auth,
    /// In place of the reply to MAIL.
    Mail,
    /// In place of the reply to RCPT; `nth` is the nth RCPT of the mail.
    Rcpt,
    /// In place of the 354.
    Data,
    /// While the content comes in, once `after_bytes` of it came (0: right after the 354).
    Content,
    /// In place of the reply to the final dot.
    EndOfData,
    /// After the reply to a mail, while the connection waits for the next command.
    Idle,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Where it strikes.
    pub at: Stage,
    /// What happens there.
    pub action: Action,
    /// How often; `None` is for ever.
    #[serde(default)]
    pub times: Option<u32>,
    /// Only for this user name (from AUTH on).
    #[serde(default)]
    pub account: Option<String>,
    /// Only for a mail to this recipient; at [`Stage::Rcpt`] only for this RCPT.
    #[serde(default)]
    pub recipient: Option<String>,
    /// Only the nth time that the connection comes to this stage, from 1; at [`Stage::Rcpt`] the
    /// nth RCPT of the mail.
    #[serde(default)]
    pub nth: Option<u32>,
    /// For [`Stage::Content`]: after so many bytes on the wire.
    #[serde(default)]
    pub after_bytes: u64,
}

/// Why a fault cannot be armed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FaultError {
    /// The action has no meaning at that stage.
    #[error("{action} means nothing at stage {at}: see the table of faults in the README")]
    Unsuitable {
        /// The stage as in JSON.
        at: String,
        /// The action as in JSON.
        action: String,
    },
    /// `times` or `nth` is 0.
    #[error("times and nth count from 1: leave times out for ever, leave nth out for each time")]
    CountsFromOne,
}

impl Fault {
    /// A fault that strikes every connection for ever.
    pub fn new(at: Stage, action: Action) -> Self {
        Self {
            at,
            action,
            times: None,
            account: None,
            recipient: None,
            nth: None,
            after_bytes: 0,
        }
    }

    /// Strikes only so many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Strikes only this user name.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Strikes only this recipient.
    #[must_use]
    pub fn recipient(mut self, recipient: impl Into<String>) -> Self {
        self.recipient = Some(recipient.into());
        self
    }

    /// Strikes only the nth time, from 1.
    #[must_use]
    pub fn nth(mut self, nth: u32) -> Self {
        self.nth = Some(nth);
        self
    }

    /// Strikes within the content, after so many bytes on the wire.
    #[must_use]
    pub fn after_bytes(mut self, after_bytes: u64) -> Self {
        self.after_bytes = after_bytes;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), FaultError> {
        if self.times == Some(0) || self.nth == Some(0) {
            return Err(FaultError::CountsFromOne);
        }
        if self.action.suits(self.at) {
            return Ok(());
        }
        let json = |value: serde_json::Result<String>| value.unwrap_or_default();
        let at = json(serde_json::to_string(&self.at));
        Err(FaultError::Unsuitable {
            at,
            action: json(serde_json::to_string(&self.action)),
        })
    }

    fn matches(&self, point: &Point<'_>) -> bool {
        let is = |wanted: &Option<String>, found: &[&str]| {
            wanted
                .as_ref()
                .is_none_or(|wanted| found.iter().any(|found| found.eq_ignore_ascii_case(wanted)))
        };
        self.at == point.stage
            && is(&self.account, point.account.as_slice())
            && is(&self.recipient, &point.recipients)
            && self.nth.is_none_or(|nth| nth == point.nth)
    }
}

/// A fault and how often it struck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArmedFault {
    /// Number of the fault, from 1.
    pub id: u64,
    /// The fault.
    #[serde(flatten)]
    pub fault: Fault,
    /// How often it struck.
    pub fired: u32,
}

/// A point that a session has come to.
#[derive(Debug)]
pub(crate) struct Point<'a> {
    pub(crate) stage: Stage,
    pub(crate) nth: u32,
    pub(crate) account: Option<&'a str>,
    pub(crate) recipients: Vec<&'a str>,
    pub(crate) content_bytes: u64,
    /// Faults that struck this content already: each strikes once a content.
    pub(crate) struck: &'a [u64],
}

/// The armed faults, in the order they were armed; the first that matches strikes.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<ArmedFault>,
    last_id: u64,
}

impl Faults {
    pub(crate) fn arm(&mut self, fault: Fault) -> Result<u64, FaultError> {
        fault.validate()?;
        self.last_id += 1;
        self.armed.push(ArmedFault {
            id: self.last_id,
            fault,
            fired: 0,
        });
        Ok(self.last_id)
    }

    pub(crate) fn list(&self) -> Vec<ArmedFault> {
        self.armed.clone()
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    pub(crate) fn disarm(&mut self, id: u64) -> bool {
        let before = self.armed.len();
        self.armed.retain(|armed| armed.id != id);
        self.armed.len() < before
    }

    /// The action of the first fault that matches, which counts as struck.
    pub(crate) fn strike(&mut self, point: &Point<'_>) -> Option<(u64, Action)> {
        let armed = self
            .matching(point)
            .find(|a| a.fault.after_bytes <= point.content_bytes)?;
        armed.fired += 1;
        Some((armed.id, armed.fault.action.clone()))
    }

    /// The next count of content bytes at which a fault would strike.
    pub(crate) fn next_after_bytes(&mut self, point: &Point<'_>) -> Option<u64> {
        let counts = self.matching(point).map(|armed| armed.fault.after_bytes);
        counts.filter(|&bytes| bytes > point.content_bytes).min()
    }

    fn matching(&mut self, point: &Point<'_>) -> impl Iterator<Item = &mut ArmedFault> {
        self.armed.iter_mut().filter(|armed| {
            armed.fault.times.is_none_or(|times| armed.fired < times)
                && !point.struck.contains(&armed.id)
                && armed.fault.matches(point)
        })
    }
}
