//! What the tests of this crate begin with.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;
use zohorelay_config::Document;
use zohorelay_upstream::Resolver;

use crate::egress::Egress;
use crate::identity::{Active, Identity, Network};
use crate::last_words::LastWords;
use crate::metrics::Metrics;
use crate::roster::Roster;
use crate::shutdown::Shutdown;
use crate::sidecar::Sidecar;
use crate::spool::Spool;

/// A document for `name@example.com`, with `changes` merged in at the top level.
pub(crate) fn json_of(name: &str, changes: &Value) -> Value {
    let address = format!("{name}@example.com");
    let mut document = json!({
        "version": 1,
        "name": name,
        "addresses": {"primary": address},
        "upstream": {"host": "localhost", "port": 465, "security": "ImplicitTls"},
        "login": {"username": address, "password": "app-password"},
    });
    for (field, value) in changes.as_object().unwrap() {
        document[field] = value.clone();
    }
    document
}

pub(crate) fn document(name: &str, changes: &Value) -> Document {
    let json = json_of(name, changes).to_string();
    Document::load(json.as_bytes()).unwrap().document
}

pub(crate) fn network() -> Network {
    Network {
        resolver: Arc::new(Resolver::from_system()),
        roots: Arc::new(RootCertStore::empty()),
        ehlo_name: "localhost".to_owned(),
    }
}

/// An identity whose document is awaited.
pub(crate) fn identity(name: &str) -> Arc<Identity> {
    let metrics = Metrics::new("1").unwrap();
    Arc::new(Identity::new(name, metrics.identity(name)))
}

/// An identity with a document.
pub(crate) fn applied(name: &str, changes: &Value) -> Arc<Identity> {
    let identity = identity(name);
    identity.apply(document(name, changes), &network()).unwrap();
    identity
}

/// The document of an identity with what was made of it.
pub(crate) fn active(name: &str, changes: &Value) -> Arc<Active> {
    applied(name, changes).active().unwrap()
}

/// A sidecar of these identities without listeners.
pub(crate) fn sidecar(names: &[&str]) -> Arc<Sidecar> {
    let metrics = Metrics::new("1").unwrap();
    let identity = |name: &&str| Arc::new(Identity::new(name, metrics.identity(name)));
    Arc::new(Sidecar {
        roster: Roster::new(names.iter().map(identity).collect()),
        spool: Spool::open(std::env::temp_dir(), 64 << 20).unwrap(),
        shutdown: Shutdown::default(),
        network: network(),
        egress: Egress::default(),
        last_words: LastWords::new(PathBuf::from("/nowhere/termination-log")),
        tasks: TaskTracker::new(),
        accept_any_login: false,
        metrics,
    })
}

/// The page of `/metrics`, without comments.
pub(crate) fn page(metrics: &Metrics) -> String {
    prometheus::TextEncoder::new()
        .encode_to_string(&metrics.registry().gather())
        .unwrap()
}

/// The value of one series, given as it stands on the page.
pub(crate) fn value(metrics: &Metrics, series: &str) -> f64 {
    let page = page(metrics);
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{page}"))
        .parse()
        .unwrap()
}
