//! Every label, annotation, container, volume, port and field-manager name.

/// Prefix of the rendered Secret of an identity: `zohorelay-<identity>`.
pub const SECRET_PREFIX: &str = "zohorelay-";
/// The one key of a rendered Secret. It never changes: a renamed key never reaches a running pod.
pub const DOCUMENT_KEY: &str = "identity.json";
/// Field manager of all that the operator applies.
pub const FIELD_MANAGER: &str = "zohorelay-operator";
/// Name under which the operator reports events.
pub const REPORTER: &str = "zohorelay-operator";

/// Label of what the operator creates; its value is [`MANAGED_BY`].
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY_LABEL`].
pub const MANAGED_BY: &str = "zohorelay";
/// Label of a rendered Secret: the identity it belongs to.
pub const IDENTITY_LABEL: &str = "zohorelay.dev/identity";

/// Annotation of a rendered Secret: `"true"` when the login in it was tried and taken.
pub const VERIFIED: &str = "zohorelay.dev/verified";
/// Annotation of a rendered Secret: the identity's `metadata.generation` that it was made from.
pub const GENERATION: &str = "zohorelay.dev/generation";

/// Annotation of a rendered Secret: the first revision with its login and its `retry`.
pub const LOGIN_SINCE: &str = "zohorelay.dev/login-since";
/// Annotation of a rendered Secret: the value of [`RELEASE_HOLD`] for which `retry` was raised last.
pub const RELEASED: &str = "zohorelay.dev/released";

/// Annotation of an identity: any new value ends a hold, and has a refused login tried once more.
pub const RELEASE_HOLD: &str = "zohorelay.dev/release-hold";

/// Label of a pod that asks for the sidecar: `"true"`.
pub const INJECT: &str = "zohorelay.dev/inject";
/// Annotation of a pod: its identities, comma-separated; the first is the default.
pub const IDENTITIES: &str = "zohorelay.dev/identities";
/// Annotation of a pod: the SMTP port of the sidecar on loopback.
pub const PORT: &str = "zohorelay.dev/port";
/// Annotation of a pod: `"true"` puts `SMTP_HOST` and `SMTP_PORT` into the app's containers.
pub const ENV: &str = "zohorelay.dev/env";
/// Annotation of a pod: `"true"` offers AUTH to apps that insist on logging in.
pub const ACCEPT_ANY_LOGIN: &str = "zohorelay.dev/accept-any-login";
/// Annotation of a pod: the sidecar's `--log`.
pub const LOG: &str = "zohorelay.dev/log";
/// Annotation of a pod: the sidecar's CPU request.
pub const CPU_REQUEST: &str = "zohorelay.dev/cpu-request";
/// Annotation of a pod: the sidecar's CPU limit.
pub const CPU_LIMIT: &str = "zohorelay.dev/cpu-limit";
/// Annotation of a pod: the sidecar's memory request.
pub const MEMORY_REQUEST: &str = "zohorelay.dev/memory-request";
/// Annotation of a pod: the sidecar's memory limit.
pub const MEMORY_LIMIT: &str = "zohorelay.dev/memory-limit";
/// Annotation of an injected pod: the version that injected it.
pub const INJECTED: &str = "zohorelay.dev/injected";
/// Prefix of every annotation of ours; one that is not known is refused.
pub const PREFIX: &str = "zohorelay.dev/";

/// Name of the sidecar's container.
pub const CONTAINER: &str = "zohorelay";
/// Volume with the documents.
pub const IDENTITIES_VOLUME: &str = "zohorelay-identities";
/// Volume for bodies of long mails.
pub const SPOOL_VOLUME: &str = "zohorelay-spool";
/// Empty volume that keeps the pod's service-account token out of the sidecar.
pub const NO_TOKEN_VOLUME: &str = "zohorelay-no-token";
/// Where the documents are mounted.
pub const IDENTITIES_PATH: &str = "/etc/zohorelay/identities";
/// Where the spool is mounted.
pub const SPOOL_PATH: &str = "/var/spool/zohorelay";
/// Where Kubernetes would mount the pod's token.
pub const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The sidecar's program in its image.
pub const SIDECAR_PROGRAM: &str = "/zohorelay-sidecar";
/// Name of the port with `/metrics`, `/live`, `/ready` and `/summary`.
pub const ADMIN_PORT_NAME: &str = "zohorelay-admin";
/// That port.
pub const ADMIN_PORT: u16 = 9465;
/// Port of the page, on loopback.
pub const PAGE_PORT: u16 = 9466;
/// SMTP port where the annotation says none.
pub const SMTP_PORT: u16 = 2525;
