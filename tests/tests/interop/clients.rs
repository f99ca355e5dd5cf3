//! Clients → tap → sidecar → simulator: what a client put on the wire is what arrives.

mod command;

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use zoho_simulator::{Account, Mail, Options, Running, Simulator};
use zohorelay_tests::document::document;
use zohorelay_tests::sidecar::{self, Sidecar};
use zohorelay_tests::tap::Tap;

use self::command::{Client, Job};
use crate::arrived::{assert_is_sent, excerpt};
use crate::available::{program, say};
use crate::form::{FROM, Form};
use crate::postfix::Postfix;

/// Patience with a client; only ever waited out by a test that fails.
const PATIENCE: Duration = Duration::from_secs(90);

struct World {
    zoho: Running,
    /// Kept because it is killed when dropped.
    _sidecar: Sidecar,
    tap: Tap,
}

impl World {
    async fn start() -> Self {
        let account = Account::new(FROM, "app-password");
        let zoho = Simulator::start(Options::with_account(account))
            .await
            .unwrap();
        let document = document("billing", FROM, "app-password", &zoho);
        let options = sidecar::Options::with(vec![document]);
        let sidecar = Sidecar::start(options).await.unwrap();
        let tap = Tap::start(sidecar.smtp).await.unwrap();
        Self {
            zoho,
            _sidecar: sidecar,
            tap,
        }
    }

    /// Waits for one mail, and holds it against the wire.
    async fn judge(&self, what: &str, form: Form) -> usize {
        let arrival = self.zoho.wait_until(|zoho| zoho.mail_count() > 0);
        let came = tokio::time::timeout(PATIENCE, arrival).await;
        assert!(came.is_ok(), "{what}: no mail came");
        let mails: Vec<Mail> = self.zoho.mails();
        let sent = self.tap.contents();
        assert_eq!((mails.len(), sent.len()), (1, 1), "{what}: one mail each");
        let mail = &mails[0];
        assert_eq!(mail.reverse_path, FROM, "{what}");
        assert_eq!(mail.recipients, form.recipients(), "{what}");
        assert_is_form(&sent[0], form, what);
        assert_is_sent(&mail.content, &sent[0], what);
        self.zoho.clear_mails();
        self.tap.forget();
        sent[0].len()
    }
}

/// The wire itself shows what the form is about; else the test would prove less than it says.
fn assert_is_form(sent: &[u8], form: Form, what: &str) {
    let has = |part: &[u8]| sent.windows(part.len()).any(|window| window == part);
    let good = match form {
        Form::Plain | Form::Several => has(b"body\r\n"),
        Form::Dots => has(b"\r\n.\r\n..\r\n.x\r\n\r\nword\r\n.\r\n...\r\n . \r\n"),
        // Some clients add a header, some a blank line; none adds a body.
        Form::Empty => !has(b"\r\n\r\n") || sent.ends_with(b"\r\n\r\n"),
        Form::EightBit => has(&form.body()),
        Form::Large => sent.len() >= 20 * 1024 * 1024,
    };
    assert!(good, "{what} was sent as {}", excerpt(sent));
}

/// Every form that the client can send, one after the other.
async fn every_form(client: Client) {
    let name = client.name();
    let Some(program) = program(client.part(), name) else {
        return;
    };
    let world = World::start().await;
    let postfix = match client {
        Client::Postfix => Some(Postfix::app(world.tap.address).await),
        _ => None,
    };
    let folder = tempfile::tempdir().unwrap();
    for form in Form::ALL {
        let what = format!("{name:<10} {:<18}", form.name());
        let job = Job {
            program: &program,
            port: world.tap.address.port(),
            form,
            files: &form.write(folder.path()),
            postfix: postfix.as_ref(),
        };
        match client.command(&job) {
            Ok(command) => {
                run(command, &what).await;
                let size_bytes = world.judge(&what, form).await;
                say(&format!("{what} the same {size_bytes} bytes"));
            }
            Err(why) => say(&format!("{what} not sent: {why}")),
        }
    }
}

async fn run(command: std::process::Command, what: &str) {
    let mut command = Command::from(command);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command
        .kill_on_drop(true)
        .spawn()
        .unwrap()
        .wait_with_output();
    let output: Output = tokio::time::timeout(PATIENCE, output)
        .await
        .unwrap_or_else(|_| panic!("{what}: it does not end"))
        .unwrap();
    assert!(
        output.status.success(),
        "{what}: {}: {}{}",
        output.status,
        excerpt(&output.stdout),
        excerpt(&output.stderr)
    );
}

#[tokio::test]
async fn what_smtplib_sends_arrives_byte_for_byte() {
    every_form(Client::Smtplib).await;
}

#[tokio::test]
async fn what_curl_sends_arrives_byte_for_byte() {
    every_form(Client::Curl).await;
}

#[tokio::test]
async fn what_swaks_sends_arrives_byte_for_byte() {
    every_form(Client::Swaks).await;
}

#[tokio::test]
async fn what_msmtp_sends_arrives_byte_for_byte() {
    every_form(Client::Msmtp).await;
}

#[tokio::test]
async fn what_nodemailer_sends_arrives_byte_for_byte() {
    every_form(Client::Nodemailer).await;
}

#[tokio::test]
async fn what_phpmailer_sends_arrives_byte_for_byte() {
    every_form(Client::PhpMailer).await;
}

#[tokio::test]
async fn what_postfix_relays_arrives_byte_for_byte() {
    every_form(Client::Postfix).await;
}
