//! DNS fails, or lies (docs/proof.md U21).

use std::net::IpAddr;

use anyhow::Result;
use serde_json::json;
use zoho_simulator::PUBLISHED_HOSTS;
use zohorelay_cluster::Node;
use zohorelay_tests::ground::shop::{Shop, ask};
use zohorelay_tests::ground::{RELEASE, SYSTEM, zoho};

use super::filter::Filter;
use super::scene::{HOST, Scene, node_for};

/// What all published hosts lead to.
fn lead(node: &Node, address: IpAddr) -> Result<()> {
    Ok(node.set_hosts(&PUBLISHED_HOSTS.map(|(host, _)| (host, address)))?)
}

/// Puts DNS back, however the test ends.
struct Well(&'static Node, IpAddr);

impl Drop for Well {
    fn drop(&mut self) {
        self.0.stop_dns();
        lead(self.0, self.1).expect("a file");
        self.0.start_dns().expect("DNS");
    }
}

#[tokio::test]
async fn dns_that_fails_or_lies_is_named_and_mail_goes_once_it_is_well() {
    let shop = Shop::open_alone("names").await.unwrap();
    let Some(node) = node_for("names", &shop) else {
        return;
    };
    let simulator = service_address(&shop, zoho::NAMESPACE, zoho::NAME).await;
    let other = other_server(&shop).await;
    let _well = Well(node, simulator);

    node.stop_dns();
    let app = shop
        .deployment("shop")
        .flags(&["--count=0", "--every-ms=500"]);
    shop.start(&app).await.unwrap();
    let pod = shop.pod_of("shop").await.unwrap();
    let address = ask::address(&pod).unwrap();
    let filter = Filter::new(node, "names", &address).await.unwrap();
    let pod = ask::name(&pod);
    let scene = Scene { shop, filter, pod };

    named(
        &scene,
        "connect",
        "4.4.1 ",
        "no answer from the name server",
    )
    .await;
    node.set_hosts(&[]).unwrap();
    node.start_dns().unwrap();
    named(&scene, "connect", "4.4.1 ", "no such name in DNS").await;

    // Another server's address, and one where nobody listens.
    lead(node, other).unwrap();
    named(&scene, "tls", "4.7.5 ", "certificate").await;
    lead(node, node.address().into()).unwrap();
    named(&scene, "connect", "4.4.1 ", "connection refused").await;

    lead(node, simulator).unwrap();
    scene.until_more("2.0.0").await.unwrap();
    let address = scene.shop.address();
    let logins = scene.shop.zoho.logins_of(&address).await.unwrap();
    assert_eq!(logins.refused, 0, "{logins:?}");
    let delete = format!("delete service names-other -n {SYSTEM}");
    scene.shop.ground.kubectl(&delete).await.unwrap();
    scene.close().await.unwrap().verdict.assert_sound(0);
}

/// The app's reply, the log and the metrics name the fault.
async fn named(scene: &Scene, class: &str, enhanced: &str, words: &str) {
    let told = scene.until_more(words).await.unwrap();
    println!("cluster: DNS: {:?} after {:?}", told.text, told.took);
    assert_eq!(told.code, Some(451), "{told:?}");
    assert!(told.text.starts_with(enhanced), "{told:?}");
    assert!(told.text.contains(HOST), "{told:?}");
    assert!(scene.failures(class).await.unwrap() >= 1.0);
    let logged = scene.logged(words).await.unwrap();
    let line = logged.first().expect("a line in the log");
    assert_eq!(line["class"], class, "{line}");
}

/// The operator's webhook, at 465: it speaks TLS, and its certificate is not Zoho's.
async fn other_server(shop: &Shop) -> IpAddr {
    let webhook = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "names-other", "namespace": SYSTEM},
        "spec": {
            "selector": {"app.kubernetes.io/instance": RELEASE},
            "ports": [{"port": 465, "targetPort": "webhook"}],
        },
    });
    shop.apply(&webhook).await.unwrap();
    service_address(shop, SYSTEM, "names-other").await
}

async fn service_address(shop: &Shop, namespace: &str, name: &str) -> IpAddr {
    let command = format!("get service {name} -n {namespace} -o jsonpath={{.spec.clusterIP}}");
    let address = shop.ground.kubectl(&command).await.unwrap();
    address.parse().unwrap()
}
