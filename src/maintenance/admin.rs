//! What administrators do about one PIN. Every look and every act has a reason, and is on record
//! before it is answered (P28).

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::account::situation::INITIAL_TRIES;
use crate::maintenance::desk::Desk;
use crate::maintenance::desk::Refused;
use crate::maintenance::desk::reasoned;
use crate::maintenance::view::Read;
use crate::maintenance::view::Shown;
use crate::model::digits::SecretText;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::records::AuditEntry;
use crate::records::RecordsError;
use crate::records::audit::Chained;
use crate::records::pins::LinkPurpose;
use crate::records::pins::UnblockAsked;

/// Audit lines that are shown beside a PIN file.
const HISTORY: usize = 50;
/// How long after a passed call its caller may be told the hint (X19).
const PASSED_LATELY: Duration = Duration::from_mins(30);
/// The line of the audit chain that says a call passed.
const PASSED: &str = "call_passed";

/// Over what an administrator tells a hint (X19).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// On a call of this customer that has just passed.
    VerifiedCall,
    /// To the address that the link proved.
    VerifiedAddress,
}

impl Channel {
    /// The word of the REST interface.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::VerifiedCall => "verified_call",
            Self::VerifiedAddress => "verified_address",
        }
    }
}

/// What came of an unblock.
#[derive(Debug)]
pub struct Unblocked {
    /// The PIN file afterwards.
    pub shown: Shown,
    /// Whether it still waits for somebody else.
    pub waits: bool,
}

impl Desk {
    /// Shows the PIN file of an account. The look is on record first; one at an account that does not
    /// exist too.
    pub async fn look(
        &self,
        customer: &CustomerId,
        actor: &str,
        reason: &str,
    ) -> Result<Shown, Refused> {
        let reason = reasoned(reason)?;
        let found = self.records.customer(customer).await?.is_some();
        let body = json!({ "reason": reason, "found": found });
        let about = found.then(|| customer.clone());
        self.note("pin_file_viewed", about, actor, body).await?;
        self.file(customer).await
    }

    /// Resets a PIN: it fails at once, and a new initial PIN goes out by letter (P14, X20).
    pub async fn reset(
        &self,
        customer: &CustomerId,
        actor: &str,
        reason: &str,
    ) -> Result<Shown, Refused> {
        let by = self.by(actor, reasoned(reason)?);
        let issuing = self.issuing(actor).await?;
        match self.pins.reset_pin(customer, issuing, by).await {
            Ok(()) => self.file(customer).await,
            Err(RecordsError::NoSuch(_)) => Err(Refused::NoSuchCustomer),
            Err(error) => Err(error.into()),
        }
    }

    /// An initial PIN for one account that has none that is good.
    pub async fn generate_one(
        &self,
        customer: &CustomerId,
        actor: &str,
        reason: &str,
    ) -> Result<Shown, Refused> {
        let by = self.by(actor, reasoned(reason)?);
        let read = self.read(customer).await?;
        let (file, now) = (&read.file, self.now());
        let good =
            file.expires.is_some_and(|until| until > now) && file.initial_tries < INITIAL_TRIES;
        if read.account.initialized || good {
            return Err(Refused::HasPin);
        }
        let issuing = self.issuing(actor).await?;
        self.pins.reset_pin(customer, issuing, by).await?;
        self.file(customer).await
    }

    /// Sends the activation link again, as a new link: older ones are void.
    pub async fn resend(
        &self,
        customer: &CustomerId,
        actor: &str,
        reason: &str,
    ) -> Result<Shown, Refused> {
        let by = self.by(actor, reasoned(reason)?);
        let read = self.read(customer).await?;
        let owed = read.account.initialized && !read.account.enabled;
        let link = self.link(LinkPurpose::Activate);
        if !owed || !self.pins.mail_link(customer, link, by).await? {
            return Err(Refused::NothingToResend);
        }
        self.file(customer).await
    }

    /// Unblocks, or asks a second person to agree (5.7).
    pub async fn unblock(
        &self,
        customer: &CustomerId,
        actor: &str,
        reason: &str,
    ) -> Result<Unblocked, Refused> {
        let by = self.by(actor, reasoned(reason)?);
        let read = self.read(customer).await?;
        let second = self.rules.second_person;
        let asked_before = read.file.unblock_asked.is_some_and(|(asker, _)| asker == actor);
        match self.pins.ask_unblock(customer, second, by).await? {
            UnblockAsked::Unblocked => {
                Ok(Unblocked { shown: self.file(customer).await?, waits: false })
            }
            UnblockAsked::Waiting(asker) if asked_before && asker == actor => {
                Err(Refused::SamePerson)
            }
            UnblockAsked::Waiting(_) => {
                Ok(Unblocked { shown: self.file(customer).await?, waits: true })
            }
            UnblockAsked::NotBlocked => Err(Refused::NotBlocked),
        }
    }

    /// The hint, for somebody to tell it over a verified channel (X19). A voice PIN has none that may be
    /// told unless the configuration says so.
    pub async fn hint(
        &self,
        customer: &CustomerId,
        channel: Channel,
        actor: &str,
        reason: &str,
    ) -> Result<SecretText, Refused> {
        let reason = reasoned(reason)?;
        let read = self.read(customer).await?;
        let verified = match channel {
            Channel::VerifiedCall => self.passed_lately(customer).await?,
            Channel::VerifiedAddress => read.customer.email.is_some() && read.account.enabled,
        };
        let hint =
            read.file.hint.clone().filter(|_| verified && read.hint_may_be_told(&self.rules));
        let body = json!({ "reason": reason, "channel": channel.word(), "told": hint.is_some() });
        self.note("pin_hint_asked", Some(customer.clone()), actor, body).await?;
        hint.ok_or(Refused::HintNotAllowed)
    }

    async fn passed_lately(&self, customer: &CustomerId) -> Result<bool, Refused> {
        let now = self.now();
        let lines = self.pins.audit_of_customer(customer, HISTORY).await?;
        let lately =
            |line: &Chained| line.entry.what == PASSED && now.since(line.entry.at) < PASSED_LATELY;
        Ok(lines.iter().any(lately))
    }

    /// The PIN file without a line of its own: for what follows an act that is on record.
    async fn file(&self, customer: &CustomerId) -> Result<Shown, Refused> {
        let read = self.read(customer).await?;
        let history = match self.pins.audit_of_customer(customer, HISTORY).await {
            Ok(history) => Some(history),
            Err(error) => {
                tracing::warn!(%error, "the history of a PIN could not be read");
                None
            }
        };
        Ok(read.shown(history.as_deref(), &self.rules, self.now()))
    }

    pub(super) async fn read(&self, customer: &CustomerId) -> Result<Read, Refused> {
        let record = self.records.customer(customer).await?.ok_or(Refused::NoSuchCustomer)?;
        let account = self.records.account(customer).await?.unwrap_or_default();
        let file = self.pins.pin_file(customer).await?.unwrap_or_default();
        Ok(Read { customer: record, account, file })
    }

    pub(super) async fn note(
        &self,
        what: &str,
        customer: Option<CustomerId>,
        actor: &str,
        body: serde_json::Value,
    ) -> Result<(), RecordsError> {
        let (at, actor, what): (Timestamp, _, _) = (self.now(), actor.to_owned(), what.to_owned());
        self.records.audit(AuditEntry { at, actor, what, call: None, customer, body }).await
    }
}
