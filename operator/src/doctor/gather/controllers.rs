//! What makes pods: Deployments and the like, with the templates of their pods.

use std::fmt::Debug;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

use super::super::rights::{Asked, Right};
use super::super::scene::Workload;
use super::list;

const TEMPLATE: &str = "spec.template.metadata";
const TEMPLATE_OF_CRON_JOB: &str = "spec.jobTemplate.spec.template.metadata";

/// All kinds, each asked for by itself: somebody may have the right to some.
pub(super) async fn workloads(client: &Client, namespace: &str) -> Vec<Asked<Vec<Workload>>> {
    vec![
        of(client, namespace, "deployments.apps", |it: Deployment| {
            Some(it.spec?.template)
        })
        .await,
        of(client, namespace, "statefulsets.apps", |it: StatefulSet| {
            Some(it.spec?.template)
        })
        .await,
        of(client, namespace, "daemonsets.apps", |it: DaemonSet| {
            Some(it.spec?.template)
        })
        .await,
        of(client, namespace, "jobs.batch", |it: Job| {
            // One that a CronJob made is told of there.
            let is_made = !it.owner_references().is_empty();
            it.spec.filter(|_| !is_made).map(|spec| spec.template)
        })
        .await,
        of(client, namespace, "cronjobs.batch", |it: CronJob| {
            Some(it.spec?.job_template.spec?.template)
        })
        .await,
    ]
}

async fn of<K>(
    client: &Client,
    namespace: &str,
    resource: &'static str,
    template: impl Fn(K) -> Option<PodTemplateSpec>,
) -> Asked<Vec<Workload>>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    K: Clone + Debug + DeserializeOwned,
{
    let api = Api::<K>::namespaced(client.clone(), namespace);
    let right = Right::list(resource, namespace);
    let found = list(api, right, ListParams::default()).await?;
    let workloads = found.into_iter().filter_map(|object| {
        Some(Workload {
            kind: kind(resource),
            name: object.name_any(),
            labels: object.labels().clone(),
            annotations: object.annotations().clone(),
            template: template(object)?,
            path: match resource {
                "cronjobs.batch" => TEMPLATE_OF_CRON_JOB,
                _ => TEMPLATE,
            },
        })
    });
    Ok(workloads.collect())
}

fn kind(resource: &str) -> &'static str {
    match resource {
        "deployments.apps" => "Deployment",
        "statefulsets.apps" => "StatefulSet",
        "daemonsets.apps" => "DaemonSet",
        "jobs.batch" => "Job",
        _ => "CronJob",
    }
}
