//! Sidecars as the operator sees them: somebody who answers `/summary`. One answers for the pods of
//! four identities, on a port of its own.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::identities::Published;

/// Identities that one sidecar carries.
const IDENTITIES: usize = 4;

/// Those that answer; they end when this is dropped.
#[derive(Debug)]
pub struct Sidecars {
    ports: Vec<u16>,
    _serving: JoinSet<()>,
}

impl Sidecars {
    /// Starts as many as these identities need.
    pub async fn start(identities: &[Published]) -> Result<Self> {
        let (mut ports, mut serving) = (Vec::new(), JoinSet::new());
        for carried in identities.chunks(IDENTITIES) {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            ports.push(listener.local_addr()?.port());
            serving.spawn(serve(listener, answer(carried).into()));
        }
        Ok(Self {
            ports,
            _serving: serving,
        })
    }

    /// Where the pods of an identity answer, at 127.0.0.1.
    pub fn port(&self, identity: usize) -> Option<u16> {
        self.ports.get(identity / IDENTITIES).copied()
    }
}

fn answer(carried: &[Published]) -> String {
    let entry = |identity: &Published| {
        json!({
            "name": identity.name,
            "namespace": identity.namespace,
            "uid": identity.uid,
            "state": "active",
            "revision": identity.revision,
            "accepted": 12,
            "failed": {"recipient_refused": 1},
            "lastAccepted": "2026-11-23T11:40:43.169428456Z",
            "lastFailure": {"class": "recipient_refused", "at": "2026-11-23T11:40:43.170369201Z"},
        })
    };
    let identities: Vec<Value> = carried.iter().map(entry).collect();
    let body = json!({"version": "0.1.0", "identities": identities}).to_string();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

async fn serve(listener: TcpListener, answer: Arc<str>) {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = under_way.join_next() => {}
            Ok((stream, _)) = listener.accept() => {
                let answer = answer.clone();
                // Whoever asks and goes is no fault of ours.
                under_way.spawn(async move { let _ = reply(stream, &answer).await; });
            }
        }
    }
}

async fn reply(mut stream: TcpStream, answer: &str) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
