//! A silent server costs each step its limit and no more. Time is paused, so it is exact.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;
use zohorelay_upstream::dial::{Dial, Dialled, Link, TcpDialer};
use zohorelay_upstream::{Class, Progress, Resolver, Stage, Submission, Target, verify};

use crate::authority::{Presented, server};
use crate::script::{
    ACCEPT, Act, CLEAR_EHLO_REPLY, Content, ENVELOPE, Hear, LOGIN, Say, SomeContent, Stall, Tls,
};
use crate::world::{MAIL, PASSWORD, PATIENCE, World, document};

#[tokio::test(start_paused = true)]
async fn a_silent_server_costs_each_step_its_limit() {
    let rows: [(&str, &[Act], Stage, u64); 12] = [
        ("ImplicitTls", &[], Stage::Tls, 10),
        ("ImplicitTls", &LOGIN[..1], Stage::Greeting, 10),
        ("ImplicitTls", &LOGIN[..3], Stage::Ehlo, 10),
        ("ImplicitTls", &LOGIN[..5], Stage::Auth, 15),
        ("ImplicitTls", LOGIN, Stage::Mail, 15),
        (
            "ImplicitTls",
            &[LOGIN, &ENVELOPE[..3]].concat(),
            Stage::Rcpt,
            15,
        ),
        (
            "ImplicitTls",
            &[LOGIN, &ENVELOPE[..5]].concat(),
            Stage::Data,
            15,
        ),
        ("StartTls", &[], Stage::Greeting, 10),
        ("StartTls", &[Say("220 mx\r\n")], Stage::Ehlo, 10),
        (
            "StartTls",
            &[Say("220 mx\r\n"), Hear("EHLO"), Say(CLEAR_EHLO_REPLY)],
            Stage::Tls,
            10,
        ),
        ("StartTls", &upgraded(1), Stage::Tls, 10),
        ("StartTls", &upgraded(2), Stage::Ehlo, 10),
    ];
    let tls = server(Presented::Good);
    for (security, script, stage, seconds) in rows {
        let world = World::with(security, Arc::clone(&tls), vec![script.to_vec()]);
        let start = Instant::now();
        let name = format!("{stage} of {script:?}");
        world.fails(&name, Class::Timeout, stage).await;
        assert_eq!(start.elapsed().as_secs(), seconds, "{name}");
    }
}

fn upgraded(acts: usize) -> Vec<Act> {
    let script = [
        Say("220 mx\r\n"),
        Hear("EHLO"),
        Say(CLEAR_EHLO_REPLY),
        Hear("STARTTLS"),
        Say("220 go\r\n"),
        Tls,
    ];
    script[..4 + acts].to_vec()
}

#[tokio::test(start_paused = true)]
async fn auth_login_as_a_whole_has_one_limit() {
    let script: &[Act] = &[
        Tls,
        Say("220 mx\r\n"),
        Hear("EHLO"),
        Say("250-mx\r\n250 AUTH LOGIN\r\n"),
        Hear("AUTH LOGIN"),
        Say("334 VXNlcm5hbWU6\r\n"),
    ];
    let world = World::new(vec![script.to_vec()]);
    let start = Instant::now();
    world.fails("AUTH LOGIN", Class::Timeout, Stage::Auth).await;
    assert_eq!(start.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_mail_ends_any_step_before_the_354() {
    let world = World::new(vec![[LOGIN, &ENVELOPE[..3]].concat()]);
    let recipients = ["a@example.org".to_owned()];
    let progress = Progress::new();
    let start = Instant::now();
    let mut content = MAIL.as_bytes();
    let mail = Submission {
        reverse_path: "billing@example.com",
        recipients: &recipients,
        size_bytes: MAIL.len() as u64,
        content: &mut content,
        deadline: start + Duration::from_secs(7),
        final_reply_timeout: PATIENCE,
    };
    let failure = world.pool.deliver(mail, &progress).await.unwrap_err();
    assert_eq!(
        (failure.class, failure.stage),
        (Class::Timeout, Stage::Rcpt)
    );
    assert!(failure.detail.contains("deadline"), "{failure}");
    assert_eq!(start.elapsed(), Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn the_reply_to_our_dot_has_its_own_patience() {
    let world = World::new(vec![[LOGIN, ENVELOPE, &[Content]].concat()]);
    let start = Instant::now();
    world
        .fails("final reply", Class::UnknownOutcome, Stage::EndOfData)
        .await;
    assert_eq!(start.elapsed(), PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn a_stuck_upload_ends_without_our_dot() {
    // What the TLS buffer takes counts as progress, so a server that reads first may get a second
    // window.
    let content = [b'x'; 998]
        .iter()
        .chain(b"\r\n")
        .copied()
        .collect::<Vec<_>>()
        .repeat(1000);
    for (read, seconds) in [(0, 30), (300_000, 60)] {
        let script = [LOGIN, ENVELOPE, &[SomeContent(read), Stall]].concat();
        let world = World::new(vec![script]);
        let start = Instant::now();
        let failure = world
            .deliver_to(&["a@example.org"], &content)
            .await
            .unwrap_err();
        assert_eq!(
            (failure.class, failure.stage),
            (Class::Timeout, Stage::EndOfData)
        );
        assert_eq!(start.elapsed().as_secs(), seconds);
        assert!(!world.progress.our_dot_sent());
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_connection_ends_with_the_deadline_as_busy() {
    let silent = [LOGIN, ENVELOPE].concat();
    let world = World::new(vec![silent.clone(), silent]);
    let (one, two) = (world.deliver(), world.deliver());
    let third = async {
        tokio::task::yield_now().await;
        let recipients = ["a@example.org".to_owned()];
        let mut content = MAIL.as_bytes();
        let start = Instant::now();
        let mail = Submission {
            reverse_path: "billing@example.com",
            recipients: &recipients,
            size_bytes: MAIL.len() as u64,
            content: &mut content,
            deadline: start + Duration::from_secs(5),
            final_reply_timeout: PATIENCE,
        };
        let failure = world
            .pool
            .deliver(mail, &Progress::new())
            .await
            .unwrap_err();
        assert_eq!(
            (failure.class, failure.stage),
            (Class::Busy, Stage::Connect)
        );
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        assert_eq!((world.pool.busy(), world.seen().dials), (2, 2));
    };
    let (one, two, ()) = tokio::join!(one, two, third);
    assert_eq!(one.unwrap_err().class, Class::UnknownOutcome);
    assert_eq!(two.unwrap_err().class, Class::UnknownOutcome);
}

#[tokio::test(start_paused = true)]
async fn a_large_upload_takes_no_time_of_its_own() {
    let content = [b'x'; 998]
        .iter()
        .chain(b"\r\n")
        .copied()
        .collect::<Vec<_>>()
        .repeat(3000);
    let world = World::new(vec![[LOGIN, ENVELOPE, ACCEPT].concat()]);
    let start = Instant::now();
    world
        .deliver_to(&["a@example.org"], &content)
        .await
        .unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// Reaches no server: nobody accepts there, and the queue is full.
struct BlackHole(SocketAddr);

impl Dial for BlackHole {
    fn dial<'a>(&'a self, _host: &'a str, _port: u16, deadline: Instant) -> Dialled<'a> {
        Box::pin(async move {
            let dialer = TcpDialer::new(Arc::new(Resolver::from_system()));
            let host = self.0.ip().to_string();
            let stream = dialer.connect(&host, self.0.port(), deadline).await?;
            Ok(Box::new(stream) as Box<dyn Link>)
        })
    }
}

/// `docs/zoho.md` R23: a mail's deadline may be shorter than the limit of an address.
#[tokio::test(start_paused = true)]
async fn a_deadline_that_ends_the_silence_of_a_port_is_a_timeout_and_suspicious() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let hole = socket.listen(1).unwrap();
    let address = hole.local_addr().unwrap();
    let mut queued = Vec::new();
    for _ in 0..2 {
        queued.push(TcpStream::connect(address).await.unwrap());
    }
    let document = document("ImplicitTls", PASSWORD);
    let roots = Arc::new(RootCertStore::empty());
    let dialer = Arc::new(BlackHole(address));
    let target = Target::with_dialer(&document, "relay.example", dialer, &roots).unwrap();
    for (seconds, class) in [(2, Class::Timeout), (60, Class::Connect)] {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let failure = verify(&target, deadline).await.unwrap_err();
        let at = (failure.class, failure.stage, failure.egress_suspected);
        assert_eq!(at, (class, Stage::Connect, true), "{failure}");
    }
}
