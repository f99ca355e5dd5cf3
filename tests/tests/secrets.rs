//! Passwords and content stay where they belong: a canary of each, looked for in everything that
//! the sidecar says, and in its memory once it should be gone.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    clippy::cast_precision_loss,
    reason = "a test may panic, and metrics are small whole numbers"
)]

use std::fs::File;
use std::os::unix::fs::FileExt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zoho_simulator::{Account, Action, Fault, Options, Running, Simulator, Stage, Then};
use zohorelay_tests::app;
use zohorelay_tests::document::{document, starttls};
use zohorelay_tests::sidecar::{self, Sidecar, get};

const TO: &[&str] = &["ann@example.org"];
const PASSWORD: &str =
    "canary-Pass/word+4711~one-long-enough-for-a-place-of-its-own-in-the-heap/4712~end";
const NEW_PASSWORD: &str = "canary+8822~two";
const WRONG_PASSWORD: &str = "canary-Pass/word+9933~bad";
const BODY: &str = "canary-body-5544";
const NAMES: [&str; 2] = ["billing", "alerts"];

/// How a password may be written down: as it is, and as AUTH LOGIN and AUTH PLAIN carry it.
fn forms(password: &str) -> Vec<String> {
    let mut forms = vec![password.to_owned(), STANDARD.encode(password)];
    for name in NAMES.iter().chain(&["wrong"]) {
        forms.push(STANDARD.encode(format!("\0{name}@example.com\0{password}")));
    }
    forms
}

async fn zoho() -> Running {
    let accounts = NAMES.map(|name| {
        let mut account = Account::new(format!("{name}@example.com"), PASSWORD);
        account.password = Some(NEW_PASSWORD.to_owned());
        account
    });
    let mut accounts = accounts.to_vec();
    accounts.push(Account::new("wrong@example.com", "right"));
    let options = Options {
        accounts,
        ..Options::default()
    };
    Simulator::start(options).await.unwrap()
}

fn billing(zoho: &Running) -> Value {
    document("billing", "billing@example.com", PASSWORD, zoho)
}

async fn applied(sidecar: &Sidecar, identity: &str, times: f64) {
    let labels = [("identity", identity), ("result", "applied")];
    let name = "zohorelay_sidecar_config_reloads_total";
    sidecar
        .metrics_when(|metrics| metrics.value(name, &labels) == times)
        .await
        .unwrap();
}

async fn send(sidecar: &Sidecar, name: &str) -> app::Reply {
    let from = format!("{name}@example.com");
    let header = format!("From: {from}\r\nSubject: {BODY}\r\n\r\n{BODY}\r\n");
    app::send(sidecar.smtp, &from, TO, &header).await.unwrap()
}

#[tokio::test]
async fn no_password_and_no_content_is_in_anything_that_the_sidecar_says_at_debug() {
    nothing_is_said_at("debug").await;
}

#[tokio::test]
async fn no_password_and_no_content_is_in_anything_that_the_sidecar_says_at_trace() {
    nothing_is_said_at("trace").await;
}

async fn nothing_is_said_at(level: &str) {
    let zoho = zoho().await;
    let documents = vec![
        billing(&zoho),
        starttls("alerts", "alerts@example.com", PASSWORD, &zoho),
        document("wrong", "wrong@example.com", WRONG_PASSWORD, &zoho),
    ];
    let options = sidecar::Options::with(documents).flags(&["--log", level]);
    let mut sidecar = Sidecar::start(options).await.unwrap();
    let mut said = Vec::new();

    for (name, code) in [("billing", 250), ("alerts", 250), ("wrong", 451)] {
        let reply = send(&sidecar, name).await;
        assert_eq!(reply.code, code, "{name}: {reply:?}");
        said.push(reply.text);
    }
    said.extend(faults(&zoho, &sidecar).await);
    said.extend(bad_documents(&zoho, &sidecar).await);

    let mut changed = billing(&zoho);
    changed["login"]["password"] = json!(NEW_PASSWORD);
    sidecar.write(&changed).unwrap();
    applied(&sidecar, "billing", 9.0).await;
    assert_eq!(send(&sidecar, "billing").await.code, 250);

    for (address, path) in [
        (sidecar.admin, "/metrics"),
        (sidecar.admin, "/summary"),
        (sidecar.admin, "/canary"),
        (sidecar.page, "/status"),
        (sidecar.page, "/"),
    ] {
        said.push(get(address, path).await.unwrap().1);
    }
    sidecar.signal("TERM").unwrap();
    assert_eq!(sidecar.ended().await.unwrap().code(), Some(0));
    let words = sidecar.folder().join("termination-log");
    let words = std::fs::read_to_string(words).unwrap();
    assert!(words.contains("auth_failed"), "{words}");
    said.push(words);
    let log = sidecar.log();
    assert!(log.len() > 10, "it did log");
    said.extend(log);
    assert_clean(&said);
    for connection in zoho.connections() {
        assert!(!connection.auth_in_clear);
        assert_clean(&connection.transcript);
    }
}

fn assert_clean(said: &[String]) {
    let mut secrets = vec![BODY.to_owned(), STANDARD.encode(BODY)];
    for password in [PASSWORD, NEW_PASSWORD, WRONG_PASSWORD] {
        secrets.extend(forms(password));
    }
    for text in said {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} in {text}");
        }
    }
}

/// Each way in which an upstream may go away in the middle. A raised `retry` ends the hold of logins
/// that a lost verdict brings.
async fn faults(zoho: &Running, sidecar: &Sidecar) -> Vec<String> {
    let mut said = Vec::new();
    let faults = [
        (Stage::EndOfData, Action::Reset),
        (Stage::EndOfData, Action::AcceptThen(Then::Reset)),
        (Stage::Auth, Action::Reset),
        (Stage::Auth, Action::Close),
        (Stage::Auth, Action::Garbage),
        (Stage::Auth, Action::Reply("454 4.7.0 later\r\n".into())),
        (Stage::Content, Action::Reset),
    ];
    for (retry, (stage, action)) in (1_u32..).zip(faults) {
        zoho.close_idle();
        zoho.fault(Fault::new(stage, action).times(1)).unwrap();
        let reply = send(sidecar, "billing").await;
        let is_held = reply.text.contains(" is held");
        assert!(reply.code == 451 && !is_held, "{stage:?}: {reply:?}");
        said.push(reply.text);
        zoho.clear_faults();
        let mut document = billing(zoho);
        document["retry"] = json!(retry);
        sidecar.write(&document).unwrap();
        applied(sidecar, "billing", f64::from(retry) + 1.0).await;
    }
    said
}

/// Documents with the password where it does not belong.
async fn bad_documents(zoho: &Running, sidecar: &Sidecar) -> Vec<String> {
    let rejected = [("identity", "billing"), ("result", "rejected")];
    let name = "zohorelay_sidecar_config_reloads_total";
    let mut said = Vec::new();
    let rows = [
        ("/login/password", json!({"value": PASSWORD})),
        ("/login/password", json!([PASSWORD])),
        ("/login/password", json!(format!("{PASSWORD}\r\nNOOP"))),
        ("/login/password", json!(PASSWORD.repeat(1000))),
        ("/login", json!(PASSWORD)),
        ("/version", json!(PASSWORD)),
        ("/name", json!(PASSWORD)),
        ("/addresses/primary", json!(PASSWORD)),
        ("/upstream/host", json!(PASSWORD)),
        ("/upstream/port", json!(PASSWORD)),
        ("/upstream/security", json!(PASSWORD)),
        ("/upstream/trustAnchors", json!(PASSWORD)),
    ];
    for (number, (pointer, value)) in rows.into_iter().enumerate() {
        let mut document = billing(zoho);
        *document.pointer_mut(pointer).unwrap() = value;
        write_as_billing(sidecar, document.to_string().as_bytes());
        let wanted = number as f64 + 1.0;
        sidecar
            .metrics_when(|metrics| metrics.value(name, &rejected) == wanted)
            .await
            .unwrap_or_else(|error| panic!("{pointer}: {error}"));
        said.push(sidecar.status().await.unwrap().to_string());
    }
    said
}

/// In place of billing's document, whatever name is in it.
fn write_as_billing(sidecar: &Sidecar, bytes: &[u8]) {
    let folder = sidecar.folder().join("identities/billing");
    std::fs::write(folder.join("new"), bytes).unwrap();
    std::fs::rename(folder.join("new"), folder.join("identity.json")).unwrap();
}

#[tokio::test]
async fn a_password_is_gone_from_memory_when_its_last_connection_is() {
    let zoho = zoho().await;
    let documents = vec![billing(&zoho)];
    let sidecar = Sidecar::start(sidecar::Options::with(documents))
        .await
        .unwrap();
    let Some(memory) = Memory::of(&sidecar) else {
        assert!(std::env::var_os("CI").is_none(), "CI must run this as root");
        eprintln!("LEFT OUT: only root may read the memory of a process that is not dumpable");
        return;
    };
    for _ in 0..5 {
        assert_eq!(send(&sidecar, "billing").await.code, 250);
    }
    assert!(!memory.find(PASSWORD).is_empty(), "it is found where it is");

    let mut changed = billing(&zoho);
    changed["login"]["password"] = json!(NEW_PASSWORD);
    sidecar.write(&changed).unwrap();
    applied(&sidecar, "billing", 2.0).await;
    assert_eq!(send(&sidecar, "billing").await.code, 250);
    zoho.wait_until(|zoho| zoho.connections()[0].ended.is_some())
        .await;
    assert!(!memory.find(NEW_PASSWORD).is_empty());
    let left: Vec<_> = forms(PASSWORD)
        .iter()
        // The allocator writes over the first bytes of what is freed, which hides nothing.
        .flat_map(|form| memory.find(&form[form.len() - 12..]))
        .collect();
    assert!(left.is_empty(), "it is still at {left:#?}");
}

/// The memory of a process, read as a debugger would.
struct Memory {
    pid: u32,
    file: File,
}

impl Memory {
    fn of(sidecar: &Sidecar) -> Option<Self> {
        let pid = sidecar.pid();
        let file = File::open(format!("/proc/{pid}/mem")).ok()?;
        Some(Self { pid, file })
    }

    /// Where this text stands in writable memory: its mapping, and what is around it.
    fn find(&self, text: &str) -> Vec<String> {
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.pid)).unwrap();
        let mut found = Vec::new();
        for map in maps.lines().filter(|map| map.contains(" rw")) {
            let (start, rest) = map.split_once('-').unwrap();
            let end = rest.split(' ').next().unwrap();
            let number = |hex| u64::from_str_radix(hex, 16).unwrap();
            let length = usize::try_from(number(end) - number(start)).unwrap();
            let mut bytes = vec![0; length];
            if self.file.read_exact_at(&mut bytes, number(start)).is_err() {
                continue;
            }
            for at in memchr_all(&bytes, text.as_bytes()) {
                let around = &bytes[at.saturating_sub(40)..(at + text.len() + 40).min(length)];
                let around: String = around.escape_ascii().to_string();
                found.push(format!("{map} +{at:#x}: {around}"));
            }
        }
        found
    }
}

fn memchr_all<'a>(bytes: &'a [u8], text: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let first = text[0];
    let starts = bytes
        .iter()
        .enumerate()
        .filter(move |(_, byte)| **byte == first);
    starts
        .map(|(at, _)| at)
        .filter(move |&at| bytes[at..].starts_with(text))
}
