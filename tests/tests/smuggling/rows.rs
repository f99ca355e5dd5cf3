//! The rows: content after DATA, and what becomes of it.

/// Whose mails they are.
pub(crate) const SENDER: &str = "billing@example.com";

/// The identity's limit: more than the spool switch, and soon filled.
pub(crate) const MESSAGE_BYTES: usize = 300 * 1024;

/// Where a buffer of the sidecar may end: its reads, and the switch from memory to disk.
const EDGES: [usize; 8] = [
    8191, 8192, 16_384, 262_142, 262_143, 262_144, 262_145, 262_146,
];

/// `lineEndings` of the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Normalise,
    Strict,
}

impl Mode {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Normalise => "Normalise",
            Self::Strict => "Strict",
        }
    }
}

/// What a row comes to.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// One mail with this body.
    Mail(Vec<u8>),
    /// 554 5.6.0 at the true end, and the connection closes.
    Refused,
    /// 552 5.3.4 at the true end.
    TooLarge,
    /// Two mails with these bodies: the second was legal.
    Two(Vec<u8>, Vec<u8>),
}

/// One row of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: String,
    /// Sent whole.
    pub(crate) head: Vec<u8>,
    /// Sent in pieces, to the QUIT after the true end.
    pub(crate) tail: Vec<u8>,
    /// Offsets in `tail`.
    pub(crate) cuts: Vec<usize>,
    pub(crate) expected: Expected,
}

impl Row {
    fn new(id: &str, head: &[u8], tail: &[u8], cuts: usize, expected: Expected) -> Self {
        Self {
            id: id.to_owned(),
            head: head.to_vec(),
            tail: tail.to_vec(),
            cuts: (0..=cuts.min(tail.len())).collect(),
            expected,
        }
    }

    /// `*` stands for the number of the way.
    pub(crate) fn recipient(&self) -> String {
        format!("{}-*@example.org", self.id)
    }

    pub(crate) fn second_recipient(&self, number: usize) -> String {
        format!("{}-number{number:03}@example.org", self.id)
    }
}

/// The name of a row, its separator, and what stands in its place in the body.
type Separator = (&'static str, &'static str, Option<(&'static str, bool)>);

/// Rows that put a separator between a first mail and what would be the commands of a second.
/// The separator, and what stands in its place in the body of the only mail; `None` where both
/// modes refuse it; `true` where it is a bare LF, which only Strict refuses.
const SEPARATORS: &[Separator] = &[
    ("f1-lf-dot-lf", "\n.\n", Some(("\r\n.\r\n", true))),
    ("f2-lf-dot-crlf", "\n.\r\n", Some(("\r\n.\r\n", true))),
    ("f3-crlf-dot-lf", "\r\n.\n", Some(("\r\n.\r\n", true))),
    ("f4-cr-dot-cr", "\r.\r", None),
    ("f5-cr-dot-lf", "\r.\n", None),
    ("f6-lf-dot-cr", "\n.\r", None),
    ("f7-cr-dot-crlf", "\r.\r\n", None),
    ("f8-crlf-dot-cr", "\r\n.\r", None),
    ("f9-crlf-dot-crcrlf", "\r\n.\r\r\n", None),
    ("f10-crcrlf-dot-crcrlf", "\r\r\n.\r\r\n", None),
    ("f11-nul-before", "\r\n\0.\r\n", None),
    ("f12-nul-after", "\r\n.\0\r\n", None),
    ("f13-dot-space", "\r\n. \r\n", Some(("\r\n \r\n", false))),
    (
        "f15-lf-then-bdat",
        "\r\n.\nbdat 86 last\r\n",
        Some(("\r\n.\r\nbdat 86 last\r\n", true)),
    ),
];

/// The first lines of a content without any header, and the body that they make. The line after
/// them begins with a dot.
const FIRST_LINES: &[(&str, &str, &str)] = &[
    ("f17-empty-line", "\r\n", ""),
    ("f17-fold", " folded\r\n", " folded\r\n"),
    ("f17-dot", "..\r\n", ".\r\n"),
    ("f17-colon", ":x\r\n", ":x\r\n"),
    ("f17-no-field", "no field\r\n", "no field\r\n"),
];

/// All rows of a mode.
pub(crate) fn rows(mode: Mode) -> Vec<Row> {
    let mut rows = separators(mode);
    rows.push(oversize());
    rows.extend(first_line(mode));
    rows.extend(header_end(mode));
    rows.push(cr_in_header());
    for edge in EDGES {
        rows.extend(at_edge(mode, edge));
    }
    rows.push(pipelined());
    rows
}

/// What would be a second mail, with the true end of the first.
fn second(id: &str) -> String {
    format!(
        "MAIL FROM:<{SENDER}>\r\nRCPT TO:<{id}-number000@example.org>\r\nDATA\r\n\
         Subject: 2\r\n\r\nsmuggled\r\n"
    )
}

const END: &str = ".\r\nQUIT\r\n";

fn unless_strict(mode: Mode, is_bare_lf: bool, body: String) -> Expected {
    if is_bare_lf && mode == Mode::Strict {
        Expected::Refused
    } else {
        Expected::Mail(body.into_bytes())
    }
}

fn separators(mode: Mode) -> Vec<Row> {
    let row = |(id, separator, taken): &Separator| {
        let second = second(id);
        let expected = match taken {
            Some((line, is_bare_lf)) => {
                unless_strict(mode, *is_bare_lf, format!("body{line}{second}"))
            }
            None => Expected::Refused,
        };
        let tail = format!("{separator}{second}{END}");
        Row::new(
            id,
            b"Subject: 1\r\n\r\nbody",
            tail.as_bytes(),
            separator.len(),
            expected,
        )
    };
    SEPARATORS.iter().map(row).collect()
}

/// F14: over the limit long before what looks like an end.
fn oversize() -> Row {
    let head = filled("Subject: 1\r\n\r\n", MESSAGE_BYTES + 4096);
    let tail = format!("\r\n.\nHELP\r\n{END}");
    Row::new(
        "f14-oversize",
        &head,
        tail.as_bytes(),
        10,
        Expected::TooLarge,
    )
}

/// F16: the first line of the content is the start of a line.
fn first_line(mode: Mode) -> [Row; 4] {
    let row = |id, tail: String, expected| Row::new(id, b"", tail.as_bytes(), 4, expected);
    let mail = |body: &str| Expected::Mail(body.as_bytes().to_vec());
    [
        row("f16-empty", END.to_owned(), mail("")),
        row("f16-dot-dot", format!("..\r\n{END}"), mail(".\r\n")),
        row(
            "f16-dot-lf",
            format!(".\nx\r\n{END}"),
            unless_strict(mode, true, ".\r\nx\r\n".to_owned()),
        ),
        row("f16-dot-x", format!(".x\r\n{END}"), mail("x\r\n")),
    ]
}

/// F17: a header goes on top of content that has none, and the lines after it are still stuffed.
fn header_end(mode: Mode) -> Vec<Row> {
    let mut rows: Vec<_> = FIRST_LINES
        .iter()
        .map(|(id, first, body)| {
            let tail = format!("{first}..\r\n..x\r\n{END}");
            let expected = Expected::Mail(format!("{body}.\r\n.x\r\n").into_bytes());
            Row::new(id, b"", tail.as_bytes(), first.len() + 4, expected)
        })
        .collect();
    let long = "x".repeat(100 * 1024);
    rows.push(Row::new(
        "f17-long-line",
        long.as_bytes(),
        format!("\r\n..\r\n..x\r\n{END}").as_bytes(),
        6,
        Expected::Mail(format!("{long}\r\n.\r\n.x\r\n").into_bytes()),
    ));
    rows.push(Row::new(
        "f17-dot-lf",
        b"",
        format!(".\n..x\r\n{END}").as_bytes(),
        5,
        unless_strict(mode, true, ".\r\n.x\r\n".to_owned()),
    ));
    rows
}

/// F18.
fn cr_in_header() -> Row {
    let tail = format!("\rBcc: x@y\r\n\r\nbody\r\n{END}");
    let head = b"Subject: a";
    Row::new(
        "f18-cr-in-header",
        head,
        tail.as_bytes(),
        3,
        Expected::Refused,
    )
}

/// F19: a stuffed dot, the true end, and a false end, each with its dot at this offset.
fn at_edge(mode: Mode, edge: usize) -> [Row; 3] {
    let head = filled("Subject: 1\r\n\r\n", edge - 2);
    let body = String::from_utf8_lossy(&head["Subject: 1\r\n\r\n".len()..]).into_owned();
    let row = |what: &str, tail: String, expected| {
        let id = format!("f19-{what}-{edge}");
        Row::new(&id, &head, tail.as_bytes(), 5, expected)
    };
    let second = second(&format!("f19-false-{edge}"));
    [
        row(
            "stuffed",
            format!("\r\n..\r\nend\r\n{END}"),
            Expected::Mail(format!("{body}\r\n.\r\nend\r\n").into_bytes()),
        ),
        row(
            "end",
            format!("\r\n{END}"),
            Expected::Mail(format!("{body}\r\n").into_bytes()),
        ),
        row(
            "false",
            format!("\r\n.\n{second}{END}"),
            unless_strict(mode, true, format!("{body}\r\n.\r\n{second}")),
        ),
    ]
}

/// F20: a legal second mail in the same write.
fn pipelined() -> Row {
    let id = "f20-pipelined";
    let tail = format!("\r\n.\r\n{}{END}", second(id));
    let bodies = Expected::Two(b"body\r\n".to_vec(), b"smuggled\r\n".to_vec());
    Row::new(id, b"Subject: 1\r\n\r\nbody", tail.as_bytes(), 40, bodies)
}

/// This start, and lines of text up to `length` bytes without a line end.
fn filled(start: &str, length: usize) -> Vec<u8> {
    let line = format!("{}\r\n", "text ".repeat(14));
    let mut content = start.as_bytes().to_vec();
    while content.len() + line.len() + 80 < length {
        content.extend_from_slice(line.as_bytes());
    }
    content.resize(length, b'x');
    content
}
