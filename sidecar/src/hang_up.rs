//! Hanging up so that the app can read our last reply.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long an app may take to hang up after us.
const PATIENCE: Duration = Duration::from_secs(1);

const READ_BYTES: usize = 4096;

/// Ends our side, then reads what the app still sends until it hangs up too: a socket that is
/// closed with unread bytes is reset, and a reset destroys what the app has not read yet (RFC 1122
/// section 4.2.2.13). At the shutdown only what is there already is read.
pub async fn hang_up(socket: &mut TcpStream, shutdown: &CancellationToken) -> io::Result<()> {
    socket.shutdown().await?;
    let drained = async {
        let mut buffer = vec![0; READ_BYTES];
        while matches!(socket.read(&mut buffer).await, Ok(1..)) {}
    };
    tokio::select! {
        biased;
        _ = timeout(PATIENCE, drained) => {}
        () = shutdown.cancelled() => {}
    }
    Ok(())
}
