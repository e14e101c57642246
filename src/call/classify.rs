//! The class of a caller, before answer (B03–B06, B11, X12, X16). Total: every look-up gives one.

use serde::Deserialize;
use serde::Serialize;

use crate::call::input::Down;
use crate::call::input::IntentFound;
use crate::call::input::Known;
use crate::call::input::Lookup;
use crate::call::input::NumberMatch;
use crate::call::input::NumberOnFile;
use crate::model::call_kind::Direction;
use crate::model::caller::Attestation;
use crate::model::caller::Caller;
use crate::model::caller::CallerClass;
use crate::model::caller::Evidence;
use crate::model::caller::NumberTrust;
use crate::model::time::Timestamp;
use crate::policy::Profile;

/// What classification finds.
#[derive(Debug)]
pub struct Classified {
    /// The class.
    pub class: CallerClass,
    /// What it follows from.
    pub basis: Basis,
    /// Why, in the order it was looked at.
    pub evidence: Vec<Evidence>,
    /// Whom the call is about, if that is clear.
    pub customer: Option<Known>,
    /// Whether the records could be read at all.
    pub records_up: bool,
}

/// All that a class follows from, recorded so that it can be decided again.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Basis {
    /// Whether the number is on file for the customer this call is about.
    pub on_file: bool,
    /// For how many whole days; `None` for an undated one, which counts as old.
    pub on_file_days: Option<u64>,
    /// What the number is worth.
    pub trust: NumberTrust,
    /// Whether an alarm asks for more than the policy does (5.2).
    pub alarmed: bool,
    /// Whether the app announced exactly this call (X12).
    pub announced: bool,
}

/// The class. Total (B03); nothing rises above `unverified` on a number that cannot be believed (X16).
#[must_use]
pub fn class_of(basis: &Basis, profile: &Profile) -> CallerClass {
    let needed = if basis.alarmed { NumberTrust::High } else { profile.number_trust };
    let asked_days = profile.number_age.as_secs() / 86_400;
    let old = basis.on_file_days.is_none_or(|days| days >= asked_days);
    match basis.on_file && old && basis.trust >= needed {
        true if basis.announced => CallerClass::AppAuthenticated,
        true => CallerClass::VerifiedNumber,
        false => CallerClass::Unverified,
    }
}

/// Decides the class of a caller.
#[must_use]
pub fn classify(
    direction: Direction,
    caller: &Caller,
    found: Lookup,
    profile: &Profile,
    now: Timestamp,
) -> Classified {
    let mut evidence = vec![];
    if let Some(reason) = found.alarm {
        evidence.push(Evidence::new("alarm", reason, "an alarm asks for a fully attested number"));
    }
    let trust = match direction {
        Direction::Inbound => number_evidence(caller, profile, &mut evidence),
        Direction::Outbound => {
            let detail = "we dialled the number ourselves; its age on file decides";
            evidence.push(Evidence::new("dialled", "by_us", detail));
            NumberTrust::High
        }
    };
    // Nobody announces a call that we make.
    let intent = match direction {
        Direction::Inbound => found.intent,
        Direction::Outbound => IntentFound::NotPresented,
    };
    let announced = intent_evidence(intent, &mut evidence);
    let records_up = found.by_number.is_ok();
    let by_number = owner_evidence(found.by_number, &mut evidence);
    let Announced { customer, complete, number_disagrees } = announced;
    // The app names the customer even where several share the number.
    let customer = customer.or(by_number);
    let number = customer.as_ref().map_or(NumberOnFile::No, |known| known.number);
    let on_file_days = match number {
        NumberOnFile::No | NumberOnFile::Undated => None,
        NumberOnFile::Since(since) => Some(now.since(since).as_secs() / 86_400),
    };
    let basis = Basis {
        on_file: number != NumberOnFile::No,
        on_file_days,
        trust,
        alarmed: found.alarm.is_some(),
        announced: complete,
    };
    let class = class_of(&basis, profile);
    let days = profile.number_age.as_secs() / 86_400;
    if on_file_days.is_some_and(|on_file| on_file < days) {
        let detail = format!("the number has been on file for less than {days} days");
        evidence.push(Evidence::new("number_age", "too_new", detail));
    }
    if number_disagrees {
        evidence.push(Evidence::new(
            "intent_number_mismatch",
            "flagged",
            "the app announced another number than the one that calls",
        ));
    }
    Classified { class, basis, evidence, customer, records_up }
}

fn number_evidence(
    caller: &Caller,
    profile: &Profile,
    evidence: &mut Vec<Evidence>,
) -> NumberTrust {
    // No digit of the number stands in here: evidence outlives a failure, the number does not (C52).
    let (result, detail) = match (&caller.ani, &caller.cli) {
        (Some(_), _) => ("asserted", "the network asserts the calling number"),
        (None, Some(_)) => ("presented", "the calling number is only what the caller presents"),
        (None, None) => ("withheld", "no usable calling number came with the call"),
    };
    evidence.push(Evidence::new("ani", result, detail));
    let attestation = caller.attestation.word();
    evidence.push(Evidence::new(
        "attestation",
        attestation,
        match caller.attestation {
            Attestation::None => {
                "the network says nothing about the caller's right to the number".to_owned()
            }
            _ => format!("STIR/SHAKEN says {attestation}"),
        },
    ));
    if caller.diverted {
        evidence.push(Evidence::new("diversion", "diverted", "the call was diverted on its way"));
    }
    let trust = caller.number_trust();
    let word = |trust| match trust {
        NumberTrust::Low => "low",
        NumberTrust::Medium => "medium",
        NumberTrust::High => "high",
    };
    let needed = profile.number_trust;
    let detail =
        format!("the number is worth {}, the policy asks for {}", word(trust), word(needed));
    evidence.push(Evidence::new("number_trust", word(trust), detail));
    trust
}

/// Whom the number names. One that was only claimed is named, and said to be.
fn owner_evidence(found: Result<NumberMatch, Down>, evidence: &mut Vec<Evidence>) -> Option<Known> {
    let (kind, result, detail, known) = match found {
        Ok(NumberMatch::One(known)) if known.number == NumberOnFile::No => {
            ("number", "claimed", "somebody else named the customer", Some(*known))
        }
        Ok(NumberMatch::One(known)) => {
            ("number", "on_file", "the calling number is on file for one customer", Some(*known))
        }
        Ok(NumberMatch::Several) => {
            ("number", "shared", "several customers share the calling number", None)
        }
        Ok(NumberMatch::Nobody) => {
            ("number", "unknown", "nobody has the calling number on file", None)
        }
        Err(Down) => ("records", "unavailable", "the customer records could not be read", None),
    };
    evidence.push(Evidence::new(kind, result, detail));
    known
}

struct Announced {
    customer: Option<Known>,
    complete: bool,
    number_disagrees: bool,
}

fn intent_evidence(found: IntentFound, evidence: &mut Vec<Evidence>) -> Announced {
    let nothing = Announced { customer: None, complete: false, number_disagrees: false };
    match found {
        IntentFound::NotPresented => nothing,
        IntentFound::Refused(why) => {
            evidence.push(Evidence::new(
                "intent",
                why,
                format!("the app's intent was not accepted: {why}"),
            ));
            nothing
        }
        IntentFound::Good { customer, number_agrees, dnis_agrees } => {
            evidence.push(Evidence::new("intent", "redeemed", "the app registered this call"));
            if !dnis_agrees {
                evidence.push(Evidence::new(
                    "intent_dnis_mismatch",
                    "flagged",
                    "the app announced another dialled number",
                ));
            }
            Announced {
                complete: customer.is_some() && number_agrees && dnis_agrees,
                customer: customer.map(|known| *known),
                number_disagrees: !number_agrees,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::BUILT_IN;

    fn known(number: NumberOnFile) -> Known {
        Known { has_pin: true, number, ..Known::new("c-1".parse().expect("an id"), "One".into()) }
    }

    fn one(number: NumberOnFile) -> NumberMatch {
        NumberMatch::One(Box::new(known(number)))
    }

    fn good(number_agrees: bool, dnis_agrees: bool) -> IntentFound {
        let number = if number_agrees { NumberOnFile::Undated } else { NumberOnFile::No };
        IntentFound::Good { customer: Some(Box::new(known(number))), number_agrees, dnis_agrees }
    }

    const NOW: Timestamp = Timestamp(1_795_000_000_000);

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table, one line a story")]
    fn b03_every_look_up_gets_its_class_and_x12_x16_hold() {
        use CallerClass as C;
        let profile = Profile::parse(BUILT_IN[0].0, BUILT_IN[0].1).expect("sound");
        let ani = "+442079460123".parse().ok();
        let asserted = Caller { ani, ..Caller::default() };
        let presented = Caller { cli: asserted.ani.clone(), ..Caller::default() };
        let gateway = Caller { attestation: Attestation::Gateway, ..asserted.clone() };
        let days = |n: u64| NumberOnFile::Since(Timestamp(NOW.0 - n * 86_400_000));
        let none = || IntentFound::NotPresented;
        for (story, caller, by_number, intent, class) in [
            (
                "b04 app and number",
                &asserted,
                Ok(one(NumberOnFile::Undated)),
                good(true, true),
                C::AppAuthenticated,
            ),
            (
                "x12 app, other number",
                &asserted,
                Ok(NumberMatch::Nobody),
                good(false, true),
                C::Unverified,
            ),
            (
                "app, other dialled number",
                &asserted,
                Ok(one(NumberOnFile::Undated)),
                good(true, false),
                C::VerifiedNumber,
            ),
            (
                "x16 app, number not believable",
                &presented,
                Ok(one(NumberOnFile::Undated)),
                good(true, true),
                C::Unverified,
            ),
            (
                "used intent",
                &asserted,
                Ok(one(NumberOnFile::Undated)),
                IntentFound::Refused("used"),
                C::VerifiedNumber,
            ),
            (
                "b06 known number",
                &asserted,
                Ok(one(NumberOnFile::Undated)),
                none(),
                C::VerifiedNumber,
            ),
            ("known for 31 days", &asserted, Ok(one(days(31))), none(), C::VerifiedNumber),
            ("known for 29 days", &asserted, Ok(one(days(29))), none(), C::Unverified),
            (
                "x16 only presented",
                &presented,
                Ok(one(NumberOnFile::Undated)),
                none(),
                C::Unverified,
            ),
            ("x16 attested C", &gateway, Ok(one(NumberOnFile::Undated)), none(), C::Unverified),
            ("several share it", &asserted, Ok(NumberMatch::Several), none(), C::Unverified),
            ("b11 unknown", &asserted, Ok(NumberMatch::Nobody), none(), C::Unverified),
            ("no records", &asserted, Err(Down), none(), C::Unverified),
        ] {
            let found = classify(
                Direction::Inbound,
                caller,
                Lookup { by_number, intent, alarm: None },
                &profile,
                NOW,
            );
            assert_eq!(found.class, class, "{story}: {:?}", found.evidence);
            assert!(!found.evidence.is_empty(), "{story}: evidence is kept");
        }
    }

    #[test]
    fn x12_a_mismatch_is_flagged_and_still_names_the_customer() {
        let profile = Profile::parse(BUILT_IN[0].0, BUILT_IN[0].1).expect("sound");
        let caller = Caller { ani: "+442079460123".parse().ok(), ..Caller::default() };
        let found =
            Lookup { by_number: Ok(NumberMatch::Nobody), intent: good(false, true), alarm: None };
        let found = classify(Direction::Inbound, &caller, found, &profile, NOW);
        assert!(found.evidence.iter().any(|evidence| evidence.kind == "intent_number_mismatch"));
        assert_eq!(found.customer.map(|known| known.id.to_string()).as_deref(), Some("c-1"));
    }
}
