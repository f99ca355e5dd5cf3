//! An application as end-to-end tests run it in pods: it sends mail to its sidecar by plain SMTP, as
//! any application would, and tells on stdout what it was told.
//!
//! For each submission two JSON lines. `{"id","try","begin":true}` goes out before the dot that ends the
//! mail, so that the judge knows of a submission that was open when the app was killed;
//! `{"id","try","code","text","at","took_ms"}` once there is a reply, of whatever command, or with
//! `"code":null` and `"error"` once the connection failed.

mod arguments;
mod smtp;
mod tell;

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use crate::arguments::Arguments;
use crate::smtp::Mail;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Before the first mail: process 1 of a container ignores what it does not listen for.
    let Ok(terminate) = signal(SignalKind::terminate()) else {
        return ExitCode::FAILURE;
    };
    let exit_zero = arguments.exit_zero;
    let all_taken = Sender::new(arguments).run(terminate).await;
    if all_taken || exit_zero {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What sends one mail after another.
struct Sender {
    arguments: Arguments,
    /// What all Message-IDs of this process have in common.
    prefix: String,
    sent: u64,
    all_taken: bool,
}

impl Sender {
    fn new(arguments: Arguments) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let start = SystemTime::now().duration_since(UNIX_EPOCH);
        // A container that starts again in the same pod has other Message-IDs.
        let start = start.unwrap_or_default().as_millis();
        Self {
            prefix: format!("{}.{}.{start}", arguments.run, host.trim()),
            arguments,
            sent: 0,
            all_taken: true,
        }
    }

    /// Sends all mails, those at SIGTERM too; true if each was taken in the end.
    async fn run(mut self, mut terminate: Signal) -> bool {
        let mut terminated = false;
        while !terminated && self.is_due() {
            self.send_one().await;
            if self.is_due() {
                let pause = sleep(Duration::from_millis(self.arguments.every_ms));
                tokio::select! {
                    biased;
                    _ = terminate.recv() => terminated = true,
                    () = pause => {}
                }
            }
        }
        if !terminated && (self.arguments.linger || self.arguments.at_term > 0) {
            terminate.recv().await;
        }
        for _ in 0..self.arguments.at_term {
            self.send_one().await;
        }
        self.all_taken
    }

    fn is_due(&self) -> bool {
        self.arguments.count == 0 || self.sent < self.arguments.count
    }

    async fn send_one(&mut self) {
        self.sent += 1;
        let mail = Mail {
            id: format!("<{}.{}@app.test>", self.prefix, self.sent),
            from: self.arguments.from.clone(),
            to: self.arguments.to.clone(),
            body_bytes: self.arguments.body_bytes,
        };
        self.all_taken &= self.submit(&mail).await;
    }

    /// Submits a mail until it is taken, refused for good, or tried often enough.
    async fn submit(&self, mail: &Mail) -> bool {
        let server = (self.arguments.host.as_str(), self.arguments.port);
        for attempt in 0..=self.arguments.retries {
            if attempt > 0 {
                sleep(Duration::from_millis(self.arguments.retry_ms)).await;
            }
            match smtp::submit(server, mail, attempt + 1).await {
                Some(200..=299) => return true,
                Some(500..=599) => return false,
                _ => {}
            }
        }
        false
    }
}
