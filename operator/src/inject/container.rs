//! The sidecar as a container, and the volumes that it mounts.

use serde_json::{Map, Value, json};
use zohorelay_crds::keys;

use super::decide::Request;
use super::pod::Pod;
use super::resources::{limits_disk, resources};
use super::settings::Settings;

/// What all mails under way may take of the spool.
const SPOOL_BYTES: &str = "1Gi";
/// The same where the pod's disk is limited: nine mails of the largest size.
pub const SHARED_SPOOL_BYTES: &str = "384Mi";

/// Our container: a native sidecar (KEP-753) that passes Pod Security *restricted*.
///
/// It has no probes (a readiness probe would gate the app, and a startup probe of a sidecar has kept
/// apps from starting) and no preStop (it would run while the app still sends).
pub fn container(pod: &Pod<'_>, request: &Request, settings: &Settings) -> Value {
    let mut container = json!({
        "name": keys::CONTAINER,
        "image": settings.image,
        "restartPolicy": "Always",
        "args": args(pod, request, settings),
        "lifecycle": {"postStart": {"exec": {"command": [keys::SIDECAR_PROGRAM, "wait"]}}},
        "ports": [{
            "name": keys::ADMIN_PORT_NAME,
            "containerPort": keys::ADMIN_PORT,
            "protocol": "TCP",
        }],
        "resources": resources(pod, request, settings),
        "securityContext": security_context(settings),
        "volumeMounts": [
            {"name": keys::IDENTITIES_VOLUME, "mountPath": keys::IDENTITIES_PATH, "readOnly": true},
            {"name": keys::SPOOL_VOLUME, "mountPath": keys::SPOOL_PATH},
            {"name": keys::NO_TOKEN_VOLUME, "mountPath": keys::TOKEN_PATH, "readOnly": true},
        ],
    });
    if let Some(policy) = &settings.image_pull_policy {
        container["imagePullPolicy"] = json!(policy);
    }
    container
}

/// Every flag whose variable something else might set: a Service named zohorelay-smtp becomes
/// `ZOHORELAY_SMTP_PORT` in each pod of its namespace.
fn args(pod: &Pod<'_>, request: &Request, settings: &Settings) -> Vec<String> {
    let spool_bytes = if limits_disk(pod) {
        SHARED_SPOOL_BYTES
    } else {
        SPOOL_BYTES
    };
    let mut args = vec![
        "run".to_owned(),
        format!("--identities={}", keys::IDENTITIES_PATH),
    ];
    args.extend(request.identities.iter().map(|i| format!("--identity={i}")));
    args.extend([
        format!("--smtp-port={}", request.port),
        format!("--admin=[::]:{}", keys::ADMIN_PORT),
        format!("--page=127.0.0.1:{}", keys::PAGE_PORT),
        format!("--spool={}", keys::SPOOL_PATH),
        format!("--spool-bytes={spool_bytes}"),
    ]);
    if request.accept_any_login {
        args.push("--accept-any-login".to_owned());
    }
    let log = request.log.as_ref().unwrap_or(&settings.log);
    args.push(format!("--log={log}"));
    args
}

fn security_context(settings: &Settings) -> Value {
    let mut context = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    if let Some(uid) = settings.run_as_user {
        context["runAsUser"] = json!(uid);
    }
    context
}

/// The documents, the spool, and the empty folder that keeps the pod's token away from us: where
/// nothing is mounted there, the API server mounts the token.
///
/// The spool has no sizeLimit: exceeding one evicts the app, and the sidecar bounds itself.
pub fn volumes(request: &Request) -> Vec<Value> {
    let sources: Vec<Value> = request.identities.iter().map(|i| source(i)).collect();
    vec![
        json!({
            "name": keys::IDENTITIES_VOLUME,
            "projected": {"defaultMode": 0o444, "sources": sources},
        }),
        json!({"name": keys::SPOOL_VOLUME, "emptyDir": {}}),
        json!({"name": keys::NO_TOKEN_VOLUME, "emptyDir": {}}),
    ]
}

/// Optional, so that the pod starts before its identity is there.
fn source(identity: &str) -> Value {
    json!({"secret": {
        "name": format!("{}{identity}", keys::SECRET_PREFIX),
        "optional": true,
        "items": [{
            "key": keys::DOCUMENT_KEY,
            "path": format!("{identity}/{}", keys::DOCUMENT_KEY),
        }],
    }})
}

/// `SMTP_HOST` and `SMTP_PORT` for the app.
pub fn variables(request: &Request) -> Vec<Map<String, Value>> {
    [
        ("SMTP_HOST", "127.0.0.1".to_owned()),
        ("SMTP_PORT", request.port.to_string()),
    ]
    .into_iter()
    .map(|(name, value)| {
        Map::from_iter([
            ("name".to_owned(), json!(name)),
            ("value".to_owned(), json!(value)),
        ])
    })
    .collect()
}
