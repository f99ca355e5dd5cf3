//! Each alert fires at a real Prometheus from a fault that is played at the simulator, the network or the
//! cluster, and is over after the repair. The rules are the chart's, with every window and wait divided by 30.

mod certificate;
mod mail;
mod scene;
mod standing;

use futures_util::future::join_all;
use zohorelay_tests::ground::Ground;
use zohorelay_tests::ground::absence::and_then_always;
use zohorelay_tests::ground::monitoring::Monitoring;
use zohorelay_tests::ground::shop::Shop;

use self::scene::Scene;

#[tokio::test]
async fn each_alert_fires_for_its_fault_and_is_over_after_the_repair() {
    let ground = Ground::shared().await.unwrap();
    // The webhook's certificate, TLS, and the operator are everybody's.
    let shop = Shop::alone_on(ground, "fired").await.unwrap();
    let monitoring = Monitoring::quick(ground, &shop.client).await.unwrap();
    let Some(monitoring) = monitoring else {
        return;
    };
    let scene = Scene::new(shop, monitoring);
    let part = Box::pin(play(&scene));
    and_then_always(part, scene.monitoring.stop())
        .await
        .unwrap();
    // The mail whose reply was lost, and perhaps one that the packet filter cut off.
    scene.shop.close().await.unwrap().verdict.assert_sound(2);
}

async fn play(scene: &Scene) {
    let ground = scene.shop.ground;
    let kept = certificate::read(scene).await;
    let part = async { tokio::join!(certificate::ends(scene, &kept), of_identities(scene)) };
    let restored = certificate::restore(scene, &kept);
    and_then_always(Box::pin(part), restored).await.unwrap();
    let down = standing::operator_down(scene);
    and_then_always(Box::pin(down), ground.scale_operator(2))
        .await
        .unwrap();

    let mut expected = scene.monitoring.alerts().await.unwrap();
    if ground.own_node("blocked egress").is_none() {
        expected.remove("ZohoRelayEgressBlocked");
    }
    assert_eq!(scene.played(), expected);
}

/// Those about mail, identities and pods: an identity each, all at once.
async fn of_identities(scene: &Scene) {
    // While it is played no other identity connects.
    let intercepted = mail::intercepted(scene).await;
    let all: [scene::Part<'_>; 10] = [
        Box::pin(intercepted.resolves()),
        Box::pin(mail::denied(scene)),
        Box::pin(mail::blocked(scene)),
        Box::pin(mail::refused(scene)),
        Box::pin(mail::limited(scene)),
        Box::pin(mail::lost(scene)),
        Box::pin(mail::failing(scene)),
        Box::pin(mail::walled(scene)),
        Box::pin(standing::by_hand(scene)),
        Box::pin(async {
            tokio::join!(standing::unready(scene), standing::unattended(scene));
        }),
    ];
    join_all(all).await;
}
