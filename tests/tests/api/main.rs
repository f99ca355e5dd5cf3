//! The operator at a real API server: etcd, kube-apiserver and kube-controller-manager on loopback.
//!
//! What the other suites stand on:
//!
//! - [`control_plane`]: it behaves as a cluster does
//! - [`proxy`]: it misbehaves as it is told
//! - [`judges`]: kstatus and Argo CD have their say
//! - [`loopback`]: nobody else can reach any of it
//! - [`attach`]: the sidecar attached to pods, and the whole way of a mail
//! - [`identity`]: the life of an identity
//! - [`release`]: a refused login that a person has tried once more
//! - [`faults`]: what the operator makes of an API server that fails, and of its own death
//! - [`webhook`]: its certificate, which the API server must always trust
//! - [`pods`]: pods as the operator sees them, with real sidecar processes behind them
//! - [`delivering`]: what became of mails, of pods that run and of pods that ended
//! - [`hold`]: one pod learns that the account is refused, and all hold
//! - [`doctor`]: what a person is told who runs it
//! - [`start`]: starts that cannot come to anything
//! - [`rights`]: the chart's rights, of which none is missing and none is spare
//!
//! All share one control plane; each test has a namespace of its own. `make test-api` builds what is
//! needed and runs them; tests/cluster/README.md says what there is to write one with.

#![allow(
    clippy::expect_used,
    clippy::float_cmp, // metrics count
    clippy::panic,
    clippy::unwrap_used
)]

mod attach;
mod control_plane;
mod delivering;
mod doctor;
mod faults;
mod hold;
mod identity;
mod judges;
mod loopback;
mod pods;
mod proxy;
mod release;
mod rights;
mod start;
mod webhook;
