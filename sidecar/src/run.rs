//! `run`: bind everything, say so once, serve until SIGTERM, end within two seconds.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;
use zohorelay_process::{admin, exit, listen, loopback, signal};
use zohorelay_upstream::{Resolver, system_roots};

use crate::args::RunArgs;
use crate::egress::Egress;
use crate::identity::{Identity, Network, Roster};
use crate::last_words::LastWords;
use crate::listen::accept;
use crate::log;
use crate::metrics::Metrics;
use crate::reload::{self, Problem, Watch};
use crate::shutdown::Shutdown;
use crate::sidecar::Sidecar;
use crate::spool::Spool;
use crate::status;

/// The end of the process comes so long after SIGTERM at the latest; SIGKILL comes after 2 s.
const LAST_MOMENT: Duration = Duration::from_millis(1900);

/// Why the sidecar does not run, with the exit code.
#[derive(Debug)]
pub struct Refusal {
    /// Exit code, as in `sysexits.h`.
    pub code: u8,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Refusal {
    fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

struct Listeners {
    smtp: Vec<TcpListener>,
    admin: TcpListener,
    page: TcpListener,
}

/// Runs until SIGTERM or SIGINT.
pub async fn run(args: RunArgs) -> Result<(), Refusal> {
    if !args.identities.is_dir() {
        let folder = args.identities.display();
        return Err(Refusal::new(
            exit::USAGE,
            format!(
                "--identities {folder}: there is no such folder; give the folder that holds NAME/identity.json"
            ),
        ));
    }
    let mut signals = signal::Signals::listen().map_err(|error| {
        Refusal::new(exit::UNAVAILABLE, format!("listening for signals: {error}"))
    })?;
    let spool = Spool::open(args.spool.clone(), args.spool_bytes).map_err(|error| {
        let chain = log::chain(&error);
        Refusal::new(
            exit::CANNOT_CREATE,
            format!("{chain}; give a writable folder with --spool"),
        )
    })?;
    let listeners = bind(&args)?;
    let (sidecar, mut watches) = build(&args, spool)?;
    for watch in &mut watches {
        watch.look(&sidecar.network);
    }
    announce(&listeners);
    let mut tasks = serve(listeners, &args, &sidecar, watches);
    let ended = tokio::select! {
        signal = signals.recv() => { tracing::info!(signal, "shutting down"); None }
        ended = tasks.join_next() => ended,
    };
    if ended.is_some() {
        return Err(Refusal::new(
            exit::SOFTWARE,
            "a part of the sidecar ended unexpectedly",
        ));
    }
    sidecar.shutdown.begin();
    sidecar.tasks.close();
    let _ = tokio::time::timeout(LAST_MOMENT, sidecar.tasks.wait()).await;
    sidecar.last_words.write(&sidecar.roster);
    Ok(())
}

fn bind(args: &RunArgs) -> Result<Listeners, Refusal> {
    let refuse = |error: &dyn std::error::Error| Refusal::new(exit::UNAVAILABLE, log::chain(error));
    Ok(Listeners {
        smtp: loopback::bind(args.smtp_port).map_err(|error| refuse(&error))?,
        admin: listen::bind(args.admin).map_err(|error| refuse(&error))?,
        page: listen::bind(args.page).map_err(|error| refuse(&error))?,
    })
}

fn build(args: &RunArgs, spool: Arc<Spool>) -> Result<(Arc<Sidecar>, Vec<Watch>), Refusal> {
    let broken = |what: &str, error: &dyn std::error::Error| {
        Refusal::new(exit::SOFTWARE, format!("{what}: {}", log::chain(error)))
    };
    let metrics =
        Metrics::new(env!("CARGO_PKG_VERSION")).map_err(|e| broken("making the metrics", &e))?;
    let roots = system_roots().map_err(|e| broken("reading the system's trust anchors", &e))?;
    let roster: Vec<_> = args
        .names
        .iter()
        .map(|name| Arc::new(Identity::new(name, metrics.identity(name))))
        .collect();
    let watches = roster
        .iter()
        .map(|i| Watch::new(&args.identities, i.clone()))
        .collect();
    let sidecar = Sidecar {
        roster: Roster::new(roster),
        metrics,
        spool,
        shutdown: Shutdown::default(),
        network: Network {
            resolver: Arc::new(Resolver::from_system()),
            roots: Arc::new(roots),
            ehlo_name: args.ehlo_name.clone(),
        },
        egress: Egress::default(),
        last_words: LastWords::new(args.termination_log.clone()),
        tasks: TaskTracker::new(),
        accept_any_login: args.accept_any_login,
    };
    Ok((Arc::new(sidecar), watches))
}

fn announce(listeners: &Listeners) {
    let address = |listener: &TcpListener| {
        listener
            .local_addr()
            .map_or_else(|_| String::new(), |a: SocketAddr| a.to_string())
    };
    let smtp: Vec<_> = listeners.smtp.iter().map(address).collect();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        smtp = smtp.join(" "),
        admin = address(&listeners.admin),
        page = address(&listeners.page),
        "listening"
    );
}

fn serve(
    listeners: Listeners,
    args: &RunArgs,
    sidecar: &Arc<Sidecar>,
    watches: Vec<Watch>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let permits = Arc::new(Semaphore::new(args.max_sessions as usize));
    for listener in listeners.smtp {
        tasks.spawn(accept(listener, permits.clone(), sidecar.clone()));
    }
    let problems: Vec<Problem> = watches.iter().map(Watch::problem).collect();
    tasks.spawn(reload::watch(watches, sidecar.clone()));
    let words = sidecar.clone();
    tasks.spawn(async move { words.last_words.keep(&words.roster, &words.shutdown).await });
    let token = sidecar.shutdown.token();
    let routes = status::admin_routes(sidecar);
    tasks.spawn(admin::serve(listeners.admin, routes, token.clone()));
    let routes = status::page_routes(sidecar, problems);
    tasks.spawn(admin::serve(listeners.page, routes, token.clone()));
    tasks
}
