//! How each client is called for each form.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::available::{folder, script};
use crate::form::{FROM, Files, Form};
use crate::postfix::Postfix;

/// A program that sends mail.
#[derive(Clone, Copy, Debug)]
pub(super) enum Client {
    Smtplib,
    Curl,
    Swaks,
    Msmtp,
    Nodemailer,
    PhpMailer,
    Postfix,
}

/// One mail to send.
pub(super) struct Job<'a> {
    pub(super) program: &'a Path,
    pub(super) port: u16,
    pub(super) form: Form,
    pub(super) files: &'a Files,
    pub(super) postfix: Option<&'a Postfix>,
}

impl Client {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Smtplib => "smtplib",
            Self::Nodemailer => "nodemailer",
            Self::PhpMailer => "PHPMailer",
            Self::Postfix => "Postfix",
            _ => self.part(),
        }
    }

    /// Its name in the list of what is here.
    pub(super) fn part(self) -> &'static str {
        match self {
            Self::Smtplib => "python3",
            Self::Curl => "curl",
            Self::Swaks => "swaks",
            Self::Msmtp => "msmtp",
            Self::Nodemailer => "nodemailer",
            Self::PhpMailer => "phpmailer",
            Self::Postfix => "postfix",
        }
    }

    /// The command, or why this client cannot send this form.
    pub(super) fn command(self, job: &Job<'_>) -> Result<Command, &'static str> {
        let mut command = Command::new(job.program);
        let port = job.port.to_string();
        let recipients = job.form.recipients();
        command.stdin(Stdio::null());
        match self {
            Self::Smtplib => {
                command.arg(script("clients/smtplib_send.py"));
                command
                    .args([&port, FROM])
                    .arg(&job.files.crlf)
                    .args(recipients);
            }
            Self::Curl => curl(&mut command, job),
            Self::Swaks if job.form == Form::Empty => {
                return Err("--data takes an empty text for the name of a file");
            }
            Self::Swaks => swaks(&mut command, job),
            Self::Msmtp => {
                command.args([
                    "--host=127.0.0.1",
                    "--tls=off",
                    "--auth=off",
                    "--domain=app.example",
                ]);
                command.args([format!("--port={port}"), format!("--from={FROM}")]);
                command
                    .arg("--")
                    .args(recipients)
                    .stdin(open(&job.files.lf));
            }
            Self::Nodemailer => {
                command.arg(script("clients/nodemailer_send.js"));
                command.arg(folder().join("node/node_modules/nodemailer"));
                let raw = matches!(job.form, Form::Dots | Form::EightBit | Form::Empty);
                composed(&mut command, job, raw);
            }
            Self::PhpMailer => {
                command.arg(script("clients/phpmailer_send.php"));
                composed(&mut command, job, job.form == Form::Empty);
            }
            Self::Postfix => {
                command = job.postfix.expect("it was started").sendmail(recipients);
                command.stdin(open(&job.files.lf));
            }
        }
        Ok(command)
    }
}

fn curl(command: &mut Command, job: &Job<'_>) {
    command.args(["--silent", "--show-error", "--noproxy", "*"]);
    command.arg(format!("smtp://127.0.0.1:{}/app.example", job.port));
    command
        .args(["--mail-from", FROM, "--upload-file"])
        .arg(&job.files.crlf);
    for recipient in job.form.recipients() {
        command.args(["--mail-rcpt", recipient]);
    }
}

fn swaks(command: &mut Command, job: &Job<'_>) {
    command.args([
        "--server",
        "127.0.0.1",
        "--helo",
        "app.example",
        "--silent",
        "2",
    ]);
    command.args(["--port", &job.port.to_string(), "--from", FROM]);
    command.args(["--to", &job.form.recipients().join(",")]);
    command
        .arg("--suppress-data")
        .arg("--data")
        .arg(format!("@{}", job.files.lf.display()));
}

/// The arguments of the two scripts around libraries that compose mail themselves.
fn composed(command: &mut Command, job: &Job<'_>, raw: bool) {
    let (kind, file) = match job.form {
        _ if raw => ("raw", &job.files.crlf),
        Form::Large => ("attachment", &job.files.body),
        _ => ("text", &job.files.body),
    };
    command.args([&job.port.to_string(), FROM, kind]).arg(file);
    command.args(job.form.recipients());
}

fn open(path: &Path) -> File {
    File::open(path).unwrap()
}
