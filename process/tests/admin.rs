//! The admin server over real loopback sockets.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::time::Duration;

use prometheus::{IntCounter, Registry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zohorelay_process::admin::{self, Response, Routes};
use zohorelay_process::{client, listen};

const PATIENCE: Duration = Duration::from_secs(10);

struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    fn start(bind: &str) -> Self {
        let registry = Registry::new();
        let mails = IntCounter::new("mails_total", "Mails.").unwrap();
        registry.register(Box::new(mails.clone())).unwrap();
        mails.inc();
        let routes = Routes::new()
            .get("/live", || Response::text(200, "ok"))
            .get("/ready", || Response::text(503, "not yet"))
            .get("/large", || {
                Response::text(200, "x".repeat(8 * 1024 * 1024))
            })
            .get("/page", || Response::html(200, "<p>", "script-src 'none'"))
            .get("/metrics", move || Response::metrics(&registry));
        let listener = listen::bind(bind.parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(admin::serve(listener, routes, shutdown.clone()));
        Self {
            address,
            shutdown,
            task,
        }
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let (status, body) = client::get(self.address, path, PATIENCE).await.unwrap();
        (status, String::from_utf8(body).unwrap())
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// What comes back until the server hangs up.
    async fn send(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        rest(&mut stream).await
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset after the answer is an end, too.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn pages_answer_with_their_status_and_a_query_is_not_part_of_the_path() {
    let server = Server::start("127.0.0.1:0");
    assert_eq!(server.get("/live").await, (200, "ok\n".to_owned()));
    assert_eq!(
        server.get("/live?verbose=1").await,
        (200, "ok\n".to_owned())
    );
    assert_eq!(server.get("/ready").await, (503, "not yet\n".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn the_client_of_a_wildcard_address_reaches_loopback() {
    let server = Server::start("[::]:0");
    assert_eq!(server.get("/live").await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn an_unknown_page_names_those_that_there_are() {
    let server = Server::start("127.0.0.1:0");
    let (status, body) = server.get("/metric").await;
    assert_eq!(
        (status, body.as_str()),
        (
            404,
            "no such page; there are: /live /ready /large /page /metrics\n"
        )
    );
    server.stop().await;
}

#[tokio::test]
async fn metrics_come_in_the_text_format_that_prometheus_reads() {
    let server = Server::start("127.0.0.1:0");
    let answer = server
        .send("GET /metrics HTTP/1.1\r\nHost: pod\r\n\r\n")
        .await;
    assert!(
        answer.contains("\r\ncontent-type: text/plain; version=0.0.4\r\n"),
        "{answer}"
    );
    assert!(
        answer.ends_with("# HELP mails_total Mails.\n# TYPE mails_total counter\nmails_total 1\n"),
        "{answer}"
    );
    server.stop().await;
}

#[tokio::test]
async fn head_tells_the_length_and_sends_no_body() {
    let server = Server::start("127.0.0.1:0");
    let answer = server
        .send("HEAD /live HTTP/1.1\r\nHost: pod\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\ncontent-length: 3\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn other_methods_are_told_which_are_allowed() {
    let server = Server::start("127.0.0.1:0");
    for method in ["POST", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let request = format!("{method} /live HTTP/1.1\r\nHost: pod\r\nContent-Length: 0\r\n\r\n");
        let answer = server.send(&request).await;
        assert!(
            answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"),
            "{method}: {answer}"
        );
        assert!(
            answer.contains("\r\nallow: GET, HEAD\r\n"),
            "{method}: {answer}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_http_or_too_long_harms_nobody_else() {
    let server = Server::start("127.0.0.1:0");
    let garbage = server.send("EHLO pod\r\n\r\n").await;
    assert!(garbage.starts_with("HTTP/1.1 400 "), "{garbage}");
    let long = format!("GET /live HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20 * 1024));
    let long = server.send(&long).await;
    assert!(
        long.is_empty() || long.starts_with("HTTP/1.1 431 "),
        "{long}"
    );
    assert_eq!(server.get("/live").await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn an_answer_ends_the_connection_so_that_idle_ones_hold_no_place() {
    let server = Server::start("127.0.0.1:0");
    let twice = "GET /live HTTP/1.1\r\nHost: pod\r\n\r\n".repeat(2);
    let answer = server.send(&twice).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 1, "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_no_whole_head_is_cut_off_after_5_s() {
    let server = Server::start("127.0.0.1:0");
    let start = tokio::time::Instant::now();
    let answer = server.send("GET /live HTTP/1.1\r\nHost:").await;
    assert!(answer.is_empty(), "{answer}");
    assert_eq!(start.elapsed().as_secs(), 5);
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_no_answer_is_cut_off_after_30_s() {
    let server = Server::start("127.0.0.1:0");
    let start = tokio::time::Instant::now();
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /large HTTP/1.1\r\nHost: pod\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(31)).await;
    let answer = rest(&mut stream).await;
    assert!(
        answer.len() < 8 * 1024 * 1024,
        "cut off, not sent to the end"
    );
    assert_eq!(start.elapsed().as_secs(), 31);
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn more_than_32_silent_clients_delay_a_probe_and_never_starve_it() {
    let server = Server::start("127.0.0.1:0");
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(server.connect().await);
    }
    let start = tokio::time::Instant::now();
    let (status, _) = client::get(server.address, "/live", Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(status, 200);
    assert_eq!(
        start.elapsed().as_secs(),
        5,
        "served once the first 32 are cut off"
    );
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_closes_the_port_and_every_connection_within_half_a_second() {
    let server = Server::start("127.0.0.1:0");
    let address = server.address;
    let mut half = server.connect().await;
    half.write_all(b"GET /live HT").await.unwrap();
    let mut unread = server.connect().await;
    unread
        .write_all(b"GET /large HTTP/1.1\r\nHost: pod\r\n\r\n")
        .await
        .unwrap();
    let start = tokio::time::Instant::now();
    // Both are accepted when a third one has its answer.
    assert_eq!(server.get("/live").await.0, 200);
    server.stop().await;
    assert!(
        start.elapsed() <= Duration::from_millis(510),
        "{:?}",
        start.elapsed()
    );
    assert!(TcpStream::connect(address).await.is_err());
    assert!(rest(&mut half).await.is_empty());
    assert!(rest(&mut unread).await.len() < 8 * 1024 * 1024);
}

#[tokio::test]
async fn a_page_has_its_own_security_policy_and_what_is_no_page_may_do_nothing() {
    let server = Server::start("127.0.0.1:0");
    for (path, policy) in [
        ("/page", "script-src 'none'"),
        ("/live", "default-src 'none'"),
        ("/metrics", "default-src 'none'"),
        ("/nowhere", "default-src 'none'"),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        let answer = server.send(&request).await;
        let header = format!("\r\ncontent-security-policy: {policy}\r\n");
        assert!(answer.contains(&header), "{path}: {answer}");
        assert!(answer.contains("\r\ncache-control: no-store\r\n"), "{path}");
    }
    server.stop().await;
}
