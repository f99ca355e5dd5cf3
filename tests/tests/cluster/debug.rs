//! What people look with when something is wrong: logs, describe, debug, exec and port-forward. And that
//! no password is to be seen by any of them.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use zohorelay_cluster::binaries::Program;
use zohorelay_crds::MailIdentity;
use zohorelay_tests::ground::shop::{IDENTITY, Shop, ask};
use zohorelay_tests::ground::{RELEASE, SYSTEM};

const RECIPIENT: &str = "you@example.org";

#[tokio::test]
async fn a_running_pod_can_be_looked_into_and_shows_no_password() {
    let shop = Shop::open("debug").await.unwrap();
    let app = shop.deployment("shop").flags(&["--count=3", "--linger"]);
    shop.start(&app).await.unwrap();
    shop.until_mails(3).await.unwrap();
    let pod = ask::name(&shop.pod_of("shop").await.unwrap());

    let lines = shop.log_of(&pod).await.unwrap();
    let mails = lines.iter().filter(|line| line["message"] == "mail");
    let outcomes: Vec<&Value> = mails.map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, ["accepted"; 3], "{lines:#?}");

    let version = format!("exec {pod} -c zohorelay -- /zohorelay-sidecar --version");
    let version = shop.kubectl(&version).await.unwrap();
    let expected = concat!("zohorelay-sidecar ", env!("CARGO_PKG_VERSION"));
    assert_eq!(version.trim(), expected);
    let greeting = look(&shop, &pod).await.unwrap();
    assert!(greeting.starts_with("220 "), "{greeting}");
    let status = forwarded(&shop, &pod, "/status").await.unwrap();
    let found: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(found["identities"][0]["accepted"], 3, "{found:#}");
    assert_eq!(
        found["identities"][0]["upstream"]["host"],
        "smtppro.zoho.com"
    );

    let mut said = all_that_is_said(&shop).await.unwrap();
    said.push(("/status".to_owned(), status));
    for path in ["/metrics", "/summary"] {
        said.push((path.to_owned(), shop.ask(&pod, path).await.unwrap()));
    }
    for (what, text) in &said {
        for secret in forms(&shop) {
            assert!(!text.contains(&secret), "{what} shows the password: {text}");
        }
    }
    // What the whole cluster may read names nobody whom mail goes to.
    for (what, text) in said.iter().filter(|(what, _)| what != "/status") {
        assert!(
            !text.contains(RECIPIENT),
            "{what} names a recipient: {text}"
        );
    }
    shop.close().await.unwrap().verdict.assert_sound(0);
}

#[tokio::test]
async fn describe_of_a_broken_pod_and_of_its_identity_tell_what_is_wrong() {
    let shop = Shop::open("broken").await.unwrap();

    // The identity is not there: the pod runs, the app is told, and so is who looks.
    let annotations = serde_json::json!({"zohorelay.dev/identities": "nobody"});
    let orphan = shop.deployment("orphan").flags(&["--linger"]);
    let orphan = orphan.set_pod("/metadata/annotations", annotations);
    shop.start(&orphan).await.unwrap();
    shop.told
        .until("the app is told", |entries| entries.iter().any(|e| e.ended))
        .await
        .unwrap();
    let told = shop.told.failed().remove(0);
    assert!(told.text.contains("nobody not configured yet"), "{told:?}");
    let orphan = ask::name(&shop.pod_of("orphan").await.unwrap());
    let log = shop.log_of(&orphan).await.unwrap();
    let said = |line: &Value| line["identity"] == "nobody" && line["class"] == "not_configured";
    assert!(log.iter().any(said), "{log:#?}");
    let describe = format!("describe pod {orphan}");
    let described = shop.kubectl(&describe).await.unwrap();
    for sign in ["zohorelay.dev/identities: nobody", "zohorelay-nobody"] {
        assert!(described.contains(sign), "{described}");
    }

    // The sidecar's image is not there: the pod says so, and the identity counts it.
    without_image(&shop, "shop").await.unwrap();
    let missed = |pod: &Pod| waits(pod).is_some_and(|reason| reason.contains("ImagePull"));
    let what = "the image is missed";
    shop.until::<Pod>("shop", what, missed).await.unwrap();
    let described = shop.kubectl("describe pod shop").await.unwrap();
    assert!(
        described.contains("Failed to pull image \"zohorelay/sidecar:missing\""),
        "{described}"
    );

    // Such a pod was never asked what it has.
    shop.until::<MailIdentity>(IDENTITY, "the pod is counted", |found| {
        let conditions = found.status.iter().flat_map(|status| &status.conditions);
        let mut conditions = conditions.filter(|condition| condition.type_ == "RolledOut");
        conditions.any(|condition| condition.message.contains("1 of 1 pod"))
    })
    .await
    .unwrap();
    let describe = format!("describe mid {IDENTITY}");
    let described = shop.kubectl(&describe).await.unwrap();
    assert!(described.contains("were not asked yet"), "{described}");
    let end = shop.close().await.unwrap();
    end.verdict.assert_sound(0);
}

/// Starts a pod as the webhook makes it, but for the image of its sidecar, which does not exist.
async fn without_image(shop: &Shop, name: &str) -> Result<()> {
    let pod: Pod = serde_json::from_value(shop.pod(name).object().clone())?;
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let injected = shop.api::<Pod>().create(&dry_run, &pod).await?;
    let mut pod = pod;
    pod.metadata.annotations = injected.metadata.annotations;
    pod.spec = injected.spec;
    let spec = pod.spec.as_mut().context("a spec")?;
    let sidecar = spec
        .init_containers
        .as_mut()
        .and_then(|all| all.first_mut());
    sidecar.context("a sidecar")?.image = Some("zohorelay/sidecar:missing".to_owned());
    shop.api().create(&PostParams::default(), &pod).await?;
    Ok(())
}

/// What the sidecar of a pod waits for.
fn waits(pod: &Pod) -> Option<&str> {
    let statuses = pod.status.as_ref()?.init_container_statuses.as_ref()?;
    let waiting = statuses.first()?.state.as_ref()?.waiting.as_ref()?;
    waiting.reason.as_deref()
}

/// What is said at the port of SMTP, as somebody who debugs sees it.
async fn look(shop: &Shop, pod: &str) -> Result<String> {
    let container = ["debug", pod, "-c", "look", "--target=zohorelay"];
    let image = [
        "--image=zohorelay/busybox:1",
        "--image-pull-policy=IfNotPresent",
    ];
    let script = "printf 'QUIT\\r\\n' | timeout 10 nc 127.0.0.1 2525";
    let command = [
        "--profile=restricted",
        "--",
        "/bin/busybox",
        "sh",
        "-c",
        script,
    ];
    shop.kubectl_with(&[&container[..], &image, &command].concat())
        .await?;
    shop.until::<Pod>(pod, "the look has ended", |pod| {
        let status = pod.status.as_ref();
        let added = status.and_then(|status| status.ephemeral_container_statuses.as_ref());
        let mut of_each = added
            .into_iter()
            .flatten()
            .filter_map(|look| look.state.as_ref());
        of_each.any(|state| state.terminated.is_some())
    })
    .await?;
    shop.kubectl(&format!("logs {pod} -c look")).await
}

/// What a path at the sidecar's loopback port answers by `kubectl port-forward`.
async fn forwarded(shop: &Shop, pod: &str, path: &str) -> Result<String> {
    let mut command = shop.ground.cluster.command(Program::Kubectl)?;
    command.args(["-n", &shop.namespace, "port-forward", pod, ":9466"]);
    let mut forwarder = Command::from(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut said = String::new();
    let stdout = forwarder.stdout.take().context("its output")?;
    // It ends when nobody takes what it prints.
    let mut stdout = BufReader::new(stdout);
    stdout.read_line(&mut said).await?;
    let address = said.split_whitespace().nth(2).context("an address")?;
    let mut socket = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    drop(stdout);
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer")?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "{head}");
    Ok(body.to_owned())
}

/// Every log, object but Secrets, event and description of the shop, and the logs of the operator.
async fn all_that_is_said(shop: &Shop) -> Result<Vec<(String, String)>> {
    let mut said = Vec::new();
    for command in [
        "logs -l app=shop --all-containers --tail=-1".to_owned(),
        "get events -o yaml".to_owned(),
        "get deployments,replicasets,pods,mid,configmaps -o yaml".to_owned(),
        "describe deployments,replicasets,pods,mid,secrets".to_owned(),
        format!("logs -n {SYSTEM} -l app.kubernetes.io/instance={RELEASE} --tail=-1"),
    ] {
        let text = shop.kubectl(&command).await?;
        ensure!(text.lines().count() > 3, "{command} says little: {text}");
        said.push((command, text));
    }
    Ok(said)
}

/// How the password may be written down: as it is, as a Secret has it, and as AUTH PLAIN carries it.
fn forms(shop: &Shop) -> [String; 3] {
    let password = &shop.password;
    let plain = format!("\0{}\0{password}", shop.address());
    [
        password.clone(),
        STANDARD.encode(password),
        STANDARD.encode(plain),
    ]
}
