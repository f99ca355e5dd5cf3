//! A document that is taken away on purpose, in real time.

use serde_json::json;
use zohorelay_tests::app::{self, App};

use super::{FROM, GOOD, TO, billing, reloads, revision, start, zoho};

#[tokio::test]
async fn ten_seconds_without_a_document_remove_the_identity_and_close_its_connections() {
    let zoho = zoho().await;
    let (mut sidecar, mut volume) = start(&billing(&zoho, 7)).await;
    let reply = app::send(sidecar.smtp, FROM, TO, GOOD).await.unwrap();
    assert_eq!(reply.code, 250);
    volume.withdraw().unwrap();
    sidecar
        .logged(|line| {
            line["message"]
                .as_str()
                .is_some_and(|text| text.contains("identity removed"))
        })
        .await
        .unwrap();
    let mut app = App::connect(sidecar.smtp).await.unwrap();
    app.say("EHLO app.example").await.unwrap();
    let reply = app.say(&format!("MAIL FROM:<{FROM}>")).await.unwrap();
    assert_eq!(
        (reply.code, reply.text.as_str()),
        (451, "4.3.0 identity billing removed")
    );
    zoho.wait_until(|zoho| zoho.connections()[0].ended.is_some())
        .await;
    let status = sidecar.status().await.unwrap();
    assert_eq!(status["identities"][0]["state"], "removed");
    assert_eq!(revision(&sidecar.metrics().await.unwrap()), 0.0);

    volume.publish(&billing(&zoho, 7)).unwrap();
    sidecar
        .metrics_when(|metrics| reloads(metrics, "applied") == 2.0)
        .await
        .unwrap();
    let reply = app.send(FROM, TO, GOOD).await.unwrap();
    assert_eq!(reply.code, 250, "it is back: {reply:?}");
}

#[tokio::test]
async fn an_identity_that_comes_back_with_another_password_is_not_held_for_the_old_one() {
    let zoho = zoho().await;
    let mut wrong = billing(&zoho, 7);
    wrong["login"]["password"] = json!("wrong");
    let (mut sidecar, mut volume) = start(&wrong).await;
    let reply = app::send(sidecar.smtp, FROM, TO, GOOD).await.unwrap();
    assert_eq!(reply.code, 451);
    volume.withdraw().unwrap();
    sidecar
        .logged(|line| line["message"] == "identity removed: its document is gone")
        .await
        .unwrap();
    volume.publish(&billing(&zoho, 8)).unwrap();
    sidecar
        .metrics_when(|metrics| reloads(metrics, "applied") == 2.0)
        .await
        .unwrap();
    let reply = app::send(sidecar.smtp, FROM, TO, GOOD).await.unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
}
