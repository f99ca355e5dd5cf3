//! The webhook: is it there, does it answer for this namespace, is its certificate trusted. PURE.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt as _};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zohorelay_crds::keys;
use zohorelay_process::checkup::Finding;

use super::check::WEBHOOK;
use super::pods::any_sidecar;
use super::scene::{Handshake, Hook, Scene};
use super::skipped;

/// The operator renews 30 days before the end, and so do others: later it does not work.
const NEAR_ITS_END: SignedDuration = SignedDuration::from_hours(14 * 24);
/// The label that the API server gives to each namespace.
const NAME: &str = "kubernetes.io/metadata.name";

type Labels = BTreeMap<String, String>;

/// The configuration that counts for a namespace: the first that selects it, or else any.
pub fn choose<'a>(hooks: &'a [Hook], labels: Option<&Labels>, namespace: &str) -> Option<&'a Hook> {
    let labels = labels_or_name(labels, namespace);
    let selects = |hook: &&Hook| selects(hook.webhook.namespace_selector.as_ref(), &labels);
    hooks.iter().find(selects).or_else(|| hooks.first())
}

/// The webhook of a scene.
pub fn of(scene: &Scene) -> Option<&Hook> {
    let labels = scene.labels.as_ref().ok().and_then(Option::as_ref);
    let hooks = scene.hooks.as_ref().ok()?;
    choose(hooks, labels, &scene.subject.namespace)
}

fn labels_or_name(labels: Option<&Labels>, namespace: &str) -> Labels {
    let name = || Labels::from([(NAME.to_owned(), namespace.to_owned())]);
    labels.cloned().unwrap_or_else(name)
}

fn selects(selector: Option<&LabelSelector>, labels: &Labels) -> bool {
    let Some(selector) = selector else {
        return true;
    };
    // What is no selector the API server would not have taken.
    Selector::try_from(selector.clone()).is_ok_and(|selector| selector.matches(labels))
}

/// Whether new pods of the namespace get the sidecar.
pub fn judge(scene: &Scene) -> Vec<Finding> {
    if let Err(unread) = &scene.hooks {
        return vec![skipped(WEBHOOK, "", unread)];
    }
    let Some(hook) = of(scene) else {
        return vec![absent(scene)];
    };
    let mut findings: Vec<Finding> = [reach(scene, hook), certificate(scene, hook)]
        .into_iter()
        .flatten()
        .chain(behind(scene, hook))
        .collect();
    if findings.is_empty() {
        let here = &scene.subject.namespace;
        let trusted = match scene.handshake {
            Some(Handshake::Trusted) => "; it answers, and its certificate is trusted",
            _ => "",
        };
        let found = format!("pods of namespace {here} are given the sidecar{trusted}");
        findings.push(Finding::ok(WEBHOOK, &hook.configuration, found));
    }
    findings
}

fn absent(scene: &Scene) -> Finding {
    let found = "no webhook is registered, so no pod is given the sidecar when it is made";
    if any_sidecar(scene) {
        return Finding::warning(
            WEBHOOK,
            "",
            found,
            "this is well if all workloads go through zohorelay-operator inject; else install the \
             chart with webhook.enabled",
        );
    }
    Finding::failed(
        WEBHOOK,
        "",
        found,
        "install the chart with webhook.enabled, or put the sidecar into workloads with \
         zohorelay-operator inject; then make the pods anew",
    )
}

/// Whether it is asked about pods of the namespace.
fn reach(scene: &Scene, hook: &Hook) -> Option<Finding> {
    let here = &scene.subject.namespace;
    let selector = hook.webhook.namespace_selector.as_ref();
    let labels = labels_or_name(scene.labels.as_ref().ok().and_then(Option::as_ref), here);
    if let Err(unread) = &scene.labels
        && selector.is_some_and(needs_more_than_the_name)
    {
        return Some(skipped(WEBHOOK, &hook.configuration, unread));
    }
    if !selects(selector, &labels) {
        return Some(not_here(scene, hook));
    }
    let asking = Labels::from([(keys::INJECT.to_owned(), "true".to_owned())]);
    if !selects(hook.webhook.object_selector.as_ref(), &asking) {
        let found = format!(
            "its objectSelector does not take pods with the label {}: \"true\"",
            keys::INJECT
        );
        let remedy = "somebody changed the configuration: helm upgrade puts it right";
        return Some(Finding::failed(WEBHOOK, &hook.configuration, found, remedy));
    }
    let ignores = hook.webhook.failure_policy.as_deref() == Some("Ignore");
    ignores.then(|| {
        Finding::warning(
            WEBHOOK,
            &hook.configuration,
            "failurePolicy is Ignore: pods that are made while the operator does not answer have no \
             sidecar, and nobody says so",
            "set webhook.failurePolicy to Fail; pods without the label are never asked about",
        )
    })
}

fn needs_more_than_the_name(selector: &LabelSelector) -> bool {
    let labels = selector.match_labels.iter().flatten().map(|(key, _)| key);
    let expressions = selector.match_expressions.iter().flatten();
    let mut keys = labels.chain(expressions.map(|it| &it.key));
    keys.any(|key| key != NAME)
}

fn not_here(scene: &Scene, hook: &Hook) -> Finding {
    let here = &scene.subject.namespace;
    if here == "kube-system" || *here == scene.operator_namespace {
        return Finding::failed(
            WEBHOOK,
            &hook.configuration,
            format!("pods of namespace {here} are never given the sidecar"),
            "put identity and workload into a namespace of their own",
        );
    }
    Finding::failed(
        WEBHOOK,
        &hook.configuration,
        format!("its namespaceSelector leaves namespace {here} out"),
        format!(
            "with rbac.scope Namespaces add {here} to rbac.namespaces and run helm upgrade; else \
             compare the labels: kubectl get namespace {here} --show-labels, and kubectl get \
             mutatingwebhookconfiguration {} -o yaml",
            hook.configuration
        ),
    )
}

/// What can be seen of its certificate: the CA ends when the certificate does.
fn certificate(scene: &Scene, hook: &Hook) -> Option<Finding> {
    let bundle = hook.webhook.client_config.ca_bundle.as_ref();
    let failed = |found: String| {
        let place = &scene.operator_namespace;
        let remedy = format!(
            "whoever makes the certificate keeps it: with webhook.certSource internal look at the \
             operator's log (kubectl -n {place} logs -l app.kubernetes.io/component=operator), with \
             cert-manager at its Certificate (kubectl -n {place} describe certificate)"
        );
        Finding::failed(WEBHOOK, &hook.configuration, found, remedy)
    };
    let Some(bundle) = bundle.filter(|bundle| !bundle.0.is_empty()) else {
        return Some(failed(
            "it has no caBundle, so the API server does not trust it and refuses pods that ask"
                .to_owned(),
        ));
    };
    let Some(end) = last_end(&bundle.0) else {
        return Some(failed("its caBundle cannot be read".to_owned()));
    };
    let day = end.strftime("%Y-%m-%d %H:%M UTC");
    if end <= scene.now {
        return Some(failed(format!(
            "the certificates in its caBundle ended at {day}"
        )));
    }
    let left = end.duration_since(scene.now);
    (left < NEAR_ITS_END).then(|| {
        Finding::warning(
            WEBHOOK,
            &hook.configuration,
            format!("its certificate ends at {day} and was not renewed in time"),
            "see why in the operator's log, or at cert-manager's Certificate",
        )
    })
}

/// The end of that which ends last.
fn last_end(bundle: &[u8]) -> Option<Timestamp> {
    let mut last = None;
    for certificate in CertificateDer::pem_slice_iter(bundle) {
        let der = certificate.ok()?;
        let (_, parsed) = X509Certificate::from_der(&der).ok()?;
        let end = Timestamp::from_second(parsed.validity().not_after.timestamp()).ok()?;
        last = last.max(Some(end));
    }
    last
}

/// Who answers.
fn behind(scene: &Scene, hook: &Hook) -> Vec<Finding> {
    let place = &scene.operator_namespace;
    let name = &hook.configuration;
    let mut findings = Vec::new();
    match &scene.endpoints {
        Some(Ok(0)) => findings.push(Finding::failed(
            WEBHOOK,
            name,
            "nobody is behind its Service: no replica of the operator is ready",
            format!("kubectl -n {place} get pods, and the log of those of the operator"),
        )),
        Some(Err(unread)) => findings.push(skipped(WEBHOOK, name, unread)),
        _ => {}
    }
    match &scene.handshake {
        Some(Handshake::Refused(why)) => findings.push(Finding::failed(
            WEBHOOK,
            name,
            format!("its certificate is not trusted by its caBundle: {why}"),
            "if somebody keeps the certificate, put its issuer into caBundle; else the operator \
             mends it within a minute, and its log says why it does not",
        )),
        Some(Handshake::Unreachable(why)) => findings.push(Finding::failed(
            WEBHOOK,
            name,
            format!("it does not answer: {why}"),
            "look at NetworkPolicies, and at firewalls between control plane and nodes",
        )),
        _ => {}
    }
    findings
}

#[cfg(test)]
mod tests;
