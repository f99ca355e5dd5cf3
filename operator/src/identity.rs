//! The controller of `MailIdentity`: read, decide, write, say.
//!
//! [`watch`] wakes an identity; [`dereference`] reads what it refers to; [`validate`] and [`decide`]
//! are pure; [`verify`] tries its login; [`build`] and [`apply`] write its document; [`status`] and
//! [`event`] tell of it. What a user did wrong is a condition and waits for the user; only what the
//! API server could not do is tried again, ever later.

pub mod apply;
pub mod attempt;
pub mod build;
pub mod decide;
pub mod dereference;
mod driver;
pub mod event;
pub mod logins;
mod reconcile;
pub mod release;
pub mod roster;
pub mod spacing;
pub mod status;
pub mod validate;
pub mod verify;
pub mod watch;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures_util::future::join_all;
use kube::Client;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use zohorelay_crds::MailIdentity;

use crate::host::AllowedHosts;
use crate::metrics::Metrics;
use crate::pods::Pods;
use crate::scope::Scope;

use self::driver::Driver;
use self::roster::Roster;
use self::verify::Verifier;

/// News that wait for one watch.
const NEWS: usize = 64;

/// What every reconciliation uses.
pub struct Controller {
    /// To read and to write.
    pub client: Client,
    /// Where identities are looked after.
    pub scope: Scope,
    /// Hosts beside Zoho's own.
    pub allowed: AllowedHosts,
    /// The pods of identities.
    pub pods: Pods,
    /// The memory of logins.
    pub verifier: Arc<Verifier>,
    /// For events.
    pub recorder: Recorder,
    /// For numbers.
    pub metrics: Metrics,
    /// Turned on when the identities of a watch are known. One is enough: without rights in another
    /// namespace, that one is never listed.
    pub listed: AtomicBool,
    /// The identities of this term.
    pub roster: Roster,
}

impl Controller {
    /// Reconciles until `stop`. What is under way then is cut off, as it would be if the process were
    /// killed: each write carries the version that was read, and the next leader looks at all of it
    /// again. `changed` brings the identities that other parts have news for. For the leader.
    pub async fn run(
        self: Arc<Self>,
        changed: mpsc::Receiver<ObjectRef<MailIdentity>>,
        stop: CancellationToken,
    ) {
        let (mut queues, mut drivers) = (Vec::new(), Vec::new());
        let identities = self.scope.apis(&self.client);
        let secrets = self.scope.apis(&self.client);
        for (identities, secrets) in identities.into_iter().zip(secrets) {
            let (queue, news) = mpsc::channel(NEWS);
            queues.push((identities.namespace().map(str::to_owned), queue));
            let driver = Driver::new(self.clone(), identities.namespace());
            self.roster.add(identities.namespace(), driver.store());
            drivers.push(driver.run(identities, secrets, news));
        }
        tokio::select! {
            () = stop.cancelled() => {}
            _ = join_all(drivers) => {}
            () = hand_on(changed, queues) => {}
        }
        self.roster.clear();
        self.metrics.forget_all();
    }
}

type Queue = (Option<String>, mpsc::Sender<ObjectRef<MailIdentity>>);

/// Hands news to the watch that knows the namespace.
async fn hand_on(mut changed: mpsc::Receiver<ObjectRef<MailIdentity>>, queues: Vec<Queue>) {
    while let Some(identity) = changed.recv().await {
        let queue = queues
            .iter()
            .find(|(namespace, _)| namespace.is_none() || *namespace == identity.namespace);
        if let Some((_, queue)) = queue {
            let _ = queue.send(identity).await;
        }
    }
    // Nobody has news any more; the watches go on.
    std::future::pending::<()>().await;
}
