//! Carries out actions: the one place where faults reach the wire.

use std::time::Duration;

use crate::action::{Action, EndlessReply, Then};
use crate::fault::Stage;
use crate::session::{End, Session};

const GARBAGE_BYTES: usize = 256;

impl Session {
    /// Answers with `usual`, or does what the fault of this stage says.
    pub(crate) async fn answer(&mut self, stage: Stage, usual: &str) -> Result<(), End> {
        let action = self.strike(stage);
        self.perform(action, usual).await
    }

    /// Sends `usual`, or what the action makes of it.
    pub(crate) async fn perform(&mut self, action: Option<Action>, usual: &str) -> Result<(), End> {
        match action {
            None | Some(Action::Certificate(_)) => self.write(usual.as_bytes()).await,
            Some(Action::Reply(text) | Action::EarlyReply(text)) => self.write(&text.0).await,
            Some(Action::ReplyThenClose(text)) => {
                self.write(&text.0).await?;
                Err(End::FaultClose)
            }
            Some(Action::HalfReply { text, then }) => {
                self.write(&text.0).await?;
                Err(self.leave(then).await)
            }
            Some(Action::Stall) => Err(self.stall().await),
            Some(Action::StopReading) => std::future::pending().await,
            Some(Action::Reset) => Err(End::FaultReset),
            Some(Action::Close | Action::RefuseHandshake) => Err(End::FaultClose),
            Some(Action::Garbage) => self.write(&self.garbage()).await,
            Some(Action::AcceptThen(then)) => Err(self.leave(then).await),
            Some(Action::ExtraReply(text) | Action::InjectAfterStartTls { text, late: false }) => {
                self.write(&[usual.as_bytes(), &text.0].concat()).await
            }
            Some(Action::Delay { ms }) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                self.write(usual.as_bytes()).await
            }
            Some(Action::SplitReply) => self.split(usual).await,
            Some(Action::InjectAfterStartTls { text, late: true }) => {
                self.write(usual.as_bytes()).await?;
                if let Some(tcp) = self.wire.tcp() {
                    tcp.readable()
                        .await
                        .map_err(|error| End::ClientGone(error.kind()))?;
                }
                self.write(&text.0).await
            }
            Some(Action::EndlessReply(kind)) => self.endless(kind, usual).await,
        }
    }

    async fn leave(&mut self, then: Then) -> End {
        match then {
            Then::Stall => self.stall().await,
            Then::Reset => End::FaultReset,
            Then::Close => End::FaultClose,
        }
    }

    /// Reads and answers nothing until the client goes.
    pub(crate) async fn stall(&mut self) -> End {
        loop {
            self.input.clear();
            if let Err(end) = self.fill().await {
                return end;
            }
        }
    }

    async fn split(&mut self, usual: &str) -> Result<(), End> {
        self.note(|record| record.line('S', usual.trim_end()));
        for byte in usual.as_bytes() {
            self.write_unnoted(&[*byte]).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn endless(&mut self, kind: EndlessReply, usual: &str) -> Result<(), End> {
        let code = usual.get(..3).unwrap_or("250");
        self.note(|record| record.line('S', &format!("{code}- without end")));
        let line = format!("{code}-{}\r\n", "x".repeat(74));
        let block = match kind {
            EndlessReply::Lines => line.repeat(64),
            EndlessReply::Line => {
                self.write_unnoted(format!("{code}-").as_bytes()).await?;
                "x".repeat(4096)
            }
        };
        loop {
            self.write_unnoted(block.as_bytes()).await?;
            tokio::task::yield_now().await;
        }
    }

    /// The same in every run with the same seed, another one on each connection.
    fn garbage(&self) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(self.world.options.seed ^ self.id);
        let mut bytes: Vec<u8> = (0..GARBAGE_BYTES).map(|_| random.u8(..)).collect();
        bytes.extend_from_slice(b"\r\n");
        bytes
    }
}
