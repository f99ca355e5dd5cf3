//! The operator's doctor as a person runs it: the real program at the real API server, beside a release of
//! the chart with its operator.

use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::process::Command;
use zoho_simulator::{Account, Options as Zoho, Simulator};
use zohorelay_cluster::{Access, Running, shared};
use zohorelay_crds::MailIdentity;
use zohorelay_tests::objects::{api, apply_object, install_crds, namespace, until};
use zohorelay_tests::operator::executable;
use zohorelay_tests::release::{ON_LOOPBACK, Release};

const ADDRESS: &str = "billing@example.com";
const CANARY: &str = "canary-doctor-7c21e9";
const WRONG: &str = "canary-wrong-1be0d4";

/// A release, and a namespace that it serves.
struct Scene {
    cluster: &'static Running,
    client: Client,
    release: Release,
    shop: String,
    zoho: zoho_simulator::Running,
    folder: tempfile::TempDir,
    /// Whether the doctor runs as in a pod, from where the webhook can be reached.
    inside: bool,
    /// All that the doctor said and wrote.
    said: String,
}

/// One run of the doctor.
struct Visit {
    code: i32,
    report: Value,
}

impl Visit {
    /// The first finding of a check with this verdict, in words.
    fn finding(&self, check: &str, verdict: &str) -> String {
        let findings = self.report["findings"].as_array().unwrap();
        let fits = |it: &&Value| it["check"] == check && it["verdict"] == verdict;
        let finding = findings.iter().find(fits);
        finding
            .unwrap_or_else(|| panic!("no {verdict} {check} in {findings:#?}"))
            .to_string()
    }
}

impl Scene {
    async fn new() -> Self {
        let cluster = shared().await.unwrap();
        let client = cluster.client().unwrap();
        install_crds(&client).await.unwrap();
        let name = format!("doctor-{:08x}", fastrand::u32(..));
        let shop = namespace(&client).await.unwrap();
        let own = namespace(&client).await.unwrap();
        let served = format!("rbac.namespaces={{{shop}}}");
        let mut values = ON_LOOPBACK.to_vec();
        values.extend(["rbac.scope=Namespaces", &served, "crds.enabled=false"]);
        let installed = Release::install(cluster, &name, &own, &values).await;
        let account = Account::new(ADDRESS, CANARY);
        Self {
            cluster,
            client,
            release: installed.unwrap().0,
            shop,
            zoho: Simulator::start(Zoho::with_account(account)).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
            inside: false,
            said: String::new(),
        }
    }

    /// A Secret as `kubectl apply` leaves it: its content stands in an annotation, too.
    async fn declare(&self, name: &str, password: &str) {
        let encoded = BASE64_STANDARD.encode(password);
        let applied = json!({"data": {"password": encoded}}).to_string();
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": format!("{name}-zoho"), "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": applied}},
            "data": {"password": encoded},
        });
        let identity = json!({
            "apiVersion": "zohorelay.dev/v1alpha1", "kind": "MailIdentity",
            "metadata": {"name": name},
            "spec": {
                "address": ADDRESS,
                "server": {
                    "host": "localhost", "port": self.zoho.implicit_tls().unwrap().port(),
                    "security": "ImplicitTls", "caBundle": self.zoho.ca_pem(),
                },
                "credentials": {"passwordSecretRef": {"name": format!("{name}-zoho"), "key": "password"}},
            },
        });
        for object in [secret, identity] {
            apply_object(&self.client, &self.shop, &object)
                .await
                .unwrap();
        }
    }

    async fn until_verified(&self, name: &str, status: &str) {
        let fits = |it: Option<&MailIdentity>| {
            let conditions = it
                .and_then(|it| it.status.as_ref())
                .map(|it| it.conditions.iter());
            { conditions.into_iter().flatten() }
                .any(|it| it.type_ == "CredentialsVerified" && it.status == status)
        };
        let identities = api::<MailIdentity>(&self.client, &self.shop);
        until(&identities, name, "its login was tried", fits)
            .await
            .unwrap();
    }

    /// A pod as a person writes it, and as the kubelet would tell of it.
    async fn run_pod(&self, name: &str, label: bool) {
        let labels = if label {
            json!({"zohorelay.dev/inject": "true"})
        } else {
            json!({})
        };
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": labels,
                "annotations": {"zohorelay.dev/identities": "billing"}},
            "spec": {"containers": [{"name": "app", "image": "app",
                "env": [{"name": "TOKEN", "value": CANARY}]}]},
        });
        apply_object(&self.client, &self.shop, &pod).await.unwrap();
        let status = json!({"status": {"phase": "Running", "podIP": "127.0.0.1",
            "initContainerStatuses": [{"name": "zohorelay", "image": "i", "imageID": "i", "ready": true,
                "started": true, "restartCount": 0, "state": {"running": {}}}]}});
        let pods: Api<Pod> = api(&self.client, &self.shop);
        let params = PatchParams::default();
        pods.patch_status(name, &params, &Patch::Merge(status))
            .await
            .unwrap();
    }

    /// Where its operator is, for a person who may not look for it.
    fn place(&self) -> [String; 3] {
        [
            format!("--operator-namespace={}", self.release.namespace),
            format!("--lease={}", self.release.deployment()),
            format!("--webhook-configuration={}", self.release.name),
        ]
    }

    async fn visit_as(&mut self, access: &Access, arguments: &[&str]) -> Visit {
        let kubeconfig = self.folder.path().join("kubeconfig");
        access.write(&kubeconfig).unwrap();
        let mut command = doctor(&kubeconfig, arguments);
        if self.inside {
            command.env("KUBERNETES_SERVICE_HOST", "127.0.0.1");
        }
        let output = command.args(self.place()).output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        self.said += &text;
        self.said += &String::from_utf8_lossy(&output.stderr);
        Visit {
            code: output.status.code().unwrap(),
            report: serde_json::from_str(&text).unwrap_or_default(),
        }
    }

    async fn visit(&mut self, arguments: &[&str]) -> Visit {
        let admin = self.cluster.admin().clone();
        let shop = format!("--namespace={}", self.shop);
        let arguments: Vec<&str> = [&[&*shop, "--json"], arguments].concat();
        self.visit_as(&admin, &arguments).await
    }

    /// Somebody with the role `view` in the namespace, which the chart adds to.
    async fn viewer(&self) -> Access {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "viewer"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": self.shop}],
        });
        apply_object(&self.client, &self.shop, &binding)
            .await
            .unwrap();
        self.cluster
            .service_account(&self.shop, "default")
            .await
            .unwrap()
    }
}

fn doctor(kubeconfig: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(executable());
    command
        .env("KUBECONFIG", kubeconfig)
        .env_remove("KUBERNETES_SERVICE_HOST")
        .arg("doctor")
        .args(arguments);
    command
}

#[tokio::test]
async fn a_person_learns_what_is_wrong_by_the_rights_that_they_have_and_no_secret_is_shown() {
    let mut scene = Scene::new().await;
    let early = scene.visit(&["billing"]).await;
    assert_eq!(early.code, 33, "no operator runs: {}", early.report);

    let operator = scene
        .release
        .operator(scene.cluster, "operator")
        .await
        .unwrap();
    scene
        .release
        .register(&scene.client, &operator)
        .await
        .unwrap();
    scene.declare("billing", CANARY).await;
    scene.declare("alerts", WRONG).await;
    scene.until_verified("billing", "True").await;
    scene.until_verified("alerts", "False").await;

    let near = scene.visit(&["biling"]).await;
    assert_eq!(near.code, 35);
    assert!(
        near.finding("identity", "Failed")
            .contains("did you mean billing?")
    );
    let refused = scene.visit(&["alerts"]).await;
    assert_eq!(refused.code, 37);
    let login = refused.finding("login", "Failed");
    assert!(login.contains("App Passwords"), "{login}");

    scene.run_pod("web", true).await;
    let well = scene.visit(&["billing"]).await;
    assert_eq!(well.code, 0, "{:#}", well.report);
    well.finding("pod", "Ok");
    well.finding("webhook", "Ok");
    let go_on = "exec web -c zohorelay -- /zohorelay-sidecar doctor";
    assert!(well.finding("sidecar", "Skipped").contains(go_on));

    let viewer = scene.viewer().await;
    let shop = scene.shop.clone();
    // The roles are put together a moment after the chart brings its part.
    let seen = loop {
        let seen = scene
            .visit_as(&viewer, &["-n", &shop, "--json", "billing"])
            .await;
        if !seen.report.to_string().contains("list mailidentities") {
            break seen;
        }
    };
    assert_eq!(seen.code, 0, "{:#}", seen.report);
    for (check, right) in [
        ("operator", "get leases"),
        ("webhook", "list mutatingwebhookconfigurations"),
        ("secret", "get secrets"),
        ("sidecar", "get pods/proxy"),
    ] {
        let skipped = seen.finding(check, "Skipped");
        assert!(
            skipped.contains(&format!("you may not {right}")),
            "{skipped}"
        );
    }

    scene.run_pod("plain", false).await;
    let plain = scene.visit(&["billing"]).await;
    assert_eq!(plain.code, 40);
    assert!(plain.finding("pod", "Failed").contains("lacks the label"));

    let bundle = scene.folder.path().join("bundle.json");
    let path = bundle.to_str().unwrap().to_owned();
    scene.visit(&["--bundle", &path]).await;
    let admin = scene.cluster.admin().clone();
    scene.visit_as(&admin, &["-n", &shop, "--details"]).await;
    let params = DeleteParams::default();
    let secrets = api::<Secret>(&scene.client, &shop);
    secrets.delete("billing-zoho", &params).await.unwrap();
    let gone = scene.visit(&["billing"]).await;
    assert_eq!(gone.code, 36, "{:#}", gone.report);

    scene.inside = true;
    let inside = scene.visit(&["billing"]).await;
    assert!(inside.finding("webhook", "Ok").contains("is trusted"));
    drop(operator);
    let silent = scene.visit(&["billing"]).await;
    assert!(
        silent
            .finding("webhook", "Failed")
            .contains("does not answer")
    );

    let configurations = Api::<MutatingWebhookConfiguration>::all(scene.client.clone());
    configurations
        .delete(&scene.release.name, &params)
        .await
        .unwrap();
    let own = scene.release.namespace.clone();
    let without = scene.visit_as(&admin, &["-n", &own, "--json"]).await;
    assert_eq!(without.code, 34, "{:#}", without.report);

    let written = std::fs::read_to_string(&bundle).unwrap();
    assert!(written.contains("\"name\": \"web\""), "{written}");
    for secret in [CANARY, WRONG] {
        for form in [secret.to_owned(), BASE64_STANDARD.encode(secret)] {
            assert!(
                !written.contains(&form) && !scene.said.contains(&form),
                "{form}"
            );
        }
    }
}

#[tokio::test]
async fn without_an_api_server_the_doctor_says_so_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": format!("https://{nobody}")}}],
        "users": [{"name": "u", "user": {}}],
    });
    std::fs::write(&kubeconfig, config.to_string()).unwrap();
    let output = doctor(&kubeconfig, &["--json"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(30));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["findings"].as_array().unwrap().len(), 1);
}
