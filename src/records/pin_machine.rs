//! What every engine does the same way about PINs: whether a link still works, what is mailed, what
//! the audit says. No engine is named here.

use serde_json::Value;
use serde_json::json;

use crate::account::Account;
use crate::follow_up::ItemKind;
use crate::follow_up::NewItem;
use crate::model::digits::SecretText;
use crate::model::ids::CustomerId;
use crate::model::sealed_pin::SealedPin;
use crate::model::time::Timestamp;
use crate::records::AuditEntry;
use crate::records::RecordsError;
use crate::records::machine::Order;
use crate::records::pins::By;
use crate::records::pins::Chosen;
use crate::records::pins::INITIAL_TRIES;
use crate::records::pins::Initial;
use crate::records::pins::Issuing;
use crate::records::pins::Link;
use crate::records::pins::LinkPurpose;
use crate::records::pins::LinkRefused;
use crate::records::pins::MailOutcome;
use crate::records::pins::NewLink;
use crate::records::pins::SealedInitial;
use crate::records::pins::UNBLOCK_WAITS;
use crate::records::stored::id;
use crate::records::stored::time;

/// Who acts where the customer does.
pub(super) const CUSTOMER: &str = "customer";

/// What a print run is called where there is none that takes initial PINs.
pub(super) const OPEN_BATCH: &str = "print run that takes initial PINs";

/// An order of PIN maintenance.
pub(super) fn order(customer: &CustomerId, by: &By) -> Order {
    Order::new(customer, &by.actor, &by.reason, None, by.now)
}

/// What the customer does without a reason to give.
pub(super) fn own(customer: &CustomerId, now: Timestamp) -> Order {
    Order::new(customer, CUSTOMER, "", None, now)
}

/// Why nobody stores a PIN that was sealed for another version.
pub(super) fn sealed_for(account: &Account, pin: &SealedPin) -> Result<(), RecordsError> {
    if account.pin_version == pin.pin_version {
        return Ok(());
    }
    Err(RecordsError::Unavailable("the PIN was changed by somebody else meanwhile".into()))
}

/// An account that a bulk generation looks at.
pub(super) struct Examined {
    pub(super) customer: String,
    pub(super) initialized: bool,
    /// Its newest initial PIN: version, end, tries, whether it is spent.
    pub(super) initial: Option<(u32, Timestamp, u8, bool)>,
}

impl Examined {
    /// The version of the initial PIN that it lacks; nothing where it has a PIN or a good initial one.
    pub(super) fn lacks(&self, now: Timestamp) -> Option<u32> {
        let good = |(_, expires, tries, spent): (u32, Timestamp, u8, bool)| {
            !spent && expires > now && tries < INITIAL_TRIES
        };
        if self.initialized || self.initial.is_some_and(good) {
            return None;
        }
        Some(self.initial.map_or(0, |(version, ..)| version).saturating_add(1))
    }
}

/// The audit line of one step of a bulk generation. It names no customer: each can be erased.
pub(super) fn issued_many(issuing: &Issuing, count: u64) -> AuditEntry {
    AuditEntry {
        at: issuing.now,
        actor: issuing.by.clone(),
        what: "initial_pins_issued".into(),
        call: None,
        customer: None,
        body: json!({ "count": count, "batch": issuing.batch }),
    }
}

/// What the audit says about one initial PIN.
pub(super) fn issued_one(issuing: &Issuing, version: u32) -> Value {
    json!({ "version": version, "batch": issuing.batch, "expires": issuing.expires })
}

/// Draws and seals the initial PIN of one account.
pub(super) fn seal(
    issuing: &Issuing,
    customer: &CustomerId,
    version: u32,
) -> Result<SealedInitial, RecordsError> {
    (issuing.sealer)(customer, version)
}

/// The audit line of a print run whose letters are with the printer.
pub(super) fn printed(batch: i64, letters: u64, by: &By) -> AuditEntry {
    AuditEntry {
        at: by.now,
        actor: by.actor.clone(),
        what: "letters_printed".into(),
        call: None,
        customer: None,
        body: json!({ "batch": batch, "letters": letters }),
    }
}

/// The audit line of a link that nobody has.
pub(super) fn no_such_link(now: Timestamp) -> AuditEntry {
    AuditEntry {
        at: now,
        actor: CUSTOMER.into(),
        what: "link_refused".into(),
        call: None,
        customer: None,
        body: json!({ "why": LinkRefused::Unknown }),
    }
}

/// A living initial PIN as it is stored, with the tries that were made.
pub(super) struct Living {
    pub(super) initial: Initial,
    pub(super) tries: u8,
}

/// A link as it is stored.
pub(super) struct LinkRow {
    pub(super) id: String,
    pub(super) customer: String,
    pub(super) purpose: String,
    pub(super) pin_version: u32,
    pub(super) created: i64,
    pub(super) expires: i64,
    pub(super) used: Option<i64>,
    pub(super) void: bool,
    pub(super) mail: String,
    pub(super) mail_at: Option<i64>,
}

/// A link as it is kept, to be judged.
pub(super) struct KeptLink {
    pub(super) link: Link,
}

impl LinkRow {
    pub(super) fn kept(self) -> Result<KeptLink, RecordsError> {
        let corrupt = || RecordsError::Corrupt("mailed link".into());
        let link = Link {
            id: self.id,
            customer: id(self.customer)?,
            purpose: LinkPurpose::from_word(&self.purpose).ok_or_else(corrupt)?,
            pin_version: self.pin_version,
            created: time(self.created),
            expires: time(self.expires),
            used: self.used.map(time),
            void: self.void,
            mail: MailOutcome::from_word(&self.mail).ok_or_else(corrupt)?,
            mail_at: self.mail_at.map(time),
        };
        Ok(KeptLink { link })
    }
}

impl KeptLink {
    /// Whether it works for this purpose now, on this account.
    pub(super) fn judge(
        &self,
        purpose: LinkPurpose,
        account: &Account,
        now: Timestamp,
    ) -> Result<(), LinkRefused> {
        let Self { link } = self;
        if link.purpose != purpose {
            Err(LinkRefused::Unknown)
        } else if link.used.is_some() {
            Err(LinkRefused::Used)
        } else if link.void || link.pin_version != account.pin_version || !of_use(purpose, account)
        {
            Err(LinkRefused::Void)
        } else if now >= link.expires {
            Err(LinkRefused::Expired)
        } else {
            Ok(())
        }
    }
}

/// Whether a link could do anything. An address that was not proven lets nobody choose a PIN anew.
pub(super) const fn of_use(purpose: LinkPurpose, account: &Account) -> bool {
    match purpose {
        LinkPurpose::Activate => account.initialized && !account.enabled,
        LinkPurpose::Reset => account.enabled,
    }
}

/// The mail that carries a link: neither the address nor what opens the link is in it.
pub(super) fn mail(link: &NewLink, customer: &CustomerId, language: Option<&str>) -> NewItem {
    let (template, id) = (link.purpose.word(), &link.id);
    let payload =
        json!({ "template": template, "link": id, "customer": customer, "language": language });
    NewItem { kind: ItemKind::Mail, key: format!("mail:{id}"), payload }
}

/// The audit word for what became of a mail.
pub(super) const fn mail_word(outcome: MailOutcome) -> Option<&'static str> {
    match outcome {
        MailOutcome::Waiting => None,
        MailOutcome::Accepted => Some("pin_mail_accepted"),
        MailOutcome::Refused => Some("pin_mail_refused"),
    }
}

/// Another address of a customer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Address {
    /// The same one, in capitals or not.
    Same,
    /// It is gone: there is nothing to validate.
    Gone,
    /// Another one, which has to be validated (P17).
    Another,
}

impl Address {
    pub(super) fn of(before: Option<&SecretText>, after: Option<&SecretText>) -> Self {
        match (before.map(SecretText::expose), after.map(SecretText::expose)) {
            (Some(before), Some(after)) if before.eq_ignore_ascii_case(after) => Self::Same,
            (None, None) => Self::Same,
            (_, None) => Self::Gone,
            _ => Self::Another,
        }
    }
}

/// Who asked before, if what they asked for still waits.
pub(super) fn still_asked(asked: Option<(String, Timestamp)>, now: Timestamp) -> Option<String> {
    asked.filter(|(_, at)| now.since(*at) < UNBLOCK_WAITS).map(|(who, _)| who)
}

/// What the audit says about a choice: that it was made, never what was chosen.
pub(super) fn what_was_chosen(account: &Account, chosen: &Chosen) -> Value {
    json!({
        "pin_version": account.pin_version,
        "web_pin": chosen.web_pin.is_some(),
        "hint": chosen.hint.is_some(),
    })
}
