//! Apps that are slow or say nothing (S9), in paused time: a session of the library on a socket.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use zohorelay_sidecar::egress::Egress;
use zohorelay_sidecar::identity::{Identity, Network};
use zohorelay_sidecar::last_words::LastWords;
use zohorelay_sidecar::metrics::Metrics;
use zohorelay_sidecar::roster::Roster;
use zohorelay_sidecar::session::Session;
use zohorelay_sidecar::shutdown::Shutdown;
use zohorelay_sidecar::sidecar::Sidecar;
use zohorelay_sidecar::spool::Spool;
use zohorelay_upstream::{Resolver, system_roots};

/// A sidecar with two identities that have no document: sessions take mails up to the dot.
fn sidecar() -> Arc<Sidecar> {
    let metrics = Metrics::new("0").unwrap();
    let identity = |name| Arc::new(Identity::new(name, metrics.identity(name)));
    let folder = std::env::temp_dir();
    Arc::new(Sidecar {
        roster: Roster::new(["billing", "alerts"].map(identity).to_vec()),
        spool: Spool::open(folder.clone(), 1 << 20).unwrap(),
        shutdown: Shutdown::default(),
        network: Network {
            resolver: Arc::new(Resolver::from_system()),
            roots: Arc::new(system_roots().unwrap()),
            ehlo_name: "localhost".to_owned(),
        },
        egress: Egress::default(),
        last_words: LastWords::new(folder.join("zohorelay-no-such-file")),
        tasks: tokio_util::task::TaskTracker::new(),
        accept_any_login: false,
        metrics,
    })
}

/// A session and its app's socket, greeted.
async fn session() -> (TcpStream, JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut app = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    app.set_nodelay(true).unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    let session = tokio::spawn(Session::new(sidecar(), socket).run());
    assert!(said(&mut app).await.starts_with("220 "));
    (app, session)
}

async fn said(app: &mut TcpStream) -> String {
    let mut text = vec![0; 4096];
    let count = app.read(&mut text).await.unwrap();
    String::from_utf8_lossy(&text[..count]).into_owned()
}

async fn say(app: &mut TcpStream, line: &str) -> String {
    app.write_all(line.as_bytes()).await.unwrap();
    said(app).await
}

/// One byte each 20 s until the session says something.
async fn drip(app: &mut TcpStream, byte: &[u8]) -> String {
    let mut text = vec![0; 4096];
    loop {
        tokio::select! {
            biased;
            count = app.read(&mut text) => {
                return String::from_utf8_lossy(&text[..count.unwrap()]).into_owned();
            }
            () = sleep(Duration::from_secs(20)) => app.write_all(byte).await.unwrap(),
        }
    }
}

const IDLE: &str = "421 4.3.2 nothing came for too long; closing\r\n";

#[tokio::test(start_paused = true)]
async fn s9_a_command_must_be_whole_within_five_minutes_however_it_drips() {
    let (mut app, session) = session().await;
    assert!(
        say(&mut app, "EHLO app.example\r\n")
            .await
            .starts_with("250-")
    );
    let start = Instant::now();
    assert_eq!(drip(&mut app, b"x").await, IDLE);
    assert_eq!(start.elapsed().as_secs(), 300);
    session.await.unwrap().unwrap();
    assert_eq!(app.read(&mut [0; 16]).await.unwrap_or(0), 0);
}

#[tokio::test(start_paused = true)]
async fn s9_an_app_that_says_nothing_is_told_so_after_five_minutes_from_its_last_command() {
    let (mut app, session) = session().await;
    for _ in 0..3 {
        sleep(Duration::from_secs(290)).await;
        assert!(
            say(&mut app, "EHLO app.example\r\n")
                .await
                .starts_with("250-")
        );
    }
    let start = Instant::now();
    assert_eq!(said(&mut app).await, IDLE);
    assert_eq!(start.elapsed().as_secs(), 300);
    session.await.unwrap().unwrap();
}

async fn in_data() -> (TcpStream, JoinHandle<std::io::Result<()>>) {
    let (mut app, session) = session().await;
    for (line, answer) in [
        ("EHLO app.example\r\n", "250-"),
        ("MAIL FROM:<billing@example.com>\r\n", "250 "),
        ("RCPT TO:<ann@example.org>\r\n", "250 "),
        ("DATA\r\n", "354 "),
    ] {
        let reply = say(&mut app, line).await;
        assert!(reply.starts_with(answer), "{line}: {reply}");
    }
    (app, session)
}

#[tokio::test(start_paused = true)]
async fn s9_content_that_drips_is_no_progress_and_ends_after_three_minutes() {
    let (mut app, session) = in_data().await;
    let start = Instant::now();
    assert_eq!(drip(&mut app, b"x").await, IDLE);
    assert_eq!(start.elapsed().as_secs(), 180);
    session.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn s9_content_of_64_kib_within_three_minutes_may_take_as_long_as_it_likes() {
    let (mut app, _session) = in_data().await;
    let piece = "a line of text\r\n".repeat(4096);
    for _ in 0..10 {
        sleep(Duration::from_secs(170)).await;
        app.write_all(piece.as_bytes()).await.unwrap();
    }
    let reply = say(&mut app, ".\r\n").await;
    assert!(
        reply.starts_with("451 4.3.0 identity billing not configured"),
        "{reply}"
    );
}

#[tokio::test(start_paused = true)]
async fn s9_an_app_that_takes_no_replies_is_left_after_three_minutes() {
    let (mut app, session) = session().await;
    let start = Instant::now();
    let commands = "NOOP\r\n".repeat(100_000);
    let writing = async move {
        // Until the session takes no more, and then until it ends.
        while app.write_all(commands.as_bytes()).await.is_ok() {}
    };
    let (session, ()) = tokio::join!(session, writing);
    let error = session.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(start.elapsed().as_secs(), 180);
}
