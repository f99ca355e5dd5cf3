//! `doctor`: says in plain words why mail of a namespace does not go, and what to do.
//!
//! It reads, and changes nothing. [`gather`] reads all into a [`Scene`](scene::Scene); what follows judges
//! it, in the order in which things depend on each other:
//!
//! - [`cluster`]: the API server, the definition, the namespace, the operator
//! - [`webhook`]: whether pods of the namespace are given the sidecar
//! - [`identity`]: identities and their Secrets, of which only metadata is read
//! - [`workload`], [`pods`]: who asks for the sidecar, has it, and how it runs
//! - [`sidecar`]: what sidecars say of themselves
//!
//! What may not be read is skipped by the name of the right that is missing ([`rights`]).

pub mod bundle;
pub mod check;
pub mod cluster;
#[cfg(test)]
mod fixtures;
pub mod gather;
pub mod identity;
mod near;
pub mod pods;
pub mod rights;
pub mod scene;
pub mod sidecar;
pub mod webhook;
pub mod workload;

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write, stderr, stdout};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use zohorelay_process::checkup::{Check, Checkup, Finding, Style};
use zohorelay_process::{Refusal, exit};

use self::gather::Place;
use self::rights::Unread;
use self::scene::{Scene, Subject};
use crate::args::DoctorArgs;

const PROGRAM: &str = "zohorelay-operator";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Looks at everything, prints what it found, and gives the exit code.
pub async fn run(args: DoctorArgs) -> Result<u8, Refusal> {
    // kube takes the provider of the process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = crate::run::connect::connect().await?;
    let namespace = args
        .namespace
        .unwrap_or_else(|| client.default_namespace().to_owned());
    let subject = Subject {
        namespace,
        identity: args.identity,
        pod: args.pod,
    };
    let place = Place {
        namespace: args.operator_namespace,
        lease: args.lease,
        configuration: args.webhook_configuration,
    };
    // Set by the kubelet in every pod.
    let in_cluster = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    let scene = gather::gather(&client, subject, &place, in_cluster).await;
    let checkup = judge(&scene);
    let to_stdout = args.bundle.as_deref() == Some(Path::new("-"));
    if let Some(path) = &args.bundle {
        let text = bundle::text(&scene, &checkup);
        let written = if to_stdout {
            stdout().write_all(text.as_bytes())
        } else {
            write_new(path, &text)
        };
        written.map_err(|error| {
            let message = format!("writing the bundle {}: {error}", path.display());
            Refusal::new(exit::CANNOT_CREATE, message)
        })?;
    }
    if to_stdout {
        print(&checkup, args.details, &mut stderr());
    } else if args.json {
        let _ = stdout().write_all(checkup.json().as_bytes());
    } else {
        print(&checkup, args.details, &mut stdout());
    }
    Ok(checkup.exit_code())
}

/// Judges what was read.
pub fn judge(scene: &Scene) -> Checkup {
    let mut findings = cluster::judge(scene, VERSION);
    let is_known =
        scene.server.is_ok() && !matches!(&scene.served, Ok(served) if served.is_empty());
    if is_known && !matches!(scene.labels, Ok(None)) {
        findings.extend(webhook::judge(scene));
        findings.extend(identity::judge(scene));
        findings.extend(workload::judge(scene));
        findings.extend(pods::judge(scene, VERSION));
        findings.extend(sidecar::judge(scene));
    }
    let mut checkup = Checkup::new(PROGRAM, VERSION);
    for finding in findings {
        checkup.add(finding);
    }
    checkup
}

/// Not looked at, and whose right is missing.
fn skipped(check: Check, subject: &str, unread: &Unread) -> Finding {
    Finding::skipped(
        check,
        subject,
        format!("{}: {}", unread.why(), unread.remedy()),
    )
}

/// For its owner only. What is there already is not written over.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

/// For people. A reader who has seen enough (`| head`) is no fault.
fn print(checkup: &Checkup, details: bool, screen: &mut (impl Write + IsTerminal)) {
    let style = Style::of(screen, details);
    let lines = checkup.findings().iter().map(|finding| style.line(finding));
    let text = lines.collect::<String>() + &format!("\n{}\n", checkup.summary());
    let _ = screen.write_all(text.as_bytes());
}
