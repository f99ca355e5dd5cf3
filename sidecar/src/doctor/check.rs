//! What is looked at, with the exit code of its failure: the table in docs/reference/doctor.md.

use zohorelay_process::checkup::Check;

pub(crate) const DOCUMENT: Check = Check::new("document", 10);
/// Never fails: the doctor also works where no sidecar runs.
pub(crate) const SIDECAR: Check = Check::new("sidecar", 0);
pub(crate) const RESOLVE: Check = Check::new("resolve", 11);
pub(crate) const CONNECT: Check = Check::new("connect", 12);
pub(crate) const TLS: Check = Check::new("tls", 13);
pub(crate) const GREETING: Check = Check::new("greeting", 14);
pub(crate) const AUTH: Check = Check::new("auth", 15);
pub(crate) const SENDER: Check = Check::new("sender", 16);
/// These three never fail: Zoho takes mails of a domain without them.
pub(crate) const SPF: Check = Check::new("spf", 0);
pub(crate) const DKIM: Check = Check::new("dkim", 0);
pub(crate) const MX: Check = Check::new("mx", 0);
/// Never fails: it is for Zoho's support to read.
pub(crate) const ROUTE: Check = Check::new("route", 0);

/// All of them, in the order in which they are made.
pub const ALL: [Check; 12] = [
    DOCUMENT, SIDECAR, RESOLVE, CONNECT, TLS, GREETING, AUTH, SENDER, SPF, DKIM, MX, ROUTE,
];
