//! The last mails of one identity, for `/status`: few and short, without recipients and content.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

/// So many are remembered; the oldest goes first.
const MAILS: usize = 10;

/// The most bytes of a text that an app chose.
const TEXT_BYTES: usize = 200;

/// The newest mails. Room is taken with the first one.
#[derive(Debug, Default)]
pub struct Recent(Mutex<VecDeque<Past>>);

/// How a mail ended, as its line in the log has it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Past {
    /// When it ended.
    pub at: Timestamp,
    /// `accepted`, `refused` …: [`crate::outcome::Outcome::label`].
    pub outcome: &'static str,
    /// The class of a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<&'static str>,
    /// The stage, if it failed upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<&'static str>,
    /// The upstream's reply code, if there was a reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The code that the app got.
    pub answer: u16,
    /// Message-ID of the mail as it goes upstream, without `<>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Box<str>>,
    /// The From, where the mail was refused for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Box<str>>,
}

impl Recent {
    /// Remembers a mail.
    pub fn note(&self, mail: Past) {
        let mut mails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mails.truncate(MAILS - 1);
        mails.push_front(mail);
    }

    /// Copies, the newest first.
    pub fn mails(&self) -> Vec<Past> {
        let mails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mails.iter().cloned().collect()
    }
}

/// A text of an app, cut to what is kept.
pub fn short(text: &str) -> Box<str> {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(|&end| end <= TEXT_BYTES).last();
    text[..end.unwrap_or(0)].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(id: &str) -> Past {
        Past {
            at: Timestamp::UNIX_EPOCH,
            outcome: "accepted",
            class: None,
            stage: None,
            code: Some(250),
            answer: 250,
            message_id: Some(short(id)),
            from: None,
        }
    }

    #[test]
    fn the_newest_mails_are_kept_and_no_more_room_is_taken_for_any_number() {
        let recent = Recent::default();
        assert_eq!(recent.0.lock().unwrap().capacity(), 0);
        for number in 0..1000 {
            recent.note(mail(&number.to_string()));
        }
        let mails = recent.mails();
        let ids = mails.iter().map(|mail| mail.message_id.as_deref().unwrap());
        let newest: Vec<_> = (990..1000).rev().map(|n| n.to_string()).collect();
        assert_eq!(ids.collect::<Vec<_>>(), newest);
        assert!(recent.0.lock().unwrap().capacity() < 2 * MAILS);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(short("hello@app.example").as_ref(), "hello@app.example");
        let long = "ä".repeat(1000);
        assert_eq!(short(&format!("x{long}")).len(), TEXT_BYTES - 1);
    }
}
