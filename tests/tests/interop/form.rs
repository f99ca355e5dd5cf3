//! The forms of mail that everything must carry.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The sender: the identity's address.
pub(crate) const FROM: &str = "billing@example.com";

/// What is hard about a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Nothing.
    Plain,
    /// Three recipients, one of them hidden.
    Several,
    /// Lines that begin with dots.
    Dots,
    /// No byte.
    Empty,
    /// Bytes over 127, in UTF-8 and not.
    EightBit,
    /// 20 MiB.
    Large,
}

impl Form {
    pub(crate) const ALL: [Self; 6] = [
        Self::Plain,
        Self::Several,
        Self::Dots,
        Self::Empty,
        Self::EightBit,
        Self::Large,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Several => "several recipients",
            Self::Dots => "dots",
            Self::Empty => "empty",
            Self::EightBit => "8-bit",
            Self::Large => "20 MiB",
        }
    }

    pub(crate) fn recipients(self) -> &'static [&'static str] {
        match self {
            Self::Several => &["ann@example.org", "bob@example.org", "hidden@example.org"],
            _ => &["ann@example.org"],
        }
    }

    /// The body, with CRLF.
    pub(crate) fn body(self) -> Vec<u8> {
        let text = match self {
            Self::Plain | Self::Several => "body\r\n",
            Self::Dots => ".\r\n..\r\n.x\r\n\r\nword\r\n.\r\n...\r\n . \r\n",
            Self::Empty => "",
            Self::EightBit => {
                return b"gr\xc3\xbc\xc3\x9fe \xe2\x82\xac\r\nlatin: \xe9\xff\r\n".into();
            }
            Self::Large => return large(20 * 1024 * 1024),
        };
        text.into()
    }

    /// The whole mail, with CRLF.
    pub(crate) fn mail(self) -> Vec<u8> {
        if self == Self::Empty {
            return Vec::new();
        }
        let mut header = format!("From: Example Billing <{FROM}>\r\n");
        header += match self {
            Self::Several => {
                "To: ann@example.org,\r\n bob@example.org\r\nBcc: hidden@example.org\r\n"
            }
            Self::Plain => "To: ann@example.org\r\nMessage-ID: <plain@app.example>\r\n",
            _ => "To: ann@example.org\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n",
        };
        let _ = write!(header, "Subject: {}\r\n\r\n", self.name());
        [header.into_bytes(), self.body()].concat()
    }

    /// Files with the mail and its body, for programs.
    pub(crate) fn write(self, folder: &Path) -> Files {
        let path = |kind: &str| folder.join(format!("{}.{kind}", self.name()));
        let files = Files {
            crlf: path("crlf"),
            lf: path("lf"),
            body: path("body"),
        };
        let mail = self.mail();
        std::fs::write(&files.lf, with_lf(&mail)).unwrap();
        std::fs::write(&files.crlf, mail).unwrap();
        std::fs::write(&files.body, self.body()).unwrap();
        files
    }
}

/// One mail on disk.
pub(crate) struct Files {
    /// Whole, as on the wire.
    pub(crate) crlf: PathBuf,
    /// Whole, with the line ends of Unix.
    pub(crate) lf: PathBuf,
    /// The body alone, with CRLF.
    pub(crate) body: PathBuf,
}

/// Numbered lines, so that a part that is missing or stands elsewhere shows.
pub(crate) fn large(size_bytes: usize) -> Vec<u8> {
    let mut text = String::with_capacity(size_bytes + 80);
    let filler = "x".repeat(66);
    let mut number = 0;
    while text.len() < size_bytes {
        let _ = write!(text, "{number:08}{filler}\r\n");
        number += 1;
    }
    text.into_bytes()
}

/// CRLF as LF.
pub(crate) fn with_lf(content: &[u8]) -> Vec<u8> {
    content
        .iter()
        .copied()
        .filter(|&byte| byte != b'\r')
        .collect()
}

/// LF as CRLF; for content without CR.
pub(crate) fn with_crlf(content: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(content.len() + content.len() / 32);
    for &byte in content {
        if byte == b'\n' {
            wire.push(b'\r');
        }
        wire.push(byte);
    }
    wire
}
