//! The identities of the one term, for whoever wants to see all of them. Nobody is asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use kube::runtime::reflector::Store;
use zohorelay_crds::MailIdentity;

/// The stores of the watches.
#[derive(Default)]
pub struct Roster(Mutex<Vec<Watched>>);

struct Watched {
    namespace: Option<String>,
    store: Store<MailIdentity>,
}

/// What the watches know.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The identities, in no order.
    pub identities: Vec<Arc<MailIdentity>>,
    /// What is not listed yet, or may not be: namespaces, or `all namespaces`.
    pub unlisted: Vec<String>,
}

impl Roster {
    /// A watch of one namespace, or of all.
    pub(super) fn add(&self, namespace: Option<&str>, store: Store<MailIdentity>) {
        let namespace = namespace.map(str::to_owned);
        self.watched().push(Watched { namespace, store });
    }

    /// The end of the term.
    pub(super) fn clear(&self) {
        self.watched().clear();
    }

    /// What is known now.
    pub fn known(&self) -> Known {
        let mut known = Known::default();
        for Watched { namespace, store } in self.watched().iter() {
            known.identities.extend(store.state());
            if !matches!(store.wait_until_ready().now_or_never(), Some(Ok(()))) {
                let namespace = namespace.as_deref().unwrap_or("all namespaces");
                known.unlisted.push(namespace.to_owned());
            }
        }
        known
    }

    fn watched(&self) -> MutexGuard<'_, Vec<Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::reflector;
    use kube::runtime::watcher::Event;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_namespace_is_unlisted_until_its_first_list_is_complete() {
        let identity: MailIdentity = serde_json::from_value(json!({
            "apiVersion": "zohorelay.dev/v1alpha1", "kind": "MailIdentity",
            "metadata": {"name": "billing", "namespace": "shop"},
            "spec": {
                "address": "billing@example.com",
                "credentials": {"passwordSecretRef": {"name": "billing-zoho", "key": "password"}},
            },
        }))
        .unwrap();
        let roster = Roster::default();
        let (shop, mut of_shop) = reflector::store();
        let (crm, _of_crm) = reflector::store();
        roster.add(Some("shop"), shop);
        roster.add(Some("crm"), crm);
        assert_eq!(roster.known().unlisted, ["shop", "crm"]);
        for event in [Event::Init, Event::InitApply(identity), Event::InitDone] {
            of_shop.apply_watcher_event(&event);
        }
        let known = roster.known();
        assert_eq!(known.unlisted, ["crm"]);
        assert_eq!(known.identities.len(), 1);
        roster.clear();
        assert!(roster.known().identities.is_empty());
    }
}
