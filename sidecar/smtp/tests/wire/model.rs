//! Rows S1, S3 and S4 of docs/proof.md: random commands against a small model of the order of
//! commands, written apart from the session.

use proptest::prelude::*;

use crate::driver::{App, LineEndings, options};

#[derive(Clone, Copy, Debug)]
enum Step {
    Ehlo,
    Helo,
    Mail { is_refused: bool },
    Rcpt { is_refused: bool },
    Data { is_refused: bool },
    Rset,
    Noop,
    Starttls,
    Unknown,
    Quit,
}

const STEPS: [(u32, Step); 13] = [
    (3, Step::Ehlo),
    (1, Step::Helo),
    (9, Step::Mail { is_refused: false }),
    (2, Step::Mail { is_refused: true }),
    (12, Step::Rcpt { is_refused: false }),
    (3, Step::Rcpt { is_refused: true }),
    (9, Step::Data { is_refused: false }),
    (4, Step::Data { is_refused: true }),
    (3, Step::Rset),
    (2, Step::Noop),
    (1, Step::Starttls),
    (1, Step::Unknown),
    (1, Step::Quit),
];

/// The rules of RFC 5321 section 4.1.4 and no more.
#[derive(Default)]
struct Model {
    is_greeted: bool,
    /// Recipients that were accepted, if there is a sender.
    recipients: Option<usize>,
    mails: Vec<usize>,
    aborted: usize,
    bad_in_a_row: u32,
    is_closed: bool,
}

impl Model {
    fn reset(&mut self) {
        self.aborted += usize::from(self.recipients.take().is_some());
    }

    /// The reply codes of a step. The text of a DATA that is refused is not sent.
    fn codes(&mut self, step: Step) -> Vec<u16> {
        if self.is_closed {
            return vec![];
        }
        let codes = self.codes_by_order(step);
        match codes[0] {
            500 | 502 | 503 | 554 => self.bad_in_a_row += 1,
            code if code < 400 => self.bad_in_a_row = 0,
            _ => {}
        }
        if self.bad_in_a_row > 20 {
            self.is_closed = true;
            return vec![421];
        }
        codes
    }

    fn codes_by_order(&mut self, step: Step) -> Vec<u16> {
        match (step, self.recipients) {
            (Step::Ehlo | Step::Helo, _) => {
                self.is_greeted = true;
                self.reset();
                vec![250]
            }
            (Step::Mail { .. }, _) if !self.is_greeted => vec![503],
            (Step::Mail { .. }, Some(_)) | (Step::Rcpt { .. } | Step::Data { .. }, None) => {
                vec![503]
            }
            (Step::Mail { is_refused: false }, None) => {
                self.recipients = Some(0);
                vec![250]
            }
            (Step::Rcpt { .. }, Some(3)) => vec![452],
            (Step::Mail { is_refused: true }, None)
            | (Step::Rcpt { is_refused: true }, Some(_)) => vec![550],
            (Step::Rcpt { is_refused: false }, Some(count)) => {
                self.recipients = Some(count + 1);
                vec![250]
            }
            (Step::Data { .. }, Some(0)) => vec![554],
            (Step::Data { is_refused }, Some(count)) => {
                self.mails.push(count);
                self.recipients = None;
                vec![354, if is_refused { 550 } else { 250 }]
            }
            (Step::Rset, _) => {
                self.reset();
                vec![250]
            }
            (Step::Noop, _) => vec![250],
            (Step::Starttls, _) => vec![502],
            (Step::Unknown, _) => vec![500],
            (Step::Quit, _) => {
                self.reset();
                self.is_closed = true;
                vec![221]
            }
        }
    }
}

fn bytes(step: Step, is_data_taken: bool) -> &'static [u8] {
    match step {
        Step::Ehlo => b"EHLO x\r\n",
        Step::Helo => b"HELO x\r\n",
        Step::Mail { is_refused: false } => b"MAIL FROM:<a@x>\r\n",
        Step::Mail { is_refused: true } => b"MAIL FROM:<refused@x>\r\n",
        Step::Rcpt { is_refused: false } => b"RCPT TO:<b@x>\r\n",
        Step::Rcpt { is_refused: true } => b"RCPT TO:<refused@x>\r\n",
        Step::Data { .. } if !is_data_taken => b"DATA\r\n",
        Step::Data { is_refused: false } => b"DATA\r\nMAIL FROM:<c@x>\r\n..\r\nRSET\r\n.\r\n",
        Step::Data { is_refused: true } => b"DATA\r\nrefuse\r\n.\r\n",
        Step::Rset => b"RSET\r\n",
        Step::Noop => b"NOOP\r\n",
        Step::Starttls => b"STARTTLS\r\n",
        Step::Unknown => b"XYZ\r\n",
        Step::Quit => b"QUIT\r\n",
    }
}

fn step() -> impl Strategy<Value = Step> {
    let weighted = STEPS.map(|(weight, step)| (weight, Just(step).boxed()));
    proptest::strategy::Union::new_weighted(weighted.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn s1_s3_s4_any_order_of_commands_is_answered_as_the_model_says(
        steps in proptest::collection::vec(step(), 0..60),
        piece_bytes in 1_usize..400,
    ) {
        let mut model = Model::default();
        let mut expected = vec![220];
        let mut input = Vec::new();
        for step in steps {
            let codes = model.codes(step);
            input.extend_from_slice(bytes(step, codes.first() == Some(&354)));
            expected.extend(codes);
        }
        let mut app = App::new(options(), LineEndings::Strict);
        app.send_cut(&input, (piece_bytes..input.len()).step_by(piece_bytes));
        prop_assert_eq!(app.codes(), expected);
        let recipients: Vec<_> = app.mails.iter().map(|mail| mail.envelope.recipients.len()).collect();
        prop_assert_eq!(recipients, model.mails);
        prop_assert_eq!(app.aborted, model.aborted);
        prop_assert_eq!(app.is_closed, model.is_closed);
        prop_assert_eq!(app.in_transaction(), model.recipients.is_some() && !model.is_closed);
    }
}
