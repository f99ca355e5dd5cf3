//! Events: on changes, never on sameness; and no secret in them, nor anywhere else that people look.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use futures_util::{StreamExt, pin_mut};
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, watcher};
use serde_json::{Value, json};
use zoho_simulator::{AccountUpdate, Action, Block, BlockChange, Fault, Stage};
use zohorelay_tests::objects::api;
use zohorelay_tests::program::PATIENCE;

use super::world::{ADDRESS, GOOD, WRONG, World};

impl World<'_> {
    /// Waits for an event about an identity; gives all that there are about it then.
    pub(crate) async fn event(&self, name: &str, reason: &str) -> Vec<Event> {
        let events = api::<Event>(&self.client, &self.namespace);
        let stream = watcher(events, Config::default())
            .default_backoff()
            .applied_objects();
        pin_mut!(stream);
        let comes = async {
            while let Some(event) = stream.next().await {
                if event.is_ok_and(|event| {
                    is_about(&event, name) && event.reason.as_deref() == Some(reason)
                }) {
                    return;
                }
            }
        };
        let came = tokio::time::timeout(PATIENCE, comes).await;
        let all = self.events(name).await;
        assert!(came.is_ok(), "no event {reason} of {name}: {all:#?}");
        all
    }

    /// All events about an identity.
    async fn events(&self, name: &str) -> Vec<Event> {
        let events = api::<Event>(&self.client, &self.namespace);
        let mut events = events.list(&ListParams::default()).await.unwrap().items;
        events.retain(|event| is_about(event, name));
        events.sort_by_key(|event| event.event_time.clone());
        events
    }
}

fn is_about(event: &Event, name: &str) -> bool {
    let regarding = event.regarding.as_ref();
    regarding.is_some_and(|it| {
        it.kind.as_deref() == Some("MailIdentity") && it.name.as_deref() == Some(name)
    })
}

/// What was told, as often as it was: the API server keeps one event for what comes again soon.
fn told(events: &[Event]) -> Vec<String> {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let times = |event: &Event| event.series.as_ref().map_or(1, |series| series.count);
    (events.iter())
        .flat_map(|event| {
            let line = format!("{} {}", text(&event.type_), text(&event.reason));
            (0..times(event)).map(move |_| line.clone())
        })
        .collect()
}

#[tokio::test]
async fn an_event_tells_of_a_change_and_of_nothing_else() {
    let world = World::start().await;
    world.published("billing").await;
    world.event("billing", "LoginAccepted").await;

    for count in 0..10 {
        let labels = json!({"metadata": {"labels": {"touched": count.to_string()}}});
        let params = PatchParams::default();
        let identities = world.identities();
        let touch = async {
            identities
                .patch("billing", &params, &Patch::Merge(&labels))
                .await
                .unwrap();
        };
        world.until_looked_at(touch).await;
    }
    // What is told next comes after anything that sameness would have told.
    world.put_password("billing", WRONG).await;
    world.event("billing", "LoginRefused").await;
    world.put_password("billing", GOOD).await;
    world.until("billing", "Ready", "True", "Published").await;
    let mut suspended = world.identity("billing");
    suspended["spec"]["suspend"] = json!(true);
    world.apply(&suspended).await;
    let events = world.event("billing", "Suspended").await;
    let told = told(&events);
    let of = |reason: &str| told.iter().filter(|it| it.ends_with(reason)).count();
    assert_eq!(of("Normal Suspended"), 1, "{told:?}");
    assert_eq!(of("Warning LoginRefused"), 1, "{told:?}");
    assert_eq!(of("Normal Published"), 2, "{told:?}");
    assert_eq!(of("Normal LoginAccepted"), 2, "{told:?}");
    assert_eq!(told.len(), 6, "{told:?}");
}

/// Passwords, and what a login makes of them on the wire.
fn canaries() -> Vec<String> {
    let passwords = [GOOD, WRONG, "canary\r\nnext", "canary-with-blank "];
    let plain = |password: &&str| BASE64_STANDARD.encode(format!("\0{ADDRESS}\0{password}"));
    let alone = |password: &&str| BASE64_STANDARD.encode(password);
    let mut canaries: Vec<String> = passwords.iter().map(plain).collect();
    canaries.extend(passwords.iter().map(alone));
    canaries.push("canary".to_owned());
    canaries
}

/// At a server that quotes what it was given, with a log that says everything.
#[tokio::test]
async fn no_password_is_told_in_a_log_an_event_a_condition_or_a_metric() {
    let mut world = World::without_operator().await;
    world
        .start_operator(&["--allowed-upstream-host", "localhost", "--log", "trace"])
        .await;
    world.published("billing").await;

    let quoting = format!("535 5.7.8 no such password {WRONG}\r\n");
    let fault = Fault::new(Stage::Auth, Action::Reply(quoting.as_str().into())).times(1);
    world.zoho.fault(fault).unwrap();
    world.put_password("billing", WRONG).await;
    world
        .until("billing", "Ready", "False", "LoginRefused")
        .await;
    world.put_password("billing", "canary\r\nnext").await;
    world
        .until("billing", "Ready", "False", "SecretInvalid")
        .await;
    world.put_password("billing", "canary-with-blank ").await;
    world
        .until("billing", "Ready", "False", "LoginRefused")
        .await;
    world.event("billing", "SecretInvalid").await;
    let account = AccountUpdate {
        app_password: Some("canary-4".to_owned()),
        blocked: BlockChange::Set(Block::SenderAddressBlocked),
        ..AccountUpdate::default()
    };
    world.zoho.put_account(ADDRESS, account);
    world.put_password("billing", "canary-4").await;
    world
        .until("billing", "Ready", "False", "AccountBlocked")
        .await;

    let events = serde_json::to_string(&world.events("billing").await).unwrap();
    let identity =
        serde_json::to_string(&world.identities().get("billing").await.unwrap()).unwrap();
    let (_, metrics) = world.operator().get("/metrics").await.unwrap();
    let log = world.kill_operator().await.join("\n");
    assert!(log.lines().any(is_trace), "the log says everything");
    for (place, text) in [
        ("events", events),
        ("identity", identity),
        ("metrics", metrics),
        ("log", log),
    ] {
        for canary in canaries() {
            let at = text.find(&canary);
            let near = at.map(|at| {
                text[at.saturating_sub(300)..]
                    .chars()
                    .take(600)
                    .collect::<String>()
            });
            assert_eq!(near, None, "{canary} in {place}");
        }
    }
}

fn is_trace(line: &str) -> bool {
    serde_json::from_str::<Value>(line).is_ok_and(|line| line["level"] == "TRACE")
}
