//! Mail clients that nobody here wrote: Python's smtplib, or curl.

use std::fmt;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

const SMTPLIB: &str = r#"
import smtplib, sys
host, port, sender, recipient, header_from, subject = sys.argv[1:]
content = f"From: {header_from}\r\nTo: {recipient}\r\nSubject: {subject}\r\n\r\nHello.\r\n"
with smtplib.SMTP(host, int(port), timeout=60) as smtp:
    smtp.ehlo()
    steps = (lambda: smtp.mail(sender), lambda: smtp.rcpt(recipient), lambda: smtp.data(content))
    for step in steps:
        try:
            code, text = step()
        except smtplib.SMTPResponseException as error:
            code, text = error.smtp_code, error.smtp_error
        if code >= 300:
            break
    print(code, text.decode())
"#;

/// The client of this machine.
pub(crate) enum Client {
    Smtplib,
    Curl,
}

/// What to send.
pub(crate) struct Letter<'a> {
    pub(crate) envelope: &'a str,
    pub(crate) from: &'a str,
    pub(crate) subject: &'a str,
}

pub(crate) const RECIPIENT: &str = "ann@example.org";

impl Client {
    /// Takes python3, else curl.
    pub(crate) fn find() -> Result<Self> {
        let runs = |program: &str| {
            let mut command = Command::new(program);
            command
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        if runs("python3") {
            Ok(Self::Smtplib)
        } else if runs("curl") {
            Ok(Self::Curl)
        } else {
            bail!("neither python3 nor curl is here to send mail with; install one of them")
        }
    }

    /// Sends a letter; the reply that ended it.
    pub(crate) async fn send(&self, smtp: SocketAddr, letter: &Letter<'_>) -> Result<String> {
        let output = match self {
            Self::Smtplib => smtplib(smtp, letter).output().await,
            Self::Curl => curl(smtp, letter).output().await,
        };
        let output = output.context("running the mail client")?;
        let text = match self {
            Self::Smtplib => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            Self::Curl => last_reply(&String::from_utf8_lossy(&output.stderr)),
        };
        if text.is_empty() {
            bail!(
                "the client said nothing: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(text)
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smtplib => "Python's smtplib",
            Self::Curl => "curl",
        })
    }
}

fn smtplib(smtp: SocketAddr, letter: &Letter<'_>) -> tokio::process::Command {
    let mut command = tokio::process::Command::new("python3");
    command
        .args([
            "-c",
            SMTPLIB,
            &smtp.ip().to_string(),
            &smtp.port().to_string(),
        ])
        .args([letter.envelope, RECIPIENT, letter.from, letter.subject]);
    command
}

fn curl(smtp: SocketAddr, letter: &Letter<'_>) -> tokio::process::Command {
    let content = format!(
        "From: {}\r\nTo: {RECIPIENT}\r\nSubject: {}\r\n\r\nHello.\r\n",
        letter.from, letter.subject
    );
    let mut command = tokio::process::Command::new("sh");
    command
        .args([
            "-c",
            r#"printf %s "$1" | curl -sv "smtp://$2" --mail-from "$3" --mail-rcpt "$4" -T -"#,
        ])
        .args([
            "sh",
            &content,
            &smtp.to_string(),
            letter.envelope,
            RECIPIENT,
        ]);
    command
}

/// The last reply in curl's trace but for that to QUIT.
fn last_reply(trace: &str) -> String {
    let replies = trace.lines().filter_map(|line| line.strip_prefix("< "));
    replies
        .rev()
        .find(|reply| !reply.starts_with("221"))
        .unwrap_or_default()
        .trim()
        .to_owned()
}
