//! What holds for every caller, every agent and every profile, whatever they do in whatever order.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::house::*;
use super::*;
use crate::call::request::ProofResult;
use crate::model::customer::Role;
use crate::model::party::PartyRole;
use crate::outbound::Method;
use crate::outbound::Purpose;

const PROFILES: [&str; 5] = ["retail", "bofe", "cmg", "bofe-hardened", "cmg-hardened"];
const REP: &str = "2002";

/// What the one on the telephone and the agent have shown to know about one customer, counted by us and not by the call.
#[derive(Default)]
struct Shown {
    pin: bool,
    password: bool,
    right: BTreeSet<String>,
}

/// What a profile demands of somebody who passes; written down here a second time, on purpose.
fn suffices(
    profile: &str,
    class: CallerClass,
    noted: bool,
    proved_by_app: bool,
    shown: &Shown,
) -> bool {
    let right = shown.right.len();
    let one = shown.pin || shown.password;
    match (profile, class) {
        ("retail" | "bofe" | "bofe-hardened", CallerClass::AppAuthenticated) => true,
        ("retail", CallerClass::VerifiedNumber) => shown.pin || right >= 2,
        ("retail", CallerClass::Unverified) => (shown.pin && right >= 2) || right >= 3,
        (_, CallerClass::VerifiedNumber) if profile.starts_with("bofe") => right >= 2,
        (_, CallerClass::Unverified) if profile.starts_with("bofe") => right >= 3,
        _ => {
            let compensated = !noted && one && right >= 1;
            (shown.pin && shown.password) || compensated || right >= 3 || proved_by_app
        }
    }
}

fn answer(line: &mut Line<'_>, shown: &mut Shown, right: bool) {
    let open = line.view().questions.into_iter().flat_map(|questions| questions.items);
    let Some(item) = open.into_iter().find(|item| item.marked.is_none()) else { return };
    let key = item.key.to_string();
    let request = if item.reveal == "always" || (item.reveal == "on_click" && right) {
        Request::Mark { question: item.key, correct: right }
    } else {
        let value = if right { on_file(&key) } else { "something else" };
        Request::Answer { question: item.key, value: SecretText::new(value.into()) }
    };
    if line.asks(request) == "ok" && right {
        shown.right.insert(key);
    }
}

/// One thing that somebody does. Right PINs show in the tickets that came back right.
fn acts(line: &mut Line<'_>, choice: u8, shown: &mut Shown) {
    let password = |right: bool| {
        let said = if right { PASSWORD } else { "grey heron" };
        Request::Password(SecretText::new(said.into()))
    };
    let _ = match choice {
        0 => line.asks(Request::Claim),
        1 => line.asks(party(PartyRole::Client)),
        2 => line.asks(party(PartyRole::Representative)),
        3 => line.asks(said(PartyRole::Other, None, Some(true), None)),
        4 => line.asks(said(PartyRole::Other, None, Some(true), Some(true))),
        5 => line.asks(party(PartyRole::ThirdParty)),
        6 => {
            let said = line.asks(password(true));
            shown.password |= said == "ok";
            said
        }
        7 => line.asks(password(false)),
        8..=10 => {
            answer(line, shown, choice < 10);
            "ok"
        }
        11 => {
            answer(line, shown, false);
            "ok"
        }
        12 | 13 => line.asks(Request::Finish),
        14 => line.asks(Request::CollectPin),
        15 => line.asks(Request::CancelPin),
        16 => line.asks(transfer("ann", false)),
        17 => line.asks(transfer("ann", true)),
        18 => line.asks(Request::OfferCallback { accepted: true }),
        19 => line.asks(Request::ResetSecurity { reason: "x".into() }),
        20 => line.asks(Request::Unblock { reason: "x".into() }),
        21 => line.asks(Request::Prove(Some(Method::Letter))),
        22 => line.asks(Request::Proof(ProofResult::Accepted)),
        23 => {
            let value = SecretText::new(LETTER.into());
            line.asks(Request::Answer { question: fact("letter_code"), value })
        }
        24 => line.asks(Request::Prove(Some(Method::Waive))),
        25 => line.asks(Request::Acknowledge),
        26 => line.asks(Request::Release),
        27 => {
            line.input(Input::Event(CallEvent::ConnectionCleared(Cause::NORMAL_CLEARING)));
            "ok"
        }
        28 => line.asks(Request::ReportBogus { details: "x".into() }),
        _ => line.asks(Request::WrapUp { outcome: "x".into(), note: None }),
    };
}

const ACTS: u8 = 30;

fn choices() -> impl Strategy<Value = Vec<u8>> {
    // Claim and role first in most stories, so that they get deep.
    let opening = prop_oneof![3 => Just(vec![0, 1]), 1 => Just(vec![])];
    let rest = prop::collection::vec(0..ACTS, 0..30);
    (opening, rest).prop_map(|(opening, rest)| [opening, rest].concat())
}

fn callers() -> impl Strategy<Value = (u8, bool)> {
    (0u8..4, any::<bool>())
}

fn begins(house: &mut House, how: u8, right: bool) -> Line<'_> {
    let pin = if right { PIN } else { WRONG };
    match how {
        0 => house.rings(pin),
        1 => house.rings_from_elsewhere(Hands { pin: Some(pin), customer: Some(ONE) }),
        2 => house.rings_as(ONE, pin, Collects::Anytime),
        _ => house.calls(Purpose::Contact, pin),
    }
}

proptest! {
    #[test]
    fn c35_to_c40_c59_to_c64_b07_b11_x14_nobody_passes_without_what_the_profile_demands(
        profile in 0usize..PROFILES.len(), (how, right) in callers(), noted in any::<bool>(), choices in choices(),
    ) {
        let profile = PROFILES[profile];
        let mut house = House::under(profile);
        house.one().account.compensated = noted;
        let mut line = begins(&mut house, how, right);
        let mut shown = Shown { pin: right, ..Shown::default() };
        for choice in choices {
            acts(&mut line, choice, &mut shown);
            let view = line.view();
            if view.authentication != Authentication::Authenticated {
                continue;
            }
            let by_app = view.proof.is_some_and(|proof| proof.method == Some("app"));
            let keyed = line.subjects.iter().any(|subject| matches!(subject, Subject::Account(_)));
            shown.pin = right && keyed;
            let class = view.class.expect("classified");
            prop_assert!(
                suffices(profile, class, noted, by_app, &shown),
                "{profile} {class:?}: pin {} password {} right {:?}", shown.pin, shown.password, shown.right
            );
        }
    }

    #[test]
    fn c77_on_a_blocked_account_no_prompt_could_pass(
        profile in 0usize..3, (how, right) in callers(), choices in choices(),
    ) {
        let mut house = House::under(PROFILES[profile]);
        house.one().account.blocked = true;
        let mut line = begins(&mut house, how.min(2), right);
        let mut shown = Shown::default();
        for choice in choices {
            acts(&mut line, choice, &mut shown);
            let real = line.subjects.iter().any(|subject| matches!(subject, Subject::Account(_)));
            prop_assert!(!real, "a PIN of the blocked account would be judged");
            prop_assert_ne!(line.is(), Authentication::Authenticated);
            prop_assert!(line.recorded.iter().all(|result| *result == CallResult::Abandoned));
        }
        drop(line);
        prop_assert!(house.one().account.blocked);
    }

    #[test]
    fn c44_x02_x04_compensated_passes_cannot_repeat(calls in prop::collection::vec((callers(), choices()), 1..6)) {
        let mut house = House::under("cmg");
        let mut since_reset = 0;
        for ((how, right), choices) in calls {
            let mut line = begins(&mut house, how, right);
            let mut shown = Shown::default();
            for choice in choices {
                let (resets, recorded) = (line.resets, line.recorded.len());
                acts(&mut line, choice, &mut shown);
                let new = &line.recorded[recorded..];
                since_reset += new.iter().filter(|result| **result == CallResult::PassedCompensated).count();
                if line.resets > resets {
                    since_reset = 0;
                }
                prop_assert!(since_reset <= 1);
            }
        }
    }

    #[test]
    fn x01_x02_at_most_six_wrong_pins_are_judged_before_the_pin_is_closed(
        profile in 0usize..PROFILES.len(), calls in prop::collection::vec((0u8..4, choices()), 1..12),
    ) {
        let mut house = House::under(PROFILES[profile]);
        let mut guesses = 0;
        for (how, choices) in calls {
            let mut line = begins(&mut house, how, false);
            let mut shown = Shown::default();
            let mut counted = 0;
            for choice in choices {
                let resets = line.resets;
                acts(&mut line, choice, &mut shown);
                if line.resets > resets {
                    guesses = 0;
                    counted = line.guesses;
                }
                guesses += line.guesses - counted;
                counted = line.guesses;
                prop_assert!(guesses <= 6, "{guesses}");
            }
            guesses += line.guesses - counted;
            prop_assert!(line.guesses <= 2, "x01: two entries a call");
            prop_assert!(guesses <= 6, "{guesses}");
        }
    }

    #[test]
    fn c70_x02_counters_fall_only_with_a_pass_a_reset_or_an_unblock(
        profile in 0usize..PROFILES.len(), calls in prop::collection::vec((callers(), choices()), 1..5),
    ) {
        let mut house = House::under(PROFILES[profile]);
        for ((how, right), choices) in calls {
            let mut line = begins(&mut house, how, right);
            let mut shown = Shown::default();
            for choice in choices {
                let before = line.house.one().account.clone();
                let (recorded, resets) = (line.recorded.len(), line.resets);
                acts(&mut line, choice, &mut shown);
                let passed = line.recorded[recorded..].iter().any(|result| {
                    matches!(result, CallResult::Passed | CallResult::PassedCompensated)
                });
                let allowed = passed || line.resets > resets || choice == 20;
                let after = line.house.one().account.clone();
                prop_assert!(after.failed_calls >= before.failed_calls || allowed);
                prop_assert!(after.blocked >= before.blocked || allowed);
                let right_pin = right && choice == 14;
                prop_assert!(
                    after.pin_wrong_streak >= before.pin_wrong_streak || line.resets > resets || right_pin
                );
            }
        }
    }

    #[test]
    fn c06_the_words_of_one_customer_prove_nothing_about_another(choices in choices()) {
        let mut house = House::under("cmg");
        house.adds(REP, Role::Representative);
        let mut line = house.rings(PIN);
        let mut shown = Shown::default();
        for choice in choices {
            acts(&mut line, choice, &mut shown);
            if choice == 3 {
                let theirs = line.view().customer.is_some_and(|known| known.id == customer(REP));
                let _ = line.asks(said(PartyRole::Representative, Some(REP), None, None));
                if !theirs {
                    shown = Shown::default();
                }
            }
            let view = line.view();
            let other = view.customer.is_some_and(|known| known.id == customer(REP));
            if other && view.authentication == Authentication::Authenticated {
                prop_assert!(shown.password && !shown.right.is_empty(), "the client's PIN was taken for theirs");
            }
        }
    }

    #[test]
    fn c03_nobody_reaches_an_agent_without_exactly_one_check((how, right) in callers(), choices in choices()) {
        for profile in PROFILES {
            let mut house = House::under(profile);
            let mut line = begins(&mut house, how, right);
            let mut shown = Shown::default();
            for choice in &choices {
                acts(&mut line, *choice, &mut shown);
            }
            let classified = line.audit.iter().filter(|(what, _)| *what == "call_classified").count();
            prop_assert_eq!(classified, 1);
            let unclassed = line.shown.iter().any(|view| view.media == "handed_over" && view.class.is_none());
            prop_assert!(!unclassed);
        }
    }
}
