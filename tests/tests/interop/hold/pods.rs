//! Fifty pods, their mails, and the kubelet.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::Value;
use zoho_simulator::{Account, Options as Zoho, Running, Simulator};
use zohorelay_operator::pods::index::Ticket;
use zohorelay_operator::pods::summary;
use zohorelay_tests::app;
use zohorelay_tests::program::PATIENCE;
use zohorelay_tests::sidecar::{Options, Sidecar};

use super::clock::Clock;
use super::operator::Operator;

const PODS: usize = 50;
const ADDRESS: &str = "billing@example.com";
/// From one moment at which anything happens to the next.
const STEP: Duration = Duration::from_secs(5);
/// The operator asks each pod that often (`operator/src/pods/schedule.rs`).
const QUESTION: Duration = Duration::from_secs(20);
/// The kubelet brings a document so late, by pod.
const LATE: (u64, u64) = (60, 90);

/// See the module.
pub(crate) struct Pods {
    clock: Clock,
    zoho: Running,
    operator: Operator,
    all: Vec<Pod>,
    /// How much was played; the clock may be a little ahead.
    played: Duration,
    mails: usize,
    /// Mails that were told to come again.
    pub(crate) held: u64,
    /// Logins that a pod made while a hold was on its disk.
    pub(crate) refused_on_hold: u64,
}

struct Pod {
    sidecar: Sidecar,
    ticket: Ticket,
    /// Documents that are on their way, and when they are there.
    coming: Vec<(Duration, Value)>,
    /// Until when the document on disk holds, as it says.
    hold: Option<Timestamp>,
    has_held: bool,
}

impl Pods {
    /// All have the document; its password was changed at Zoho since.
    pub(crate) async fn start(faketime: &Path) -> Self {
        let account = Account::new(ADDRESS, "changed at Zoho");
        let zoho = Simulator::start(Zoho::with_account(account)).await.unwrap();
        let mut clock = Clock::start(faketime);
        let mut operator = Operator::new(ADDRESS, "canary-4f0c", &zoho);
        let document = operator.look(clock.now()).unwrap();
        let mut all = Vec::new();
        for number in 0..PODS {
            let environment = clock.environment();
            let environment = environment.each_ref().map(|(key, value)| (*key, &**value));
            let sidecar = start(document.clone(), &environment).await;
            all.push(Pod {
                sidecar,
                ticket: operator.see(number),
                coming: Vec::new(),
                hold: None,
                has_held: false,
            });
        }
        let played = clock.played();
        Self {
            clock,
            zoho,
            operator,
            all,
            played,
            mails: 0,
            held: 0,
            refused_on_hold: 0,
        }
    }

    /// Logins that were refused so far.
    pub(crate) fn refused(&self) -> u64 {
        self.zoho.logins(ADDRESS).refused
    }

    /// Whether each pod had a hold on its disk.
    pub(crate) fn all_have_held(&self) -> bool {
        self.all.iter().all(|pod| pod.has_held)
    }

    /// One mail in each pod, all in the same moment.
    pub(crate) async fn all_at_once(&mut self) {
        let codes = join_all(self.all.iter().map(Pod::send)).await;
        assert!(codes.iter().all(|code| *code == 451), "{codes:?}");
    }

    /// Plays so much time, with a mail each so often in one pod after the other.
    pub(crate) async fn play(&mut self, time: Duration, mail_each: Duration) {
        let end = self.played + time;
        let (mut mail_at, mut question_at) = (self.played, self.played);
        while self.played < end {
            self.clock.forward_to(self.played);
            self.deliver().await;
            if self.played >= mail_at {
                mail_at += mail_each;
                self.mail().await;
            }
            if self.played >= question_at {
                question_at += QUESTION;
                self.ask().await;
            }
            self.publish();
            self.played += STEP;
        }
    }

    async fn mail(&mut self) {
        let before = self.refused();
        // 17 and 50 have no common divisor: it is the turn of each, and not of neighbours.
        let pod = &self.all[self.mails * 17 % PODS];
        self.mails += 1;
        assert_eq!(pod.send().await, 451);
        let refused = self.refused() - before;
        self.held += 1 - refused;
        let now = self.clock.now();
        let is_held = pod.hold.is_some_and(|until| until > now);
        self.refused_on_hold += if is_held { refused } else { 0 };
    }

    async fn ask(&mut self) {
        let questions = self.all.iter().map(|pod| summary::read(pod.sidecar.admin));
        let answers = join_all(questions).await;
        let now = self.clock.now();
        for (pod, answer) in self.all.iter().zip(answers) {
            self.operator.hear(pod.ticket, answer.unwrap(), now);
        }
    }

    fn publish(&mut self) {
        let Some(document) = self.operator.look(self.clock.now()) else {
            return;
        };
        for pod in &mut self.all {
            let late = Duration::from_secs(fastrand::u64(LATE.0..=LATE.1));
            pod.coming.push((self.played + late, document.clone()));
        }
    }

    async fn deliver(&mut self) {
        let played = self.played;
        join_all(self.all.iter_mut().map(|pod| pod.take(played))).await;
    }
}

impl Pod {
    /// Sends a mail, and gives the code of the answer.
    async fn send(&self) -> u16 {
        let header = format!("From: {ADDRESS}\r\nSubject: hello\r\n");
        let sent = app::send(self.sidecar.smtp, ADDRESS, &["ann@example.org"], &header);
        sent.await.unwrap().code
    }

    /// Takes what the kubelet brought.
    async fn take(&mut self, played: Duration) {
        let Some(newest) = self.coming.iter().rposition(|(at, _)| *at <= played) else {
            return;
        };
        // What was published before it comes no more.
        let Some((_, document)) = self.coming.drain(..=newest).next_back() else {
            return;
        };
        self.sidecar.write(&document).unwrap();
        let looks = async {
            while self.sidecar.status().await.unwrap()["identities"][0]["revision"]
                != document["revision"]
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, looks)
            .await
            .expect("it takes the document");
        let until = document["hold"]["until"].as_str();
        let hold = until.map(|until| until.parse().unwrap());
        self.has_held |= hold.is_some();
        self.hold = hold;
    }
}

async fn start(document: Value, environment: &[(&str, &OsStr)]) -> Sidecar {
    Sidecar::start_in(Options::with(vec![document]), environment)
        .await
        .unwrap()
}
