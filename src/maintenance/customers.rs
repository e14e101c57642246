//! What customers do themselves: register with the PIN of the letter, follow the link, ask for a link
//! when they forgot (P15, P25, X18). Whoever guesses hears one answer, at the same beat (5.1).

use std::net::IpAddr;

use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use crate::account::situation::INITIAL_TRIES;
use crate::maintenance::desk::Desk;
use crate::maintenance::desk::Refused;
use crate::maintenance::gate::Asked;
use crate::maintenance::gate::on_the_beat;
use crate::model::auth::Verdict;
use crate::model::customer::Customer;
use crate::model::digits::SecretText;
use crate::model::digits::VoicePin;
use crate::model::ids::CustomerId;
use crate::pin::choice;
use crate::pin::choice::PinRefused;
use crate::records::RecordsError;
use crate::records::pins::Chosen;
use crate::records::pins::LinkPurpose;

/// Accounts with one address that are mailed together.
const SHARING_MAX: usize = 5;
/// Who asks, in the audit.
const CUSTOMER: &str = "customer";

/// What somebody wants as PIN, hint and web PIN, as typed.
#[derive(Debug)]
pub struct Wanted {
    /// The PIN for calls.
    pub pin: SecretText,
    /// A hint (X19).
    pub hint: Option<SecretText>,
    /// A web PIN (X17).
    pub web_pin: Option<SecretText>,
}

/// A registration as it came in.
#[derive(Debug)]
pub struct Registration {
    /// Who they say they are.
    pub customer: String,
    /// The PIN of the letter.
    pub initial: SecretText,
    /// What they choose.
    pub wanted: Wanted,
    /// Where the link goes; `None`: what was typed is no address.
    pub email: Option<SecretText>,
}

/// Whom a link is for.
#[derive(Debug)]
pub enum Forgot {
    /// The customer with this number.
    Customer(String),
    /// Whoever has this address; `None`: what was typed is no address.
    Email(Option<SecretText>),
}

/// Whether a web PIN is right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WebPin {
    /// It is.
    Correct,
    /// It is not, or there is none.
    Wrong,
    /// Not to be tried now: blocked, or tried too often.
    Refused,
}

impl WebPin {
    /// The word of the REST interface.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Correct => "correct",
            Self::Wrong => "wrong",
            Self::Refused => "refused",
        }
    }
}

/// What passed the first look: it says nothing about any account.
struct Plausible {
    pin: VoicePin,
    hint: Option<SecretText>,
    web_pin: Option<SecretText>,
}

impl Desk {
    /// Registers a customer. `true`: the hint is kept.
    pub async fn register(
        &self,
        registration: Registration,
        source: IpAddr,
    ) -> Result<bool, Refused> {
        let began = Instant::now();
        self.take_from(source, Asked::Register)?;
        self.take_about(&registration.customer, Asked::Register)?;
        let done = self.registered(registration).await;
        on_the_beat(began).await;
        done
    }

    async fn registered(&self, registration: Registration) -> Result<bool, Refused> {
        let Registration { customer, initial, wanted, email } = registration;
        let plausible = plausible(wanted)?;
        let email = email.ok_or(Refused::InvalidEmail)?;
        choice::not_the_initial(&plausible.pin, &initial).map_err(Refused::WeakPin)?;
        let _place = self.place()?;
        let customer = CustomerId::try_from(customer).map_err(|_| Refused::NotRegistered)?;
        let kept = self.pins.try_initial(&customer, INITIAL_TRIES, self.now()).await;
        let kept = match kept {
            Err(RecordsError::NoSuch(_)) => None,
            kept => kept?,
        };
        let shown = kept.as_ref().map(|kept| (kept.version, kept.verifier.as_slice()));
        let right = self.workers.initials().verify(&customer, shown, &choice::initial(&initial));
        let (Verdict::Correct, Some(kept)) = (right, kept) else {
            return Err(Refused::NotRegistered);
        };
        let record = self.records.customer(&customer).await?.ok_or(Refused::NotRegistered)?;
        fitting(&plausible, &record)?;
        let hint_kept = plausible.hint.is_some() && self.keeps_hint(&plausible);
        let chosen = self.chosen(&customer, plausible).await?;
        let link = self.link(LinkPurpose::Activate);
        let now = self.now();
        if self.pins.register(&customer, kept.version, chosen, email, link, now).await? {
            Ok(hint_kept)
        } else {
            Err(Refused::NotRegistered)
        }
    }

    /// Follows an activation link (P25).
    pub async fn activate(&self, token: &str, source: IpAddr) -> Result<(), Refused> {
        let began = Instant::now();
        self.take_from(source, Asked::Follow)?;
        let done = if let Some(id) = self.workers.links().read(token, LinkPurpose::Activate) {
            self.pins.activate(&id, self.now()).await
        } else {
            // The same read as for a link that was followed before.
            let other = self.link(LinkPurpose::Activate);
            self.pins.activate(&other.id, self.now()).await
        };
        on_the_beat(began).await;
        done?.map(drop).map_err(|_| Refused::LinkInvalid)
    }

    /// Mails a link to choose a new PIN, if there is somebody to mail it to (X18). Says the same to all.
    pub async fn forgot(&self, whom: Forgot, source: IpAddr) -> Result<(), Refused> {
        let began = Instant::now();
        self.take_from(source, Asked::Forgot)?;
        if let Err(error) = self.mail_reset(whom).await {
            tracing::warn!(%error, "a link for a forgotten PIN could not be made");
        }
        on_the_beat(began).await;
        Ok(())
    }

    async fn mail_reset(&self, whom: Forgot) -> Result<(), Refused> {
        let customers = match whom {
            Forgot::Customer(text) => {
                self.take_about(&text, Asked::Forgot)?;
                CustomerId::try_from(text).into_iter().collect()
            }
            Forgot::Email(None) => vec![],
            Forgot::Email(Some(email)) => {
                self.pins.customers_with_email(&email, SHARING_MAX).await?
            }
        };
        for customer in customers {
            if self.take_about(&format!("mail {customer}"), Asked::Forgot).is_ok() {
                let (link, by) = (self.link(LinkPurpose::Reset), self.by(CUSTOMER, "forgot"));
                match self.pins.mail_link(&customer, link, by).await {
                    Ok(_) | Err(RecordsError::NoSuch(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Chooses a new PIN by a mailed link (X18). `true`: the hint is kept.
    pub async fn renew(
        &self,
        token: &str,
        wanted: Wanted,
        source: IpAddr,
    ) -> Result<bool, Refused> {
        let began = Instant::now();
        self.take_from(source, Asked::Follow)?;
        let done = self.renewed(token, wanted).await;
        on_the_beat(began).await;
        done
    }

    async fn renewed(&self, token: &str, wanted: Wanted) -> Result<bool, Refused> {
        let plausible = plausible(wanted)?;
        let _place = self.place()?;
        let id = self.workers.links().read(token, LinkPurpose::Reset);
        let id = id.ok_or(Refused::LinkInvalid)?;
        let now = self.now();
        let link = self.pins.link(&id).await?.filter(|link| {
            link.purpose == LinkPurpose::Reset && link.used.is_none() && link.expires > now
        });
        let customer = link.ok_or(Refused::LinkInvalid)?.customer;
        let record = self.records.customer(&customer).await?.ok_or(Refused::LinkInvalid)?;
        fitting(&plausible, &record)?;
        if let Some(sealed) = self.records.sealed_pin(&customer).await?
            && self.workers.matches_whole(&customer, &sealed, &plausible.pin).await?
                == Verdict::Correct
        {
            return Err(Refused::WeakPin(PinRefused::Previous));
        }
        let hint_kept = plausible.hint.is_some() && self.keeps_hint(&plausible);
        let chosen = self.chosen(&customer, plausible).await?;
        let renewed = self.pins.choose_anew(&id, chosen, self.now()).await?;
        renewed.map(|_| hint_kept).map_err(|_| Refused::LinkInvalid)
    }

    /// Judges a web PIN for the customers' app (X17, P27).
    pub async fn verify_web_pin(
        &self,
        customer: &CustomerId,
        typed: SecretText,
        actor: &str,
    ) -> Result<WebPin, Refused> {
        let account = self.records.account(customer).await?;
        let stored = self.pins.web_pin(customer).await?;
        let limited = self.take_about(customer.as_str(), Asked::WebPin).is_err();
        let judged = self.workers.verify_web_pin(customer, stored, typed).await?;
        let Some(account) = account else { return Ok(WebPin::Wrong) };
        let result = match judged {
            _ if limited || account.blocked => WebPin::Refused,
            Verdict::Correct if account.has_pin() => WebPin::Correct,
            Verdict::Correct if account.initialized => {
                // P22: the link was passed over.
                self.pins.tried_early(customer, self.now()).await?;
                WebPin::Wrong
            }
            Verdict::Correct | Verdict::Wrong => WebPin::Wrong,
        };
        let body = serde_json::json!({ "result": result.word() });
        self.note("web_pin_verified", Some(customer.clone()), actor, body).await?;
        Ok(result)
    }

    /// A place among those who choose a PIN now.
    fn place(&self) -> Result<SemaphorePermit<'_>, Refused> {
        self.choosing.try_acquire().map_err(|_| Refused::Busy)
    }

    /// X19: without voice hints a hint stands for a web PIN, or is not kept.
    fn keeps_hint(&self, plausible: &Plausible) -> bool {
        self.rules.voice_hints || plausible.web_pin.is_some()
    }

    async fn chosen(&self, customer: &CustomerId, wanted: Plausible) -> Result<Chosen, Refused> {
        let keeps = self.keeps_hint(&wanted);
        let Plausible { pin, hint, web_pin } = wanted;
        let version = self.records.next_pin_version(customer).await?;
        let pin = self.workers.enrol(customer, version, pin).await?;
        let web_pin = match web_pin {
            Some(typed) => Some(self.workers.hash_web_pin(customer, typed).await?),
            None => None,
        };
        Ok(Chosen { pin, web_pin, hint: hint.filter(|_| keeps) })
    }
}

/// What can be refused without knowing whose it is.
fn plausible(wanted: Wanted) -> Result<Plausible, Refused> {
    let Wanted { pin, hint, web_pin } = wanted;
    let pin = choice::pin(&pin).map_err(Refused::WeakPin)?;
    if let Some(web_pin) = &web_pin {
        choice::web_pin(web_pin).map_err(Refused::WeakWebPin)?;
    }
    if let Some(hint) = &hint {
        choice::hint(hint, &pin).map_err(Refused::Hint)?;
        if let Some(web_pin) = &web_pin {
            choice::hint_beside(hint, web_pin).map_err(Refused::Hint)?;
        }
    }
    Ok(Plausible { pin, hint, web_pin })
}

/// What can be refused only to somebody who has shown who they are.
fn fitting(wanted: &Plausible, record: &Customer) -> Result<(), Refused> {
    choice::not_personal(&wanted.pin, record).map_err(Refused::WeakPin)?;
    if let Some(web_pin) = &wanted.web_pin {
        choice::web_pin_not_personal(web_pin, &wanted.pin, record).map_err(Refused::WeakWebPin)?;
    }
    Ok(())
}
