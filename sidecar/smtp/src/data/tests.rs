use proptest::prelude::*;

use super::*;

#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    content: Vec<u8>,
    consumed: usize,
    ended: bool,
    bare_lf: u64,
    violation: Option<Violation>,
}

/// What the decoder makes of an input that arrives in pieces that end at `cuts`.
fn decoded(input: &[u8], cuts: &[usize]) -> Seen {
    let mut decoder = DataDecoder::new();
    let mut seen = Seen::default();
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    cuts.push(input.len());
    cuts.sort_unstable();
    let mut start = 0;
    for cut in cuts {
        let piece = decoder.decode(&input[start..cut], &mut seen.content);
        assert_eq!(
            piece.consumed < cut - start,
            piece.ended && seen.consumed + piece.consumed < cut
        );
        seen.consumed += piece.consumed;
        seen.ended = piece.ended;
        start = cut;
        if seen.ended {
            break;
        }
    }
    let summary = decoder.summary();
    assert_eq!(summary.size_bytes, seen.content.len() as u64);
    assert_eq!(summary.eight_bit, !seen.content.is_ascii());
    seen.bare_lf = summary.bare_lf;
    seen.violation = summary.violation;
    seen
}

/// The same rules, line by line, on an input that is there as a whole and has an end.
fn reference(input: &[u8]) -> Seen {
    let mut seen = Seen::default();
    let mut is_after_crlf = true;
    for line in input.split_inclusive(|&byte| byte == b'\n') {
        seen.consumed += line.len();
        let (text, is_crlf) = match line.strip_suffix(b"\r\n") {
            Some(text) => (text, true),
            None => (line.strip_suffix(b"\n").unwrap_or(line), false),
        };
        if is_after_crlf && is_crlf && text == b"." {
            seen.ended = true;
            return seen;
        }
        let drops_dot = if is_after_crlf {
            text.starts_with(b".") && text != b"."
        } else {
            text.starts_with(b"..")
        };
        let text = &text[usize::from(drops_dot)..];
        is_after_crlf = is_crlf;
        if seen.violation.is_some() {
            continue;
        }
        let bad = text.iter().position(|byte| matches!(byte, b'\r' | 0));
        seen.content
            .extend_from_slice(&text[..bad.unwrap_or(text.len())]);
        match bad.map(|at| text[at]) {
            None => {
                seen.content.extend_from_slice(b"\r\n");
                seen.bare_lf += u64::from(!is_crlf);
            }
            Some(0) => seen.violation = Some(Violation::Nul),
            Some(_) => seen.violation = Some(Violation::BareCr),
        }
    }
    seen
}

fn encoded(content: &[u8], cuts: &[usize]) -> Result<Vec<u8>, ContentError> {
    let mut encoder = DataEncoder::new();
    let mut out = Vec::new();
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (content.len() + 1)).collect();
    cuts.push(content.len());
    cuts.sort_unstable();
    let mut start = 0;
    for cut in cuts {
        encoder.encode(&content[start..cut], &mut out)?;
        start = cut;
    }
    encoder.finish(&mut out)?;
    Ok(out)
}

#[test]
fn dots_are_taken_off_after_crlf_and_kept_after_lf() {
    for (input, content) in [
        (&b".\r\n"[..], &b""[..]),
        (b"..\r\n.\r\n", b".\r\n"),
        (b".\n.\r\n.\r\n", b".\r\n.\r\n"),
        (b".x\r\n.\r\n", b"x\r\n"),
        (b". \r\n.\r\n", b" \r\n"),
        (b"a\r\n...\r\n.\r\n", b"a\r\n..\r\n"),
        (b"a\n.\r\n.\r\n", b"a\r\n.\r\n"),
        (b"a\n.\n.\r\n.\r\n", b"a\r\n.\r\n.\r\n"),
        (b"a\n..\n.\r\n.\r\n", b"a\r\n.\r\n.\r\n"),
        (b"a\n..x\r\n.\r\n", b"a\r\n.x\r\n"),
        (b"a\n.x\r\n.\r\n", b"a\r\n.x\r\n"),
        (b"a\n...x\r\n.\r\n", b"a\r\n..x\r\n"),
        (b"\r\n.\r\n", b"\r\n"),
        (b"\n\r\n.\r\n", b"\r\n\r\n"),
    ] {
        let whole = decoded(input, &[]);
        assert_eq!(
            whole.content.escape_ascii().to_string(),
            content.escape_ascii().to_string()
        );
        assert_eq!((whole.consumed, whole.ended), (input.len(), true));
        assert_eq!(whole.violation, None);
        let bytewise: Vec<usize> = (0..input.len()).collect();
        assert_eq!(decoded(input, &bytewise), whole);
    }
}

#[test]
fn f9_only_the_true_end_ends_after_a_violation() {
    for (input, violation) in [
        (
            &b"a\r\n.\r\r\nMAIL\n.\r\n\r.\r\nb\r\n.\r\n"[..],
            Violation::BareCr,
        ),
        (b"a\r\r\n.\r\r\nb\r\n.\r\n", Violation::BareCr),
        (b"a\r.\r\nb\r\n.\r\n", Violation::BareCr),
        (b"a\r\n\0.\r\nb\r\n.\r\n", Violation::Nul),
        (b"a\r\n.\0\r\nb\rc\r\n.\r\n", Violation::Nul),
        (b"a\r\n.\r.\r\nb\r\n.\r\n", Violation::BareCr),
    ] {
        let input = [input, b"NOOP\r\n"].concat();
        let seen = decoded(&input, &[]);
        assert_eq!((seen.ended, seen.violation), (true, Some(violation)));
        assert_eq!(&input[seen.consumed..], b"NOOP\r\n");
        assert!(seen.content.starts_with(b"a") && !seen.content.contains(&b'b'));
    }
}

#[test]
fn nothing_is_consumed_after_the_end() {
    let mut decoder = DataDecoder::new();
    let mut content = Vec::new();
    assert_eq!(
        decoder.decode(b".\r\nx", &mut content),
        Decoded {
            consumed: 3,
            ended: true
        }
    );
    assert_eq!(
        decoder.decode(b"x\r\n", &mut content),
        Decoded {
            consumed: 0,
            ended: true
        }
    );
    assert!(content.is_empty());
}

#[test]
fn content_that_cannot_be_sent_is_refused() {
    for (content, error) in [
        (&b"a\rb"[..], ContentError::BareCr),
        (b"a\r", ContentError::BareCr),
        (b"a\r\r\n", ContentError::BareCr),
        (b"a\nb", ContentError::BareLf),
        (b"\n", ContentError::BareLf),
        (b"a\0b", ContentError::Nul),
    ] {
        assert_eq!(encoded(content, &[]), Err(error));
        assert_eq!(encoded(content, &[1]), Err(error));
    }
    let mut encoder = DataEncoder::new();
    let mut out = Vec::new();
    assert_eq!(encoder.encode(b"a\n", &mut out), Err(ContentError::BareLf));
    assert_eq!(
        encoder.encode(b"b\r\n", &mut out),
        Err(ContentError::BareLf)
    );
    assert_eq!(encoder.finish(&mut out), Err(ContentError::BareLf));
    assert_eq!(out, b"a");
}

#[test]
fn each_wire_form_of_content_is_exact() {
    for (content, wire) in [
        (&b""[..], &b".\r\n"[..]),
        (b".", b"..\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.b\r\n..\r\n", b"a\r\n..b\r\n...\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"\r\n", b"\r\n.\r\n"),
    ] {
        assert_eq!(encoded(content, &[]), Ok(wire.to_vec()));
    }
}

fn wire_text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"\r\n".to_vec()),
        3 => Just(b".".to_vec()),
        1 => Just(b"\r".to_vec()),
        2 => Just(b"\n".to_vec()),
        1 => Just(b"\0".to_vec()),
        1 => Just(b"\xfc".to_vec()),
        2 => (0_usize..90).prop_map(|length| vec![b'a'; length]),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b".".to_vec()),
        Just(b"\xfc".to_vec()),
        (0_usize..90).prop_map(|length| vec![b'a'; length]),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(any::<usize>(), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_split_decodes_as_the_reference_does(text in wire_text(), cuts in cuts()) {
        let input = [&text[..], b"\r\n.\r\nNOOP\r\n"].concat();
        let expected = reference(&input);
        prop_assert_eq!(decoded(&input, &[]), reference(&input));
        prop_assert_eq!(decoded(&input, &cuts), expected);
    }

    #[test]
    fn decoded_content_can_be_sent_and_comes_back_equal(text in wire_text(), cuts in cuts()) {
        let content = decoded(&text, &[]).content;
        let wire = encoded(&content, &cuts).expect("decoded content has no bare CR, LF or NUL");
        let back = decoded(&wire, &cuts);
        let line_end: &[u8] = if content.is_empty() || content.ends_with(b"\r\n") { b"" } else { b"\r\n" };
        prop_assert_eq!(back.content, [&content[..], line_end].concat());
        prop_assert_eq!((back.ended, back.consumed), (true, wire.len()));
    }

    #[test]
    fn the_wire_has_one_end_and_no_lone_cr_or_lf(content in content(), cuts in cuts()) {
        let wire = [b"354\r\n", &encoded(&content, &cuts).unwrap()[..]].concat();
        let ends = wire.windows(5).filter(|window| window == b"\r\n.\r\n").count();
        prop_assert_eq!(ends, 1);
        prop_assert!(wire.ends_with(b"\r\n.\r\n"));
        let without_crlf = String::from_utf8_lossy(&wire).replace("\r\n", "");
        prop_assert!(!without_crlf.contains(['\r', '\n']));
        prop_assert!(wire.len() <= 2 * content.len() + 10);
    }

    #[test]
    fn bad_content_never_puts_a_lone_cr_lf_or_an_end_out(text in wire_text(), cuts in cuts()) {
        let mut encoder = DataEncoder::new();
        let mut out = b"354\r\n".to_vec();
        let mut is_good = true;
        for piece in text.chunks(cuts.len() + 1) {
            is_good &= encoder.encode(piece, &mut out).is_ok();
        }
        prop_assert!(!out.windows(5).any(|window| window == b"\r\n.\r\n"));
        let without_crlf = String::from_utf8_lossy(&out).replace("\r\n", "");
        prop_assert!(!without_crlf.contains(['\r', '\n', '\0']));
        let naive = String::from_utf8_lossy(&text).replace("\r\n", "");
        let is_really_good = !naive.contains(['\r', '\n', '\0']);
        prop_assert_eq!(is_good && encoder.finish(&mut out).is_ok(), is_really_good);
    }
}
