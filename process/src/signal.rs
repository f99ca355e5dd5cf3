//! The signals that end a process: SIGTERM from the kubelet, SIGINT from a keyboard.

use std::io;

use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for SIGTERM and SIGINT. From the moment it exists neither kills the process.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Registers both signals; call it early, within the runtime, so that none is missed.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal and names it. The first should drain, a second should end at once.
    /// Cancel-safe.
    pub async fn recv(&mut self) -> &'static str {
        select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::Signals;

    #[tokio::test]
    async fn a_signal_before_recv_is_kept_and_a_second_one_is_told_apart() {
        let mut signals = Signals::listen().unwrap();
        kill_process(getpid(), Signal::TERM).unwrap();
        assert_eq!(signals.recv().await, "SIGTERM");
        kill_process(getpid(), Signal::INT).unwrap();
        assert_eq!(signals.recv().await, "SIGINT");
    }
}
