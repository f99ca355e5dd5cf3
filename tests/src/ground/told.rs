//! What the apps of a namespace told on stdout: the logs of all their containers, followed from the start
//! to the end, those of containers that are started again, too.

mod book;
mod containers;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use futures_util::{AsyncBufReadExt as _, StreamExt as _, TryStreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout_at};

use self::book::Book;
pub use self::book::Entry;
use self::containers::{Container, Containers};
use crate::ledger::Ledger;
use crate::objects::api;
use crate::program::PATIENCE;

/// Before a log or a watch that broke is taken up again.
const PAUSE: Duration = Duration::from_millis(500);
/// How often the log of a container that ended is asked for in vain.
const TRIES: u32 = 20;

/// What the apps of a namespace told so far. Ends with the value.
#[derive(Debug)]
pub struct Told {
    shared: Arc<Shared>,
    pods: Api<Pod>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    book: Book,
    containers: Containers,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let value = change(&mut self.state());
        self.changes.send_replace(());
        value
    }
}

impl Told {
    /// Listens to every container whose name begins with `app`, from now on.
    pub fn listen(client: &Client, namespace: &str) -> Self {
        let pods = api::<Pod>(client, namespace);
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changes: watch::Sender::new(()),
        });
        let task = tokio::spawn(listen(pods.clone(), shared.clone())).abort_handle();
        Self { shared, pods, task }
    }

    /// All submissions so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.shared.state().book.entries()
    }

    /// Those that ended otherwise than by 2yz, connections that could not be made among them.
    pub fn failed(&self) -> Vec<Entry> {
        let mut entries = self.entries();
        entries.retain(|entry| entry.ended && !matches!(entry.code, Some(200..=299)));
        entries
    }

    /// The submissions so far, for the judge. One that is open counts as told nothing.
    pub fn ledger(&self) -> Ledger {
        self.shared.state().book.ledger()
    }

    /// Waits until the submissions fit.
    pub async fn until(&self, what: &str, fits: impl Fn(&[Entry]) -> bool) -> Result<()> {
        let mut changes = self.shared.changes.subscribe();
        let deadline = Instant::now() + PATIENCE;
        loop {
            changes.mark_unchanged();
            let entries = self.entries();
            if fits(&entries) {
                return Ok(());
            }
            if timeout_at(deadline, changes.changed()).await.is_err() {
                bail!("waiting until {what}; told so far: {entries:#?}");
            }
        }
    }

    /// Waits until all that apps told has been read: each of their containers has ended.
    pub async fn settled(&self) -> Result<()> {
        let mut changes = self.shared.changes.subscribe();
        let deadline = Instant::now() + PATIENCE;
        let there = self.pods.list(&ListParams::default()).await?.items;
        let there: Vec<Container> = there.iter().flat_map(Container::of_pod).collect();
        loop {
            changes.mark_unchanged();
            let open = self.shared.state().containers.open(&there);
            if open.is_empty() {
                return Ok(());
            }
            if timeout_at(deadline, changes.changed()).await.is_err() {
                bail!("these have not ended, or not been read to the end: {open:#?}");
            }
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sees all pods come and go, and reads the log of each container once it has started.
async fn listen(pods: Api<Pod>, shared: Arc<Shared>) {
    let events = watcher(pods.clone(), watcher::Config::default());
    pin_mut!(events);
    // Ends all reading with this task.
    let mut readers = JoinSet::new();
    while let Some(event) = events.next().await {
        let Ok(event) = event else {
            // It is taken up again.
            sleep(PAUSE).await;
            continue;
        };
        let news = shared.change(|state| match event {
            Event::Apply(pod) | Event::InitApply(pod) => state.containers.see(&pod),
            Event::Delete(pod) => {
                state.containers.gone(&pod);
                Vec::new()
            }
            Event::Init => {
                state.containers.list_begins();
                Vec::new()
            }
            Event::InitDone => {
                state.containers.list_ends();
                Vec::new()
            }
        });
        for container in news {
            readers.spawn(read_all(pods.clone(), shared.clone(), container));
        }
    }
}

/// Reads the log of a container to its end, however often the connection breaks. What is read twice
/// counts once.
async fn read_all(pods: Api<Pod>, shared: Arc<Shared>, container: Container) {
    let mut failed = 0;
    loop {
        let had_ended = shared.state().containers.has_ended(&container.id);
        let read = read(&pods, &shared, &container).await;
        failed += u32::from(had_ended && read.is_err());
        let is_whole = had_ended && read.is_ok();
        let is_lost = shared.state().containers.is_gone(&container.id) || failed > TRIES;
        if is_whole || (had_ended && is_lost) {
            break;
        }
        sleep(PAUSE).await;
    }
    shared.change(|state| state.containers.was_read(&container.id));
}

async fn read(pods: &Api<Pod>, shared: &Shared, container: &Container) -> Result<()> {
    let params = LogParams {
        container: Some(container.name.clone()),
        follow: !container.previous,
        previous: container.previous,
        ..LogParams::default()
    };
    let log = pods.log_stream(&container.pod, &params).await?;
    let mut lines = log.lines();
    while let Some(line) = lines.try_next().await? {
        shared.change(|state| state.book.note(&container.pod, &line));
    }
    Ok(())
}
