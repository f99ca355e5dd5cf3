//! A mailbox: who may log in, as whom it may send, and what a block says.

use serde::{Deserialize, Deserializer, Serialize};

use crate::hosts::DataCentre;
use crate::texts;

/// A Zoho mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The login: a full address, or `emailapikey` for `ZeptoMail`.
    pub address: String,
    /// The app password.
    #[serde(skip)]
    pub app_password: Option<String>,
    /// Other app passwords that work as well: Zoho lets a mailbox have several at a time.
    #[serde(skip)]
    pub further_app_passwords: Vec<String>,
    /// The password of the account itself; refused with 535 under two-factor.
    #[serde(skip)]
    pub password: Option<String>,
    /// Other addresses that it may send as. `@example.com` stands for every address of a domain
    /// (the verified domains of a `ZeptoMail` agent).
    pub aliases: Vec<String>,
    /// Only the app password works.
    pub two_factor: bool,
    /// What was paid for.
    pub plan: Plan,
    /// Where the account lives; a login in another data centre is a wrong password.
    pub data_centre: DataCentre,
    /// The block that is in force.
    pub blocked: Option<Block>,
}

/// The plan of an account (`docs/zoho.md plans`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// 150 recipients in a message.
    #[default]
    Paid,
    /// 100 recipients in a message.
    Free,
    /// Logins over SMTP are refused with 535.
    WithoutSmtp,
}

/// A block of the whole account, named by the reply that it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// R9 at the end of DATA.
    UnusualActivity,
    /// R9 with HTML inside, at the end of DATA.
    UnusualActivityHtml,
    /// R10 at the end of DATA.
    OutgoingBlocked,
    /// R11 at AUTH.
    SenderAddressBlocked,
}

impl Block {
    pub(crate) fn reply(self) -> &'static str {
        match self {
            Self::UnusualActivity => texts::UNUSUAL_ACTIVITY,
            Self::UnusualActivityHtml => texts::UNUSUAL_ACTIVITY_HTML,
            Self::OutgoingBlocked => texts::OUTGOING_BLOCKED,
            Self::SenderAddressBlocked => texts::SENDER_BLOCKED,
        }
    }
}

/// A change of an account: what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountUpdate {
    /// New app password.
    pub app_password: Option<String>,
    /// New list of the other app passwords.
    pub further_app_passwords: Option<Vec<String>>,
    /// New password of the account itself.
    pub password: Option<String>,
    /// New list of aliases.
    pub aliases: Option<Vec<String>>,
    /// Only the app password works.
    pub two_factor: Option<bool>,
    /// New plan.
    pub plan: Option<Plan>,
    /// New data centre.
    pub data_centre: Option<DataCentre>,
    /// In JSON a block's name, or `null` to unblock.
    pub blocked: BlockChange,
}

/// A change of an account's block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlockChange {
    /// As it is.
    #[default]
    Keep,
    /// Ends the block, and forgets failed logins and the hour's messages.
    Unblock,
    /// Blocks.
    Set(Block),
}

impl<'de> Deserialize<'de> for BlockChange {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(input)?.map_or(Self::Unblock, Self::Set))
    }
}

/// Why a login was refused. Zoho says 535 to nearly all of them; the simulator tells them apart
/// so that a person can see what was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No such account.
    UnknownUser,
    /// An alias was used as the user name: log in with the account's own address.
    AliasAsUsername,
    /// The account lives in another data centre than the host that was asked.
    OtherDataCentre,
    /// SMTP is not in the plan.
    WithoutSmtp,
    /// The account password, where two-factor asks for an app password.
    AppPasswordNeeded,
    /// Wrong password.
    WrongPassword,
    /// AUTH PLAIN with an authorisation identity: leave it empty.
    AuthorisationIdentity,
    /// The account is blocked for logins (R11).
    Blocked,
    /// The credentials were right; a fault replied.
    Fault,
}

/// Logins with one user name since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginCounts {
    /// Logins that were answered 235.
    pub ok: u64,
    /// Logins that were refused.
    pub refused: u64,
    /// Both.
    pub total: u64,
    /// Why the last refused one was refused.
    pub last_refusal: Option<Refusal>,
}

/// What a client gave to AUTH.
pub(crate) struct Credentials {
    pub(crate) authorisation: String,
    pub(crate) username: String,
    pub(crate) password: String,
}

impl Account {
    /// A paid account in the US with one app password.
    pub fn new(address: impl Into<String>, app_password: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            app_password: Some(app_password.into()),
            further_app_passwords: Vec::new(),
            password: None,
            aliases: Vec::new(),
            two_factor: false,
            plan: Plan::default(),
            data_centre: DataCentre::default(),
            blocked: None,
        }
    }

    /// Adds an address that the account may send as.
    #[must_use]
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.aliases.push(alias.into());
        self
    }

    /// Turns two-factor on: only the app password works, `password` is the account's own.
    #[must_use]
    pub fn two_factor(mut self, password: impl Into<String>) -> Self {
        self.two_factor = true;
        self.password = Some(password.into());
        self
    }

    /// May the account send as `address`? ASCII case does not matter.
    pub(crate) fn owns(&self, address: &str) -> bool {
        let is_own = |own: &String| {
            own.eq_ignore_ascii_case(address)
                || (own.starts_with('@')
                    && address
                        .rfind('@')
                        .is_some_and(|at| address[at..].eq_ignore_ascii_case(own)))
        };
        is_own(&self.address) || self.aliases.iter().any(is_own)
    }

    /// External recipients per message (`docs/zoho.md sending limits`).
    pub(crate) fn recipients_limit(&self) -> usize {
        if self.plan == Plan::Paid { 150 } else { 100 }
    }

    pub(crate) fn judge(
        &self,
        given: &Credentials,
        data_centre: DataCentre,
    ) -> Result<(), Refusal> {
        let matches = |own: &Option<String>| own.as_deref() == Some(given.password.as_str());
        if self.data_centre != data_centre {
            Err(Refusal::OtherDataCentre)
        } else if self.plan == Plan::WithoutSmtp {
            Err(Refusal::WithoutSmtp)
        } else if !given.authorisation.is_empty() {
            Err(Refusal::AuthorisationIdentity)
        } else if matches(&self.password) && self.two_factor {
            Err(Refusal::AppPasswordNeeded)
        } else if !matches(&self.app_password)
            && !self.further_app_passwords.contains(&given.password)
            && !matches(&self.password)
        {
            Err(Refusal::WrongPassword)
        } else if self.blocked == Some(Block::SenderAddressBlocked) {
            Err(Refusal::Blocked)
        } else {
            Ok(())
        }
    }

    pub(crate) fn change(&mut self, update: AccountUpdate) {
        self.app_password = update.app_password.or(self.app_password.take());
        self.further_app_passwords = update
            .further_app_passwords
            .unwrap_or_else(|| std::mem::take(&mut self.further_app_passwords));
        self.password = update.password.or(self.password.take());
        self.aliases = update
            .aliases
            .unwrap_or_else(|| std::mem::take(&mut self.aliases));
        self.two_factor = update.two_factor.unwrap_or(self.two_factor);
        self.plan = update.plan.unwrap_or(self.plan);
        self.data_centre = update.data_centre.unwrap_or(self.data_centre);
        match update.blocked {
            BlockChange::Keep => {}
            BlockChange::Unblock => self.blocked = None,
            BlockChange::Set(block) => self.blocked = Some(block),
        }
    }
}
