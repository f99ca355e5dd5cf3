//! What reaches the wire of any content, however it arrives.

use std::pin::Pin;
use std::task::{Context, Poll};

use proptest::prelude::*;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;
use zohorelay_upstream::{Class, Failure, Progress, Stage, Submission};

use crate::script::{ACCEPT, ENVELOPE, LOGIN};
use crate::world::{DEADLINE, PATIENCE, World};

/// Content that comes in pieces of those lengths, again and again.
struct Pieces<'a> {
    content: &'a [u8],
    lengths: &'a [usize],
    next: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let length = self.lengths[self.next % self.lengths.len()];
        let length = length.min(self.content.len()).min(buf.remaining());
        let (piece, rest) = self.content.split_at(length);
        buf.put_slice(piece);
        self.content = rest;
        self.next += 1;
        Poll::Ready(Ok(()))
    }
}

/// Delivers and gives what the server saw of it.
fn upload(content: &[u8], lengths: &[usize], size_bytes: usize) -> Result<Vec<u8>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::new(vec![[LOGIN, ENVELOPE, ACCEPT].concat()]);
        let recipients = ["a@example.org".to_owned()];
        let mut pieces = Pieces {
            content,
            lengths,
            next: 0,
        };
        let mail = Submission {
            reverse_path: "billing@example.com",
            recipients: &recipients,
            size_bytes: size_bytes as u64,
            content: &mut pieces,
            deadline: Instant::now() + DEADLINE,
            final_reply_timeout: PATIENCE,
        };
        let progress = Progress::new();
        match world.pool.deliver(mail, &progress).await {
            Ok(_) => Ok(world.seen().contents.remove(0)),
            Err(failure) => {
                assert!(!progress.our_dot_sent());
                assert_eq!(world.seen().contents, Vec::<Vec<u8>>::new());
                Err(failure)
            }
        }
    })
}

/// RFC 5321 section 4.5.2, the receiving side, written without our own code.
fn unstuff(wire: &[u8]) -> Vec<u8> {
    let text = wire.strip_suffix(b".\r\n").unwrap();
    let mut content = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        content.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
    content
}

fn ends(wire: &[u8]) -> usize {
    let whole = [b"\r\n", wire].concat();
    whole
        .windows(5)
        .filter(|window| window == b"\r\n.\r\n")
        .count()
}

fn has_bare_line_end(wire: &[u8]) -> bool {
    let text = String::from_utf8_lossy(wire).replace("\r\n", "");
    text.contains(['\r', '\n'])
}

fn clean_content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b".".to_vec()),
        Just(b"\r\n.".to_vec()),
        Just(b"\r\n.\r\n".to_vec()),
        Just(b"Subject: x".to_vec()),
        Just("é".as_bytes().to_vec()),
        (0_usize..40_000).prop_map(|length| vec![b'x'; length]),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn any_content() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => Just(b'x'), 2 => Just(b'.'), 2 => Just(b'\r'), 2 => Just(b'\n'), 1 => any::<u8>()
    ];
    prop::collection::vec(byte, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn clean_content_arrives_whole_and_ends_once(
        content in clean_content(),
        lengths in prop::collection::vec(1_usize..50_000, 1..4),
    ) {
        let wire = upload(&content, &lengths, content.len()).unwrap();
        prop_assert_eq!(ends(&wire), 1);
        prop_assert!(wire.ends_with(b".\r\n"));
        prop_assert!(!has_bare_line_end(&wire));
        let mut expected = content;
        if !expected.is_empty() && !expected.ends_with(b"\r\n") {
            expected.extend_from_slice(b"\r\n");
        }
        prop_assert_eq!(unstuff(&wire), expected);
    }

    #[test]
    fn any_content_arrives_whole_or_its_dot_is_never_sent(
        content in any_content(),
        lengths in prop::collection::vec(1_usize..7, 1..4),
    ) {
        match upload(&content, &lengths, content.len()) {
            Ok(wire) => {
                prop_assert_eq!(ends(&wire), 1);
                prop_assert!(!has_bare_line_end(&wire));
                prop_assert!(!has_bare_line_end(&content));
            }
            Err(failure) => {
                prop_assert_eq!((failure.class, failure.stage), (Class::Framing, Stage::EndOfData));
                prop_assert!(has_bare_line_end(&content) || content.contains(&0));
            }
        }
    }
}

#[test]
fn content_of_another_length_than_said_never_gets_our_dot() {
    let content = b"Subject: x\r\n\r\nbody\r\n".repeat(5_000);
    for size_bytes in [0, 1, content.len() - 1, content.len() + 1, usize::MAX / 2] {
        let error = upload(&content, &[4096], size_bytes);
        // A size over the server's limit is not even offered.
        let class = if size_bytes > 53_477_376 {
            Class::MessageRefused
        } else {
            Class::Busy
        };
        assert_eq!(error.unwrap_err().class, class, "{size_bytes}");
    }
}

#[test]
fn u19_an_address_with_a_line_end_never_reaches_the_wire() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        for address in [
            "a@x>\r\nRCPT TO:<b@y",
            "a@x\n",
            "a@x\0",
            "a@x\r",
            "a@é.test",
        ] {
            let world = World::new(vec![[LOGIN, &ENVELOPE[..2]].concat()]);
            let failure = world.deliver_to(&[address], b"").await.unwrap_err();
            assert_eq!(
                (failure.class, failure.stage),
                (Class::Protocol, Stage::Rcpt)
            );
            world.settle().await;
            assert_eq!(world.seen().count("RCPT"), 0, "{address:?}");
        }
    });
}
