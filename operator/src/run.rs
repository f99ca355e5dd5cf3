//! `run`: bind everything, say so once, serve until SIGTERM, end in order.

pub(crate) mod connect;
mod leading;
mod readiness;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use zohorelay_crds::keys;
use zohorelay_process::admin::{self, Response, Routes};
use zohorelay_process::{Refusal, exit, listen, signal};
use zohorelay_upstream::system_roots;

use crate::args::RunArgs;
use crate::host::AllowedHosts;
use crate::identity::Controller;
use crate::identity::roster::Roster;
use crate::identity::spacing::Spacing;
use crate::identity::verify::Verifier;
use crate::inject::Settings;
use crate::leadership::Leadership;
use crate::lease::{Candidate, Seat, replica_name};
use crate::metrics::Metrics;
use crate::page::{self, Scene};
use crate::pods::Pods;
use crate::scope::Scope;
use crate::webhook::Webhook;

use self::connect::connect;
use self::leading::lead;
use self::readiness::Ready;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// After SIGTERM the webhook goes on for five seconds; then there is nothing left to wait for.
const LAST_MOMENT: Duration = Duration::from_secs(10);

/// What kube puts behind the words of the API server: its whole answer, which says the same again.
const ANSWER: &str = " (Status {";

/// An error with its causes, in one line, without the whole answer of the API server that kube adds.
pub fn chain(error: &dyn Error) -> String {
    let mut text = zohorelay_process::chain(error);
    if let Some(end) = text.find(ANSWER) {
        text.truncate(end);
    }
    text
}

type Part = Result<&'static str, String>;

/// Runs until SIGTERM or SIGINT.
pub async fn run(args: RunArgs) -> Result<(), Refusal> {
    // kube takes the provider of the process. Somebody may have set it before, in tests.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut signals = signal::Signals::listen().map_err(|error| {
        Refusal::new(exit::UNAVAILABLE, format!("listening for signals: {error}"))
    })?;
    let settings = Settings::from_args(&args.sidecar).map_err(|e| refuse(exit::USAGE, &e))?;
    let allowed = AllowedHosts::parse(&args.allowed_upstream_hosts)
        .map_err(|error| refuse(exit::USAGE, &error))?;
    let client = connect().await?;
    let metrics = Metrics::new(VERSION).map_err(|error| refuse(exit::SOFTWARE, &error))?;
    let listener = listen::bind(args.admin).map_err(|error| refuse(exit::UNAVAILABLE, &error))?;
    let webhook = bind_webhook(&args)?;
    let page = listen::bind(args.page).map_err(|error| refuse(exit::UNAVAILABLE, &error))?;
    announce(&listener, &page, webhook.as_ref());

    let (seat, leadership) = Seat::new(metrics.leader.clone());
    let controller = controller(&args, client.clone(), allowed, &metrics)?;
    let stop = CancellationToken::new();
    let mut parts = JoinSet::new();
    let ready = Ready::new(
        webhook.as_ref().map(Webhook::readiness),
        leadership.clone(),
        controller.clone(),
    );
    serve_admin(&mut parts, listener, &metrics, ready);
    let scene = look(controller.clone(), leadership.clone());
    serve_page(&mut parts, page, &args, scene);
    let mut work = JoinSet::new();
    if let Some(webhook) = webhook {
        let (leads, token) = (leadership.clone(), stop.clone());
        let metrics = metrics.clone();
        let client = client.clone();
        work.spawn(async move {
            match webhook.run(client, leads, settings, metrics, token).await {
                Ok(()) => Ok("serving the webhook"),
                Err(error) => Err(chain(&error)),
            }
        });
    }
    campaign(
        &mut work, &args, &client, seat, leadership, controller, &stop,
    );

    let ended = tokio::select! {
        signal = signals.recv() => {
            tracing::info!(signal, "shutting down");
            None
        }
        Some(ended) = work.join_next() => Some(ended),
        Some(ended) = parts.join_next() => Some(ended),
    };
    if let Some(ended) = ended {
        let what = unexpected_end(ended);
        tracing::error!(what, "the operator cannot go on");
        return Err(Refusal::new(exit::SOFTWARE, what));
    }
    stop.cancel();
    let end = async { while work.join_next().await.is_some() {} };
    tokio::select! {
        _ = tokio::time::timeout(LAST_MOMENT, end) => {}
        signal = signals.recv() => tracing::warn!(signal, "ending at once"),
    }
    Ok(())
}

fn refuse(code: u8, error: &dyn Error) -> Refusal {
    Refusal::new(code, chain(error))
}

fn bind_webhook(args: &RunArgs) -> Result<Option<Webhook>, Refusal> {
    if args.webhook.no_webhook {
        return Ok(None);
    }
    let webhook = Webhook::bind(&args.webhook, &args.operator_namespace);
    webhook.map(Some).map_err(|error| {
        let code = match error {
            crate::webhook::BindError::Listen(_) => exit::UNAVAILABLE,
            crate::webhook::BindError::Name(_) => exit::USAGE,
        };
        refuse(code, &error)
    })
}

fn announce(admin: &TcpListener, page: &TcpListener, webhook: Option<&Webhook>) {
    let text = |address: std::io::Result<std::net::SocketAddr>| {
        address.map_or_else(|_| String::new(), |address| address.to_string())
    };
    tracing::info!(
        version = VERSION,
        admin = text(admin.local_addr()),
        page = text(page.local_addr()),
        webhook = webhook.map(|webhook| text(webhook.local_addr())),
        "listening"
    );
}

fn controller(
    args: &RunArgs,
    client: Client,
    allowed: AllowedHosts,
    metrics: &Metrics,
) -> Result<Arc<Controller>, Refusal> {
    let roots = system_roots().map_err(|error| refuse(exit::SOFTWARE, &error))?;
    let spacing = Spacing::new(args.login_interval, args.domain_login_interval);
    let reporter = Reporter {
        controller: keys::REPORTER.to_owned(),
        instance: None,
    };
    Ok(Arc::new(Controller {
        recorder: Recorder::new(client.clone(), reporter),
        client,
        scope: Scope::from_names(args.watch_namespaces.clone()),
        allowed,
        pods: Pods::new(VERSION),
        verifier: Arc::new(Verifier::new(spacing, roots, metrics.clone())),
        metrics: metrics.clone(),
        listed: AtomicBool::new(false),
        roster: Roster::default(),
    }))
}

fn serve_admin(parts: &mut JoinSet<Part>, listener: TcpListener, metrics: &Metrics, ready: Ready) {
    let metrics = metrics.clone();
    let routes = Routes::new()
        .get("/metrics", move || {
            let page = Response::metrics(metrics.registry());
            metrics.read();
            page
        })
        .get("/live", || Response::text(200, "ok"))
        .get("/ready", move || match ready.obstacle() {
            None => Response::text(200, "ok"),
            Some(obstacle) => Response::text(503, obstacle),
        });
    parts.spawn(async move {
        admin::serve(listener, routes, CancellationToken::new()).await;
        Ok("serving the metrics")
    });
}

fn serve_page(
    parts: &mut JoinSet<Part>,
    listener: TcpListener,
    args: &RunArgs,
    look: impl Fn() -> Scene + Send + Sync + 'static,
) {
    let routes = page::routes(args.operator_namespace.clone(), look);
    parts.spawn(async move {
        admin::serve(listener, routes, CancellationToken::new()).await;
        Ok("serving the page")
    });
}

/// What the page shows: only the leader knows the identities.
fn look(
    controller: Arc<Controller>,
    leadership: Leadership,
) -> impl Fn() -> Scene + Send + Sync + 'static {
    move || {
        if leadership.is_leader() {
            Scene::Leading(controller.roster.known())
        } else {
            Scene::Following(leadership.other())
        }
    }
}

/// Stands for election, and leads when elected. The lease is given up after the work of the leader
/// has ended, not before.
fn campaign(
    work: &mut JoinSet<Part>,
    args: &RunArgs,
    client: &Client,
    seat: Seat,
    leadership: Leadership,
    controller: Arc<Controller>,
    stop: &CancellationToken,
) {
    let candidate = Candidate::new(
        client,
        &args.operator_namespace,
        &args.lease,
        args.replica.clone().unwrap_or_else(replica_name),
        args.webhook.deployment.clone(),
    );
    let give_up = CancellationToken::new();
    let (token, stop) = (give_up.clone(), stop.clone());
    work.spawn(async move {
        candidate.campaign(seat, token).await;
        Ok("keeping the lease")
    });
    work.spawn(async move {
        let result = lead(controller, leadership, stop).await;
        give_up.cancel();
        result.map(|()| "leading")
    });
}

fn unexpected_end(ended: Result<Part, JoinError>) -> String {
    match ended {
        Ok(Ok(part)) => format!("{part} ended unexpectedly"),
        Ok(Err(what)) => what,
        Err(error) => format!("a part of the operator broke: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use kube::runtime::watcher;

    use super::chain;

    #[test]
    fn what_the_api_server_says_is_told_once_and_without_its_whole_answer() {
        let status = Status::failure("pods is forbidden", "Forbidden").with_code(403);
        let refused = || kube::Error::Api(Box::new(status.clone()));
        assert_eq!(chain(&refused()), "ApiError: pods is forbidden: Forbidden");
        assert_eq!(
            chain(&watcher::Error::InitialListFailed(refused())),
            "failed to perform initial object list: ApiError: pods is forbidden: Forbidden"
        );
    }
}
