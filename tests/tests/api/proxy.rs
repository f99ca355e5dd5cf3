//! What stands before the API server to make it misbehave: each misbehaviour as a client sees it.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{ListParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Error};
use serde_json::json;
use zohorelay_cluster::proxy::Request;
use zohorelay_cluster::{Fault, FaultProxy, shared};
use zohorelay_tests::objects::{api, namespace};

/// A proxy, a namespace, and config maps there: as an administrator sees them through the proxy and
/// without it.
struct World {
    proxy: FaultProxy,
    namespace: String,
    through: Api<ConfigMap>,
    direct: Api<ConfigMap>,
}

impl World {
    async fn new() -> Self {
        let cluster = shared().await.unwrap();
        let direct = cluster.client().unwrap();
        let namespace = namespace(&direct).await.unwrap();
        let proxy = FaultProxy::start(cluster).await.unwrap();
        let through = client(&proxy);
        Self {
            through: api(&through, &namespace),
            direct: api(&direct, &namespace),
            proxy,
            namespace,
        }
    }

    async fn exists(&self, name: &str) -> bool {
        self.direct.get_opt(name).await.unwrap().is_some()
    }
}

/// One that takes an answer as it is, without trying again.
fn client(proxy: &FaultProxy) -> Client {
    let cluster = proxy.access(shared_now().admin());
    let mut config = cluster.config();
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

/// The control plane that runs already.
fn shared_now() -> &'static zohorelay_cluster::Running {
    futures_util::FutureExt::now_or_never(shared())
        .unwrap()
        .unwrap()
}

fn map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap()
}

async fn create(maps: &Api<ConfigMap>, name: &str) -> Result<ConfigMap, Error> {
    maps.create(&PostParams::default(), &map(name)).await
}

#[tokio::test]
async fn a_refusal_reaches_the_client_and_the_request_reaches_nobody() {
    let world = World::new().await;
    let rows = [
        (Fault::forbidden(), 403, "Forbidden"),
        (Fault::conflict(), 409, "Conflict"),
        (Fault::gone(), 410, "Expired"),
        (Fault::invalid(), 422, "Invalid"),
        (
            Fault::too_many(Duration::from_secs(7)),
            429,
            "TooManyRequests",
        ),
        (Fault::internal_error(), 500, "InternalError"),
        (Fault::timeout(), 504, "Timeout"),
    ];
    for (fault, code, reason) in rows {
        let rule = world.proxy.add(
            fault
                .when(|request| request.is("create", "configmaps"))
                .times(1),
        );
        let Err(Error::Api(status)) = create(&world.through, "refused").await else {
            panic!("{code} was not seen");
        };
        assert_eq!((status.code, status.reason.as_str()), (code, reason));
        let wait = status
            .details
            .map_or(0, |details| details.retry_after_seconds);
        assert_eq!(wait, if code == 429 { 7 } else { 0 });
        assert_eq!(rule.hits(), 1);
        assert!(!world.exists("refused").await);
    }
    create(&world.through, "passed").await.unwrap();
    assert!(world.exists("passed").await);
    assert_eq!(world.proxy.count("create", "configmaps"), 8);
}

#[tokio::test]
async fn a_rule_meets_the_requests_that_it_is_for() {
    let world = World::new().await;
    let here = world.namespace.clone();
    let rule = Fault::forbidden()
        .when(move |request| request.is("list", "secrets") && request.namespace == here);
    let rule = world.proxy.add(rule);
    let through = client(&world.proxy);
    let list = ListParams::default();
    let secrets = api::<Secret>(&through, &world.namespace);
    assert!(matches!(secrets.list(&list).await, Err(Error::Api(status)) if status.code == 403));
    api::<Secret>(&through, "default")
        .list(&list)
        .await
        .unwrap();
    world.through.list(&list).await.unwrap();
    assert_eq!(rule.hits(), 1);
    rule.remove();
    secrets.list(&list).await.unwrap();
}

#[tokio::test]
async fn a_request_that_is_cut_before_was_not_done_and_one_that_is_cut_after_was() {
    let world = World::new().await;
    for (fault, done) in [(Fault::CutBefore, false), (Fault::CutAfter, true)] {
        world.proxy.add(
            fault
                .when(|request| request.is("create", "configmaps"))
                .times(1),
        );
        let answer = create(&world.through, "cut").await;
        assert!(!matches!(answer, Ok(_) | Err(Error::Api(_))), "{answer:?}");
        assert_eq!(world.exists("cut").await, done);
    }
}

#[tokio::test]
async fn a_delayed_request_goes_on_later() {
    let world = World::new().await;
    let delay = Duration::from_millis(300);
    world.proxy.add(Fault::Delay(delay).when(Request::writes));
    let began = Instant::now();
    create(&world.through, "late").await.unwrap();
    assert!(began.elapsed() >= delay);
}

#[tokio::test]
async fn an_answer_can_be_another_one() {
    let world = World::new().await;
    create(&world.direct, "there").await.unwrap();
    let hide = Fault::rewrite(|mut list| {
        list["items"] = json!([]);
        list
    });
    world.proxy.add(
        hide.when(|request| request.is("list", "configmaps"))
            .times(1),
    );
    let list = ListParams::default().fields("metadata.name=there");
    assert_eq!(world.through.list(&list).await.unwrap().items.len(), 0);
    assert_eq!(world.through.list(&list).await.unwrap().items.len(), 1);
}

/// A watch of config maps that breaks must show all of them all the same.
async fn watch_that_breaks_recovers(fault: Fault, lists_again: bool) {
    let world = World::new().await;
    let rule = world.proxy.add(
        fault
            .when(|request| request.is("watch", "configmaps"))
            .times(1),
    );
    let stream = watcher(world.through.clone(), watcher::Config::default())
        .default_backoff()
        .applied_objects();
    let mut names = Box::pin(stream.filter_map(|object| async { object.ok()?.metadata.name }));
    assert_eq!(names.next().await.unwrap(), "kube-root-ca.crt");
    let lists = world.proxy.count("list", "configmaps");
    for name in ["a", "b", "c"] {
        create(&world.direct, name).await.unwrap();
    }
    let mut missing = vec!["a", "b", "c"];
    let seen = async {
        while !missing.is_empty() {
            let name = names.next().await.unwrap();
            missing.retain(|it| *it != name);
        }
    };
    tokio::time::timeout(Duration::from_secs(30), seen)
        .await
        .expect("all of them are seen");
    assert_eq!(rule.hits(), 1);
    let again = world.proxy.count("list", "configmaps") - lists;
    assert_eq!(again, usize::from(lists_again));
}

#[tokio::test]
async fn a_watch_that_ends_with_410_is_listed_again_once() {
    watch_that_breaks_recovers(Fault::watch_gone(1), true).await;
}

/// kube lists again after a 410 within a watch only; the status code makes it ask for the same again.
#[tokio::test]
async fn a_watch_that_is_answered_410_is_asked_for_again() {
    watch_that_breaks_recovers(Fault::gone(), false).await;
}

#[tokio::test]
async fn a_watch_that_is_cut_within_an_event_goes_on_where_it_was() {
    watch_that_breaks_recovers(Fault::CutWatch { after: 1 }, false).await;
}

#[tokio::test]
async fn an_event_that_is_dropped_is_not_seen_and_the_next_one_is() {
    let world = World::new().await;
    let drop = Fault::drop_events(|event| event["object"]["metadata"]["name"] == "dropped");
    world
        .proxy
        .add(drop.when(|request| request.is("watch", "configmaps")));
    let version = world.direct.list(&ListParams::default()).await.unwrap();
    let version = version.metadata.resource_version.unwrap();
    let params = WatchParams::default();
    let watch = world.through.watch(&params, &version);
    let mut events = watch.await.unwrap().boxed();
    create(&world.direct, "dropped").await.unwrap();
    create(&world.direct, "passed").await.unwrap();
    let event = events.try_next().await.unwrap().unwrap();
    let WatchEvent::Added(object) = event else {
        panic!("{event:?}");
    };
    assert_eq!(object.metadata.name.unwrap(), "passed");
}

#[tokio::test]
async fn what_is_frozen_goes_on_when_thawed() {
    let world = World::new().await;
    let version = world.direct.list(&ListParams::default()).await.unwrap();
    let version = version.metadata.resource_version.unwrap();
    let params = WatchParams::default();
    let watch = world.through.watch(&params, &version);
    let mut events = watch.await.unwrap().boxed();

    world.proxy.freeze();
    create(&world.direct, "new").await.unwrap();
    let moment = Duration::from_millis(200);
    let get = world.through.get("new");
    tokio::pin!(get);
    assert!(tokio::time::timeout(moment, &mut get).await.is_err());
    assert!(
        tokio::time::timeout(moment, events.try_next())
            .await
            .is_err()
    );

    world.proxy.thaw();
    get.await.unwrap();
    assert!(matches!(
        events.try_next().await.unwrap(),
        Some(WatchEvent::Added(_))
    ));
}

#[tokio::test]
async fn tls_can_break_and_connections_can_be_cut() {
    let world = World::new().await;
    let list = ListParams::default();
    world.through.list(&list).await.unwrap();
    let params = WatchParams::default();
    let watch = world.through.watch(&params, "0").await;
    let mut events = watch.unwrap().boxed();
    events.try_next().await.unwrap();

    world.proxy.break_tls(true);
    world.proxy.cut_all();
    while let Ok(Some(_)) = events.try_next().await {}
    let fresh = api::<ConfigMap>(&client(&world.proxy), &world.namespace);
    assert!(!matches!(
        fresh.list(&list).await,
        Ok(_) | Err(Error::Api(_))
    ));

    world.proxy.break_tls(false);
    fresh.list(&list).await.unwrap();
}

#[tokio::test]
async fn who_comes_through_has_the_rights_that_they_have_without() {
    let world = World::new().await;
    let nobody = shared_now()
        .service_account(&world.namespace, "default")
        .await
        .unwrap();
    let client = world.proxy.access(&nobody).client().unwrap();
    let refused = api::<Secret>(&client, &world.namespace).get("x").await;
    let Err(Error::Api(status)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(status.code, 403);
    let user = format!("system:serviceaccount:{}:default", world.namespace);
    assert!(status.message.contains(&user), "{}", status.message);
}

#[tokio::test]
async fn what_is_held_before_was_not_done_yet_and_an_answer_that_is_held_is_to_what_was() {
    let world = World::new().await;
    for (name, fault, done) in [("a", Fault::Hold, false), ("b", Fault::HoldAnswer, true)] {
        let rule = fault.when(|request| request.is("create", "configmaps"));
        let rule = world.proxy.add(rule.times(1));
        let through = world.through.clone();
        let create = tokio::spawn(async move { create(&through, name).await });
        rule.held(1).await;
        assert_eq!(world.exists(name).await, done);
        assert!(!create.is_finished());
        rule.release();
        create.await.unwrap().unwrap();
        assert!(world.exists(name).await);
    }
}
