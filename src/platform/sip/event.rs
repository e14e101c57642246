//! From an INVITE to a `Delivered`: who calls, and what that peer's word is worth. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::call::input::Delivered;
use crate::call::input::PresentedIntent;
use crate::config::queues::Queues;
use crate::config::trunks::Trunk;
use crate::config::trunks::Verstat;
use crate::model::call_kind::Collects;
use crate::model::call_kind::Direction;
use crate::model::caller::Attestation;
use crate::model::caller::Caller;
use crate::model::ids::IntentHandle;
use crate::model::ids::PlatformCallId;
use crate::model::ids::PlatformName;
use crate::model::ids::TrunkName;
use crate::model::number::PhoneNumber;
use crate::platform::claims;
use crate::sip::agent::Invitation;
use crate::sip::message::NameAddr;
use crate::sip::message::Uri;

/// The parts of the configuration that say what an INVITE means.
pub struct Rules<'a> {
    /// `[sip.trunks.*]`.
    pub trunks: &'a BTreeMap<TrunkName, Trunk>,
    /// `[queues.*]`.
    pub queues: &'a Queues,
    /// `sip.queue_uri`.
    pub queue_uri: &'a str,
    /// `sip.handed_over_max`.
    pub handed_over_max: Duration,
}

/// The INVITE's Call-ID cannot be a platform call id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the Call-ID is longer than 128 bytes or not printable")]
pub struct UnusableCallId;

/// A delivered call, and the profile its queue asks for.
#[derive(Debug)]
pub struct Translated {
    /// The call.
    pub delivered: Delivered,
    /// The queue's own profile.
    pub policy: Option<String>,
}

/// Translates an INVITE.
pub fn translate(invitation: &Invitation, rules: &Rules<'_>) -> Result<Translated, UnusableCallId> {
    let platform_call_id =
        PlatformCallId::try_from(invitation.call_id.clone()).map_err(|_| UnusableCallId)?;
    let dnis = dialled(&invitation.request_uri);
    let queue = rules.queues.of(&dnis);
    let queue_name = queue.map(|(name, _)| name.clone());
    let queue = queue.map(|(_, queue)| queue);
    let uri = queue.and_then(|queue| queue.uri.as_ref());
    let delivered = Delivered {
        platform: PlatformName::try_from("sip".to_owned()).map_err(|_| UnusableCallId)?,
        platform_call_id,
        direction: Direction::Inbound,
        collects: Collects::WhileHeld,
        caller: caller(invitation, rules),
        dnis,
        queue: queue_name.or_else(|| "general".parse().ok()).ok_or(UnusableCallId)?,
        queue_uri: uri.map_or_else(|| rules.queue_uri.to_owned(), |uri| uri.as_str().to_owned()),
        intent: intent(invitation),
        claimed_customer: None,
        handed_over_max: rules.handed_over_max,
        purpose: None,
        agent: None,
    };
    Ok(Translated { delivered, policy: queue.and_then(|queue| queue.policy.clone()) })
}

/// The dialled number, as it stands in the user part.
fn dialled(uri: &Uri) -> String {
    let user = uri.user_decoded().unwrap_or_default();
    claims::dialled(user.split(';').next().unwrap_or_default())
}

fn caller(invitation: &Invitation, rules: &Rules<'_>) -> Caller {
    let trunk = invitation.trunk.as_ref().and_then(|name| rules.trunks.get(name));
    let country = trunk.and_then(|trunk| trunk.country.as_deref());
    let number = |identity: &NameAddr| number_of(&identity.uri, country);
    let trusted = trunk.filter(|trunk| trunk.trust_identity);
    let asserted = trusted.and_then(|_| invitation.asserted.iter().find(|id| number(id).is_some()));
    let diverted =
        ["Diversion", "History-Info"].iter().any(|name| invitation.headers.get(name).is_some());
    let attestation = trusted.map_or(Attestation::None, |trunk| {
        attestation(
            trunk.verstat,
            asserted,
            &invitation.from,
            invitation.headers.get("Attestation-Info"),
        )
    });
    Caller {
        ani: asserted.and_then(number),
        cli: number(&invitation.from),
        attestation,
        trunk: invitation.trunk.clone(),
        diverted,
    }
}

fn number_of(uri: &Uri, country: Option<&str>) -> Option<PhoneNumber> {
    let user = uri.user_decoded()?;
    let digits = user.split(';').next()?;
    PhoneNumber::parse_lenient(digits, country).ok()
}

/// What the trunk's verification says (facts/caller-auth §4.2): `verstat` as a parameter of the
/// user part or of the URI, in the asserted identity before the presented one.
fn attestation(
    dialect: Verstat,
    asserted: Option<&NameAddr>,
    from: &NameAddr,
    attestation_info: Option<&str>,
) -> Attestation {
    let told = asserted.and_then(|identity| claims::verstat(&identity.uri));
    let told = told.or_else(|| claims::verstat(&from.uri));
    claims::attestation(dialect, told.as_deref(), attestation_info)
}

/// `X-Countersign-Intent`, else the handle in `User-to-User` as hexadecimal text (RFC 7433).
fn intent(invitation: &Invitation) -> Option<PresentedIntent> {
    let direct = invitation.headers.get("X-Countersign-Intent").map(str::to_owned);
    let carried = || claims::user_to_user(invitation.headers.get("User-to-User")?);
    let presented = direct.or_else(carried)?;
    let handle = IntentHandle::parse(presented.trim());
    Some(handle.map_or(PresentedIntent::Unreadable, PresentedIntent::Handle))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> NameAddr {
        NameAddr::parse(text).expect("an address")
    }

    #[test]
    fn caller_auth_4_2_the_same_word_means_different_things_at_different_vendors() {
        use Attestation as A;
        use Verstat as V;
        for (dialect, told, info, meant) in [
            (V::Atis, "TN-Validation-Passed-A", None, A::Full),
            (V::Atis, "tn-validation-failed", None, A::Failed),
            (V::Atis, "TN-Validation-Passed-B", None, A::Partial),
            (V::Atis, "TN-Validation-Passed-C", None, A::Gateway),
            (V::Atis, "TN-Validation-Passed", Some("A"), A::Full),
            (V::Atis, "TN-Validation-Passed", None, A::None),
            (V::Twilio, "TN-Validation-Passed-A", None, A::Full),
            (V::Twilio, "TN-Validation-Passed-A-Diverted", None, A::Diverted),
            (V::Twilio, "TN-Validation-Failed-B", None, A::Failed),
            (V::Twilio, "No-TN-Validation", None, A::None),
            (V::Twilio, "TN-Validation-Passed", None, A::None),
            (V::Telnyx, "TN-Validation-Passed", None, A::Full),
            (V::Telnyx, "TN-Validation-Passed-B", None, A::Partial),
            (V::Bandwidth, "TN-Verification-Passed", Some("B"), A::Partial),
            (V::Bandwidth, "TN-Validation-Passed", None, A::None),
            (V::None, "TN-Validation-Passed-A", None, A::None),
        ] {
            let from = address("<sip:anonymous@anonymous.invalid>");
            for identity in [
                format!("<sip:+442079460123;verstat={told}@carrier.example;user=phone>"),
                format!("<sip:+442079460123@carrier.example;verstat={told}>"),
                format!("<tel:+442079460123;verstat={told}>"),
            ] {
                let asserted = address(&identity);
                assert_eq!(attestation(dialect, Some(&asserted), &from, info), meant, "{identity}");
            }
        }
    }

    #[test]
    fn dialled_numbers_are_e164_where_they_can_be() {
        for (uri, dnis) in [
            ("sip:+44800000000@pbx", "+44800000000"),
            ("sip:44800000000;phone-context=x@pbx", "+44800000000"),
            ("sip:support@pbx", "support"),
            ("sip:pbx.example", ""),
        ] {
            assert_eq!(dialled(&Uri::parse(uri).expect("a URI")), dnis);
        }
    }
}
