//! Replicas of the webhook in a namespace, with a configuration of their own.

use std::time::Duration;

use clap::Parser;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zohorelay_cluster::shared;
use zohorelay_operator::args::{Cli, Command, RunArgs};
use zohorelay_operator::inject::Settings;
use zohorelay_operator::leadership::Leadership;
use zohorelay_operator::metrics::Metrics;
use zohorelay_operator::webhook::rotation::Lifetimes;
use zohorelay_operator::webhook::{Readiness, Webhook};
use zohorelay_tests::objects::{api, appears, namespace, until};
use zohorelay_tests::program::PATIENCE;

pub(super) const SECRET: &str = "zohorelay-webhook";
/// Longer than any test.
pub(super) const LONG: Lifetimes = Lifetimes {
    validity: Duration::from_secs(3600),
    settle: Duration::from_secs(300),
};
/// Renewed after 4 s, in steps of 1 s.
pub(super) const SHORT: Lifetimes = Lifetimes {
    validity: Duration::from_secs(6),
    settle: Duration::from_secs(1),
};

/// One replica of the webhook.
pub(super) struct Replica {
    pub(super) readiness: Readiness,
    pub(super) leads: watch::Sender<bool>,
    pub(super) stop: CancellationToken,
    pub(super) task: JoinHandle<()>,
    pub(super) metrics: Metrics,
}

/// A namespace with a configuration of its own, which the first replica registers.
pub(super) struct Place {
    pub(super) client: Client,
    pub(super) namespace: String,
}

impl Place {
    pub(super) async fn new() -> Self {
        let client = shared().await.unwrap().client().unwrap();
        let namespace = namespace(&client).await.unwrap();
        Self { client, namespace }
    }

    pub(super) fn args(&self, flags: &[&str]) -> RunArgs {
        let own = [
            "zohorelay-operator",
            "run",
            "--operator-namespace",
            &self.namespace,
            "--webhook",
            "127.0.0.1:0",
            "--webhook-extra-san",
            "127.0.0.1",
            "--webhook-configuration",
            &self.namespace,
            "--sidecar-image",
            "localhost/zohorelay-sidecar:test",
        ];
        let cli = Cli::try_parse_from(own.iter().chain(flags)).unwrap();
        let Command::Run(args) = cli.command else {
            panic!("not run");
        };
        *args
    }

    pub(super) fn bind(&self, flags: &[&str], lifetimes: Lifetimes) -> (Webhook, RunArgs) {
        let args = self.args(flags);
        let webhook = Webhook::bind(&args.webhook, &self.namespace).unwrap();
        (webhook.with_lifetimes(lifetimes), args)
    }

    pub(super) fn start(&self, webhook: Webhook, args: &RunArgs, leads: bool) -> Replica {
        let (leads, leadership) = watch::channel(leads);
        let stop = CancellationToken::new();
        let metrics = Metrics::new("test").unwrap();
        let readiness = webhook.readiness();
        let settings = Settings::from_args(&args.sidecar).unwrap();
        let run = webhook.run(
            self.client.clone(),
            Leadership::new(leadership),
            settings,
            metrics.clone(),
            stop.clone(),
        );
        Replica {
            readiness,
            leads,
            stop,
            task: tokio::spawn(async move { run.await.unwrap() }),
            metrics,
        }
    }

    /// A leader, whose address is in the configuration.
    pub(super) async fn leader(&self, flags: &[&str], lifetimes: Lifetimes) -> Replica {
        let (webhook, args) = self.bind(flags, lifetimes);
        self.register(&webhook).await;
        self.start(webhook, &args, true)
    }

    pub(super) async fn register(&self, webhook: &Webhook) {
        let address = webhook.local_addr().unwrap();
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": self.namespace},
            "webhooks": [{
                "name": "inject.zohorelay.dev",
                "clientConfig": {"url": format!("https://{address}/inject")},
                "namespaceSelector":
                    {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
                "rules": [{
                    "apiGroups": [""], "apiVersions": ["v1"],
                    "operations": ["CREATE"], "resources": ["pods"],
                }],
                "failurePolicy": "Fail", "sideEffects": "None",
                "admissionReviewVersions": ["v1"], "timeoutSeconds": 5,
            }],
        });
        let params = PatchParams::apply("tests").force();
        let apply = Patch::Apply(&configuration);
        self.configurations()
            .patch(&self.namespace, &params, &apply)
            .await
            .unwrap();
    }

    pub(super) fn configurations(&self) -> Api<MutatingWebhookConfiguration> {
        Api::all(self.client.clone())
    }

    pub(super) fn secrets(&self) -> Api<Secret> {
        api(&self.client, &self.namespace)
    }

    pub(super) async fn secret(&self) -> Secret {
        appears(&self.secrets(), SECRET).await.unwrap()
    }

    /// Makes a pod as a dry run: the API server calls the webhook.
    pub(super) async fn inject(&self) -> Result<Pod, kube::Error> {
        let pod = serde_json::from_value(json!({
            "metadata": {
                "name": "app",
                "labels": {"zohorelay.dev/inject": "true"},
                "annotations": {"zohorelay.dev/identities": "billing"},
            },
            "spec": {"containers": [{"name": "app", "image": "app"}]},
        }))
        .unwrap();
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        api::<Pod>(&self.client, &self.namespace)
            .create(&params, &pod)
            .await
    }

    /// Waits until pods are injected: an API server takes up a changed configuration a moment later.
    pub(super) async fn injects(&self) {
        let tries = async {
            while !self.inject().await.is_ok_and(|pod| is_injected(&pod)) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, tries).await.unwrap();
    }

    pub(super) async fn bundle_is(&self, what: &str, fits: impl Fn(&str) -> bool) {
        let fits = |configuration: Option<&MutatingWebhookConfiguration>| {
            configuration.is_some_and(|configuration| fits(&bundle(configuration)))
        };
        until(&self.configurations(), &self.namespace, what, fits)
            .await
            .unwrap();
    }

    pub(super) async fn wipe_bundle(&self) {
        let wipe = json!([{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]);
        let wipe = Patch::Json::<()>(serde_json::from_value(wipe).unwrap());
        let params = PatchParams::default();
        self.configurations()
            .patch(&self.namespace, &params, &wipe)
            .await
            .unwrap();
    }

    pub(super) async fn end(self) {
        let params = DeleteParams::default();
        self.configurations()
            .delete(&self.namespace, &params)
            .await
            .unwrap();
    }
}

impl Replica {
    pub(super) async fn is_ready(&self) {
        let looks = async {
            while !self.readiness.is_ready() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, looks).await.unwrap();
    }
}

pub(super) fn is_injected(pod: &Pod) -> bool {
    let containers = pod
        .spec
        .iter()
        .flat_map(|spec| spec.init_containers.iter().flatten());
    containers
        .into_iter()
        .any(|container| container.name == "zohorelay")
}

pub(super) fn bundle(configuration: &MutatingWebhookConfiguration) -> String {
    let webhook = &configuration.webhooks.as_ref().unwrap()[0];
    let bundle = webhook.client_config.ca_bundle.as_ref();
    bundle.map_or(String::new(), |bundle| {
        String::from_utf8(bundle.0.clone()).unwrap()
    })
}

pub(super) fn authorities(bundle: &str) -> usize {
    bundle.matches("BEGIN CERTIFICATE").count()
}

pub(super) fn text(secret: &Secret, key: &str) -> String {
    String::from_utf8(secret.data.as_ref().unwrap()[key].0.clone()).unwrap()
}
