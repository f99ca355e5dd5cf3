//! A release of the chart, and the operator that its Deployment starts, without a kubelet.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use zohorelay_cluster::Running;
use zohorelay_cluster::binaries::Program;

use crate::operator::Operator;

/// What a test needs of the chart's values: the operator may use a simulated Zoho and need not wait
/// between logins, and its certificate holds on loopback.
pub const ON_LOOPBACK: [&str; 4] = [
    "allowedUpstreamHosts={localhost}",
    "logins.interval=1ms",
    "logins.domainInterval=1ms",
    "webhook.extraSans={127.0.0.1}",
];

/// A release that is installed.
#[derive(Clone, Debug)]
pub struct Release {
    /// The whole name of its objects, as the chart's `fullnameOverride`.
    pub name: String,
    /// Its own namespace.
    pub namespace: String,
}

impl Release {
    /// `helm install` into a namespace that is there. Whatever begins with `--` is a flag, all else is
    /// for `--set`. Gives also what helm prints.
    pub async fn install(
        cluster: &Running,
        name: &str,
        namespace: &str,
        values: &[&str],
    ) -> Result<(Self, String)> {
        let release = Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
        };
        let printed = release.helm(cluster, &["install"], values).await?;
        Ok((release, printed))
    }

    /// What `helm template` prints for it: nothing is installed.
    pub async fn template(&self, cluster: &Running, values: &[&str]) -> Result<String> {
        self.helm(cluster, &["template"], values).await
    }

    /// `helm uninstall`.
    pub async fn uninstall(&self, cluster: &Running) -> Result<()> {
        let mut command = cluster.command(Program::Helm)?;
        command.args(["uninstall", &self.name, "-n", &self.namespace]);
        output(command).await.map(drop)
    }

    async fn helm(&self, cluster: &Running, task: &[&str], values: &[&str]) -> Result<String> {
        let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/zohorelay");
        let mut command = cluster.command(Program::Helm)?;
        command
            .args(task)
            .arg(&self.name)
            .arg(chart)
            .args(["-n", &self.namespace])
            .args(["--set", &format!("fullnameOverride={}", self.name)]);
        for value in values {
            if !value.starts_with("--") {
                command.arg("--set");
            }
            command.arg(value);
        }
        output(command).await
    }

    /// Starts the operator as a pod of this name would: with the arguments of the Deployment, which is
    /// read from the API server, and as its service account. Only the addresses are others: free ports on
    /// loopback.
    pub async fn operator(&self, cluster: &Running, pod: &str) -> Result<Operator> {
        let deployments: Api<Deployment> = Api::namespaced(cluster.client()?, &self.namespace);
        let deployment = deployments.get(&self.deployment()).await?;
        let spec = deployment.spec.context("a spec")?.template.spec;
        let spec = spec.context("pods")?;
        let account = spec.service_account_name.as_deref().context("an account")?;
        let access = cluster.service_account(&self.namespace, account).await?;
        Operator::start_with(cluster, &access, &arguments(&spec, pod)?).await
    }

    /// Registers an operator's webhook on loopback in place of the chart's Service, which nobody serves
    /// here.
    pub async fn register(&self, client: &Client, operator: &Operator) -> Result<()> {
        let configurations = Api::<MutatingWebhookConfiguration>::all(client.clone());
        let url = format!("https://{}/inject", operator.webhook);
        let patch = json!([
            {"op": "test", "path": "/webhooks/0/name", "value": "inject.zohorelay.dev"},
            {"op": "add", "path": "/webhooks/0/clientConfig/service", "value": null},
            {"op": "add", "path": "/webhooks/0/clientConfig/url", "value": url},
        ]);
        let patch = Patch::Json::<()>(serde_json::from_value(patch)?);
        let params = PatchParams::default();
        configurations.patch(&self.name, &params, &patch).await?;
        Ok(())
    }

    /// Name of the Deployment, the Lease, the service account and the roles.
    pub fn deployment(&self) -> String {
        format!("{}-operator", self.name)
    }

    /// Name of the Service and of the Secret with the webhook's certificate.
    pub fn webhook(&self) -> String {
        format!("{}-webhook", self.name)
    }
}

/// The command line of the container, as the kubelet expands it, with free ports on loopback.
fn arguments(spec: &PodSpec, pod: &str) -> Result<Vec<String>> {
    let container = spec.containers.first().context("a container")?;
    let variables = variables(container, pod)?;
    let expand = |argument: &String| {
        variables
            .iter()
            .fold(argument.clone(), |text, (name, value)| {
                text.replace(&format!("$({name})"), value)
            })
    };
    let on_loopback = |argument: String| match argument.split_once('=') {
        Some((flag @ ("--admin" | "--page" | "--webhook"), _)) => format!("{flag}=127.0.0.1:0"),
        _ => argument,
    };
    let arguments = container.args.iter().flatten().map(expand).map(on_loopback);
    Ok(arguments.collect())
}

fn variables(container: &Container, pod: &str) -> Result<Vec<(String, String)>> {
    let variables = container.env.iter().flatten();
    variables
        .map(|variable| {
            let source = variable.value_from.as_ref();
            let field = source.and_then(|source| source.field_ref.as_ref());
            let value = match field {
                Some(field) => {
                    let path = &field.field_path;
                    ensure!(path == "metadata.name", "no test knows the field {path}");
                    pod.to_owned()
                }
                None => variable.value.clone().unwrap_or_default(),
            };
            Ok((variable.name.clone(), value))
        })
        .collect()
}

async fn output(mut command: Command) -> Result<String> {
    let run = tokio::task::spawn_blocking(move || {
        let output = command.output()?;
        anyhow::Ok((output, format!("{command:?}")))
    });
    let (output, command) = run.await??;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command}: {complaint}");
    Ok(String::from_utf8(output.stdout)?)
}
