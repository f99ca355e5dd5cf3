//! What wakes an identity: itself, the Secrets that it names or owns, and news from within. READ.
//!
//! Nothing here ever ends or fails for good: what the API server refuses is logged and asked for
//! again, each watch with its own backoff. An object that is not a `MailIdentity` as we know it is
//! logged, counted and passed over; the others go on.

use futures_util::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::reflector::{self, ObjectRef, Store, store::Writer};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource, ResourceExt};
use tokio::sync::mpsc;
use zohorelay_crds::MailIdentity;

use super::build::secret_name;
use super::release;
use crate::backoff;
use crate::metrics::Metrics;
use crate::run::chain;

/// Identities in one answer to a list: it is in memory as a whole, and while it is parsed its thread
/// does nothing else.
const PAGE: u32 = 50;
/// The same of Secrets, of which only metadata comes.
const SECRETS_PAGE: u32 = 200;

/// Every identity that changed, each after it was stored in `writer`. After each complete list comes
/// [`Seen::All`].
pub fn identities(
    api: Api<DeserializeGuard<MailIdentity>>,
    writer: Writer<MailIdentity>,
    metrics: Metrics,
) -> impl Stream<Item = Seen> + Send {
    let events = backoff::of_watch(move || watcher(api.clone(), pages(PAGE)))
        .filter_map(move |event| std::future::ready(readable(event, &metrics)));
    reflector::reflector(writer, events.map(Ok))
        .filter_map(|event| std::future::ready(event.ok().and_then(seen)))
}

fn pages(size: u32) -> watcher::Config {
    watcher::Config::default().page_size(size)
}

fn seen(event: Event<MailIdentity>) -> Option<Seen> {
    match event {
        Event::Apply(identity) | Event::Delete(identity) | Event::InitApply(identity) => {
            Some(Seen::One(ObjectRef::from_obj(&identity)))
        }
        Event::Init => None,
        Event::InitDone => Some(Seen::All),
    }
}

/// See [`identities`].
#[derive(Debug)]
pub enum Seen {
    /// This identity may have changed, or be gone.
    One(ObjectRef<MailIdentity>),
    /// All that are there are in the store now.
    All,
}

fn readable(
    event: watcher::Result<Event<DeserializeGuard<MailIdentity>>>,
    metrics: &Metrics,
) -> Option<Event<MailIdentity>> {
    let strip = |guard: DeserializeGuard<MailIdentity>| match guard.0 {
        Ok(mut identity) => {
            identity.metadata.managed_fields = None;
            let annotations = identity.metadata.annotations.take();
            identity.metadata.annotations = annotations.as_ref().and_then(release::only);
            Some(identity)
        }
        Err(invalid) => {
            let meta = &invalid.metadata;
            tracing::warn!(
                namespace = meta.namespace,
                identity = meta.name,
                error = invalid.error,
                "this MailIdentity cannot be read and is passed over; correct or delete it"
            );
            metrics.malformed.inc();
            None
        }
    };
    match event {
        Ok(Event::Apply(identity)) => strip(identity).map(Event::Apply),
        Ok(Event::InitApply(identity)) => strip(identity).map(Event::InitApply),
        Ok(Event::Delete(identity)) => strip(identity).map(Event::Delete),
        Ok(Event::Init) => Some(Event::Init),
        Ok(Event::InitDone) => Some(Event::InitDone),
        Err(error) => {
            report("MailIdentities", &error);
            None
        }
    }
}

/// The identities that each changed Secret matters to. Of the Secrets only metadata is watched, and
/// none is kept.
pub fn secrets(
    api: Api<PartialObjectMeta<Secret>>,
    identities: Store<MailIdentity>,
) -> impl Stream<Item = ObjectRef<MailIdentity>> + Send {
    backoff::of_watch(move || watcher(api.clone(), pages(SECRETS_PAGE)))
        .filter_map(|event| {
            let event = event.inspect_err(|error| report("Secrets", error));
            std::future::ready(event.ok())
        })
        .flat_map(move |event| stream::iter(woken(&event, &identities)))
}

/// A list tells nothing of a Secret that was deleted while nobody watched, so the end of each wakes
/// every identity, and what it lists wakes none.
fn woken(
    event: &Event<PartialObjectMeta<Secret>>,
    identities: &Store<MailIdentity>,
) -> Vec<ObjectRef<MailIdentity>> {
    let concerned = match event {
        Event::Apply(secret) | Event::Delete(secret) => {
            identities.state_filter(|identity| concerns(identity, &secret.metadata))
        }
        Event::Init | Event::InitApply(_) => Vec::new(),
        Event::InitDone => identities.state(),
    };
    let concerned = concerned.iter();
    concerned
        .map(|identity| ObjectRef::from_obj(&**identity))
        .collect()
}

/// Whether an identity reads the Secret with its password from `secret`, or writes its document there.
fn concerns(
    identity: &MailIdentity,
    secret: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
) -> bool {
    let name = secret.name.as_deref();
    identity.metadata.namespace == secret.namespace
        && (name == Some(&identity.spec.credentials.password_secret_ref.name)
            || name == Some(&secret_name(&identity.name_any())))
}

/// The identities that other parts have news for.
pub fn news(
    mut changed: mpsc::Receiver<ObjectRef<MailIdentity>>,
) -> impl Stream<Item = ObjectRef<MailIdentity>> + Send {
    stream::poll_fn(move |context| changed.poll_recv(context))
}

fn report(what: &str, error: &watcher::Error) {
    if let watcher::Error::InitialListFailed(kube::Error::Api(status)) = error
        && status.code == 404
    {
        tracing::error!(
            "the API server does not know {}: install the CustomResourceDefinition with \
             `zohorelay-operator crds | kubectl apply --server-side -f -`; it is looked for again",
            MailIdentity::plural(&()),
        );
    } else {
        tracing::warn!(error = chain(error), "watching {what}; it is tried again");
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
    use serde_json::json;

    use super::*;

    fn identity() -> MailIdentity {
        serde_json::from_value(json!({
            "apiVersion": "zohorelay.dev/v1alpha1", "kind": "MailIdentity",
            "metadata": {"name": "billing", "namespace": "shop"},
            "spec": {
                "address": "billing@example.com",
                "credentials": {"passwordSecretRef": {"name": "billing-zoho", "key": "password"}},
            },
        }))
        .unwrap()
    }

    fn secret(namespace: &str, name: &str) -> ObjectMeta {
        ObjectMeta {
            namespace: Some(namespace.to_owned()),
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn an_identity_wakes_for_its_password_and_for_its_document_and_for_no_other_secret() {
        for (namespace, name, expected) in [
            ("shop", "billing-zoho", true),
            ("shop", "zohorelay-billing", true),
            ("shop", "zohorelay-alerts", false),
            ("shop", "billing", false),
            ("other", "billing-zoho", false),
            ("other", "zohorelay-billing", false),
        ] {
            let concerned = concerns(&identity(), &secret(namespace, name));
            assert_eq!(concerned, expected, "{namespace}/{name}");
        }
    }

    #[test]
    fn the_end_of_a_list_of_secrets_wakes_every_identity_since_one_may_have_lost_its_secret() {
        let (store, mut writer) = reflector::store();
        writer.apply_watcher_event(&Event::Apply(identity()));
        let secret = |name: &str| PartialObjectMeta::<Secret> {
            metadata: secret("shop", name),
            ..PartialObjectMeta::default()
        };
        for (event, expected) in [
            (Event::Init, 0),
            (Event::InitApply(secret("billing-zoho")), 0),
            (Event::InitDone, 1),
            (Event::Apply(secret("billing-zoho")), 1),
            (Event::Delete(secret("zohorelay-billing")), 1),
            (Event::Delete(secret("other")), 0),
        ] {
            assert_eq!(woken(&event, &store).len(), expected, "{event:?}");
        }
    }

    #[test]
    fn of_annotations_only_the_request_for_one_more_login_is_kept() {
        let mut whole = identity();
        let annotations = [
            ("zohorelay.dev/release-hold", "7"),
            ("example.com/note", "x"),
        ];
        let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned()));
        whole.metadata.annotations = Some(annotations.clone().into());
        let metrics = Metrics::new("1").unwrap();
        let read = readable(Ok(Event::Apply(DeserializeGuard(Ok(whole)))), &metrics);
        let Some(Event::Apply(read)) = read else {
            panic!("{read:?}");
        };
        let [kept, _] = annotations;
        assert_eq!(read.metadata.annotations, Some([kept].into()));
    }

    #[test]
    fn an_object_of_another_shape_is_counted_and_passed_over() {
        let metrics = Metrics::new("1").unwrap();
        let malformed: DeserializeGuard<MailIdentity> = serde_json::from_value(json!({
            "apiVersion": "zohorelay.dev/v1alpha1", "kind": "MailIdentity",
            "metadata": {"name": "odd", "namespace": "shop"}, "spec": {"address": 7},
        }))
        .unwrap();
        assert!(readable(Ok(Event::Apply(malformed)), &metrics).is_none());
        assert_eq!(metrics.malformed.get(), 1);
        let whole = DeserializeGuard(Ok(identity()));
        assert!(readable(Ok(Event::Apply(whole)), &metrics).is_some());
        assert_eq!(metrics.malformed.get(), 1);
    }
}
