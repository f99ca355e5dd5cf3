//! Many connections (S14), and many mails on one (S15).

use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use zohorelay_tests::app::App;
use zohorelay_tests::memory::resident_bytes;

use super::{FROM, GOOD, TO, app, identity, start, zoho};

const MIB: u64 = 1 << 20;

#[tokio::test]
async fn s14_a_flood_of_connections_is_told_421_and_takes_no_memory() {
    const FLOOD: usize = 800;
    const ROUNDS: usize = 3;
    let zoho = zoho().await;
    let flags = ["--max-sessions", "50"];
    let sidecar = start(vec![identity("billing", &zoho)], &flags).await;
    drop(app(&sidecar).await);
    none_left(&sidecar).await;
    let before = resident_bytes(sidecar.pid());
    for _ in 0..ROUNDS {
        let mut flood = Vec::new();
        for _ in 0..FLOOD {
            flood.push(TcpStream::connect(sidecar.smtp).await.unwrap());
        }
        let (_, refusal) = App::knock(sidecar.smtp).await.unwrap();
        assert_eq!(
            (refusal.code, refusal.text.as_str()),
            (421, "4.3.2 too many sessions at a time; try again")
        );
        let grown = resident_bytes(sidecar.pid()).saturating_sub(before);
        assert!(grown < 4 * MIB, "{grown} bytes more");
        let (mut served, mut told) = (0, 0);
        for mut socket in flood {
            let mut first = [0; 3];
            socket.read_exact(&mut first).await.unwrap();
            match &first {
                b"220" => served += 1,
                b"421" => told += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((served, told), (50, FLOOD - 50));
        none_left(&sidecar).await;
        let mut app = App::connect(sidecar.smtp).await.unwrap();
        let reply = app.send(FROM, TO, GOOD).await.unwrap();
        assert_eq!(reply.code, 250, "{reply:?}");
        drop(app);
        none_left(&sidecar).await;
    }
    assert_eq!(zoho.mails().len(), ROUNDS);
}

async fn none_left(sidecar: &zohorelay_tests::sidecar::Sidecar) {
    sidecar
        .metrics_when(|metrics| metrics.value("zohorelay_sidecar_sessions", &[]) == 0.0)
        .await
        .unwrap();
}

#[tokio::test]
async fn s15_a_thousand_mails_of_three_identities_in_one_session_need_three_connections() {
    const MAILS: usize = 1000;
    let zoho = zoho().await;
    let names = ["billing", "alerts", "orders"];
    let documents = names.map(|name| {
        let mut document = identity(name, &zoho);
        document["limits"] = json!({"connections": 5});
        document
    });
    let sidecar = start(documents.to_vec(), &[]).await;
    let mut app = app(&sidecar).await;
    let mut early = 0;
    for mail in 0..MAILS {
        let from = format!("{}@example.com", names[mail % 3]);
        let header = format!("From: {from}\r\nX-Fill: {}\r\n", "x".repeat(1000));
        let reply = app.send(&from, TO, &header).await.unwrap();
        assert_eq!(reply.code, 250, "{mail}: {reply:?}");
        assert_eq!(app.say("RSET").await.unwrap().code, 250);
        if mail == MAILS / 4 {
            early = resident_bytes(sidecar.pid());
        }
    }
    let grown = resident_bytes(sidecar.pid()).saturating_sub(early);
    assert!(grown < MIB, "{grown} bytes more after {MAILS} mails");
    assert_eq!(zoho.mails().len(), MAILS);
    assert_eq!(zoho.connections().len(), 3);
    for name in names {
        assert_eq!(zoho.logins(&format!("{name}@example.com")).total, 1);
    }
}
