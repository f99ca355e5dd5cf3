//! What is known of one mail when it ends, and everything that its end sets off: the counters, the
//! tally, one log line, the last words, and the answer for the app.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::answer::{About, Answer, answer};
use crate::identity::{Active, Identity};
use crate::outcome::Outcome;
use crate::relay::Ready;
use crate::sidecar::Sidecar;

/// See the module.
#[derive(Debug)]
pub struct Receipt {
    identity: Arc<Identity>,
    recipients: usize,
    bytes: u64,
    started: Instant,
    /// The document that the mail began with.
    pub active: Option<Arc<Active>>,
    /// What was prepared to be sent, if it came to that.
    pub ready: Option<Ready>,
    /// The From that a denial is about.
    pub from: String,
}

impl Receipt {
    /// For a mail that ends its DATA now (or that is refused before: then without recipients).
    pub fn new(identity: Arc<Identity>, recipients: usize, bytes: u64) -> Self {
        let started = Instant::now();
        let from = String::new();
        Self {
            identity,
            recipients,
            bytes,
            started,
            active: None,
            ready: None,
            from,
        }
    }

    /// Counts and logs the end of the mail, and says what the app is told.
    pub fn end(&self, outcome: &Outcome, sidecar: &Sidecar) -> Answer {
        let answer = answer(outcome, self.about());
        let code = answer.reply.code();
        #[allow(clippy::cast_precision_loss, reason = "a histogram")]
        sidecar.metrics.message_bytes.observe(self.bytes as f64);
        self.identity
            .metrics
            .ended(outcome, code, self.started.elapsed());
        if self.identity.tally.note(outcome, Timestamp::now()) {
            sidecar.last_words.changed();
        }
        sidecar
            .egress
            .note(outcome, self.active.as_deref(), sidecar);
        self.log(outcome, code);
        answer
    }

    fn about(&self) -> About<'_> {
        let open = self.active.as_ref().and_then(|a| a.breaker.open());
        About {
            identity: self.identity.name(),
            document: self.active.as_ref().map(|active| &active.document),
            from: &self.from,
            again_after: open.map(|open| open.until.duration_since(Instant::now())),
        }
    }

    fn log(&self, outcome: &Outcome, code: u16) {
        let ready = self.ready.as_ref();
        let (upstream_code, detail) = match outcome {
            Outcome::Upstream(failure) => (
                failure.reply.as_ref().map(|reply| reply.code()),
                Some(failure.detail.as_str()),
            ),
            Outcome::Accepted(reply) => (Some(reply.code()), None),
            Outcome::Local(_) | Outcome::Suspended => (None, None),
        };
        tracing::info!(
            identity = self.identity.name(),
            message_id = ready.map(Ready::message_id),
            original_message_id = ready.and_then(Ready::original_message_id),
            policy = ready.and_then(Ready::applied),
            outcome = outcome.label(code),
            class = outcome.class().map(|class| class.as_str()),
            stage = outcome.stage().map(|stage| stage.as_str()),
            code = upstream_code,
            detail,
            answer = code,
            recipients = self.recipients,
            bytes = self.bytes,
            duration_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "mail"
        );
    }
}
