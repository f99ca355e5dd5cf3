use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;
use zoho_simulator::{Account, Action, Fault, Options, Running, Simulator, Stage as At};

use super::*;
use crate::identity::validate::fixtures::draft;

struct Bench {
    zoho: Running,
    verifier: Arc<Verifier>,
    leads: watch::Sender<bool>,
    told: mpsc::Receiver<ObjectRef<MailIdentity>>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Bench {
    async fn new(leads: bool) -> Self {
        let account = Account::new("billing@example.com", "app-password");
        let zoho = Simulator::start(Options::with_account(account))
            .await
            .unwrap();
        let spacing = Spacing::new(Duration::ZERO, Duration::ZERO);
        let metrics = Metrics::new("1").unwrap();
        let verifier = Arc::new(Verifier::new(spacing, RootCertStore::empty(), metrics));
        let (leads, led) = watch::channel(leads);
        let (changed, told) = mpsc::channel(8);
        let stop = CancellationToken::new();
        let (runs, token) = (verifier.clone(), stop.clone());
        let task =
            tokio::spawn(async move { runs.run(&Leadership::new(led), &changed, &token).await });
        Self {
            zoho,
            verifier,
            leads,
            told,
            stop,
            task,
        }
    }

    fn document(&self, password: &str) -> Document {
        let mut document = draft(&json!({})).document;
        document.upstream.host = "localhost".to_owned();
        document.upstream.port = self.zoho.implicit_tls().unwrap().port();
        document.upstream.trust_anchors = Some(self.zoho.ca_pem().to_owned());
        document.login.password = zohorelay_config::Password::new(password.to_owned());
        document
    }

    fn ask(&self, document: &Document) {
        self.verifier
            .look(&object(), AttemptKey::of(document), None);
        self.verifier.ask(&object(), document);
    }

    /// What is known once there is news.
    async fn news(&mut self, document: &Document) -> Attempt {
        let told = timeout(Duration::from_secs(20), self.told.recv()).await;
        assert_eq!(told.unwrap(), Some(object()));
        let key = AttemptKey::of(document);
        self.verifier.look(&object(), key, None).attempt
    }

    fn counted(&self, result: &str) -> u64 {
        let logins = &self.verifier.metrics.logins;
        logins.with_label_values(&[result]).get()
    }

    fn logins(&self) -> u64 {
        self.zoho.logins("billing@example.com").total
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
        self.zoho.stop().await;
    }
}

fn object() -> ObjectRef<MailIdentity> {
    ObjectRef::new("billing").within("shop")
}

#[tokio::test]
async fn each_password_is_tried_once_and_what_came_of_it_is_told() {
    let mut bench = Bench::new(true).await;
    let wrong = bench.document("wrong");
    bench.ask(&wrong);
    let attempt = bench.news(&wrong).await;
    assert!(matches!(attempt, Attempt::Refused { code: 535, .. }));
    bench.ask(&wrong);
    let right = bench.document("app-password");
    bench.ask(&right);
    let attempt = bench.news(&right).await;
    assert!(matches!(attempt, Attempt::Accepted { .. }));
    assert_eq!((bench.counted("refused"), bench.counted("ok")), (1, 1));
    assert_eq!(bench.logins(), 2);
    bench.end().await;
}

#[tokio::test]
async fn a_replica_that_does_not_lead_logs_in_nowhere() {
    let mut bench = Bench::new(false).await;
    let document = bench.document("app-password");
    bench.ask(&document);
    tokio::task::yield_now().await;
    bench.leads.send_replace(true);
    bench.verifier.asked.notify_one();
    bench.news(&document).await;
    assert_eq!(bench.logins(), 1);
    bench.end().await;
}

#[tokio::test]
async fn a_login_under_way_is_cut_off_at_the_end_and_put_off() {
    let bench = Bench::new(true).await;
    let stall = Fault::new(At::Auth, Action::Stall);
    bench.zoho.fault(stall).unwrap();
    let document = bench.document("app-password");
    bench.ask(&document);
    bench
        .zoho
        .wait_until(|zoho| zoho.faults().iter().any(|fault| fault.fired > 0))
        .await;
    let verifier = bench.verifier.clone();
    bench.end().await;
    verifier.ask(&object(), &document);
    let next = verifier.logins().next(Instant::now());
    assert!(matches!(next, Next::At(at) if at > Instant::now() + Duration::from_secs(20)));
}
