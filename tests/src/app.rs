//! An SMTP client that says exactly what it is told, for what no library would send.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Patience with a reply; only ever waited out by a test that fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// A reply: its code and its lines joined by `\n`, without their codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Three digits.
    pub code: u16,
    /// The text.
    pub text: String,
}

/// A connection that was greeted.
#[derive(Debug)]
pub struct App {
    socket: BufReader<TcpStream>,
}

impl App {
    /// Connects and reads the greeting.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let (app, greeting) = Self::knock(address).await?;
        if greeting.code != 220 {
            bail!("greeted with {greeting:?}");
        }
        Ok(app)
    }

    /// Connects and gives what it was greeted with.
    pub async fn knock(address: SocketAddr) -> Result<(Self, Reply)> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let mut app = Self {
            socket: BufReader::new(socket),
        };
        let greeting = app.reply().await?;
        Ok((app, greeting))
    }

    /// Writes these bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.socket.get_mut().write_all(bytes).await?)
    }

    /// Reads one reply.
    pub async fn reply(&mut self) -> Result<Reply> {
        match self.reply_or_end().await? {
            Some(reply) => Ok(reply),
            None => bail!("the connection ended where a reply was due"),
        }
    }

    /// Reads one reply, or the end of the connection.
    pub async fn reply_or_end(&mut self) -> Result<Option<Reply>> {
        tokio::time::timeout(PATIENCE, self.read_reply())
            .await
            .context("no reply came")?
    }

    async fn read_reply(&mut self) -> Result<Option<Reply>> {
        let mut text = Vec::new();
        loop {
            let mut line = String::new();
            if self.socket.read_line(&mut line).await? == 0 {
                return Ok(None);
            }
            let line = line
                .strip_suffix("\r\n")
                .with_context(|| format!("no CRLF: {line:?}"))?;
            let code = line.get(..3).context("a code")?.parse()?;
            text.push(line.get(4..).unwrap_or("").to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(Some(Reply {
                    code,
                    text: text.join("\n"),
                }));
            }
        }
    }

    /// Says a command and reads its reply.
    pub async fn say(&mut self, command: &str) -> Result<Reply> {
        self.write(format!("{command}\r\n").as_bytes()).await?;
        self.reply().await
    }

    /// EHLO, MAIL, RCPT and DATA, all of which must be taken.
    pub async fn begin(&mut self, from: &str, to: &[&str]) -> Result<()> {
        self.expect("EHLO app.example", 250).await?;
        self.expect(&format!("MAIL FROM:<{from}>"), 250).await?;
        for recipient in to {
            self.expect(&format!("RCPT TO:<{recipient}>"), 250).await?;
        }
        self.expect("DATA", 354).await
    }

    async fn expect(&mut self, command: &str, code: u16) -> Result<()> {
        let reply = self.say(command).await?;
        if reply.code != code {
            bail!("{command} was answered {reply:?}");
        }
        Ok(())
    }

    /// A whole mail with these header fields and a one-line body; gives the reply to the dot.
    pub async fn send(&mut self, envelope: &str, to: &[&str], header: &str) -> Result<Reply> {
        self.begin(envelope, to).await?;
        self.write(format!("{header}\r\nbody\r\n.\r\n").as_bytes())
            .await?;
        self.reply().await
    }
}

/// One mail on a connection of its own.
pub async fn send(address: SocketAddr, envelope: &str, to: &[&str], header: &str) -> Result<Reply> {
    App::connect(address)
        .await?
        .send(envelope, to, header)
        .await
}
