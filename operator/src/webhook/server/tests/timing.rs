//! How long clients are borne with. The clock is held: it moves by `advance` alone, so that what takes
//! time on a real socket takes none here.

use std::sync::mpsc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::advance;

use super::super::CONNECTIONS;
use super::Server;
use super::client::{self, Client, request};

/// Paused time jumps to the next timer whenever all wait, also for a socket; not while this lives.
fn hold_clock() -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    tokio::task::spawn_blocking(move || held.recv());
    release
}

async fn pass(milliseconds: u64) {
    advance(Duration::from_millis(milliseconds)).await;
}

fn half_a_call() -> String {
    request("{}").replace("Length: 2", "Length: 3")
}

async fn works(mut client: Client) {
    assert_eq!(client.call(&request("{}")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn slow_clients_are_cut_off() {
    let _clock = hold_clock();
    let server = Server::start().await;
    let silent = TcpStream::connect(server.address).await.unwrap();
    let late = TcpStream::connect(server.address).await.unwrap();
    let mut half_head = server.connect().await;
    half_head.send("POST /inject HTTP/1.1\r\nHost:").await;
    let [mut half, mut whole] = [server.connect().await, server.connect().await];
    half.send(&half_a_call()).await;
    whole.send(&half_a_call()).await;
    works(server.connect().await).await;

    pass(9_900).await;
    works(Client::on(late, &server.issue.authority).await.unwrap()).await;
    assert_eq!(whole.call("x").await.status, 200);
    pass(200).await;
    client::until_closed(silent).await;
    assert_eq!(half.call("").await.status, 408);
    pass(109_700).await;
    let mut head = half_head;
    head.send(" webhook.mail.svc\r\n").await;
    works(server.connect().await).await;
    pass(300).await;
    head.until_closed().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_outlives_the_patience_of_the_api_server() {
    let _clock = hold_clock();
    let server = Server::start().await;
    let mut client = server.connect().await;
    assert_eq!(client.call(&request("{}")).await.status, 200);
    pass(90_000).await;
    works(client).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_ten_minutes_is_asked_to_come_anew() {
    let _clock = hold_clock();
    let server = Server::start().await;
    let mut client = server.connect().await;
    for _ in 0..10 {
        let head = client.call(&request("{}")).await.head;
        assert!(!head.contains("connection: close"), "{head}");
        pass(60_000).await;
    }
    let head = client.call(&request("{}")).await.head;
    assert!(head.contains("connection: close"), "{head}");
}

#[tokio::test(start_paused = true)]
async fn more_clients_than_there_are_places_wait_for_one() {
    let _clock = hold_clock();
    let server = Server::start().await;
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    let authority = server.issue.authority.clone();
    let address = server.address;
    let waiting = tokio::spawn(async move {
        works(Client::connect(address, &authority).await.unwrap()).await;
    });
    pass(9_900).await;
    assert!(!waiting.is_finished());
    pass(200).await;
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_the_stop_it_answers_old_and_new_connections_for_5_s_more() {
    let _clock = hold_clock();
    let server = Server::start().await;
    let [mut old, mut idle] = [server.connect().await, server.connect().await];
    assert_eq!(old.call(&request("{}")).await.status, 200);
    assert_eq!(idle.call(&request("{}")).await.status, 200);
    server.stop.cancel();
    works(server.connect().await).await;

    pass(4_900).await;
    let answer = old.call(&request("{}")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    let mut late = server.connect().await;
    late.send(&half_a_call()).await;
    works(server.connect().await).await;

    pass(200).await;
    idle.until_closed().await;
    TcpStream::connect(server.address).await.unwrap_err();
    assert!(!server.task.is_finished());
    assert_eq!(
        late.call("x").await.status,
        200,
        "a call under way is answered"
    );
    server.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_end_holds_up_the_stop_for_7_s_at_most() {
    let _clock = hold_clock();
    let server = Server::start().await;
    let mut idle = server.connect().await;
    assert_eq!(idle.call(&request("{}")).await.status, 200);
    server.stop.cancel();
    let mut client = server.connect().await;
    client.send(&half_a_call()).await;
    works(server.connect().await).await;
    pass(5_000).await;
    idle.until_closed().await;
    pass(1_900).await;
    assert!(!server.task.is_finished());
    pass(100).await;
    server.task.await.unwrap();
}
