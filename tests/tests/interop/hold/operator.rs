//! The operator's own decisions, from summaries to the document, without an API server.

use jiff::Timestamp;
use serde_json::{Value, json};
use zoho_simulator::Running;
use zohorelay_crds::MailIdentity;
use zohorelay_operator::host::AllowedHosts;
use zohorelay_operator::identity::attempt::Attempt;
use zohorelay_operator::identity::build::{read_rendered, rendered_secret};
use zohorelay_operator::identity::decide::{Rendered, Situation, decide};
use zohorelay_operator::identity::logins::Known;
use zohorelay_operator::identity::validate::{SecretFact, validate};
use zohorelay_operator::pods::index::{Index, NamespacedName, Ticket};
use zohorelay_operator::pods::pod::{self, Sighting};
use zohorelay_operator::pods::summary::Summary;

const UID: &str = "5d1f0a52-6c0e-4c3b-9d5b-0a3a5d6c9c11";
const NAMESPACE: &str = "shop";
const NAME: &str = "billing";

/// See the module.
pub(crate) struct Operator {
    identity: MailIdentity,
    password: String,
    rendered: Rendered,
    index: Index,
}

impl Operator {
    pub(crate) fn new(address: &str, password: &str, zoho: &Running) -> Self {
        let identity = json!({
            "apiVersion": "zohorelay.dev/v1alpha1",
            "kind": "MailIdentity",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "uid": UID, "generation": 1},
            "spec": {
                "address": address,
                "server": {
                    "host": "localhost", "port": zoho.implicit_tls().unwrap().port(),
                    "security": "ImplicitTls", "caBundle": zoho.ca_pem(),
                },
                "credentials": {"passwordSecretRef": {"name": "billing-zoho", "key": "password"}},
            },
        });
        let mut index = Index::new("1");
        index.begin_list(&None);
        index.end_list(&None);
        Self {
            identity: serde_json::from_value(identity).unwrap(),
            password: password.to_owned(),
            rendered: Rendered::Absent,
            index,
        }
    }

    /// A pod with a sidecar appears.
    pub(crate) fn see(&mut self, pod: usize) -> Ticket {
        let sidecar = pod::Sidecar {
            injected_by: None,
            admin: Some(([127, 0, 0, 1], 1).into()),
        };
        let sighting = Sighting {
            uid: pod.to_string().into(),
            identities: [NAME.into()].into(),
            sidecar: Some(sidecar),
        };
        let name = NamespacedName::new(NAMESPACE, &format!("web-{pod}"));
        self.index.see(&None, name, Some(sighting)).askable[0]
    }

    /// A pod answered.
    pub(crate) fn hear(&mut self, pod: Ticket, summary: Summary, now: Timestamp) {
        let reports = summary.of_pod(NAMESPACE, &[NAME.into()], now);
        self.index.hear(pod, Some(reports)).unwrap();
    }

    /// Looks at the identity; gives the document if it publishes one.
    pub(crate) fn look(&mut self, now: Timestamp) -> Option<Value> {
        let secret = SecretFact::Found {
            resource_version: "1".to_owned(),
            data: [(
                "password".to_owned(),
                self.password.clone().into_bytes().into(),
            )]
            .into(),
        };
        let allowed = AllowedHosts::parse(&["localhost".to_owned()]).unwrap();
        let attempt = Attempt::Accepted { at: now };
        let decision = decide(&Situation {
            identity: &self.identity,
            draft: validate(&self.identity, &secret, &allowed),
            rendered: self.rendered.clone(),
            known: Known {
                attempt,
                ..Known::default()
            },
            refusals: self
                .index
                .refusals(&NamespacedName::new(NAMESPACE, NAME), UID),
            now,
        });
        let publication = decision.publish?;
        let secret = rendered_secret(&self.identity, &publication, None).unwrap();
        self.rendered = read_rendered(&self.identity, &secret);
        let document = &secret.data.unwrap()["identity.json"].0;
        Some(serde_json::from_slice(document).unwrap())
    }
}
