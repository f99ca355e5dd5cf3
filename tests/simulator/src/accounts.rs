//! All mailboxes with what they did: logins counted, and too much of anything blocked.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::account::{
    Account, AccountUpdate, Block, BlockChange, Credentials, LoginCounts, Refusal,
};
use crate::hosts::DataCentre;

/// An account and what it did.
#[derive(Debug)]
struct Entry {
    account: Account,
    /// Refused logins since the last good one.
    refused_in_a_row: u32,
    /// When each mail of the last hour was accepted.
    accepted: VecDeque<Duration>,
}

/// Limits that block an account; `None` never blocks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BlockRules {
    pub(crate) messages_per_hour: Option<u32>,
    pub(crate) failed_logins: Option<u32>,
    pub(crate) rate_block: Option<Block>,
}

/// All accounts, by address, with the counts of logins by user name.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    entries: BTreeMap<String, Entry>,
    logins: BTreeMap<String, LoginCounts>,
}

impl Accounts {
    pub(crate) fn new(accounts: Vec<Account>) -> Self {
        let entries = accounts.into_iter().map(|account| {
            let key = account.address.to_ascii_lowercase();
            (
                key,
                Entry {
                    account,
                    refused_in_a_row: 0,
                    accepted: VecDeque::new(),
                },
            )
        });
        Self {
            entries: entries.collect(),
            logins: BTreeMap::new(),
        }
    }

    pub(crate) fn list(&self) -> Vec<Account> {
        self.entries
            .values()
            .map(|entry| entry.account.clone())
            .collect()
    }

    pub(crate) fn find(&self, address: &str) -> Option<&Account> {
        self.entries
            .get(&address.to_ascii_lowercase())
            .map(|entry| &entry.account)
    }

    pub(crate) fn logins(&self) -> &BTreeMap<String, LoginCounts> {
        &self.logins
    }

    /// Changes an account, or creates it when there is none.
    pub(crate) fn put(&mut self, address: &str, update: AccountUpdate) -> Account {
        let entry = self
            .entries
            .entry(address.to_ascii_lowercase())
            .or_insert_with(|| Entry {
                account: Account {
                    app_password: None,
                    ..Account::new(address, "")
                },
                refused_in_a_row: 0,
                accepted: VecDeque::new(),
            });
        if update.blocked == BlockChange::Unblock {
            entry.refused_in_a_row = 0;
            entry.accepted.clear();
        }
        entry.account.change(update);
        entry.account.clone()
    }

    pub(crate) fn remove(&mut self, address: &str) -> bool {
        self.entries.remove(&address.to_ascii_lowercase()).is_some()
    }

    /// Zoho's verdict on one login.
    pub(crate) fn judge_login(
        &self,
        given: &Credentials,
        data_centre: DataCentre,
    ) -> Result<(), Refusal> {
        if let Some(account) = self.find(&given.username) {
            return account.judge(given, data_centre);
        }
        let is_alias = self
            .entries
            .values()
            .any(|entry| entry.account.owns(&given.username));
        Err(if is_alias {
            Refusal::AliasAsUsername
        } else {
            Refusal::UnknownUser
        })
    }

    /// Counts one login as it was answered (`None`: not with a verdict); too many refused ones in
    /// a row block the account.
    pub(crate) fn count_login(
        &mut self,
        given: &Credentials,
        said_ok: Option<bool>,
        verdict: Result<(), Refusal>,
        rules: BlockRules,
    ) {
        let username = given.username.to_ascii_lowercase();
        let counts = self.logins.entry(username.clone()).or_default();
        counts.total += 1;
        match said_ok {
            None => {}
            Some(true) => counts.ok += 1,
            Some(false) => {
                counts.refused += 1;
                counts.last_refusal = Some(verdict.err().unwrap_or(Refusal::Fault));
            }
        }
        let Some(entry) = self.entries.get_mut(&username) else {
            return;
        };
        match verdict {
            Ok(()) => entry.refused_in_a_row = 0,
            Err(Refusal::Blocked) => {}
            Err(_) => entry.refused_in_a_row += 1,
        }
        if rules
            .failed_logins
            .is_some_and(|limit| entry.refused_in_a_row >= limit)
        {
            entry.account.blocked = Some(Block::SenderAddressBlocked);
        }
    }

    /// The block that refuses a mail of this account now. Too many mails within the last hour
    /// block the account until it is unblocked.
    pub(crate) fn block_of(
        &mut self,
        address: &str,
        now: Duration,
        rules: BlockRules,
    ) -> Option<Block> {
        let entry = self.entries.get_mut(&address.to_ascii_lowercase())?;
        let hour = Duration::from_secs(3600);
        entry
            .accepted
            .retain(|then| now.saturating_sub(*then) < hour);
        let sent = u32::try_from(entry.accepted.len()).unwrap_or(u32::MAX);
        if rules.messages_per_hour.is_some_and(|limit| sent >= limit) {
            let rate_block = rules.rate_block.unwrap_or(Block::UnusualActivity);
            entry.account.blocked.get_or_insert(rate_block);
        }
        entry.account.blocked
    }

    /// Counts an accepted mail into the rolling hour.
    pub(crate) fn accepted(&mut self, address: &str, now: Duration) {
        if let Some(entry) = self.entries.get_mut(&address.to_ascii_lowercase()) {
            entry.accepted.push_back(now);
        }
    }
}

#[cfg(test)]
mod tests;
