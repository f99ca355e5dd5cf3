//! An operator that reaches the API server through a proxy, and how tests look at both.

use kube::ResourceExt;
use serde_json::json;
use zoho_simulator::ConnectionRecord;
use zohorelay_cluster::FaultProxy;
use zohorelay_cluster::proxy::Request;
use zohorelay_crds::MailIdentity;
use zohorelay_tests::program::PATIENCE;

use crate::identity::world::{World, find};

/// Flags of an operator that may use the simulated Zoho and leaves the webhook's certificate alone, so
/// that it writes for identities only.
pub(super) const FLAGS: [&str; 4] = [
    "--allowed-upstream-host",
    "localhost",
    "--cert-source",
    "secret",
];

/// A world whose operators will reach the API server by the proxy.
pub(super) async fn behind_proxy() -> (World<'static>, FaultProxy) {
    let mut world = World::without_operator().await;
    let proxy = FaultProxy::start(world.cluster).await.unwrap();
    world.change_access(proxy.access(world.cluster.admin()));
    (world, proxy)
}

/// The same with an operator that leads and has seen all there is.
pub(super) async fn leading_behind_proxy() -> (World<'static>, FaultProxy) {
    let (mut world, proxy) = behind_proxy().await;
    world.start_operator(&FLAGS).await;
    until_it_watches(&proxy).await;
    (world, proxy)
}

/// Waits until every watch that the operator needs is under way.
pub(super) async fn until_it_watches(proxy: &FaultProxy) {
    until_it_watches_after(proxy, 0).await;
}

/// The same, of what came after so many requests.
pub(super) async fn until_it_watches_after(proxy: &FaultProxy, before: usize) {
    let kinds = ["mailidentities", "secrets", "pods"];
    proxy
        .requests_when(|seen| {
            let seen = &seen[before..];
            let watched = |kind: &&str| seen.iter().any(|it| is_of_identities(it, "watch", kind));
            kinds.iter().all(watched)
        })
        .await;
}

/// Waits until the operator looked at an identity after it wrote its status last: then nothing wakes
/// it any more but what a test does.
pub(super) async fn until_it_rests(proxy: &FaultProxy, name: &str) {
    let password = format!("{name}-zoho");
    let is_status = |it: &Request| it.is("patch", "mailidentities/status") && it.name == name;
    let is_look = |it: &Request| it.is("get", "secrets") && it.name == password;
    let rests = |seen: &[Request]| {
        let written = seen.iter().rposition(is_status);
        written.is_some_and(|written| seen[written..].iter().any(is_look))
    };
    proxy.requests_when(rests).await;
}

/// Waits until the simulated Zoho heard AUTH on so many connections.
pub(super) async fn until_it_logs_in(world: &World<'_>, times: usize) {
    let asked =
        |it: &ConnectionRecord| it.transcript.iter().any(|line| line.starts_with("C: AUTH"));
    let heard = |zoho: &zoho_simulator::Running| {
        let connections = zoho.connections();
        connections.iter().filter(|it| asked(it)).count() >= times
    };
    tokio::time::timeout(PATIENCE, world.zoho.wait_until(heard))
        .await
        .unwrap_or_else(|_| panic!("no login {times}: {:#?}", world.zoho.connections()));
}

/// Changes a field that needs no login.
pub(super) async fn rename(world: &World<'_>, name: &str, display_name: &str) {
    let mut identity = world.identity(name);
    identity["spec"]["displayName"] = json!(display_name);
    world.apply(&identity).await;
}

/// Waits until pods read that name, and checks the rest.
pub(super) async fn assert_renamed(world: &World<'_>, name: &str, display_name: &str) {
    assert_settled(world, name).await;
    let document = world.document(name).await;
    assert_eq!(document["addresses"]["displayName"], display_name);
}

/// A request for all objects of a kind, as identities need them: not the one for the webhook's Secret.
pub(super) fn is_of_identities(request: &Request, verb: &str, kind: &str) -> bool {
    request.is(verb, kind) && !request.path.contains("fieldSelector")
}

/// A write for an identity: neither the lease's, nor the webhook's.
pub(super) fn is_for_identities(request: &Request) -> bool {
    let resources = ["secrets", "mailidentities/status", "events"];
    request.writes() && resources.contains(&request.resource.as_str())
}

/// What must hold at the end of every row: the identity is ready, with the password that its Secret
/// has now, and the document that it tells of is the one that pods read.
pub(super) async fn assert_settled(world: &World<'_>, name: &str) -> MailIdentity {
    let password = world.secrets().get(&format!("{name}-zoho")).await.unwrap();
    let version = password.resource_version();
    let what = "it is ready with the password that is there";
    let identity = world
        .until_fits(name, what, |identity| {
            let status = identity.status.as_ref();
            let credential = status.and_then(|status| status.credential.as_ref());
            find(identity, "Ready").is_some_and(|ready| ready.status == "True")
                && find(identity, "Reconciling").is_none()
                && find(identity, "CredentialsVerified").is_some_and(|it| it.status == "True")
                && credential.is_some_and(|it| it.secret_resource_version == version)
        })
        .await;
    let document = world.document(name).await;
    let status = identity.status.as_ref().unwrap();
    assert_eq!(document["revision"], json!(status.revision));
    assert_eq!(document["uid"], json!(identity.uid()));
    let password = &password.data.unwrap()["password"].0;
    let password = String::from_utf8_lossy(password);
    assert_eq!(document["login"]["password"], json!(password));
    identity
}
