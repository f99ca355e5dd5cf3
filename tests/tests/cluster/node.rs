//! The node itself, which runs on machines that people work on: it is closed to others, and nothing of it
//! is left when it ends, however it ends.

mod traces;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use http::Request;
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, Client};
use serde_json::json;
use tokio::time::sleep;
use zohorelay_cluster::{NodeOptions, Options, Running};
use zohorelay_tests::ground::Ground;
use zohorelay_tests::objects::{self, api};
use zohorelay_tests::program::PATIENCE;

use self::traces::{Traces, listening, sockets_of_ours};

/// Set for the program that is killed.
const KILLED: &str = "ZOHORELAY_TEST_KILLED";
const SHELL: &str = "docker.io/zohorelay/busybox:1";

async fn start() -> Running {
    let options = Options {
        node: Some(NodeOptions::default()),
        ..Options::default()
    };
    Running::start(options).await.unwrap()
}

/// Runs a script in a pod, until the pod is in this phase.
async fn run(running: &Running, script: &str, phase: &str) -> (Api<Pod>, String) {
    let client = running.client().unwrap();
    let namespace = objects::namespace(&client).await.unwrap();
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "shell"},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "shell",
                "image": SHELL,
                "imagePullPolicy": "IfNotPresent",
                "command": ["/bin/busybox", "sh", "-c", script],
            }],
        },
    });
    objects::apply_object(&client, &namespace, &pod)
        .await
        .unwrap();
    let pods: Api<Pod> = api(&client, &namespace);
    objects::until(&pods, "shell", phase, |pod| {
        let status = pod.and_then(|pod| pod.status.as_ref());
        status.and_then(|status| status.phase.as_deref()) == Some(phase)
    })
    .await
    .unwrap();
    (pods, "shell".to_owned())
}

#[tokio::test]
async fn a_node_is_closed_to_others_and_leaves_nothing_behind() {
    let ground = Ground::shared().await.unwrap();
    if ground.own_node("a second node").is_none() {
        return;
    }
    let _turn = ground.turn().await.unwrap();
    let running = start().await;

    assert_nothing_listens_beyond_its_link(&running);
    assert_secrets_are_new_and_its_owners(&running, ground.cluster.running().unwrap());
    assert_strangers_are_refused(&running).await;
    let (pods, name) = run(
        &running,
        "begun=$(date +%s); nc -w 30 192.0.2.1 25; echo after $(($(date +%s) - begun)) s",
        "Succeeded",
    )
    .await;
    let said = pods.logs(&name, &LogParams::default()).await.unwrap();
    assert!(said.contains("Network is unreachable"), "{said}");
    assert!(
        said.contains("after 0 s") || said.contains("after 1 s"),
        "{said}"
    );

    run(&running, "sleep 3600", "Running").await;
    let traces = Traces::of(&running);
    let there = traces.left();
    for kind in ["process", "link", "cgroup", "folder"] {
        assert!(
            there.iter().any(|it| it.starts_with(kind)),
            "{kind}: {there:#?}"
        );
    }
    drop(running);
    until_nothing_is_left("a node that is dropped", &traces).await;
}

#[tokio::test]
async fn a_node_whose_program_is_killed_leaves_nothing_behind() {
    let ground = Ground::shared().await.unwrap();
    if ground.own_node("a node of a killed program").is_none() {
        return;
    }
    let _turn = ground.turn().await.unwrap();
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "node::a_program_with_a_node",
            "--ignored",
            "--nocapture",
        ])
        .env(KILLED, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let mut traces = lines
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str(&line).ok());
    let traces: Traces = traces.next().expect("it has started a node");
    assert!(traces.left().len() > 10, "{:#?}", traces.left());

    program.kill().unwrap();
    program.wait().unwrap();
    until_nothing_is_left("the node of a killed program", &traces).await;
}

#[tokio::test]
#[ignore = "the program that the test above kills"]
async fn a_program_with_a_node() {
    if std::env::var_os(KILLED).is_none() {
        return;
    }
    let running = start().await;
    run(&running, "sleep 3600", "Running").await;
    println!(
        "\n{}",
        serde_json::to_string(&Traces::of(&running)).unwrap()
    );
    // Its end comes from outside; ten minutes if nobody is there any more.
    sleep(Duration::from_mins(10)).await;
}

/// The kernel takes a moment to end what is in namespaces.
async fn until_nothing_is_left(what: &str, traces: &Traces) {
    let clock = Instant::now();
    loop {
        let left = traces.left();
        if left.is_empty() {
            break;
        }
        assert!(clock.elapsed() < PATIENCE / 2, "{what}: {left:#?}");
        sleep(Duration::from_millis(100)).await;
    }
    println!(
        "cluster: {what} is gone after {:.1} s",
        clock.elapsed().as_secs_f32()
    );
}

fn assert_nothing_listens_beyond_its_link(running: &Running) {
    let inside = Path::new("/proc").join(running.pids()[0].to_string());
    let address = running.node().unwrap().address();
    let own = format!("{:08X}:", u32::from_le_bytes(address.octets()));
    let is_closed = |socket: &str| {
        let loopback = socket.split(':').next().unwrap_or_default();
        let is_v6 = loopback == "00000000000000000000000001000000";
        is_v6 || (loopback.len() == 8 && loopback.ends_with("7F")) || socket.starts_with(&own)
    };
    let sockets: BTreeSet<String> = listening(&inside).into_iter().map(|(it, _)| it).collect();
    // API server, kubelet, DNS (TCP and UDP).
    assert!(
        sockets.iter().filter(|it| it.starts_with(&own)).count() >= 3,
        "{sockets:?}"
    );
    let open: Vec<_> = sockets.iter().filter(|socket| !is_closed(socket)).collect();
    assert!(open.is_empty(), "in the node: {open:?}");

    let ours = sockets_of_ours();
    let here = listening(Path::new("/proc/self")).into_iter();
    let here = here.filter(|(_, inode)| ours.contains(inode));
    let open: Vec<String> = here
        .map(|(it, _)| it)
        .filter(|socket| !is_closed(socket))
        .collect();
    assert!(open.is_empty(), "on this machine: {open:?}");
}

fn assert_secrets_are_new_and_its_owners(running: &Running, other: &Running) {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(running.folder()), 0o700);
    let files = fs::read_dir(running.folder()).unwrap();
    let is_secret = |name: &str| {
        let ending = Path::new(name).extension();
        ending.is_some_and(|it| it == "key") || ["tokens.csv", "kubeconfig"].contains(&name)
    };
    let mut names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| is_secret(name));
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        assert_eq!(mode(&running.folder().join(&name)), 0o600, "{name}");
        let read = |folder: &Path| fs::read(folder.join(&name)).unwrap();
        assert_ne!(read(running.folder()), read(other.folder()), "{name}");
    }
    let token = |running: &Running| {
        let file = fs::read_to_string(running.folder().join("tokens.csv")).unwrap();
        file.split(',').next().unwrap().to_owned()
    };
    assert_ne!(token(running), token(other));
}

async fn assert_strangers_are_refused(running: &Running) {
    let kubelet = format!("https://{}:10250", running.node().unwrap().address());
    let api_server = running.admin().server().to_owned();
    for (server, path, token, code) in [
        (&kubelet, "/pods", None, 401),
        (&kubelet, "/pods", Some("guessed"), 401),
        (&api_server, "/api/v1/secrets", None, 403),
        (&api_server, "/api/v1/secrets", Some("guessed"), 401),
    ] {
        let mut config = running.admin().at(server).config();
        config.auth_info.token = token.map(|token| token.to_owned().into());
        let client = Client::try_from(config).unwrap();
        let request = Request::get(path).body(Vec::new()).unwrap();
        let answer = client.request_text(request).await;
        let what = format!("{server} {path}: {answer:?}");
        let Err(kube::Error::Api(status)) = answer else {
            panic!("{what}");
        };
        assert_eq!(status.code, code, "{what}");
    }
}
