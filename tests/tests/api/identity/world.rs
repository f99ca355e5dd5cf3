//! What each test has: a namespace, an operator that looks after it, and a simulated Zoho.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::DeleteParams;
use kube::{Api, Client};
use serde_json::{Value, json};
use zoho_simulator::{Account, LoginCounts, Options as Zoho, Simulator};
use zohorelay_cluster::{Access, Running, shared};
use zohorelay_crds::MailIdentity;
use zohorelay_tests::metrics::Metrics;
use zohorelay_tests::objects::{self, api, apply_object};
use zohorelay_tests::operator::{Operator, Options};

/// What each password begins with, to find it where none may stand.
pub(crate) const CANARY: &str = "canary-";
/// The mailbox at the simulated Zoho.
pub(crate) const ADDRESS: &str = "billing@example.com";
/// Its other address.
pub(crate) const ALIAS: &str = "invoices@example.com";
/// Its password; searched for where no password may stand.
pub(crate) const GOOD: &str = "canary-right-5f1d7a";
/// Not its password.
pub(crate) const WRONG: &str = "canary-wrong-90b2e4";

/// See the module.
pub(crate) struct World<'a> {
    pub(crate) cluster: &'a Running,
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) zoho: zoho_simulator::Running,
    /// The least time between two logins of one mail domain, for operators that start from now on.
    pub(crate) domain_login_interval: &'static str,
    options: Options,
    operator: Option<Operator>,
    /// What operators that are gone logged.
    logs: Vec<String>,
}

impl World<'static> {
    /// An operator that may use the simulated Zoho and logs in as soon as it likes.
    pub(crate) async fn start() -> Self {
        let mut world = Self::without_operator().await;
        world
            .start_operator(&["--allowed-upstream-host", "localhost"])
            .await;
        world
    }

    /// All but the operator.
    pub(crate) async fn without_operator() -> Self {
        Self::at(shared().await.unwrap()).await
    }
}

impl<'a> World<'a> {
    /// All but the operator, at a control plane that may be the test's own.
    pub(crate) async fn at(cluster: &'a Running) -> Self {
        let client = cluster.client().unwrap();
        let namespace = objects::namespace(&client).await.unwrap();
        objects::install_crds(&client).await.unwrap();
        let account = Account::new(ADDRESS, GOOD).alias(ALIAS);
        let zoho = Simulator::start(Zoho::with_account(account)).await.unwrap();
        // The same name each time: it need not wait for its own lease.
        let options = Options::in_namespace(cluster, &namespace)
            .flags(&["--login-interval", "0ms"])
            .flags(&["--replica", "one", "--webhook-configuration", &namespace]);
        Self {
            cluster,
            client,
            namespace,
            zoho,
            domain_login_interval: "0ms",
            options,
            operator: None,
            logs: Vec::new(),
        }
    }

    /// From now on operators are somebody else, or reach the API server by another way.
    pub(crate) fn change_access(&mut self, access: Access) {
        self.options.access = access;
    }

    /// Looks for passwords in this log, too.
    pub(crate) fn keep_log(&mut self, log: Vec<String>) {
        self.logs.extend(log);
    }

    /// How operators are started.
    pub(crate) fn options(&self) -> Options {
        let interval = ["--domain-login-interval", self.domain_login_interval];
        self.options.clone().flags(&interval)
    }

    /// Starts the operator, now and later with these flags too.
    pub(crate) async fn start_operator(&mut self, flags: &[&str]) {
        self.options = self.options.clone().flags(flags);
        let operator = Operator::start(self.cluster, self.options()).await;
        self.operator = Some(operator.unwrap());
    }

    /// SIGKILL. Gives what it logged.
    pub(crate) async fn kill_operator(&mut self) -> Vec<String> {
        let mut old = self.operator.take().expect("it runs");
        old.kill().unwrap();
        old.ended().await.unwrap();
        let log = old.log();
        self.keep_log(log.clone());
        log
    }

    pub(crate) fn operator(&self) -> &Operator {
        self.operator.as_ref().expect("it runs")
    }

    pub(crate) fn operator_mut(&mut self) -> &mut Operator {
        self.operator.as_mut().expect("it runs")
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        api(&self.client, &self.namespace)
    }

    pub(crate) fn identities(&self) -> Api<MailIdentity> {
        api(&self.client, &self.namespace)
    }

    /// An identity at the simulated Zoho, with its password in the Secret `NAME-zoho`.
    pub(crate) fn identity(&self, name: &str) -> Value {
        json!({
            "apiVersion": "zohorelay.dev/v1alpha1",
            "kind": "MailIdentity",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "address": ADDRESS,
                "aliases": [ALIAS],
                "server": {
                    "host": "localhost",
                    "port": self.zoho.implicit_tls().unwrap().port(),
                    "security": "ImplicitTls",
                    "caBundle": self.zoho.ca_pem(),
                },
                "credentials": {
                    "passwordSecretRef": {"name": format!("{name}-zoho"), "key": "password"},
                },
            },
        })
    }

    pub(crate) async fn apply(&self, object: &Value) {
        apply_object(&self.client, &self.namespace, object)
            .await
            .unwrap();
    }

    /// Writes the Secret `NAME-zoho` with these keys and no others.
    pub(crate) async fn put_secret(&self, name: &str, data: &[(&str, &[u8])]) -> Secret {
        let data: BTreeMap<_, _> = data
            .iter()
            .map(|(key, value)| (*key, BASE64_STANDARD.encode(value)))
            .collect();
        let name = format!("{name}-zoho");
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data,
        });
        self.apply(&secret).await;
        self.secrets().get(&name).await.unwrap()
    }

    pub(crate) async fn put_password(&self, name: &str, password: &str) -> Secret {
        self.put_secret(name, &[("password", password.as_bytes())])
            .await
    }

    pub(crate) async fn delete(&self, name: &str) {
        let params = DeleteParams::default();
        self.identities().delete(name, &params).await.unwrap();
    }

    /// Creates identity and Secret, and waits until pods can send.
    pub(crate) async fn published(&self, name: &str) -> MailIdentity {
        self.put_password(name, GOOD).await;
        self.apply(&self.identity(name)).await;
        self.until(name, "Ready", "True", "Published").await
    }

    /// Waits until a condition of the present spec stands so.
    pub(crate) async fn until(
        &self,
        name: &str,
        kind: &str,
        status: &str,
        reason: &str,
    ) -> MailIdentity {
        self.until_fits(name, &format!("{kind}={status}/{reason}"), |identity| {
            find(identity, kind)
                .is_some_and(|condition| condition.status == status && condition.reason == reason)
        })
        .await
    }

    /// Waits until an identity whose present spec was looked at fits.
    pub(crate) async fn until_fits(
        &self,
        name: &str,
        what: &str,
        fits: impl Fn(&MailIdentity) -> bool,
    ) -> MailIdentity {
        let identities = self.identities();
        let found = objects::until(
            &identities,
            name,
            what,
            |identity: Option<&MailIdentity>| {
                identity.is_some_and(|identity| is_observed(identity) && fits(identity))
            },
        );
        match found.await {
            Ok(found) => found.unwrap(),
            Err(error) => panic!(
                "{error}\nthe operator:\n{}",
                self.operator().log().join("\n")
            ),
        }
    }

    /// Does something, and waits until the operator looked at an identity once more.
    pub(crate) async fn until_looked_at(&self, touch: impl Future<Output = ()>) {
        let count = |metrics: &Metrics| metrics.value("zohorelay_operator_reconciles_total", &[]);
        let before = count(&self.operator().metrics().await.unwrap());
        touch.await;
        self.operator()
            .metrics_when(|metrics| count(metrics) > before)
            .await
            .unwrap();
    }

    /// What pods read.
    pub(crate) async fn document(&self, name: &str) -> Value {
        document(
            &self
                .secrets()
                .get(&format!("zohorelay-{name}"))
                .await
                .unwrap(),
        )
    }

    pub(crate) fn logins(&self) -> LoginCounts {
        self.zoho.logins(ADDRESS)
    }

    /// Accepted and refused logins.
    pub(crate) fn assert_logins(&self, ok: u64, refused: u64) {
        let logins = self.logins();
        assert_eq!((logins.ok, logins.refused), (ok, refused), "{logins:?}");
    }
}

/// Whatever a test is about: no operator logs a password.
impl Drop for World<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let log = self.operator.as_ref().map(Operator::log);
        for line in self.logs.iter().chain(log.iter().flatten()) {
            assert!(!line.contains(CANARY), "a password is in the log: {line}");
        }
    }
}

/// The document in a rendered Secret.
pub(crate) fn document(secret: &Secret) -> Value {
    let data = secret.data.as_ref().unwrap();
    assert_eq!(data.keys().collect::<Vec<_>>(), ["identity.json"]);
    serde_json::from_slice(&data["identity.json"].0).unwrap()
}

/// A condition, if it is there.
pub(crate) fn find<'a>(identity: &'a MailIdentity, kind: &str) -> Option<&'a Condition> {
    let conditions = &identity.status.as_ref()?.conditions;
    conditions.iter().find(|condition| condition.type_ == kind)
}

/// Its message.
pub(crate) fn message(identity: &MailIdentity, kind: &str) -> String {
    find(identity, kind)
        .map(|condition| condition.message.clone())
        .unwrap_or_default()
}

/// `Type=Status/Reason` of each condition but Delivering, which says nothing before there are mails.
pub(crate) fn conditions(identity: &MailIdentity) -> Vec<String> {
    let status = identity.status.as_ref().unwrap();
    (status
        .conditions
        .iter()
        .filter(|it| it.type_ != "Delivering"))
    .map(|it| format!("{}={}/{}", it.type_, it.status, it.reason))
    .collect()
}

fn is_observed(identity: &MailIdentity) -> bool {
    let status = identity.status.as_ref();
    status.and_then(|status| status.observed_generation) == identity.metadata.generation
}
