//! The events of a watch on their way to the client.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::answer::{Answer, Cut};
use super::fault::Fault;
use super::rules::Rules;

type Sender = mpsc::Sender<Result<Bytes, Cut>>;

/// An answer that passes as it comes, changed by a fault for watches.
pub(super) fn pass(body: Incoming, fault: Option<Fault>, rules: &Arc<Rules>) -> Answer {
    let (sender, parts) = mpsc::channel(1);
    let rules = rules.clone();
    // Ends with the body, or with the client, whose end drops the receiver.
    tokio::spawn(async move {
        let feed = async {
            let done = match fault {
                None => bytes(body, &sender, &rules).await,
                Some(fault) => events(body, &fault, &sender, &rules).await,
            };
            if done.is_err() {
                let _ = sender.send(Err(Cut)).await;
            }
        };
        tokio::select! {
            () = feed => {}
            () = sender.closed() => {}
        }
    });
    Answer::Stream(parts)
}

async fn bytes(mut body: Incoming, sender: &Sender, rules: &Rules) -> Result<(), Cut> {
    while let Some(part) = next(&mut body).await? {
        rules.thawed().await;
        sender.send(Ok(part)).await.map_err(|_| Cut)?;
    }
    Ok(())
}

/// Event by event: one JSON object a line.
async fn events(
    mut body: Incoming,
    fault: &Fault,
    sender: &Sender,
    rules: &Rules,
) -> Result<(), Cut> {
    let mut pending = BytesMut::new();
    let mut passed = 0;
    if let Some(end) = ending(fault, passed, None) {
        return end.send(sender).await;
    }
    while let Some(part) = next(&mut body).await? {
        pending.extend_from_slice(&part);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line = pending.split_to(end + 1).freeze();
            rules.thawed().await;
            if let Some(end) = ending(fault, passed, Some(&line)) {
                return end.send(sender).await;
            }
            if drops(fault, &line) {
                continue;
            }
            passed += 1;
            sender.send(Ok(line)).await.map_err(|_| Cut)?;
            if let Some(end) = ending(fault, passed, None) {
                return end.send(sender).await;
            }
        }
    }
    Ok(())
}

async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Cut> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(_)) => return Err(Cut),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn drops(fault: &Fault, line: &[u8]) -> bool {
    let Fault::Drop(which) = fault else {
        return false;
    };
    serde_json::from_slice::<Value>(line).is_ok_and(|event| which(&event))
}

/// The last part of a watch, and whether the connection is cut after it.
#[derive(Debug, PartialEq, Eq)]
struct Ending {
    part: Bytes,
    cut: bool,
}

impl Ending {
    async fn send(self, sender: &Sender) -> Result<(), Cut> {
        sender.send(Ok(self.part)).await.map_err(|_| Cut)?;
        if self.cut { Err(Cut) } else { Ok(()) }
    }
}

/// How a watch ends after so many events, where it ends now: a cut needs the event that it cuts.
fn ending(fault: &Fault, passed: usize, event: Option<&Bytes>) -> Option<Ending> {
    match (fault, event) {
        (Fault::CutWatch { after }, Some(event)) if passed >= *after => Some(Ending {
            part: event.slice(..event.len() / 2),
            cut: true,
        }),
        (Fault::WatchError { after, refusal }, None) if passed >= *after => {
            let event = json!({ "type": "ERROR", "object": refusal.status() });
            Some(Ending {
                part: Bytes::from(format!("{event}\n")),
                cut: false,
            })
        }
        _ => None,
    }
}
