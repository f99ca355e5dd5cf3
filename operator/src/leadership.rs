//! Whether this replica is the one that writes.

use tokio::sync::watch;

/// Tells whether this replica leads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Leadership(watch::Receiver<bool>);

impl Leadership {
    /// From the channel that the lease keeps up to date.
    pub fn new(leads: watch::Receiver<bool>) -> Self {
        Self(leads)
    }

    /// Whether it leads right now.
    pub fn is_leader(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for the next change and returns what holds then; false for ever once the lease is given
    /// up. Cancel-safe.
    pub async fn changed(&mut self) -> bool {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        *self.0.borrow_and_update()
    }

    /// Waits until this replica leads. Cancel-safe.
    pub async fn acquired(&mut self) {
        if self.0.wait_for(|leads| *leads).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
