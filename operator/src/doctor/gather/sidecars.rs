//! What sidecars say of themselves: asked at the pod's address within the cluster, else through the API
//! server.

use hyper::Request;
use jiff::Timestamp;
use kube::{Client, ResourceExt as _};
use zohorelay_crds::keys::ADMIN_PORT;

use super::super::pods::{Shape, matters};
use super::super::rights::Right;
use super::super::scene::Scene;
use super::ask;
use crate::pods::summary::{self, ANSWER_BYTES_MAX, Report, Summary};

/// So many are asked where no pod is named.
const ASKED_MAX: usize = 5;

/// Asks the sidecars that run, of the pods that matter.
pub(super) async fn told(client: &Client, scene: &mut Scene, in_cluster: bool) {
    let pods = scene.pods.iter().flatten();
    let matter = pods.filter(|pod| matters(pod, &scene.subject));
    let asked: Vec<(String, Shape)> = matter
        .map(|pod| (pod.name_any(), Shape::of(pod)))
        .filter(|(_, shape)| shape.sidecar_runs)
        .take(ASKED_MAX)
        .collect();
    for (name, shape) in asked {
        let namespace = &scene.subject.namespace;
        let told = ask_one(client, namespace, &name, &shape, in_cluster).await;
        scene.told.insert(name, told);
    }
}

async fn ask_one(
    client: &Client,
    namespace: &str,
    pod: &str,
    shape: &Shape,
    in_cluster: bool,
) -> Result<Vec<Report>, String> {
    let mut why = Vec::new();
    if let Some(address) = shape.admin.filter(|_| in_cluster) {
        match summary::read(address).await {
            Ok(summary) => return Ok(reports(summary, namespace, shape)),
            Err(error) => why.push(crate::run::chain(&error)),
        }
    }
    match through_api_server(client, namespace, pod).await {
        Ok(summary) => Ok(reports(summary, namespace, shape)),
        Err(error) => {
            why.push(error);
            Err(why.join("; "))
        }
    }
}

fn reports(summary: Summary, namespace: &str, shape: &Shape) -> Vec<Report> {
    summary
        .of_pod(namespace, &shape.identities, Timestamp::now())
        .into_vec()
}

async fn through_api_server(
    client: &Client,
    namespace: &str,
    pod: &str,
) -> Result<Summary, String> {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{ADMIN_PORT}/proxy/summary");
    let request = Request::get(path).body(Vec::new());
    let request = request.map_err(|error| error.to_string())?;
    let right = Right::get("pods/proxy", namespace);
    let text = ask(right, client.request_text(request)).await;
    let text = text.map_err(|unread| unread.why())?;
    if text.len() as u64 > ANSWER_BYTES_MAX {
        return Err("its answer is too long".to_owned());
    }
    serde_json::from_str(&text).map_err(|error| format!("its answer is no summary: {error}"))
}
