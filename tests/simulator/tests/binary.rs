//! The program: what it prints, what it writes, and how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the whole crate is a test, helpers too"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// Kills the program when a test fails before it ends it.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // Fails when it has ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(arguments: &[&str]) -> (Program, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoho-simulator"));
    let mut child = command
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    (Program(child), serde_json::from_str(&line).unwrap())
}

fn address(line: &Value, name: &str) -> SocketAddr {
    line[name].as_str().unwrap().parse().unwrap()
}

fn folder(name: &str) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn it_announces_its_ports_writes_its_files_and_ends_well_on_either_signal() {
    for signal in ["-TERM", "-INT"] {
        let folder = folder(signal);
        let (ca, ready) = (folder.join("ca.pem"), folder.join("ready.json"));
        for file in [&ca, &ready] {
            // The file of an earlier run, where there was one.
            let _ = std::fs::remove_file(file);
        }
        let (ca_out, ready_file) = (ca.to_str().unwrap(), ready.to_str().unwrap());
        let (mut program, line) = start(&["--ca-out", ca_out, "--ready-file", ready_file]);
        assert_eq!(line["message"], "listening");
        for name in ["implicit_tls", "starttls", "api"] {
            assert_ne!(address(&line, name).port(), 0);
        }
        assert!(
            std::fs::read_to_string(&ca)
                .unwrap()
                .starts_with("-----BEGIN CERTIFICATE-----")
        );
        let mut banner = [0; 4];
        let mut smtp = TcpStream::connect(address(&line, "starttls")).unwrap();
        smtp.read_exact(&mut banner).unwrap();
        assert_eq!(&banner, b"220 ");
        // Written after the line; the accepted connection proves that start was through.
        let written: Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
        assert_eq!(written, line);
        let pid = program.0.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(program.0.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn accounts_aliases_two_factor_and_faults_come_from_the_command_line() {
    let (_program, line) = start(&[
        "--account",
        "billing@example.com:app:a@example.com,@example.org",
        "--two-factor",
        "billing@example.com:own",
        "--fault",
        r#"{"at":"greeting","action":{"reply":"554 no\r\n"}}"#,
    ]);
    let mut api = TcpStream::connect(address(&line, "api")).unwrap();
    api.write_all(b"GET /accounts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    api.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let accounts: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        accounts[0]["aliases"],
        serde_json::json!(["a@example.com", "@example.org"])
    );
    assert_eq!(accounts[0]["two_factor"], true);
    let mut banner = [0; 8];
    let mut smtp = TcpStream::connect(address(&line, "starttls")).unwrap();
    smtp.read_exact(&mut banner).unwrap();
    assert_eq!(&banner, b"554 no\r\n");
}

#[test]
fn mistakes_on_the_command_line_say_what_to_write() {
    let rows: [(&[&str], &str); 6] = [
        (
            &["--account", "billing@example.com"],
            "write address:app-password",
        ),
        (
            &["--two-factor", "a@b:own"],
            "give that account with --account too",
        ),
        (&["--wording", "odd"], "use old or new"),
        (&["--certificate", "odd"], "use one of good, other-name"),
        (&["--fault", "{}"], "write JSON such as"),
        (
            &["--fault", r#"{"at":"mail","action":"refuse_handshake"}"#],
            "means nothing at stage",
        ),
    ];
    for (arguments, text) in rows {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zoho-simulator"));
        let output = command.args(arguments).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(errors.contains(text), "{arguments:?}: {errors}");
    }
}
