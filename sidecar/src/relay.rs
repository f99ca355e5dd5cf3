//! One mail from the app's dot to an [`Outcome`]: checks, policy, breaker, pace, upstream.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use zohorelay_config::{ForeignFrom, LineEndings};
use zohorelay_smtp::data::DataSummary;
use zohorelay_smtp::session::Envelope;
use zohorelay_upstream::{Progress, Submission};

use crate::header::HeaderBlock;
use crate::identity::Active;
use crate::outcome::{Local, Outcome};
use crate::pace::Turn;
use crate::policy::{self, Arrival, Prepared};
use crate::spool::Body;

/// A mail whose DATA ended.
#[derive(Debug)]
pub struct Mail {
    /// From MAIL and RCPT.
    pub envelope: Envelope,
    /// The content as the app sent it, un-stuffed.
    pub body: Body,
    /// What the decoder saw.
    pub summary: DataSummary,
    /// Whether there is a text/calendar part.
    pub has_calendar: bool,
    /// The app's dot.
    pub ended: Instant,
}

/// A mail that may go: what goes upstream around the app's own bytes.
#[derive(Debug)]
pub struct Ready {
    prepared: Prepared,
    reverse_path: String,
    recipients: Vec<String>,
}

impl Ready {
    /// Message-ID of the mail as it goes upstream: Zoho gives no queue id, so this is the key.
    pub fn message_id(&self) -> &str {
        &self.prepared.message_id
    }

    /// Message-ID of the app's mail, where ours wraps it.
    pub fn original_message_id(&self) -> Option<&str> {
        self.prepared.original_message_id.as_deref()
    }

    /// What the policy did, if it did anything.
    pub fn applied(&self) -> Option<&'static str> {
        Some(match self.prepared.applied? {
            ForeignFrom::Reject => "reject",
            ForeignFrom::Rewrite => "rewrite",
            ForeignFrom::Attach => "attach",
            ForeignFrom::Pass => "pass",
        })
    }
}

/// Why a mail may not go that was not received whole or well.
pub fn spoiled(
    spoiled: Option<Local>,
    summary: &DataSummary,
    active: Option<&Active>,
) -> Option<Local> {
    if let Some(violation) = summary.violation {
        return Some(Local::Framing(violation));
    }
    match (spoiled?, active) {
        // It was too much for the most generous identity of the pod.
        (Local::TooLarge { .. }, Some(active)) => Some(Local::TooLarge {
            limit_bytes: active.document.limits.message_bytes,
        }),
        (other, _) => Some(other),
    }
}

/// The app's own Message-ID.
pub fn message_id(mail: &Mail) -> Option<String> {
    let header = HeaderBlock::parse(mail.body.prefix(), mail.body.is_in_memory()).ok()?;
    policy::message_id(&header)
}

/// Checks and prepares; says why the mail may not go.
pub fn prepare(mail: &Mail, active: &Active) -> Result<Ready, Local> {
    let document = &active.document;
    let limits = &document.limits;
    if mail.summary.bare_lf > 0 && document.line_endings == LineEndings::Strict {
        return Err(Local::BareLineFeed);
    }
    if mail.summary.size_bytes > limits.message_bytes {
        return Err(Local::TooLarge {
            limit_bytes: limits.message_bytes,
        });
    }
    if mail.envelope.recipients.len() > limits.recipients_per_message as usize {
        return Err(Local::TooManyRecipients {
            limit: limits.recipients_per_message,
        });
    }
    let header = HeaderBlock::parse(mail.body.prefix(), mail.body.is_in_memory())
        .map_err(|_| Local::HeaderTooLong)?;
    let arrival = Arrival {
        id: fastrand::u64(..),
        now: Timestamp::now(),
        entropy: fastrand::u128(..),
        has_calendar: mail.has_calendar,
        eight_bit: mail.summary.eight_bit,
    };
    let prepared = policy::judge(document, &mail.envelope.reverse_path, &header, &arrival)
        .map_err(Local::SenderRefused)?;
    let recipients = mail
        .envelope
        .recipients
        .iter()
        .map(|r| r.as_str().to_owned())
        .collect();
    Ok(Ready {
        reverse_path: prepared.reverse_path.clone(),
        recipients,
        prepared,
    })
}

/// Sends a prepared mail. Dropping the future before `progress.our_dot_sent()` closes the upstream
/// connection without our dot; after it, it must not be dropped.
pub async fn send(mail: &mut Mail, ready: &Ready, active: &Active, progress: &Progress) -> Outcome {
    if let Some((reason, again_after)) = active.hold() {
        return Outcome::Local(Local::Held {
            reason,
            again_after,
        });
    }
    let now = Instant::now();
    let pass = match active.breaker.admit(now) {
        Ok(pass) => pass,
        Err(open) => {
            let again_after = open.until.duration_since(now);
            let reason = open.reason.as_str();
            return Outcome::Local(Local::Held {
                reason,
                again_after,
            });
        }
    };
    let token = match wait_for_token(active, progress).await {
        Ok(token) => token,
        Err(again_after) => return Outcome::Local(Local::Paced { again_after }),
    };
    let outcome = deliver(mail, ready, active, progress).await;
    drop(token);
    match &outcome {
        Outcome::Accepted(_) => pass.accepted(),
        Outcome::Upstream(failure) => pass.failed(failure.class, Instant::now()),
        Outcome::Local(_) | Outcome::Suspended => {}
    }
    outcome
}

/// The From that a denial is about: the app's, or the identity's where the policy put that there.
pub fn from_shown(mail: &Mail, ready: &Ready, active: &Active) -> String {
    let rewritten = matches!(
        ready.prepared.applied,
        Some(ForeignFrom::Rewrite | ForeignFrom::Attach)
    );
    let header = HeaderBlock::parse(mail.body.prefix(), mail.body.is_in_memory()).ok();
    let of_app = header.and_then(|header| policy::from_addresses(&header).into_iter().next());
    match of_app {
        Some(address) if !rewritten => address.as_str().to_owned(),
        _ => active.document.addresses.primary.as_str().to_owned(),
    }
}

async fn deliver(mail: &mut Mail, ready: &Ready, active: &Active, progress: &Progress) -> Outcome {
    let Prepared {
        head,
        body_from,
        tail,
        ..
    } = &ready.prepared;
    let app_bytes = mail.body.len() - *body_from as u64;
    let delivery = &active.document.delivery;
    let submission = Submission {
        reverse_path: &ready.reverse_path,
        recipients: &ready.recipients,
        size_bytes: head.len() as u64 + app_bytes + tail.len() as u64,
        deadline: mail.ended + delivery.deadline,
        final_reply_timeout: delivery.final_reply_timeout,
        content: &mut mail.body.between(head, *body_from, tail),
    };
    match active.pool.deliver(submission, progress).await {
        Ok(reply) => Outcome::Accepted(reply),
        Err(failure) => Outcome::Upstream(failure),
    }
}

/// A token of the pace; it goes back when the mail ends without our dot.
struct Token<'a> {
    active: &'a Active,
    progress: &'a Progress,
}

impl Drop for Token<'_> {
    fn drop(&mut self) {
        if let (Some(pacer), false) = (&self.active.pacer, self.progress.our_dot_sent()) {
            pacer.give_back();
        }
    }
}

async fn wait_for_token<'a>(
    active: &'a Active,
    progress: &'a Progress,
) -> Result<Option<Token<'a>>, Duration> {
    let Some(pacer) = &active.pacer else {
        return Ok(None);
    };
    match pacer.take() {
        Turn::NotBefore(again_after) => Err(again_after),
        Turn::In(wait) => {
            let token = Token { active, progress };
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            Ok(Some(token))
        }
    }
}

#[cfg(test)]
mod tests;
