//! The process from outside: flags, exit codes, ports, pages, signals.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic"
)]

use std::collections::BTreeSet;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use zoho_simulator::{Account, Action, Fault, Options, Running, Simulator, Stage, Then};
use zohorelay_tests::app::{self, App};
use zohorelay_tests::document::document;
use zohorelay_tests::sidecar::{self, Sidecar, get, program};

const FROM: &str = "billing@example.com";
const TO: &[&str] = &["ann@example.org"];
const GOOD: &str = "From: billing@example.com\r\nSubject: canary-subject\r\n";
const RUN_FLAGS: [&str; 12] = [
    "--identities",
    "--identity",
    "--smtp-port",
    "--admin",
    "--page",
    "--spool",
    "--spool-bytes",
    "--max-sessions",
    "--ehlo-name",
    "--accept-any-login",
    "--termination-log",
    "--log",
];

async fn zoho() -> Running {
    let account = Account::new(FROM, "app-password");
    Simulator::start(Options::with_account(account))
        .await
        .unwrap()
}

async fn started(zoho: &Running) -> Sidecar {
    let document = document("billing", FROM, "app-password", zoho);
    let options = sidecar::Options::with(vec![document]);
    Sidecar::start(options).await.unwrap()
}

async fn output(arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    command
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command.output().await.unwrap()
}

/// Exit code, and what it said on stderr.
async fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let output = output(arguments).await;
    assert!(output.stdout.is_empty(), "errors are for stderr");
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

/// Flags of a good start on free ports.
fn good_flags(folder: &Path) -> Vec<String> {
    let folder = folder.display();
    let flags = format!(
        "run --identities {folder} --identity billing --spool {folder} --smtp-port 0 \
         --admin 127.0.0.1:0 --page 127.0.0.1:0"
    );
    flags.split(' ').map(str::to_owned).collect()
}

#[tokio::test]
async fn a_mistake_in_the_flags_ends_with_64_and_advice_before_any_port_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().port().to_string();
    let rows: &[(&[&str], &str)] = &[
        (&["--nonsense"], "--help"),
        (&["--admin", "nonsense"], "as in"),
        (&["--admin", "localhost:80"], "as in"),
        (&["--page", "0.0.0.0:0"], "loopback"),
        (&["--page", "nonsense"], "as in 127.0.0.1:9466"),
        (&["--spool-bytes", "1GB"], "Ki, Mi and Gi"),
        (&["--spool-bytes", "much"], "as in 1Gi"),
        (&["--max-sessions", "0"], "1..=10000"),
        (&["--max-sessions", "many"], "--max-sessions"),
        (&["--smtp-port", "65536"], "65535"),
        (&["--identity", "../etc"], "DNS label"),
        (&["--identity", "other", "--identity", "billing"], "twice"),
        (
            &["--identities", "/no/such/folder"],
            "--identities /no/such/folder",
        ),
        (&["--identities", "/etc/passwd"], "there is no such folder"),
        (&["--log", "loud"], "write for example"),
        (&["--log-format", "xml"], "json, text"),
        (&["--ehlo-name", "a b"], "host name"),
    ];
    for (flags, advice) in rows {
        let mut arguments = good_flags(folder.path());
        // A port that was tried would say so with 69.
        let port = arguments.iter().position(|flag| flag == "--smtp-port");
        arguments[port.unwrap() + 1].clone_from(&taken);
        if let Some(same) = arguments.iter().position(|flag| flag == flags[0])
            && flags[0] != "--identity"
        {
            arguments.drain(same..same + 2);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (code, said) = refused(&[&arguments, *flags].concat()).await;
        assert_eq!(code, Some(64), "{flags:?}: {said}");
        assert!(said.contains(advice), "{flags:?}: {said}");
    }
    let (code, said) = refused(&["run"]).await;
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("--identities <DIR>") && said.contains("--identity <NAME>"));
}

#[tokio::test]
async fn a_taken_port_ends_with_69_and_names_the_address() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (flag, value) in [
        ("--smtp-port", address.port().to_string()),
        ("--admin", address.to_string()),
        ("--page", address.to_string()),
    ] {
        let mut arguments = good_flags(folder.path());
        let at = arguments.iter().position(|known| known == flag).unwrap();
        arguments[at + 1] = value;
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (code, said) = refused(&arguments).await;
        assert_eq!(code, Some(69), "{flag}: {said}");
        assert!(said.contains(&address.to_string()), "{flag}: {said}");
        assert!(said.contains("choose another port"), "{flag}: {said}");
    }
}

#[tokio::test]
async fn a_spool_that_cannot_be_written_ends_with_73() {
    let folder = tempfile::tempdir().unwrap();
    for spool in ["/proc", "/etc/passwd", "/no/such/folder"] {
        let mut arguments = good_flags(folder.path());
        let at = arguments.iter().position(|flag| flag == "--spool").unwrap();
        spool.clone_into(&mut arguments[at + 1]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (code, said) = refused(&arguments).await;
        assert_eq!(code, Some(73), "{spool}: {said}");
        assert!(said.contains(spool) && said.contains("--spool"), "{said}");
    }
}

#[tokio::test]
async fn help_is_on_stdout_and_has_every_flag_and_its_variable() {
    let help = async |arguments: &[&str]| {
        let output = output(arguments).await;
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = help(&["--help"]).await;
    for part in ["run", "wait", "Example:", "Exit codes", "64", "69", "73"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = help(&["run", "--help"]).await;
    for flag in RUN_FLAGS.into_iter().chain(["--log-format"]) {
        let variable = flag
            .trim_start_matches('-')
            .replace('-', "_")
            .to_uppercase();
        assert!(text.contains(&format!("      {flag}")), "{flag}: {text}");
        assert!(
            text.contains(&format!("[env: ZOHORELAY_{variable}=")),
            "{flag}"
        );
    }
    let text = help(&["wait", "--help"]).await;
    assert!(
        text.contains("--admin") && text.contains("--timeout"),
        "{text}"
    );
    let version = help(&["--version"]).await;
    assert!(version.starts_with("zohorelay-sidecar "), "{version}");
}

#[tokio::test]
async fn wait_ends_when_the_sidecar_is_ready_or_says_why_not() {
    let zoho = zoho().await;
    let sidecar = started(&zoho).await;
    let ready = output(&["wait", "--admin", &sidecar.admin.to_string()]).await;
    assert_eq!(ready.status.code(), Some(0));
    let any = format!("0.0.0.0:{}", sidecar.admin.port());
    assert_eq!(
        output(&["wait", "--admin", &any]).await.status.code(),
        Some(0)
    );

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let closed = closed.unwrap().to_string();
    let (code, said) = refused(&["wait", "--admin", &closed, "--timeout", "50ms"]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains(&closed) && said.contains("not ready after 0.05 s"),
        "{said}"
    );
    let page = sidecar.page.to_string();
    let (code, said) = refused(&["wait", "--admin", &page, "--timeout", "50ms"]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("answered 404"), "{said}");
    let (code, said) = refused(&["wait", "--timeout", "soon"]).await;
    assert_eq!(code, Some(64), "{said}");
}

#[tokio::test]
async fn wait_that_began_before_the_sidecar_ends_once_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let admin = free.to_string();
    let mut waiting = Command::new(program())
        .args(["wait", "--admin", &admin, "--timeout", "1m"])
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    assert!(waiting.try_wait().unwrap().is_none());
    let mut arguments = good_flags(folder.path());
    let at = arguments.iter().position(|flag| flag == "--admin").unwrap();
    arguments[at + 1] = admin;
    let _sidecar = listening(Command::new(program()).args(arguments)).await;
    assert_eq!(waiting.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn each_listener_has_its_own_pages_and_the_open_one_names_nobody() {
    let zoho = zoho().await;
    let sidecar = started(&zoho).await;
    app::send(sidecar.smtp, FROM, TO, GOOD).await.unwrap();
    let foreign = "From: visitor@example.net\r\nSubject: canary-subject\r\n";
    app::send(sidecar.smtp, FROM, TO, foreign).await.unwrap();
    for path in ["/live", "/ready", "/metrics", "/summary"] {
        let (code, body) = get(sidecar.admin, path).await.unwrap();
        assert_eq!(code, 200, "{path}");
        for secret in ["@", "example", "localhost", "canary", "app-password"] {
            assert!(!body.contains(secret), "{path}: {secret} in {body}");
        }
        let (code, body) = get(sidecar.page, path).await.unwrap();
        assert_eq!(
            (code, body.contains("/status")),
            (404, true),
            "{path}: {body}"
        );
    }
    let (code, body) = get(sidecar.admin, "/status").await.unwrap();
    assert_eq!(code, 404);
    for path in ["/live", "/ready", "/metrics", "/summary"] {
        assert!(body.contains(path), "{body}");
    }
    let (_, summary) = get(sidecar.admin, "/summary").await.unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    let billing = &summary["identities"][0];
    assert_eq!(billing["accepted"], 1);
    assert_eq!(billing["failed"]["sender_refused"], 1);
    assert_eq!(billing["lastFailure"]["class"], "sender_refused");
    let status = sidecar.status().await.unwrap();
    assert_eq!(status["identities"][0]["addresses"][0], FROM);
    assert!(!status.to_string().contains("app-password"));
}

#[tokio::test]
async fn a_post_is_answered_405() {
    let zoho = zoho().await;
    let sidecar = started(&zoho).await;
    for address in [sidecar.admin, sidecar.page] {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = "POST /ready HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
        assert!(
            answer.to_lowercase().contains("\r\nallow: get, head\r\n"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn smtp_and_status_listen_on_loopback_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = good_flags(folder.path());
    let at = arguments.iter().position(|flag| flag == "--admin").unwrap();
    "[::]:0".clone_into(&mut arguments[at + 1]);
    let (_sidecar, line) = listening(Command::new(program()).args(arguments)).await;
    let has_v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let smtp = line["smtp"].as_str().unwrap();
    let first: SocketAddr = smtp.split(' ').next().unwrap().parse().unwrap();
    let wanted: &[&str] = if has_v6 {
        &["127.0.0.1", "::1"]
    } else {
        &["127.0.0.1"]
    };
    assert_eq!(
        listeners(first.port()),
        wanted.iter().map(|&a| a.to_owned()).collect()
    );
    let port = |field: &str| {
        line[field]
            .as_str()
            .unwrap()
            .parse::<SocketAddr>()
            .unwrap()
            .port()
    };
    assert_eq!(listeners(port("page")), ["127.0.0.1".to_owned()].into());
    let any = if has_v6 { "::" } else { "0.0.0.0" };
    assert_eq!(listeners(port("admin")), [any.to_owned()].into());
}

/// The addresses on which somebody listens at this port.
fn listeners(port: u16) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let table = std::fs::read_to_string(table).unwrap_or_default();
        for line in table.lines().skip(1) {
            let fields: Vec<_> = line.split_whitespace().collect();
            let (address, own_port) = fields[1].split_once(':').unwrap();
            if fields[3] == "0A" && u16::from_str_radix(own_port, 16) == Ok(port) {
                found.insert(from_table(address));
            }
        }
    }
    found
}

/// The table has addresses as 32-bit words in the machine's byte order.
fn from_table(hex: &str) -> String {
    let word = |at: usize| {
        u32::from_str_radix(&hex[at..at + 8], 16)
            .unwrap()
            .to_ne_bytes()
    };
    let bytes: Vec<u8> = (0..hex.len()).step_by(8).flat_map(word).collect();
    match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(v4) => std::net::Ipv4Addr::from(v4).to_string(),
        Err(_) => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).unwrap()).to_string(),
    }
}

#[tokio::test]
async fn sigterm_or_sigint_ends_it_with_0_and_the_app_hears_421() {
    let zoho = zoho().await;
    for signal in ["TERM", "INT"] {
        let (mut sidecar, mut app) = stalled(&zoho).await;
        sidecar.signal(signal).unwrap();
        let reply = app.reply().await.unwrap();
        assert_eq!(reply.code, 421, "{signal}: {reply:?}");
        let status = sidecar.ended().await.unwrap();
        assert_eq!(status.code(), Some(0), "{signal}");
    }
    assert!(zoho.mails().is_empty());
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_with_0() {
    let zoho = zoho().await;
    for signals in [["TERM", "TERM"], ["TERM", "INT"], ["INT", "TERM"]] {
        let (mut sidecar, mut app) = stalled(&zoho).await;
        for (signal, message) in signals.into_iter().zip(["shutting down", "ending at once"]) {
            sidecar.signal(signal).unwrap();
            sidecar
                .logged(|line| line["message"] == message)
                .await
                .unwrap();
        }
        let status = sidecar.ended().await.unwrap();
        assert_eq!(status.code(), Some(0), "{signals:?}");
        let reply = app.reply().await.unwrap();
        assert_eq!(reply.code, 421, "{signals:?}: {reply:?}");
    }
    assert!(zoho.mails().is_empty());
}

#[tokio::test]
async fn a_second_signal_still_answers_and_counts_a_mail_whose_dot_is_out() {
    let zoho = zoho().await;
    let taken = Action::AcceptThen(Then::Stall);
    let (mut sidecar, mut app) = stalled_at(&zoho, Stage::EndOfData, taken).await;
    sidecar.signal("TERM").unwrap();
    sidecar
        .logged(|line| line["message"] == "shutting down")
        .await
        .unwrap();
    sidecar.signal("TERM").unwrap();
    let reply = app.reply().await.unwrap();
    assert_eq!(reply.code, 451, "{reply:?}");
    assert!(reply.text.starts_with("4.4.2 "), "{reply:?}");
    assert_eq!(sidecar.ended().await.unwrap().code(), Some(0));
    let words = std::fs::read(sidecar.folder().join("termination-log")).unwrap();
    let words: Value = serde_json::from_slice(&words).unwrap();
    let failed = &words["identities"]["billing"]["failed"];
    assert_eq!(failed["unknown_outcome"], 1, "{words}");
    assert_eq!(zoho.mails().len(), 1);
}

/// A sidecar with a mail whose 354 does not come, and its app.
async fn stalled(zoho: &Running) -> (Sidecar, App) {
    stalled_at(zoho, Stage::Data, Action::Stall).await
}

async fn stalled_at(zoho: &Running, at: Stage, action: Action) -> (Sidecar, App) {
    let sidecar = started(zoho).await;
    zoho.clear_faults();
    zoho.fault(Fault::new(at, action)).unwrap();
    let mut app = App::connect(sidecar.smtp).await.unwrap();
    app.begin(FROM, TO).await.unwrap();
    app.write(format!("{GOOD}\r\nbody\r\n.\r\n").as_bytes())
        .await
        .unwrap();
    zoho.wait_until(|zoho| zoho.faults()[0].fired == 1).await;
    (sidecar, app)
}

#[tokio::test]
async fn every_flag_of_a_start_can_be_a_variable() {
    let zoho = zoho().await;
    let folder: TempDir = tempfile::tempdir().unwrap();
    let mut child = listening(
        Command::new(program())
            .arg("run")
            .env("ZOHORELAY_IDENTITIES", folder.path())
            .env("ZOHORELAY_IDENTITY", "billing,alerts")
            .env("ZOHORELAY_SMTP_PORT", "0")
            .env("ZOHORELAY_ADMIN", "127.0.0.1:0")
            .env("ZOHORELAY_PAGE", "[::1]:0")
            .env("ZOHORELAY_SPOOL", folder.path())
            .env("ZOHORELAY_SPOOL_BYTES", "1Mi")
            .env("ZOHORELAY_MAX_SESSIONS", "1")
            .env("ZOHORELAY_EHLO_NAME", "relay.example")
            .env("ZOHORELAY_ACCEPT_ANY_LOGIN", "true")
            .env("ZOHORELAY_LOG", "debug")
            .env("ZOHORELAY_LOG_FORMAT", "json"),
    )
    .await;
    let field = |name: &str| child.1[name].as_str().unwrap().to_owned();
    assert!(field("page").starts_with("[::1]:"));
    let smtp = field("smtp").split(' ').next().unwrap().parse().unwrap();
    let admin = field("admin").parse().unwrap();
    let mut app = App::connect(smtp).await.unwrap();
    let ehlo = app.say("EHLO app.example").await.unwrap();
    assert!(ehlo.text.contains("AUTH PLAIN LOGIN"), "{ehlo:?}");
    assert_eq!(App::knock(smtp).await.unwrap().1.code, 421);
    let (_, summary) = get(admin, "/summary").await.unwrap();
    assert!(
        summary.contains("\"billing\"") && summary.contains("\"alerts\""),
        "{summary}"
    );

    let billing = document("billing", FROM, "app-password", &zoho);
    let place = folder.path().join("billing");
    std::fs::create_dir(&place).unwrap();
    std::fs::write(place.join("identity.json"), billing.to_string()).unwrap();
    loop {
        let (_, metrics) = get(admin, "/metrics").await.unwrap();
        if metrics.contains("config_reloads_total{identity=\"billing\",result=\"applied\"} 1") {
            break;
        }
        tokio::task::yield_now().await;
    }
    let reply = app.send(FROM, TO, GOOD).await.unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
    let transcript = zoho.connections()[0].transcript.join("\n");
    assert!(transcript.contains("C: EHLO relay.example"), "{transcript}");
    child.0.kill().await.unwrap();
}

/// Starts it, and gives its line that says where it listens.
async fn listening(command: &mut Command) -> (Child, Value) {
    let mut child = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let found = loop {
        let line = lines.next_line().await.unwrap().expect("it listens");
        let line: Value = serde_json::from_str(&line).expect(&line);
        if line["message"] == "listening" {
            break line;
        }
    };
    // Read on, or its writes would fail.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, found)
}
