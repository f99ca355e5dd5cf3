//! The form of a row, and short words for what happens at a stage.

use std::time::Duration;

use zoho_simulator::{Action, Fault, Port, Raw, Stage, Then};

/// A fault at one stage of a fresh connection, and what must come of it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) port: Port,
    pub(crate) at: Stage,
    pub(crate) action: Action,
    /// Code and enhanced code for the app.
    pub(crate) told: &'static str,
    /// The labels: class, stage and code. A stage `a|b` stands for either.
    pub(crate) fault: &'static str,
    /// Of several visits to that stage the one that is struck.
    pub(crate) nth: Option<u32>,
}

/// Port 465.
pub(crate) const TLS: Port = Port::ImplicitTls;
/// Port 587.
pub(crate) const CLEAR: Port = Port::Starttls;

pub(crate) fn row(
    port: Port,
    at: Stage,
    action: Action,
    told: &'static str,
    fault: &'static str,
) -> Row {
    Row {
        port,
        at,
        action,
        told,
        fault,
        nth: None,
    }
}

impl Row {
    pub(crate) fn nth(self, nth: u32) -> Self {
        let nth = Some(nth);
        Self { nth, ..self }
    }

    pub(crate) fn name(&self) -> String {
        let Self {
            port, at, action, ..
        } = self;
        let nth = self
            .nth
            .map_or_else(String::new, |nth| format!(" no {nth}"));
        let action: String = format!("{:?}", Shown(action)).chars().take(90).collect();
        format!("{port:?} {at:?}{nth} {action}")
    }

    pub(crate) fn fault(&self) -> Fault {
        let mut fault = Fault::new(self.at, self.action.clone()).times(1);
        fault.nth = self.nth;
        if self.at == Stage::Content {
            fault.after_bytes = 1000;
        }
        fault
    }

    pub(crate) fn class(&self) -> &'static str {
        self.fault.split_whitespace().next().unwrap()
    }

    /// Whether the refusal is about the account, so that the breaker holds what follows.
    pub(crate) fn is_about_account(&self) -> bool {
        matches!(
            self.class(),
            "auth_failed" | "account_blocked" | "rate_limited"
        )
    }

    /// Whether a login was begun and its verdict not heard, so that the next one is put off.
    pub(crate) fn leaves_login_open(&self) -> bool {
        let is_at_login = self.fault.split_whitespace().nth(1) == Some("auth");
        self.at == Stage::Auth && is_at_login && !self.is_about_account()
    }

    /// The AUTH commands that the mail costs.
    pub(crate) fn logins(&self) -> u64 {
        let is_before_login = matches!(
            self.at,
            Stage::Connect | Stage::Greeting | Stage::Ehlo | Stage::Starttls | Stage::Tls
        );
        u64::from(!is_before_login)
    }

    /// Well below every limit of a single step (10 s and more) and above the mail's deadline: what
    /// comes in this time was ended by the deadline or at once.
    pub(crate) fn patience(&self) -> Duration {
        match (self.at, &self.action) {
            // The upload has limits of its own: 30 s without progress, 15 s for half a reply.
            (Stage::Content, Action::StopReading) => Duration::from_secs(60),
            (Stage::Content, Action::EarlyReply(_)) => Duration::from_secs(40),
            _ => Duration::from_secs(9),
        }
    }
}

/// An action with its bytes as text.
struct Shown<'a>(&'a Action);

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Action::Reply(raw) => write!(f, "reply {}", text(raw)),
            Action::ReplyThenClose(raw) => write!(f, "reply and close {}", text(raw)),
            Action::EarlyReply(raw) => write!(f, "early reply {}", text(raw)),
            Action::ExtraReply(raw) => write!(f, "extra reply {}", text(raw)),
            Action::HalfReply { text: raw, then } => {
                write!(f, "half a reply {} and {then:?}", text(raw))
            }
            other => write!(f, "{other:?}"),
        }
    }
}

fn text(raw: &Raw) -> String {
    format!("{:?}", String::from_utf8_lossy(&raw.0))
}

/// One line in place of the reply.
pub(crate) fn reply(line: &str) -> Action {
    Action::Reply(format!("{line}\r\n").into())
}

/// These bytes in place of the reply.
pub(crate) fn raw(bytes: &[u8]) -> Action {
    Action::Reply(bytes.into())
}

/// One line, and the connection closes.
pub(crate) fn last(line: &str) -> Action {
    Action::ReplyThenClose(format!("{line}\r\n").into())
}

/// A reply before our dot.
pub(crate) fn early(line: &str) -> Action {
    Action::EarlyReply(format!("{line}\r\n").into())
}

/// A line more than the reply, in one packet.
pub(crate) fn extra(line: &str) -> Action {
    Action::ExtraReply(format!("{line}\r\n").into())
}

/// The start of a reply and no more.
pub(crate) fn half(start: &str, then: Then) -> Action {
    Action::HalfReply {
        text: start.into(),
        then,
    }
}

/// Bytes in the clear after the go-ahead for TLS.
pub(crate) fn inject(text: &str, late: bool) -> Action {
    Action::InjectAfterStartTls {
        text: text.into(),
        late,
    }
}
