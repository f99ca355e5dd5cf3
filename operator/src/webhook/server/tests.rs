mod client;
mod timing;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::client::{Client, HOST, request};
use super::request::BODY_BYTES;
use super::serve;
use crate::inject::{Admission, Answer};
use crate::webhook::certificate::{Issue, Names, certified_key};
use crate::webhook::slot::Slot;

const HOUR: Duration = Duration::from_secs(3600);

/// A server that answers each review with the number of its bytes.
struct Server {
    address: std::net::SocketAddr,
    slot: Slot,
    issue: Issue,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

fn issue() -> Issue {
    let names = Names::new("webhook", "mail", &[]).unwrap();
    Issue::new(&names, Timestamp::now(), HOUR).unwrap()
}

fn load(slot: &Slot, issue: &Issue) {
    slot.load(certified_key(issue.certificate.as_bytes(), issue.key.as_bytes()).unwrap());
}

fn count(body: &[u8]) -> Answer {
    let result = match body {
        b"no review" => Admission::Malformed,
        _ => Admission::Untouched,
    };
    Answer {
        body: format!("{{\"bytes\":{}}}", body.len()).into_bytes(),
        result,
        pod: String::new(),
        reason: Some("reading the review: it is none".to_owned()),
    }
}

impl Server {
    async fn start() -> Self {
        let server = Self::start_without_certificate().await;
        load(&server.slot, &server.issue);
        server
    }

    async fn start_without_certificate() -> Self {
        let slot = Slot::default();
        let tls = Arc::new(slot.server_config().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stop = CancellationToken::new();
        Self {
            address: listener.local_addr().unwrap(),
            slot,
            issue: issue(),
            task: tokio::spawn(serve(listener, tls, Arc::new(count), stop.clone())),
            stop,
        }
    }

    async fn connect(&self) -> Client {
        self.try_connect().await.unwrap()
    }

    async fn try_connect(&self) -> std::io::Result<Client> {
        Client::connect(self.address, &self.issue.authority).await
    }
}

#[tokio::test]
async fn a_review_is_answered_as_the_api_server_asks_it_and_the_connection_goes_on() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for body in ["{}", "{\"request\":{}}"] {
        let answer = client.call(&request(body)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, format!("{{\"bytes\":{}}}", body.len()));
        assert!(
            answer.head.contains("content-type: application/json"),
            "{}",
            answer.head
        );
        assert!(
            !answer.head.contains("connection: close"),
            "{}",
            answer.head
        );
    }
}

#[tokio::test]
async fn what_is_no_call_of_the_api_server_is_refused_with_the_reason() {
    let server = Server::start().await;
    let good = request("{}");
    let rows = [
        (
            good.replace("/inject", "/"),
            404,
            "no such page: the webhook is at /inject",
        ),
        (
            good.replace("/inject", "/injected"),
            404,
            "no such page: the webhook is at /inject",
        ),
        (
            format!("GET /inject HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
            405,
            "the webhook takes POST only",
        ),
        (
            good.replace("POST", "PUT"),
            405,
            "the webhook takes POST only",
        ),
        (
            good.replace("application/json", "application/yaml"),
            415,
            "the webhook takes application/json only",
        ),
        (
            good.replace("Content-Type", "X-Type"),
            415,
            "the webhook takes application/json only",
        ),
        (request("no review"), 400, "reading the review: it is none"),
        (
            request("").replace("Content-Length: 0", "Content-Length: 3145729"),
            413,
            "the review is larger than 3145728 bytes",
        ),
    ];
    for (request, status, text) in rows {
        let answer = server.connect().await.call(&request).await;
        assert_eq!(
            (answer.status, answer.body.trim_end()),
            (status, text),
            "{request}"
        );
    }
}

#[tokio::test]
async fn a_charset_beside_the_content_type_is_no_reason_to_refuse() {
    let server = Server::start().await;
    let request = request("{}").replace("application/json", "Application/JSON; charset=utf-8");
    assert_eq!(server.connect().await.call(&request).await.status, 200);
}

#[tokio::test]
async fn the_largest_body_is_taken_and_one_byte_more_is_not_with_or_without_its_length_said() {
    let server = Server::start().await;
    for (bytes, status) in [(BODY_BYTES, 200), (BODY_BYTES + 1, 413)] {
        let body = "x".repeat(bytes);
        let answer = server.connect().await.call(&request(&body)).await;
        assert_eq!(answer.status, status, "{bytes}");
        let chunked = request("").replace("Content-Length: 0", "Transfer-Encoding: chunked")
            + &format!("{bytes:x}\r\n{body}\r\n0\r\n\r\n");
        let answer = server.connect().await.call(&chunked).await;
        assert_eq!(answer.status, status, "{bytes} in chunks");
    }
}

#[tokio::test]
async fn bodies_that_are_held_at_a_time_are_bounded_and_given_back() {
    let server = Server::start().await;
    let body = "x".repeat(BODY_BYTES);
    let unfinished = request(&body);
    let unfinished = &unfinished[..unfinished.len() - 1];
    let mut held = Vec::new();
    for _ in 0..10 {
        let mut client = server.connect().await;
        client.send(unfinished).await;
        held.push(client);
    }
    // A kilobyte is more than the ten bytes that are left.
    let busy = loop {
        let answer = server
            .connect()
            .await
            .call(&request(&"x".repeat(1024)))
            .await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(busy.status, 503);
    for mut client in held {
        assert_eq!(client.call("x").await.status, 200);
    }
    assert_eq!(
        server.connect().await.call(&request(&body)).await.status,
        200
    );
}

#[tokio::test]
async fn handshakes_fail_until_there_is_a_certificate() {
    let server = Server::start_without_certificate().await;
    server.try_connect().await.unwrap_err();
    load(&server.slot, &server.issue);
    server.connect().await;
}

#[tokio::test]
async fn a_new_certificate_is_served_to_the_next_connection_and_the_open_one_goes_on() {
    let mut server = Server::start().await;
    let mut old = server.connect().await;
    assert_eq!(old.call(&request("{}")).await.status, 200);
    let before = server.issue.certificate.clone();
    server.issue = issue();
    load(&server.slot, &server.issue);
    let new = server.connect().await;
    assert_ne!(new.certificate(), old.certificate());
    assert_ne!(before, server.issue.certificate);
    assert_eq!(old.call(&request("{}")).await.status, 200);
}

#[tokio::test]
async fn tls_1_2_is_spoken_and_http_1_1_is_agreed_upon() {
    let server = Server::start().await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let authority = &server.issue.authority;
        let mut client = Client::connect_with(server.address, authority, version)
            .await
            .unwrap();
        assert_eq!(client.protocol(), Some(b"http/1.1".as_slice()));
        assert_eq!(client.call(&request("{}")).await.status, 200);
    }
}
