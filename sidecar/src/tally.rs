//! What became of the mails of one identity since the start: for `/summary`, `/status` and the
//! last words of the container. Bounded, without addresses and texts.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use zohorelay_smtp::reply::Reply;
use zohorelay_upstream::failure::Stage;

use crate::outcome::Outcome;

/// Counts and the last events; cheap to change, copied to be shown.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counts>);

/// See [`Tally`].
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Mails that the upstream took.
    pub accepted: u64,
    /// Failures by class.
    pub failed: BTreeMap<&'static str, u64>,
    /// When the upstream last took one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_accepted: Option<Timestamp>,
    /// The newest failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<LastFailure>,
    /// The newest failure of each class.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub last_failures: BTreeMap<&'static str, Circumstances>,
}

/// The newest failure, in label values.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastFailure {
    /// Its class.
    pub class: &'static str,
    /// Where and when.
    #[serde(flatten)]
    pub circumstances: Circumstances,
}

/// Where and when a mail failed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Circumstances {
    /// The stage, if it happened upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<&'static str>,
    /// The upstream's reply code, if there was a reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// When.
    pub at: Timestamp,
}

impl Tally {
    /// Notes how a mail ended; true if it failed.
    pub fn note(&self, outcome: &Outcome, at: Timestamp) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(outcome, Outcome::Accepted(_)) {
            counts.accepted += 1;
            counts.last_accepted = Some(at);
        }
        let Some(class) = outcome.class() else {
            return false;
        };
        *counts.failed.entry(class.as_str()).or_default() += 1;
        let code = match outcome {
            Outcome::Upstream(failure) => failure.reply.as_ref().map(Reply::code),
            _ => None,
        };
        let class = class.as_str();
        let circumstances = Circumstances {
            stage: outcome.stage().map(Stage::as_str),
            code,
            at,
        };
        counts.last_failures.insert(class, circumstances.clone());
        counts.last_failure = Some(LastFailure {
            class,
            circumstances,
        });
        true
    }

    /// A copy.
    pub fn counts(&self) -> Counts {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use zohorelay_upstream::failure::{Class, Failure};

    use super::*;
    use crate::outcome::Local;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_is_no_failure_is_counted_as_none() {
        let tally = Tally::default();
        for outcome in [
            Outcome::Accepted(Reply::new(250, None, "ok")),
            Outcome::Suspended,
            Outcome::Local(Local::ShuttingDown),
        ] {
            assert!(!tally.note(&outcome, at(1)), "{outcome:?}");
        }
        let counts = tally.counts();
        assert_eq!(counts.accepted, 1);
        assert_eq!(counts.last_accepted, Some(at(1)));
        assert!(counts.failed.is_empty() && counts.last_failure.is_none());
    }

    #[test]
    fn the_newest_failure_of_all_and_of_each_class_is_kept_in_label_values() {
        let tally = Tally::default();
        let again_after = Duration::from_secs(1);
        assert!(tally.note(&Outcome::Local(Local::Paced { again_after }), at(1)));
        let failure = Failure::new(Class::Transient, Stage::Mail, "host", "detail")
            .with_reply(Reply::new(452, None, "ann@example.org is over quota"));
        assert!(tally.note(&Outcome::Upstream(failure), at(2)));
        assert_eq!(
            serde_json::to_string(&tally.counts()).unwrap(),
            r#"{"accepted":0,"failed":{"paced":1,"transient":1},"lastFailure":{"class":"transient","stage":"mail","code":452,"at":"1970-01-01T00:00:02Z"},"lastFailures":{"paced":{"at":"1970-01-01T00:00:01Z"},"transient":{"stage":"mail","code":452,"at":"1970-01-01T00:00:02Z"}}}"#
        );
    }
}
