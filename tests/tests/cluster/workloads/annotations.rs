//! What a pod asks for by its annotations.

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use zohorelay_crds::keys;
use zohorelay_tests::ground::shop::Shop;

use super::status::of_pod;

/// From which port on the pod's programs need no rights.
fn port_start(pod: &Pod) -> Option<&str> {
    let context = pod.spec.as_ref()?.security_context.as_ref()?;
    let sysctls = context.sysctls.iter().flatten();
    let mut sysctls = sysctls.filter(|one| one.name == "net.ipv4.ip_unprivileged_port_start");
    Some(&sysctls.next()?.value)
}

#[tokio::test]
async fn ports_25_and_587_are_served_and_the_app_learns_them_unless_it_has_its_own() {
    let shop = Shop::open("ports").await.unwrap();
    let smtp = shop.job("smtp").annotation(keys::PORT, "25");
    shop.start(&smtp.flags(&["--port=25"])).await.unwrap();
    // Nothing listens on port 9: an app that keeps its own variables is told so.
    let own = json!([
        {"name": "SMTP_HOST", "value": "127.0.0.1"},
        {"name": "SMTP_PORT", "value": "9"},
    ]);
    let from = format!("--from={}", shop.address());
    let submission = shop
        .job("submission")
        .annotation(keys::PORT, "587")
        .annotation(keys::ENV, "true")
        .second_app(&[&from, "--run=own", "--exit-zero"])
        .set_pod("/spec/containers/1/env", own);
    shop.start(&submission).await.unwrap();

    let mut names = Vec::new();
    for (job, port) in [("smtp", "25"), ("submission", "587")] {
        shop.until_complete(job).await.unwrap();
        let pod = shop.pods_of(job).await.unwrap().remove(0);
        assert_eq!(port_start(&pod), Some(port));
        names.push(pod.metadata.name.expect("a name"));
    }
    let end = shop.close().await.unwrap();
    end.verdict.assert_sound(0);
    assert_eq!(end.mails.len(), 2);
    for pod in &names {
        let taken = of_pod(&end.entries, pod).filter(|entry| entry.code == Some(250));
        assert_eq!(taken.count(), 1, "{:#?}", end.entries);
    }
    let mut own = end.entries.iter().filter(|e| e.id.starts_with("<own."));
    let text = own.next().map(|entry| entry.text.as_str());
    assert!(
        text.is_some_and(|text| text.contains("refused")),
        "{text:?}"
    );
}
