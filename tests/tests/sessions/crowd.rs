//! Many long mails at a time: what they have of the memory is one budget, not one each.

use serde_json::json;
use zoho_simulator::{Action, Fault, Stage};
use zohorelay_tests::memory::peak_bytes;

use super::{FROM, GOOD, TO, app, failures, identity, start, zoho};

/// The container has 64 MiB.
const MOST_BYTES: u64 = 48 << 20;

const CROWD: u32 = 200;

#[tokio::test]
async fn two_hundred_long_mails_at_a_time_stay_within_the_memory_of_the_container() {
    let zoho = zoho().await;
    let mut document = identity("billing", &zoho);
    document["delivery"] = json!({"deadlineSeconds": 5});
    let sidecar = start(vec![document], &["--max-sessions", "200"]).await;
    zoho.fault(Fault::new(Stage::Data, Action::Stall)).unwrap();
    let content = format!("{GOOD}\r\n{}", "text\r\n".repeat(300 * 1024 / 6));
    let mut apps = Vec::new();
    for _ in 0..CROWD {
        let mut app = app(&sidecar).await;
        app.begin(FROM, TO).await.unwrap();
        app.write(content.as_bytes()).await.unwrap();
        apps.push(app);
    }
    for app in &mut apps {
        app.write(b".\r\n").await.unwrap();
    }
    let mut put_off = 0_u32;
    for app in &mut apps {
        let reply = app.reply().await.unwrap();
        assert!(matches!(reply.code, 451 | 452), "{reply:?}");
        put_off += u32::from(reply.code == 452);
    }
    let peak = peak_bytes(sidecar.pid());
    assert!(peak < MOST_BYTES, "{peak} bytes, {put_off} mails put off");
    assert!((1..CROWD).contains(&put_off), "{put_off} mails put off");
    let metrics = sidecar.metrics().await.unwrap();
    assert!(failures(&metrics, "busy") >= f64::from(put_off));

    zoho.clear_faults();
    for app in &mut apps[..2] {
        app.begin(FROM, TO).await.unwrap();
        app.write(content.as_bytes()).await.unwrap();
        let reply = app.say(".").await.unwrap();
        assert_eq!(reply.code, 250, "{reply:?}");
    }
    assert_eq!(zoho.mail_count(), 2);
}
