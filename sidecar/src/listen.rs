//! Accepting apps: a permit a session, and 421 for one too many.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use zohorelay_process::chain;

use crate::answer;
use crate::hang_up::hang_up;
use crate::session::Session;
use crate::sidecar::Sidecar;

/// After a failed accept (no file descriptors left) the next try waits for so long.
const PAUSE: Duration = Duration::from_millis(100);

/// How many apps are turned away at a time so that they can read why.
const TURNED_AWAY: usize = 32;

/// Room for sessions, shared by all listeners.
#[derive(Clone, Debug)]
pub struct Room {
    sessions: Arc<Semaphore>,
    turned_away: Arc<Semaphore>,
}

impl Room {
    /// For so many sessions at a time.
    pub fn new(max_sessions: usize) -> Self {
        Self {
            sessions: Arc::new(Semaphore::new(max_sessions)),
            turned_away: Arc::new(Semaphore::new(TURNED_AWAY)),
        }
    }
}

/// Accepts until the shutdown.
pub async fn accept(listener: TcpListener, room: Room, sidecar: Arc<Sidecar>) {
    let token = sidecar.shutdown.token().clone();
    while let Some(accepted) = token.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((socket, _)) => welcome(socket, &room, &sidecar),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn welcome(socket: TcpStream, room: &Room, sidecar: &Arc<Sidecar>) {
    let Ok(permit) = room.sessions.clone().try_acquire_owned() else {
        return turn_away(socket, room, sidecar);
    };
    let sidecar = sidecar.clone();
    sidecar.clone().tasks.spawn(async move {
        sidecar.metrics.sessions.inc();
        if let Err(error) = serve(socket, sidecar.clone()).await {
            tracing::debug!(error = %chain(&error), "session ended");
        }
        sidecar.metrics.sessions.dec();
        drop(permit);
    });
}

async fn serve(socket: TcpStream, sidecar: Arc<Sidecar>) -> io::Result<()> {
    socket.set_nodelay(true)?;
    Session::new(sidecar, socket).run().await
}

/// A fresh socket has room for one line. An app that has spoken already could lose it to a reset,
/// so we wait for it to hang up, where there are not too many to wait for.
fn turn_away(mut socket: TcpStream, room: &Room, sidecar: &Arc<Sidecar>) {
    let mut line = Vec::new();
    answer::too_many_sessions().encode(&mut line);
    let _ = socket.try_write(&line);
    let Ok(permit) = room.turned_away.clone().try_acquire_owned() else {
        return;
    };
    let token = sidecar.shutdown.token().clone();
    sidecar.tasks.spawn(async move {
        let _ = hang_up(&mut socket, &token).await;
        drop(permit);
    });
}

#[cfg(test)]
mod tests;
