//! The changes to a header: what is added on top, and which fields go.

use std::fmt::Write;

use zohorelay_config::Document;

use super::kind::{Kind, Kinds};
use super::survey::Survey;
use super::text::{message_id_text, rfc5322_date};
use super::{Arrival, Prepared, signature};
use crate::header::HeaderBlock;

/// A mail under way through the policy.
#[derive(Clone, Copy)]
pub(super) struct Mail<'a> {
    pub(super) document: &'a Document,
    pub(super) header: &'a HeaderBlock<'a>,
    pub(super) arrival: &'a Arrival,
    pub(super) survey: &'a Survey<'a>,
}

/// Fields that are added on top, one below the other.
pub(super) struct Top {
    text: String,
    kinds: Kinds,
}

impl Top {
    /// The trace of this hop (RFC 5321 4.4). It names no pod and no address.
    pub(super) fn new(arrival: &Arrival) -> Self {
        let mut text = String::with_capacity(512);
        let date = rfc5322_date(arrival.now);
        let id = arrival.id;
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "Received: from localhost by zohorelay with ESMTP id {id:016x}; {date}\r\n"
        );
        Self {
            text,
            kinds: Kinds::default(),
        }
    }

    /// Adds a field whose body is one line, or folded with its own CRLF and blank.
    pub(super) fn field(&mut self, kind: Kind, body: &str) {
        self.kinds.insert(kind);
        self.raw(&[kind.name(), ": ", body, "\r\n"]);
    }

    /// Adds text that is whole lines.
    pub(super) fn raw(&mut self, pieces: &[&str]) {
        self.text.extend(pieces.iter().copied());
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }
}

impl Mail<'_> {
    /// A new Message-ID with its brackets, unique by its random bits (RFC 5322 3.6.4).
    pub(super) fn new_message_id(&self) -> String {
        format!(
            "<{:032x}@{}>",
            self.arrival.entropy,
            self.document.addresses.primary.domain()
        )
    }

    /// The mail with these fields on top instead of its own of the same kind, and with the header
    /// care that every mail gets.
    pub(super) fn with_top(&self, mut top: Top) -> Prepared {
        let survey = self.survey;
        let mut message_id = survey.message_id.map(message_id_text);
        if message_id.is_none() {
            let new = self.new_message_id();
            top.field(Kind::MessageId, &new);
            message_id = Some(message_id_text(new.as_bytes()));
        }
        if !survey.filled.contains(Kind::Date) {
            top.field(Kind::Date, &rfc5322_date(self.arrival.now));
        }
        let mut removed = top.kinds.union(Kinds::BLIND);
        if survey.has_foreign_sender {
            removed.insert(Kind::Sender);
        }
        let changed = top.kinds.union(removed.intersection(survey.seen));
        let is_signed = !survey.seen.intersection(Kinds::SIGNATURES).is_empty();
        let is_broken = changed.contains(Kind::From) || signature::cover(self.header, changed);
        if is_signed && !changed.is_empty() && is_broken {
            removed = removed.union(Kinds::SIGNATURES);
        }
        let mut head = top.into_bytes();
        let mut body_from = self.append_header(&mut head, removed);
        if self.header.runs_into_body() {
            // What the app meant as body stays body.
            head.extend_from_slice(&self.header.bytes()[body_from..]);
            head.extend_from_slice(b"\r\n");
            body_from = self.header.fields_end();
        }
        Prepared {
            head,
            body_from,
            tail: Vec::new(),
            reverse_path: String::new(),
            message_id: message_id.unwrap_or_default(),
            original_message_id: None,
            applied: None,
        }
    }

    /// Appends the header without these kinds, as far as fields go from it, and returns where in
    /// the content the rest begins.
    pub(super) fn append_header(&self, head: &mut Vec<u8>, removed: Kinds) -> usize {
        if self.survey.seen.intersection(removed).is_empty() {
            return 0;
        }
        let bytes = self.header.bytes();
        let (mut kept_from, mut field_start) = (0, 0);
        for field in self.header.fields() {
            let field_end = field_start + field.raw.len();
            if Kind::of(field.name).is_some_and(|kind| removed.contains(kind)) {
                head.extend_from_slice(&bytes[kept_from..field_start]);
                kept_from = field_end;
            }
            field_start = field_end;
        }
        kept_from
    }
}
