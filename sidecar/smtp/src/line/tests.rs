use proptest::prelude::*;

use super::*;

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Whole(Vec<u8>),
    TooLong,
    BareLf,
}

/// The lines of an input that arrives in pieces of `step` bytes, and the work that they took.
fn lines(input: &[u8], step: usize) -> (Vec<Seen>, usize) {
    let mut buffer = LineBuffer::default();
    let mut seen = Vec::new();
    for piece in input.chunks(step) {
        buffer.receive(piece);
        loop {
            match buffer.next_line(false) {
                Line::Partial => break,
                Line::Whole(line) => seen.push(Seen::Whole(line.to_vec())),
                Line::TooLong => seen.push(Seen::TooLong),
                Line::BareLf => seen.push(Seen::BareLf),
            }
        }
        assert!(buffer.pending().len() < AUTH_LIMIT_BYTES);
        assert!(buffer.bytes.len() <= 2 * AUTH_LIMIT_BYTES + step);
    }
    (seen, buffer.work)
}

#[test]
fn s7_a_line_may_have_4096_bytes_with_its_crlf() {
    for (length, is_whole) in [
        (512, true),
        (513, true),
        (1_001, true),
        (4_096, true),
        (4_097, false),
    ] {
        let text = vec![b'x'; length - 2];
        let input = [&text[..], b"\r\nNOOP\r\n"].concat();
        let first = if is_whole {
            Seen::Whole(text)
        } else {
            Seen::TooLong
        };
        for step in [1, 2, 4_095, 4_096, 10_000] {
            let (seen, _) = lines(&input, step);
            assert_eq!(seen.len(), 2);
            assert!(seen[0] == first, "{length} bytes in steps of {step}");
            assert_eq!(seen[1], Seen::Whole(b"NOOP".to_vec()));
        }
    }
}

#[test]
fn s6_a_line_of_authentication_may_have_12288_bytes() {
    for (length, is_whole) in [(12_288, true), (12_289, false)] {
        let text = [&b"auth plain "[..], &vec![b'x'; length - 13]].concat();
        let input = [&text[..], b"\r\n"].concat();
        let (seen, _) = lines(&input, 1_000);
        assert!(
            seen == [if is_whole {
                Seen::Whole(text)
            } else {
                Seen::TooLong
            }]
        );
    }
}

#[test]
fn s7_endless_lines_take_bounded_memory_and_linear_work() {
    for byte in [b'x', b'\r'] {
        let input = vec![byte; 1 << 20];
        for step in [100, 16_384] {
            let (seen, work) = lines(&input, step);
            assert!(seen.is_empty());
            assert!(work <= 3 * input.len(), "{work}");
        }
    }
}

#[test]
fn a_crlf_that_is_cut_by_the_discarding_still_ends_the_line() {
    let input = [&vec![b'x'; 4_095][..], b"\r", b"\nNOOP\r\n"].concat();
    for step in [1, 4_096, 5_000] {
        assert_eq!(
            lines(&input, step).0,
            [Seen::TooLong, Seen::Whole(b"NOOP".to_vec())]
        );
    }
}

#[test]
fn pipelined_lines_in_one_piece_take_linear_work() {
    let work = |count: usize| lines(&b"NOOP\r\n".repeat(count), usize::MAX / 2).1;
    assert_eq!(work(4_000), 4 * work(1_000));
    let work = |count: usize| lines(&b"NOOP\r\n".repeat(count), 7).1;
    assert!(work(4_000) <= 5 * work(1_000));
}

#[test]
fn long_lines_byte_by_byte_take_linear_work() {
    let input = [&vec![b'x'; 4_000][..], b"\r\n"].concat().repeat(10);
    let (seen, work) = lines(&input, 1);
    assert_eq!(seen.len(), 10);
    assert!(work <= 3 * input.len(), "{work}");
}

#[test]
fn lines_taken_one_by_one_from_a_large_buffer_take_linear_work() {
    let mut buffer = LineBuffer::default();
    let count = 10_000;
    buffer.receive(&b"NOOP\r\n".repeat(count));
    for _ in 0..count {
        assert!(matches!(buffer.next_line(false), Line::Whole(_)));
        buffer.receive(b"\r");
    }
    assert!(buffer.work <= 5 * 6 * count, "{}", buffer.work);
    assert!(buffer.bytes.len() <= 4 * count);
}

proptest! {
    #[test]
    fn any_split_gives_the_same_lines(
        input in proptest::collection::vec(
            prop_oneof![
                Just(b"\r\n".to_vec()), Just(b"\r".to_vec()), Just(b"\n".to_vec()),
                Just(vec![0]), Just(b"AUTH ".to_vec()),
                (1_usize..5_000).prop_map(|length| vec![b'x'; length]),
            ], 0..12),
        step in 1_usize..5_000,
    ) {
        let input = input.concat();
        prop_assert_eq!(lines(&input, step).0, lines(&input, input.len().max(1)).0);
    }
}
