//! One submission by plain SMTP (RFC 5321), on a connection of its own.

use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::tell::Telling;

/// Patience with one reply: the ten minutes of RFC 5321 section 4.5.3.2 for the longest of them.
const PATIENCE: Duration = Duration::from_secs(600);

/// A mail.
pub(crate) struct Mail {
    /// Message-ID with its angle brackets.
    pub(crate) id: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) body_bytes: usize,
}

/// A reply: its code, and its lines joined by spaces, without their codes.
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) text: String,
}

/// Submits a mail once, tells how it went, and gives the code of the reply that ended it; `None` if
/// there is none.
pub(crate) async fn submit(server: (&str, u16), mail: &Mail, attempt: u32) -> Option<u16> {
    let telling = Telling::start(&mail.id, attempt);
    let reply = converse(server, mail, &telling).await;
    telling.ended(&reply);
    reply.ok().map(|reply| reply.code)
}

/// Gives the reply to the dot, or the first one that is not as hoped for.
async fn converse(server: (&str, u16), mail: &Mail, telling: &Telling<'_>) -> io::Result<Reply> {
    let mut socket = BufReader::new(TcpStream::connect(server).await?);
    let greeting = read_reply(&mut socket).await?;
    if greeting.code != 220 {
        return Ok(greeting);
    }
    let commands = [
        ("EHLO app.test".to_owned(), 250),
        (format!("MAIL FROM:<{}>", mail.from), 250),
        (format!("RCPT TO:<{}>", mail.to), 250),
        ("DATA".to_owned(), 354),
    ];
    for (command, hoped_for) in commands {
        let reply = ask(&mut socket, &format!("{command}\r\n")).await?;
        if reply.code != hoped_for {
            return Ok(reply);
        }
    }
    socket.write_all(content(mail).as_bytes()).await?;
    telling.begins();
    let reply = ask(&mut socket, ".\r\n").await?;
    // The mail has its reply; how the connection ends does not matter.
    let _ = ask(&mut socket, "QUIT\r\n").await;
    Ok(reply)
}

fn content(mail: &Mail) -> String {
    let Mail { id, from, to, .. } = mail;
    let mut content =
        format!("From: <{from}>\r\nTo: <{to}>\r\nSubject: {id}\r\nMessage-ID: {id}\r\n\r\n");
    let mut left = mail.body_bytes;
    while left > 0 {
        let line = left.min(72);
        content.push_str(&"x".repeat(line));
        content.push_str("\r\n");
        left -= line;
    }
    content
}

async fn ask(socket: &mut BufReader<TcpStream>, command: &str) -> io::Result<Reply> {
    socket.write_all(command.as_bytes()).await?;
    read_reply(socket).await
}

async fn read_reply(socket: &mut BufReader<TcpStream>) -> io::Result<Reply> {
    timeout(PATIENCE, read_lines(socket)).await?
}

async fn read_lines(socket: &mut BufReader<TcpStream>) -> io::Result<Reply> {
    let mut text = Vec::new();
    loop {
        let mut line = String::new();
        if socket.read_line(&mut line).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let code = line.get(..3).and_then(|code| code.parse().ok());
        let code = code.ok_or(ErrorKind::InvalidData)?;
        text.push(line.get(4..).unwrap_or_default().trim_end().to_owned());
        if line.as_bytes().get(3) != Some(&b'-') {
            let text = text.join(" ");
            return Ok(Reply { code, text });
        }
    }
}
