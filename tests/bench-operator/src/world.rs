//! What is measured at: a control plane that logs the operator's requests, a simulated Zoho that knows
//! every mailbox, and how the operator is started.

use std::fs;

use anyhow::{Context, Result};
use kube::Client;
use serde_json::json;
use tempfile::TempDir;
use zoho_simulator::{Account, Simulator};
use zohorelay_bench::cells::progress;
use zohorelay_cluster::Running;
use zohorelay_tests::objects::{apply, install_crds, namespace_named};
use zohorelay_tests::operator::Options;

use crate::audit::{self, Audit};
use crate::identities;
use crate::scale::Scale;

/// The operator's namespace.
pub const HOME: &str = "zohorelay-system";
const ACCOUNT: &str = "zohorelay-operator";

/// Rights, and the webhook's configuration, which names no namespace: the API server never calls it,
/// since calls are measured at the webhook itself.
const OBJECTS: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: zohorelay-operator, namespace: zohorelay-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: zohorelay-operator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: zohorelay-operator, namespace: zohorelay-system}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: zohorelay}
webhooks:
  - name: inject.zohorelay.dev
    admissionReviewVersions: [v1]
    clientConfig: {url: 'https://127.0.0.1:1/inject'}
    rules: [{operations: [CREATE], apiGroups: [''], apiVersions: [v1], resources: [pods]}]
    namespaceSelector: {matchLabels: {nobody: has-this}}
    failurePolicy: Ignore
    sideEffects: None
";

/// See the module.
pub struct World {
    /// The control plane.
    pub cluster: Running,
    /// The administrator, who makes the objects.
    pub client: Client,
    /// The mail server.
    pub zoho: zoho_simulator::Running,
    /// What the operator asked of the API server.
    pub audit: Audit,
    /// How much there is.
    pub scale: Scale,
    _folder: TempDir,
}

impl World {
    /// All but the operator, without identities or pods.
    pub async fn start(scale: Scale) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let policy = folder.path().join("policy.yaml");
        let log = folder.path().join("audit.log");
        let user = format!("system:serviceaccount:{HOME}:{ACCOUNT}");
        fs::write(&policy, audit::policy(&user))?;
        let options = zohorelay_cluster::Options {
            api_server_flags: vec![
                format!("--audit-policy-file={}", policy.display()),
                format!("--audit-log-path={}", log.display()),
            ],
            ..zohorelay_cluster::Options::default()
        };
        progress("starting a control plane");
        let cluster = Running::start(options).await?;
        let client = cluster.client()?;
        install_crds(&client).await?;
        namespace_named(&client, HOME, &json!({})).await?;
        apply(&client, HOME, OBJECTS).await?;
        for name in scale.namespace_names() {
            namespace_named(&client, &name, &json!({})).await?;
        }
        let accounts = (0..scale.identities())
            .map(|number| Account::new(identities::address(number), identities::password(number)));
        let zoho = Simulator::start(zoho_simulator::Options {
            accounts: accounts.collect(),
            ..zoho_simulator::Options::default()
        });
        Ok(Self {
            cluster,
            client,
            zoho: zoho.await.context("starting the simulated Zoho")?,
            audit: Audit::at(&log),
            scale,
            _folder: folder,
        })
    }

    /// How to start an operator: the whole cluster, 100 logins a second.
    pub async fn options(&self) -> Result<Options> {
        let options = Options {
            namespace: HOME.to_owned(),
            access: self.cluster.service_account(HOME, ACCOUNT).await?,
            flags: Vec::new(),
        };
        Ok(options
            .flags(&[
                "--login-interval",
                "10ms",
                "--domain-login-interval",
                "10ms",
            ])
            .flags(&["--allowed-upstream-host", "localhost"]))
    }

    /// Logins at the simulated Zoho until now, whatever came of them.
    pub fn logins(&self) -> u64 {
        let logins = self.zoho.all_logins();
        logins.values().map(|logins| logins.total).sum()
    }
}
