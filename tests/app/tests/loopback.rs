//! The app at a real sidecar and a simulated Zoho: what it tells is what happened.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "the whole crate is a test, helpers too"
)]

use std::net::SocketAddr;
use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;
use zoho_simulator::{Account, Action, Fault, Running, Simulator, Stage};
use zohorelay_tests::document::document;
use zohorelay_tests::ledger::{Ledger, Told, message_id};
use zohorelay_tests::sidecar::{self, Sidecar};

const ADDRESS: &str = "billing@example.com";

async fn world() -> (Running, Sidecar) {
    let account = Account::new(ADDRESS, "app-password");
    let zoho = Simulator::start(zoho_simulator::Options::with_account(account));
    let zoho = zoho.await.unwrap();
    let options = sidecar::Options::with(vec![document("billing", ADDRESS, "app-password", &zoho)]);
    let sidecar = Sidecar::start(options).await.unwrap();
    (zoho, sidecar)
}

fn app(server: SocketAddr, flags: &[&str]) -> Command {
    app_from(ADDRESS, server, flags)
}

fn app_from(address: &str, server: SocketAddr, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_app"));
    command
        .env("SMTP_HOST", server.ip().to_string())
        .env("SMTP_PORT", server.port().to_string())
        .args(["--from", address, "--run", "shop", "--every-ms", "1"])
        .args(flags)
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let parse = |line: &str| serde_json::from_str(line).unwrap();
    text.lines().map(parse).collect()
}

fn ids(zoho: &Running) -> Vec<String> {
    let mails = zoho.mails().into_iter();
    mails.map(|mail| message_id(&mail.content)).collect()
}

#[tokio::test]
async fn each_mail_is_told_before_its_dot_and_after_its_reply() {
    let (zoho, sidecar) = world().await;
    let flags = ["--count", "3", "--body-bytes", "200"];
    let output = app(sidecar.smtp, &flags).output().await.unwrap();
    assert!(output.status.success());
    let lines = lines(&output);
    let mut ledger = Ledger::default();
    for pair in lines.chunks(2) {
        assert_eq!(pair[0]["begin"], true);
        assert_eq!(pair[0]["id"], pair[1]["id"]);
        assert_eq!(pair[1]["code"], 250);
        assert!(pair[1]["took_ms"].is_u64(), "{}", pair[1]);
        ledger.note(pair[1]["id"].as_str().unwrap(), Told::Code(250));
    }
    assert_eq!(ledger.accepted(), 3);
    ledger.judge(&zoho.mails()).assert_sound(0);
    assert!(ids(&zoho)[0].starts_with("<shop."), "{:?}", ids(&zoho));
    assert!(ids(&zoho)[2].ends_with(".3@app.test>"), "{:?}", ids(&zoho));
    assert!(zoho.mails()[0].size_bytes > 300);
}

#[tokio::test]
async fn a_refused_mail_fails_the_app_unless_it_is_told_otherwise() {
    let (zoho, sidecar) = world().await;
    let refused = |flags: &[&str]| app_from("root@example.net", sidecar.smtp, flags);
    let output = refused(&[]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let lines = lines(&output);
    assert!(lines.last().unwrap()["code"].as_u64().unwrap() >= 550);
    assert!(lines.last().unwrap()["text"].is_string());
    let output = refused(&["--exit-zero"]).output().await.unwrap();
    assert!(output.status.success());
    assert_eq!(zoho.mail_count(), 0);
}

#[tokio::test]
async fn a_mail_that_was_put_off_is_submitted_again_under_the_same_id() {
    let (zoho, sidecar) = world().await;
    let later = Fault::new(Stage::Mail, Action::Reply("451 4.3.0 later\r\n".into()));
    zoho.fault(later.times(1)).unwrap();
    let flags = ["--retries", "9", "--retry-ms", "1"];
    let output = app(sidecar.smtp, &flags).output().await.unwrap();
    assert!(output.status.success());
    let lines = lines(&output);
    let told = lines.iter().filter(|line| line.get("code").is_some());
    let told: Vec<&Value> = told.collect();
    assert_eq!(told[0]["code"], 451);
    assert_eq!(told[0]["try"], 1);
    assert_eq!(told[1]["code"], 250);
    assert_eq!(told[1]["try"], 2);
    assert_eq!(told[0]["id"], told[1]["id"]);
    assert_eq!(ids(&zoho), [told[0]["id"].as_str().unwrap()]);
}

#[tokio::test]
async fn nobody_at_the_port_is_told_as_an_error_without_a_code() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let output = app(nobody, &["--retries", "1", "--retry-ms", "1"]).output();
    let output = output.await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let lines = lines(&output);
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line["code"].is_null()));
    assert!(lines[0]["error"].as_str().unwrap().contains("refused"));
}

#[tokio::test]
async fn sigterm_brings_the_last_mails_and_the_end() {
    let (zoho, sidecar) = world().await;
    let mut child = app(sidecar.smtp, &["--count", "0", "--at-term", "2"])
        .spawn()
        .unwrap();
    zoho.wait_until(|zoho| zoho.mail_count() > 1).await;
    let pid = child.id().unwrap().to_string();
    let kill = std::process::Command::new("sh")
        .args(["-c", "kill -s TERM \"$1\"", "sh", &pid])
        .status();
    assert!(kill.unwrap().success());
    let out = child.stdout.take().unwrap();
    let mut lines = BufReader::new(out).lines();
    let mut ended = 0;
    while let Some(line) = lines.next_line().await.unwrap() {
        ended += usize::from(line.contains("\"code\":250"));
    }
    assert!(child.wait().await.unwrap().success());
    assert_eq!(zoho.mail_count(), ended, "each was told");
    assert!(ended >= 4, "two before the signal, two at it: {ended}");
}

#[tokio::test]
async fn a_submission_that_was_open_when_the_app_was_killed_is_known() {
    let (zoho, sidecar) = world().await;
    let stall = Fault::new(Stage::EndOfData, Action::Stall);
    zoho.fault(stall).unwrap();
    let mut child = app(sidecar.smtp, &[]).spawn().unwrap();
    let out = child.stdout.take().unwrap();
    let mut lines = BufReader::new(out).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    child.kill().await.unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["begin"], true);
    assert_eq!(lines.next_line().await.unwrap(), None);
}
