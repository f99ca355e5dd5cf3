//! A running simulator, as Rust tests hold it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::account::{Account, AccountUpdate, BlockChange, LoginCounts};
use crate::action::Action;
use crate::fault::{ArmedFault, Fault, FaultError};
use crate::options::Options;
use crate::store::{ConnectionRecord, Mail, Port};
use crate::tls::CertificateError;
use crate::world::{World, WorldError};
use crate::{api, session};

/// Starts simulators.
#[derive(Debug)]
pub struct Simulator;

/// Why a simulator did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A port cannot be had.
    #[error("listening on {address}: take another port, or port 0 for any free one")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A fault of the options makes no sense.
    #[error("arming a fault at start: {0}")]
    Fault(#[from] FaultError),
}

impl From<WorldError> for StartError {
    fn from(error: WorldError) -> Self {
        match error {
            WorldError::Certificate(error) => Self::Certificate(error),
            WorldError::Fault(error) => Self::Fault(error),
        }
    }
}

/// A running simulator. It ends when this is dropped; [`Running::stop`] also waits for its end.
pub struct Running {
    world: Arc<World>,
    implicit_tls: Option<SocketAddr>,
    starttls: Option<SocketAddr>,
    api: Option<SocketAddr>,
    tasks: TaskTracker,
    stop: DropGuard,
}

impl Simulator {
    /// Makes a CA, binds the ports and serves them on the current tokio runtime.
    pub async fn start(options: Options) -> Result<Running, StartError> {
        let implicit_tls = bind(options.implicit_tls).await?;
        let starttls = bind(options.starttls).await?;
        let api = bind(options.api).await?;
        let world = Arc::new(World::new(options)?);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let running = Running {
            implicit_tls: local_address(implicit_tls.as_ref()),
            starttls: local_address(starttls.as_ref()),
            api: local_address(api.as_ref()),
            world: Arc::clone(&world),
            tasks: tasks.clone(),
            stop: stop.clone().drop_guard(),
        };
        for (listener, port) in [
            (implicit_tls, Port::ImplicitTls),
            (starttls, Port::Starttls),
        ] {
            if let Some(listener) = listener {
                let accepting = accept(
                    listener,
                    port,
                    Arc::clone(&world),
                    tasks.clone(),
                    stop.clone(),
                );
                tasks.spawn(accepting);
            }
        }
        if let Some(listener) = api {
            tasks.spawn(api::serve(listener, world, stop));
        }
        Ok(running)
    }
}

async fn bind(address: Option<SocketAddr>) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = address else {
        return Ok(None);
    };
    let listener = TcpListener::bind(address).await;
    listener
        .map(Some)
        .map_err(|source| StartError::Listen { address, source })
}

fn local_address(listener: Option<&TcpListener>) -> Option<SocketAddr> {
    listener.and_then(|listener| listener.local_addr().ok())
}

async fn accept(
    listener: TcpListener,
    port: Port,
    world: Arc<World>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let Ok((tcp, peer)) = accepted else {
            // Out of file descriptors, say: others may be given back.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let serving = session::serve(Arc::clone(&world), tcp, peer.ip(), port);
        tasks.spawn(stop.clone().run_until_cancelled_owned(serving));
    }
}

impl Running {
    /// The implicit-TLS port.
    pub fn implicit_tls(&self) -> Option<SocketAddr> {
        self.implicit_tls
    }

    /// The STARTTLS port.
    pub fn starttls(&self) -> Option<SocketAddr> {
        self.starttls
    }

    /// The HTTP API.
    pub fn api(&self) -> Option<SocketAddr> {
        self.api
    }

    /// The certificate of the CA that issued the good certificate, PEM.
    pub fn ca_pem(&self) -> &str {
        self.world.authority.ca_pem()
    }

    /// Accepted mails, in the order of acceptance.
    pub fn mails(&self) -> Vec<Mail> {
        self.world.store.mails()
    }

    /// How many mails are kept; cheaper than counting `mails`.
    pub fn mail_count(&self) -> usize {
        self.world.store.mail_count()
    }

    /// Forgets the mails.
    pub fn clear_mails(&self) {
        self.world.store.clear_mails();
    }

    /// Every connection since the start, with its transcript.
    pub fn connections(&self) -> Vec<ConnectionRecord> {
        self.world.store.connections()
    }

    /// Logins with a user name since the start.
    pub fn logins(&self, username: &str) -> LoginCounts {
        let accounts = self.world.accounts();
        accounts
            .logins()
            .get(&username.to_ascii_lowercase())
            .copied()
            .unwrap_or_default()
    }

    /// Logins by user name in lower case.
    pub fn all_logins(&self) -> BTreeMap<String, LoginCounts> {
        self.world.accounts().logins().clone()
    }

    /// The accounts.
    pub fn accounts(&self) -> Vec<Account> {
        self.world.accounts().list()
    }

    /// Changes an account, or creates it.
    pub fn put_account(&self, address: &str, update: AccountUpdate) -> Account {
        self.world.accounts().put(address, update)
    }

    /// Ends a block and forgets what led to it.
    pub fn unblock(&self, address: &str) -> Account {
        let update = AccountUpdate {
            blocked: BlockChange::Unblock,
            ..AccountUpdate::default()
        };
        self.put_account(address, update)
    }

    /// Arms a fault; returns its number.
    pub fn fault(&self, fault: Fault) -> Result<u64, FaultError> {
        self.world.arm(fault)
    }

    /// The armed faults and how often each struck.
    pub fn faults(&self) -> Vec<ArmedFault> {
        self.world.faults().list()
    }

    /// Disarms all faults. One that a connection is under stays until that connection ends.
    pub fn clear_faults(&self) {
        self.world.faults().clear();
    }

    /// Advances the simulator's clock; returns its time since the start.
    pub fn advance(&self, seconds: u64) -> Duration {
        self.world.clock.advance(seconds)
    }

    /// Sends 421 on every connection outside a transaction and closes it, as soon as it waits for
    /// a command; returns the numbers of the connections.
    pub fn close_idle(&self) -> Vec<u64> {
        self.world.close_idle()
    }

    /// As `close_idle`, with another action.
    pub fn signal_idle(&self, action: Action) -> Result<Vec<u64>, FaultError> {
        self.world.signal_idle(action)
    }

    /// Waits until the condition holds; it is looked at after each thing that happens. Give it a
    /// timeout of your own.
    pub async fn wait_until(&self, mut holds: impl FnMut(&Self) -> bool) {
        let mut changes = self.world.store.changes();
        while !holds(self) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Ends all connections and waits until all is closed.
    pub async fn stop(self) {
        drop(self.stop);
        self.tasks.close();
        self.tasks.wait().await;
    }
}
