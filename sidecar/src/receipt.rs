//! What is known of one mail when it ends, and everything that its end sets off: the counters, the
//! tally, one log line, the last words, the last mails of the page, and the answer for the app.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use zohorelay_config::LineEndings;
use zohorelay_smtp::address::ForwardPath;
use zohorelay_smtp::data::DataSummary;
use zohorelay_smtp::reply::Reply;
use zohorelay_upstream::failure::{Class, Stage};

use crate::answer::{About, Answer, answer};
use crate::identity::{Active, Identity};
use crate::outcome::{Local, Outcome};
use crate::recent::{self, Past};
use crate::relay::{Mail, Ready};
use crate::sidecar::Sidecar;

/// See the module.
#[derive(Debug)]
pub struct Receipt {
    identity: Arc<Identity>,
    /// What came; nothing for a mail that is refused at MAIL.
    arrived: Option<Arrived>,
    /// The document that the mail began with.
    pub active: Option<Arc<Active>>,
    /// What was prepared to be sent, if it came to that.
    pub ready: Option<Ready>,
    /// The app's own Message-ID, where nothing was prepared.
    pub message_id: Option<String>,
    /// The From that a denial is about.
    pub from: String,
}

#[derive(Debug)]
struct Arrived {
    recipients: usize,
    summary: DataSummary,
    ended: Instant,
}

impl Receipt {
    /// For a mail whose DATA ended.
    pub fn new(identity: Arc<Identity>, mail: &Mail) -> Self {
        tracing::debug!(
            identity = identity.name(),
            reverse_path = mail.envelope.reverse_path.as_str(),
            recipients = ?mail.envelope.recipients.iter().map(ForwardPath::as_str).collect::<Vec<_>>(),
            "mail came"
        );
        let arrived = Arrived {
            recipients: mail.envelope.recipients.len(),
            summary: mail.summary,
            ended: mail.ended,
        };
        Self {
            arrived: Some(arrived),
            ..Self::at_mail(identity)
        }
    }

    /// For a mail that is refused at MAIL.
    pub fn at_mail(identity: Arc<Identity>) -> Self {
        Self {
            identity,
            arrived: None,
            active: None,
            ready: None,
            message_id: None,
            from: String::new(),
        }
    }

    /// Counts and logs the end of the mail, and says what the app is told.
    pub fn end(&self, outcome: &Outcome, sidecar: &Sidecar) -> Answer {
        let answer = self.count(outcome, sidecar);
        self.log(outcome, answer.reply.code());
        answer
    }

    /// Counts the end of the mail, and says what the app is told.
    pub fn count(&self, outcome: &Outcome, sidecar: &Sidecar) -> Answer {
        let answer = answer(outcome, self.about());
        self.identity.metrics.ended(outcome, answer.reply.code());
        if let Some(arrived) = &self.arrived {
            self.count_arrived(arrived, sidecar);
        }
        if self.identity.tally.note(outcome, Timestamp::now()) {
            sidecar.last_words.changed();
        }
        sidecar
            .egress
            .note(outcome, self.active.as_deref(), sidecar);
        answer
    }

    fn count_arrived(&self, arrived: &Arrived, sidecar: &Sidecar) {
        let summary = &arrived.summary;
        #[expect(clippy::cast_precision_loss, reason = "a histogram")]
        sidecar
            .metrics
            .message_bytes
            .observe(summary.size_bytes as f64);
        let metrics = &self.identity.metrics;
        metrics.took(arrived.ended.elapsed());
        if summary.eight_bit {
            metrics.eight_bit_mails.inc();
        }
        let line_endings = self.active.as_ref().map(|a| a.document.line_endings);
        if summary.bare_lf > 0 && line_endings == Some(LineEndings::Normalise) {
            metrics.normalised_mails.inc();
        }
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

    /// Logs the end of the mail and remembers it, given the code that the app was told.
    pub fn log(&self, outcome: &Outcome, code: u16) {
        let ready = self.ready.as_ref();
        let message_id = self.message_id();
        let arrived = self.arrived.as_ref();
        let (reply, detail) = match outcome {
            Outcome::Upstream(failure) => (failure.reply.as_ref(), Some(failure.detail.as_str())),
            Outcome::Accepted(reply) => (Some(reply), None),
            Outcome::Local(_) | Outcome::Suspended => (None, None),
        };
        tracing::info!(
            identity = self.identity.name(),
            message_id,
            original_message_id = ready.and_then(Ready::original_message_id),
            policy = ready.and_then(Ready::applied),
            outcome = outcome.label(code),
            class = outcome.class().map(Class::as_str),
            stage = outcome.stage().map(Stage::as_str),
            code = reply.map(Reply::code),
            detail,
            answer = code,
            recipients = arrived.map_or(0, |arrived| arrived.recipients),
            bytes = arrived.map_or(0, |arrived| arrived.summary.size_bytes),
            duration_ms = arrived.map_or(0, |arrived| millis(arrived.ended.elapsed())),
            "mail"
        );
        if let Outcome::Upstream(failure) = outcome {
            tracing::debug!(
                identity = self.identity.name(),
                message_id,
                refused_recipients = ?failure.refused_recipients,
                reply = reply.map(Reply::text),
                "mail failed upstream"
            );
        }
        self.identity.recent.note(Past {
            at: Timestamp::now(),
            outcome: outcome.label(code),
            class: outcome.class().map(Class::as_str),
            stage: outcome.stage().map(Stage::as_str),
            code: reply.map(Reply::code),
            answer: code,
            message_id: message_id.map(recent::short),
            from: self.denied_from(outcome).map(recent::short),
        });
    }

    fn message_id(&self) -> Option<&str> {
        let ready = self.ready.as_ref();
        ready.map(Ready::message_id).or(self.message_id.as_deref())
    }

    /// The From, where it is why the mail was refused.
    fn denied_from<'a>(&'a self, outcome: &'a Outcome) -> Option<&'a str> {
        let from = match outcome {
            Outcome::Local(Local::SenderRefused(refusal)) => &refusal.from,
            Outcome::Upstream(failure) if failure.class == Class::RelayDenied => &self.from,
            _ => return None,
        };
        Some(from.as_str()).filter(|from| !from.is_empty())
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
