//! Accepting apps: a permit a session, and 421 for one too many.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::answer;
use crate::log;
use crate::session::Session;
use crate::sidecar::Sidecar;

/// After a failed accept (no file descriptors left) the next try waits for so long.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the shutdown. All listeners share `permits`.
pub async fn accept(listener: TcpListener, permits: Arc<Semaphore>, sidecar: Arc<Sidecar>) {
    let token = sidecar.shutdown.token().clone();
    while let Some(accepted) = token.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((socket, _)) => welcome(socket, &permits, &sidecar),
            Err(error) => {
                tracing::warn!(error = %log::chain(&error), "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn welcome(socket: TcpStream, permits: &Arc<Semaphore>, sidecar: &Arc<Sidecar>) {
    let Ok(permit) = permits.clone().try_acquire_owned() else {
        return turn_away(&socket);
    };
    let sidecar = sidecar.clone();
    sidecar.clone().tasks.spawn(async move {
        sidecar.metrics.sessions.inc();
        if let Err(error) = serve(socket, sidecar.clone()).await {
            tracing::debug!(error = %log::chain(&error), "session ended");
        }
        sidecar.metrics.sessions.dec();
        drop(permit);
    });
}

async fn serve(socket: TcpStream, sidecar: Arc<Sidecar>) -> io::Result<()> {
    socket.set_nodelay(true)?;
    Session::new(sidecar, socket).run().await
}

/// A fresh socket has room for one line; whoever cannot take it loses it.
fn turn_away(socket: &TcpStream) {
    let mut line = Vec::new();
    answer::too_many_sessions().encode(&mut line);
    let _ = socket.try_write(&line);
}
