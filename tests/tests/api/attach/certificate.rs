//! The certificate of the webhook, as two replicas keep it and the API server trusts it: renewed step
//! by step, repaired, kept over a crash. Pods are made all the time.
//!
//! A renewal takes days and each of its steps five minutes: a test begins near the end of a
//! certificate and puts the time that a step was taken back.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zohorelay_operator::webhook::certificate::{Issue, Names};
use zohorelay_operator::webhook::rotation::{Kept, Rotation};
use zohorelay_operator::webhook::store;
use zohorelay_tests::objects::{self, api};
use zohorelay_tests::operator::Operator;

use super::made::Making;
use super::world::{World, asking, pod, sidecar, until};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The webhook's objects of a release.
struct Objects {
    secrets: Api<Secret>,
    secret: String,
    configurations: Api<MutatingWebhookConfiguration>,
    configuration: String,
}

impl Objects {
    fn of(world: &World) -> Self {
        Self {
            secrets: api(&world.client, &world.home),
            secret: format!("{}-webhook", world.release),
            configurations: Api::all(world.client.clone()),
            configuration: world.release.clone(),
        }
    }

    /// What an operator left that made a certificate when `ago` had passed.
    async fn leave(&self, world: &World, ago: Duration) -> Issue {
        let more = ["127.0.0.1".to_owned()];
        let names = Names::new(&self.secret, &world.home, &more).unwrap();
        let then = Timestamp::now() - ago;
        let issue = Issue::new(&names, then, 90 * DAY).unwrap();
        let kept = Kept {
            current: issue.clone(),
            rotation: Rotation::Idle,
        };
        let mut secret = store::write(&kept, None, None);
        secret.metadata.name = Some(self.secret.clone());
        let created = self.secrets.create(&PostParams::default(), &secret).await;
        created.unwrap();
        self.put_bundle(&issue.authority).await;
        issue
    }

    async fn put_bundle(&self, bundle: &str) {
        let bundle = k8s_openapi::ByteString(bundle.as_bytes().to_vec());
        let place = "/webhooks/0/clientConfig/caBundle";
        let patch = json!([{"op": "replace", "path": place, "value": bundle}]);
        let patch = Patch::Json::<()>(serde_json::from_value(patch).unwrap());
        let params = PatchParams::default();
        let patched = (self.configurations).patch(&self.configuration, &params, &patch);
        patched.await.unwrap();
    }

    async fn bundle(&self) -> String {
        bundle(&self.configurations.get(&self.configuration).await.unwrap())
    }

    async fn secret(&self) -> Secret {
        self.secrets.get(&self.secret).await.unwrap()
    }

    /// Waits until the Secret fits.
    async fn until(&self, what: &str, fits: impl Fn(&Secret) -> bool) -> Secret {
        let fits = |secret: Option<&Secret>| secret.is_some_and(&fits);
        let found = objects::until(&self.secrets, &self.secret, what, fits).await;
        found.unwrap().unwrap()
    }

    /// Waits until the API server is told to trust just these.
    async fn until_trusted(&self, expected: &str) {
        let fits = |object: Option<&MutatingWebhookConfiguration>| {
            object.is_some_and(|object| bundle(object) == expected)
        };
        let name = &self.configuration;
        let what = "the caBundle is published";
        let found = objects::until(&self.configurations, name, what, fits);
        found.await.unwrap();
    }

    /// Five minutes and more have gone by since the last step.
    async fn let_settle(&self) {
        let then = (Timestamp::now() - Duration::from_secs(360)).to_string();
        let annotations = json!({store::ROTATION_SINCE: then});
        let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
        let params = PatchParams::default();
        let patched = self.secrets.patch(&self.secret, &params, &patch).await;
        patched.unwrap();
    }
}

fn bundle(configuration: &MutatingWebhookConfiguration) -> String {
    let hook = &configuration.webhooks.as_ref().unwrap()[0];
    let bundle = hook.client_config.ca_bundle.clone();
    String::from_utf8(bundle.unwrap_or_default().0).unwrap()
}

fn text(secret: &Secret, key: &str) -> String {
    let data = secret.data.as_ref().and_then(|data| data.get(key));
    let bytes = data.map(|data| data.0.clone()).unwrap_or_default();
    String::from_utf8(bytes).unwrap()
}

/// Whether a step was taken and its time noted.
fn is_noted(secret: &Secret, key: &str) -> bool {
    !text(secret, key).is_empty() && secret.annotations().contains_key(store::ROTATION_SINCE)
}

/// What a replica serves to who trusts `bundle`; an error where it is not trusted.
async fn served(operator: &Operator, bundle: &str) -> anyhow::Result<CertificateDer<'static>> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(authority?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(operator.webhook).await?;
    let name = ServerName::try_from("127.0.0.1")?;
    let tls = TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await?;
    let chain = tls.get_ref().1.peer_certificates().unwrap();
    Ok(chain[0].clone().into_owned())
}

/// Waits until a replica serves the certificate of the Secret, and the API server may trust it.
async fn until_served(operator: &Operator, certificate: &str, objects: &Objects) {
    let expected = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    until("the replica serves what the Secret has", async || {
        let bundle = objects.bundle().await;
        served(operator, &bundle)
            .await
            .is_ok_and(|leaf| leaf == expected)
    })
    .await;
}

#[tokio::test]
async fn a_certificate_near_its_end_is_renewed_while_two_replicas_serve_pods_all_the_time() {
    let world = World::without_operator(&[]).await;
    let objects = Objects::of(&world);
    let old = objects.leave(&world, 80 * DAY).await;
    let replicas = [world.operator(&[]).await, world.operator(&[]).await];
    world.until_attached().await;
    let making = Making::start(&world);

    let announced = |secret: &Secret| is_noted(secret, "next-tls.crt");
    let secret = objects.until("the next one is announced", announced).await;
    assert_eq!(text(&secret, "tls.crt"), old.certificate);
    let next = text(&secret, "next-tls.crt");
    let authority = text(&secret, "next-ca.crt");
    let both = format!("{}{authority}", old.authority);
    assert_eq!(objects.bundle().await, both);
    for replica in &replicas {
        until_served(replica, &old.certificate, &objects).await;
    }

    objects.let_settle().await;
    let promoted = |secret: &Secret| is_noted(secret, "previous-ca.crt");
    let secret = objects.until("the next one is served", promoted).await;
    assert_eq!(text(&secret, "tls.crt"), next);
    for replica in &replicas {
        until_served(replica, &next, &objects).await;
    }

    objects.let_settle().await;
    let done = |secret: &Secret| {
        let data = secret.data.as_ref().unwrap();
        data.keys().eq(["ca.crt", "tls.crt", "tls.key"])
    };
    objects.until("the one before is withdrawn", done).await;
    objects.until_trusted(&authority).await;
    for replica in &replicas {
        assert!(served(replica, &old.authority).await.is_err());
        let not_after = "zohorelay_operator_webhook_certificate_not_after_seconds";
        let days = |metrics: &zohorelay_tests::metrics::Metrics| {
            let end = Duration::from_secs_f64(metrics.value(not_after, &[]));
            let now = Timestamp::now().as_second().try_into().unwrap();
            let left = end.checked_sub(Duration::from_secs(now)).unwrap();
            left.as_secs() / DAY.as_secs()
        };
        assert_eq!(days(&replica.metrics().await.unwrap()), 89);
    }
    making.end(0).await;
}

/// docs/proof.md O14.
#[tokio::test]
async fn a_certificate_that_expired_while_no_operator_ran_is_renewed_before_ready() {
    let world = World::without_operator(&[]).await;
    let objects = Objects::of(&world);
    let expired = objects.leave(&world, 91 * DAY).await;
    let operator = world.unready_operator(&[]).await;
    super::world::until_ready(&operator).await;

    // From the first moment on: nothing is waited for between Ready and this.
    let bundle = objects.bundle().await;
    let leaf = served(&operator, &bundle).await.unwrap();
    let secret = objects.secret().await;
    assert_ne!(text(&secret, "tls.crt"), expired.certificate);
    let kept = text(&secret, "tls.crt");
    assert_eq!(
        leaf,
        CertificateDer::from_pem_slice(kept.as_bytes()).unwrap()
    );
    assert_eq!(bundle, text(&secret, "ca.crt"), "the expired CA is gone");
    world.service.add(operator.webhook);
    world.until_attached().await;
}

#[tokio::test]
async fn a_ca_bundle_that_somebody_wiped_is_repaired() {
    let (world, _operator) = World::start().await;
    let objects = Objects::of(&world);
    let authority = text(&objects.secret().await, "ca.crt");
    assert_eq!(objects.bundle().await, authority);
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    // A line end is what the chart begins with.
    for broken in ["\n", &stranger.unwrap().cert.pem()] {
        objects.put_bundle(broken).await;
        objects.until_trusted(&authority).await;
    }
    world.until_attached().await;
}

#[tokio::test]
async fn after_a_crash_the_certificate_is_the_same_and_pods_go_on() {
    let (world, mut operator) = World::start().await;
    let objects = Objects::of(&world);
    let before = objects.secret().await;
    world.service.remove(operator.webhook);
    operator.kill().unwrap();
    operator.ended().await.unwrap();
    let _next = world.operator(&[]).await;
    // Before it leads: what serves is what was there.
    let pod = pod("web", &asking("billing"), &json!({}));
    let pod = world.create_pod(&pod).await.unwrap();
    assert!(sidecar(&pod).is_some());
    assert_eq!(objects.secret().await.data, before.data);
    assert_eq!(objects.bundle().await, text(&before, "ca.crt"));
}
