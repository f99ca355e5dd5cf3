//! What all sessions and the API share.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::accounts::{Accounts, BlockRules};
use crate::action::Action;
use crate::clock::Clock;
use crate::fault::{Fault, FaultError, Faults, Stage};
use crate::options::Options;
use crate::store::Store;
use crate::texts;
use crate::tls::{Authority, CertificateError};

/// A poisoned lock means a test panicked; what it guards is still whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An open connection as `idle` sees it.
struct Open {
    signal: mpsc::UnboundedSender<Action>,
    in_transaction: bool,
}

/// The state of a simulator.
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) authority: Authority,
    accounts: Mutex<Accounts>,
    faults: Mutex<Faults>,
    open: Mutex<BTreeMap<u64, Open>>,
}

/// Why the state could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorldError {
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Fault(#[from] FaultError),
}

impl World {
    pub(crate) fn new(mut options: Options) -> Result<Self, WorldError> {
        let mut faults = Faults::default();
        for fault in std::mem::take(&mut options.faults) {
            faults.arm(fault)?;
        }
        let accounts = Accounts::new(std::mem::take(&mut options.accounts));
        Ok(Self {
            authority: Authority::new(&options.hosts)?,
            options,
            clock: Clock::start(),
            store: Store::new(),
            accounts: Mutex::new(accounts),
            faults: Mutex::new(faults),
            open: Mutex::default(),
        })
    }

    pub(crate) fn accounts(&self) -> MutexGuard<'_, Accounts> {
        lock(&self.accounts)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub(crate) fn arm(&self, fault: Fault) -> Result<u64, FaultError> {
        self.faults().arm(fault)
    }

    pub(crate) fn block_rules(&self) -> BlockRules {
        BlockRules {
            messages_per_hour: self.options.messages_per_hour,
            failed_logins: self.options.failed_logins,
            rate_block: Some(self.options.rate_block),
        }
    }

    /// Makes a connection known to `idle`.
    pub(crate) fn connection_opened(&self, id: u64) -> mpsc::UnboundedReceiver<Action> {
        let (signal, receiver) = mpsc::unbounded_channel();
        lock(&self.open).insert(
            id,
            Open {
                signal,
                in_transaction: false,
            },
        );
        receiver
    }

    pub(crate) fn connection_closed(&self, id: u64) {
        lock(&self.open).remove(&id);
    }

    pub(crate) fn in_transaction(&self, id: u64, in_transaction: bool) {
        if let Some(open) = lock(&self.open).get_mut(&id) {
            open.in_transaction = in_transaction;
        }
    }

    /// Makes every connection outside a transaction do this as soon as it waits for a command;
    /// returns their numbers.
    pub(crate) fn signal_idle(&self, action: Action) -> Result<Vec<u64>, FaultError> {
        let fault = Fault::new(Stage::Idle, action);
        fault.validate()?;
        let open = lock(&self.open);
        let idle = open.iter().filter(|(_, open)| !open.in_transaction);
        let signalled = idle.filter(|(_, open)| open.signal.send(fault.action.clone()).is_ok());
        Ok(signalled.map(|(id, _)| *id).collect())
    }

    /// As Zoho might: 421 and close.
    pub(crate) fn close_idle(&self) -> Vec<u64> {
        let action = Action::ReplyThenClose(texts::GOING_AWAY.into());
        self.signal_idle(action).unwrap_or_default()
    }
}
