//! A release, an operator of it, and a namespace with an identity and pods.

use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use zoho_simulator::{Account, Options as Zoho, Simulator};
use zohorelay_cluster::Running;
use zohorelay_crds::MailIdentity;
use zohorelay_tests::objects::{self, api, apply_object, namespace_named};
use zohorelay_tests::operator::Operator;
use zohorelay_tests::program::PATIENCE;
use zohorelay_tests::release::Release;

/// The mailbox at the simulated Zoho.
pub(super) const ADDRESS: &str = "billing@example.com";
/// Its password.
pub(super) const PASSWORD: &str = "canary-rights";
/// Between two looks at what several objects say together.
const LOOK: std::time::Duration = std::time::Duration::from_millis(50);

/// See the module.
#[derive(Clone)]
pub(super) struct Stage<'a> {
    pub(super) cluster: &'a Running,
    pub(super) client: Client,
    pub(super) release: Release,
    /// Where identities and pods are.
    pub(super) shop: String,
    pub(super) zoho: Arc<zoho_simulator::Running>,
}

/// A name that nobody else has, for a release and its namespace.
pub(super) fn fresh() -> Release {
    let name = format!("rights-{:08x}", fastrand::u32(..));
    Release {
        namespace: name.clone(),
        name,
    }
}

impl<'a> Stage<'a> {
    /// The namespaces of a release, and a Zoho; nothing is installed.
    pub(super) async fn new(cluster: &'a Running, release: Release) -> Self {
        let client = cluster.client().unwrap();
        let shop = format!("{}-shop", release.name);
        for name in [&release.namespace, &shop] {
            namespace_named(&client, name, &json!({})).await.unwrap();
        }
        let account = Account::new(ADDRESS, PASSWORD);
        Self {
            cluster,
            client,
            release,
            shop,
            zoho: Arc::new(Simulator::start(Zoho::with_account(account)).await.unwrap()),
        }
    }

    /// The same with another namespace for identities and pods.
    pub(super) fn in_namespace(&self, shop: &str) -> Self {
        let shop = shop.to_owned();
        Self {
            shop,
            ..self.clone()
        }
    }

    /// Starts an operator as a pod of this name would, and registers its webhook.
    pub(super) async fn operator(&self, pod: &str) -> Operator {
        let operator = self.release.operator(self.cluster, pod).await.unwrap();
        let registered = self.release.register(&self.client, &operator).await;
        registered.unwrap();
        operator
    }

    pub(super) fn identities(&self) -> Api<MailIdentity> {
        api(&self.client, &self.shop)
    }

    pub(super) fn secrets(&self) -> Api<Secret> {
        api(&self.client, &self.shop)
    }

    pub(super) fn pods(&self) -> Api<Pod> {
        api(&self.client, &self.shop)
    }

    /// The Secret with the webhook's certificate, if it is there.
    pub(super) async fn certificate(&self) -> Option<Secret> {
        let secrets = api::<Secret>(&self.client, &self.release.namespace);
        let found = secrets.get_opt(&self.release.webhook()).await;
        found.unwrap()
    }

    pub(super) async fn lease(&self) -> Option<Lease> {
        let leases = api::<Lease>(&self.client, &self.release.namespace);
        let found = leases.get_opt(&self.release.deployment()).await;
        found.unwrap()
    }

    /// Who leads; nobody where nobody does.
    pub(super) async fn leader(&self) -> String {
        let spec = self.lease().await.and_then(|lease| lease.spec);
        spec.and_then(|spec| spec.holder_identity)
            .unwrap_or_default()
    }

    pub(super) fn configurations(&self) -> Api<MutatingWebhookConfiguration> {
        Api::all(self.client.clone())
    }

    /// The caBundle that the API server trusts the webhook by; empty without one.
    pub(super) async fn bundle(&self) -> String {
        let configuration = self.configurations().get(&self.release.name).await;
        let webhooks = configuration.unwrap().webhooks.unwrap_or_default();
        let bundle = webhooks
            .into_iter()
            .next()
            .and_then(|it| it.client_config.ca_bundle);
        bundle.map_or(String::new(), |it| String::from_utf8(it.0).unwrap())
    }

    /// Creates or changes the Secret with the password; `touched` only changes its version.
    pub(super) async fn put_password(&self, touched: &str, password: &str) -> Secret {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "zoho", "annotations": {"example.com/touched": touched}},
            "data": {"password": BASE64_STANDARD.encode(password)},
        });
        self.apply(&secret).await;
        self.secrets().get("zoho").await.unwrap()
    }

    /// Creates or changes an identity.
    pub(super) async fn put_identity(&self, name: &str, display_name: &str, suspend: bool) {
        let identity = json!({
            "apiVersion": "zohorelay.dev/v1alpha1", "kind": "MailIdentity",
            "metadata": {"name": name},
            "spec": {
                "address": ADDRESS,
                "displayName": display_name,
                "suspend": suspend,
                "server": {
                    "host": "localhost", "port": self.zoho.implicit_tls().unwrap().port(),
                    "security": "ImplicitTls", "caBundle": self.zoho.ca_pem(),
                },
                "credentials": {"passwordSecretRef": {"name": "zoho", "key": "password"}},
            },
        });
        self.apply(&identity).await;
    }

    /// An identity and its password.
    pub(super) async fn declare(&self, name: &str) {
        self.put_password("first", PASSWORD).await;
        self.put_identity(name, "Billing", false).await;
    }

    pub(super) async fn apply(&self, object: &Value) {
        let applied = apply_object(&self.client, &self.shop, object).await;
        applied.unwrap();
    }

    /// An identity now; null where it is not there.
    pub(super) async fn identity(&self, name: &str) -> Value {
        let identity = self.identities().get_opt(name).await.unwrap();
        serde_json::to_value(identity).unwrap()
    }

    /// Waits until an identity, as it is now, has this `Status/Reason`.
    pub(super) async fn until_ready(&self, name: &str, ready: &str) {
        let fits = |identity: Option<&MailIdentity>| {
            let identity = serde_json::to_value(identity).unwrap();
            let seen = &identity["status"]["observedGeneration"];
            *seen == identity["metadata"]["generation"] && condition(&identity, "Ready") == ready
        };
        let identities = self.identities();
        let found = objects::until(&identities, name, &format!("it is {ready}"), fits).await;
        found.unwrap();
    }

    /// What pods read; null where nothing is published.
    pub(super) async fn document(&self) -> Value {
        let secret = self.secrets().get_opt("zohorelay-billing").await.unwrap();
        let data = secret.and_then(|secret| secret.data).unwrap_or_default();
        let json = data.get("identity.json").map(|json| json.0.as_slice());
        json.map_or(Value::Null, |json| serde_json::from_slice(json).unwrap())
    }

    /// Events on the identity and its pods.
    pub(super) async fn events(&self) -> Vec<Event> {
        let events = api::<Event>(&self.client, &self.shop);
        let mut events = events.list(&ListParams::default()).await.unwrap().items;
        events.retain(|event| {
            let by = event.reporting_controller.as_deref();
            by == Some(zohorelay_crds::keys::REPORTER)
        });
        events
    }

    /// Makes a pod that asks for the sidecar; the API server calls the webhook.
    pub(super) async fn make_pod(&self, name: &str) -> kube::Result<Pod> {
        let pod = json!({
            "metadata": {
                "name": name,
                "labels": {"zohorelay.dev/inject": "true"},
                "annotations": {"zohorelay.dev/identities": "billing"},
            },
            "spec": {"containers": [{"name": "app", "image": "app"}]},
        });
        let pod = serde_json::from_value(pod).unwrap();
        self.pods().create(&PostParams::default(), &pod).await
    }

    /// Takes away what reaches beyond its namespaces, and its identities, for the operator of the next
    /// release.
    pub(super) async fn clear(&self) {
        let name = &self.release.name;
        let policies = Api::<ValidatingAdmissionPolicyBinding>::all(self.client.clone());
        let params = DeleteParams::default();
        self.configurations().delete(name, &params).await.unwrap();
        policies
            .delete(&format!("{name}-pods"), &params)
            .await
            .unwrap();
        let all = ListParams::default();
        self.identities()
            .delete_collection(&params, &all)
            .await
            .unwrap();
    }

    /// Takes the caBundle out of the configuration.
    pub(super) async fn wipe_bundle(&self) {
        let wipe = json!([{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]);
        let wipe = Patch::Json::<()>(serde_json::from_value(wipe).unwrap());
        let params = PatchParams::default();
        let wiped = self
            .configurations()
            .patch(&self.release.name, &params, &wipe)
            .await;
        wiped.unwrap();
    }
}

/// `Status/Reason` of a condition of an identity; empty where there is none.
pub(super) fn condition(identity: &Value, kind: &str) -> String {
    let conditions = identity["status"]["conditions"].as_array();
    let found = conditions
        .into_iter()
        .flatten()
        .find(|it| it["type"] == kind);
    found.map_or(String::new(), |it| {
        let text = |field: &str| it[field].as_str().unwrap_or_default();
        format!("{}/{}", text("status"), text("reason"))
    })
}

/// Whether a pod has the sidecar.
pub(super) fn is_injected(pod: &Pod) -> bool {
    let spec = pod.spec.iter();
    let mut containers = spec.flat_map(|spec| spec.init_containers.iter().flatten());
    containers.any(|container| container.name == "zohorelay")
}

/// Waits until something is so that no single watch tells.
pub(super) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waits = async {
        while !holds().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    let held = tokio::time::timeout(PATIENCE, waits).await;
    assert!(held.is_ok(), "not within a minute: {what}");
}
