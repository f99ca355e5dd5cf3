//! Replies that are odd and legal deliver, and their connection goes on.

use serde_json::json;
use zoho_simulator::Action::{self, SplitReply};
use zoho_simulator::Port;
use zoho_simulator::Stage::{self, Auth, Data, Ehlo, EndOfData, Greeting, Mail, Rcpt, Starttls};

use crate::row::{CLEAR, TLS, raw};
use crate::world::{Counted, World, assert_told, each};

#[rustfmt::skip]
fn legal() -> Vec<(Port, Stage, Action)> {
    let capabilities = b"250-mx\r\n250-\r\n250-auth login plain\r\n250 SIZE 53477376\r\n";
    vec![
        (TLS, Greeting, SplitReply),
        (TLS, Ehlo, SplitReply),
        (CLEAR, Greeting, SplitReply),
        (CLEAR, Ehlo, SplitReply),
        (CLEAR, Starttls, SplitReply),
        (TLS, Auth, SplitReply),
        (TLS, Mail, SplitReply),
        (TLS, Rcpt, SplitReply),
        (TLS, Data, SplitReply),
        (TLS, EndOfData, SplitReply),
        (TLS, Greeting, raw(b"220-one\r\n220-two\r\n220 three\r\n")),
        (CLEAR, Greeting, raw(b"220-one\r\n220\r\n")),
        (TLS, Ehlo, raw(capabilities)),
        (CLEAR, Starttls, raw(b"220-go\r\n220 on\r\n")),
        (TLS, Auth, raw(b"235-one\r\n235 two\r\n")),
        (TLS, Mail, raw(b"250-2.1.0 one\r\n250 2.1.0 two\r\n")),
        (TLS, Mail, raw(b"250\r\n")),
        (TLS, Rcpt, raw(b"250-one\r\n250-\r\n250 \xff\xfe\r\n")),
        (TLS, Rcpt, raw(b"251 will forward\r\n")),
        (TLS, Data, raw(b"354-go\r\n354 on\r\n")),
        (TLS, EndOfData, raw(b"250-one\r\n250-two\r\n250 three\r\n")),
        (TLS, EndOfData, raw(b"250\r\n")),
        // U9: what was offered in the clear does not count.
        (CLEAR, Ehlo, raw(b"250-mx\r\n250-STARTTLS\r\n250-AUTH CRAM-MD5\r\n250 SIZE 10\r\n")),
    ]
}

async fn delivers((port, at, action): (Port, Stage, Action)) {
    let name = format!("{at:?} {action:?}");
    let mut world = World::start(name.clone(), port, json!({})).await;
    world.arm(at, action);
    let before = world.metrics().await;
    let reply = world.send().await;
    assert_told(&name, &reply, "250 2.0.0");
    let counted = Counted::between(&before, &world.metrics().await);
    assert_eq!(counted, Counted::no_failure("accepted"), "{name}");
    assert_eq!(world.send().await.code, 250, "{name}");
    assert_eq!(
        (world.connections().len(), world.logins()),
        (1, 1),
        "{name}"
    );
    assert_eq!(world.zoho.mail_count(), 2, "{name}");
    world.assert_sound(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_and_multi_line_replies_deliver_on_one_connection() {
    let name = |row: &(Port, Stage, Action)| format!("{row:?}");
    each(legal(), name, delivers).await;
}
