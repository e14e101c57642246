//! The PIN desk: what administrators, customers and commands may do about PINs (P10–P29).
//!
//! ```text
//! administrators ─► admin.rs      look (audited first), reset, generate, resend, unblock, hint
//! customers      ─► customers.rs  register, activate, forgot, renew        (gate.rs: how often)
//! both           ─► estate.rs     numbers by state, alarms
//! ```
//! No answer holds a PIN (P13): there is no type for one in here but on its way in.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::config::pin::Pin;
use crate::config::pin::SecondPerson;
use crate::maintenance::estate::Watch;
use crate::maintenance::gate::Gate;
use crate::maintenance::generate::Generation;
use crate::maintenance::issue;
use crate::model::ids::CallId;
use crate::model::time::Timestamp;
use crate::pin::PinError;
use crate::pin::choice::HintRefused;
use crate::pin::choice::PinRefused;
use crate::pin::choice::WebPinRefused;
use crate::pin::workers::PinWorkers;
use crate::records::PinRecords;
use crate::records::Records;
use crate::records::RecordsError;
use crate::records::pins::By;
use crate::records::pins::Issuing;
use crate::records::pins::LinkPurpose;
use crate::records::pins::NewLink;

/// Customers who choose a PIN at the same time: each takes a third of a second of a core.
const CHOOSING_AT_ONCE: usize = 8;

/// How PINs are maintained here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rules {
    /// How long an initial PIN is good.
    pub initial_ttl: Duration,
    /// How long a mailed link is good.
    pub link_ttl: Duration,
    /// After how long a registration without its link is stuck (P23).
    pub stuck_after: Duration,
    /// How many of those are an alarm (P23).
    pub stuck_alarm: u64,
    /// Whether hints are kept and told for voice PINs (X19).
    pub voice_hints: bool,
    /// Whether a second person has to agree to an unblock (5.7).
    pub second_person: bool,
}

impl Rules {
    /// The rules of `[pin]`; `profiles_ask` is whether a profile in use wants a second person.
    #[must_use]
    pub fn of(pin: &Pin, profiles_ask: bool) -> Self {
        Self {
            initial_ttl: pin.initial_ttl,
            link_ttl: pin.link_ttl,
            stuck_after: pin.stuck_after,
            stuck_alarm: pin.stuck_alarm,
            voice_hints: pin.voice_hints,
            second_person: match pin.second_person {
                SecondPerson::Profile => profiles_ask,
                SecondPerson::Always => true,
                SecondPerson::Never => false,
            },
        }
    }
}

/// What the desk works with.
pub struct Parts {
    /// Customers, accounts, audit.
    pub records: Arc<dyn Records>,
    /// PIN files, initial PINs, links: the same store.
    pub pins: Arc<dyn PinRecords>,
    /// The verifier.
    pub workers: Arc<PinWorkers>,
    /// Bulk generation of this node.
    pub generation: Generation,
    /// The rules.
    pub rules: Rules,
    /// The calendar.
    pub wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// PIN maintenance.
pub struct Desk {
    pub(super) records: Arc<dyn Records>,
    pub(super) pins: Arc<dyn PinRecords>,
    pub(super) workers: Arc<PinWorkers>,
    pub(super) generation: Generation,
    pub(super) rules: Rules,
    pub(super) gate: Mutex<Gate>,
    pub(super) choosing: Semaphore,
    pub(super) watch: Watch,
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// Why nothing was done. No message repeats what was typed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No such account. For administrators alone.
    #[error("there is no customer with this number")]
    NoSuchCustomer,
    /// P28: nobody looks or acts without saying why.
    #[error("say why, in 3 to 200 characters; the reason stands in the audit")]
    NoReason,
    /// There is a PIN, or a good initial one.
    #[error(
        "this account has a PIN or an initial PIN already; reset it if the customer needs another"
    )]
    HasPin,
    /// Nothing to lift.
    #[error("this account is not blocked")]
    NotBlocked,
    /// The one who asked cannot be the one who agrees.
    #[error("you asked for this already; somebody else has to agree")]
    SamePerson,
    /// No link could do anything, or there is no address.
    #[error(
        "there is nothing to send: the customer has not registered, is enabled already, or has no address"
    )]
    NothingToResend,
    /// X19.
    #[error(
        "a hint may be told only where one is kept and allowed, on a call that has just passed or to a verified address"
    )]
    HintNotAllowed,
    /// Unknown, wrong, too old, tried too often: one answer (5.1).
    #[error(
        "customer number and initial PIN do not open a registration; look at the newest letter, or ask for a new one"
    )]
    NotRegistered,
    /// See [`PinRefused`].
    #[error("{0}")]
    WeakPin(PinRefused),
    /// See [`WebPinRefused`].
    #[error("{0}")]
    WeakWebPin(WebPinRefused),
    /// See [`HintRefused`].
    #[error("{0}")]
    Hint(HintRefused),
    /// Not one plain address.
    #[error("this is no e-mail address; write it like name@example.org")]
    InvalidEmail,
    /// Too often. When to come again.
    #[error("too many tries; wait and try again")]
    TooMany(Duration),
    /// Unknown, used, too old, void: one answer (P25).
    #[error(
        "this link does not work: it was used, is too old, or a newer one was sent; ask for a new one"
    )]
    LinkInvalid,
    /// As many as can be are choosing now.
    #[error("many people are choosing a PIN now; try again in a few seconds")]
    Busy,
    /// A generation runs.
    #[error("initial PINs are being generated already: look at its progress, or stop it first")]
    GenerationRuns,
    /// The store.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

impl Refused {
    /// The word for why a PIN or web PIN is not taken.
    #[must_use]
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::WeakPin(refused) => Some(refused.word()),
            Self::WeakWebPin(refused) => Some(refused.word()),
            _ => None,
        }
    }
}

impl From<PinError> for Refused {
    fn from(error: PinError) -> Self {
        match error {
            PinError::Busy => Self::Busy,
            PinError::Corrupt => Self::Records(RecordsError::Corrupt("PIN".to_owned())),
        }
    }
}

impl Desk {
    /// A desk over these parts. `seed` is random and keys what the limits remember.
    #[must_use]
    pub fn new(parts: Parts, seed: [u8; 32]) -> Self {
        let Parts { records, pins, workers, generation, rules, wall } = parts;
        Self {
            records,
            pins,
            workers,
            generation,
            rules,
            gate: Mutex::new(Gate::new(seed)),
            choosing: Semaphore::new(CHOOSING_AT_ONCE),
            watch: Watch::default(),
            wall,
        }
    }

    /// The rules.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Bulk generation of this node.
    #[must_use]
    pub const fn generation(&self) -> &Generation {
        &self.generation
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.wall)()
    }

    pub(super) fn by(&self, actor: &str, reason: &str) -> By {
        By { actor: actor.to_owned(), reason: reason.to_owned(), now: self.now() }
    }

    /// With what one initial PIN is issued.
    pub(super) async fn issuing(&self, actor: &str) -> Result<Issuing, RecordsError> {
        let initials = self.workers.initials();
        let ttl = self.rules.initial_ttl;
        issue::issuing(&*self.pins, &initials, ttl, actor, self.now()).await
    }

    pub(super) fn link(&self, purpose: LinkPurpose) -> NewLink {
        let now = self.now();
        let id = String::from(CallId::new(now, rand::random()));
        NewLink { id, purpose, expires: now.after(self.rules.link_ttl) }
    }
}

/// P28: a reason is a short sentence.
pub(super) fn reasoned(reason: &str) -> Result<&str, Refused> {
    let reason = reason.trim();
    let usable =
        (3..=200).contains(&reason.chars().count()) && !reason.chars().any(char::is_control);
    if usable { Ok(reason) } else { Err(Refused::NoReason) }
}
