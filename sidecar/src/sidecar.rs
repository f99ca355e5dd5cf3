//! What all parts of one running sidecar share.

use std::sync::Arc;

use tokio_util::task::TaskTracker;

use crate::egress::Egress;
use crate::identity::Network;
use crate::last_words::LastWords;
use crate::metrics::Metrics;
use crate::roster::Roster;
use crate::shutdown::Shutdown;
use crate::spool::Spool;

/// Made once by [`crate::run`], handed down.
#[derive(Debug)]
pub struct Sidecar {
    /// The pod's identities.
    pub roster: Roster,
    /// Every metric.
    pub metrics: Metrics,
    /// Room for large mails.
    pub spool: Arc<Spool>,
    /// The end of the process.
    pub shutdown: Shutdown,
    /// What identities share on their way out.
    pub network: Network,
    /// Whether the way out is blocked.
    pub egress: Egress,
    /// The termination log.
    pub last_words: LastWords,
    /// Sessions and background tasks.
    pub tasks: TaskTracker,
    /// Whether AUTH is offered to apps.
    pub accept_any_login: bool,
}
