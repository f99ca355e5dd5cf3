//! What a kubelet makes of our container in a pod, without a container: a process with the arguments
//! of the pod, with its volumes in a folder, and with ports that are free.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use zohorelay_cluster::control_plane::Guard;
use zohorelay_tests::kubelet::Projection;
use zohorelay_tests::objects::api;
use zohorelay_tests::program::{self, Program};
use zohorelay_tests::sidecar;

use super::world::{self, World};

/// See the module. The process ends when it is dropped.
pub(super) struct Node {
    program: Program,
    projection: Projection,
    sources: Value,
    pub(super) smtp: SocketAddr,
    admin: SocketAddr,
    _guard: Guard,
    _folder: TempDir,
}

impl Node {
    /// Mounts the volumes, starts the container and runs its postStart hook.
    pub(super) async fn run(world: &World, pod: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let container = world::sidecar(pod).unwrap();
        let volumes = pod["spec"]["volumes"].as_array().unwrap();
        let volume = volumes
            .iter()
            .find(|volume| volume["name"] == "zohorelay-identities");
        let sources = volume.unwrap()["projected"]["sources"].clone();
        let mounts: Vec<(&str, PathBuf)> = container["volumeMounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|mount| {
                let volume = folder.path().join(mount["name"].as_str().unwrap());
                std::fs::create_dir(&volume).unwrap();
                (mount["mountPath"].as_str().unwrap(), volume)
            })
            .collect();
        let projection = Projection::mount(&folder.path().join("zohorelay-identities"));
        let mut node = Self::start(world, container, &mounts, projection, sources, folder).await;
        node.sync(world).await;
        node.post_start(container).await;
        node
    }

    async fn start(
        world: &World,
        container: &Value,
        mounts: &[(&str, PathBuf)],
        projection: Projection,
        sources: Value,
        folder: TempDir,
    ) -> Self {
        let arguments = container["args"].as_array().unwrap().iter();
        let arguments = arguments.map(|argument| here(argument.as_str().unwrap(), mounts));
        let mut command = Command::new(sidecar::program());
        command
            .env_clear()
            // What a Service of that name puts into each pod of its namespace.
            .env("ZOHORELAY_SMTP_PORT", "tcp://10.96.0.1:25")
            .args(arguments);
        let mut program = Program::start("the sidecar of a pod", command).unwrap();
        let guard = world.cluster.guard(program.pid());
        let line = program.listening().await.unwrap();
        Self {
            projection,
            sources,
            smtp: program::address(&line, "smtp").unwrap(),
            admin: program::address(&line, "admin").unwrap(),
            program,
            _guard: guard,
            _folder: folder,
        }
    }

    async fn post_start(&self, container: &Value) {
        let hook = &container["lifecycle"]["postStart"]["exec"]["command"];
        let words: Vec<&str> = hook
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it.as_str().unwrap())
            .collect();
        let status = Command::new(sidecar::program())
            .env_clear()
            .args(&words[1..])
            .args(["--admin", &self.admin.to_string()])
            .stdin(Stdio::null())
            .status();
        assert!(status.await.unwrap().success());
    }

    /// The Secrets as they are now, in one swap: a kubelet does so about once a minute.
    pub(super) async fn sync(&mut self, world: &World) {
        let secrets = api::<Secret>(&world.client, &world.namespace);
        let mut files = Vec::new();
        for source in self.sources.as_array().unwrap() {
            let source = &source["secret"];
            let name = source["name"].as_str().unwrap();
            let Some(secret) = secrets.get_opt(name).await.unwrap() else {
                assert_eq!(source["optional"], true, "the pod would not start");
                continue;
            };
            for item in source["items"].as_array().unwrap() {
                let key = item["key"].as_str().unwrap();
                let path = item["path"].as_str().unwrap().to_owned();
                files.push((path, secret.data.as_ref().unwrap()[key].0.clone()));
            }
        }
        self.projection.publish(&files).unwrap();
    }

    /// Waits until the sidecar works with this revision of its document.
    pub(super) async fn has_revision(&self, revision: u64) {
        let name = "zohorelay_sidecar_config_revision";
        #[allow(clippy::cast_precision_loss)] // seconds since 1970
        let revision = revision as f64;
        let metrics = self
            .program
            .metrics_when(self.admin, |metrics| {
                (metrics.value(name, &[]) - revision).abs() < 0.5
            })
            .await;
        metrics.unwrap();
    }

    pub(super) fn log(&self) -> Vec<String> {
        self.program.log()
    }
}

/// An argument with its paths below the mounts, and with ports of its own.
fn here(argument: &str, mounts: &[(&str, PathBuf)]) -> String {
    let Some((flag, value)) = argument.split_once('=') else {
        return argument.to_owned();
    };
    match flag {
        "--smtp-port" => format!("{flag}=0"),
        "--admin" | "--page" => format!("{flag}=127.0.0.1:0"),
        _ => {
            let mount = mounts.iter().find(|(path, _)| *path == value);
            let value = mount.map_or(Path::new(value), |(_, folder)| folder);
            format!("{flag}={}", value.display())
        }
    }
}
