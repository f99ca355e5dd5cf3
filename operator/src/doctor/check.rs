//! What the doctor looks at, in order, with the exit code of each failure (docs/reference/operator.md).

use zohorelay_process::checkup::Check;

/// The API server answers.
pub const API_SERVER: Check = Check::new("api-server", 30);
/// `MailIdentity` is known there, in our version.
pub const DEFINITION: Check = Check::new("definition", 31);
/// The namespace is there.
pub const NAMESPACE: Check = Check::new("namespace", 32);
/// A replica of the operator leads.
pub const OPERATOR: Check = Check::new("operator", 33);
/// Pods of the namespace are given the sidecar.
pub const WEBHOOK: Check = Check::new("webhook", 34);
/// The identity is there, and what the operator says of it.
pub const IDENTITY: Check = Check::new("identity", 35);
/// The Secret that it names is there.
pub const SECRET: Check = Check::new("secret", 36);
/// Zoho takes the login.
pub const LOGIN: Check = Check::new("login", 37);
/// Mails are taken.
pub const DELIVERY: Check = Check::new("delivery", 38);
/// What makes pods asks for the sidecar, and rightly.
pub const WORKLOAD: Check = Check::new("workload", 39);
/// Pods have the sidecar, and it runs.
pub const POD: Check = Check::new("pod", 40);
/// What the sidecar says of itself.
pub const SIDECAR: Check = Check::new("sidecar", 41);

/// All of them, in order.
pub const ALL: [Check; 12] = [
    API_SERVER, DEFINITION, NAMESPACE, OPERATOR, WEBHOOK, IDENTITY, SECRET, LOGIN, DELIVERY,
    WORKLOAD, POD, SIDECAR,
];
