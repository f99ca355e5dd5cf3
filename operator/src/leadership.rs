//! Whether this replica is the one that writes.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

/// Tells whether this replica leads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Leadership {
    leads: watch::Receiver<bool>,
    until: watch::Receiver<Option<Instant>>,
    other: watch::Receiver<Option<Arc<str>>>,
}

impl Leadership {
    /// From a channel alone: it leads for as long as the channel says so.
    pub fn new(leads: watch::Receiver<bool>) -> Self {
        Self {
            leads,
            until: watch::channel(None).1,
            other: watch::channel(None).1,
        }
    }

    /// From the channels that the lease keeps up to date: it leads while the one says so and the
    /// time of the other has not come, so that a process that was stopped for a while knows at once.
    pub fn bounded(leads: watch::Receiver<bool>, until: watch::Receiver<Option<Instant>>) -> Self {
        Self {
            until,
            ..Self::new(leads)
        }
    }

    /// The same, and who leads instead, as far as the lease tells.
    #[must_use]
    pub fn naming(self, other: watch::Receiver<Option<Arc<str>>>) -> Self {
        Self { other, ..self }
    }

    /// Who held the lease when this replica last saw that it is another's.
    pub fn other(&self) -> Option<Arc<str>> {
        self.other.borrow().clone()
    }

    /// Whether it leads right now.
    pub fn is_leader(&self) -> bool {
        let in_time = self.until.borrow().is_none_or(|end| Instant::now() < end);
        *self.leads.borrow() && in_time
    }

    /// Waits for the next change and returns what holds then; false for ever once the lease is given
    /// up. Cancel-safe.
    pub async fn changed(&mut self) -> bool {
        if self.leads.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        *self.leads.borrow_and_update()
    }

    /// Waits until this replica leads. Cancel-safe.
    pub async fn acquired(&mut self) {
        if self.leads.wait_for(|leads| *leads).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until this replica does not lead. Cancel-safe.
    pub async fn lost(&mut self) {
        // A channel that is gone means that the lease was given up.
        let _ = self.leads.wait_for(|leads| !*leads).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_leads_past_the_time_that_the_lease_was_renewed_for() {
        let (_leads, leads) = watch::channel(true);
        let end = Instant::now() + Duration::from_secs(10);
        let (_until, until) = watch::channel(Some(end));
        let leadership = Leadership::bounded(leads, until);
        assert!(leadership.is_leader());
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!leadership.is_leader());
    }
}
