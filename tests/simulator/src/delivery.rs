//! DATA, the content, and the verdict at its end.

use std::sync::Arc;

use crate::action::Action;
use crate::content::{Content, Decoder};
use crate::dialogue::takes_effect;
use crate::fault::{Point, Stage};
use crate::from_check;
use crate::options::Wording;
use crate::session::{End, Session, Transaction};
use crate::store::Mail;
use crate::texts;

impl Session {
    pub(crate) async fn data(&mut self) -> Result<(), End> {
        let usual = match &self.transaction {
            None => texts::NEEDS_MAIL,
            Some(transaction) if transaction.recipients.is_empty() => texts::NEEDS_RCPT,
            Some(_) => texts::SEND_DATA,
        };
        let action = self.strike(Stage::Data);
        let goes_ahead = Action::heard(action.as_ref(), usual).starts_with(b"3");
        self.perform(action, usual).await?;
        if !goes_ahead {
            return Ok(());
        }
        let (content, answered_early) = self.content().await?;
        let mail = self.transaction.take().unwrap_or_default();
        self.set_transaction(None);
        self.note(|record| {
            record.line('C', &format!("<{} bytes>", content.wire_bytes));
            record.line('C', ".");
            record.add_defects(content.defects);
        });
        if answered_early {
            return Ok(());
        }
        self.end_of_data(mail, content).await
    }

    /// Reads to the dot. True: a fault answered before it.
    async fn content(&mut self) -> Result<(Content, bool), End> {
        let mut decoder = Decoder::new(self.world.options.size_limit_bytes);
        let nth = self.visit(Stage::Content);
        let (mut answered_early, mut struck) = (false, Vec::new());
        loop {
            let (fault, quiet_bytes) = self.content_fault(nth, decoder.wire_bytes(), &struck);
            if let Some((id, action)) = fault {
                struck.push(id);
                answered_early |= !matches!(action, Action::Delay { .. });
                self.perform(Some(action), "").await?;
                continue;
            }
            if self.input.is_empty() {
                self.fill().await?;
            }
            let piece = &self.input[..self.input.len().min(quiet_bytes)];
            let (taken, ended) = decoder.take(piece);
            self.input.drain(..taken);
            if ended {
                // What came with the dot was sent before the verdict.
                let pipelined = !self.input.is_empty();
                self.note(|record| record.pipelined |= pipelined);
                return Ok((decoder.finish(), answered_early));
            }
        }
    }

    /// The fault that strikes at this byte, and how many bytes come before the next one.
    fn content_fault(
        &self,
        nth: u32,
        content_bytes: u64,
        struck: &[u64],
    ) -> (Option<(u64, Action)>, usize) {
        let point = Point {
            content_bytes,
            struck,
            ..self.point(Stage::Content, nth)
        };
        let mut faults = self.world.faults();
        let next = faults.next_after_bytes(&point).unwrap_or(u64::MAX);
        let quiet_bytes = usize::try_from(next - content_bytes).unwrap_or(usize::MAX);
        (faults.strike(&point), quiet_bytes)
    }

    async fn end_of_data(&mut self, mail: Transaction, content: Content) -> Result<(), End> {
        let usual = self.judge(&mail, &content);
        let nth = self.visit(Stage::EndOfData);
        let recipients = mail.recipients.iter().map(String::as_str).collect();
        let action = self.strike_point(&Point {
            recipients,
            ..self.point(Stage::EndOfData, nth)
        });
        let is_usual = Action::heard(action.as_ref(), &usual) == usual.as_bytes();
        let is_stored = takes_effect(action.as_ref(), &usual);
        let id = is_stored.then(|| self.store(mail, content));
        self.perform(action, &usual).await?;
        if let Some(id) = id {
            self.world.store.answered(id);
        }
        self.after_mail = true;
        if is_usual && usual.starts_with("553") && self.world.options.close_after_refusal {
            return Err(End::AfterRefusal);
        }
        Ok(())
    }

    /// Zoho's verdict on a mail: `250` or a refusal.
    fn judge(&self, mail: &Transaction, content: &Content) -> String {
        let options = &self.world.options;
        let (now, rules) = (self.world.clock.now(), self.world.block_rules());
        let mut accounts = self.world.accounts();
        let login = self.login.as_deref().unwrap_or_default();
        if let Some(block) = accounts.block_of(login, now, rules) {
            return block.reply().to_owned();
        }
        let Some(account) = accounts.find(login) else {
            return texts::NEEDS_AUTH.to_owned();
        };
        if content.size_bytes > options.size_limit_bytes {
            return texts::TOO_LARGE.to_owned();
        }
        if let Err(denied) = from_check::check(account, &mail.reverse_path, &content.unstuffed) {
            return match options.wording {
                Wording::Old => texts::relay_denied_as(&denied.echo),
                Wording::New => texts::RELAY_DENIED.to_owned(),
            };
        }
        let mut refusals = options
            .policies
            .iter()
            .filter_map(|p| p.refusal(&content.unstuffed));
        refusals.next().unwrap_or(texts::ACCEPTED).to_owned()
    }

    fn store(&self, mail: Transaction, content: Content) -> u64 {
        let login = self.login.clone().unwrap_or_default();
        self.world
            .accounts()
            .accepted(&login, self.world.clock.now());
        self.note(|record| record.mails += 1);
        self.world.store.add(Mail {
            id: 0,
            connection: self.id,
            login,
            reverse_path: mail.reverse_path,
            recipients: mail.recipients,
            parameters: mail.parameters,
            size_bytes: content.size_bytes,
            defects: content.defects,
            answered: false,
            content: Arc::from(content.unstuffed),
            wire: Arc::from(content.wire),
        })
    }
}
