//! Whether this replica can do its part.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::identity::Controller;
use crate::leadership::Leadership;
use crate::webhook::Readiness;

/// What must be there first: the webhook's certificate, on every replica, and once the identities of
/// the leader. A replica that became ready stays so when it takes over: its webhook is needed.
pub(super) struct Ready {
    webhook: Option<Readiness>,
    leadership: Leadership,
    controller: Arc<Controller>,
    was: AtomicBool,
}

impl Ready {
    pub(super) fn new(
        webhook: Option<Readiness>,
        leadership: Leadership,
        controller: Arc<Controller>,
    ) -> Self {
        Self {
            webhook,
            leadership,
            controller,
            was: AtomicBool::new(false),
        }
    }

    /// What it waits for; nothing when it is ready.
    pub(super) fn obstacle(&self) -> Option<&'static str> {
        if self
            .webhook
            .as_ref()
            .is_some_and(|webhook| !webhook.is_ready())
        {
            return Some("the webhook has no certificate that the API server trusts yet");
        }
        let lists = self.leadership.is_leader() && !self.controller.listed.load(Ordering::Relaxed);
        if lists && !self.was.load(Ordering::Relaxed) {
            return Some("the MailIdentities are not known yet");
        }
        self.was.store(true, Ordering::Relaxed);
        None
    }
}
