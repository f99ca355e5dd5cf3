//! Names, addresses and streams, on loopback (`docs/proof.md` U21).

#![allow(clippy::unwrap_used, clippy::panic)] // The helpers are no test functions to clippy.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::CNAME;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::Instant;
use zohorelay_upstream::dial::{DialError, TcpDialer, probe};
use zohorelay_upstream::resolve::{ResolveError, Resolver};

/// What the name server says.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// Those addresses, each to the query of its family.
    Addresses(&'static [&'static str]),
    ManyAddresses,
    AliasTo(&'static str, &'static str),
    AliasLoop,
    Code(ResponseCode),
    Nothing,
    Garbage,
    /// Truncated over UDP, that address over TCP.
    Truncated(&'static str),
    Silence,
}

struct NameServer {
    resolver: Arc<Resolver>,
    asked: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

async fn name_server(answer: Answer) -> NameServer {
    let udp = UdpSocket::bind((own_address(), 0)).await.unwrap();
    let address = udp.local_addr().unwrap();
    let tcp = TcpListener::bind(address).await.unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    tasks.spawn(serve_udp(udp, answer, Arc::clone(&asked)));
    tasks.spawn(serve_tcp(tcp, answer));
    NameServer {
        resolver: Arc::new(Resolver::with_config(
            config(address),
            ResolverOpts::default(),
        )),
        asked,
        _tasks: tasks,
    }
}

/// An address that no other server here has, so that what UDP got is free for TCP.
fn own_address() -> Ipv4Addr {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    let [.., process] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 77, process, COUNT.fetch_add(1, Ordering::Relaxed))
}

/// With a search list, as pods have one.
fn config(address: SocketAddr) -> ResolverConfig {
    let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = address.port();
    }
    let server = NameServerConfig::new(address.ip(), true, connections.to_vec());
    let search = vec![Name::from_ascii("shop.svc.cluster.local.").unwrap()];
    ResolverConfig::from_parts(None, search, vec![server])
}

async fn serve_udp(socket: UdpSocket, answer: Answer, asked: Arc<Mutex<Vec<String>>>) {
    let mut packet = [0; 1500];
    loop {
        let (length, peer) = socket.recv_from(&mut packet).await.unwrap();
        let query = Message::from_vec(&packet[..length]).unwrap();
        asked
            .lock()
            .unwrap()
            .push(query.queries[0].name().to_string());
        if let Some(reply) = reply(query, answer, true) {
            socket.send_to(&reply, peer).await.unwrap();
        }
    }
}

async fn serve_tcp(listener: TcpListener, answer: Answer) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        while let Ok(length) = stream.read_u16().await {
            let mut packet = vec![0; usize::from(length)];
            stream.read_exact(&mut packet).await.unwrap();
            let reply = reply(Message::from_vec(&packet).unwrap(), answer, false).unwrap();
            stream
                .write_u16(u16::try_from(reply.len()).unwrap())
                .await
                .unwrap();
            stream.write_all(&reply).await.unwrap();
        }
    }
}

fn reply(query: Message, answer: Answer, is_udp: bool) -> Option<Vec<u8>> {
    let name = query.queries[0].name().clone();
    let kind = query.queries[0].query_type();
    let mut reply = query.into_response();
    let alias = |to: &str| {
        Record::from_rdata(
            name.clone(),
            0,
            RData::CNAME(CNAME(Name::from_ascii(to).unwrap())),
        )
    };
    match answer {
        Answer::Addresses(texts) => reply.insert_answers(records(&name, kind, texts)),
        Answer::ManyAddresses if kind == RecordType::A => {
            let record = |n| {
                Record::from_rdata(
                    name.clone(),
                    0,
                    RData::A(Ipv4Addr::new(127, 0, 9, n).into()),
                )
            };
            reply.insert_answers((0..60).map(record).collect());
        }
        Answer::AliasTo(other, text) => {
            let mut answers = vec![alias(other)];
            answers.extend(records(&Name::from_ascii(other).unwrap(), kind, &[text]));
            reply.insert_answers(answers);
        }
        Answer::AliasLoop => reply.insert_answers(vec![alias(&name.to_string())]),
        Answer::Code(code) => reply.metadata.response_code = code,
        Answer::Truncated(_) if is_udp => reply.metadata.truncation = true,
        Answer::Truncated(text) => reply.insert_answers(records(&name, kind, &[text])),
        Answer::Garbage => {
            let mut bytes = reply.to_vec().unwrap();
            // Promises an answer that is not there.
            bytes[7] = 1;
            bytes.truncate(bytes.len().min(40));
            return Some(bytes);
        }
        Answer::Silence => return None,
        Answer::Nothing | Answer::ManyAddresses => {}
    }
    Some(reply.to_vec().unwrap())
}

fn records(name: &Name, kind: RecordType, texts: &[&str]) -> Vec<Record> {
    let addresses = texts.iter().map(|text| text.parse::<IpAddr>().unwrap());
    let record = |address| Record::from_rdata(name.clone(), 0, RData::from(address));
    addresses
        .map(record)
        .filter(|record| record.record_type() == kind)
        .collect()
}

async fn resolve(answer: Answer) -> Result<Vec<String>, ResolveError> {
    let server = name_server(answer).await;
    let found = server.resolver.resolve("mx.zoho.test").await?;
    Ok(found.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn u21_every_address_is_found_and_families_alternate() {
    let rows: [(Answer, &[&str]); 5] = [
        (Answer::Addresses(&["127.0.0.1"]), &["127.0.0.1"]),
        (Answer::Addresses(&["::1"]), &["::1"]),
        (
            Answer::Addresses(&["127.0.0.1", "127.0.0.2", "::1"]),
            &["::1", "127.0.0.1", "127.0.0.2"],
        ),
        (
            Answer::AliasTo("other.zoho.test.", "127.0.0.1"),
            &["127.0.0.1"],
        ),
        (Answer::Truncated("127.0.0.1"), &["127.0.0.1"]),
    ];
    for (answer, expected) in rows {
        let found = resolve(answer).await.unwrap();
        assert_eq!(found, expected, "{answer:?}");
    }
    assert_eq!(resolve(Answer::ManyAddresses).await.unwrap().len(), 16);
}

#[tokio::test]
async fn u21_each_way_to_have_no_address_has_its_name() {
    let rows = [
        (Answer::Code(ResponseCode::NXDomain), "NXDOMAIN"),
        (Answer::Code(ResponseCode::ServFail), "SERVFAIL"),
        (Answer::Code(ResponseCode::Refused), "REFUSED"),
        (Answer::Nothing, "no addresses"),
        (Answer::AliasLoop, ""),
        (Answer::Garbage, "decoding"),
    ];
    for (answer, part) in rows {
        let error = resolve(answer).await.unwrap_err();
        assert!(error.to_string().contains(part), "{answer:?}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn u21_a_silent_name_server_costs_five_seconds() {
    let start = Instant::now();
    let error = resolve(Answer::Silence).await.unwrap_err();
    assert!(matches!(error, ResolveError::Timeout { .. }), "{error}");
    assert!(start.elapsed() <= Duration::from_secs(5));
}

#[tokio::test]
async fn u21_only_the_absolute_name_is_asked_for() {
    let server = name_server(Answer::Code(ResponseCode::NXDomain)).await;
    for host in ["mx", "mx.zoho.test"] {
        server.resolver.resolve(host).await.unwrap_err();
    }
    let mut asked = server.asked.lock().unwrap().clone();
    asked.dedup();
    assert_eq!(asked, ["mx.", "mx.zoho.test."]);
}

/// A port of 127.0.0.1 that takes connections, and the same port of 127.0.0.2.
async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn in_a_minute() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// A port whose SYNs are swallowed: its queue is full and nobody accepts.
async fn black_hole(address: SocketAddr) -> (tokio::net::TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(address).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    for _ in 0..2 {
        queued.push(TcpStream::connect(address).await.unwrap());
    }
    (listener, queued)
}

#[tokio::test]
async fn u21_the_next_address_is_tried_when_one_fails_or_keeps_silent() {
    let server = name_server(Answer::Addresses(&["127.0.0.2", "127.0.0.1"])).await;
    let dialer = TcpDialer::new(Arc::clone(&server.resolver));
    let (_listener, port) = listener().await;
    let stream = dialer
        .connect("mx.zoho.test", port, in_a_minute())
        .await
        .unwrap();
    assert_eq!(
        stream.peer_addr().unwrap().to_string(),
        format!("127.0.0.1:{port}")
    );
    assert!(stream.nodelay().unwrap());

    let _hole = black_hole(format!("127.0.0.2:{port}").parse().unwrap()).await;
    let start = Instant::now();
    let stream = dialer
        .connect("mx.zoho.test", port, in_a_minute())
        .await
        .unwrap();
    assert_eq!(
        stream.peer_addr().unwrap().to_string(),
        format!("127.0.0.1:{port}")
    );
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_swallowed_syn_is_told_from_a_refused_one() {
    let resolver = Arc::new(Resolver::from_system());
    let (closed, port) = listener().await;
    drop(closed);
    let refused = probe(&resolver, "127.0.0.1", port).await.unwrap_err();
    assert!(!refused.is_egress_suspected(), "{refused}");
    assert!(
        refused
            .to_string()
            .contains("127.0.0.1 failed (connection refused)"),
        "{refused}"
    );

    let (hole, _queued) = black_hole("127.0.0.1:0".parse().unwrap()).await;
    let port = hole.local_addr().unwrap().port();
    let start = Instant::now();
    let swallowed = probe(&resolver, "127.0.0.1", port).await.unwrap_err();
    assert!(swallowed.is_egress_suspected(), "{swallowed}");
    assert_eq!(start.elapsed(), Duration::from_secs(5));

    let (_listener, port) = listener().await;
    probe(&resolver, "localhost", port).await.unwrap();
}

#[tokio::test]
async fn a_name_that_is_not_found_is_no_suspicion() {
    let server = name_server(Answer::Code(ResponseCode::NXDomain)).await;
    let error = probe(&server.resolver, "mx.zoho.test", 465)
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        DialError::Resolve(ResolveError::NoSuchName { .. })
    ));
    assert!(!error.is_egress_suspected());
}
