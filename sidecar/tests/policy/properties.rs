//! What holds for every mail.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use zohorelay_config::ForeignFrom::{self, Attach, Pass, Reject, Rewrite};
use zohorelay_sidecar::calendar::CalendarScanner;

use super::*;

/// A small generator: 100,000 mails in seconds, the same ones each time.
struct Dice(u64);

impl Dice {
    /// xorshift64.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a>(&mut self, items: &[&'a str]) -> &'a str {
        items[self.roll(items.len())]
    }
}

const PLAIN: [&str; 6] = [
    "From: billing@example.com\r\n",
    "from:invoices@example.com \r\n",
    "From: <BILLING@example.com>\r\n",
    "FROM: A. B <billing@example.com>\r\n",
    "From: \"A, B\" <billing@example.com>\r\n",
    "From: =?utf-8?B?SsO2cmc=?= <billing@example.com>\r\n",
];
const KEPT: [&str; 10] = [
    "To: a@x.example,\r\n\tb@x.example\r\n",
    "Subject : J\u{f6}rg\r\n",
    "X-Blank:\r\n",
    "Received: from x\r\n \r\n y\r\n",
    "Reply-To: a@x.example\r\n",
    "Sender: billing@example.com\r\n",
    "DKIM-Signature: v=1; h=from:to; b=x\r\n",
    "ARC-Seal: i=1\r\n",
    "Content-Type: multipart/mixed; boundary=b\r\n",
    "X-Bcc: a\r\n",
];
const BLIND: [&str; 4] = [
    "Bcc: a@x.example\r\n",
    "BCC : a,\r\n b\r\n",
    "bcc:\r\n",
    "Resent-Bcc: a\r\n",
];
const BODY: [&str; 8] = [
    ".\r\n",
    "..\r\n",
    "\r\n",
    "Bcc: a\r\n",
    "From: evil@x.example\r\n",
    "x",
    "\u{f6}\r\n",
    "--b\r\n",
];

#[test]
fn a_mail_from_the_identity_is_only_topped_and_loses_only_blind_copies() {
    let documents = [Reject, Rewrite, Attach, Pass].map(document);
    let mut dice = Dice(0x5eed);
    for _ in 0..100_000 {
        let mut fields: Vec<&str> = (0..dice.roll(8)).map(|_| dice.pick(&KEPT)).collect();
        let blind: Vec<&str> = (0..dice.roll(3)).map(|_| dice.pick(&BLIND)).collect();
        let has_message_id = dice.roll(2) == 0;
        let has_date = dice.roll(2) == 0;
        fields.push(dice.pick(&PLAIN));
        fields.extend(has_message_id.then_some("Message-ID: <a@b>\r\n"));
        fields.extend(has_date.then_some("Date: x\r\n"));
        let at = dice.roll(fields.len());
        fields.rotate_left(at);
        let body: String = (0..dice.roll(6)).map(|_| dice.pick(&BODY)).collect();
        let kept = fields.concat();
        for field in blind {
            let at = dice.roll(fields.len() + 1);
            fields.insert(at, field);
        }
        let end = if dice.roll(8) == 0 { "" } else { "\r\n" };
        let body = if end.is_empty() { "" } else { body.as_str() };
        let mail = format!("{}{end}{body}", fields.concat());

        let document = &documents[dice.roll(4)];
        let prepared = judged(document, &arrival(), mail.as_bytes()).unwrap();
        let message_id = if has_message_id { "" } else { MESSAGE_ID };
        let date = if has_date { "" } else { DATE };
        let expected = format!("{RECEIVED}{message_id}{date}{kept}{end}{body}");
        assert_eq!(
            wire(&prepared, mail.as_bytes()),
            expected.as_bytes(),
            "{mail:?}"
        );
    }
}

/// What a naive reader takes for the address of the only From.
fn naive_from(wire: &str) -> Vec<String> {
    let header = wire
        .split_inclusive("\r\n")
        .take_while(|line| *line != "\r\n");
    let from = header.filter_map(|line| {
        let (name, body) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("from").then_some(body)
    });
    from.map(|body| {
        let angles = body.rfind('<').zip(body.rfind('>'));
        let address = angles.map_or(body, |(start, end)| &body[start + 1..end]);
        address.trim().to_ascii_lowercase()
    })
    .collect()
}

fn has_bare_line_end(wire: &[u8]) -> bool {
    let rest = String::from_utf8_lossy(wire).replace("\r\n", "");
    rest.contains(['\r', '\n'])
}

/// Pieces of which a From can be made, many of them with a meaning in its grammar.
fn from_body() -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "billing@example.com",
        "<billing@example.com>",
        "evil@x.example",
        "<evil@x.example>",
        "<",
        ">",
        "@",
        ",",
        ":",
        ";",
        "(",
        ")",
        "\"",
        "\\",
        " ",
        "\r\n ",
        "\t",
        "[",
        "]",
        ".",
        "a",
        "J\u{f6}",
        "\u{0}",
        "\u{7f}",
        "=?utf-8?Q?a?=",
        "=?utf-8?Q?=0D=0A<evil@x>?=",
        "=?",
        "?=",
        "billing",
        "example.com",
    ]);
    vec(pieces, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn s13_what_goes_names_only_the_identity(
        bodies in vec(from_body(), 0..3),
        policy in select(vec![Reject, Rewrite, Attach]),
        name in ".{0,20}",
    ) {
        let fields: Vec<String> =
            bodies.iter().map(|body| format!("From: {body}\r\n")).collect();
        let mail = format!("{}Subject: x\r\n\r\nbody\r\n", fields.concat());
        let mut document = document(policy);
        document.addresses.display_name = Some(name);
        let result = judged(&document, &arrival(), mail.as_bytes());
        prop_assert!(result.is_ok() || policy == Reject);
        if let Ok(prepared) = result {
            let wire = wire(&prepared, mail.as_bytes());
            prop_assert!(!has_bare_line_end(&wire));
            let wire = String::from_utf8(wire).unwrap();
            prop_assert_eq!(naive_from(&wire), ["billing@example.com"], "{}", wire);
            prop_assert!(wire.lines().all(|line| line.len() <= 998));
        }
    }
}

fn any_policy() -> impl Strategy<Value = ForeignFrom> {
    select(vec![Reject, Rewrite, Attach, Pass])
}

/// Bytes with a structure now and then.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let known = select(vec![
        "From",
        "Sender",
        "Bcc",
        "Message-ID",
        "Date",
        "DKIM-Signature",
        "Reply-To",
        ":",
        " ",
        "\r\n",
        "\r",
        "\n",
        "<a@b>",
        "billing@example.com",
        "h=from;",
        "\"",
        "(",
        ",",
        "\t",
        ".",
    ]);
    let piece = prop_oneof![
        4 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..6),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn arbitrary_bytes_are_judged_without_a_panic(
        content in content(),
        is_whole in any::<bool>(),
        policy in any_policy(),
        has_calendar in any::<bool>(),
    ) {
        let Ok(header) = HeaderBlock::parse(&content, is_whole) else { return Ok(()) };
        let fields: Vec<u8> = header.fields().flat_map(|field| field.raw.to_vec()).collect();
        prop_assert_eq!(&fields, &content[..header.fields_end()]);
        let arrival = Arrival { has_calendar, ..arrival() };
        if let Ok(prepared) = judge(&document(policy), &path(""), &header, &arrival) {
            prop_assert!(prepared.body_from <= header.body_start());
            let wire = wire(&prepared, &content);
            prop_assert!(wire.starts_with(RECEIVED.as_bytes()));
            // The body arrives whole, whatever became of the header.
            let body = [&content[header.body_start()..], &prepared.tail].concat();
            prop_assert!(wire.ends_with(&body));
        }
    }

    #[test]
    fn a_content_cut_anywhere_has_the_same_header_or_none(content in content(), cut in 0_usize..200) {
        let whole = HeaderBlock::parse(&content, true).unwrap();
        let cut = cut.min(content.len());
        if let Ok(part) = HeaderBlock::parse(&content[..cut], false) {
            prop_assert_eq!(part.body_start(), whole.body_start());
            prop_assert!(part.fields().eq(whole.fields()));
        }
    }

    #[test]
    fn the_calendar_is_found_or_not_however_the_content_is_cut(
        pieces in vec(select(vec![
            "Content-Type: multipart/mixed; boundary=b\r\n", "Content-Type: multipart/alternative;",
            " boundary=\"c d\"\r\n", "Content-Type: text/calendar\r\n", "content-type:",
            " text/CALENDAR; x=y\r\n", "\r\n", "--b\r\n", "--b--\r\n", "--c d\r\n", "--c d--\r\n",
            "x\r\n", "--", "-", "no field\r\n", " \r\n", "X: y\r\n",
        ]), 0..24),
        sizes in vec(1_usize..20, 1..8),
    ) {
        let content = pieces.concat();
        let mut whole = CalendarScanner::new();
        whole.scan(content.as_bytes());
        let mut cut = CalendarScanner::new();
        let mut rest = content.as_bytes();
        for size in sizes.iter().cycle() {
            let (chunk, after) = rest.split_at((*size).min(rest.len()));
            cut.scan(chunk);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(cut.found(), whole.found(), "{}", content);
    }
}
