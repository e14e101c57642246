//! What records keep about PINs beside the sealed tags: initial PINs in their envelopes, links that
//! were mailed, dates, hints (P03–P25).
//!
//! ```text
//! No/No ──issue──► envelope ──print──► letter ──register──► Yes/No ──link──► Yes/Yes
//!   ▲                                                          │                │
//!   └──────────────────────── reset, another e-mail address ◄──┴────────────────┘
//! ```
//! Every change of a flag, its dates, the mail it causes and its audit line are one transaction.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde::Serialize;

pub use crate::account::situation::INITIAL_TRIES;
use crate::model::digits::SecretText;
use crate::model::ids::CustomerId;
pub use crate::model::link_purpose::LinkPurpose;
use crate::model::sealed_pin::SealedPin;
use crate::model::time::Timestamp;
use crate::records::RecordsError;
use crate::records::audit::Chained;

/// So long an unblock that one person asked for waits for the second one.
pub const UNBLOCK_WAITS: Duration = Duration::from_hours(24);

/// A print run: initial PINs that were sealed with one key, which is destroyed after printing.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct BatchId(pub i64);

/// A print run as it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Batch {
    /// Its number.
    pub id: BatchId,
    /// Its key under the pepper; `None` once the letters were handed over.
    pub key: Option<Vec<u8>>,
    /// When it was begun.
    pub opened: Timestamp,
    /// When its printing began: nothing is added from then on.
    pub closed: Option<Timestamp>,
    /// When its letters were handed over and its key destroyed.
    pub printed: Option<Timestamp>,
}

/// An initial PIN as it is kept: what the print run can open, and what registration can verify.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SealedInitial {
    /// Nonce and ciphertext under the key of the print run, bound to account and version.
    pub envelope: Vec<u8>,
    /// A MAC under the pepper, bound to account and version. Good for registration only.
    pub verifier: Vec<u8>,
}

/// Draws and seals one initial PIN for this account and version. Never keeps it.
pub type Sealer =
    Arc<dyn Fn(&CustomerId, u32) -> Result<SealedInitial, RecordsError> + Send + Sync>;

/// What to issue initial PINs with.
#[derive(Clone)]
pub struct Issuing {
    /// Into which print run.
    pub batch: BatchId,
    /// How they are drawn and sealed.
    pub sealer: Sealer,
    /// Until when they are good (at most 14 days).
    pub expires: Timestamp,
    /// Who asked for it.
    pub by: String,
    /// When.
    pub now: Timestamp,
}

/// What one step of a bulk generation did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Issued {
    /// Accounts looked at.
    pub examined: u64,
    /// Initial PINs that are new.
    pub created: u64,
    /// The last account looked at: where the next step goes on. `None`: that was the last step.
    pub last: Option<CustomerId>,
}

/// A living initial PIN, to be verified at registration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Initial {
    /// Which: rises with every initial PIN of the account.
    pub version: u32,
    /// See [`SealedInitial::verifier`].
    pub verifier: Vec<u8>,
}

/// One letter to print.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Letter {
    /// To whom.
    pub customer: CustomerId,
    /// The name on it.
    pub name: String,
    /// BCP 47 tag, if one is known.
    pub language: Option<String>,
    /// Which initial PIN.
    pub version: u32,
    /// See [`SealedInitial::envelope`].
    pub envelope: Vec<u8>,
    /// Until when it is good.
    pub expires: Timestamp,
}

/// A link to mail. Its token is never kept: it is computed from the id under the pepper.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewLink {
    /// 26 characters, random.
    pub id: String,
    /// What for.
    pub purpose: LinkPurpose,
    /// Until when.
    pub expires: Timestamp,
}

/// What became of a mail.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MailOutcome {
    /// Not sent yet, or the mail server cannot be reached.
    Waiting,
    /// The mail server took it.
    Accepted,
    /// The mail server says that there is no such address (P22: mistyped).
    Refused,
}

/// A link as it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// Its id.
    pub id: String,
    /// Whose.
    pub customer: CustomerId,
    /// What for.
    pub purpose: LinkPurpose,
    /// For which PIN: a reset in between makes it void.
    pub pin_version: u32,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it is good.
    pub expires: Timestamp,
    /// When it was followed.
    pub used: Option<Timestamp>,
    /// Whether a reset, another address or a newer link made it void.
    pub void: bool,
    /// What became of its mail, and when that was last known.
    pub mail: MailOutcome,
    /// See `mail`.
    pub mail_at: Option<Timestamp>,
}

/// Why a link does not work. Whoever follows it is told the same in every case.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkRefused {
    /// There is none.
    Unknown,
    /// It was followed before.
    Used,
    /// It is too old.
    Expired,
    /// A reset or another address made it void.
    Void,
}

impl MailOutcome {
    /// A stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
        }
    }

    /// The outcome with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Waiting, Self::Accepted, Self::Refused];
        all.into_iter().find(|outcome| outcome.word() == word)
    }
}

/// What a customer chose (P15). The PIN itself is in `pin`, as tags.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The tags of the voice PIN, for the version [`crate::records::Records::next_pin_version`] said.
    pub pin: SealedPin,
    /// The verifier of the web PIN (PHC string), if one was chosen (X17). `None` leaves what is there.
    pub web_pin: Option<String>,
    /// The hint, if one is kept (X19).
    pub hint: Option<SecretText>,
}

/// The PIN file of an account: everything that PIN maintenance knows beside flags and counters.
#[derive(Clone, Debug, Default)]
pub struct PinFile {
    /// The hint (X19).
    pub hint: Option<SecretText>,
    /// Whether a web PIN is chosen beside the voice PIN (X17).
    pub has_web_pin: bool,
    /// When the initial PIN was issued that is good or was last good. `None` where one was made void and
    /// the account got no other.
    pub issued: Option<Timestamp>,
    /// Until when it is good.
    pub expires: Option<Timestamp>,
    /// When its letter was handed to the printer.
    pub printed: Option<Timestamp>,
    /// Registrations tried with a wrong initial PIN since it was issued.
    pub initial_tries: u8,
    /// When the customer chose the PIN of their own that there is.
    pub registered: Option<Timestamp>,
    /// When the link was followed.
    pub activated: Option<Timestamp>,
    /// When the PIN was reset last.
    pub reset: Option<Timestamp>,
    /// When the customer tried to use the PIN before the link was followed (P22).
    pub tried_early: Option<Timestamp>,
    /// The newest link of this account.
    pub link: Option<Link>,
    /// Who asked that the account be unblocked, where a second person has to agree, and when.
    pub unblock_asked: Option<(String, Timestamp)>,
}

/// Who does something to a PIN, why and when.
#[derive(Clone, Debug)]
pub struct By {
    /// Who.
    pub actor: String,
    /// Why (P28).
    pub reason: String,
    /// When.
    pub now: Timestamp,
}

/// What came of asking for an unblock.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UnblockAsked {
    /// Done.
    Unblocked,
    /// It waits for somebody else than this person.
    Waiting(String),
    /// There was nothing to unblock.
    NotBlocked,
}

/// The estate by state (P18–P24).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Estate {
    /// All accounts.
    pub total: u64,
    /// No/No without an initial PIN.
    pub without_initial: u64,
    /// No/No with an initial PIN that is good.
    pub waiting: u64,
    /// No/No with an initial PIN that is too old or was tried too often.
    pub expired: u64,
    /// Yes/No.
    pub yes_no: u64,
    /// Yes/Yes.
    pub yes_yes: u64,
    /// No/Yes that were met and repaired, since ever (X22).
    pub no_yes_repaired: u64,
    /// Blocked accounts.
    pub blocked: u64,
    /// Accounts whose PIN has to be reset.
    pub reset_required: u64,
    /// Yes/No for longer than asked.
    pub stuck: u64,
    /// Of those, mails that the server refused.
    pub stuck_refused: u64,
    /// Of those, mails that were not taken yet.
    pub stuck_waiting: u64,
}

/// The third part of [`crate::records::Records`].
#[async_trait]
pub trait PinRecords: Send + Sync + 'static {
    /// How many accounts there are.
    async fn accounts(&self) -> Result<u64, RecordsError>;
    /// The print run that takes initial PINs now; begun with this key where there is none. Two nodes
    /// that ask at once get the same.
    async fn batch(&self, new_key: Vec<u8>, now: Timestamp) -> Result<Batch, RecordsError>;
    /// Issues initial PINs to accounts after `after` that have neither a PIN nor a good initial one,
    /// looking at `limit` accounts, in order of id, inactive ones too (P03–P07). One transaction, one
    /// audit line for all; doing it again creates none (P04). `NoSuch` where the print run was closed
    /// meanwhile: ask for the one that takes initial PINs now.
    async fn issue_missing(
        &self,
        issuing: Issuing,
        after: Option<CustomerId>,
        limit: usize,
    ) -> Result<Issued, RecordsError>;
    /// Resets one account: flags No/No, its PIN, web PIN, hint and links are void at once (P14), a new
    /// initial PIN is issued (X20). `NoSuch` for an unknown account.
    async fn reset_pin(
        &self,
        customer: &CustomerId,
        issuing: Issuing,
        by: By,
    ) -> Result<(), RecordsError>;
    /// Print runs whose key still exists, in order of number.
    async fn unprinted(&self) -> Result<Vec<Batch>, RecordsError>;
    /// Ends adding to a print run. Repeating it changes nothing.
    async fn close_batch(&self, batch: BatchId, now: Timestamp) -> Result<(), RecordsError>;
    /// Letters of a print run after this customer, in order of id, at most `limit`; those that expired
    /// or were replaced meanwhile are left out.
    async fn letters(
        &self,
        batch: BatchId,
        after: Option<CustomerId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Letter>, RecordsError>;
    /// The letters are with the printer: the key is destroyed, so that no envelope can be opened.
    async fn printed(&self, batch: BatchId, letters: u64, by: By) -> Result<(), RecordsError>;

    /// Counts a try before it is judged, and answers the living initial PIN; nothing where there is
    /// none, it is too old, or `limit` tries were made.
    async fn try_initial(
        &self,
        customer: &CustomerId,
        limit: u8,
        now: Timestamp,
    ) -> Result<Option<Initial>, RecordsError>;
    /// Registers a customer who showed this version of their initial PIN: flags Yes/No, the initial PIN
    /// is spent, the address is kept, the link is mailed (an item of the outbox). `false` where the
    /// initial PIN is no longer the one that was shown.
    async fn register(
        &self,
        customer: &CustomerId,
        initial: u32,
        chosen: Chosen,
        email: SecretText,
        link: NewLink,
        now: Timestamp,
    ) -> Result<bool, RecordsError>;
    /// Makes a link and mails it to the address on file; older ones of its purpose are void. `false`
    /// where there is no address, or nothing that the link could do: an activation link is for Yes/No,
    /// a reset link for Yes/Yes, whose address was proven.
    async fn mail_link(
        &self,
        customer: &CustomerId,
        link: NewLink,
        by: By,
    ) -> Result<bool, RecordsError>;
    /// A link, without judging it.
    async fn link(&self, id: &str) -> Result<Option<Link>, RecordsError>;
    /// Follows an activation link: flags Yes/Yes. Works once (P25).
    async fn activate(
        &self,
        id: &str,
        now: Timestamp,
    ) -> Result<Result<CustomerId, LinkRefused>, RecordsError>;
    /// Uses a reset link: the chosen PIN counts at once, flags Yes/Yes (the link proved the address).
    async fn choose_anew(
        &self,
        id: &str,
        chosen: Chosen,
        now: Timestamp,
    ) -> Result<Result<CustomerId, LinkRefused>, RecordsError>;
    /// What became of a link's mail.
    async fn mailed(
        &self,
        link: &str,
        outcome: MailOutcome,
        now: Timestamp,
    ) -> Result<(), RecordsError>;
    /// Somebody tried to use a PIN that is not enabled yet (P22). The first time is kept and audited.
    async fn tried_early(&self, customer: &CustomerId, now: Timestamp) -> Result<(), RecordsError>;
    /// Another e-mail address: where the account is initialized that is a reset (P17), links are void.
    /// An address that is taken away leaves nothing to validate: links are void, the PIN stays.
    async fn set_email(
        &self,
        customer: &CustomerId,
        email: Option<SecretText>,
        by: By,
    ) -> Result<(), RecordsError>;
    /// Customers with this address, at most `limit`.
    async fn customers_with_email(
        &self,
        email: &SecretText,
        limit: usize,
    ) -> Result<Vec<CustomerId>, RecordsError>;
    /// The verifier of the web PIN, if one is chosen.
    async fn web_pin(&self, customer: &CustomerId) -> Result<Option<String>, RecordsError>;

    /// Unblocks; where a second person has to agree, the first call is kept for [`UNBLOCK_WAITS`] and a
    /// second one by somebody else unblocks.
    async fn ask_unblock(
        &self,
        customer: &CustomerId,
        second_person: bool,
        by: By,
    ) -> Result<UnblockAsked, RecordsError>;
    /// The PIN file. `None` for an unknown account.
    async fn pin_file(&self, customer: &CustomerId) -> Result<Option<PinFile>, RecordsError>;
    /// The estate by state; `stuck` are Yes/No since before that time.
    async fn estate(&self, now: Timestamp, stuck_before: Timestamp)
    -> Result<Estate, RecordsError>;
    /// Yes/No since before that time, the oldest first, at most `limit`.
    async fn stuck(&self, before: Timestamp, limit: usize)
    -> Result<Vec<CustomerId>, RecordsError>;
    /// An account came with the flags No/Yes and was reset instead (P21, X22). Answers how many so far.
    async fn repaired(&self, customer: &CustomerId, by: By) -> Result<u64, RecordsError>;
    /// The newest audit lines of a customer, the newest first, at most `limit`.
    async fn audit_of_customer(
        &self,
        customer: &CustomerId,
        limit: usize,
    ) -> Result<Vec<Chained>, RecordsError>;
    /// Removes a person: record, numbers, answers, PINs, links, jobs, items (also those that were not
    /// delivered yet), the views of their calls, and the key without which their audit lines cannot be
    /// read. The chain stays as it is. `false` for somebody of whom nothing is kept.
    async fn erase(&self, customer: &CustomerId, by: By) -> Result<bool, RecordsError>;
}
