//! The HTTP/1 listener for metrics and probes.
//!
//! It is small on purpose: GET and HEAD only, one request a connection, short buffers, few
//! connections at a time, and no client can hold one for long.

mod connection;
mod response;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::select;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use response::Response;

use crate::listen::accept;

/// Connections that are served at a time; more wait in the kernel.
const CONNECTIONS: usize = 32;
/// How long answers that are under way may take at shutdown.
const SHUTDOWN: Duration = Duration::from_millis(500);

/// Makes the answer of one path, given the query of its address. It is called on the runtime's thread: it must not block.
pub type Handler = Box<dyn Fn(&str) -> Response + Send + Sync>;

/// The paths of a listener. Any other is answered 404 with the list of these.
#[derive(Default)]
pub struct Routes(Vec<(&'static str, Handler)>);

impl Routes {
    /// No path yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a path, such as `/metrics`, and what answers GET and HEAD there.
    #[must_use]
    pub fn get(
        self,
        path: &'static str,
        handler: impl Fn() -> Response + Send + Sync + 'static,
    ) -> Self {
        self.query(path, move |_| handler())
    }

    /// The same for an answer that depends on the query: what stands behind the question mark of the
    /// address, as it came; mostly nothing.
    #[must_use]
    pub fn query(
        mut self,
        path: &'static str,
        handler: impl Fn(&str) -> Response + Send + Sync + 'static,
    ) -> Self {
        self.0.push((path, Box::new(handler)));
        self
    }

    fn answer(&self, path: &str, query: &str) -> Response {
        if let Some((_, handler)) = self.0.iter().find(|(known, _)| *known == path) {
            return handler(query);
        }
        let known: Vec<&str> = self.0.iter().map(|(known, _)| *known).collect();
        Response::text(404, format!("no such page; there are: {}", known.join(" ")))
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(path, _)| path))
            .finish()
    }
}

/// Serves until `shutdown`; then lets answers that are under way go out, for at most half a second.
/// No task of it lives on after it returned.
pub async fn serve(listener: TcpListener, routes: Routes, shutdown: CancellationToken) {
    let routes = Arc::new(routes);
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            (stream, permit) = accept(&listener, &permits, "an admin connection") => {
                let routes = Arc::clone(&routes);
                let shutdown = shutdown.clone();
                connections.spawn(async move {
                    connection::serve(stream, routes, shutdown).await;
                    drop(permit);
                });
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN, ended).await.is_err() {
        connections.shutdown().await;
    }
}
