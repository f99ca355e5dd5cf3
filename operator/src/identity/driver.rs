//! One watch, and the reconciliations that it causes: some at a time, never two of one identity.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::controller::{self, Action, Config};
use kube::runtime::reflector::{self, ObjectRef, Store, store::Writer};
use tokio::sync::mpsc;
use tokio::time::timeout;
use zohorelay_crds::MailIdentity;

use super::reconcile::{ReconcileError, reconcile};
use super::watch::{self, Seen};
use super::{Controller, verify};
use crate::backoff::Backoff;
use crate::run::chain;

/// Identities that are reconciled at a time.
const CONCURRENT: u16 = 16;
/// What changes together is looked at once.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// For one reconciliation: an API server that never answers must not keep its place.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries of what the API server could not do.
const RETRY: Backoff = Backoff {
    first: Duration::from_secs(1),
    last: Duration::from_secs(300),
};

/// The identities of one watch.
pub(super) struct Driver {
    controller: Arc<Controller>,
    namespace: Option<String>,
    store: Store<MailIdentity>,
    writer: Writer<MailIdentity>,
}

/// What a driver remembers between two reconciliations.
struct Memory {
    controller: Arc<Controller>,
    /// Identities that were looked at, with the failures of the API server in a row.
    failures: Mutex<HashMap<ObjectRef<MailIdentity>, u32>>,
}

impl Driver {
    pub(super) fn new(controller: Arc<Controller>, namespace: Option<&str>) -> Self {
        let (store, writer) = reflector::store();
        Self {
            controller,
            namespace: namespace.map(str::to_owned),
            store,
            writer,
        }
    }

    /// Its identities.
    pub(super) fn store(&self) -> Store<MailIdentity> {
        self.store.clone()
    }

    /// Reconciles. Never returns.
    pub(super) async fn run(
        self,
        identities: Api<DeserializeGuard<MailIdentity>>,
        secrets: Api<PartialObjectMeta<Secret>>,
        news: mpsc::Receiver<ObjectRef<MailIdentity>>,
    ) {
        let memory = Arc::new(Memory {
            controller: self.controller.clone(),
            failures: Mutex::default(),
        });
        let metrics = self.controller.metrics.clone();
        let seen = watch::identities(identities, self.writer, metrics);
        let changed = touched(seen, memory.clone(), self.store.clone(), self.namespace);
        let secrets = watch::secrets(secrets, self.store.clone());
        let woken =
            stream::select_all([changed.boxed(), secrets.boxed(), watch::news(news).boxed()])
                .map(Ok::<_, Infallible>);
        let config = Config::default().concurrency(CONCURRENT).debounce(DEBOUNCE);
        let done = controller::applier(
            |identity, memory: Arc<Memory>| Box::pin(turn(identity, memory)),
            |identity, error, memory| memory.put_off(&identity, error),
            memory.clone(),
            self.store,
            woken,
            config,
        );
        done.for_each(|result| {
            match result {
                Ok(_) | Err(controller::Error::ReconcilerFailed(..)) => {}
                Err(controller::Error::ObjectNotFound(gone)) => {
                    memory.forget(&gone.into_kind_unchecked(()));
                }
                Err(error) => tracing::error!(error = chain(&error), "reconciling"),
            }
            std::future::ready(())
        })
        .await;
    }
}

/// One reconciliation, and what it changes in memory.
async fn turn(identity: Arc<MailIdentity>, memory: Arc<Memory>) -> Result<Action, ReconcileError> {
    let object = ObjectRef::from_obj(&*identity);
    memory.failures().entry(object.clone()).or_default();
    let action = timeout(PATIENCE, reconcile(&memory.controller, &identity, &object))
        .await
        .unwrap_or(Err(ReconcileError::NoAnswer))?;
    if let Some(failures) = memory.failures().get_mut(&object) {
        *failures = 0;
    }
    Ok(action)
}

/// The identities that the API server told of. After each whole list, those that it does not have
/// any more are forgotten.
fn touched(
    seen: impl Stream<Item = Seen> + Send,
    memory: Arc<Memory>,
    store: Store<MailIdentity>,
    namespace: Option<String>,
) -> impl Stream<Item = ObjectRef<MailIdentity>> + Send {
    seen.filter_map(move |seen| {
        std::future::ready(match seen {
            Seen::One(identity) => Some(identity),
            Seen::All => {
                memory.controller.listed.store(true, Ordering::Relaxed);
                memory.retain(namespace.as_deref(), &store);
                None
            }
        })
    })
}

impl Memory {
    fn put_off(&self, identity: &MailIdentity, error: &ReconcileError) -> Action {
        let object = ObjectRef::from_obj(identity);
        let failures = {
            let mut failures = self.failures();
            let failures = failures.entry(object.clone()).or_default();
            *failures = failures.saturating_add(1);
            *failures
        };
        let metrics = &self.controller.metrics;
        metrics.reconciles.with_label_values(&["retry"]).inc();
        let delay = RETRY.delay(failures, fastrand::f64());
        tracing::warn!(
            identity = verify::name(&object),
            error = chain(error),
            failures,
            again_in_seconds = delay.as_secs_f32(),
            "reconciling"
        );
        Action::requeue(delay)
    }

    fn retain(&self, namespace: Option<&str>, store: &Store<MailIdentity>) {
        let mut known = self.controller.verifier.identities();
        known.retain(|identity| {
            namespace.is_none_or(|namespace| identity.namespace.as_deref() == Some(namespace))
        });
        known.extend(self.failures().keys().cloned());
        for identity in known {
            if store.get(&identity).is_none() {
                self.forget(&identity);
            }
        }
    }

    fn forget(&self, identity: &ObjectRef<MailIdentity>) {
        self.failures().remove(identity);
        self.controller.verifier.forget(identity);
        let namespace = identity.namespace.as_deref().unwrap_or_default();
        self.controller.metrics.forget(namespace, &identity.name);
        self.controller.pods.forget(namespace, &identity.name);
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<ObjectRef<MailIdentity>, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
