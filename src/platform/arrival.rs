//! From what a platform says of a call that came to a `Delivered`: the same meaning as an INVITE has.
//! One translation for all platforms but SIP. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::call::input::Delivered;
use crate::config::queues::Queues;
use crate::config::trunks::Trunk;
use crate::model::caller::Attestation;
use crate::model::caller::Caller;
use crate::model::ids::PlatformCallId;
use crate::model::ids::PlatformName;
use crate::model::ids::TrunkName;
use crate::model::number::PhoneNumber;
use crate::platform::claims;
use crate::wire::events::Arrival;

/// The parts of the configuration that say what an event means.
#[derive(Clone, Debug)]
pub struct Rules {
    /// `[sip.trunks.*]`: whose word is believed.
    pub trunks: BTreeMap<TrunkName, Trunk>,
    /// `[queues.*]`.
    pub queues: Queues,
    /// `sip.queue_uri`.
    pub queue_uri: String,
    /// `sip.handed_over_max`.
    pub handed_over_max: Duration,
}

/// A delivered call, and the profile its queue asks for.
#[derive(Debug)]
pub(crate) struct Translated {
    pub(crate) delivered: Delivered,
    pub(crate) policy: Option<String>,
}

/// Translates a `delivered`. `None` only where no queue could be named at all.
pub(crate) fn translate(
    platform: PlatformName,
    call: PlatformCallId,
    arrival: Arrival,
    rules: &Rules,
) -> Option<Translated> {
    let dnis = claims::dialled(arrival.dnis.as_deref().unwrap_or_default());
    let caller = caller(&arrival, rules);
    let by_number = rules.queues.of(&dnis);
    let named = arrival.queue.as_ref().and_then(|name| rules.queues.named(name));
    let queue = named.or(by_number.map(|(_, queue)| queue));
    let name = arrival.queue.or_else(|| by_number.map(|(name, _)| name.clone()));
    let uri = queue.and_then(|queue| queue.uri.as_ref());
    let delivered = Delivered {
        platform,
        platform_call_id: call,
        direction: arrival.direction,
        collects: arrival.collects,
        caller,
        dnis,
        queue: name.or_else(|| "general".parse().ok())?,
        queue_uri: uri.map_or_else(|| rules.queue_uri.clone(), |uri| uri.as_str().to_owned()),
        intent: arrival.intent,
        claimed_customer: arrival.customer,
        handed_over_max: rules.handed_over_max,
        purpose: None,
        agent: None,
    };
    Some(Translated { delivered, policy: queue.and_then(|queue| queue.policy.clone()) })
}

/// An asserted number and what verification says of it count only from a trunk that is trusted; from
/// any other the number is no more than what a caller presents.
fn caller(arrival: &Arrival, rules: &Rules) -> Caller {
    let trunk = arrival.trunk.as_ref().and_then(|name| rules.trunks.get(name));
    let country = trunk.and_then(|trunk| trunk.country.as_deref());
    let number = |text: &Option<String>| {
        text.as_deref().and_then(|text| PhoneNumber::parse_lenient(text, country).ok())
    };
    let (ani, cli) = (number(&arrival.ani), number(&arrival.cli));
    let trunk_name = arrival.trunk.clone();
    let Some(trusted) = trunk.filter(|trunk| trunk.trust_identity) else {
        let cli = cli.or(ani);
        return Caller { ani: None, cli, trunk: trunk_name, ..Caller::default() };
    };
    let told = claims::attestation(trusted.verstat, arrival.verstat.as_deref(), None);
    let attestation = match (arrival.attestation, told) {
        // Whoever found something against the number is right.
        (Some(Attestation::Failed), _) | (_, Attestation::Failed) => Attestation::Failed,
        (Some(Attestation::Diverted), _) | (_, Attestation::Diverted) => Attestation::Diverted,
        (None | Some(Attestation::None), told) => told,
        (Some(found), _) => found,
    };
    Caller { ani, cli, attestation, trunk: trunk_name, diverted: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::model::caller::NumberTrust;

    fn rules() -> Rules {
        let text = "[sip.trunks.office]\naddresses = []\ntrust_identity = true\nverstat = \"telnyx\"\ncountry = \"GB\"\n\
                    [sip.trunks.wild]\naddresses = []\n\
                    [queues.cards]\nnumbers = [\"+448001234\"]\nuri = \"sip:cards@127.0.0.1\"\npolicy = \"bofe\"\n";
        let config = config::parse("c.toml", text).expect("configuration");
        Rules {
            trunks: config.sip.trunks,
            queues: config.queues,
            queue_uri: "sip:queue@127.0.0.1".into(),
            handed_over_max: Duration::from_hours(4),
        }
    }

    fn translated(arrival: Arrival) -> Translated {
        let (platform, call) = ("pbx".parse().expect("a name"), "c1".parse().expect("an id"));
        translate(platform, call, arrival, &rules()).expect("a call")
    }

    fn on(trunk: &str) -> Arrival {
        let trunk = trunk.parse().ok();
        Arrival { trunk, ani: Some("020 7946 0123".into()), ..Arrival::default() }
    }

    #[test]
    fn x16_a_number_is_worth_what_its_trunk_is_trusted_with() {
        use Attestation as A;
        for (trunk, attestation, verstat, trust) in [
            ("office", None, None, NumberTrust::Medium),
            ("office", Some(A::Full), None, NumberTrust::High),
            ("office", None, Some("TN-Validation-Passed"), NumberTrust::High),
            ("office", Some(A::Full), Some("TN-Validation-Failed"), NumberTrust::Low),
            ("office", Some(A::Failed), Some("TN-Validation-Passed"), NumberTrust::Low),
            ("office", Some(A::Gateway), None, NumberTrust::Low),
            ("wild", Some(A::Full), None, NumberTrust::Low),
            ("nobody", Some(A::Full), Some("TN-Validation-Passed"), NumberTrust::Low),
        ] {
            let verstat = verstat.map(str::to_owned);
            let caller = translated(Arrival { attestation, verstat, ..on(trunk) }).delivered.caller;
            assert_eq!(caller.number_trust(), trust, "{trunk} {attestation:?}");
            let hint = caller.number().map(PhoneNumber::as_e164);
            // Without its country a national number cannot be placed.
            assert_eq!(hint.is_some(), trunk == "office", "{trunk}");
        }
    }

    #[test]
    fn contract_4_the_queue_is_the_one_named_or_that_of_the_dialled_number() {
        let cards = Some("cards".parse().expect("a name"));
        let dialled = |number: &str| Some(number.to_owned());
        for (queue, dnis, name, uri, policy) in [
            (None, dialled("+44 800 1234"), "cards", "sip:cards@127.0.0.1", Some("bofe")),
            (cards, dialled("+447000000"), "cards", "sip:cards@127.0.0.1", Some("bofe")),
            ("vip".parse().ok(), dialled("+448001234"), "vip", "sip:cards@127.0.0.1", Some("bofe")),
            ("vip".parse().ok(), None, "vip", "sip:queue@127.0.0.1", None),
            (None, None, "general", "sip:queue@127.0.0.1", None),
        ] {
            let found = translated(Arrival { dnis, queue, ..Arrival::default() });
            assert_eq!(found.delivered.queue.as_str(), name);
            assert_eq!(
                (found.delivered.queue_uri.as_str(), found.policy.as_deref()),
                (uri, policy)
            );
        }
    }
}
