//! From an `open` to a call that comes. Pure.

use crate::call::input::PresentedIntent;
use crate::model::call_kind::Collects;
use crate::model::call_kind::Direction;
use crate::model::caller::Attestation;
use crate::model::ids::IntentHandle;
use crate::model::ids::TrunkName;
use crate::wire::audiohook::Open;
use crate::wire::events::Arrival;

/// The longest number.
const NUMBER_MAX: usize = 128;

/// Who calls, over a connector whose numbers are believed as far as those of this trunk.
pub(super) fn arrival(open: &Open, trunk: Option<&TrunkName>) -> Arrival {
    let handle = |text: &String| {
        IntentHandle::parse(text).map_or(PresentedIntent::Unreadable, PresentedIntent::Handle)
    };
    let word = open.attestation.as_deref();
    let attestation = word.and_then(|word| match word {
        "A" => Some(Attestation::Full),
        "B" => Some(Attestation::Partial),
        "C" => Some(Attestation::Gateway),
        "diverted" => Some(Attestation::Diverted),
        "failed" => Some(Attestation::Failed),
        "none" => Some(Attestation::None),
        _ => None,
    });
    // Any other word is the carrier's own.
    let verstat = word.filter(|word| attestation.is_none() && word.len() <= NUMBER_MAX);
    let ani = number(&open.ani);
    Arrival {
        direction: Direction::Inbound,
        cli: ani.clone(),
        ani,
        dnis: number(&open.dnis),
        attestation,
        verstat: verstat.map(str::to_owned),
        trunk: trunk.cloned(),
        intent: open.intent.as_ref().map(handle),
        customer: open.customer.clone().and_then(|customer| customer.try_into().ok()),
        queue: None,
        collects: Collects::WhileHeld,
    }
}

/// `tel:+1…`, `sip:+1…@host`, or the bare number.
fn number(text: &str) -> Option<String> {
    let text = text.trim();
    let bare = ["tel:", "sip:", "sips:"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let user = bare.unwrap_or(text).split(['@', ';']).next().unwrap_or_default();
    let usable = !user.is_empty() && user.len() <= NUMBER_MAX && !user.contains(char::is_control);
    usable.then(|| user.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_8_numbers_come_in_several_forms_and_may_be_missing() {
        for (text, read) in [
            ("tel:+15555551234", Some("+15555551234")),
            ("+1-555-555-1234", Some("+1-555-555-1234")),
            ("sip:+15555551234@edge.example;user=phone", Some("+15555551234")),
            ("", None),
            (" ", None),
            ("tel:", None),
        ] {
            assert_eq!(number(text).as_deref(), read, "{text}");
        }
    }

    #[test]
    fn contract_8_input_variables_become_what_every_platform_says() {
        let open = |attestation: &str| Open {
            attestation: Some(attestation.to_owned()),
            customer: Some("1001".into()),
            intent: Some("no handle".into()),
            ..Open::default()
        };
        let trunk = "office".parse().expect("a name");
        for (word, attestation, verstat) in [
            ("A", Some(Attestation::Full), None),
            ("failed", Some(Attestation::Failed), None),
            ("TN-Validation-Passed-A", None, Some("TN-Validation-Passed-A")),
        ] {
            let arrival = arrival(&open(word), Some(&trunk));
            assert_eq!((arrival.attestation, arrival.verstat.as_deref()), (attestation, verstat));
            assert_eq!(arrival.trunk.as_ref(), Some(&trunk));
            assert_eq!(arrival.customer.map(String::from).as_deref(), Some("1001"));
            assert!(matches!(arrival.intent, Some(PresentedIntent::Unreadable)));
        }
    }
}
