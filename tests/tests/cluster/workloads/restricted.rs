//! Pod Security *restricted*, and what our container may do.

use std::process::Command;

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt as _;
use serde_json::json;
use zohorelay_cluster::Node;
use zohorelay_crds::keys;
use zohorelay_tests::ground::shop::Shop;

use super::status::{container, is_ready};

/// Opted in, and waiting.
async fn ready_pod(shop: &Shop) -> Pod {
    let app = shop.pod("shop").flags(&["--linger"]);
    shop.start(&app).await.unwrap();
    shop.until_mails(1).await.unwrap();
    shop.until("shop", "it is ready", is_ready).await.unwrap()
}

/// The volume that a container has where the pod's token belongs.
fn token_volume<'a>(pod: &'a Pod, containers: &'a [Container], name: &str) -> &'a str {
    let mut found = containers.iter().filter(|container| container.name == name);
    let mounts = found.next().and_then(|found| found.volume_mounts.as_ref());
    let mut mounts = mounts.into_iter().flatten();
    let mount = mounts.find(|mount| mount.mount_path == keys::TOKEN_PATH);
    let mount = mount.unwrap_or_else(|| panic!("{name} has no such mount: {pod:#?}"));
    &mount.name
}

#[tokio::test]
async fn restricted_is_enforced_and_our_pods_pass_it_without_a_token() {
    let shop = Shop::open("restricted").await.unwrap();
    let privileged = shop.pod("privileged").stranger();
    let privileged = privileged.set_pod(
        "/spec/containers/0/securityContext",
        json!({"privileged": true}),
    );
    let refused = shop.start(&privileged).await.unwrap_err();
    let refused = format!("{refused:#}");
    assert!(
        refused.contains(r#"violates PodSecurity "restricted"#),
        "{refused}"
    );

    let pod = ready_pod(&shop).await;
    let spec = pod.spec.as_ref().expect("a spec");
    let init = spec.init_containers.as_deref().unwrap_or_default();
    let names: Vec<_> = init.iter().map(|container| &container.name).collect();
    assert_eq!(names, [keys::CONTAINER]);
    let context = init[0].security_context.as_ref().expect("a context");
    assert_eq!(context.run_as_non_root, Some(true));
    assert_eq!(context.read_only_root_filesystem, Some(true));
    // Where the kubelet tells it (1.33 and newer): as whom it runs.
    let user = container(&pod, keys::CONTAINER).user.as_ref();
    if let Some(linux) = user.and_then(|user| user.linux.as_ref()) {
        assert_ne!(linux.uid, 0);
    }
    assert_eq!(
        token_volume(&pod, init, keys::CONTAINER),
        keys::NO_TOKEN_VOLUME
    );
    let theirs = token_volume(&pod, &spec.containers, "app");
    assert!(theirs.starts_with("kube-api-access-"), "{theirs}");

    let end = shop.close().await.unwrap();
    end.verdict.assert_sound(0);
    assert_eq!(end.ledger.accepted(), 1);
}

/// Of the process of a pod that runs a program: its status, how its root is mounted, and the names in the
/// folder of the token.
const LOOK: &str = r#"
for process in /proc/[0-9]*; do
    read -r -d '' program <"$process/cmdline" && [ "$program" = "$1" ] || continue
    grep -q "/pods/$2/" "$process/mountinfo" || continue
    cat "$process/status"
    awk '$5 == "/" {print "Root:\t" $6}' "$process/mountinfo"
    echo "Token:" $(ls "$process/root$3")
done 2>/dev/null
"#;

/// What the kernel says of a program in a pod, a name and a value a line.
fn look(node: &Node, program: &str, pod: &Pod) -> String {
    let mut command = Command::new("bash");
    let uid = pod.uid().expect("a uid");
    command.args(["-c", LOOK, "look", program, &uid, keys::TOKEN_PATH]);
    let output = node.inside(&command).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn value<'a>(look: &'a str, name: &str) -> Vec<&'a str> {
    let mut lines = look.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(found, _)| *found == name);
    let (_, value) = found.unwrap_or_else(|| panic!("no {name} in {look:?}"));
    value.split_whitespace().collect()
}

#[tokio::test]
async fn the_sidecars_process_has_no_rights_a_root_it_cannot_write_and_no_token() {
    let shop = Shop::open("process").await.unwrap();
    let Some(node) = shop.ground.node() else {
        assert!(std::env::var_os("CI").is_none(), "CI has a node");
        return println!("left out: the sidecar's process needs a node of its own");
    };
    let pod = ready_pod(&shop).await;
    let ours = look(node, keys::SIDECAR_PROGRAM, &pod);
    assert!(!value(&ours, "Uid").contains(&"0"), "{ours}");
    for capabilities in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(
            value(&ours, capabilities),
            ["0000000000000000"],
            "{capabilities}"
        );
    }
    assert_eq!(value(&ours, "NoNewPrivs"), ["1"]);
    assert_eq!(value(&ours, "Seccomp"), ["2"], "by a filter");
    let root = value(&ours, "Root").concat();
    assert!(root.split(',').any(|option| option == "ro"), "{root}");
    assert!(value(&ours, "Token").is_empty(), "{ours}");
    let app = look(node, "/app", &pod);
    assert!(
        value(&app, "Token").contains(&"token"),
        "the app has it: {app}"
    );

    let end = shop.close().await.unwrap();
    end.verdict.assert_sound(0);
    assert_eq!(end.ledger.accepted(), 1);
}
