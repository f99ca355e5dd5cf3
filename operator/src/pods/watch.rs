//! Watches the pods that ask for the sidecar.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use jiff::Timestamp;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::time::{Instant, sleep};
use zohorelay_crds::keys;

use super::index::{NamespacedName, Range};
use super::pod::SlimPod;
use super::shared::Shared;
use crate::backoff::{WatchBackoff, again};
use crate::run::chain;
use crate::scope::Scope;

/// A page of a list is parsed as a whole: some hundred KiB of JSON.
const PAGE_SIZE: u32 = 100;
/// From one try to the next in a namespace where the operator may not look at pods.
const FORBIDDEN_PAUSE: Duration = Duration::from_secs(60);

/// Watches every namespace of the scope. Never returns.
pub(super) async fn run(shared: &Shared, client: &Client, scope: &Scope) {
    let apis = scope.apis::<SlimPod>(client);
    join_all(apis.into_iter().map(|api| watch(shared, api))).await;
}

async fn watch(shared: &Shared, api: Api<SlimPod>) {
    let range: Range = api.namespace().map(Into::into);
    let config = watcher::Config::default()
        .labels(&format!("{}=true", keys::INJECT))
        .page_size(PAGE_SIZE);
    let mut events = pin!(again(|| watcher(api.clone(), config.clone())));
    let mut trouble = Trouble::default();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                // A list begins before the API server has agreed to it.
                if !matches!(event, Event::Init) {
                    trouble.is_over();
                }
                take(shared, &range, event);
            }
            Err(error) => sleep(trouble.pause(&range, &error)).await,
        }
    }
}

fn take(shared: &Shared, range: &Range, event: Event<SlimPod>) {
    let now = Instant::now().into_std();
    let time = Timestamp::now();
    let name = |pod: &SlimPod| {
        let (namespace, name) = pod.key();
        NamespacedName::new(namespace, name)
    };
    match event {
        Event::Init => shared.lock().index.begin_list(range),
        Event::InitApply(pod) | Event::Apply(pod) => {
            shared.note_ends(range, &pod, time);
            shared.change(now, |index| index.see(range, name(&pod), pod.sighting()));
        }
        Event::Delete(pod) => {
            shared.note_ends(range, &pod, time);
            shared.remove(now, &name(&pod));
        }
        Event::InitDone => shared.end_list(now, range),
    }
}

/// How a watch fares, for waits and for one line in the log a trouble.
#[derive(Default)]
struct Trouble {
    backoff: WatchBackoff,
    is_told: bool,
}

impl Trouble {
    fn is_over(&mut self) {
        self.is_told = false;
    }

    /// How long to wait before the next try.
    fn pause(&mut self, range: &Range, error: &watcher::Error) -> Duration {
        let forbidden = is_forbidden(error);
        let namespace = range.as_deref().unwrap_or("(all)");
        if !std::mem::replace(&mut self.is_told, true) {
            let remedy = if forbidden {
                "; the operator needs the rule for pods of docs/reference/rbac.md there"
            } else {
                ""
            };
            tracing::warn!(namespace, error = chain(error), "cannot watch pods{remedy}");
        }
        if forbidden {
            FORBIDDEN_PAUSE
        } else {
            self.backoff.next().unwrap_or(FORBIDDEN_PAUSE)
        }
    }
}

fn is_forbidden(error: &watcher::Error) -> bool {
    use watcher::Error;
    match error {
        Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status))
        | Error::WatchFailed(kube::Error::Api(status))
        | Error::WatchError(status) => status.is_forbidden(),
        _ => false,
    }
}
