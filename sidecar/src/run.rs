//! `run`: bind everything, say so once, serve until SIGTERM, end within two seconds.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinSet};
use tokio_util::task::TaskTracker;
use zohorelay_process::{Refusal, admin, chain, exit, listen, loopback, signal};
use zohorelay_upstream::{Resolver, system_roots};

use crate::args::RunArgs;
use crate::egress::Egress;
use crate::identity::{Identity, Network};
use crate::last_words::LastWords;
use crate::listen::{Room, accept};
use crate::metrics::Metrics;
use crate::reload::{self, Problem, Watch};
use crate::roster::Roster;
use crate::shutdown::Shutdown;
use crate::sidecar::Sidecar;
use crate::spool::Spool;
use crate::status;

/// The end of the process comes so long after SIGTERM at the latest; SIGKILL comes after 2 s.
const LAST_MOMENT: Duration = Duration::from_millis(1900);

/// After a second signal the mails under way have so long to be answered and counted.
const HURRY: Duration = Duration::from_millis(100);

struct Listeners {
    smtp: Vec<TcpListener>,
    admin: TcpListener,
    page: TcpListener,
}

/// Runs until SIGTERM or SIGINT.
pub async fn run(args: RunArgs) -> Result<(), Refusal> {
    check(&args)?;
    let mut signals = signal::Signals::listen().map_err(|error| {
        Refusal::new(exit::UNAVAILABLE, format!("listening for signals: {error}"))
    })?;
    let spool = Spool::open(args.spool.clone(), args.spool_bytes).map_err(|error| {
        let chain = chain(&error);
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
    let mut parts = serve(listeners, &args, &sidecar, watches);
    let result = tokio::select! {
        signal = signals.recv() => {
            tracing::info!(signal, "shutting down");
            drain(&sidecar, signals.recv()).await;
            Ok(())
        }
        ended = parts.join_next() => Err(unexpected_end(ended)),
    };
    sidecar.last_words.write(&sidecar.roster);
    result
}

fn check(args: &RunArgs) -> Result<(), Refusal> {
    if !args.identities.is_dir() {
        let folder = args.identities.display();
        return Err(Refusal::new(
            exit::USAGE,
            format!(
                "--identities {folder}: there is no such folder; give the folder that holds NAME/identity.json"
            ),
        ));
    }
    let mut names = HashSet::new();
    match args.names.iter().find(|name| !names.insert(*name)) {
        None => Ok(()),
        Some(twice) => Err(Refusal::new(
            exit::USAGE,
            format!("--identity {twice} is given twice; name each identity once"),
        )),
    }
}

/// Lets the mails under way end, for as long as there is. A second signal ends each of them at
/// once, with its answer.
async fn drain(sidecar: &Sidecar, second_signal: impl Future<Output = &'static str>) {
    sidecar.shutdown.begin();
    sidecar.tasks.close();
    let mails_end = async {
        tokio::select! {
            () = sidecar.tasks.wait() => return,
            signal = second_signal => tracing::warn!(signal, "ending at once"),
        }
        sidecar.shutdown.hurry();
        let _ = tokio::time::timeout(HURRY, sidecar.tasks.wait()).await;
    };
    let _ = tokio::time::timeout(LAST_MOMENT, mails_end).await;
}

fn unexpected_end(ended: Option<Result<&'static str, JoinError>>) -> Refusal {
    let what = match ended {
        Some(Ok(part)) => format!("{part} ended unexpectedly"),
        Some(Err(error)) => format!("a part of the sidecar broke: {error}"),
        None => "nothing runs any more".to_owned(),
    };
    tracing::error!(what, "the sidecar cannot go on");
    Refusal::new(exit::SOFTWARE, what)
}

fn bind(args: &RunArgs) -> Result<Listeners, Refusal> {
    let refuse = |error: &dyn std::error::Error| Refusal::new(exit::UNAVAILABLE, chain(error));
    Ok(Listeners {
        smtp: loopback::bind(args.smtp_port).map_err(|error| refuse(&error))?,
        admin: listen::bind(args.admin).map_err(|error| refuse(&error))?,
        page: listen::bind(args.page).map_err(|error| refuse(&error))?,
    })
}

/// Never negative: 0 for a clock before 1970.
fn unix_seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn build(args: &RunArgs, spool: Arc<Spool>) -> Result<(Arc<Sidecar>, Vec<Watch>), Refusal> {
    let broken = |what: &str, error: &dyn std::error::Error| {
        Refusal::new(exit::SOFTWARE, format!("{what}: {}", chain(error)))
    };
    let metrics =
        Metrics::new(env!("CARGO_PKG_VERSION")).map_err(|e| broken("making the metrics", &e))?;
    metrics.start_time.set(unix_seconds(SystemTime::now()));
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

/// Everything that must not end before the shutdown, each with its name.
fn serve(
    listeners: Listeners,
    args: &RunArgs,
    sidecar: &Arc<Sidecar>,
    watches: Vec<Watch>,
) -> JoinSet<&'static str> {
    let mut parts = JoinSet::new();
    let mut start = |name, part: Pin<Box<dyn Future<Output = ()> + Send>>| {
        parts.spawn(async move {
            part.await;
            name
        });
    };
    let room = Room::new(args.max_sessions as usize);
    for listener in listeners.smtp {
        let accept = accept(listener, room.clone(), sidecar.clone());
        start("listening for apps", Box::pin(accept));
    }
    let problems: Vec<Problem> = watches.iter().map(Watch::problem).collect();
    let watch = reload::watch(watches, sidecar.clone());
    start("watching the documents", Box::pin(watch));
    let words = sidecar.clone();
    let keep = async move { words.last_words.keep(&words.roster, &words.shutdown).await };
    start("writing the termination log", Box::pin(keep));
    let token = sidecar.shutdown.token();
    let admin = admin::serve(
        listeners.admin,
        status::admin_routes(sidecar),
        token.clone(),
    );
    start("serving the metrics", Box::pin(admin));
    let routes = status::page_routes(sidecar, problems);
    let page = admin::serve(listeners.page, routes, token.clone());
    start("serving the status", Box::pin(page));
    parts
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use tokio::time::Instant;

    use super::*;
    use crate::args::{Cli, Command};
    use crate::fixtures;

    async fn drain_time(second: impl Future<Output = &'static str>, has_mail: bool) -> Duration {
        let sidecar = fixtures::sidecar(&["billing"]);
        if has_mail {
            sidecar.tasks.spawn(std::future::pending::<()>());
        }
        let start = Instant::now();
        drain(&sidecar, second).await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_the_last_session_does_and_at_the_last_moment_whatever_happens() {
        assert_eq!(
            drain_time(std::future::pending(), false).await,
            Duration::ZERO
        );
        assert_eq!(drain_time(std::future::pending(), true).await, LAST_MOMENT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_leaves_a_moment_to_end_what_is_under_way() {
        let second = std::future::ready("SIGINT");
        assert_eq!(drain_time(second, true).await, HURRY);
        let sidecar = fixtures::sidecar(&["billing"]);
        let mail = sidecar.clone();
        let answered = sidecar
            .tasks
            .spawn(async move { mail.shutdown.hard().await });
        let start = Instant::now();
        drain(&sidecar, std::future::ready("SIGINT")).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(answered.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_second_signal_does_not_go_past_the_last_moment() {
        let second = async {
            tokio::time::sleep(LAST_MOMENT.saturating_sub(HURRY / 2)).await;
            "SIGTERM"
        };
        assert_eq!(drain_time(second, true).await, LAST_MOMENT);
    }

    #[tokio::test]
    async fn bad_arguments_are_told_with_64_before_a_socket_opens() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().to_str().unwrap();
        for (arguments, named) in [
            (
                vec!["--identities", "/nowhere", "--identity", "a"],
                "/nowhere",
            ),
            (
                vec![
                    "--identities",
                    there,
                    "--identity",
                    "a,b",
                    "--identity",
                    "a",
                ],
                "--identity a ",
            ),
        ] {
            let all = ["zohorelay-sidecar", "run"].into_iter().chain(arguments);
            let Command::Run(args) = Cli::parse_from(all).command else {
                panic!("not run")
            };
            let refusal = run(*args).await.unwrap_err();
            assert_eq!(refusal.code, exit::USAGE);
            assert!(refusal.message.contains(named), "{}", refusal.message);
        }
    }

    #[tokio::test]
    async fn a_part_that_ends_or_breaks_is_fatal_and_named() {
        let mut parts = JoinSet::new();
        parts.spawn(async { "listening for apps" });
        let refusal = unexpected_end(parts.join_next().await);
        assert_eq!(refusal.code, exit::SOFTWARE);
        assert!(refusal.message.contains("listening for apps"));
    }
}
