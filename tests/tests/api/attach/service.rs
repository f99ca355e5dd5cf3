//! The webhook's Service: one address, which hands each connection to a replica that is ready.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// See the module. Its connections end when it is dropped.
pub(super) struct Service {
    pub(super) address: SocketAddr,
    endpoints: Arc<Endpoints>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Endpoints {
    ready: Mutex<Vec<SocketAddr>>,
    turn: AtomicUsize,
}

impl Service {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let endpoints = Arc::<Endpoints>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, Arc::clone(&endpoints)));
        Self {
            address,
            endpoints,
            _tasks: tasks,
        }
    }

    /// A replica became ready.
    pub(super) fn add(&self, replica: SocketAddr) {
        self.endpoints.ready.lock().unwrap().push(replica);
    }

    /// A replica is ready no more. New connections go elsewhere; where there is none left, they are
    /// closed.
    pub(super) fn remove(&self, replica: SocketAddr) {
        let mut ready = self.endpoints.ready.lock().unwrap();
        ready.retain(|other| *other != replica);
    }
}

async fn serve(listener: TcpListener, endpoints: Arc<Endpoints>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (client, _) = accepted.unwrap();
                connections.spawn(forward(client, Arc::clone(&endpoints)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn forward(mut client: TcpStream, endpoints: Arc<Endpoints>) {
    for replica in endpoints.in_turn() {
        if let Ok(mut replica) = TcpStream::connect(replica).await {
            let _ = copy_bidirectional(&mut client, &mut replica).await;
            return;
        }
    }
}

impl Endpoints {
    /// All that are ready, another one first each time.
    fn in_turn(&self) -> Vec<SocketAddr> {
        let mut ready = self.ready.lock().unwrap().clone();
        if !ready.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % ready.len();
            ready.rotate_left(turn);
        }
        ready
    }
}
