//! The control plane that the other suites stand on.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;
use zohorelay_cluster::{Options, Running, shared};
use zohorelay_tests::objects::{api, appears, apply, disappears, namespace};

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: app}
spec: {containers: [{name: app, image: localhost/app}]}
";

#[tokio::test]
async fn a_new_namespace_has_its_service_account_and_takes_pods() {
    let client = shared().await.unwrap().client().unwrap();
    let here = namespace(&client).await.unwrap();
    appears(&api::<ServiceAccount>(&client, &here), "default")
        .await
        .unwrap();
    apply(&client, &here, POD).await.unwrap();
    let pod = appears(&api::<Pod>(&client, &here), "app").await.unwrap();
    let spec = pod.spec.unwrap();
    assert_eq!(spec.service_account_name.as_deref(), Some("default"));
}

#[tokio::test]
async fn a_namespace_that_is_deleted_goes_with_what_is_in_it() {
    let client = shared().await.unwrap().client().unwrap();
    let here = namespace(&client).await.unwrap();
    apply(&client, &here, POD).await.unwrap();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces
        .delete(&here, &DeleteParams::default())
        .await
        .unwrap();
    disappears(&namespaces, &here).await.unwrap();
    disappears(&api::<Pod>(&client, &here), "app")
        .await
        .unwrap();
}

#[tokio::test]
async fn what_an_owner_owns_goes_with_it() {
    let client = shared().await.unwrap().client().unwrap();
    let here = namespace(&client).await.unwrap();
    let maps = api::<ConfigMap>(&client, &here);
    let owner: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "owner"}})).unwrap();
    let owner = maps.create(&PostParams::default(), &owner).await.unwrap();
    let reference = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "owner",
        "uid": owner.metadata.uid});
    let child = json!({"metadata": {"name": "owned", "ownerReferences": [reference]}});
    let secrets = api::<Secret>(&client, &here);
    let child = serde_json::from_value(child).unwrap();
    secrets
        .create(&PostParams::default(), &child)
        .await
        .unwrap();
    maps.delete("owner", &DeleteParams::default())
        .await
        .unwrap();
    disappears(&secrets, "owned").await.unwrap();
}

#[tokio::test]
async fn objects_outlive_a_restart_of_the_api_server() {
    let cluster = Running::start(Options::default()).await.unwrap();
    let client = cluster.client().unwrap();
    let here = namespace(&client).await.unwrap();
    apply(&client, &here, POD).await.unwrap();
    let pods = api::<Pod>(&client, &here);
    let before = pods.get("app").await.unwrap();

    cluster.stop_api_server();
    assert!(pods.get("app").await.is_err());
    cluster.start_api_server().await.unwrap();

    let after = pods.get("app").await.unwrap();
    assert_eq!(before.metadata.uid, after.metadata.uid);
    // The controllers are back, too.
    namespace(&client).await.unwrap();
}

#[tokio::test]
async fn a_service_account_has_the_rights_that_it_was_given_and_no_others() {
    let cluster = shared().await.unwrap();
    let admin = cluster.client().unwrap();
    let here = namespace(&admin).await.unwrap();
    let rights = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [''], resources: [secrets], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: default}]
";
    apply(
        &admin,
        &here,
        &rights.replace(
            "name: default}",
            &format!("name: default, namespace: {here}}}"),
        ),
    )
    .await
    .unwrap();
    let client = cluster
        .client_as_service_account(&here, "default")
        .await
        .unwrap();
    assert_eq!(
        client.apiserver_version().await.unwrap().minor,
        admin.apiserver_version().await.unwrap().minor
    );
    let secrets = api::<Secret>(&client, &here);
    secrets
        .list(&kube::api::ListParams::default())
        .await
        .unwrap();
    let refused = api::<Pod>(&client, &here)
        .list(&kube::api::ListParams::default())
        .await
        .unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 403));
}
