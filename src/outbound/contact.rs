//! The contact that waits for the customer's own call (O05, O07).

use serde::Deserialize;
use serde::Serialize;

use crate::model::ids::CallId;
use crate::model::ids::CustomerId;
use crate::model::time::Timestamp;
use crate::outbound::Purpose;
use crate::outbound::codes::SpokenCode;

/// A contact that waits for an inbound call with its reference. Kept in the records.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PendingContact {
    /// What the customer quotes.
    pub reference: SpokenCode,
    /// The call on which it was given.
    pub call: CallId,
    /// Whom we rang.
    pub customer: CustomerId,
    /// Why.
    pub purpose: Purpose,
    /// Until when the reference works.
    pub expires_at: Timestamp,
    /// When it was used.
    pub redeemed_at: Option<Timestamp>,
}

/// What an inbound call found with its reference. It is an inbound call like any other: the customer
/// is checked as the profile says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Landed {
    /// The call on which the reference was given.
    pub call: CallId,
    /// Whom we had rung; not yet proved to be the one who calls.
    pub customer: CustomerId,
    /// Why we had rung.
    pub purpose: Purpose,
}

/// Why a reference leads nowhere. The caller hears the same in every case.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotLanded {
    /// Nobody, or more than one, waits for it.
    #[error("no contact waits for this reference")]
    Unknown,
    /// It worked before.
    #[error("the reference was used")]
    Used,
    /// Its time is over.
    #[error("the reference has expired")]
    Expired,
    /// The call came in on another number than the published one.
    #[error("the reference works on the published number only")]
    OtherNumber,
}

impl PendingContact {
    /// Uses the reference up for a call to `dialled`.
    pub fn redeem(
        &mut self,
        quoted: &str,
        dialled: &str,
        published: &str,
        now: Timestamp,
    ) -> Result<Landed, NotLanded> {
        if self.reference.digits() != quoted {
            return Err(NotLanded::Unknown);
        }
        if self.redeemed_at.is_some() {
            return Err(NotLanded::Used);
        }
        if now >= self.expires_at {
            return Err(NotLanded::Expired);
        }
        if digits(dialled) != digits(published) {
            return Err(NotLanded::OtherNumber);
        }
        self.redeemed_at = Some(now);
        Ok(Landed {
            call: self.call.clone(),
            customer: self.customer.clone(),
            purpose: self.purpose,
        })
    }
}

/// Uses up the one contact that waits for this reference.
pub fn redeem<'a>(
    waiting: impl Iterator<Item = &'a mut PendingContact>,
    quoted: &str,
    dialled: &str,
    published: &str,
    now: Timestamp,
) -> Result<Landed, NotLanded> {
    let open = |contact: &PendingContact| contact.redeemed_at.is_none() && now < contact.expires_at;
    let mut fitting = waiting
        .filter(|contact| contact.reference.digits() == quoted)
        .collect::<Vec<&'a mut PendingContact>>();
    fitting.sort_by_key(|contact| !open(contact));
    match fitting.as_mut_slice() {
        [] => Err(NotLanded::Unknown),
        [one, two, ..] if open(one) && open(two) => Err(NotLanded::Unknown),
        [one, ..] => one.redeem(quoted, dialled, published, now),
    }
}

fn digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHED: &str = "+44 20 7946 0123";
    const DAY: u64 = 24 * 3_600_000;

    fn waiting(reference: &str, expires_at: u64) -> PendingContact {
        PendingContact {
            reference: SpokenCode::six(reference).expect("six digits"),
            call: "01J".parse().expect("an id"),
            customer: "c1".parse().expect("an id"),
            purpose: Purpose::Contact,
            expires_at: Timestamp(expires_at),
            redeemed_at: None,
        }
    }

    #[test]
    fn o07_a_reference_returns_to_the_pending_contact_once_and_from_the_published_number() {
        let mut contact = waiting("123456", DAY);
        let mut land =
            |quoted, dialled, at| contact.redeem(quoted, dialled, PUBLISHED, Timestamp(at));
        assert_eq!(land("654321", "+442079460123", 5), Err(NotLanded::Unknown));
        assert_eq!(land("123456", "+442079460199", 5), Err(NotLanded::OtherNumber));
        assert_eq!(land("123456", "+442079460123", DAY), Err(NotLanded::Expired));
        let landed = land("123456", "+442079460123", 5).expect("it lands");
        assert_eq!((landed.customer.as_str(), landed.purpose), ("c1", Purpose::Contact));
        assert_eq!(land("123456", "+442079460123", 6), Err(NotLanded::Used));
    }

    #[test]
    fn o07_a_reference_that_two_contacts_wait_for_leads_to_neither() {
        let mut both = [waiting("111111", DAY), waiting("111111", DAY), waiting("222222", DAY)];
        let mut land =
            |quoted, at| redeem(both.iter_mut(), quoted, PUBLISHED, PUBLISHED, Timestamp(at));
        assert_eq!(land("111111", 1), Err(NotLanded::Unknown));
        assert_eq!(land("333333", 1), Err(NotLanded::Unknown));
        assert!(land("222222", 1).is_ok());
        let mut old_and_new = [waiting("111111", 10), waiting("111111", DAY)];
        let landed = redeem(old_and_new.iter_mut(), "111111", PUBLISHED, PUBLISHED, Timestamp(11));
        assert!(landed.is_ok() && old_and_new[1].redeemed_at.is_some());
    }
}
