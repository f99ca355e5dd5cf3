//! What is told on stdout: a JSON line each, written at once.

use std::io::Write as _;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::smtp::Reply;

/// One submission of a mail.
pub(crate) struct Telling<'a> {
    id: &'a str,
    attempt: u32,
    start: Instant,
}

impl<'a> Telling<'a> {
    pub(crate) fn start(id: &'a str, attempt: u32) -> Self {
        Self {
            id,
            attempt,
            start: Instant::now(),
        }
    }

    /// The dot comes next.
    pub(crate) fn begins(&self) {
        say(&json!({"id": self.id, "try": self.attempt, "begin": true}));
    }

    /// It ended: by the reply to its dot, by one that let it not come so far, or without any.
    pub(crate) fn ended(&self, reply: &std::io::Result<Reply>) {
        let mut line = json!({
            "id": self.id,
            "try": self.attempt,
            "at": Timestamp::now().to_string(),
            "took_ms": u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        match reply {
            Ok(reply) => {
                line["code"] = reply.code.into();
                line["text"] = reply.text.as_str().into();
            }
            Err(error) => {
                line["code"] = Value::Null;
                line["error"] = error.to_string().into();
            }
        }
        say(&line);
    }
}

fn say(line: &Value) {
    let mut stdout = std::io::stdout();
    // Nobody is left to tell it to when stdout is closed.
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
