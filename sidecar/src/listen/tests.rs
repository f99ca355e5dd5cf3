use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zohorelay_process::loopback;

use super::*;
use crate::fixtures;

/// A sidecar that listens, with room for so many sessions.
fn listening(max_sessions: usize) -> (SocketAddr, Arc<Sidecar>) {
    let listener = loopback::bind(0).unwrap().remove(0);
    let address = listener.local_addr().unwrap();
    (address, start(listener, max_sessions))
}

fn start(listener: TcpListener, max_sessions: usize) -> Arc<Sidecar> {
    let sidecar = fixtures::sidecar(&["billing"]);
    tokio::spawn(accept(listener, Room::new(max_sessions), sidecar.clone()));
    sidecar
}

async fn read_line(app: &mut TcpStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(app.read_u8().await.unwrap());
    }
    String::from_utf8(line).unwrap()
}

#[tokio::test]
async fn one_session_too_many_is_told_421_even_if_it_speaks_first() {
    let listener = loopback::bind(0).unwrap().remove(0);
    let address = listener.local_addr().unwrap();
    let mut first = TcpStream::connect(address).await.unwrap();
    let mut others = Vec::new();
    for ahead in [&b""[..], b"EHLO app.example\r\n", &vec![b'x'; 100_000]] {
        let mut app = TcpStream::connect(address).await.unwrap();
        app.write_all(ahead).await.unwrap();
        others.push(app);
    }
    let _sidecar = start(listener, 1);
    assert!(read_line(&mut first).await.starts_with("220 "));
    for mut app in others {
        let mut told = String::new();
        app.read_to_string(&mut told).await.unwrap();
        assert_eq!(told, "421 4.3.2 too many sessions at a time; try again\r\n");
    }
}

#[tokio::test]
async fn a_session_that_ends_makes_room_for_the_next() {
    let (address, sidecar) = listening(1);
    for _ in 0..3 {
        let mut app = TcpStream::connect(address).await.unwrap();
        assert!(read_line(&mut app).await.starts_with("220 "));
        app.write_all(b"QUIT\r\n").await.unwrap();
        assert!(read_line(&mut app).await.starts_with("221 "));
        let mut rest = Vec::new();
        assert_eq!(app.read_to_end(&mut rest).await.unwrap(), 0);
        drop(app);
        while !sidecar.tasks.is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn idle_apps_hear_421_at_the_shutdown_and_hold_nobody_up() {
    let (address, sidecar) = listening(2);
    let mut app = TcpStream::connect(address).await.unwrap();
    assert!(read_line(&mut app).await.starts_with("220 "));
    let begun = tokio::time::Instant::now();
    sidecar.shutdown.begin();
    assert!(read_line(&mut app).await.starts_with("421 4.3.2 "));
    sidecar.tasks.close();
    sidecar.tasks.wait().await;
    assert!(begun.elapsed() < std::time::Duration::from_millis(900));
    assert_eq!(sidecar.metrics.sessions.get(), 0);
}
