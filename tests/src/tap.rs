//! A tap on the wire between a client and a sidecar: it passes bytes on, and keeps those that the
//! client sent. What a mail was when the client let go of it is read from there, by rules that
//! share no code with the sidecar.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

type Recording = Arc<Mutex<Vec<u8>>>;

/// A listening tap; it ends with its connections when dropped.
#[derive(Debug)]
pub struct Tap {
    /// Where clients connect to.
    pub address: SocketAddr,
    recordings: Arc<Mutex<Vec<Recording>>>,
    task: AbortHandle,
}

impl Tap {
    /// Listens on a port of loopback and passes everything on to `server`.
    pub async fn start(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let recordings = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(serve(listener, server, recordings.clone())).abort_handle();
        Ok(Self {
            address,
            recordings,
            task,
        })
    }

    /// The contents that clients sent, in the order of their connections, without the stuffed dots
    /// and without the line that ends them.
    pub fn contents(&self) -> Vec<Vec<u8>> {
        let recordings = self.recordings.lock().expect("no panic");
        recordings
            .iter()
            .flat_map(|recording| contents(&recording.lock().expect("no panic")))
            .collect()
    }

    /// Forgets what was recorded so far.
    pub fn forget(&self) {
        self.recordings.lock().expect("no panic").clear();
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, server: SocketAddr, recordings: Arc<Mutex<Vec<Recording>>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let recording = Recording::default();
        recordings.lock().expect("no panic").push(recording.clone());
        connections.spawn(pass(client, server, recording));
    }
}

async fn pass(client: TcpStream, server: SocketAddr, recording: Recording) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let keep = |bytes: &[u8]| recording.lock().expect("no panic").extend_from_slice(bytes);
    tokio::join!(
        copy(from_client, to_server, keep),
        copy(from_server, to_client, |_: &[u8]| ())
    );
}

/// Copies until the end of either side; what is passed on was seen before.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut seen: impl FnMut(&[u8]),
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        seen(&buffer[..count]);
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// What came between each `DATA` and its lone dot (RFC 5321 4.5.2). Each DATA must have been
/// answered 354, and none of the commands may be an AUTH with a line of its own that says DATA.
pub fn contents(recorded: &[u8]) -> Vec<Vec<u8>> {
    let mut contents = Vec::new();
    let mut content: Option<Vec<u8>> = None;
    for line in Lines(recorded) {
        match content.take() {
            None if line.eq_ignore_ascii_case(b"DATA\r\n") => content = Some(Vec::new()),
            None => {}
            Some(whole) if line == b".\r\n" => contents.push(whole),
            Some(mut part) => {
                part.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
                content = Some(part);
            }
        }
    }
    contents
}

/// Lines with their CRLF; only CRLF ends one.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let mut end = 0;
        while let Some(lf) = self.0[end..].iter().position(|&byte| byte == b'\n') {
            end += lf + 1;
            if self.0[..end].ends_with(b"\r\n") {
                break;
            }
        }
        let is_whole = self.0[..end].ends_with(b"\r\n");
        let (line, rest) = self.0.split_at(if is_whole { end } else { self.0.len() });
        self.0 = rest;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::contents;

    #[test]
    fn content_is_what_stands_between_data_and_the_lone_dot_without_stuffed_dots() {
        let recorded =
            b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nData\r\n..\r\n.x\r\n\r\nDATA\r\n\
            a\n.\nb\r\n.\r\nMAIL FROM:<>\r\nDATA\r\n.\r\nQUIT\r\n";
        assert_eq!(
            contents(recorded),
            [&b".\r\nx\r\n\r\nDATA\r\na\n.\nb\r\n"[..], b""]
        );
    }

    #[test]
    fn content_without_its_end_is_no_content() {
        assert!(contents(b"DATA\r\nhalf\r\n.").is_empty());
    }
}
